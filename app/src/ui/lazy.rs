//! Screens whose code the browser loads when they are gone to, each from a file of its own. Only builds with the feature
//! `split` have them: cargo-leptos cuts the files out when it is given `--split`, and without that no page would come alive.
//!
//! The sign-in page is not among them: with it the tool leaves the static data of all screens in the main file.

use leptos::prelude::*;
use leptos_router::{LazyRoute, lazy_route};

use super::pages::{account, admin, home, test, things};

pub struct HomePage;

#[lazy_route]
impl LazyRoute for HomePage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <home::HomePage /> }.into_any()
    }
}

pub struct TextConsolePage;

#[lazy_route]
impl LazyRoute for TextConsolePage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <test::TextConsolePage /> }.into_any()
    }
}

pub struct HistoryPage;

#[lazy_route]
impl LazyRoute for HistoryPage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <test::HistoryPage /> }.into_any()
    }
}

pub struct AccountPage;

#[lazy_route]
impl LazyRoute for AccountPage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <account::AccountPage /> }.into_any()
    }
}

pub struct ThingsPage;

#[lazy_route]
impl LazyRoute for ThingsPage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <things::ThingsPage /> }.into_any()
    }
}

pub struct ServicesPage;

#[lazy_route]
impl LazyRoute for ServicesPage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <admin::ServicesPage /> }.into_any()
    }
}

pub struct AuditPage;

#[lazy_route]
impl LazyRoute for AuditPage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <admin::AuditPage /> }.into_any()
    }
}

pub struct LogsPage;

#[lazy_route]
impl LazyRoute for LogsPage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <admin::LogsPage /> }.into_any()
    }
}

pub struct SystemPage;

#[lazy_route]
impl LazyRoute for SystemPage {
    fn data() -> Self {
        Self
    }
    fn view(_screen: Self) -> AnyView {
        view! { <admin::SystemPage /> }.into_any()
    }
}
