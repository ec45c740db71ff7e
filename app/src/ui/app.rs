//! The whole route table.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{ParentRoute, Route, Router, Routes},
    path,
};

#[cfg(feature = "split")]
use super::lazy;
#[cfg(not(feature = "split"))]
use super::pages::{
    account::AccountPage,
    admin::{AuditPage, LogsPage, ServicesPage, SystemPage},
    home::HomePage,
    test::{HistoryPage, TextConsolePage},
    things::ThingsPage,
};
use super::{
    kit::{Toaster, provide_clock, provide_toasts},
    layout::{Frame, guard_history, provide_frame},
    me::provide_me,
    pages::{not_found::NotFoundPage, sign_in::SignInPage},
};

/// A screen by its name, from a file of its own where the build has such files.
#[cfg(feature = "split")]
macro_rules! screen {
    ($page:ident) => {
        leptos_router::Lazy::<lazy::$page>::new()
    };
}
#[cfg(not(feature = "split"))]
macro_rules! screen {
    ($page:ident) => {
        $page
    };
}

#[component]
pub fn App() -> impl IntoView {
    // Server functions redirect only when somebody signs in or out, and then everything on the page is another person's:
    // load it anew. The router would keep the page.
    let _ = leptos::server_fn::redirect::set_redirect_hook(|path: &str| {
        let _ = window().location().set_href(path);
    });
    provide_meta_context();
    provide_me();
    provide_frame();
    guard_history();
    provide_toasts();
    provide_clock();
    view! {
        <Title formatter=|title: String| {
            if title.is_empty() { "Distributed Electrons".to_owned() } else { format!("{title} · Distributed Electrons") }
        } />
        <Router>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async />
                <ParentRoute path=path!("") view=Frame>
                    <Route path=path!("/") view=screen!(HomePage) ssr=SsrMode::Async />
                    <Route path=path!("/test/text") view=screen!(TextConsolePage) ssr=SsrMode::Async />
                    <Route path=path!("/test/history") view=screen!(HistoryPage) ssr=SsrMode::Async />
                    <Route path=path!("/integrate/services") view=screen!(ServicesPage) ssr=SsrMode::Async />
                    <Route path=path!("/admin/system") view=screen!(SystemPage) ssr=SsrMode::Async />
                    <Route path=path!("/admin/logs") view=screen!(LogsPage) ssr=SsrMode::Async />
                    <Route path=path!("/admin/audit") view=screen!(AuditPage) ssr=SsrMode::Async />
                    <Route path=path!("/configure/:page/:id?") view=screen!(ThingsPage) ssr=SsrMode::Async />
                    <Route path=path!("/integrate/:page/:id?") view=screen!(ThingsPage) ssr=SsrMode::Async />
                    <Route path=path!("/admin/:page/:id?") view=screen!(ThingsPage) ssr=SsrMode::Async />
                    <Route path=path!("/account") view=screen!(AccountPage) ssr=SsrMode::Async />
                </ParentRoute>
            </Routes>
        </Router>
        <Toaster />
    }
}
