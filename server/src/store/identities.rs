//! Who people are for the issuers that sign them in. Nothing here is configuration.

use super::{
    Db, StoreError,
    audit::{AuditEntry, audit},
};

/// A row of `user_identities`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct IdentityRow {
    pub issuer: String,
    /// The issuer's own name for the person.
    pub subject: String,
    pub user_id: String,
    pub created_us: i64,
}

const USER: &str = "SELECT user_id FROM user_identities WHERE issuer = $1 AND subject = $2
    AND user_id IN (SELECT user_id FROM users WHERE deleted_us IS NULL)";
/// A person who was deleted makes room for the one who has come since.
const LINK: &str = "INSERT INTO user_identities (issuer, subject, user_id, created_us) VALUES ($1, $2, $3, $4)
    ON CONFLICT (issuer, subject) DO UPDATE SET user_id = excluded.user_id, created_us = excluded.created_us";
const USE: &str =
    "INSERT INTO used_sign_ins (flow_hash, expires_us) VALUES ($1, $2) ON CONFLICT (flow_hash) DO NOTHING";

impl Db {
    /// The live user that an issuer knows by this subject.
    pub async fn user_of_identity(&self, issuer: &str, subject: &str) -> Result<Option<String>, StoreError> {
        Ok(db!(self, |c| sqlx::query_scalar(USER).bind(issuer).bind(subject).fetch_optional(c).await)?)
    }

    /// Remembers whom an issuer means by a subject.
    pub async fn link_identity(&self, row: &IdentityRow, entry: &AuditEntry) -> Result<(), StoreError> {
        tx!(self, |t| {
            bind!(sqlx::query(LINK), row; issuer, subject, user_id, created_us).execute(&mut *t).await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// Uses a sign-in up; false when it was used before.
    pub async fn use_sign_in(&self, flow_hash: &[u8], expires_us: i64) -> Result<bool, StoreError> {
        let new = db_write!(self, |c| sqlx::query(USE)
            .bind(flow_hash)
            .bind(expires_us)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        Ok(new > 0)
    }
}
