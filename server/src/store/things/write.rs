//! Changing things. What is written together is written in one transaction, with its audit entries, or not at all.

use serde_json::{Map, Value};

use super::{
    Record, UNDO_US,
    cells::{Cell, with_cells},
    table::{Table, column, form},
};
use crate::store::{
    Db, StoreError,
    audit::{AuditEntry, audit},
};

/// A change and what the audit log says of it.
#[derive(Debug, Clone)]
pub struct Write {
    pub change: Change,
    pub audit: Option<AuditEntry>,
}

/// A change of one row. `seen_us` is the row's `updated_us` as the writer knew it: if it is another one meanwhile, nothing
/// is written and the answer is `Stale`.
#[derive(Debug, Clone)]
pub enum Change {
    Insert {
        table: &'static Table,
        record: Record,
    },
    Update {
        table: &'static Table,
        id: String,
        seen_us: i64,
        fields: Map<String, Value>,
        now_us: i64,
    },
    Delete {
        table: &'static Table,
        id: String,
        seen_us: i64,
        now_us: i64,
    },
    Restore {
        table: &'static Table,
        id: String,
        now_us: i64,
    },
    /// Keeps the state of a model; its version is the next one.
    Version {
        config_id: String,
        body: Value,
        actor_name: String,
        now_us: i64,
    },
}

/// A statement with its values, and what it means when it touches no row.
struct Step {
    text: String,
    cells: Vec<Cell>,
    or: Option<StoreError>,
}

impl Step {
    fn new(text: String, cells: Vec<Cell>) -> Self {
        Self { text, cells, or: None }
    }

    fn or(self, error: StoreError) -> Self {
        Self { or: Some(error), ..self }
    }
}

impl Db {
    /// Makes all changes or none, and raises the configuration version.
    pub async fn write_things(&self, writes: &[Write], now_us: i64) -> Result<(), StoreError> {
        let mut steps = Vec::with_capacity(writes.len());
        for write in writes {
            steps.push((write.change.steps()?, write.audit.as_ref()));
        }
        change!(self, now_us, |t| {
            for (steps, audit) in &steps {
                for step in steps {
                    let query = sqlx::query(sqlx::AssertSqlSafe(step.text.clone()));
                    let done = with_cells!(query, &step.cells).execute(&mut *t).await?.rows_affected();
                    if let Some(error) = step.or.as_ref().filter(|_| done == 0) {
                        return Err(error.clone());
                    }
                }
                if let Some(audit) = audit {
                    audit!(t, audit);
                }
            }
        });
        Ok(())
    }

    /// Deletes for good what was deleted before this time; answers how many rows.
    pub async fn purge_things(&self, before_us: i64) -> Result<u64, StoreError> {
        let mut purged = 0;
        for thing in app::types::config::THINGS {
            let Some(table) = super::table(thing.kind).filter(|table| table.undo) else { continue };
            let text = format!("DELETE FROM {} WHERE deleted_us < $1", table.name);
            let done = db_write!(self, |c| sqlx::query(sqlx::AssertSqlSafe(text))
                .bind(before_us)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))?;
            purged += done;
        }
        Ok(purged)
    }
}

impl Change {
    fn steps(&self) -> Result<Vec<Step>, StoreError> {
        match self {
            Self::Insert { table, record } => insert(table, record),
            Self::Update { table, id, seen_us, fields, now_us } => {
                Ok(vec![update(table, id, *seen_us, fields, *now_us)?])
            }
            Self::Delete { table, id, seen_us, now_us } => Ok(delete(table, id, *seen_us, *now_us)),
            Self::Restore { table, id, now_us } => Ok(restore(table, id, *now_us)),
            Self::Version { config_id, body, actor_name, now_us } => Ok(vec![Step::new(
                "INSERT INTO model_versions (config_id, version, body, actor_name, created_us)
                 SELECT $1, COALESCE(MAX(version), 0) + 1, $2, $3, $4 FROM model_versions WHERE config_id = $1"
                    .to_owned(),
                vec![
                    Cell::text(config_id),
                    Cell::Json(Some(body.clone())),
                    Cell::text(actor_name),
                    Cell::whole(*now_us),
                ],
            )]),
        }
    }
}

fn insert(table: &Table, record: &Record) -> Result<Vec<Step>, StoreError> {
    let mut columns = vec![table.created.to_owned(), "updated_us".to_owned()];
    let mut cells = vec![Cell::whole(record.created_us), Cell::whole(record.updated_us)];
    if table.key == table.thing.id {
        columns.push(table.key.to_owned());
        cells.push(Cell::text(&record.id));
    }
    for field in table.thing.fields {
        let Some(value) = record.fields.get(field.name) else { continue };
        let column = column(field.name);
        if !columns.contains(&column) {
            columns.push(column);
            cells.push(Cell::of(form(field.kind), value)?);
        }
    }
    let mut places: Vec<String> = (1..=cells.len()).map(|number| format!("${number}")).collect();
    if !table.undo {
        // The version of a setting counts how often it was written.
        columns.push("version".to_owned());
        places.push("1".to_owned());
    }
    let mut steps = Vec::with_capacity(2);
    if table.undo {
        // An id that is made from names may be a deleted thing's.
        let room = format!("DELETE FROM {} WHERE {} = $1 AND deleted_us IS NOT NULL", table.name, table.key);
        steps.push(Step::new(room, vec![Cell::text(&record.id)]));
    }
    let text = format!("INSERT INTO {} ({}) VALUES ({})", table.name, columns.join(", "), places.join(", "));
    steps.push(Step::new(text, cells));
    Ok(steps)
}

fn update(table: &Table, id: &str, seen_us: i64, fields: &Map<String, Value>, now_us: i64) -> Result<Step, StoreError> {
    let mut cells = vec![Cell::text(id), Cell::whole(seen_us), Cell::whole(later(now_us, seen_us))];
    let mut sets = vec!["updated_us = $3".to_owned()];
    for field in table.thing.fields {
        let Some(value) = fields.get(field.name) else { continue };
        cells.push(Cell::of(form(field.kind), value)?);
        sets.push(format!("{} = ${}", column(field.name), cells.len()));
    }
    if !table.undo {
        sets.push("version = version + 1".to_owned());
    }
    let live = if table.undo { " AND deleted_us IS NULL" } else { "" };
    let text =
        format!("UPDATE {} SET {} WHERE {} = $1 AND updated_us = $2{live}", table.name, sets.join(", "), table.key);
    Ok(Step::new(text, cells).or(StoreError::Stale))
}

fn delete(table: &Table, id: &str, seen_us: i64, now_us: i64) -> Vec<Step> {
    if !table.undo {
        let text = format!("DELETE FROM {} WHERE {} = $1 AND updated_us = $2", table.name, table.key);
        return vec![Step::new(text, vec![Cell::text(id), Cell::whole(seen_us)]).or(StoreError::Stale)];
    }
    let own = format!(
        "UPDATE {} SET deleted_us = $3 WHERE {} = $1 AND updated_us = $2 AND deleted_us IS NULL",
        table.name, table.key
    );
    let mut steps =
        vec![Step::new(own, vec![Cell::text(id), Cell::whole(seen_us), Cell::whole(now_us)]).or(StoreError::Stale)];
    // They take its time of deletion: an undo brings back exactly those that went with it.
    steps.extend(table.below.iter().filter_map(|below| {
        let child = super::table(below.kind)?;
        let text = format!("UPDATE {} SET deleted_us = $2 WHERE deleted_us IS NULL AND ({})", child.name, below.which);
        Some(Step::new(text, vec![Cell::text(id), Cell::whole(now_us)]))
    }));
    steps.extend(table.ends.iter().map(|text| Step::new((*text).to_owned(), vec![Cell::text(id)])));
    steps
}

fn restore(table: &Table, id: &str, now_us: i64) -> Vec<Step> {
    if !table.undo {
        return vec![
            Step::new("UPDATE settings SET version = version WHERE 1 = 0".to_owned(), vec![]).or(StoreError::NotFound),
        ];
    }
    let mut steps: Vec<Step> = table
        .below
        .iter()
        .filter_map(|below| {
            let child = super::table(below.kind)?;
            let text = format!(
                "UPDATE {} SET deleted_us = NULL WHERE ({}) AND deleted_us = (SELECT deleted_us FROM {} WHERE {} = $1)",
                child.name, below.which, table.name, table.key
            );
            Some(Step::new(text, vec![Cell::text(id)]))
        })
        .collect();
    let own = format!(
        "UPDATE {} SET deleted_us = NULL, updated_us = CASE WHEN updated_us < $2 THEN $2 ELSE updated_us + 1 END
         WHERE {} = $1 AND deleted_us >= $3",
        table.name, table.key
    );
    let cells = vec![Cell::text(id), Cell::whole(now_us), Cell::whole(now_us - UNDO_US)];
    steps.push(Step::new(own, cells).or(StoreError::NotFound));
    steps
}

/// A row's next `updated_us`: it grows even when the clock stands still.
pub fn later(now_us: i64, seen_us: i64) -> i64 {
    now_us.max(seen_us + 1)
}
