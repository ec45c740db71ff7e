use leptos::prelude::*;

use super::{ButtonSize, FieldWiring, Glyph, IconButton};

/// On or off, at once. The label is part of it and can be pressed.
#[component]
pub fn Switch(
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    #[prop(into)] checked: Signal<bool>,
    #[prop(into)] on_change: Callback<bool>,
    /// One sentence under the label.
    #[prop(optional, into)]
    hint: Option<String>,
) -> impl IntoView {
    let hint_id = hint.as_ref().map(|_| format!("{id}-hint"));
    view! {
        <div class="flex items-start gap-3">
            <span class="relative inline-flex h-6 w-10 shrink-0">
                <input
                    type="checkbox"
                    role="switch"
                    id=id.clone()
                    aria-describedby=hint_id.clone()
                    checked=checked.get_untracked()
                    prop:checked=move || checked.get()
                    on:change:target=move |event| on_change.run(event.target().checked())
                    class="peer h-6 w-10 cursor-pointer appearance-none rounded-full border border-control bg-sunken \
                           transition-colors checked:border-accent checked:bg-accent"
                />
                <span class="mark pointer-events-none absolute start-1 top-1 size-4 rounded-full bg-control transition-transform \
                             peer-checked:translate-x-4 peer-checked:bg-on-accent"></span>
            </span>
            <div class="min-w-0">
                <label for=id class="cursor-pointer leading-6 font-medium">{label}</label>
                {hint.map(|hint| view! { <p id=hint_id class="text-sm text-muted">{hint}</p> })}
            </div>
        </div>
    }
}

/// A number by a slider and by typing; unset means the default of whoever reads it. Stands in a `Field`.
#[component]
pub fn Slider(
    #[prop(into)] label: String,
    value: RwSignal<Option<f64>>,
    min: f64,
    max: f64,
    step: f64,
    /// Where the slider stands while the value is unset.
    #[prop(into)]
    default: Signal<f64>,
) -> impl IntoView {
    let FieldWiring { id, described_by, invalid, .. } = FieldWiring::around(None);
    let set = move |text: String| {
        value.set(
            text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.clamp(min, max)),
        );
    };
    let at = move || value.get().unwrap_or_else(|| default.get()).to_string();
    view! {
        <div class="flex h-9 items-center gap-2">
            <input
                type="range"
                class="h-6 min-w-0 flex-1"
                aria-label=format!("{label}, slider")
                min=min.to_string()
                max=max.to_string()
                step=step.to_string()
                prop:value=at
                value=at()
                on:input:target=move |event| set(event.target().value())
            />
            <input
                type="number"
                id=id
                class="h-8 w-20 rounded-md border border-control bg-surface px-2 text-end tabular-nums aria-invalid:border-bad"
                min=min.to_string()
                max=max.to_string()
                step="any"
                placeholder=move || default.get().to_string()
                aria-describedby=move || described_by.get()
                aria-invalid=move || invalid.get().then_some("true")
                prop:value=move || value.get().map(|value| value.to_string()).unwrap_or_default()
                value=value.get_untracked().map(|value| value.to_string())
                on:change:target=move |event| set(event.target().value())
            />
            <span class=move || if value.with(Option::is_some) { "" } else { "invisible" }>
                <IconButton
                    icon=Glyph::Refresh
                    label=format!("Back to the default of {label}")
                    size=ButtonSize::Small
                    on_click=move |_| value.set(None)
                />
            </span>
        </div>
    }
}
