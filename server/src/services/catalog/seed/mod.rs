//! The first start of a database: an organization with two instances, the providers and models of the day, and the rules
//! that route work between them. Later starts add what newer versions ship, and change nothing that people did.
//!
//! To ship a model: add it to `models.json` and raise `version` there.

mod catalogue;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::store::{
    Db, StoreError,
    instances::InstanceRow,
    limits::LimitRow,
    organizations::OrganizationRow,
    projects::ProjectRow,
    prompts::PromptRow,
    rules::{ClassificationRow, RoutingRuleRow},
    seed::SeedRows,
};

/// Id of the first organization.
pub const ORGANIZATION: &str = "org_default";
/// Id of the first instance, which keeps no contents.
pub const PRODUCTION: &str = "production";
/// Id of the second instance, which keeps what was said for seven days.
pub const DEVELOPMENT: &str = "development";

/// What a first start made: whoever creates the first user and key needs the ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstStart {
    pub org_id: &'static str,
    /// (instance, its project): production, then development.
    pub instances: [(&'static str, &'static str); 2],
}

/// Fills a new database in one transaction; `None` when it already had an organization. Of servers that start together,
/// one fills it.
pub async fn first_start(db: &Db, now_us: i64) -> Result<Option<FirstStart>, StoreError> {
    let instances = [(PRODUCTION, "prj_production"), (DEVELOPMENT, "prj_development")];
    let rows = seed_rows(&instances, now_us).map_err(|e| StoreError::Other(format!("seed data: {e}")))?;
    let seeded = db.seed(&rows, now_us).await?;
    Ok(seeded.then_some(FirstStart { org_id: ORGANIZATION, instances }))
}

/// Adds the providers, models and aliases that this version ships and the database has never been offered; how many.
/// What a person deleted stays away, and a name that a person took stays theirs.
pub async fn extend_catalogue(db: &Db, now_us: i64) -> Result<usize, StoreError> {
    let offered = db.setting(catalogue::SETTING).await?.map(|s| s.value).unwrap_or_default();
    let rows = catalogue::rows(now_us).map_err(|e| StoreError::Other(format!("seed data: {e}")))?;
    let rows = catalogue::beyond(rows, &offered);
    let new = rows.providers.len() + rows.models.len() + rows.aliases.len();
    if new > 0 {
        db.extend_catalogue(&rows, now_us).await?;
    }
    Ok(new)
}

fn seed_rows(instances: &[(&str, &str)], now_us: i64) -> Result<SeedRows, serde_json::Error> {
    let rules: Rules = serde_json::from_str(include_str!("rules.json"))?;
    Ok(SeedRows {
        organization: OrganizationRow {
            org_id: ORGANIZATION.into(),
            name: "My organization".into(),
            billing_email: None,
            created_us: now_us,
            updated_us: now_us,
            deleted_us: None,
        },
        instances: instances.iter().map(|(id, _)| instance(id, now_us)).collect(),
        projects: instances.iter().map(|(instance, project)| default_project(project, instance, now_us)).collect(),
        catalogue: catalogue::rows(now_us)?,
        limits: rules.rate_limits.into_iter().map(|r| r.row(now_us)).collect(),
        classifications: rules.classifications.into_iter().map(|c| c.row(now_us)).collect(),
        routing_rules: rules.routing_rules.into_iter().map(|r| r.row(now_us)).collect(),
        prompts: rules.prompts.into_iter().map(|p| p.row(now_us)).collect(),
    })
}

fn instance(id: &str, now_us: i64) -> InstanceRow {
    let production = id == PRODUCTION;
    let rate_limits = if production {
        json!({"ideogram": {"rpm": 100, "tpm": 50_000}, "openai": {"rpm": 500, "tpm": 150_000}})
    } else {
        json!({"ideogram": {"rpm": 50, "tpm": 25_000}, "openai": {"rpm": 200, "tpm": 75_000}})
    };
    InstanceRow {
        instance_id: id.into(),
        org_id: ORGANIZATION.into(),
        name: if production { "Production" } else { "Development" }.into(),
        api_keys: json!([]),
        rate_limits: json!({}),
        worker_urls: json!({}),
        r2_bucket: format!("instance-{id}"),
        config: json!({"rate_limits": rate_limits, "authorized_users": []}),
        store_contents: !production,
        content_retention_days: 7,
        created_us: now_us,
        updated_us: now_us,
        deleted_us: None,
    }
}

fn default_project(id: &str, instance_id: &str, now_us: i64) -> ProjectRow {
    ProjectRow {
        project_id: id.into(),
        instance_id: instance_id.into(),
        name: "Default".into(),
        description: None,
        config: json!({}),
        created_us: now_us,
        updated_us: now_us,
        deleted_us: None,
    }
}

/// `rules.json`.
#[derive(Deserialize)]
struct Rules {
    rate_limits: Vec<RateLimit>,
    classifications: Vec<Classification>,
    routing_rules: Vec<RoutingRule>,
    prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimit {
    id: String,
    provider: String,
    model: Option<String>,
    requests_per_minute: i64,
    tokens_per_minute: Option<i64>,
    concurrent_requests: i64,
}

impl RateLimit {
    fn row(self, now_us: i64) -> LimitRow {
        LimitRow {
            id: self.id,
            provider: Some(self.provider),
            model: self.model,
            requests_per_minute: Some(self.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute,
            concurrent_requests: Some(self.concurrent_requests),
            cooldown_seconds: 0,
            warn_percent: 80,
            is_active: true,
            created_us: now_us,
            updated_us: now_us,
            ..LimitRow::default()
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classification {
    id: String,
    task_type: String,
    pattern_type: String,
    pattern: String,
    priority: i64,
}

impl Classification {
    fn row(self, now_us: i64) -> ClassificationRow {
        ClassificationRow {
            id: self.id,
            pattern: self.pattern,
            pattern_type: self.pattern_type,
            task_type: self.task_type,
            confidence_boost: 0.0,
            priority: self.priority,
            is_active: true,
            created_us: now_us,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutingRule {
    id: String,
    task_type: String,
    subtask: Option<String>,
    provider: String,
    model: String,
    weight: i64,
    cost_tier: String,
    quality_tier: String,
    is_default: bool,
}

impl RoutingRule {
    fn row(self, now_us: i64) -> RoutingRuleRow {
        RoutingRuleRow {
            id: self.id,
            task_type: self.task_type,
            subtask: self.subtask,
            provider: self.provider,
            model: self.model,
            weight: self.weight,
            cost_tier: Some(self.cost_tier),
            quality_tier: Some(self.quality_tier),
            is_default: self.is_default,
            is_active: true,
            created_us: now_us,
            updated_us: now_us,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompt {
    id: String,
    task_type: String,
    name: String,
    description: String,
    template: String,
    variables: Value,
    is_default: bool,
}

impl Prompt {
    fn row(self, now_us: i64) -> PromptRow {
        PromptRow {
            id: self.id,
            task_type: self.task_type,
            name: self.name,
            description: Some(self.description),
            template: self.template,
            variables: self.variables,
            provider: None,
            model: None,
            is_default: self.is_default,
            is_active: true,
            created_us: now_us,
            updated_us: now_us,
        }
    }
}

#[cfg(test)]
mod tests;
