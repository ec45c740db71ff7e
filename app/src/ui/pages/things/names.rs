//! Names of the things that rows refer to by id.

use std::collections::HashMap;

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    api,
    error::AppError,
    types::config::{FieldKind, Thing, ThingFilter, ThingPage, ThingRow, thing},
};

/// Most names that are asked for at once.
const MOST: usize = 200;

/// A page of a list with what is needed to draw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    pub page: ThingPage,
    /// (kind, id, name).
    pub names: Vec<(String, String, String)>,
}

/// All names that the screen knows by now.
#[derive(Clone, Copy)]
pub struct Names(RwSignal<HashMap<(String, String), String>>);

impl Names {
    pub fn provide() -> Self {
        let names = Self(RwSignal::new(HashMap::new()));
        provide_context(names);
        names
    }

    pub fn here() -> Self {
        use_context().unwrap_or_else(Self::provide)
    }

    pub fn learn(&self, names: Vec<(String, String, String)>) {
        if !names.is_empty() {
            let _ =
                self.0.try_update(|known| known.extend(names.into_iter().map(|(kind, id, name)| ((kind, id), name))));
        }
    }

    /// The name of a thing, or its id where the name is not known. Reacts.
    pub fn of(&self, kind: &str, id: &str) -> String {
        self.0.with(|known| known.get(&(kind.to_owned(), id.to_owned())).cloned()).unwrap_or_else(|| id.to_owned())
    }
}

/// What people call a row.
pub fn title(thing: &Thing, row: &ThingRow) -> String {
    row.body.get(thing.title).and_then(Value::as_str).filter(|title| !title.is_empty()).unwrap_or(&row.id).to_owned()
}

/// Reads a page of a list and the names of what its rows refer to: one question for each kind, not for each row.
pub async fn load(thing: &'static Thing, filter: ThingFilter) -> Result<Listed, AppError> {
    let page = api::things(thing.kind.to_owned(), filter).await?;
    let names = names_of(thing, &page.rows).await;
    Ok(Listed { page, names })
}

pub async fn names_of(thing_: &'static Thing, rows: &[ThingRow]) -> Vec<(String, String, String)> {
    let mut wanted: Vec<(&str, Vec<String>)> = Vec::new();
    for field in thing_.fields {
        let FieldKind::Ref(kind) = field.kind else { continue };
        let ids = rows.iter().filter_map(|row| row.body.get(field.name)?.as_str());
        let at = wanted.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
            wanted.push((kind, Vec::new()));
            wanted.len() - 1
        });
        for id in ids {
            if !wanted[at].1.iter().any(|known| known == id) && wanted[at].1.len() < MOST {
                wanted[at].1.push(id.to_owned());
            }
        }
    }
    let mut names = Vec::new();
    for (kind, ids) in wanted {
        let Some(other) = thing(kind).filter(|_| !ids.is_empty()) else { continue };
        let filter = ThingFilter {
            equal: ids.into_iter().map(|id| (other.id.to_owned(), id)).collect(),
            limit: MOST as u32,
            ..Default::default()
        };
        // Without the names the ids are shown.
        if let Ok(page) = api::things(kind.to_owned(), filter).await {
            names.extend(page.rows.iter().map(|row| (kind.to_owned(), row.id.clone(), title(other, row))));
        }
    }
    names
}
