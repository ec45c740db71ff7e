//! Prompts that work may start from.

use serde_json::Value;

use super::{Db, StoreError, found};

/// A row of `prompts`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct PromptRow {
    pub id: String,
    pub task_type: String,
    pub name: String,
    pub description: Option<String>,
    /// With `{user_query}` and `{context}`.
    pub template: String,
    /// JSON schema of the variables.
    pub variables: Value,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub is_default: bool,
    pub is_active: bool,
    pub created_us: i64,
    pub updated_us: i64,
}

macro_rules! prompt_columns {
    () => {
        "id, task_type, name, description, template, variables, provider, model, is_default, is_active,
         created_us, updated_us"
    };
}

/// Inserts a row inside a transaction.
macro_rules! insert_prompt {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::prompts::INSERT_PROMPT), $row;
              id, task_type, name, description, template, variables, provider, model, is_default, is_active,
              created_us, updated_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert_prompt;

pub(super) const ALL_PROMPTS: &str = concat!("SELECT ", prompt_columns!(), " FROM prompts WHERE deleted_us IS NULL");
pub(super) const INSERT_PROMPT: &str =
    concat!("INSERT INTO prompts (", prompt_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
const UPDATE_PROMPT: &str =
    "UPDATE prompts SET task_type = $2, name = $3, description = $4, template = $5, variables = $6,
     provider = $7, model = $8, is_default = $9, is_active = $10, updated_us = $11 WHERE id = $1";
const DELETE_PROMPT: &str = "DELETE FROM prompts WHERE id = $1";

impl Db {
    /// Every prompt, oldest first.
    pub async fn list_prompts(&self) -> Result<Vec<PromptRow>, StoreError> {
        let mut rows: Vec<PromptRow> = db!(self, |c| sqlx::query_as(ALL_PROMPTS).fetch_all(c).await)?;
        rows.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        Ok(rows)
    }

    /// Adds a prompt.
    pub async fn insert_prompt(&self, row: &PromptRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            insert_prompt!(t, row);
        });
        Ok(())
    }

    /// Writes every column of a prompt but id and creation.
    pub async fn update_prompt(&self, row: &PromptRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE_PROMPT), row;
                id, task_type, name, description, template, variables, provider, model, is_default, is_active,
                updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Removes a prompt for good.
    pub async fn delete_prompt(&self, id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE_PROMPT).bind(id).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}
