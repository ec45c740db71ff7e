//! A recorded call: its numbers, its words where they were kept, its attempts.

use leptos::prelude::*;

use super::{
    history::StatusMark,
    text::{
        facts::Facts,
        metrics::Metrics,
        prose::Prose,
        request::{Restored, Role},
    },
};
use crate::{
    types::{Attempt, RunDetail},
    ui::{
        kit::{Badge, ButtonVariant, Card, CodeView, Glyph, Icon, LinkButton, Time, Tone, format},
        live::chat::Heard,
    },
};

#[component]
pub fn RunView(run: RunDetail) -> impl IntoView {
    let summary = run.summary.clone();
    let facts = Facts::from_run(&run);
    let restored = run.request_body.as_deref().and_then(Restored::from_body);
    let heard = run.response_body.as_deref().and_then(Heard::from_stored);
    let kept = run.request_body.is_some() || run.response_body.is_some();
    view! {
        <div class="flex min-w-0 flex-col gap-3">
            <header class="flex flex-wrap items-center gap-2">
                <StatusMark status=summary.status.clone() />
                <h2 class="min-w-0 truncate text-lg font-semibold">{summary.model_asked.clone()}</h2>
                <Badge>{summary.surface.clone()}</Badge>
                {run.truncated.then(|| view! { <Badge tone=Tone::Warn>"shortened"</Badge> })}
                <span class="text-sm text-muted"><Time at_us=summary.at_us /></span>
                <span class="ms-auto">
                    <LinkButton
                        href=format!("/test/text?run={}", summary.request_id)
                        variant=ButtonVariant::Primary
                        icon=Glyph::Chat
                    >
                        "Open in console"
                    </LinkButton>
                </span>
            </header>
            <Metrics facts=Signal::stored(facts) />
            {summary
                .error_message
                .clone()
                .map(|message| {
                    view! {
                        <p class="flex items-start gap-2 rounded-md bg-bad-soft px-3 py-2 text-bad">
                            <Icon glyph=Glyph::Warning class="mt-1 size-4 shrink-0" />
                            <span class="min-w-0 wrap-anywhere">
                                {summary.error_source.clone().map(|source| format!("From the {source}: "))} {message}
                            </span>
                        </p>
                    }
                })}
            {(!kept)
                .then(|| {
                    view! {
                        <p class="flex items-start gap-2 rounded-md bg-warn-soft px-3 py-2 text-warn">
                            <Icon glyph=Glyph::Info class="mt-1 size-4 shrink-0" />
                            "The words of this call were not kept: its instance does not store contents, or they were deleted by age."
                        </p>
                    }
                })}
            {restored.map(|restored| view! { <Asked restored /> })}
            {heard
                .filter(|heard| !heard.text.is_empty())
                .map(|heard| {
                    view! {
                        <Card title="Answer">
                            <Prose text=heard.text />
                        </Card>
                    }
                })}
            <Attempts attempts=run.attempts.clone() />
            {run
                .request_body
                .clone()
                .map(|body| {
                    view! {
                        <details>
                            <summary class="py-1 text-sm font-medium">"Request as it was sent"</summary>
                            <CodeView text=body label="Request" wrap=true />
                        </details>
                    }
                })}
            {run
                .response_body
                .clone()
                .map(|body| {
                    view! {
                        <details>
                            <summary class="py-1 text-sm font-medium">"Response as it was kept"</summary>
                            <CodeView text=body label="Response" wrap=true />
                        </details>
                    }
                })}
        </div>
    }
}

#[component]
fn Asked(restored: Restored) -> impl IntoView {
    view! {
        <Card title="Conversation">
            <ol class="flex flex-col gap-3">
                {(!restored.system.is_empty())
                    .then(|| {
                        view! {
                            <li>
                                <p class="text-sm font-medium text-muted">"System"</p>
                                <p class="whitespace-pre-wrap wrap-anywhere">{restored.system}</p>
                            </li>
                        }
                    })}
                {restored
                    .messages
                    .into_iter()
                    .map(|message| {
                        view! {
                            <li>
                                <p class="text-sm font-medium text-muted">{message.role.label()}</p>
                                {match message.role {
                                    Role::User => {
                                        view! { <p class="whitespace-pre-wrap wrap-anywhere">{message.text}</p> }.into_any()
                                    }
                                    Role::Assistant => view! { <Prose text=message.text /> }.into_any(),
                                }}
                            </li>
                        }
                    })
                    .collect_view()}
            </ol>
        </Card>
    }
}

#[component]
fn Attempts(attempts: Vec<Attempt>) -> impl IntoView {
    (!attempts.is_empty()).then(|| {
        view! {
            <Card title="Attempts">
                <ol class="flex flex-col gap-2">
                    {attempts
                        .into_iter()
                        .map(|attempt| {
                            let tone = if attempt.outcome == "ok" { Tone::Good } else { Tone::Bad };
                            view! {
                                <li class="flex flex-wrap items-center gap-x-3 gap-y-1">
                                    <Badge tone>{attempt.outcome}</Badge>
                                    <span class="min-w-0 truncate">{format!("{} / {}", attempt.provider, attempt.model)}</span>
                                    <span class="text-sm tabular-nums text-muted">
                                        {format!(
                                            "after {}, took {}",
                                            format::duration(attempt.started_us),
                                            format::duration(attempt.duration_us),
                                        )}
                                    </span>
                                    {attempt.status.map(|status| view! { <span class="text-sm text-muted">{format!("status {status}")}</span> })}
                                    {attempt.message.map(|message| view! { <p class="w-full text-sm wrap-anywhere">{message}</p> })}
                                </li>
                            }
                        })
                        .collect_view()}
                </ol>
            </Card>
        }
    })
}
