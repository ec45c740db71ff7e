//! The quiet line under an answer.

use leptos::prelude::*;

use super::facts::{Facts, tokens};
use crate::ui::kit::{
    Badge, ButtonSize, CopyButton, Tone,
    format::{duration, money, rate},
};

/// One number: its name for the tooltip, and the text.
type Item = (&'static str, String);

fn items(facts: &Facts) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(first) = facts.first_us {
        items.push(("Time to first token", format!("{} to first token", duration(first))));
    }
    if let (Some(usage), Some(writing)) = (facts.usage, facts.writing_us())
        && let Some(rate) = rate(usage.output, writing)
    {
        items.push(("Tokens per second", rate));
    }
    if let Some(usage) = facts.usage {
        items.push(("Tokens of the prompt", format!("{} in", tokens(usage.input, usage.cached, "cached"))));
        items.push(("Tokens of the answer", format!("{} out", tokens(usage.output, usage.reasoning, "reasoning"))));
    }
    if let Some(cost) = facts.cost_micro_usd {
        items.push(("Cost", money(cost)));
    }
    if let Some(total) = facts.total_us {
        items.push(("Total time", format!("{} in all", duration(total))));
    }
    if let Some(attempts) = facts.attempts.filter(|attempts| *attempts > 1) {
        items.push(("Tries at providers", format!("{attempts} attempts")));
    }
    if let Some(finish) = &facts.finish {
        items.push(("Why it ended", finish_words(finish)));
    }
    items
}

/// Why an answer ended, for people.
fn finish_words(finish: &str) -> String {
    match finish {
        "stop" => "finished".to_owned(),
        "length" => "ended by the token limit".to_owned(),
        "content_filter" => "ended by the content filter".to_owned(),
        "tool_calls" => "wants a tool".to_owned(),
        other => other.to_owned(),
    }
}

/// Times, tokens, cost and the request id of one answer.
#[component]
pub fn Metrics(#[prop(into)] facts: Signal<Facts>) -> impl IntoView {
    let request_id = Memo::new(move |_| facts.with(|facts| facts.request_id.clone()));
    view! {
        <div class="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-muted">
            <dl class="contents">
                {move || {
                    facts
                        .with(items)
                        .into_iter()
                        .map(|(name, text)| {
                            view! {
                                <div title=name>
                                    <dt class="sr-only">{name}</dt>
                                    <dd class="tabular-nums">{text}</dd>
                                </div>
                            }
                        })
                        .collect_view()
                }}
            </dl>
            {move || facts.with(|facts| facts.simulated).then(|| view! { <Badge tone=Tone::Warn>"simulated"</Badge> })}
            {move || {
                facts
                    .with(|facts| facts.dropped.clone())
                    .map(|dropped| view! { <Badge tone=Tone::Warn>{format!("not sent on: {dropped}")}</Badge> })
            }}
            {move || {
                request_id
                    .get()
                    .map(|id| {
                        let title = id.clone();
                        let short = id.get(id.len().saturating_sub(8)..).unwrap_or(&id).to_owned();
                        view! {
                            <span class="inline-flex items-center" title=format!("Request id {title}")>
                                <code>{format!("…{short}")}</code>
                                <CopyButton text=id label="Copy request id" compact=true size=ButtonSize::Small />
                            </span>
                        }
                    })
            }}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::live::chat::Usage;

    #[test]
    fn only_what_is_known_is_said() {
        assert!(items(&Facts::default()).is_empty());
        let facts = Facts {
            first_us: Some(84_000),
            total_us: Some(2_084_000),
            usage: Some(Usage { input: 1_204, cached: 1_024, output: 100, reasoning: 0 }),
            cost_micro_usd: Some(1_200),
            finish: Some("length".into()),
            ..Facts::default()
        };
        let texts: Vec<_> = items(&facts).into_iter().map(|(_, text)| text).collect();
        let expected = [
            "84 ms to first token",
            "50 tok/s",
            "1,204 (1,024 cached) in",
            "100 out",
            "$0.0012",
            "2.08 s in all",
            "ended by the token limit",
        ];
        assert_eq!(texts, expected);
    }
}
