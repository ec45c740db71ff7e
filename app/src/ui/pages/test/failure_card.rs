//! A failed call, in the place of its answer.

use std::time::Duration;

use leptos::prelude::*;

use crate::ui::{
    kit::{Badge, Button, ButtonSize, ButtonVariant, CopyButton, Glyph, Icon, LinkButton, Tone},
    live::failure::ApiError,
};

/// What happened, whose fault it is, and what to do; `retry` sends the same again.
#[component]
pub fn FailureCard(error: ApiError, #[prop(into)] retry: Callback<()>) -> impl IntoView {
    let explained = error.explain();
    let details = details(&error);
    // Counts down only in the browser; the first render says the whole time.
    let left = RwSignal::new(error.retry_after_s.unwrap_or(0));
    Effect::new(move |_| {
        let tick = move || {
            let _ = left.try_update(|left| *left = left.saturating_sub(1));
        };
        if let Ok(timer) = set_interval_with_handle(tick, Duration::from_secs(1)) {
            on_cleanup(move || timer.clear());
        }
    });
    let waits = move || left.get() > 0;
    let (title, advice, link) = (explained.title, explained.advice, explained.link);
    view! {
        <div role="alert" class="flex gap-3 rounded-lg border border-bad/40 bg-surface p-4" data-failure=error.status>
            <span class="flex size-8 shrink-0 items-center justify-center rounded-full bg-bad-soft text-bad">
                <Icon glyph=Glyph::Warning />
            </span>
            <div class="flex min-w-0 flex-1 flex-col gap-1">
                <p class="flex flex-wrap items-center gap-2">
                    <span class="font-semibold">{title}</span>
                    <Badge tone=Tone::Bad>{explained.origin}</Badge>
                    {(error.status != 0).then(|| view! { <span class="text-sm text-muted">{format!("status {}", error.status)}</span> })}
                </p>
                <p class="wrap-anywhere">{error.message.clone()}</p>
                <p class="text-muted">{advice}</p>
                {error
                    .request_id
                    .clone()
                    .map(|id| {
                        view! {
                            <p class="text-sm text-muted">
                                "Request id: " <code class="wrap-anywhere">{id}</code>
                            </p>
                        }
                    })}
                <div class="mt-1 flex flex-wrap items-center gap-2">
                    {link
                        .map(|(text, path)| {
                            view! {
                                <LinkButton href=path variant=ButtonVariant::Primary size=ButtonSize::Small>
                                    {text}
                                </LinkButton>
                            }
                        })}
                    <Button
                        size=ButtonSize::Small
                        icon=Glyph::Refresh
                        disabled=Signal::derive(waits)
                        on_click=move |_| retry.run(())
                    >
                        {move || if waits() { format!("Retry in {} s", left.get()) } else { "Retry".to_owned() }}
                    </Button>
                    <CopyButton text=details label="Copy details" size=ButtonSize::Small />
                </div>
            </div>
        </div>
    }
}

fn details(error: &ApiError) -> String {
    let lines = [
        ("status", (error.status != 0).then(|| error.status.to_string())),
        ("message", Some(error.message.clone())),
        ("type", error.kind.clone()),
        ("code", error.code.clone()),
        ("param", error.param.clone()),
        ("source", error.source.clone()),
        ("request id", error.request_id.clone()),
    ];
    lines.into_iter().filter_map(|(name, value)| Some(format!("{name}: {}\n", value?))).collect()
}
