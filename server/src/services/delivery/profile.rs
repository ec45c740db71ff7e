//! What is expected of results, by task type and instance.

use std::sync::Arc;

use jsonschema::Validator;

use crate::store::{jobs::RequestRow, profiles::ProfileRow};

/// What becomes of a result that is not good enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnReject {
    /// The request fails.
    #[default]
    Fail,
    /// It is tried once more, as long as the request has retries left.
    Retry,
    /// A person decides.
    Review,
}

/// The expectations that hold for a request.
#[derive(Debug, Clone)]
pub struct Profile {
    /// From this score on a result without any issue is good.
    pub approve_from: f64,
    /// Below it a result is bad.
    pub reject_below: f64,
    /// What JSON results have to look like.
    pub schema: Option<Arc<Validator>>,
    pub on_reject: OnReject,
    /// Off: a person looks at everything that is not bad.
    pub auto_approve: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self { approve_from: 0.8, reject_below: 0.3, schema: None, on_reject: OnReject::Fail, auto_approve: true }
    }
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        let schema = row.json_schema.and_then(|schema| match schema_of(&schema) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(error) => {
                tracing::error!(error, profile = row.id, "the schema of a quality profile is left out");
                None
            }
        });
        Self {
            approve_from: row.approve_from,
            reject_below: row.reject_below,
            schema,
            on_reject: match row.on_reject.as_str() {
                "retry" => OnReject::Retry,
                "review" => OnReject::Review,
                _ => OnReject::Fail,
            },
            auto_approve: row.auto_approve,
        }
    }
}

/// A JSON Schema that results can be held against.
pub fn schema_of(schema: &serde_json::Value) -> Result<Validator, String> {
    jsonschema::validator_for(schema).map_err(|error| error.to_string())
}

/// Every profile that is in force.
#[derive(Debug, Default)]
pub struct Profiles(Vec<Scoped>);

#[derive(Debug)]
struct Scoped {
    org_id: Option<String>,
    instance_id: Option<String>,
    task_type: Option<String>,
    profile: Profile,
}

impl Profiles {
    pub fn new(rows: Vec<ProfileRow>) -> Self {
        let mut rows: Vec<ProfileRow> = rows.into_iter().filter(|row| row.is_active).collect();
        // Of two for the same, the newer one holds.
        rows.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        let scoped = rows.into_iter().map(|mut row| Scoped {
            org_id: row.org_id.take(),
            instance_id: row.instance_id.take(),
            task_type: row.task_type.take(),
            profile: row.into(),
        });
        Self(scoped.collect())
    }

    /// The most specific profile for a request: its instance counts more than its organization, and that more than its type.
    pub fn of(&self, request: &RequestRow) -> Profile {
        let fits = |own: &Option<String>, value: &str| own.as_deref().is_none_or(|own| own == value);
        let fitting = self.0.iter().filter(|own| {
            fits(&own.org_id, &request.org_id)
                && fits(&own.instance_id, &request.instance_id)
                && fits(&own.task_type, &request.task_type)
        });
        let weight = |own: &&Scoped| (own.instance_id.is_some(), own.org_id.is_some(), own.task_type.is_some());
        fitting.max_by_key(weight).map(|own| own.profile.clone()).unwrap_or_default()
    }
}
