//! Organizations, and what happens below them when one goes.

use super::{Db, Page, StoreError, found};

/// A row of `organizations`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct OrganizationRow {
    pub org_id: String,
    pub name: String,
    pub billing_email: Option<String>,
    pub created_us: i64,
    pub updated_us: i64,
    pub deleted_us: Option<i64>,
}

macro_rules! columns {
    () => {
        "org_id, name, billing_email, created_us, updated_us, deleted_us"
    };
}

/// Inserts a row inside a transaction.
macro_rules! insert {
    ($t:expr, $row:expr) => {
        bind!(sqlx::query($crate::store::organizations::INSERT), $row;
              org_id, name, billing_email, created_us, updated_us, deleted_us)
            .execute(&mut *$t).await?
    };
}
pub(super) use insert;

pub(super) const INSERT: &str = concat!("INSERT INTO organizations (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6)");
pub(super) const ALL_LIVE: &str = concat!("SELECT ", columns!(), " FROM organizations WHERE deleted_us IS NULL");
const GET: &str = concat!("SELECT ", columns!(), " FROM organizations WHERE org_id = $1 AND deleted_us IS NULL");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM organizations
      WHERE deleted_us IS NULL AND ($1 IS NULL OR (created_us, org_id) < ($1, $2))
      ORDER BY created_us DESC, org_id DESC LIMIT $3"
);
const UPDATE: &str = "UPDATE organizations SET name = $2, billing_email = $3, updated_us = $4
                      WHERE org_id = $1 AND deleted_us IS NULL";

const DELETE: &str = "UPDATE organizations SET deleted_us = $2 WHERE org_id = $1 AND deleted_us IS NULL";
/// Children take their parent's time of deletion: an undo brings back exactly those that went with it.
const DELETE_BELOW: [&str; 5] = [
    "UPDATE projects SET deleted_us = $2 WHERE deleted_us IS NULL
       AND instance_id IN (SELECT instance_id FROM instances WHERE org_id = $1)",
    "UPDATE instances SET deleted_us = $2 WHERE deleted_us IS NULL AND org_id = $1",
    "UPDATE users SET deleted_us = $2 WHERE deleted_us IS NULL AND org_id = $1",
    "UPDATE api_keys SET deleted_us = $2 WHERE deleted_us IS NULL AND org_id = $1",
    "UPDATE model_configs SET deleted_us = $2 WHERE deleted_us IS NULL AND org_id = $1",
];
const END_SESSIONS: &str = "DELETE FROM sessions WHERE user_id IN (SELECT user_id FROM users WHERE org_id = $1)";

const RESTORE_BELOW: [&str; 5] = [
    "UPDATE projects SET deleted_us = NULL
       WHERE deleted_us = (SELECT deleted_us FROM organizations WHERE org_id = $1)
         AND instance_id IN (SELECT instance_id FROM instances WHERE org_id = $1)",
    "UPDATE instances SET deleted_us = NULL
       WHERE deleted_us = (SELECT deleted_us FROM organizations WHERE org_id = $1) AND org_id = $1",
    "UPDATE users SET deleted_us = NULL
       WHERE deleted_us = (SELECT deleted_us FROM organizations WHERE org_id = $1) AND org_id = $1",
    "UPDATE api_keys SET deleted_us = NULL
       WHERE deleted_us = (SELECT deleted_us FROM organizations WHERE org_id = $1) AND org_id = $1",
    "UPDATE model_configs SET deleted_us = NULL
       WHERE deleted_us = (SELECT deleted_us FROM organizations WHERE org_id = $1) AND org_id = $1",
];
const RESTORE: &str =
    "UPDATE organizations SET deleted_us = NULL, updated_us = $2 WHERE org_id = $1 AND deleted_us IS NOT NULL";

impl Db {
    /// Adds an organization.
    pub async fn insert_organization(&self, row: &OrganizationRow) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            insert!(t, row);
        });
        Ok(())
    }

    /// A live organization.
    pub async fn organization(&self, org_id: &str) -> Result<Option<OrganizationRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(org_id).fetch_optional(c).await)?)
    }

    /// Live organizations, newest first.
    pub async fn list_organizations(&self, page: &Page) -> Result<Vec<OrganizationRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(LIST).bind(page.time()).bind(page.id()).bind(page.limit).fetch_all(c).await)?)
    }

    /// Writes the changeable columns of a live row.
    pub async fn update_organization(&self, row: &OrganizationRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE), row; org_id, name, billing_email, updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// Takes the organization and everything below it away; its people's sessions end.
    pub async fn delete_organization(&self, org_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(org_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
            for sql in DELETE_BELOW {
                sqlx::query(sql).bind(org_id).bind(now_us).execute(&mut *t).await?;
            }
            sqlx::query(END_SESSIONS).bind(org_id).execute(&mut *t).await?;
        });
        Ok(())
    }

    /// Undoes a deletion, with everything that went with it. `Conflict` when an e-mail or model id is taken meanwhile.
    pub async fn restore_organization(&self, org_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            for sql in RESTORE_BELOW {
                sqlx::query(sql).bind(org_id).execute(&mut *t).await?;
            }
            found(sqlx::query(RESTORE).bind(org_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}
