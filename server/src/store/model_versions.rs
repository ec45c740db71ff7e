//! The states that models were in. They are written with the changes that lead to them.

use serde_json::Value;

use super::{Db, StoreError};

/// Most versions of a list.
const MOST: i64 = 200;
const LIST: &str = "SELECT version, actor_name, created_us FROM model_versions
    WHERE config_id = $1 ORDER BY version DESC LIMIT $2";
const GET: &str = "SELECT actor_name, created_us, body FROM model_versions WHERE config_id = $1 AND version = $2";

impl Db {
    /// Version, who made it, and when; newest first.
    pub async fn model_versions(&self, config_id: &str) -> Result<Vec<(i64, String, i64)>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(LIST).bind(config_id).bind(MOST).fetch_all(c).await)?)
    }

    /// Who made a version, when, and the model as it was.
    pub async fn model_version(
        &self,
        config_id: &str,
        version: i64,
    ) -> Result<Option<(String, i64, Value)>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(config_id).bind(version).fetch_optional(c).await)?)
    }
}
