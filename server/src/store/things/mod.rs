//! Everything that is configured, in one way: list, get, insert, update, delete and restore are the same for every
//! [`Thing`](app::types::config::Thing). `table` says where each lies; SQL is made from that and from the descriptions
//! only, and every value is bound.

mod cells;
mod list;
mod table;
#[cfg(test)]
mod tests;
mod write;

use serde_json::{Map, Value};

pub use list::{Dependant, Instances, Reach, Select, place};
pub use table::{Below, Table, table};
pub use write::{Change, Write, later};

/// How long a deletion can be undone.
pub const UNDO_US: i64 = 30 * 86_400_000_000;

/// A row as it is stored: times are microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub id: String,
    /// Every field of the description, by its name; what is not set is null.
    pub fields: Map<String, Value>,
    pub created_us: i64,
    /// Grows with every change.
    pub updated_us: i64,
    pub deleted_us: Option<i64>,
}

impl Record {
    /// A field that holds text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// What people know it by.
    pub fn title(&self, table: &Table) -> &str {
        self.text(table.thing.title).unwrap_or(&self.id)
    }
}
