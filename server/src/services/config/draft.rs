//! Changes that belong together: they are checked one after the other, each against what those before it would have made,
//! and then written as one, or not at all.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{ConfigError, Configuration, rules};
use crate::store::{
    StoreError,
    things::{self, Change, Record, Table, Write},
};

#[derive(Default)]
pub struct Draft {
    writes: Vec<Write>,
    /// Things as they will be, by kind and id.
    things: HashMap<(&'static str, String), Record>,
}

impl Configuration {
    /// The same service, whose changes are kept until they are [committed](Self::commit), or forgotten with it.
    pub(super) fn drafting(&self) -> Self {
        Self { draft: Some(Arc::new(Mutex::default())), ..self.clone() }
    }

    /// A thing, as it is or as it is drafted.
    pub(super) async fn record(&self, table: &Table, id: &str, deleted: bool) -> Result<Option<Record>, StoreError> {
        if !deleted && let Some(record) = self.drafted(table, id) {
            return Ok(Some(record));
        }
        self.db.thing(table, id, deleted).await
    }

    /// A thing that is new or otherwise in the draft, by its id or the other name it has.
    pub(super) fn drafted(&self, table: &Table, id: &str) -> Option<Record> {
        let draft = self.draft.as_ref()?.lock();
        let kind = table.thing.kind;
        draft.things.get(&(kind, id.to_owned())).cloned().or_else(|| {
            let other = table.other_key?;
            let mut own = draft.things.iter().filter(|((of, _), _)| *of == kind);
            own.find(|(_, record)| record.text(other) == Some(id)).map(|(_, record)| record.clone())
        })
    }

    /// Things of a kind that the database has, as they are drafted, and those that are drafted anew.
    pub(super) fn redrafted(&self, table: &Table, mut records: Vec<Record>) -> Vec<Record> {
        let Some(draft) = &self.draft else { return records };
        let draft = draft.lock();
        let drafted = |record: &Record| draft.things.contains_key(&(table.thing.kind, record.id.clone()));
        records.retain(|record| !drafted(record));
        let own = draft.things.iter().filter(|((kind, _), _)| *kind == table.thing.kind);
        records.extend(own.map(|(_, record)| record.clone()));
        records
    }

    /// Writes, and puts it in force; or keeps it in the draft.
    pub(super) async fn put(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let Some(draft) = &self.draft else {
            self.db.write_things(&writes, self.clock.now_us()).await?;
            return self.catalog.refresh().await;
        };
        for write in &writes {
            let (table, record) = match &write.change {
                Change::Insert { table, record } => (table, record.clone()),
                Change::Update { table, id, seen_us, fields, now_us } => {
                    let mut record = self.record(table, id, false).await?.ok_or(StoreError::Stale)?;
                    record.fields.extend(fields.clone());
                    record.updated_us = things::later(*now_us, *seen_us);
                    (table, record)
                }
                _ => continue,
            };
            draft.lock().things.insert((table.thing.kind, record.id.clone()), record);
        }
        draft.lock().writes.extend(writes);
        Ok(())
    }

    /// Writes everything that was drafted, or nothing.
    pub(super) async fn commit(&self) -> Result<(), ConfigError> {
        let Some(draft) = &self.draft else { return Ok(()) };
        let writes = std::mem::take(&mut draft.lock().writes);
        if writes.is_empty() {
            return Ok(());
        }
        self.db.write_things(&writes, self.clock.now_us()).await.map_err(|error| match error {
            StoreError::Conflict { what } => taken(&what, &writes),
            error => error.into(),
        })?;
        Ok(self.catalog.refresh().await?)
    }
}

/// The value that another thing has already, in words. `what` is a table, or a table and its column.
fn taken(what: &str, writes: &[Write]) -> ConfigError {
    let name = what.split('.').next().unwrap_or_default();
    let table = writes.iter().find_map(|write| match &write.change {
        Change::Insert { table, .. } | Change::Update { table, .. } if table.name == name => Some(*table),
        _ => None,
    });
    match table {
        Some(table) => match rules::conflict(table.thing, what, &[], true) {
            ConfigError::Conflict { field, message } => {
                ConfigError::Conflict { field, message: format!("{}: {message}", table.thing.kind) }
            }
            error => error,
        },
        None => ConfigError::Store(StoreError::Conflict { what: what.to_owned() }),
    }
}
