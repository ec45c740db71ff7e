//! One consistent read of everything that a server keeps in memory, and the news that it changed.

use sqlx::postgres::PgListener;

use super::{
    Db, StoreError,
    access::{self, AccessRow},
    api_keys::{self, ApiKeyRow, RetiredSecretRow},
    instances::{self, InstanceRow},
    limits::{self, LimitRow},
    models::{self, AliasRow, ModelRow},
    organizations::{self, OrganizationRow},
    profiles::{self, ProfileRow},
    projects::{self, ProjectRow},
    prompts::{self, PromptRow},
    providers::{self, CredentialRow, ProviderRow},
    rules::{self, ClassificationRow, RoutingRuleRow},
    settings::{self, SettingRow},
    users::{self, UserRow},
};

/// The live configuration as of `version`. Deleted rows and revoked keys are not in it; inactive ones are.
#[derive(Debug, Clone)]
pub struct Configuration {
    pub version: i64,
    pub organizations: Vec<OrganizationRow>,
    pub instances: Vec<InstanceRow>,
    pub projects: Vec<ProjectRow>,
    pub users: Vec<UserRow>,
    pub access: Vec<AccessRow>,
    /// Keys of live owners; they may be past their expiry.
    pub api_keys: Vec<ApiKeyRow>,
    pub retired_secrets: Vec<RetiredSecretRow>,
    /// By `sort`, then id.
    pub providers: Vec<ProviderRow>,
    pub credentials: Vec<CredentialRow>,
    /// By provider, then display name.
    pub models: Vec<ModelRow>,
    pub aliases: Vec<AliasRow>,
    pub limits: Vec<LimitRow>,
    pub classifications: Vec<ClassificationRow>,
    pub routing_rules: Vec<RoutingRuleRow>,
    pub prompts: Vec<PromptRow>,
    pub profiles: Vec<ProfileRow>,
    pub settings: Vec<SettingRow>,
}

/// Tells that another server may have changed the configuration. Hints can be lost: ask for the version now and then too.
#[derive(Debug)]
pub struct ConfigHints(PgListener);

impl ConfigHints {
    /// Waits for the next hint; reconnects by itself.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.recv().await?;
        Ok(())
    }
}

impl Db {
    /// Listens for changes by other servers, on a connection of its own; `None` on SQLite, where the version is asked for.
    pub async fn config_hints(&self) -> Result<Option<ConfigHints>, StoreError> {
        let Db::Postgres(pool) = self else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(super::sql::CONFIG_CHANNEL).await?;
        Ok(Some(ConfigHints(listener)))
    }

    /// Reads the whole configuration in one state of the database.
    pub async fn load_configuration(&self) -> Result<Configuration, StoreError> {
        let mut configuration = snapshot!(self, |t| {
            Configuration {
                version: sqlx::query_scalar(settings::VERSION).fetch_one(&mut *t).await?,
                organizations: sqlx::query_as(organizations::ALL_LIVE).fetch_all(&mut *t).await?,
                instances: sqlx::query_as(instances::ALL_LIVE).fetch_all(&mut *t).await?,
                projects: sqlx::query_as(projects::ALL_LIVE).fetch_all(&mut *t).await?,
                users: sqlx::query_as(users::ALL_LIVE).fetch_all(&mut *t).await?,
                access: sqlx::query_as(access::ALL_LIVE).fetch_all(&mut *t).await?,
                api_keys: sqlx::query_as(api_keys::ALL_LIVE).fetch_all(&mut *t).await?,
                retired_secrets: sqlx::query_as(api_keys::ALL_RETIRED).fetch_all(&mut *t).await?,
                providers: sqlx::query_as(providers::ALL).fetch_all(&mut *t).await?,
                credentials: sqlx::query_as(providers::ALL_CREDENTIALS).fetch_all(&mut *t).await?,
                models: sqlx::query_as(models::ALL_LIVE).fetch_all(&mut *t).await?,
                aliases: sqlx::query_as(models::ALL_ALIASES).fetch_all(&mut *t).await?,
                limits: sqlx::query_as(limits::ALL_LIVE).fetch_all(&mut *t).await?,
                classifications: sqlx::query_as(rules::ALL_CLASSIFICATIONS).fetch_all(&mut *t).await?,
                routing_rules: sqlx::query_as(rules::ALL_ROUTING_RULES).fetch_all(&mut *t).await?,
                prompts: sqlx::query_as(prompts::ALL_PROMPTS).fetch_all(&mut *t).await?,
                profiles: sqlx::query_as(profiles::ALL_LIVE).fetch_all(&mut *t).await?,
                settings: sqlx::query_as(settings::ALL).fetch_all(&mut *t).await?,
            }
        });
        providers::sort_providers(&mut configuration.providers);
        models::sort_models(&mut configuration.models);
        Ok(configuration)
    }
}
