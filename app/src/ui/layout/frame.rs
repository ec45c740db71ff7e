use leptos::{context::Provider, prelude::*};
use leptos_router::{
    components::{Outlet, Redirect},
    hooks::use_location,
};

use wasm_bindgen::JsCast;

use super::{
    Page,
    help::HelpSheet,
    key_dialog::KeyDialog,
    leave::LeaveGuard,
    palette::Palette,
    shortcuts,
    side_nav::{OverlayNav, SideNav},
    top_bar::TopBar,
    use_frame,
};
use crate::{
    error::AppError,
    types::Me,
    ui::{guard::sign_in_path, kit::ErrorCard, me::known},
};

/// The guard and the frame of all pages for signed-in people.
#[component]
pub fn Frame() -> impl IntoView {
    let location = use_location();
    match known() {
        Ok(Some(me)) => view! { <Chrome me /> }.into_any(),
        Ok(None) | Err(AppError::Unauthorized) => {
            let path = sign_in_path(&location.pathname.get_untracked(), &location.search.get_untracked());
            view! { <Redirect path /> }.into_any()
        }
        Err(error) => {
            let again = |()| drop(window().location().reload());
            view! {
                <main>
                    <Page title="The console cannot start">
                        <ErrorCard error retry=again />
                    </Page>
                </main>
            }
            .into_any()
        }
    }
}

#[component]
fn Chrome(me: Me) -> impl IntoView {
    shortcuts::listen();
    let frame = use_frame();
    view! {
        <Provider value=me.clone()>
            <a
                href="#content"
                on:click=|event| {
                    if let Some(content) = document().get_element_by_id("content")
                        && let Ok(content) = content.dyn_into::<web_sys::HtmlElement>()
                    {
                        event.prevent_default();
                        let _ = content.focus();
                    }
                }
                class="sr-only z-50 rounded-md bg-raised px-3 py-2 font-medium shadow-pop focus:not-sr-only focus:fixed focus:start-3 focus:top-3"
            >
                "Skip to content"
            </a>
            <div class="flex min-h-dvh">
                <SideNav me=me.clone() />
                <div class="flex min-w-0 flex-1 flex-col">
                    <TopBar me=me.clone() />
                    <main id="content" tabindex="-1" class="flex outline-none min-w-0 flex-1 flex-col">
                        <Outlet />
                    </main>
                </div>
            </div>
            <OverlayNav me=me.clone() />
            <Palette me />
            <HelpSheet />
            <KeyDialog />
            <LeaveGuard />
            <p class="sr-only" aria-live="polite">{move || frame.announcement.get()}</p>
        </Provider>
    }
    .into_any()
}
