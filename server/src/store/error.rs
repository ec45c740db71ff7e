//! What can go wrong in the store, in words that mean the same for both databases.

use sqlx::error::ErrorKind;

/// A failure of the store. No variant carries a value that was stored or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No live row has this id.
    #[error("not found")]
    NotFound,
    /// Somebody else changed the row meanwhile.
    #[error("changed meanwhile")]
    Stale,
    /// A unique value is taken; `what` is `table.column` (`users.email`), or the table when its own id is taken.
    #[error("{what} is already taken")]
    Conflict { what: String },
    /// The row names a parent that does not exist; `what` is the table on Postgres, empty on SQLite (which does not say).
    #[error("a row that this one refers to does not exist ({what})")]
    ForeignKey { what: String },
    /// The database refuses the value itself: a broken check, or a NUL character on Postgres.
    #[error("invalid value: {what}")]
    Invalid { what: String },
    /// The database cannot be reached or is overloaded; the same call may succeed later.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Anything else: a defect or a damaged database.
    #[error("database error: {0}")]
    Other(String),
}

impl StoreError {
    /// The same call may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::RowNotFound => Self::NotFound,
            E::Database(e) => match e.kind() {
                ErrorKind::UniqueViolation => Self::Conflict { what: taken(e.message(), e.constraint(), e.table()) },
                ErrorKind::ForeignKeyViolation => Self::ForeignKey { what: e.table().unwrap_or_default().into() },
                ErrorKind::CheckViolation | ErrorKind::NotNullViolation => Self::Invalid { what: e.message().into() },
                _ => by_code(e.code().as_deref().unwrap_or_default(), e.message()),
            },
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                Self::Unavailable(error.to_string())
            }
            // Whoever answered was no database: a proxy that has none behind it hangs up at once.
            E::Protocol(_) => Self::Unavailable(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// SQLite numbers its errors (the low byte is the class: 5 busy, 6 locked, 13 full), Postgres has five characters.
fn by_code(code: &str, message: &str) -> StoreError {
    let sqlite_class = code.parse::<i64>().ok().filter(|_| code.len() != 5).map(|c| c & 0xff);
    match (sqlite_class, code) {
        (Some(5 | 6 | 10 | 13), _) => StoreError::Unavailable(message.into()),
        (None, "22021" | "22P05") => StoreError::Invalid { what: message.into() },
        // Connection failures, shutdown, exhausted resources, serialization failures and deadlocks.
        (None, "40001" | "40P01" | "57P01" | "57P02" | "57P03") => StoreError::Unavailable(message.into()),
        (None, c) if c.starts_with("08") || c.starts_with("53") => StoreError::Unavailable(message.into()),
        _ => StoreError::Other(message.into()),
    }
}

/// Postgres names the constraint; SQLite says "UNIQUE constraint failed: users.user_id" or "…: index 'users__email'".
/// Unique indexes are named `<table>__<column>`, so both come out alike.
fn taken(message: &str, constraint: Option<&str>, table: Option<&str>) -> String {
    let sqlite = message.rsplit("constraint failed: ").next().unwrap_or_default();
    let name = constraint.or_else(|| sqlite.strip_prefix("index '").and_then(|i| i.strip_suffix('\'')));
    match name {
        Some(name) if name.contains("__") => name.replacen("__", ".", 1),
        Some(_) => table.unwrap_or_default().into(),
        None => {
            let first = sqlite.split(',').next().unwrap_or_default();
            match first.split_once('.') {
                // A table's own id: named like on Postgres, by the table alone.
                Some((table, column)) if PRIMARY.contains(&(table, column)) => table.into(),
                _ => first.into(),
            }
        }
    }
}

/// Primary keys that SQLite reports by column.
const PRIMARY: &[(&str, &str)] = &[
    ("organizations", "org_id"),
    ("instances", "instance_id"),
    ("projects", "project_id"),
    ("users", "user_id"),
    ("user_instance_access", "user_id"),
    ("sessions", "session_hash"),
    ("sign_in_links", "link_hash"),
    ("api_keys", "key_id"),
    ("retired_secrets", "key_hash"),
    ("user_identities", "issuer"),
    ("used_sign_ins", "flow_hash"),
    ("providers", "id"),
    ("provider_credentials", "instance_id"),
    ("model_configs", "config_id"),
    ("model_aliases", "alias"),
    ("settings", "key"),
    ("limits", "id"),
    ("dev_credentials", "org_id"),
    ("prompts", "id"),
    ("task_classifications", "id"),
    ("provider_routing_rules", "id"),
];
