use leptos::prelude::*;

use super::Tone;

/// A number with its name. Put several into a `<dl>`.
#[component]
pub fn Stat(
    #[prop(into)] label: String,
    #[prop(into)] value: Signal<String>,
    /// A smaller remark under the number.
    #[prop(optional, into)]
    note: Signal<String>,
    #[prop(optional)] tone: Tone,
) -> impl IntoView {
    let colour = if tone == Tone::Neutral { "text-ink" } else { tone.text() };
    view! {
        <div class="min-w-0">
            <dt class="text-sm text-muted">{label}</dt>
            <dd class=format!("text-xl font-semibold tabular-nums {colour}")>{move || value.get()}</dd>
            <dd class="text-xs text-muted">{move || note.get()}</dd>
        </div>
    }
}
