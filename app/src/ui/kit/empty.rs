use leptos::prelude::*;

use super::{Glyph, Icon};

/// What stands where nothing is yet: one sentence, and what to do about it as children.
#[component]
pub fn EmptyState(
    icon: Glyph,
    #[prop(into)] title: String,
    #[prop(optional, into)] text: Option<String>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="flex flex-col items-center gap-1 px-4 py-10 text-center">
            <span class="mb-2 flex size-10 items-center justify-center rounded-full border border-line bg-sunken text-muted">
                <Icon glyph=icon class="size-5" />
            </span>
            <p class="font-medium">{title}</p>
            {text.map(|text| view! { <p class="max-w-prose text-muted">{text}</p> })}
            {children.map(|children| view! { <div class="mt-3 flex flex-wrap justify-center gap-2">{children()}</div> })}
        </div>
    }
}
