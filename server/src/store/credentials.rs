//! Developer credentials of organizations, sealed.

use super::{Db, Hidden, StoreError};

/// A row of `dev_credentials`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct DevCredentialRow {
    pub credential_type: String,
    pub sealed: Hidden,
    pub updated_us: i64,
}

const OF_ORGANIZATION: &str =
    "SELECT credential_type, sealed, updated_us FROM dev_credentials WHERE org_id = $1 ORDER BY credential_type";

impl Db {
    /// What an organization has, by type.
    pub async fn dev_credentials(&self, org_id: &str) -> Result<Vec<DevCredentialRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OF_ORGANIZATION).bind(org_id).fetch_all(c).await)?)
    }
}
