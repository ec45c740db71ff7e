//! Console sessions and one-time sign-in links. Only hashes are stored. Nothing here is configuration.

use super::{
    Db, StoreError,
    audit::{AuditEntry, audit},
    found,
    users::{self, UserRow},
};

/// A row of `sessions`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SessionRow {
    /// SHA-256 of the cookie's value.
    pub session_hash: Vec<u8>,
    pub user_id: String,
    pub created_us: i64,
    pub expires_us: i64,
    pub last_seen_us: i64,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    /// How it was opened: `password`, `link`, or the name of an issuer.
    pub method: String,
}

/// A row of `sign_in_links`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SignInLinkRow {
    /// SHA-256 of the link's secret.
    pub link_hash: Vec<u8>,
    pub user_id: String,
    pub created_us: i64,
    pub expires_us: i64,
    pub used_us: Option<i64>,
}

macro_rules! columns {
    () => {
        "session_hash, user_id, created_us, expires_us, last_seen_us, ip, user_agent, method"
    };
}

const INSERT: &str = concat!("INSERT INTO sessions (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
const LIVE: &str = concat!("SELECT ", columns!(), " FROM sessions WHERE session_hash = $1 AND expires_us > $2");
const OF_USER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions WHERE user_id = $1 AND expires_us > $2 ORDER BY created_us DESC, session_hash"
);
const TOUCH: &str = "UPDATE sessions SET last_seen_us = $2 WHERE session_hash = $1 AND last_seen_us < $2";
const END: &str = "DELETE FROM sessions WHERE session_hash = $1 AND user_id = $2";
const END_OF_USER: &str = "DELETE FROM sessions WHERE user_id = $1 AND session_hash <> $2";
const EXPIRE: [&str; 4] = [
    "DELETE FROM sessions WHERE expires_us <= $1",
    "DELETE FROM sign_in_links WHERE expires_us <= $1",
    "DELETE FROM used_sign_ins WHERE expires_us <= $1",
    "DELETE FROM retired_secrets WHERE expires_us <= $1",
];
const INSERT_LINK: &str = "INSERT INTO sign_in_links (link_hash, user_id, created_us, expires_us, used_us)
                           VALUES ($1, $2, $3, $4, $5)";
const REDEEM: &str = "UPDATE sign_in_links SET used_us = $2
    WHERE link_hash = $1 AND used_us IS NULL AND expires_us > $2
      AND user_id IN (SELECT user_id FROM users WHERE deleted_us IS NULL AND is_active)
    RETURNING user_id";

impl Db {
    /// Opens a session: its user has signed in. `NotFound` when the user is gone.
    pub async fn open_session(&self, row: &SessionRow, entry: &AuditEntry) -> Result<(), StoreError> {
        tx!(self, |t| {
            let touch = sqlx::query(users::TOUCH).bind(&row.user_id).bind(row.created_us);
            found(touch.execute(&mut *t).await?.rows_affected())?;
            bind!(sqlx::query(INSERT), row;
                  session_hash, user_id, created_us, expires_us, last_seen_us, ip, user_agent, method)
            .execute(&mut *t)
            .await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// The session of this hash and its user, unless it is over, or the user is gone or inactive.
    pub async fn session_with_user(
        &self,
        session_hash: &[u8],
        now_us: i64,
    ) -> Result<Option<(SessionRow, UserRow)>, StoreError> {
        let session: Option<SessionRow> =
            db!(self, |c| sqlx::query_as(LIVE).bind(session_hash).bind(now_us).fetch_optional(c).await)?;
        let Some(session) = session else { return Ok(None) };
        let user: Option<UserRow> =
            db!(self, |c| sqlx::query_as(users::GET).bind(&session.user_id).fetch_optional(c).await)?;
        Ok(user.filter(|u| u.is_active).map(|u| (session, u)))
    }

    /// A user's open sessions, newest first.
    pub async fn sessions_of_user(&self, user_id: &str, now_us: i64) -> Result<Vec<SessionRow>, StoreError> {
        Ok(db!(self, |c| sqlx::query_as(OF_USER).bind(user_id).bind(now_us).fetch_all(c).await)?)
    }

    /// Notes that a session was used.
    pub async fn touch_session(&self, session_hash: &[u8], now_us: i64) -> Result<(), StoreError> {
        db_write!(self, |c| sqlx::query(TOUCH).bind(session_hash).bind(now_us).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Ends a session of a user; true when there was one.
    pub async fn end_session(
        &self,
        session_hash: &[u8],
        user_id: &str,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        Ok(tx!(self, |t| {
            let ended = sqlx::query(END).bind(session_hash).bind(user_id).execute(&mut *t).await?.rows_affected();
            if ended > 0 {
                audit!(t, entry);
            }
            ended > 0
        }))
    }

    /// Ends every session of a user but one, if any; how many there were.
    pub async fn end_sessions_of_user(
        &self,
        user_id: &str,
        but: Option<&[u8]>,
        entry: &AuditEntry,
    ) -> Result<u64, StoreError> {
        Ok(tx!(self, |t| {
            let end = sqlx::query(END_OF_USER).bind(user_id).bind(but.unwrap_or_default());
            let ended = end.execute(&mut *t).await?.rows_affected();
            if ended > 0 {
                audit!(t, entry);
            }
            ended
        }))
    }

    /// Removes sessions, links, finished sign-ins and retired secrets whose time is over; how many.
    pub async fn delete_expired_sign_ins(&self, now_us: i64) -> Result<u64, StoreError> {
        Ok(tx!(self, |t| {
            let mut gone = 0;
            for sql in EXPIRE {
                gone += sqlx::query(sql).bind(now_us).execute(&mut *t).await?.rows_affected();
            }
            gone
        }))
    }

    /// Adds a sign-in link.
    pub async fn insert_sign_in_link(&self, row: &SignInLinkRow, entry: &AuditEntry) -> Result<(), StoreError> {
        tx!(self, |t| {
            bind!(sqlx::query(INSERT_LINK), row; link_hash, user_id, created_us, expires_us, used_us)
                .execute(&mut *t)
                .await?;
            audit!(t, entry);
        });
        Ok(())
    }

    /// Uses a link up and answers its user; `None` when it is unknown, used, over, or its user may not sign in. Of two
    /// callers at once one gets the user.
    pub async fn redeem_sign_in_link(&self, link_hash: &[u8], now_us: i64) -> Result<Option<String>, StoreError> {
        Ok(db_write!(self, |c| sqlx::query_scalar(REDEEM).bind(link_hash).bind(now_us).fetch_optional(c).await)?)
    }
}
