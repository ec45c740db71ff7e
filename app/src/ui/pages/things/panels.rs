//! What single kinds have beyond form and lists: buttons, tabs, editors of their own.

use leptos::prelude::*;

use crate::types::config::{Thing, ThingRow};

/// Fields that an editor of their own changes, and the form leaves out.
pub fn own_editor(_thing: &Thing) -> &'static [&'static str] {
    &[]
}

/// Buttons beside the heading.
pub fn actions(_thing: &Thing, _row: RwSignal<ThingRow>, _reload: Callback<()>) -> AnyView {
    ().into_any()
}

/// Further tabs: (key, label).
pub fn tabs(_thing: &Thing) -> Vec<(&'static str, &'static str)> {
    Vec::new()
}

/// What a further tab shows.
pub fn panel(
    _thing: &'static Thing,
    _key: &'static str,
    _row: RwSignal<ThingRow>,
    _saved: Callback<ThingRow>,
    _reload: Callback<()>,
) -> AnyView {
    ().into_any()
}
