use leptos::prelude::*;

/// A key of the keyboard.
#[component]
pub fn Kbd(#[prop(into)] keys: String) -> impl IntoView {
    view! {
        <kbd class="inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-line bg-sunken px-1 font-sans text-xs text-muted">
            {keys}
        </kbd>
    }
}
