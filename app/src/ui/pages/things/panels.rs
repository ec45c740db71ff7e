//! What single kinds have beyond form and lists: buttons, tabs, editors of their own.

use leptos::prelude::*;
use serde_json::Value;

use super::{
    credentials::Credentials, keys::KeyActions, limits::UseCard, mapping::MappingEditor, people::PersonActions,
    try_routing::TryRouting, versions::Versions,
};
use crate::{
    types::{
        Role,
        config::{Owner, Thing, ThingRow},
    },
    ui::{me::use_me, pages::admin::History},
};

/// Fields that an editor of their own changes, and the form leaves out.
pub fn own_editor(thing: &Thing) -> &'static [&'static str] {
    if thing.kind == "model-config" { &["payload_mapping"] } else { &[] }
}

/// Buttons beside the heading.
pub fn actions(thing: &Thing, row: RwSignal<ThingRow>, reload: Callback<()>) -> AnyView {
    match thing.kind {
        "api-key" => view! { <KeyActions row reload /> }.into_any(),
        "user" => view! { <PersonActions row /> }.into_any(),
        _ => ().into_any(),
    }
}

/// Beside the form, over the facts.
pub fn aside(thing: &Thing, row: RwSignal<ThingRow>) -> AnyView {
    match thing.kind {
        "rate-limit" => view! { <UseCard row /> }.into_any(),
        _ => ().into_any(),
    }
}

/// What stands above the list of all.
pub fn above_list(thing: &Thing) -> AnyView {
    match thing.kind {
        "task-classification" | "routing-rule" => view! { <TryRouting /> }.into_any(),
        _ => ().into_any(),
    }
}

/// Further tabs: (key, label).
pub fn tabs(thing: &Thing) -> Vec<(&'static str, &'static str)> {
    let mut tabs: Vec<(&str, &str)> = match thing.kind {
        "instance" => vec![("credentials", "Credentials")],
        "model-config" => vec![("mapping", "Payload mapping"), ("versions", "Versions")],
        _ => Vec::new(),
    };
    if use_me().is_some_and(|me| me.role >= Role::Admin) {
        tabs.push(("history", "History"));
    }
    tabs
}

/// Whose log tells of a thing; empty for the platform's, `None` for the own organization's.
fn log_of(thing: &Thing, row: &ThingRow) -> Option<String> {
    let own = row.body.get(if thing.kind == "organization" { thing.id } else { "org_id" }).and_then(Value::as_str);
    match (thing.owner, own) {
        (_, Some(org)) => Some(org.to_owned()),
        // Without an organization it is everyone's.
        (Owner::Platform, None) => Some(String::new()),
        (Owner::Organization | Owner::Instance, None) if thing.field("org_id").is_some() => Some(String::new()),
        _ => None,
    }
}

/// What a further tab shows.
pub fn panel(
    thing: &'static Thing,
    key: &'static str,
    row: RwSignal<ThingRow>,
    saved: Callback<ThingRow>,
    reload: Callback<()>,
) -> AnyView {
    match key {
        "credentials" => view! { <Credentials row=row.get_untracked() /> }.into_any(),
        "mapping" => view! { <MappingEditor row saved /> }.into_any(),
        "versions" => view! { <Versions row saved reload /> }.into_any(),
        "history" => {
            let (id, org) = row.with_untracked(|row| (row.id.clone(), log_of(thing, row)));
            view! { <History kind=thing.kind id org /> }.into_any()
        }
        _ => ().into_any(),
    }
}
