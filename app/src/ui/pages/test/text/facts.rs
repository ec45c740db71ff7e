//! What is known of one answer besides its words: times, tokens, cost, where it came from.

use serde::{Deserialize, Serialize};

use crate::{
    types::{RunDetail, RunSummary},
    ui::{
        kit::format::{count, duration, money},
        live::chat::{Heard, Usage},
    },
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub request_id: Option<String>,
    /// As the upstream names it.
    pub model: Option<String>,
    pub provider: Option<String>,
    pub simulated: bool,
    pub streamed: bool,
    /// Times as this browser saw them, or as they were recorded, in microseconds.
    pub first_us: Option<i64>,
    pub total_us: Option<i64>,
    /// What the gateway itself took.
    pub overhead_us: Option<i64>,
    pub attempts: Option<u64>,
    pub usage: Option<Usage>,
    pub cost_micro_usd: Option<i64>,
    pub finish: Option<String>,
    /// Parameters that the provider does not know and that were left out.
    #[serde(default)]
    pub dropped: Option<String>,
}

impl Facts {
    /// What the head of an answer tells.
    pub fn from_headers(header: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| header(name)?.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        Self {
            request_id: header("x-request-id"),
            provider: header("x-de-provider"),
            dropped: header("x-de-dropped"),
            simulated: header("x-de-simulated").is_some_and(|value| matches!(value.as_str(), "true" | "1")),
            streamed: header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")),
            overhead_us: number("x-de-overhead-ms").map(|ms| (ms * 1e3).round() as i64),
            attempts: header("x-de-attempts").and_then(|count| count.trim().parse().ok()),
            cost_micro_usd: number("x-de-cost-usd").map(|usd| (usd * 1e6).round() as i64),
            ..Self::default()
        }
    }

    /// What the words of an answer tell.
    pub fn take_heard(&mut self, heard: &Heard) {
        self.model = heard.model.clone().or_else(|| self.model.take());
        self.finish = heard.finish.clone().or_else(|| self.finish.take());
        self.usage = heard.usage.or(self.usage);
    }

    /// What the record tells; the times stay those that were seen here.
    pub fn take_record(&mut self, run: &RunSummary) {
        self.request_id = Some(run.request_id.clone());
        self.simulated = run.simulated;
        self.streamed = run.streamed;
        self.provider = run.provider.clone().or_else(|| self.provider.take());
        self.model = self.model.take().or_else(|| run.model_used.clone());
        self.cost_micro_usd = Some(run.cost_micro_usd);
        if run.input_tokens + run.output_tokens > 0 {
            self.usage = Some(Usage {
                input: run.input_tokens,
                cached: run.cached_tokens,
                output: run.output_tokens,
                reasoning: run.reasoning_tokens,
            });
        }
        self.first_us = self.first_us.or(run.first_token_us);
        self.total_us = self.total_us.or(Some(run.latency_us));
    }

    /// Everything about a recorded call.
    pub fn from_run(run: &RunDetail) -> Self {
        let mut facts = Self {
            finish: run.finish_reason.clone(),
            overhead_us: Some(run.overhead_us),
            attempts: Some(run.attempts.len() as u64),
            ..Self::default()
        };
        facts.take_record(&run.summary);
        facts
    }

    /// How long the words took: of a stream from its first token on, else the whole call.
    pub fn writing_us(&self) -> Option<i64> {
        Some(self.total_us? - self.first_us.unwrap_or(0))
    }
}

/// Tokens with their parts: `1,204 (1,024 cached)`.
pub fn tokens(all: u64, part: u64, what: &str) -> String {
    match part {
        0 => count(all),
        part => format!("{} ({} {what})", count(all), count(part)),
    }
}

/// Which of several whole answers was the fastest and which the cheapest; nothing to say about fewer than two.
pub fn comparison(answers: &[(String, Facts)]) -> Option<String> {
    let times: Vec<_> = answers.iter().filter_map(|(name, facts)| Some((name, facts.total_us?))).collect();
    if times.len() < 2 {
        return None;
    }
    let (fastest, time) = times.iter().min_by_key(|(_, time)| *time)?;
    let mut text = format!("Fastest: {fastest} ({}).", duration(*time));
    let costs: Vec<_> = answers.iter().filter_map(|(name, facts)| Some((name, facts.cost_micro_usd?))).collect();
    if costs.len() < times.len() {
        return Some(text);
    }
    if let Some((cheapest, cost)) = costs.iter().min_by_key(|(_, cost)| *cost) {
        if costs.iter().all(|(_, other)| other == cost) {
            text.push_str(&format!(" All cost {}.", money(*cost)));
        } else {
            text.push_str(&format!(" Cheapest: {cheapest} ({}).", money(*cost)));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_read() {
        let facts = Facts::from_headers(|name| {
            let value = match name {
                "x-request-id" => "r-1",
                "x-de-cost-usd" => "0.000123",
                "x-de-overhead-ms" => "0.41",
                "x-de-attempts" => "2",
                "x-de-simulated" => "true",
                "content-type" => "text/event-stream; charset=utf-8",
                _ => return None,
            };
            Some(value.to_owned())
        });
        assert_eq!((facts.cost_micro_usd, facts.attempts, facts.overhead_us), (Some(123), Some(2), Some(410)));
        assert!(facts.simulated && facts.streamed);
        assert_eq!(Facts::from_headers(|_| Some("nonsense".to_owned())).cost_micro_usd, None);
    }

    #[test]
    fn speed_counts_from_the_first_token() {
        let facts = Facts { total_us: Some(1_500), first_us: Some(500), ..Facts::default() };
        assert_eq!(facts.writing_us(), Some(1_000));
        assert_eq!(Facts { first_us: None, ..facts.clone() }.writing_us(), Some(1_500));
        assert_eq!(Facts { total_us: None, ..facts }.writing_us(), None);
    }

    #[test]
    fn parts_of_tokens_are_named() {
        assert_eq!(tokens(1_204, 1_024, "cached"), "1,204 (1,024 cached)");
        assert_eq!(tokens(5, 0, "cached"), "5");
    }

    #[test]
    fn answers_are_compared() {
        let answer = |name: &str, total: i64, cost: Option<i64>| {
            (name.to_owned(), Facts { total_us: Some(total), cost_micro_usd: cost, ..Facts::default() })
        };
        assert_eq!(comparison(&[answer("a", 5, Some(1))]), None);
        let two = [answer("a", 900_000, Some(7)), answer("b", 1_500_000, Some(3))];
        assert_eq!(comparison(&two).as_deref(), Some("Fastest: a (900 ms). Cheapest: b ($0.000003)."));
        let same = [answer("a", 900_000, Some(0)), answer("b", 1_500_000, Some(0))];
        assert_eq!(comparison(&same).as_deref(), Some("Fastest: a (900 ms). All cost $0."));
        let unknown = [answer("a", 900_000, Some(0)), answer("b", 1_500_000, None)];
        assert_eq!(comparison(&unknown).as_deref(), Some("Fastest: a (900 ms)."));
    }
}
