use leptos::prelude::*;

use super::{ButtonSize, CopyButton, Glyph, IconButton};

/// A plain text in a fixed pitch, to be read and copied.
#[component]
pub fn CodeView(
    #[prop(into)] text: Signal<String>,
    /// What it is: `cURL`, `Response`.
    #[prop(into)]
    label: String,
    /// Lines break at the edge from the start.
    #[prop(optional)]
    wrap: bool,
    /// Shown at the right of the label.
    #[prop(optional, into)]
    actions: ViewFn,
    /// Longest height before it scrolls.
    #[prop(default = "max-h-96")]
    height: &'static str,
) -> impl IntoView {
    let wrap = RwSignal::new(wrap);
    view! {
        <div class="min-w-0 overflow-hidden rounded-md border border-line bg-sunken">
            <div class="flex h-9 items-center gap-1 border-b border-line ps-3 pe-1">
                <span class="min-w-0 flex-1 truncate text-sm font-medium text-muted">{label.clone()}</span>
                {actions.run()}
                <IconButton
                    icon=Glyph::Wrap
                    label="Break long lines"
                    size=ButtonSize::Small
                    pressed=wrap
                    on_click=move |_| wrap.update(|wrap| *wrap = !*wrap)
                />
                <CopyButton text size=ButtonSize::Small />
            </div>
            <pre
                tabindex="0"
                role="region"
                aria-label=label
                class=move || {
                    if wrap.get() {
                        format!("overflow-auto p-3 whitespace-pre-wrap wrap-anywhere -outline-offset-2 {height}")
                    } else {
                        format!("overflow-auto p-3 -outline-offset-2 {height}")
                    }
                }
            >
                <code>{move || text.get()}</code>
            </pre>
        </div>
    }
}
