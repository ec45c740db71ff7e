//! Reading things: one, a page of a list, and what hangs on one.

use app::types::config::{FieldKind, FieldRole, Owner};
use serde_json::Value;

use super::{
    Record,
    cells::{self, Cell, with_cells},
    table::{Form, Table, column, form},
};
use crate::store::{Db, StoreError, sql};

/// Which rows somebody may see.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    Everything,
    /// What is everyone's, what is the organization's, and what is in these instances.
    Of {
        org_id: String,
        instances: Instances,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Instances {
    /// All of the organization.
    All,
    These(Vec<String>),
}

/// Which rows to list, and from where.
#[derive(Debug, Clone)]
pub struct Select {
    pub reach: Reach,
    /// (field or id, values): equal to one of the values; an empty value means not set. Of a JSON object: the name in it is
    /// true.
    pub equal: Vec<(String, Vec<String>)>,
    /// Found anywhere in the id or in a text, whatever the case.
    pub search: String,
    /// A field, `created_at` or `updated_at`; empty is the table's own order.
    pub sort: String,
    pub descending: bool,
    /// Deleted since then, in place of what is live.
    pub deleted_since_us: Option<i64>,
    /// Sort value and id of the last row seen.
    pub after: Option<(Value, String)>,
    pub limit: i64,
}

impl Select {
    /// The first rows of what `reach` shows, in the table's own order.
    pub fn first(reach: Reach, limit: i64) -> Self {
        Self {
            reach,
            equal: Vec::new(),
            search: String::new(),
            sort: String::new(),
            descending: false,
            deleted_since_us: None,
            after: None,
            limit,
        }
    }
}

/// A statement that is being put together.
struct Statement {
    text: String,
    cells: Vec<Cell>,
}

impl Statement {
    /// The placeholder of a value.
    fn bind(&mut self, cell: Cell) -> String {
        self.cells.push(cell);
        format!("${}", self.cells.len())
    }

    fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }
}

impl Db {
    /// A live thing, or a deleted one.
    pub async fn thing(&self, table: &Table, id: &str, deleted: bool) -> Result<Option<Record>, StoreError> {
        // What is the id of one and another name of another: the id wins.
        let other = table.other_key.map(|key| format!(" OR {key} = $1")).unwrap_or_default();
        let state = match (table.undo, deleted) {
            (true, true) => " AND deleted_us IS NOT NULL",
            (true, false) => " AND deleted_us IS NULL",
            (false, true) => " AND 1 = 0",
            (false, false) => "",
        };
        let hidden = if table.hidden.is_empty() { String::new() } else { format!(" AND {}", table.hidden) };
        let last = if table.undo { ", deleted_us DESC" } else { "" };
        let text = format!(
            "SELECT {} FROM {} WHERE ({key} = $1{other}){state}{hidden}
             ORDER BY CASE WHEN {key} = $1 THEN 0 ELSE 1 END{last} LIMIT 1",
            cells::columns(table),
            table.name,
            key = table.key
        );
        db!(self, |c| {
            let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(c).await?;
            Ok(row.map(|row| cells::read(table, &row)).transpose()?)
        })
    }

    /// Things, in order.
    pub async fn things(&self, table: &Table, select: &Select) -> Result<Vec<Record>, StoreError> {
        let (order, form) = order(table, &select.sort)?;
        let collation = sql::BY_BYTES.of(self);
        let sorted = if form == Form::Text { collation } else { "" };
        let descending = select.descending || (select.sort.is_empty() && table.order.is_empty());
        let direction = if descending { "DESC" } else { "ASC" };
        let mut statement = self.chosen(&cells::columns(table), table, select)?;
        if let Some((value, id)) = &select.after {
            let value = statement.bind(Cell::of(form, value)?);
            let id = statement.bind(Cell::text(id));
            let beyond = if descending { "<" } else { ">" };
            statement.and(&format!("({order}{sorted}, {}{collation}) {beyond} ({value}, {id})", paren(table.key)));
        }
        let limit = statement.bind(Cell::whole(select.limit));
        let key = paren(table.key);
        statement
            .text
            .push_str(&format!(" ORDER BY {order}{sorted} {direction}, {key}{collation} {direction} LIMIT {limit}"));
        let Statement { text, cells } = statement;
        db!(self, |c| {
            let rows = with_cells!(sqlx::query(sqlx::AssertSqlSafe(text)), &cells).fetch_all(c).await?;
            Ok(rows.iter().map(|row| cells::read(table, row)).collect::<Result<_, _>>()?)
        })
    }

    /// How many there are on all pages.
    pub async fn count_things(&self, table: &Table, select: &Select) -> Result<u64, StoreError> {
        let Statement { text, cells } = self.chosen("COUNT(*) AS many", table, select)?;
        let many: i64 = db!(self, |c| {
            use sqlx::Row;
            let row = with_cells!(sqlx::query(sqlx::AssertSqlSafe(text)), &cells).fetch_one(c).await?;
            row.try_get("many")?
        });
        Ok(many.unsigned_abs())
    }

    /// What goes with a live thing: how many of each kind, and the first few by name.
    pub async fn things_below(&self, table: &Table, id: &str) -> Result<Vec<Dependant>, StoreError> {
        let mut found = Vec::new();
        for below in table.below {
            let Some(child) = super::table(below.kind) else { continue };
            let from = format!("FROM {} WHERE deleted_us IS NULL AND ({})", child.name, below.which);
            let title = if child.thing.title == child.thing.id { child.key } else { child.thing.title };
            let count = format!("SELECT COUNT(*) {from}");
            let names = format!("SELECT {title} AS title {from} ORDER BY {} DESC LIMIT 5", child.created);
            let (many, names): (i64, Vec<String>) = db!(self, |c| {
                let many = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).bind(id).fetch_one(c).await?;
                let names = sqlx::query_scalar(sqlx::AssertSqlSafe(names)).bind(id).fetch_all(c).await?;
                (many, names)
            });
            if many > 0 {
                found.push(Dependant { kind: below.kind, many: many.unsigned_abs(), names });
            }
        }
        Ok(found)
    }

    /// `SELECT … WHERE …`, without order and page.
    fn chosen(&self, columns: &str, table: &Table, select: &Select) -> Result<Statement, StoreError> {
        let mut statement =
            Statement { text: format!("SELECT {columns} FROM {} WHERE 1 = 1", table.name), cells: Vec::new() };
        match (table.undo, select.deleted_since_us) {
            (true, None) => statement.and("deleted_us IS NULL"),
            (true, Some(since)) => {
                let since = statement.bind(Cell::whole(since));
                statement.and(&format!("deleted_us >= {since}"));
            }
            (false, Some(_)) => statement.and("1 = 0"),
            (false, None) => {}
        }
        if !table.hidden.is_empty() {
            statement.and(table.hidden);
        }
        reach(&mut statement, table, &select.reach);
        for (name, values) in &select.equal {
            equal(self, &mut statement, table, name, values)?;
        }
        if !select.search.is_empty() {
            let pattern = statement.bind(Cell::text(like(&select.search)));
            let mut any = vec![format!("lower({}) LIKE lower({pattern}) ESCAPE '\\'", table.key)];
            let texts = table.thing.fields.iter().filter(|field| {
                matches!(field.kind, FieldKind::Line | FieldKind::Text | FieldKind::Email | FieldKind::Url)
            });
            any.extend(texts.map(|field| format!("lower({}) LIKE lower({pattern}) ESCAPE '\\'", column(field.name))));
            statement.and(&format!("({})", any.join(" OR ")));
        }
        Ok(statement)
    }
}

/// Things of one kind that go with another thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependant {
    pub kind: &'static str,
    pub many: u64,
    pub names: Vec<String>,
}

fn reach(statement: &mut Statement, table: &Table, reach: &Reach) {
    let Reach::Of { org_id, instances } = reach else { return };
    let has = |name: &str| table.thing.field(name).is_some_and(|field| field.role == FieldRole::FixedOptional);
    match table.thing.owner {
        Owner::Platform => {}
        Owner::Organization => {
            let org = statement.bind(Cell::text(org_id));
            let everyones = if has("org_id") { " OR org_id IS NULL" } else { "" };
            statement.and(&format!("(org_id = {org}{everyones})"));
        }
        Owner::Instance => {
            let within = match instances {
                Instances::All => {
                    let org = statement.bind(Cell::text(org_id));
                    format!("instance_id IN (SELECT instance_id FROM instances WHERE org_id = {org})")
                }
                Instances::These(ids) if ids.is_empty() => "1 = 0".to_owned(),
                Instances::These(ids) => {
                    let ids: Vec<_> = ids.iter().map(|id| statement.bind(Cell::text(id))).collect();
                    format!("instance_id IN ({})", ids.join(", "))
                }
            };
            if has("instance_id") {
                let org = statement.bind(Cell::text(org_id));
                let wider = format!("(instance_id IS NULL AND (org_id IS NULL OR org_id = {org}))");
                statement.and(&format!("({within} OR {wider})"));
            } else {
                statement.and(&within);
            }
        }
    }
}

fn equal(db: &Db, statement: &mut Statement, table: &Table, name: &str, values: &[String]) -> Result<(), StoreError> {
    let (column, form) = match table.thing.field(name) {
        Some(field) => (column(field.name), form(field.kind)),
        None if name == table.thing.id => (paren(table.key), Form::Text),
        None => return Err(StoreError::Invalid { what: format!("there is no field \"{name}\"") }),
    };
    let mut any = Vec::with_capacity(values.len());
    for value in values {
        if value.is_empty() {
            any.push(format!("{column} IS NULL"));
            continue;
        }
        let bad = || StoreError::Invalid { what: format!("\"{value}\" is not a value of {name}") };
        let cell = match form {
            Form::Text => Cell::text(value),
            Form::Whole => Cell::whole(value.parse().map_err(|_| bad())?),
            Form::Number => Cell::Number(Some(value.parse().map_err(|_| bad())?)),
            Form::Flag => Cell::Flag(Some(value.parse().map_err(|_| bad())?)),
            Form::Json => {
                let word = statement.bind(Cell::text(value));
                any.push(format!("({column} ->> {word}) {}", sql::IS_TRUE.of(db)));
                continue;
            }
        };
        let value = statement.bind(cell);
        any.push(format!("{column} = {value}"));
    }
    if !any.is_empty() {
        statement.and(&format!("({})", any.join(" OR ")));
    }
    Ok(())
}

/// What a list is put in order by; never null, so that pages can go on from any row.
fn order(table: &Table, sort: &str) -> Result<(String, Form), StoreError> {
    Ok(match sort {
        "" if table.order.is_empty() => (table.created.to_owned(), Form::Whole),
        "" => (format!("({})", table.order), Form::Text),
        "created_at" => (table.created.to_owned(), Form::Whole),
        "updated_at" => ("updated_us".to_owned(), Form::Whole),
        id if id == table.thing.id => (paren(table.key), Form::Text),
        name => {
            let field = table.thing.field(name).filter(|field| form(field.kind) != Form::Json);
            let field = field.ok_or_else(|| StoreError::Invalid { what: format!("cannot sort by \"{name}\"") })?;
            let column = column(field.name);
            match form(field.kind) {
                Form::Text | Form::Json => (format!("COALESCE({column}, '')"), Form::Text),
                Form::Whole => (format!("COALESCE({column}, -1)"), Form::Whole),
                Form::Number => (format!("COALESCE({column}, 0)"), Form::Number),
                Form::Flag => (format!("(CASE WHEN {column} THEN 1 ELSE 0 END)"), Form::Whole),
            }
        }
    })
}

/// The value that `order` has in a row, for the page after it.
pub fn place(table: &Table, sort: &str, record: &Record) -> Value {
    let field = |name: &str| record.fields.get(name).cloned().unwrap_or_default();
    match sort {
        "" if table.order.is_empty() => record.created_us.into(),
        "" => format!(
            "{}\t{}",
            record.text("provider_id").unwrap_or_default(),
            record.text("display_name").unwrap_or_default()
        )
        .into(),
        "created_at" => record.created_us.into(),
        "updated_at" => record.updated_us.into(),
        id if id == table.thing.id => record.id.clone().into(),
        name => match table.thing.field(name).map(|field| form(field.kind)) {
            Some(Form::Whole) => Value::from(field(name).as_i64().unwrap_or(-1)),
            Some(Form::Number) => Value::from(field(name).as_f64().unwrap_or(0.0)),
            Some(Form::Flag) => Value::from(i64::from(field(name).as_bool().unwrap_or(false))),
            _ => Value::from(field(name).as_str().unwrap_or_default()),
        },
    }
}

fn paren(key: &str) -> String {
    if key.contains(' ') { format!("({key})") } else { key.to_owned() }
}

/// A pattern that finds this text anywhere.
fn like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
