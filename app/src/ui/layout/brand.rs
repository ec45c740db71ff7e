use leptos::prelude::*;

/// The mark: one electron on its way from one shell to the next.
#[component]
pub fn Mark(#[prop(default = "size-6")] class: &'static str) -> impl IntoView {
    view! {
        <svg class=class viewBox="0 0 32 32" fill="none" aria-hidden="true" focusable="false">
            <rect width="32" height="32" rx="8" class="mark fill-accent" />
            <g class="stroke-on-accent" stroke-width="2" stroke-linecap="round">
                <path d="M25.2 13.6A9.6 9.6 0 1 1 18.6 6.8" />
                <circle cx="16" cy="16" r="3.2" class="fill-on-accent" stroke="none" />
            </g>
            <circle cx="23.2" cy="8.8" r="2.8" class="fill-on-accent" />
        </svg>
    }
}

/// The mark with the name, as a link home.
#[component]
pub fn Brand(#[prop(optional)] compact: bool) -> impl IntoView {
    view! {
        <a href="/" class="flex min-h-8 items-center gap-2 rounded-md font-semibold tracking-tight" aria-label="Distributed Electrons, home">
            <Mark />
            <span class=if compact { "max-sm:sr-only" } else { "" }>"Distributed Electrons"</span>
        </a>
    }
}
