//! Home: what is running, how it goes, and the first steps of a new installation.

mod checklist;
mod providers;
mod recent;
mod snippets;
mod status;

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    types::Overview,
    ui::{
        kit::{ButtonVariant, EmptyState, Glyph, LinkButton, Load},
        layout::Page,
        me::use_me,
    },
};

/// How often the page looks while somebody waits for the first request, and how often otherwise.
const WAITING: Duration = Duration::from_secs(2);
const CALM_TICKS: u32 = 8;

#[component]
pub fn HomePage() -> impl IntoView {
    let overview = Resource::new_blocking(|| (), |()| api::load_overview());
    view! {
        <Page
            title="Home"
            actions=|| {
                view! {
                    <LinkButton href="/test/text" variant=ButtonVariant::Primary icon=Glyph::Chat>
                        "Open text console"
                    </LinkButton>
                }
            }
        >
            {if use_me().is_some_and(|me| me.instances.is_empty()) {
                view! {
                    <EmptyState
                        icon=Glyph::Building
                        title="You belong to no instance yet"
                        text="An admin of your organization can give you access to one. Reload this page afterwards."
                    />
                }
                    .into_any()
            } else {
                view! { <Load resource=overview view=|overview| view! { <Body overview /> } /> }.into_any()
            }}
        </Page>
    }
    .into_any()
}

#[component]
fn Body(overview: Overview) -> impl IntoView {
    let overview = RwSignal::new(overview);
    let stale = RwSignal::new(false);
    let shown = RwSignal::new(!overview.with_untracked(|overview| overview.checklist.dismissed));
    let waiting = Signal::derive(move || shown.get() && overview.with(|overview| !overview.checklist.has_api_run));
    keep_fresh(overview, stale, waiting);
    view! {
        <status::Status overview stale />
        <Show when=move || shown.get()>
            <checklist::FirstSteps overview shown />
        </Show>
        <status::Totals overview />
        <recent::Recent overview />
        <providers::Providers overview />
    }
}

/// Reads the overview again and again while the page is visible: quickly while somebody waits for the first request.
fn keep_fresh(overview: RwSignal<Overview>, stale: RwSignal<bool>, waiting: Signal<bool>) {
    let busy = StoredValue::new(false);
    let ticks = StoredValue::new(0u32);
    let look = move || {
        let tick = ticks.try_update_value(|ticks| {
            *ticks = ticks.wrapping_add(1);
            *ticks
        });
        let due = waiting.get_untracked() || tick.is_some_and(|tick| tick.is_multiple_of(CALM_TICKS));
        if !due || busy.get_value() || document().hidden() {
            return;
        }
        busy.set_value(true);
        spawn_local(async move {
            match api::load_overview().await {
                Ok(fresh) => {
                    let _ = overview.try_set(fresh);
                    let _ = stale.try_set(false);
                }
                Err(_) => {
                    let _ = stale.try_set(true);
                }
            }
            let _ = busy.try_set_value(false);
        });
    };
    Effect::new(move |_| {
        if let Ok(timer) = set_interval_with_handle(look, WAITING) {
            on_cleanup(move || timer.clear());
        }
    });
}
