//! Providers and the sealed credentials that instances hold for them.

use serde_json::Value;

use super::{Db, Hidden, StoreError, found};

/// A row of `providers`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ProviderRow {
    pub id: String,
    pub display_name: String,
    /// Wire format (`openai`, `anthropic`, …); `None` is an external provider, whose work is delivered from outside.
    pub adapter: Option<String>,
    /// Without a trailing slash.
    pub base_url: String,
    /// `{"header", "prefix"}` or `{"query"}`, and `"env"`: names of environment variables. `{}` needs no credential.
    pub credential: Value,
    /// Optional `aliases` (other names), `default_model` (for work that names only the provider), `headers` (sent with each
    /// call), `mapping_base_url` (what relative endpoints of a payload mapping are joined to, when it is not `base_url`),
    /// `timeout_ms`.
    pub config: Value,
    pub is_active: bool,
    /// Place in lists.
    pub sort: i64,
    pub created_us: i64,
    pub updated_us: i64,
}

/// A row of `provider_credentials`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct CredentialRow {
    pub instance_id: String,
    pub provider_id: String,
    /// `base64(nonce):base64(ciphertext)`.
    pub sealed: Hidden,
    pub masked: String,
    pub updated_us: i64,
}

macro_rules! columns {
    () => {
        "id, display_name, adapter, base_url, credential, config, is_active, sort, created_us, updated_us"
    };
}

/// Inserts a row inside a transaction; one whose id is taken is left as it is.
macro_rules! insert {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::providers::INSERT_NEW), $row;
              id, display_name, adapter, base_url, credential, config, is_active, sort, created_us, updated_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert;

macro_rules! credential_columns {
    () => {
        "instance_id, provider_id, sealed, masked, updated_us"
    };
}

const INSERT: &str =
    concat!("INSERT INTO providers (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
pub(super) const INSERT_NEW: &str = concat!(
    "INSERT INTO providers (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
);
pub(super) const ALL: &str = concat!("SELECT ", columns!(), " FROM providers WHERE deleted_us IS NULL");
const GET: &str = concat!("SELECT ", columns!(), " FROM providers WHERE id = $1 AND deleted_us IS NULL");
const UPDATE: &str =
    "UPDATE providers SET display_name = $2, adapter = $3, base_url = $4, credential = $5, config = $6,
                        is_active = $7, sort = $8, updated_us = $9 WHERE id = $1";
const DELETE: &str = "DELETE FROM providers WHERE id = $1";

pub(super) const ALL_CREDENTIALS: &str = concat!(
    "SELECT ",
    credential_columns!(),
    " FROM provider_credentials WHERE instance_id IN (SELECT instance_id FROM instances WHERE deleted_us IS NULL)"
);
const CREDENTIALS_OF: &str =
    concat!("SELECT ", credential_columns!(), " FROM provider_credentials WHERE instance_id = $1");
impl Db {
    /// Adds a provider. A taken id is `Conflict { what: "providers" }`.
    pub async fn insert_provider(&self, row: &ProviderRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            bind!(sqlx::query(INSERT), row;
                  id, display_name, adapter, base_url, credential, config, is_active, sort, created_us, updated_us)
            .execute(&mut *t)
            .await?;
        });
        Ok(())
    }

    /// A provider by id; aliases are the services' matter.
    pub async fn provider(&self, id: &str) -> Result<Option<ProviderRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(id).fetch_optional(c).await)?)
    }

    /// Every provider, by `sort`, then id.
    pub async fn list_providers(&self) -> Result<Vec<ProviderRow>, StoreError> {
        let mut rows: Vec<ProviderRow> = db!(self, |c| sqlx::query_as(ALL).fetch_all(c).await)?;
        sort_providers(&mut rows);
        Ok(rows)
    }

    /// Writes every column but id and creation.
    pub async fn update_provider(&self, row: &ProviderRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE), row;
                id, display_name, adapter, base_url, credential, config, is_active, sort, updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Removes a provider and every credential for it, for good.
    pub async fn delete_provider(&self, id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(id).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// An instance's credentials, by provider.
    pub async fn credentials_of_instance(&self, instance_id: &str) -> Result<Vec<CredentialRow>, StoreError> {
        let mut rows: Vec<CredentialRow> =
            db!(self, |c| sqlx::query_as(CREDENTIALS_OF).bind(instance_id).fetch_all(c).await)?;
        rows.sort_unstable_by(|a, b| a.provider_id.cmp(&b.provider_id));
        Ok(rows)
    }
}

pub(super) fn sort_providers(rows: &mut [ProviderRow]) {
    rows.sort_unstable_by(|a, b| a.sort.cmp(&b.sort).then_with(|| a.id.cmp(&b.id)));
}
