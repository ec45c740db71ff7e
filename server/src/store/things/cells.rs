//! Values on their way into and out of columns.

use serde_json::Value;
use sqlx::{Row, postgres::PgRow, sqlite::SqliteRow};

use super::{
    Record,
    table::{Form, Table, column, form},
};
use crate::store::StoreError;

/// A value to be bound.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(Option<String>),
    Whole(Option<i64>),
    Number(Option<f64>),
    Flag(Option<bool>),
    Json(Option<Value>),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    pub const fn whole(whole: i64) -> Self {
        Self::Whole(Some(whole))
    }

    /// A field's value; services have checked that it has the form.
    pub fn of(form: Form, value: &Value) -> Result<Self, StoreError> {
        let wrong = || StoreError::Invalid { what: format!("expected {form:?}") };
        if value.is_null() {
            return Ok(match form {
                Form::Text => Self::Text(None),
                Form::Whole => Self::Whole(None),
                Form::Number => Self::Number(None),
                Form::Flag => Self::Flag(None),
                Form::Json => Self::Json(None),
            });
        }
        Ok(match form {
            Form::Text => Self::text(value.as_str().ok_or_else(wrong)?),
            Form::Whole => Self::whole(value.as_i64().ok_or_else(wrong)?),
            Form::Number => Self::Number(Some(value.as_f64().ok_or_else(wrong)?)),
            Form::Flag => Self::Flag(Some(value.as_bool().ok_or_else(wrong)?)),
            Form::Json => Self::Json(Some(value.clone())),
        })
    }
}

/// A query with these cells bound in their order.
macro_rules! with_cells {
    ($query:expr, $cells:expr) => {{
        let mut query = $query;
        for cell in $cells {
            query = match cell {
                $crate::store::things::cells::Cell::Text(value) => query.bind(value.clone()),
                $crate::store::things::cells::Cell::Whole(value) => query.bind(*value),
                $crate::store::things::cells::Cell::Number(value) => query.bind(*value),
                $crate::store::things::cells::Cell::Flag(value) => query.bind(*value),
                $crate::store::things::cells::Cell::Json(value) => query.bind(value.clone()),
            };
        }
        query
    }};
}
pub(super) use with_cells;

/// What a row of either database can be asked for.
pub(super) trait Columns {
    fn text(&self, name: &str) -> Result<Option<String>, sqlx::Error>;
    fn whole(&self, name: &str) -> Result<Option<i64>, sqlx::Error>;
    fn number(&self, name: &str) -> Result<Option<f64>, sqlx::Error>;
    fn flag(&self, name: &str) -> Result<Option<bool>, sqlx::Error>;
    fn json(&self, name: &str) -> Result<Option<Value>, sqlx::Error>;
}

macro_rules! columns {
    ($row:ty) => {
        impl Columns for $row {
            fn text(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
                self.try_get(name)
            }
            fn whole(&self, name: &str) -> Result<Option<i64>, sqlx::Error> {
                self.try_get(name)
            }
            fn number(&self, name: &str) -> Result<Option<f64>, sqlx::Error> {
                self.try_get(name)
            }
            fn flag(&self, name: &str) -> Result<Option<bool>, sqlx::Error> {
                self.try_get(name)
            }
            fn json(&self, name: &str) -> Result<Option<Value>, sqlx::Error> {
                self.try_get(name)
            }
        }
    };
}
columns!(SqliteRow);
columns!(PgRow);

/// What a `SELECT` lists, for [`read`].
pub(super) fn columns(table: &Table) -> String {
    let gone = if table.undo { "deleted_us" } else { "CAST(NULL AS BIGINT)" };
    let mut list =
        format!("{} AS thing_id, {} AS made_us, updated_us AS changed_us, {gone} AS gone_us", table.key, table.created);
    for field in table.thing.fields {
        list.push_str(", ");
        list.push_str(&column(field.name));
    }
    list
}

pub(super) fn read(table: &Table, row: &impl Columns) -> Result<Record, sqlx::Error> {
    let mut fields = serde_json::Map::with_capacity(table.thing.fields.len());
    for field in table.thing.fields {
        let column = column(field.name);
        let value: Option<Value> = match form(field.kind) {
            Form::Text => row.text(&column)?.map(Into::into),
            Form::Whole => row.whole(&column)?.map(Into::into),
            Form::Number => row.number(&column)?.map(Into::into),
            Form::Flag => row.flag(&column)?.map(Into::into),
            Form::Json => row.json(&column)?,
        };
        fields.insert(field.name.to_owned(), value.unwrap_or_default());
    }
    Ok(Record {
        id: row.text("thing_id")?.unwrap_or_default(),
        fields,
        created_us: row.whole("made_us")?.unwrap_or_default(),
        updated_us: row.whole("changed_us")?.unwrap_or_default(),
        deleted_us: row.whole("gone_us")?,
    })
}
