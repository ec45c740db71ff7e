//! What single kinds have beyond form and lists: buttons, tabs, editors of their own.

use leptos::prelude::*;

use super::{keys::KeyActions, people::PersonActions};
use crate::{
    types::{
        Role,
        config::{Thing, ThingRow},
    },
    ui::{me::use_me, pages::admin::History},
};

/// Fields that an editor of their own changes, and the form leaves out.
pub fn own_editor(_thing: &Thing) -> &'static [&'static str] {
    &[]
}

/// Buttons beside the heading.
pub fn actions(thing: &Thing, row: RwSignal<ThingRow>, reload: Callback<()>) -> AnyView {
    match thing.kind {
        "api-key" => view! { <KeyActions row reload /> }.into_any(),
        "user" => view! { <PersonActions row /> }.into_any(),
        _ => ().into_any(),
    }
}

/// Further tabs: (key, label).
pub fn tabs(_thing: &Thing) -> Vec<(&'static str, &'static str)> {
    let is_admin = use_me().is_some_and(|me| me.role >= Role::Admin);
    is_admin.then_some(("history", "History")).into_iter().collect()
}

/// What a further tab shows.
pub fn panel(
    thing: &'static Thing,
    key: &'static str,
    row: RwSignal<ThingRow>,
    _saved: Callback<ThingRow>,
    _reload: Callback<()>,
) -> AnyView {
    match key {
        "history" => view! { <History kind=thing.kind id=row.with_untracked(|row| row.id.clone()) /> }.into_any(),
        _ => ().into_any(),
    }
}
