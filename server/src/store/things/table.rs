//! Where things are stored. A field's column has the name of the field, but times end in `_us` in place of `_at`.

use app::types::config::{
    ACCESS, API_KEY, CLASSIFICATION, FieldKind, INSTANCE, LIMIT, MODEL, ORGANIZATION, PROJECT, PROMPT, PROVIDER,
    QUALITY_PROFILE, ROUTING_RULE, SETTING, Thing, USER,
};

/// A thing's table. All parts are SQL.
#[derive(Debug)]
pub struct Table {
    pub thing: &'static Thing,
    pub name: &'static str,
    /// The id: a column or an expression.
    pub key: &'static str,
    /// A unique column by which it is found too.
    pub other_key: Option<&'static str>,
    /// The column of the time it was made.
    pub created: &'static str,
    /// Whether a deletion can be undone (there is a `deleted_us`).
    pub undo: bool,
    /// The order of lists where none is asked for; empty is newest first.
    pub order: &'static str,
    /// What is no thing that anybody configures.
    pub hidden: &'static str,
    /// What goes and comes back with it.
    pub below: &'static [Below],
    /// What ends with it for good; `$1` is its id.
    pub ends: &'static [&'static str],
}

/// The rows of another thing that go with one; `$1` is its id.
#[derive(Debug)]
pub struct Below {
    pub kind: &'static str,
    pub which: &'static str,
}

const fn below(thing: &Thing, which: &'static str) -> Below {
    Below { kind: thing.kind, which }
}

const fn plain(thing: &'static Thing, name: &'static str) -> Table {
    Table {
        thing,
        name,
        key: thing.id,
        other_key: None,
        created: "created_us",
        undo: true,
        order: "",
        hidden: "",
        below: &[],
        ends: &[],
    }
}

/// Instances of the organization `$1`.
macro_rules! of_organization {
    ($before:literal) => {
        concat!($before, "instance_id IN (SELECT instance_id FROM instances WHERE org_id = $1)")
    };
}

static TABLES: &[Table] = &[
    Table {
        below: &[
            below(&PROJECT, of_organization!("")),
            below(&INSTANCE, "org_id = $1"),
            below(&USER, "org_id = $1"),
            below(&ACCESS, of_organization!("user_id IN (SELECT user_id FROM users WHERE org_id = $1) OR ")),
            below(&API_KEY, "org_id = $1"),
            below(&MODEL, "org_id = $1"),
            below(&LIMIT, of_organization!("org_id = $1 OR ")),
            below(&QUALITY_PROFILE, of_organization!("org_id = $1 OR ")),
        ],
        ends: &["DELETE FROM sessions WHERE user_id IN (SELECT user_id FROM users WHERE org_id = $1)"],
        ..plain(&ORGANIZATION, "organizations")
    },
    Table {
        below: &[
            below(&PROJECT, "instance_id = $1"),
            below(&ACCESS, "instance_id = $1"),
            below(&API_KEY, "instance_id = $1"),
            below(&LIMIT, "instance_id = $1"),
            below(&QUALITY_PROFILE, "instance_id = $1"),
        ],
        ..plain(&INSTANCE, "instances")
    },
    Table {
        below: &[below(&API_KEY, "project_id = $1"), below(&LIMIT, "project_id = $1")],
        ..plain(&PROJECT, "projects")
    },
    Table {
        below: &[below(&ACCESS, "user_id = $1"), below(&API_KEY, "user_id = $1")],
        ends: &["DELETE FROM sessions WHERE user_id = $1", "DELETE FROM sign_in_links WHERE user_id = $1"],
        ..plain(&USER, "users")
    },
    Table { key: "user_id || ':' || instance_id", created: "granted_us", ..plain(&ACCESS, "user_instance_access") },
    Table { below: &[below(&LIMIT, "key_id = $1")], ..plain(&API_KEY, "api_keys") },
    Table {
        below: &[
            below(&MODEL, "provider_id = $1"),
            below(&LIMIT, "provider = $1"),
            below(&ROUTING_RULE, "provider = $1"),
        ],
        ..plain(&PROVIDER, "providers")
    },
    Table {
        other_key: Some("model_id"),
        // A tab comes before every character of a name.
        order: "provider_id || '\t' || display_name",
        ..plain(&MODEL, "model_configs")
    },
    plain(&LIMIT, "limits"),
    plain(&PROMPT, "prompts"),
    plain(&CLASSIFICATION, "task_classifications"),
    plain(&ROUTING_RULE, "provider_routing_rules"),
    plain(&QUALITY_PROFILE, "quality_profiles"),
    Table { undo: false, hidden: "key <> 'config_version'", ..plain(&SETTING, "settings") },
];

/// The table of a thing of this kind.
pub fn table(kind: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.thing.kind == kind)
}

/// The column of a field.
pub(super) fn column(field: &str) -> String {
    match field.strip_suffix("_at") {
        Some(stem) => format!("{stem}_us"),
        None => field.to_owned(),
    }
}

/// How a column is read, bound and put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Whole,
    Number,
    Flag,
    Json,
}

pub(super) const fn form(kind: FieldKind) -> Form {
    match kind {
        FieldKind::Line
        | FieldKind::Text
        | FieldKind::Email
        | FieldKind::Url
        | FieldKind::Choice(_)
        | FieldKind::Ref(_) => Form::Text,
        FieldKind::Whole(_) | FieldKind::Money | FieldKind::Time => Form::Whole,
        FieldKind::Number => Form::Number,
        FieldKind::Flag => Form::Flag,
        FieldKind::Json | FieldKind::Words => Form::Json,
    }
}
