//! People. The password hash stays out of the row: only signing in asks for it.

use super::{
    Db, Hidden, Page, StoreError,
    audit::{AuditEntry, audit},
    found,
};

/// A row of `users`, without its password hash.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct UserRow {
    pub user_id: String,
    pub org_id: String,
    /// Unique among live users, whatever the case of its letters.
    pub email: String,
    pub name: String,
    /// `user`, `admin` or `superadmin`.
    pub role: String,
    pub is_active: bool,
    pub last_sign_in_us: Option<i64>,
    pub created_us: i64,
    pub updated_us: i64,
    pub deleted_us: Option<i64>,
}

macro_rules! columns {
    () => {
        "user_id, org_id, email, name, role, is_active, last_sign_in_us, created_us, updated_us, deleted_us"
    };
}

const INSERT: &str = concat!("INSERT INTO users (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
pub(super) const ALL_LIVE: &str = concat!("SELECT ", columns!(), " FROM users WHERE deleted_us IS NULL");
pub(super) const GET: &str = concat!("SELECT ", columns!(), " FROM users WHERE user_id = $1 AND deleted_us IS NULL");
const BY_EMAIL: &str =
    concat!("SELECT ", columns!(), " FROM users WHERE lower(email) = lower($1) AND deleted_us IS NULL");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM users
      WHERE deleted_us IS NULL AND ($1 IS NULL OR org_id = $1)
        AND ($2 IS NULL OR (created_us, user_id) < ($2, $3))
      ORDER BY created_us DESC, user_id DESC LIMIT $4"
);
const UPDATE: &str = "UPDATE users SET email = $2, name = $3, role = $4, is_active = $5, updated_us = $6
                      WHERE user_id = $1 AND deleted_us IS NULL";
pub(super) const TOUCH: &str = "UPDATE users SET last_sign_in_us = $2 WHERE user_id = $1 AND deleted_us IS NULL";
const PASSWORD: &str = "SELECT password_hash FROM users WHERE user_id = $1 AND deleted_us IS NULL";
const SET_PASSWORD: &str =
    "UPDATE users SET password_hash = $2, updated_us = $3 WHERE user_id = $1 AND deleted_us IS NULL";

const DELETE: &str = "UPDATE users SET deleted_us = $2 WHERE user_id = $1 AND deleted_us IS NULL";
const DELETE_KEYS: &str = "UPDATE api_keys SET deleted_us = $2 WHERE user_id = $1 AND deleted_us IS NULL";
const END_SESSIONS: &str = "DELETE FROM sessions WHERE user_id = $1";
const RESTORE_KEYS: &str = "UPDATE api_keys SET deleted_us = NULL WHERE user_id = $1
    AND deleted_us = (SELECT deleted_us FROM users WHERE user_id = $1)";
const RESTORE: &str =
    "UPDATE users SET deleted_us = NULL, updated_us = $2 WHERE user_id = $1 AND deleted_us IS NOT NULL
    AND org_id IN (SELECT org_id FROM organizations WHERE deleted_us IS NULL)";

impl Db {
    /// Adds a user without a password. A taken e-mail is `Conflict { what: "users.email" }`.
    pub async fn insert_user(&self, row: &UserRow, entry: &AuditEntry) -> Result<(), StoreError> {
        change!(self, row.created_us, |t| {
            bind!(sqlx::query(INSERT), row;
                  user_id, org_id, email, name, role, is_active, last_sign_in_us, created_us, updated_us, deleted_us)
            .execute(&mut *t)
            .await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// A live user.
    pub async fn user(&self, user_id: &str) -> Result<Option<UserRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(GET).bind(user_id).fetch_optional(c).await)?)
    }

    /// A live user by e-mail, in any case.
    pub async fn find_user_by_email(&self, email: &str) -> Result<Option<UserRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(BY_EMAIL).bind(email).fetch_optional(c).await)?)
    }

    /// Live users, of one organization or of all, newest first.
    pub async fn list_users(&self, org_id: Option<&str>, page: &Page) -> Result<Vec<UserRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(LIST)
            .bind(org_id)
            .bind(page.time())
            .bind(page.id())
            .bind(page.limit)
            .fetch_all(c)
            .await)?)
    }

    /// Writes e-mail, name, role and activity of a live user.
    pub async fn update_user(&self, row: &UserRow) -> Result<(), StoreError> {
        change!(self, row.updated_us, |t| {
            let update = bind!(sqlx::query(UPDATE), row; user_id, email, name, role, is_active, updated_us);
            found(update.execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }

    /// The stored password hash of a live user; `None` when the user is unknown or has no password.
    pub async fn password_hash(&self, user_id: &str) -> Result<Option<Hidden>, StoreError> {
        let row: Option<Option<Hidden>> =
            db!(self, |c| sqlx::query_scalar(PASSWORD).bind(user_id).fetch_optional(c).await)?;
        Ok(row.flatten())
    }

    /// Stores or removes a password hash and ends the user's sessions.
    pub async fn set_password_hash(
        &self,
        user_id: &str,
        hash: Option<&str>,
        now_us: i64,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        tx!(self, |t| {
            let set = sqlx::query(SET_PASSWORD).bind(user_id).bind(hash).bind(now_us);
            found(set.execute(&mut *t).await?.rows_affected())?;
            sqlx::query(END_SESSIONS).bind(user_id).execute(&mut *t).await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// Takes a user away, with their keys; their sessions end.
    pub async fn delete_user(&self, user_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            found(sqlx::query(DELETE).bind(user_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
            sqlx::query(DELETE_KEYS).bind(user_id).bind(now_us).execute(&mut *t).await?;
            sqlx::query(END_SESSIONS).bind(user_id).execute(&mut *t).await?;
        });
        Ok(())
    }

    /// Undoes a deletion, with the keys that went with it. `Conflict` when the e-mail is taken meanwhile.
    pub async fn restore_user(&self, user_id: &str, now_us: i64) -> Result<(), StoreError> {
        change!(self, now_us, |t| {
            sqlx::query(RESTORE_KEYS).bind(user_id).execute(&mut *t).await?;
            found(sqlx::query(RESTORE).bind(user_id).bind(now_us).execute(&mut *t).await?.rows_affected())?;
        });
        Ok(())
    }
}
