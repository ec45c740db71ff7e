//! What the rules would do with a request: its type, where it goes and why, while one types.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};

use super::specs::href;
use crate::{
    api,
    error::AppError,
    types::config::{RoutingDraft, RoutingPreview},
    ui::kit::{Badge, ErrorCard, Field, Glyph, Icon, Input, Select, Textarea, Tone},
};

/// Typing rests so long before the rules are asked anew.
const REST: Duration = Duration::from_millis(300);

const TYPES: &[&str] = &["text", "image", "audio", "video", "context"];

#[component]
pub fn TryRouting() -> impl IntoView {
    let query = RwSignal::new(String::new());
    let task_type = RwSignal::new(String::new());
    let provider = RwSignal::new(String::new());
    let model = RwSignal::new(String::new());
    let answer = RwSignal::new(None::<Result<RoutingPreview, AppError>>);
    let version = StoredValue::new(0u32);
    Effect::new(move |_| {
        let some = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let draft = RoutingDraft {
            query: query.get(),
            task_type: some(task_type.get()),
            provider: some(provider.get()),
            model: some(model.get()),
        };
        version.update_value(|version| *version += 1);
        let mine = version.get_value();
        if draft.query.trim().is_empty() {
            return answer.set(None);
        }
        let ask = move || {
            if version.try_get_value() != Some(mine) {
                return;
            }
            spawn_local(async move {
                let told = api::try_routing(draft).await;
                if version.try_get_value() == Some(mine) {
                    let _ = answer.try_set(Some(told));
                }
            });
        };
        set_timeout(ask, REST);
    });
    let types = std::iter::once((String::new(), "By the words".to_owned()))
        .chain(TYPES.iter().map(|name| ((*name).to_owned(), (*name).to_owned())))
        .collect::<Vec<_>>();
    view! {
        <details class="group min-w-0 rounded-lg border border-line bg-surface">
            <summary class="flex cursor-pointer list-none items-center gap-2 px-4 py-2.5 font-semibold [&::-webkit-details-marker]:hidden">
                <Icon glyph=Glyph::ChevronDown class="size-4 -rotate-90 text-muted group-open:rotate-0" />
                <span class="shrink-0">"Try it"</span>
                <span class="text-sm font-normal text-muted">"What would happen with a request? Nothing is sent."</span>
            </summary>
            <div class="grid min-w-0 grid-cols-1 gap-4 border-t border-line p-4 lg:grid-cols-2">
                <div class="flex min-w-0 flex-col gap-3">
                    <Field id="try-query" label="Request">
                        <Textarea value=query rows=3 placeholder="Draw a cartoon of a dog" />
                    </Field>
                    <div class="grid grid-cols-1 gap-3 sm:grid-cols-3">
                        <Field id="try-type" label="Task type">
                            <Select options=Signal::stored(types) value=task_type on_change=move |chosen| task_type.set(chosen) />
                        </Field>
                        <Field id="try-provider" label="Provider">
                            <Input value=provider autocomplete="off" placeholder="By the rules" />
                        </Field>
                        <Field id="try-model" label="Model">
                            <Input value=model autocomplete="off" placeholder="By the rules" />
                        </Field>
                    </div>
                </div>
                <div class="min-w-0" aria-live="polite" data-testid="routing">
                    {move || match answer.get() {
                        None => view! { <p class="text-muted">"Type a request to see its type, its model and why."</p> }.into_any(),
                        Some(Err(error)) => view! { <ErrorCard error /> }.into_any(),
                        Some(Ok(told)) => told_view(told),
                    }}
                </div>
            </div>
        </details>
    }
}

fn told_view(told: RoutingPreview) -> AnyView {
    let kind = match &told.subtask {
        Some(subtask) => format!("{}:{subtask}", told.task_type),
        None => told.task_type.clone(),
    };
    let sure = format!("{:.0} % sure", told.confidence * 100.0);
    let target = match (&told.provider, &told.model) {
        (Some(provider), Some(model)) => Some(format!("{provider}/{model}")),
        _ => None,
    };
    let others: Vec<String> =
        told.alternatives.iter().map(|choice| format!("{}/{}", choice.provider, choice.model)).collect();
    let reasons = told
        .reasons
        .into_iter()
        .map(|reason| {
            let tone = if reason.task_type == told.task_type { Tone::Accent } else { Tone::Neutral };
            let points = (reason.points != 0.0).then(|| format!("{:+}", reason.points));
            let rule = reason.rule.and_then(|id| href("task-classification", &id));
            view! {
                <li class="flex min-w-0 flex-wrap items-baseline gap-x-2">
                    <Badge tone>{reason.task_type}</Badge>
                    <span class="min-w-0 wrap-anywhere">{reason.text}</span>
                    {points.map(|points| view! { <span class="text-sm text-muted tabular-nums">{points}</span> })}
                    {rule.map(|href| view! { <a href=href class="text-sm text-link underline">"Rule"</a> })}
                </li>
            }
        })
        .collect_view();
    view! {
        <div class="flex min-w-0 flex-col gap-2">
            <p class="flex flex-wrap items-center gap-2">
                <Badge tone=Tone::Accent>{kind}</Badge>
                <span class="text-muted">{sure}</span>
                {target.map(|target| view! { <Icon glyph=Glyph::ArrowRight class="size-4 text-muted" /> <code class="wrap-anywhere">{target}</code> })}
            </p>
            <p>{told.why}</p>
            {(!others.is_empty()).then(|| view! { <p class="text-sm text-muted wrap-anywhere">"If it cannot: " {others.join(", ")}</p> })}
            <ul class="flex flex-col gap-1 border-t border-line pt-2" aria-label="Why this type">
                {reasons}
            </ul>
        </div>
    }
    .into_any()
}
