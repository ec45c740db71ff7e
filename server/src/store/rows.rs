//! Many rows in one statement: they travel as one JSON array, `$1`, whose elements the statement sees as `x.value`. A batch of
//! any size is one round trip and one prepared text.

/// One column of a row that travels as JSON.
macro_rules! cell {
    (text $c:ident) => {
        concat!("x.value ->> '", stringify!($c), "'")
    };
    (int $c:ident) => {
        concat!("CAST(x.value ->> '", stringify!($c), "' AS BIGINT)")
    };
    (real $c:ident) => {
        concat!("CAST(x.value ->> '", stringify!($c), "' AS DOUBLE PRECISION)")
    };
    (bool $c:ident) => {
        concat!("CAST(x.value ->> '", stringify!($c), "' AS BOOLEAN)")
    };
    (json $c:ident) => {
        concat!("NULLIF(x.value -> '", stringify!($c), "', 'null')")
    };
}
pub(in crate::store) use cell;

/// A statement with the rows in its middle.
macro_rules! over_rows {
    ($before:expr, $after:expr) => {
        $crate::store::sql::Sql {
            sqlite: concat!($before, " json_each($1) AS x ", $after),
            postgres: concat!($before, " jsonb_array_elements($1) AS x(value) ", $after),
        }
    };
}
pub(in crate::store) use over_rows;

/// An INSERT of rows that have these columns: `text id, int created_us, json tags`.
macro_rules! insert_rows {
    ($table:literal; $kind:ident $column:ident $(, $kinds:ident $columns:ident)* $(,)?) => {
        $crate::store::rows::over_rows!(
            concat!(
                "INSERT INTO ", $table, " (", stringify!($column) $(, ", ", stringify!($columns))*, ") SELECT ",
                $crate::store::rows::cell!($kind $column) $(, ", ", $crate::store::rows::cell!($kinds $columns))*,
                " FROM"
            ),
            ""
        )
    };
}
pub(in crate::store) use insert_rows;

/// Runs a statement over rows inside a transaction, if there are any.
macro_rules! write_rows {
    ($db:expr, $t:expr, $sql:expr, $rows:expr) => {
        if !$rows.is_empty() {
            sqlx::query($sql.of($db)).bind(sqlx::types::Json(&$rows)).execute(&mut *$t).await?;
        }
    };
}
pub(in crate::store) use write_rows;

/// Text as it can be stored: Postgres takes no NUL.
pub fn without_nul(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
