//! Projects of an instance.

use serde_json::Value;

use super::{Db, Page, StoreError, found};

/// A row of `projects`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ProjectRow {
    pub project_id: String,
    pub instance_id: String,
    pub name: String,
    pub description: Option<String>,
    pub config: Value,
    pub created_us: i64,
    pub updated_us: i64,
    pub deleted_us: Option<i64>,
}

macro_rules! columns {
    () => {
        "project_id, instance_id, name, description, config, created_us, updated_us, deleted_us"
    };
}

/// Inserts a row inside a transaction.
macro_rules! insert {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::projects::INSERT), $row;
              project_id, instance_id, name, description, config, created_us, updated_us, deleted_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert;

pub(super) const INSERT: &str =
    concat!("INSERT INTO projects (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
pub(super) const ALL_LIVE: &str = concat!("SELECT ", columns!(), " FROM projects WHERE deleted_us IS NULL");
const GET: &str = concat!("SELECT ", columns!(), " FROM projects WHERE project_id = $1 AND deleted_us IS NULL");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM projects
      WHERE deleted_us IS NULL AND ($1 IS NULL OR instance_id = $1)
        AND ($2 IS NULL OR instance_id IN (SELECT instance_id FROM instances WHERE org_id = $2))
        AND ($3 IS NULL OR (created_us, project_id) < ($3, $4))
      ORDER BY created_us DESC, project_id DESC LIMIT $5"
);
const UPDATE: &str = "UPDATE projects SET name = $2, description = $3, config = $4, updated_us = $5
                      WHERE project_id = $1 AND deleted_us IS NULL";

const DELETE: &str = "UPDATE projects SET deleted_us = $2 WHERE project_id = $1 AND deleted_us IS NULL";
const DELETE_KEYS: &str = "UPDATE api_keys SET deleted_us = $2 WHERE project_id = $1 AND deleted_us IS NULL";
const RESTORE_KEYS: &str = "UPDATE api_keys SET deleted_us = NULL WHERE project_id = $1
    AND deleted_us = (SELECT deleted_us FROM projects WHERE project_id = $1)";
const RESTORE: &str = "UPDATE projects SET deleted_us = NULL, updated_us = $2
    WHERE project_id = $1 AND deleted_us IS NOT NULL
      AND instance_id IN (SELECT instance_id FROM instances WHERE deleted_us IS NULL)";

impl Db {
    /// Adds a project.
    pub async fn insert_project(&self, row: &ProjectRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            insert!(t, row);
        });
        Ok(())
    }

    /// A live project.
    pub async fn project(&self, project_id: &str) -> Result<Option<ProjectRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(project_id).fetch_optional(c).await)?)
    }

    /// Live projects, newest first; of one instance, of one organization, or of all.
    pub async fn list_projects(
        &self,
        instance_id: Option<&str>,
        org_id: Option<&str>,
        page: &Page,
    ) -> Result<Vec<ProjectRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(LIST)
            .bind(instance_id)
            .bind(org_id)
            .bind(page.time())
            .bind(page.id())
            .bind(page.limit)
            .fetch_all(c)
            .await)?)
    }

    /// Writes the changeable columns of a live row.
    pub async fn update_project(&self, row: &ProjectRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE), row; project_id, name, description, config, updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Takes a project away, with its keys.
    pub async fn delete_project(&self, project_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(project_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
            sqlx::query(DELETE_KEYS).bind(project_id).bind(now_us).execute(&mut *t).await?;
        });
        Ok(())
    }

    /// Undoes a deletion, with the keys that went with it. `NotFound` when nothing is deleted or its instance is gone.
    pub async fn restore_project(&self, project_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            sqlx::query(RESTORE_KEYS).bind(project_id).execute(&mut *t).await?;
            found(sqlx::query(RESTORE).bind(project_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}
