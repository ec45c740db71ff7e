use leptos::prelude::*;

use crate::{
    types::{Overview, RunSummary},
    ui::kit::{Badge, ButtonSize, Card, Cell, Column, EmptyState, Glyph, LinkButton, Row, Table, Time, Tone, format},
};

/// Where a call came in, in words.
fn source(surface: &str) -> String {
    match surface {
        "console" => "Console",
        "openai.chat" => "Chat completions",
        "openai.responses" => "Responses",
        "text.generate" => "Text service",
        "text.stream" | "text.generate_stream" => "Text service, streamed",
        other => other,
    }
    .to_owned()
}

#[component]
fn StatusBadge(status: String) -> impl IntoView {
    let (tone, icon, word) = match status.as_str() {
        "completed" => (Tone::Good, Glyph::Check, "Completed".to_owned()),
        "failed" => (Tone::Bad, Glyph::Cross, "Failed".to_owned()),
        "cancelled" => (Tone::Neutral, Glyph::Stop, "Cancelled".to_owned()),
        _ => (Tone::Neutral, Glyph::Circle, status),
    };
    view! {
        <Badge tone icon>
            {word}
        </Badge>
    }
}

/// The latest calls; each leads to its details in the history.
#[component]
pub fn Recent(overview: RwSignal<Overview>) -> impl IntoView {
    let runs = Memo::new(move |_| overview.with(|overview| overview.recent.clone()));
    let empty = Memo::new(move |_| runs.with(Vec::is_empty));
    view! {
        <Card
            title="Recent requests"
            flush=true
            actions=|| {
                view! {
                    <LinkButton href="/test/history?surface=all&who=all" size=ButtonSize::Small icon=Glyph::History>
                        "All"
                    </LinkButton>
                }
            }
        >
            {move || {
                if empty.get() {
                    return view! {
                        <EmptyState
                            icon=Glyph::History
                            title="No requests yet"
                            text="Calls appear here as soon as they are made, from the console or by API key."
                        >
                            <LinkButton href="/test/text" icon=Glyph::Chat>
                                "Try a prompt"
                            </LinkButton>
                        </EmptyState>
                    }
                        .into_any();
                }
                view! {
                    <Table
                        caption="Recent requests"
                        columns=vec![
                            Column::text("Model"),
                            Column::text("Status"),
                            Column::text("Source"),
                            Column::number("Tokens"),
                            Column::number("Latency"),
                            Column::number("Cost"),
                            Column::number("When"),
                        ]
                    >
                        <For each=move || runs.get() key=|run| run.request_id.clone() let:run>
                            <RunRow run />
                        </For>
                    </Table>
                }
                    .into_any()
            }}
        </Card>
    }
}

#[component]
fn RunRow(run: RunSummary) -> impl IntoView {
    let href = format!("/test/history?surface=all&who=all&run={}", run.request_id);
    let model = run.model_used.unwrap_or(run.model_asked);
    let model = if model.is_empty() { "no model".to_owned() } else { model };
    let tokens = format!("{} → {}", format::compact(run.input_tokens), format::compact(run.output_tokens));
    view! {
        <Row>
            <Cell label="Model">
                <a href=href class="flex min-h-6 min-w-0 items-center gap-2 font-medium text-ink hover:text-link hover:underline">
                    <span class="max-w-56 truncate">{model}</span>
                    {run
                        .simulated
                        .then(|| {
                            view! {
                                <Badge tone=Tone::Accent icon=Glyph::Flask>
                                    "Simulated"
                                </Badge>
                            }
                        })}
                </a>
            </Cell>
            <Cell label="Status">
                <StatusBadge status=run.status />
            </Cell>
            <Cell label="Source">
                <span class="whitespace-nowrap text-muted">{source(&run.surface)}</span>
            </Cell>
            <Cell label="Tokens" numeric=true>
                <span title="prompt → answer">{tokens}</span>
            </Cell>
            <Cell label="Latency" numeric=true>
                {format::duration(run.latency_us)}
            </Cell>
            <Cell label="Cost" numeric=true>
                {format::money(run.cost_micro_usd)}
            </Cell>
            <Cell label="When" numeric=true>
                <span class="text-muted">
                    <Time at_us=run.at_us />
                </span>
            </Cell>
        </Row>
    }
}
