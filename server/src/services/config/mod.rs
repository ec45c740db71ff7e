//! The configuration: one service for everything that people configure. It decides who may do what, checks what they send
//! against the descriptions of `app::types::config` and the rules of each thing (`rules`), and hands the store rows with
//! their audit entries. When a change is answered it is in force.

mod author;
mod check;
mod credentials;
mod document;
mod draft;
mod error;
mod litellm;
mod models;
mod place;
mod probe;
mod references;
mod resolved;
mod routing;
mod rules;
mod transfer;

use std::sync::Arc;

use app::types::config::{Dependants, Thing, ThingFilter, ThingPage, ThingRow, thing};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

pub use author::Author;
pub use check::unknown_fields;
pub use credentials::DEV_TYPES;
pub use document::{read as read_document, write as write_document};
pub use error::{ConfigError, FieldError, label};
pub use litellm::is_litellm;
use place::{Act, Where, deed, reach};
pub use rules::masked;
pub use transfer::Difference;

use super::{
    catalog::Catalog,
    identity::{Caller, Deed, Denied, may},
    vault::Vault,
};
use crate::{
    clock::Clock,
    store::{
        Db, StoreError,
        things::{self, Change, Record, Select, Table, UNDO_US, Write},
    },
};

/// Most rows of a list.
pub const MOST: u32 = 10_000;
/// How often a change is tried again that somebody else's came before.
const TRIES: u32 = 4;

/// Reads and changes what is configured.
#[derive(Clone)]
pub struct Configuration {
    db: Db,
    catalog: Arc<Catalog>,
    clock: Clock,
    vault: Vault,
    /// Set where changes are collected.
    draft: Option<Arc<Mutex<draft::Draft>>>,
}

/// What an update or a deletion expects the thing to be.
pub type Etag<'a> = Option<&'a str>;

impl Configuration {
    pub fn new(db: Db, catalog: Arc<Catalog>, clock: Clock, vault: Vault) -> Self {
        Self { db, catalog, clock, vault, draft: None }
    }

    /// Things that the caller may see. Without a `limit` all of them, up to [`MOST`].
    pub async fn list(&self, who: &Caller, kind: &str, filter: &ThingFilter) -> Result<ThingPage, ConfigError> {
        let table = known(kind)?;
        let (select, limit) = self.select(who, filter)?;
        let mut records = self.db.things(table, &select).await.map_err(asked)?;
        let has_more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| has_more).map(|last| {
            let place = json!([filter.sort, things::place(table, &filter.sort, last), last.id]);
            URL_SAFE_NO_PAD.encode(place.to_string())
        });
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            rows.push(self.row(who, table.thing, record).await?);
        }
        Ok(ThingPage { rows, next })
    }

    /// How many things a list has on all its pages.
    pub async fn count(&self, who: &Caller, kind: &str, filter: &ThingFilter) -> Result<u64, ConfigError> {
        let table = known(kind)?;
        let (select, _) = self.select(who, filter)?;
        self.db.count_things(table, &select).await.map_err(asked)
    }

    fn select(&self, who: &Caller, filter: &ThingFilter) -> Result<(Select, u32), ConfigError> {
        // Everyone may look at their own; a key may lack the scope.
        may(who, Deed::Read, Where::Organization(who.org_id.clone()).place())?;
        let after = match filter.after.as_deref().filter(|after| !after.is_empty()) {
            None => None,
            Some(cursor) => {
                let wrong = || ConfigError::field("after", "after is not the end of a page of this list");
                let place = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|text| serde_json::from_slice(&text).ok());
                let (sort, value, id): (String, Value, String) = place.ok_or_else(wrong)?;
                if sort != filter.sort {
                    return Err(wrong());
                }
                Some((value, id))
            }
        };
        let mut equal: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in &filter.equal {
            match equal.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value.clone()),
                None => equal.push((name.clone(), vec![value.clone()])),
            }
        }
        let limit = if filter.limit == 0 { MOST } else { filter.limit.min(MOST) };
        let select = Select {
            reach: reach(who),
            equal,
            search: filter.search.trim().chars().take(200).collect(),
            sort: filter.sort.clone(),
            descending: filter.descending,
            deleted_since_us: filter.deleted.then(|| self.clock.now_us() - UNDO_US),
            after,
            // One more tells whether there is a next page.
            limit: i64::from(limit) + 1,
        };
        Ok((select, limit))
    }

    /// One thing, by its id or the other name it has.
    pub async fn get(&self, who: &Caller, kind: &str, id: &str) -> Result<ThingRow, ConfigError> {
        let table = known(kind)?;
        let record = self.visible(who, table, id, false).await?;
        self.row(who, table.thing, record).await
    }

    /// Makes a thing of these fields.
    pub async fn create(
        &self,
        author: &Author,
        kind: &str,
        body: &Map<String, Value>,
    ) -> Result<ThingRow, ConfigError> {
        self.create_as(author, known(kind)?, body, None).await
    }

    /// The same, with an id that it had elsewhere.
    async fn create_as(
        &self,
        author: &Author,
        table: &'static Table,
        body: &Map<String, Value>,
        id: Option<&str>,
    ) -> Result<ThingRow, ConfigError> {
        let Creation { id, writes } = self.creation(author, table, body, id).await?;
        self.write(table, writes, true).await?;
        let record = self.record(table, &id, false).await?.ok_or_else(|| ConfigError::unknown(table.thing))?;
        self.row(&author.caller, table.thing, record).await
    }

    /// Changes the given fields of a thing, if it still is what `etag` says.
    pub async fn update(
        &self,
        author: &Author,
        kind: &str,
        id: &str,
        etag: Etag<'_>,
        body: &Map<String, Value>,
    ) -> Result<ThingRow, ConfigError> {
        let table = known(kind)?;
        for tried in 1.. {
            let before = self.changeable(author, table, id, Act::Update, etag).await?;
            let id = before.id.clone();
            let writes = self.change(author, table, before, body).await?;
            match self.write(table, writes, false).await {
                Err(ConfigError::Store(StoreError::Stale)) if tried < TRIES => {}
                done => {
                    done?;
                    let record = self.record(table, &id, false).await?;
                    let record = record.ok_or_else(|| ConfigError::unknown(table.thing))?;
                    return self.row(&author.caller, table.thing, record).await;
                }
            }
        }
        Err(ConfigError::Store(StoreError::Stale))
    }

    /// Takes things away with what hangs on them, all or none. For 30 days they can be brought back.
    pub async fn delete(
        &self,
        author: &Author,
        kind: &str,
        ids: &[String],
        etag: Etag<'_>,
    ) -> Result<Vec<ThingRow>, ConfigError> {
        let table = known(kind)?;
        for tried in 1.. {
            let now_us = self.clock.now_us();
            let mut writes = Vec::with_capacity(ids.len());
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                let record = self.changeable(author, table, id, Act::Delete, etag).await?;
                rules::may_go(self, author, table, &record, ids).await?;
                let place = self.place_of(table.thing, &record).await?;
                let details = json!({ "before": rules::redacted(&record.fields) });
                let audit = author.entry(table, &place, &record, "deleted", details, now_us);
                let change = Change::Delete { table, id: record.id.clone(), seen_us: record.updated_us, now_us };
                writes.push(Write { change, audit: Some(audit) });
                rows.push(self.row(&author.caller, table.thing, record).await?);
            }
            match self.write(table, writes, false).await {
                Err(ConfigError::Store(StoreError::Stale)) if tried < TRIES => {}
                done => return done.map(|()| rows),
            }
        }
        Err(ConfigError::Store(StoreError::Stale))
    }

    /// Brings things back with what went with them, all or none.
    pub async fn restore(&self, author: &Author, kind: &str, ids: &[String]) -> Result<Vec<ThingRow>, ConfigError> {
        let table = known(kind)?;
        let now_us = self.clock.now_us();
        let mut writes = Vec::with_capacity(ids.len());
        let mut restored = Vec::with_capacity(ids.len());
        for id in ids {
            let record = self.visible(&author.caller, table, id, true).await?;
            let place = self.place_of(table.thing, &record).await?;
            may(&author.caller, deed(table.thing, Act::Delete), place.place())?;
            if record.deleted_us.is_none_or(|at| at < now_us - UNDO_US) {
                return Err(ConfigError::unknown(table.thing));
            }
            self.parents_are_live(table.thing, &record).await?;
            let audit = author.entry(table, &place, &record, "restored", json!({}), now_us);
            writes.push(Write { change: Change::Restore { table, id: record.id.clone(), now_us }, audit: Some(audit) });
            restored.push(record.id);
        }
        self.write(table, writes, false).await?;
        let mut rows = Vec::with_capacity(restored.len());
        for id in restored {
            rows.push(self.get(&author.caller, kind, &id).await?);
        }
        Ok(rows)
    }

    /// What would go with a thing.
    pub async fn dependants(&self, who: &Caller, kind: &str, id: &str) -> Result<Dependants, ConfigError> {
        let table = known(kind)?;
        let record = self.visible(who, table, id, false).await?;
        let below = self.db.things_below(table, &record.id).await?;
        let name = |kind: &str| thing(kind).map_or(kind.to_owned(), |thing| thing.many.to_owned());
        Ok(Dependants { kinds: below.into_iter().map(|one| (name(one.kind), one.many, one.names)).collect() })
    }

    /// The writes of a new thing.
    async fn creation(
        &self,
        author: &Author,
        table: &'static Table,
        body: &Map<String, Value>,
        own_id: Option<&str>,
    ) -> Result<Creation, ConfigError> {
        let thing = table.thing;
        rules::can_be_made(thing)?;
        self.could(&author.caller, thing, body)?;
        let missing = check::missing(thing, body, |field| rules::is_spared(thing, field, body));
        if !missing.is_empty() {
            return Err(ConfigError::Missing(missing));
        }
        rules::early(thing, body, own_id.is_some())?;
        let mut fields = check::given(thing, body)?;
        rules::complete(self, author, thing, &mut fields).await?;
        let place = self.cradle(thing, &fields).await;
        self.references(&author.caller, thing, &fields).await?;
        let place = place?;
        may(&author.caller, deed(thing, Act::Create), place.place())?;
        let id = rules::id(self, thing, body, &fields, own_id)?;
        rules::defaults(thing, &id, &mut fields);
        let now_us = self.clock.now_us();
        let record = Record { id: id.clone(), fields, created_us: now_us, updated_us: now_us, deleted_us: None };
        let mut writes = Vec::new();
        let record = rules::check(self, author, table, None, record, &mut writes).await?;
        let place = if place == Where::Platform || thing.kind == "instance" {
            self.place_of(thing, &record).await?
        } else {
            place
        };
        let details = json!({ "after": rules::redacted(&record.fields) });
        let audit = author.entry(table, &place, &record, "created", details, now_us);
        let version = rules::version(author, thing, &record, now_us);
        writes.push(Write { change: Change::Insert { table, record }, audit: Some(audit) });
        writes.extend(version);
        Ok(Creation { id, writes })
    }

    /// The writes of a change.
    async fn change(
        &self,
        author: &Author,
        table: &'static Table,
        before: Record,
        body: &Map<String, Value>,
    ) -> Result<Vec<Write>, ConfigError> {
        let thing = table.thing;
        let shown = check::shown(thing, &before.id, &before);
        rules::early_change(thing, &shown, body)?;
        let changed = check::changed(thing, body, &shown)?;
        self.references(&author.caller, thing, &changed).await?;
        let mut after = before.clone();
        after.fields.extend(changed);
        rules::defaults(thing, &before.id, &mut after.fields);
        let mut writes = Vec::new();
        let mut after = rules::check(self, author, table, Some(&before), after, &mut writes).await?;
        let fields: Map<String, Value> = after
            .fields
            .iter()
            .filter(|(name, value)| before.fields.get(*name) != Some(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if fields.is_empty() && writes.is_empty() {
            return Ok(writes);
        }
        let now_us = self.clock.now_us();
        after.updated_us = things::later(now_us, before.updated_us);
        let was: Map<String, Value> =
            fields.keys().map(|name| (name.clone(), before.fields.get(name).cloned().unwrap_or_default())).collect();
        let details = json!({ "before": rules::redacted(&was), "after": rules::redacted(&fields) });
        let place = self.place_of(thing, &after).await?;
        let audit = author.entry(table, &place, &after, "updated", details, now_us);
        writes.extend(rules::first_version(thing, &before));
        let version = rules::version(author, thing, &after, now_us);
        let change = Change::Update { table, id: before.id, seen_us: before.updated_us, fields, now_us };
        writes.push(Write { change, audit: Some(audit) });
        writes.extend(version);
        Ok(writes)
    }

    /// Writes, and puts it in force.
    async fn write(&self, table: &Table, writes: Vec<Write>, is_new: bool) -> Result<(), ConfigError> {
        if writes.is_empty() {
            return Ok(());
        }
        let kept = writes.clone();
        self.put(writes).await.map_err(|error| match error {
            StoreError::Conflict { what } => rules::conflict(table.thing, &what, &kept, is_new),
            error => asked(error),
        })
    }

    /// A thing that the caller may look at.
    async fn visible(&self, who: &Caller, table: &Table, id: &str, deleted: bool) -> Result<Record, ConfigError> {
        let found = self.record(table, id, deleted).await?;
        let record = found.ok_or_else(|| ConfigError::unknown(table.thing))?;
        let place = self.place_of(table.thing, &record).await?;
        match may(who, Deed::Read, place.place()) {
            // Its name can be guessed, so that it exists is not told either.
            Err(Denied::Elsewhere) if table.other_key.is_some() => Err(ConfigError::unknown(table.thing)),
            allowed => allowed.map(|()| record).map_err(Into::into),
        }
    }

    /// A thing that the caller may change, and that is what `etag` says.
    async fn changeable(
        &self,
        author: &Author,
        table: &'static Table,
        id: &str,
        act: Act,
        etag: Etag<'_>,
    ) -> Result<Record, ConfigError> {
        let record = self.visible(&author.caller, table, id, false).await?;
        let place = self.place_of(table.thing, &record).await?;
        may(&author.caller, deed(table.thing, act), place.place())?;
        if etag.is_some_and(|etag| etag != "*" && etag != etag_of(&record)) {
            let current = self.row(&author.caller, table.thing, record).await?;
            return Err(ConfigError::Stale { thing: table.thing, current: Box::new(current) });
        }
        Ok(record)
    }

    /// Who may make none anywhere is told so before what they send is looked at.
    fn could(&self, who: &Caller, thing: &Thing, body: &Map<String, Value>) -> Result<(), ConfigError> {
        use app::types::config::Owner;
        let deed = deed(thing, Act::Create);
        let own = Where::Organization(who.org_id.clone());
        match (thing.kind, thing.owner) {
            ("organization", _) | (_, Owner::Platform) => may(who, deed, Where::Platform.place())?,
            ("instance", _) | (_, Owner::Organization) => may(who, deed, own.place())?,
            (_, Owner::Instance) if body.get("instance_id").is_none_or(Value::is_null) => {
                let here =
                    Where::Instance { org_id: who.instance.org_id.clone(), instance_id: who.instance.id.clone() };
                may(who, deed, here.place())?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn row(&self, who: &Caller, thing: &'static Thing, record: Record) -> Result<ThingRow, ConfigError> {
        let place = self.place_of(thing, &record).await?;
        let editable = record.deleted_us.is_none() && may(who, deed(thing, Act::Update), place.place()).is_ok();
        Ok(ThingRow { etag: etag_of(&record), editable, body: check::shown(thing, &record.id, &record), id: record.id })
    }
}

/// A new thing's id, and what has to be written for it.
struct Creation {
    id: String,
    writes: Vec<Write>,
}

fn known(kind: &str) -> Result<&'static Table, ConfigError> {
    things::table(kind).ok_or_else(|| ConfigError::NotFound(format!("The kind \"{kind}\"")))
}

fn etag_of(record: &Record) -> String {
    format!("{:x}", record.updated_us)
}

/// What the store refuses about a question is the caller's to change.
fn asked(error: StoreError) -> ConfigError {
    match error {
        StoreError::Invalid { what } => ConfigError::field("filter", what),
        error => ConfigError::Store(error),
    }
}
