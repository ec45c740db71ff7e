//! Writes the first rows of a new database, and entries of newer catalogues later on. What the rows say is decided in
//! `services::catalog::seed`.

use serde_json::Value;

use super::{
    Db, StoreError,
    instances::{self, InstanceRow},
    limits::{self, LimitRow},
    models::{self, AliasRow, ModelRow},
    organizations::{self, OrganizationRow},
    projects::{self, ProjectRow},
    prompts::{self, PromptRow},
    providers::{self, ProviderRow},
    rules::{self, ClassificationRow, RoutingRuleRow},
    settings,
};

/// Providers, models and aliases to add where they are absent, and the setting that remembers them.
#[derive(Debug, Clone)]
pub struct CatalogueRows {
    pub providers: Vec<ProviderRow>,
    pub models: Vec<ModelRow>,
    pub aliases: Vec<AliasRow>,
    /// Key and value of the setting.
    pub setting: (String, Value),
}

/// The first rows of a new database.
#[derive(Debug, Clone)]
pub struct SeedRows {
    pub organization: OrganizationRow,
    pub instances: Vec<InstanceRow>,
    pub projects: Vec<ProjectRow>,
    pub catalogue: CatalogueRows,
    pub limits: Vec<LimitRow>,
    pub classifications: Vec<ClassificationRow>,
    pub routing_rules: Vec<RoutingRuleRow>,
    pub prompts: Vec<PromptRow>,
}

/// Counts deleted organizations too: a database that once had one is not new.
const ORGANIZATIONS: &str = "SELECT COUNT(*) FROM organizations";

macro_rules! add_catalogue {
    ($t:expr, $rows:expr, $now_us:expr) => {{
        let rows: &CatalogueRows = $rows;
        for row in &rows.providers {
            providers::insert!($t, row);
        }
        for row in &rows.models {
            models::bind_all!(models::INSERT_NEW, row).execute(&mut *$t).await?;
        }
        for row in &rows.aliases {
            bind!(sqlx::query(models::INSERT_ALIAS_NEW), row; alias, model_id, created_us).execute(&mut *$t).await?;
        }
        settings::put!($t, &rows.setting.0, &rows.setting.1, $now_us);
    }};
}

impl Db {
    /// Writes all rows in one transaction if the database has never had an organization; answers whether it did. Of
    /// servers that start together, one writes.
    pub async fn seed(&self, rows: &SeedRows, now_us: i64) -> Result<bool, StoreError> {
        // The usual case, without a write.
        if db!(self, |c| sqlx::query_scalar::<_, i64>(ORGANIZATIONS).fetch_one(c).await)? > 0 {
            return Ok(false);
        }
        Ok(tx!(self, |t| {
            // First, because its row lock lets one server through at a time.
            sqlx::query(super::sql::BUMP_CONFIG_VERSION.of(self)).bind(now_us).execute(&mut *t).await?;
            let organizations: i64 = sqlx::query_scalar(ORGANIZATIONS).fetch_one(&mut *t).await?;
            if organizations == 0 {
                organizations::insert!(t, rows.organization);
                for row in &rows.instances {
                    instances::insert!(t, row);
                }
                for row in &rows.projects {
                    projects::insert!(t, row);
                }
                add_catalogue!(t, &rows.catalogue, now_us);
                for row in &rows.limits {
                    limits::insert!(t, row);
                }
                for row in &rows.classifications {
                    rules::insert_classification!(t, row);
                }
                for row in &rows.routing_rules {
                    rules::insert_routing_rule!(t, row);
                }
                for row in &rows.prompts {
                    prompts::insert_prompt!(t, row);
                }
            }
            organizations == 0
        }))
    }

    /// Adds the entries whose ids are free, and remembers them, in one transaction.
    pub async fn extend_catalogue(&self, rows: &CatalogueRows, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            add_catalogue!(t, rows, now_us);
        });
        Ok(())
    }
}
