//! One lane's answer: its state, its words or its failure, its numbers, and what can be done with it.

use leptos::prelude::*;

use super::{
    lane::{Lane, Phase},
    metrics::Metrics,
    prose::{GrowingProse, Prose},
    state::Console,
};
use crate::ui::{
    kit::{Badge, Button, ButtonSize, ButtonVariant, CopyButton, Glyph, Icon, Progress, Tone, format},
    pages::test::failure_card::FailureCard,
};

/// An answer, from the moment it was asked for. `on_details` opens the raw exchange.
#[component]
pub fn AnswerView(console: Console, lane: Lane, #[prop(into)] on_details: Callback<Lane>) -> impl IntoView {
    let raw = RwSignal::new(false);
    let running = Memo::new(move |_| lane.is_running());
    let has_text = Memo::new(move |_| lane.has_text());
    let failure = Memo::new(move |_| match lane.phase.get() {
        Phase::Failed(error) => Some(error),
        _ => None,
    });
    let name = move || lane.model.with(|model| console.model_name(model));
    let chosen = Memo::new(move |_| console.chosen_lane().place == lane.place);
    let text = Signal::derive(move || lane.said.with(|said| said.text.clone()));
    view! {
        <article
            class="@container flex min-w-0 flex-col gap-2 rounded-lg border border-line bg-surface p-4 shadow-card"
            aria-label=move || format!("Answer of {}", name())
            aria-busy=move || running.get().to_string()
            data-lane=lane.place
        >
            <header class="flex min-h-7 flex-wrap items-center gap-2">
                {move || console.comparing().then(|| view! { <Badge>{lane.letter().to_string()}</Badge> })}
                <h3 class="min-w-0 truncate font-semibold">{name}</h3>
                <State lane />
            </header>
            {move || running.get().then(|| view! { <Progress label="Waiting for the answer" /> })}
            <Thinking lane running />
            {move || {
                if raw.get() {
                    view! { <pre class="overflow-x-auto whitespace-pre-wrap wrap-anywhere" tabindex="0">{text}</pre> }.into_any()
                } else if running.get() {
                    view! { <GrowingProse said=lane.said /> }.into_any()
                } else {
                    view! { <Prose text /> }.into_any()
                }
            }}
            <Extras lane />
            {move || {
                failure
                    .get()
                    .map(|error| view! { <FailureCard error retry=move |()| console.regenerate(lane) /> })
            }}
            {move || (!running.get()).then(|| view! { <Metrics facts=lane.facts /> })}
            <footer class="-ms-2 flex flex-wrap items-center gap-1">
                {move || {
                    running
                        .get()
                        .then(|| {
                            view! {
                                <Button
                                    variant=ButtonVariant::Ghost
                                    size=ButtonSize::Small
                                    icon=Glyph::Stop
                                    on_click=move |_| lane.stop()
                                    attr:title="Stop"
                                >
                                    <Label text="Stop" />
                                </Button>
                            }
                        })
                }}
                {move || {
                    (!running.get())
                        .then(|| {
                            view! {
                                <Button
                                    variant=ButtonVariant::Ghost
                                    size=ButtonSize::Small
                                    icon=Glyph::Refresh
                                    on_click=move |_| console.regenerate(lane)
                                    attr:title="Regenerate"
                                >
                                    <Label text="Regenerate" />
                                </Button>
                            }
                        })
                }}
                {move || {
                    (!running.get() && has_text.get())
                        .then(|| {
                            view! {
                                <CopyButton text label="Copy answer" compact=true size=ButtonSize::Small />
                                <Button
                                    variant=ButtonVariant::Ghost
                                    size=ButtonSize::Small
                                    icon=Glyph::Edit
                                    on_click=move |_| {
                                        console.chosen.set(lane.place);
                                        console.edit_answer();
                                    }
                                    attr:title="Edit"
                                >
                                    <Label text="Edit" />
                                </Button>
                            }
                        })
                }}
                <button
                    type="button"
                    class="inline-flex h-7 items-center gap-1.5 rounded-md px-2 text-sm font-medium hover:bg-hover aria-pressed:bg-selected aria-pressed:text-link"
                    aria-pressed=move || raw.get().to_string()
                    title="Source"
                    on:click=move |_| raw.update(|raw| *raw = !*raw)
                >
                    <Icon glyph=Glyph::Code />
                    <Label text="Source" />
                </button>
                <Button
                    variant=ButtonVariant::Ghost
                    size=ButtonSize::Small
                    icon=Glyph::Terminal
                    on_click=move |_| on_details.run(lane)
                    attr:title="Request and response"
                >
                    <Label text="Request and response" />
                </Button>
                {move || {
                    (console.comparing() && has_text.get())
                        .then(|| {
                            view! {
                                <button
                                    type="button"
                                    class="inline-flex h-7 items-center gap-1.5 rounded-md px-2 text-sm font-medium hover:bg-hover aria-pressed:bg-selected aria-pressed:text-link"
                                    aria-pressed=move || chosen.get().to_string()
                                    on:click=move |_| console.chosen.set(lane.place)
                                >
                                    {move || if chosen.get() {
                                        view! { <Icon glyph=Glyph::CheckCircle /> }
                                    } else {
                                        view! { <Icon glyph=Glyph::Circle /> }
                                    }}
                                    "Continue from this"
                                </button>
                            }
                        })
                }}
            </footer>
        </article>
    }
}

/// The words on a button; in a narrow column only its picture stays, and readers still hear the words.
#[component]
fn Label(text: &'static str) -> impl IntoView {
    view! { <span class="sr-only @xl:not-sr-only">{text}</span> }
}

/// What is going on, in a word; while it runs, how long it has been.
#[component]
fn State(lane: Lane) -> impl IntoView {
    let phase = Memo::new(move |_| match lane.phase.get() {
        Phase::Waiting => "waiting",
        Phase::Streaming => "streaming",
        Phase::Stopped => "stopped",
        Phase::Cut => "cut",
        Phase::Failed(_) if lane.has_text() => "incomplete",
        _ => "",
    });
    let time =
        move || view! { <span class="tabular-nums">{move || format::duration(lane.elapsed.get() as i64)}</span> };
    move || match phase.get() {
        "waiting" => {
            view! { <span class="text-sm text-muted">"Waiting for the first token · " {time()}</span> }.into_any()
        }
        "streaming" => view! { <span class="text-sm text-muted">"Writing · " {time()}</span> }.into_any(),
        "stopped" => view! { <Badge tone=Tone::Warn icon=Glyph::Stop>"stopped"</Badge> }.into_any(),
        "cut" => view! {
            <Badge tone=Tone::Bad icon=Glyph::Warning>"the answer was cut off"</Badge>
        }
        .into_any(),
        "incomplete" => view! { <Badge tone=Tone::Bad icon=Glyph::Warning>"incomplete"</Badge> }.into_any(),
        _ => ().into_any(),
    }
}

/// The model's reasoning, where it shows any.
#[component]
fn Thinking(lane: Lane, #[prop(into)] running: Signal<bool>) -> impl IntoView {
    let some = Memo::new(move |_| lane.said.with(|said| !said.thinking.is_empty()));
    move || {
        some.get().then(|| {
            view! {
                <details class="rounded-md border border-line bg-sunken px-3 py-2">
                    <summary class="text-sm text-muted">
                        {move || if running.get() { "Reasoning …" } else { "Reasoning" }}
                    </summary>
                    <p class="mt-2 text-sm whitespace-pre-wrap wrap-anywhere text-muted">
                        {move || lane.said.with(|said| said.thinking.clone())}
                    </p>
                </details>
            }
        })
    }
}

/// What is neither text nor failure: refusals and calls of tools.
#[component]
fn Extras(lane: Lane) -> impl IntoView {
    let refusal = Memo::new(move |_| lane.said.with(|said| said.refusal.clone()));
    let calls = Memo::new(move |_| lane.said.with(|said| said.tool_calls.clone()));
    view! {
        {move || {
            Some(refusal.get())
                .filter(|refusal| !refusal.is_empty())
                .map(|refusal| {
                    view! {
                        <p class="flex items-start gap-2 rounded-md bg-warn-soft px-3 py-2 text-warn">
                            <Icon glyph=Glyph::Info class="mt-1 size-4 shrink-0" />
                            <span class="min-w-0 wrap-anywhere">"The model refused: " {refusal}</span>
                        </p>
                    }
                })
        }}
        {move || {
            calls
                .get()
                .into_iter()
                .map(|call| {
                    view! {
                        <div class="rounded-md border border-line bg-sunken px-3 py-2">
                            <p class="text-sm text-muted">"The model wants to call " <code>{call.name}</code></p>
                            <pre class="overflow-x-auto whitespace-pre-wrap wrap-anywhere" tabindex="0">{call.arguments}</pre>
                        </div>
                    }
                })
                .collect_view()
        }}
    }
}
