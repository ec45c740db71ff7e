use leptos::prelude::*;

use super::Tone;

/// How much of something is used. Drawn as attributes, so it needs no inline style.
#[component]
pub fn Meter(
    #[prop(into)] label: String,
    /// From 0 to 1.
    #[prop(into)]
    share: Signal<f64>,
    /// The same in words.
    #[prop(into)]
    text: Signal<String>,
    #[prop(optional)] tone: Tone,
) -> impl IntoView {
    let fill = match tone {
        Tone::Neutral | Tone::Accent => "fill-accent",
        Tone::Good => "fill-good",
        Tone::Warn => "fill-warn",
        Tone::Bad => "fill-bad",
    };
    let percent = move || (share.get().clamp(0.0, 1.0) * 100.0).round();
    view! {
        <div
            role="meter"
            aria-label=label
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=percent
            aria-valuetext=move || text.get()
        >
            <svg class="mark block h-1.5 w-full overflow-hidden rounded-full" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                <rect width="100" height="6" class="fill-line" />
                <rect width=percent height="6" class=fill />
            </svg>
        </div>
    }
}
