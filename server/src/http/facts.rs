//! What the gateway knows of a call, as response headers.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::services::{gateway::Facts, limits::Standing};

/// Adds the headers that are true at this moment: the cost of a stream is known only at its end.
pub fn add_headers(headers: &mut HeaderMap, facts: &Facts, is_complete: bool) {
    put(headers, "x-de-model", &facts.model);
    put(headers, "x-de-provider", &facts.provider);
    put(headers, "x-de-attempts", &facts.attempts.to_string());
    put(headers, "x-de-simulated", if facts.simulated { "true" } else { "false" });
    put(headers, "x-de-overhead-ms", &format!("{:.3}", facts.overhead.as_secs_f64() * 1_000.0));
    if !facts.dropped.is_empty() {
        put(headers, "x-de-dropped", &facts.dropped.join(", "));
    }
    if is_complete {
        put(headers, "x-de-cost-usd", &usd(facts.cost_micro_usd));
    }
    if let Some(warning) = &facts.standing.warning {
        let (spent, budget) = (usd(warning.spent_micro_usd), usd(warning.budget_micro_usd));
        let text = format!("{}; spent={spent}; budget={budget}; limit={}", warning.period.as_str(), warning.limit_id);
        put(headers, "x-de-budget-warning", &text);
    }
}

/// The tightest limits of requests and tokens per minute, by OpenAI's names.
pub fn add_openai_limits(headers: &mut HeaderMap, standing: &Standing) {
    let names = [
        (
            standing.requests,
            ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        ),
        (standing.tokens, ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]),
    ];
    for (room, [limit, remaining, reset]) in names {
        let Some(room) = room else { continue };
        put(headers, limit, &room.limit.to_string());
        put(headers, remaining, &room.left.to_string());
        put(headers, reset, &duration(room.whole_s()));
    }
}

/// The tightest limit of requests per minute, by the services' names: what was left when the call came (`used` calls ago),
/// and the second at which the oldest call leaves the window.
pub fn add_service_limits(headers: &mut HeaderMap, standing: &Standing, now_us: i64, used: i64) {
    let Some(room) = standing.requests else { return };
    put(headers, "x-ratelimit-remaining", &(room.left + used).to_string());
    put(headers, "x-ratelimit-reset", &(now_us.div_euclid(1_000_000) + room.next_s).to_string());
}

/// A time as OpenAI writes it: `6m0s`, `12s`.
fn duration(seconds: i64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    if minutes > 0 { format!("{minutes}m{seconds}s") } else { format!("{seconds}s") }
}

/// Micro-dollars as a decimal number of dollars.
pub fn usd(micro: i64) -> String {
    let mut text = String::new();
    if micro < 0 {
        text.push('-');
    }
    let micro = micro.unsigned_abs();
    let _ = write!(text, "{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    text
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, usd};

    #[test]
    fn times_are_as_openai_writes_them() {
        assert_eq!([0, 12, 60, 361].map(duration), ["0s", "12s", "1m0s", "6m1s"]);
    }

    #[test]
    fn money_is_exact() {
        assert_eq!(usd(0), "0.000000");
        assert_eq!(usd(1), "0.000001");
        assert_eq!(usd(12_345_678), "12.345678");
        assert_eq!(usd(-5), "-0.000005");
    }
}
