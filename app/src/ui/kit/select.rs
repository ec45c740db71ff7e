use leptos::prelude::*;

use super::{FieldWiring, Glyph, Icon, field::CONTROL};

/// One of a few fixed values: `(value, label)`.
#[component]
pub fn Select(
    /// Only for a control outside a `Field`.
    #[prop(optional, into)]
    id: Option<String>,
    #[prop(into)] options: Signal<Vec<(String, String)>>,
    #[prop(into)] value: Signal<String>,
    #[prop(into)] on_change: Callback<String>,
    #[prop(optional)] name: Option<&'static str>,
    /// Name for readers, for a control outside a `Field`.
    #[prop(optional, into)]
    label: Option<String>,
    /// 32 px high, for toolbars.
    #[prop(optional)]
    small: bool,
) -> impl IntoView {
    let FieldWiring { id, described_by, invalid, .. } = FieldWiring::around(id);
    let height = if small { "h-8 ps-2 text-sm" } else { "h-9 ps-2.5" };
    view! {
        <span class="relative block min-w-0">
            <select
                id=(!id.is_empty()).then_some(id)
                name=name
                class=format!("appearance-none truncate pe-8 {height} {CONTROL}")
                aria-label=label
                aria-describedby=move || described_by.get()
                aria-invalid=move || invalid.get().then_some("true")
                on:change:target=move |event| on_change.run(event.target().value())
            >
                {move || {
                    options
                        .get()
                        .into_iter()
                        .map(|(key, label)| {
                            let chosen = value.with_untracked(|value| *value == key);
                            let own = key.clone();
                            view! {
                                <option value=key selected=chosen prop:selected=move || value.with(|value| *value == own)>
                                    {label}
                                </option>
                            }
                        })
                        .collect_view()
                }}
            </select>
            <span class="pointer-events-none absolute inset-y-0 end-2 flex items-center text-muted">
                <Icon glyph=Glyph::ChevronDown />
            </span>
        </span>
    }
}
