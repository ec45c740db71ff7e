//! What can be configured, described once: the configuration service checks requests by these descriptions, the store
//! finds its columns by them, the API reference and the consoles' tables and forms are drawn from them.
//!
//! To add a thing: a description in `things.rs`, its table in `store::things`, and its own rules, if it has any, in
//! `services::config`.

mod credential;
mod model;
mod routing;
mod things;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use credential::{CredentialSource, CredentialState, CredentialTest};
pub use model::{MappingDraft, MappingPreview, ModelVersion, PreviewedRequest};
pub use routing::{RoutingChoice, RoutingDraft, RoutingPreview, RoutingReason};
pub use things::*;

/// A kind of thing that people configure.
#[derive(Debug, PartialEq, Eq)]
pub struct Thing {
    /// The segment of its path below `/config`: `model-config`.
    pub kind: &'static str,
    /// Name of its id in JSON.
    pub id: &'static str,
    /// The field that people know it by.
    pub title: &'static str,
    /// "instance", "instances": for sentences and headings.
    pub one: &'static str,
    pub many: &'static str,
    /// Whether who makes one chooses its id; else the server does.
    pub named: bool,
    /// Whose it is: who may see and change it.
    pub owner: Owner,
    /// In the order of the API's answers, after the id and before `created_at` and `updated_at`, which all have.
    pub fields: &'static [Field],
}

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Everyone reads it, superadmins change it.
    Platform,
    /// The organization in its `org_id`; without one it is the platform's.
    Organization,
    /// The instance in its `instance_id`; else the organization in its `org_id`, else the platform.
    Instance,
}

/// A field of a thing.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    /// One sentence for people who meet it for the first time.
    pub help: &'static str,
    pub kind: FieldKind,
    pub role: FieldRole,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A line of text.
    Line,
    /// Text of several lines.
    Text,
    Email,
    Url,
    Choice(&'static [&'static str]),
    /// A whole number of at least so much.
    Whole(i64),
    Number,
    Flag,
    /// Millionths of a US dollar.
    Money,
    /// RFC 3339 in JSON.
    Time,
    /// Any JSON.
    Json,
    /// A list of texts.
    Words,
    /// The id of another thing of this kind.
    Ref(&'static str),
}

/// When a field may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldRole {
    /// Has to be given when a thing is made; may be changed.
    Required,
    Optional,
    /// Has to be given when a thing is made, and stays.
    Fixed,
    /// May be given when a thing is made, and stays.
    FixedOptional,
    /// Told, never given.
    Shown,
}

impl Thing {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl FieldRole {
    pub fn is_required(self) -> bool {
        matches!(self, Self::Required | Self::Fixed)
    }

    pub fn is_changeable(self) -> bool {
        matches!(self, Self::Required | Self::Optional)
    }
}

/// The description of a kind.
pub fn thing(kind: &str) -> Option<&'static Thing> {
    THINGS.iter().copied().find(|thing| thing.kind == kind)
}

/// Which things to list. What is empty does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ThingFilter {
    /// (field, value) that must be equal; several values of one field are alternatives.
    pub equal: Vec<(String, String)>,
    /// Text to be found in the id or in any `Line`, `Text`, `Email` or `Url` field.
    pub search: String,
    /// A field to sort by; newest first when empty.
    pub sort: String,
    pub descending: bool,
    /// Only what was deleted and can be brought back.
    pub deleted: bool,
    /// `ThingPage::next` of the page before.
    pub after: Option<String>,
    pub limit: u32,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThingPage {
    pub rows: Vec<ThingRow>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// A thing as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThingRow {
    pub id: String,
    /// Changes whenever the thing does; guards concurrent edits.
    pub etag: String,
    /// Whether the person who asks may change it.
    pub editable: bool,
    pub body: Map<String, Value>,
}

/// A thing that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundThing {
    pub kind: String,
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// What goes when a thing is deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dependants {
    /// (what, how many, the first few by name).
    pub kinds: Vec<(String, u64, Vec<String>)>,
}
