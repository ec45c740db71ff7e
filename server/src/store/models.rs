//! Model configurations and the other names models answer to.

use serde_json::Value;

use super::{Db, StoreError, found};

/// A row of `model_configs`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ModelRow {
    pub config_id: String,
    /// The name callers use; unique among live rows.
    pub model_id: String,
    /// Id or alias of a provider, or the name of an external one.
    pub provider_id: String,
    /// Wire format; `None` takes the provider's.
    pub adapter: Option<String>,
    /// The model's name at the provider.
    pub upstream_model: String,
    pub display_name: String,
    pub description: Option<String>,
    /// `{"text": true, …}`.
    pub capabilities: Value,
    /// See `services::catalog::pricing`.
    pub pricing: Value,
    /// `{"rpm", "tpm"}`, both optional.
    pub rate_limits: Value,
    /// `{}` when there is none.
    pub payload_mapping: Value,
    pub prompt_template: Option<Value>,
    /// `context`, `max_output`, `supports[]`, `lacks[]`, `deprecation_date`; all optional.
    pub parameters: Value,
    /// `active`, `beta` or `deprecated`.
    pub status: String,
    /// `None` is the catalogue, visible to everyone.
    pub org_id: Option<String>,
    pub created_us: i64,
    pub updated_us: i64,
    pub deleted_us: Option<i64>,
}

/// A row of `model_aliases`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AliasRow {
    pub alias: String,
    pub model_id: String,
    pub created_us: i64,
}

/// Which models to list; empty fields do not filter.
#[derive(Debug, Clone, Default)]
pub struct ModelFilter {
    pub provider_id: Option<String>,
    pub status: Option<String>,
    /// This organization's models and the catalogue.
    pub visible_to: Option<String>,
}

macro_rules! columns {
    () => {
        "config_id, model_id, provider_id, adapter, upstream_model, display_name, description, capabilities, pricing,
         rate_limits, payload_mapping, prompt_template, parameters, status, org_id, created_us, updated_us, deleted_us"
    };
}

macro_rules! values {
    () => {
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
    };
}

macro_rules! bind_all {
    ($sql:expr, $row:expr) => {
        bind!(sqlx::query($sql), $row;
              config_id, model_id, provider_id, adapter, upstream_model, display_name, description, capabilities,
              pricing, rate_limits, payload_mapping, prompt_template, parameters, status, org_id, created_us,
              updated_us, deleted_us)
    };
}
pub(super) use bind_all;

const INSERT: &str = concat!("INSERT INTO model_configs (", columns!(), values!());
pub(super) const INSERT_NEW: &str =
    concat!("INSERT INTO model_configs (", columns!(), values!(), " ON CONFLICT DO NOTHING");
pub(super) const INSERT_ALIAS_NEW: &str =
    "INSERT INTO model_aliases (alias, model_id, created_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
/// A configuration id is made from the names in it, so a model that is made again needs the id of the deleted one.
const MAKE_ROOM: &str = "DELETE FROM model_configs WHERE config_id = $1 AND deleted_us IS NOT NULL";
pub(super) const ALL_LIVE: &str = concat!("SELECT ", columns!(), " FROM model_configs WHERE deleted_us IS NULL");
/// A name may be one row's configuration id and another's model id: the configuration id wins.
const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM model_configs WHERE deleted_us IS NULL AND (config_id = $1 OR model_id = $1)
      ORDER BY CASE WHEN config_id = $1 THEN 0 ELSE 1 END LIMIT 1"
);
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM model_configs
      WHERE deleted_us IS NULL AND ($1 IS NULL OR provider_id = $1) AND ($2 IS NULL OR status = $2)
        AND ($3 IS NULL OR org_id IS NULL OR org_id = $3)"
);
const UPDATE: &str = "UPDATE model_configs SET model_id = $2, provider_id = $3, adapter = $4, upstream_model = $5,
                        display_name = $6, description = $7, capabilities = $8, pricing = $9, rate_limits = $10,
                        payload_mapping = $11, prompt_template = $12, parameters = $13, status = $14, updated_us = $15
                      WHERE config_id = $1 AND deleted_us IS NULL";
const DELETE: &str = "UPDATE model_configs SET deleted_us = $2 WHERE config_id = $1 AND deleted_us IS NULL";
const RESTORE: &str = "UPDATE model_configs SET deleted_us = NULL, updated_us = $2
                       WHERE config_id = $1 AND deleted_us IS NOT NULL";

pub(super) const ALL_ALIASES: &str = "SELECT alias, model_id, created_us FROM model_aliases";
const PUT_ALIAS: &str = "INSERT INTO model_aliases (alias, model_id, created_us) VALUES ($1, $2, $3)
                         ON CONFLICT (alias) DO UPDATE SET model_id = excluded.model_id";
const DELETE_ALIAS: &str = "DELETE FROM model_aliases WHERE alias = $1";

impl Db {
    /// Adds a model. A taken model id is `Conflict { what: "model_configs.model_id" }`; a deleted row with the same
    /// configuration id makes room for good.
    pub async fn insert_model(&self, row: &ModelRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            sqlx::query(MAKE_ROOM).bind(&row.config_id).execute(&mut *t).await?;
            bind_all!(INSERT, row).execute(&mut *t).await?;
        });
        Ok(())
    }

    /// A live model by configuration id or model id.
    pub async fn model(&self, id: &str) -> Result<Option<ModelRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(id).fetch_optional(c).await)?)
    }

    /// Live models by provider, then display name, in the order of their characters.
    pub async fn list_models(&self, filter: &ModelFilter) -> Result<Vec<ModelRow>, StoreError> {
        let mut rows: Vec<ModelRow> =
            db!(self, |c| bind!(sqlx::query_as(LIST), filter; provider_id, status, visible_to).fetch_all(c).await)?;
        // Not in SQL: Postgres would order by the collation it was set up with.
        sort_models(&mut rows);
        Ok(rows)
    }

    /// Writes every column but configuration id, organization and creation.
    pub async fn update_model(&self, row: &ModelRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE), row;
                config_id, model_id, provider_id, adapter, upstream_model, display_name, description, capabilities,
                pricing, rate_limits, payload_mapping, prompt_template, parameters, status, updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Takes a model away.
    pub async fn delete_model(&self, config_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(config_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Undoes a deletion. `Conflict` when the model id is taken meanwhile.
    pub async fn restore_model(&self, config_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(RESTORE).bind(config_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Makes a name mean a model, whatever it meant before.
    pub async fn put_alias(&self, row: &AliasRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            bind!(sqlx::query(PUT_ALIAS), row; alias, model_id, created_us).execute(&mut *t).await?;
        });
        Ok(())
    }

    /// Every alias, in the order of their characters.
    pub async fn list_aliases(&self) -> Result<Vec<AliasRow>, StoreError> {
        let mut rows: Vec<AliasRow> = db!(self, |c| sqlx::query_as(ALL_ALIASES).fetch_all(c).await)?;
        rows.sort_unstable_by(|a, b| a.alias.cmp(&b.alias));
        Ok(rows)
    }

    /// Removes an alias.
    pub async fn delete_alias(&self, alias: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE_ALIAS).bind(alias).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}

pub(super) fn sort_models(rows: &mut [ModelRow]) {
    rows.sort_unstable_by(|a, b| {
        (&a.provider_id, &a.display_name, &a.model_id).cmp(&(&b.provider_id, &b.display_name, &b.model_id))
    });
}
