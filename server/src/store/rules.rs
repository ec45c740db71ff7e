//! What classifies and routes work: two small tables that people edit.

use super::{Db, StoreError, found};

/// A row of `task_classifications`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ClassificationRow {
    pub id: String,
    pub pattern: String,
    /// `keyword` (word-bounded alternatives), `regex` or `ml_label`.
    pub pattern_type: String,
    pub task_type: String,
    pub confidence_boost: f64,
    pub priority: i64,
    pub is_active: bool,
    pub created_us: i64,
}

/// A row of `provider_routing_rules`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct RoutingRuleRow {
    pub id: String,
    pub task_type: String,
    pub subtask: Option<String>,
    pub provider: String,
    pub model: String,
    pub weight: i64,
    /// `low`, `medium` or `high`.
    pub cost_tier: Option<String>,
    /// `standard` or `premium`.
    pub quality_tier: Option<String>,
    pub is_default: bool,
    pub is_active: bool,
    pub created_us: i64,
    pub updated_us: i64,
}

macro_rules! classification_columns {
    () => {
        "id, pattern, pattern_type, task_type, confidence_boost, priority, is_active, created_us"
    };
}

/// Inserts a row inside a transaction.
macro_rules! insert_classification {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::rules::INSERT_CLASSIFICATION), $row;
              id, pattern, pattern_type, task_type, confidence_boost, priority, is_active, created_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert_classification;

pub(super) const ALL_CLASSIFICATIONS: &str =
    concat!("SELECT ", classification_columns!(), " FROM task_classifications WHERE deleted_us IS NULL");
pub(super) const INSERT_CLASSIFICATION: &str = concat!(
    "INSERT INTO task_classifications (",
    classification_columns!(),
    ", updated_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)"
);
const UPDATE_CLASSIFICATION: &str =
    "UPDATE task_classifications SET pattern = $2, pattern_type = $3, task_type = $4, confidence_boost =
     $5, priority = $6, is_active = $7 WHERE id = $1";
const DELETE_CLASSIFICATION: &str = "DELETE FROM task_classifications WHERE id = $1";

macro_rules! routing_rule_columns {
    () => {
        "id, task_type, subtask, provider, model, weight, cost_tier, quality_tier, is_default, is_active,
         created_us, updated_us"
    };
}

/// Inserts a row inside a transaction.
macro_rules! insert_routing_rule {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::rules::INSERT_ROUTING_RULE), $row;
              id, task_type, subtask, provider, model, weight, cost_tier, quality_tier, is_default, is_active,
              created_us, updated_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert_routing_rule;

pub(super) const ALL_ROUTING_RULES: &str =
    concat!("SELECT ", routing_rule_columns!(), " FROM provider_routing_rules WHERE deleted_us IS NULL");
pub(super) const INSERT_ROUTING_RULE: &str = concat!(
    "INSERT INTO provider_routing_rules (",
    routing_rule_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
const UPDATE_ROUTING_RULE: &str =
    "UPDATE provider_routing_rules SET task_type = $2, subtask = $3, provider = $4, model = $5, weight =
     $6, cost_tier = $7, quality_tier = $8, is_default = $9, is_active = $10, updated_us = $11 WHERE id =
     $1";
const DELETE_ROUTING_RULE: &str = "DELETE FROM provider_routing_rules WHERE id = $1";

impl Db {
    /// Every classification, oldest first.
    pub async fn list_classifications(&self) -> Result<Vec<ClassificationRow>, StoreError> {
        let mut rows: Vec<ClassificationRow> = db!(self, |c| sqlx::query_as(ALL_CLASSIFICATIONS).fetch_all(c).await)?;
        rows.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        Ok(rows)
    }

    /// Adds a classification.
    pub async fn insert_classification(&self, row: &ClassificationRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            insert_classification!(t, row);
        });
        Ok(())
    }

    /// Writes every column of a classification but id and creation.
    pub async fn update_classification(&self, row: &ClassificationRow, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            let update = bind!(sqlx::query(UPDATE_CLASSIFICATION), row;
                id, pattern, pattern_type, task_type, confidence_boost, priority, is_active);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Removes a classification for good.
    pub async fn delete_classification(&self, id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE_CLASSIFICATION).bind(id).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}

impl Db {
    /// Every routing rule, oldest first.
    pub async fn list_routing_rules(&self) -> Result<Vec<RoutingRuleRow>, StoreError> {
        let mut rows: Vec<RoutingRuleRow> = db!(self, |c| sqlx::query_as(ALL_ROUTING_RULES).fetch_all(c).await)?;
        rows.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        Ok(rows)
    }

    /// Adds a routing rule.
    pub async fn insert_routing_rule(&self, row: &RoutingRuleRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            insert_routing_rule!(t, row);
        });
        Ok(())
    }

    /// Writes every column of a routing rule but id and creation.
    pub async fn update_routing_rule(&self, row: &RoutingRuleRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE_ROUTING_RULE), row;
                id, task_type, subtask, provider, model, weight, cost_tier, quality_tier, is_default, is_active,
                updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Removes a routing rule for good.
    pub async fn delete_routing_rule(&self, id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE_ROUTING_RULE).bind(id).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}
