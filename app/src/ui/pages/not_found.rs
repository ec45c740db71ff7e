use leptos::prelude::*;

use crate::ui::{
    kit::{ButtonVariant, EmptyState, Glyph, LinkButton},
    layout::{Brand, Page},
};

/// What stands where no page is; the answer has the status 404.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    view! {
        <div class="flex min-h-dvh flex-col">
            <header class="flex h-14 items-center border-b border-line px-4">
                <Brand />
            </header>
            <main class="flex flex-1 flex-col">
                <Missing />
            </main>
        </div>
    }
    .into_any()
}

/// The same inside the frame, for addresses below a section that has pages.
#[component]
pub fn Missing() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(options) = use_context::<leptos_axum::ResponseOptions>() {
        options.set_status(http::StatusCode::NOT_FOUND);
    }
    view! {
        <Page title="This page does not exist">
            <EmptyState
                icon=Glyph::Search
                title="Nothing lives at this address"
                text="The link may be old, or a letter may be missing."
            >
                <LinkButton href="/" variant=ButtonVariant::Primary icon=Glyph::Home>
                    "Go to the start"
                </LinkButton>
            </EmptyState>
        </Page>
    }
    .into_any()
}
