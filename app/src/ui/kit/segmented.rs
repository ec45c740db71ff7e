use leptos::prelude::*;

use super::{Glyph, Icon};

/// A choice of two to five that are all visible: radio buttons in one bar, so arrow keys move it.
#[component]
pub fn Segmented(
    /// Unique on the page; names the radio group.
    name: &'static str,
    #[prop(into)] label: String,
    /// Value, label, picture.
    options: Vec<(&'static str, &'static str, Option<Glyph>)>,
    #[prop(into)] value: Signal<String>,
    #[prop(into)] on_change: Callback<String>,
    /// Shows the pictures only; the labels become names.
    #[prop(optional)]
    compact: bool,
) -> impl IntoView {
    view! {
        <div role="radiogroup" aria-label=label class="inline-flex shrink-0 rounded-md border border-line bg-sunken p-0.5">
            {options
                .into_iter()
                .map(|(key, text, icon)| {
                    let width = if compact { "w-7" } else { "px-2.5" };
                    view! {
                        <label
                            title=compact.then_some(text)
                            class=format!(
                                "relative inline-flex h-7 cursor-pointer items-center justify-center gap-1.5 rounded-sm border \
                                 border-transparent text-sm text-muted hover:text-ink has-checked:border-line has-checked:bg-surface \
                                 has-checked:text-ink has-checked:shadow-card has-focus-visible:outline-2 has-focus-visible:outline-focus {width}",
                            )
                        >
                            <input
                                type="radio"
                                name=name
                                value=key
                                class="absolute inset-0 cursor-pointer opacity-0"
                                aria-label=compact.then_some(text)
                                checked=value.with_untracked(|value| value == key)
                                prop:checked=move || value.with(|value| value == key)
                                on:change=move |_| on_change.run(key.to_owned())
                            />
                            {icon.map(|glyph| view! { <Icon glyph /> })}
                            {(!compact).then_some(text)}
                        </label>
                    }
                })
                .collect_view()}
        </div>
    }
}
