//! Signing in and out: passwords, one-time links, and the sessions of the consoles.

use std::{fmt::Write as _, sync::Arc};

use app::types::SessionInfo;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{COOKIE, Caller, DAY_US, Deed, Denied, Identity, IdentityError, Place, Visit, may, person};
use crate::{
    clock::random_bytes,
    services::catalog::User,
    store::{
        audit::{Actor, AuditEntry},
        sessions::{SessionRow, SignInLinkRow},
    },
};

const MINUTE_US: i64 = 60_000_000;
/// How a session was opened that a one-time link opened.
const LINK: &str = "link";

/// A live session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Names the session in lists; it opens nothing.
    pub id: String,
    pub user: Arc<User>,
    /// A one-time link opened it a moment ago: whoever has come by it need not know their password to set another.
    pub is_fresh_link: bool,
}

impl Identity {
    /// The session of a `Cookie` header, if it holds a live one.
    pub async fn by_cookie(&self, cookies: &str) -> Result<Option<Session>, IdentityError> {
        let Some(hash) = cookie(cookies).and_then(token_hash) else { return Ok(None) };
        let now = self.clock.now_us();
        let Some((row, user)) = self.db.session_with_user(&hash, now).await? else { return Ok(None) };
        let user = self.catalog.snapshot().users.get(&user.user_id).cloned();
        let Some(user) = user.filter(|user| user.is_active) else { return Ok(None) };
        if now - row.last_seen_us >= MINUTE_US {
            self.db.touch_session(&hash, now).await?;
        }
        let fresh_until = row.created_us + i64::from(self.sessions.link_minutes) * MINUTE_US;
        Ok(Some(Session { id: hex(&hash), user, is_fresh_link: row.method == LINK && now < fresh_until }))
    }

    /// Checks a password and opens a session; answers the `Set-Cookie` value.
    pub async fn sign_in(&self, email: &str, password: &str, visit: Visit) -> Result<String, IdentityError> {
        let now = self.clock.now_us();
        let email = email.trim().to_lowercase();
        let by_name = format!("email:{email}");
        let by_address = format!("ip:{}", visit.ip.as_deref().unwrap_or("unknown"));
        let user = self.db.find_user_by_email(&email).await?;
        let hash = match user.as_ref().filter(|user| user.is_active) {
            Some(user) => self.db.password_hash(&user.user_id).await?,
            None => None,
        };
        self.passwords.begin_try(&[&by_name, &by_address], now)?;
        let is_right = self.passwords.verify(password, hash.as_ref().map(|hash| hash.reveal())).await?;
        let Some(user) = user else {
            self.refused(None, "unknown e-mail address", &visit).await?;
            return Err(IdentityError::WrongPassword);
        };
        let user = self.live_user(&user.user_id).await?;
        if !is_right {
            let why = if user.is_active { "wrong password" } else { "inactive" };
            self.refused(Some(&user), why, &visit).await?;
            return Err(IdentityError::WrongPassword);
        }
        self.passwords.succeeded(&by_name, &by_address);
        self.open_session(&user, "password", visit).await
    }

    /// Notes that somebody was not let in. What was typed as the address of an unknown person is not kept: it may be a
    /// password in the wrong field.
    pub(super) async fn refused(&self, user: Option<&User>, why: &str, visit: &Visit) -> Result<(), IdentityError> {
        let actor = Actor { ip: visit.ip.clone(), ..Actor::system("somebody") };
        let actor = Actor { user_agent: visit.user_agent.clone(), request_id: visit.request_id.clone(), ..actor };
        let details = json!({ "reason": why });
        let entry = match user {
            Some(user) => self.about(user, actor, "user.sign_in_refused", details),
            None => AuditEntry {
                org_id: String::new(),
                time_us: self.clock.now_us(),
                actor,
                action: "user.sign_in_refused".to_owned(),
                target: ("user".to_owned(), String::new(), "unknown".to_owned()),
                instance_id: None,
                outcome: "denied",
                details,
            },
        };
        Ok(self.db.append_audit(&AuditEntry { outcome: "denied", ..entry }).await?)
    }

    /// Uses up a one-time link; answers the `Set-Cookie` value of a new session, or `None` when the link is not good.
    pub async fn redeem_link(&self, token: &str, visit: Visit) -> Result<Option<String>, IdentityError> {
        let Some(hash) = token_hash(token) else { return Ok(None) };
        match self.db.redeem_sign_in_link(&hash, self.clock.now_us()).await? {
            Some(user_id) => {
                let user = self.live_user(&user_id).await?;
                self.open_session(&user, LINK, visit).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// A token that signs this person in once, and until when it does.
    pub async fn make_link(&self, user_id: &str, by: Actor) -> Result<(String, i64), IdentityError> {
        let user = self.live_user(user_id).await?;
        let (token, hash) = new_token();
        let now = self.clock.now_us();
        let row = SignInLinkRow {
            link_hash: hash.to_vec(),
            user_id: user_id.to_owned(),
            created_us: now,
            expires_us: now + i64::from(self.sessions.link_minutes) * MINUTE_US,
            used_us: None,
        };
        let entry = self.about(&user, by, "user.link_created", json!({}));
        self.db.insert_sign_in_link(&row, &entry).await?;
        Ok((token, row.expires_us))
    }

    /// The same for somebody who is asked to: an admin of the person's organization.
    pub async fn make_link_for(
        &self,
        by: &Caller,
        user_id: &str,
        visit: &Visit,
    ) -> Result<(String, i64), IdentityError> {
        self.may_act_for(by, user_id).await?;
        self.make_link(user_id, by.actor(visit)).await
    }

    /// The person, if `by` may do what only they and their admins may. An admin is not a superadmin's.
    async fn may_act_for(&self, by: &Caller, user_id: &str) -> Result<Arc<User>, IdentityError> {
        let user = self.live_user(user_id).await?;
        may(by, Deed::Administer, Place::Organization(&user.org_id))?;
        if user.role > by.role {
            return Err(Denied::Level { what: "to act for this person", least: "their own role" }.into());
        }
        Ok(user)
    }

    /// Ends the session of a `Cookie` header; answers the `Set-Cookie` value that removes it.
    pub async fn sign_out(&self, cookies: &str, visit: &Visit) -> Result<String, IdentityError> {
        if let Some(hash) = cookie(cookies).and_then(token_hash)
            && let Some((_, row)) = self.db.session_with_user(&hash, self.clock.now_us()).await?
        {
            let user = self.live_user(&row.user_id).await?;
            let entry = self.about(&user, person(&user, visit), "user.signed_out", json!({}));
            self.db.end_session(&hash, &user.id, &entry).await?;
        }
        Ok(self.cookie_value("", 0))
    }

    /// Sets a password. Who has one has to know it, unless they have just come by a one-time link. All sessions of the
    /// person end; answers the `Set-Cookie` value of a new one.
    pub async fn set_password(
        &self,
        user: &User,
        present: Option<&str>,
        is_fresh_link: bool,
        password: &str,
        visit: Visit,
    ) -> Result<String, IdentityError> {
        let known = self.db.password_hash(&user.id).await?;
        if let Some(known) = known.filter(|_| !is_fresh_link) {
            let by_name = format!("email:{}", user.email.to_lowercase());
            let by_address = format!("ip:{}", visit.ip.as_deref().unwrap_or("unknown"));
            self.passwords.begin_try(&[&by_name, &by_address], self.clock.now_us())?;
            if !self.passwords.verify(present.unwrap_or_default(), Some(known.reveal())).await? {
                let message = "The present password is not this one.".to_owned();
                return Err(IdentityError::Invalid { field: "present", message });
            }
            self.passwords.succeeded(&by_name, &by_address);
        }
        let hash = self.passwords.hash(password).await?;
        let entry = self.about(user, person(user, &visit), "user.password_set", json!({}));
        self.db.set_password_hash(&user.id, Some(&hash), self.clock.now_us(), &entry).await?;
        self.open_session(user, "password", visit).await
    }

    pub async fn has_password(&self, user_id: &str) -> Result<bool, IdentityError> {
        Ok(self.db.password_hash(user_id).await?.is_some())
    }

    /// A person's open sessions, newest first; `current` is the id of the one that asks.
    pub async fn sessions(&self, user_id: &str, current: &str) -> Result<Vec<SessionInfo>, IdentityError> {
        let rows = self.db.sessions_of_user(user_id, self.clock.now_us()).await?;
        let info = |row: SessionRow| {
            let session_id = hex(&row.session_hash);
            SessionInfo {
                is_current: session_id == current,
                session_id,
                ip: row.ip,
                user_agent: row.user_agent,
                method: row.method,
                created_us: row.created_us,
                last_seen_us: row.last_seen_us,
                expires_us: row.expires_us,
            }
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// Ends one of the own sessions.
    pub async fn end_session(&self, user: &User, session_id: &str, visit: &Visit) -> Result<(), IdentityError> {
        let hash = unhex(session_id).ok_or(IdentityError::NotFound("Session"))?;
        let entry = self.about(user, person(user, visit), "session.ended", json!({ "sessions": 1 }));
        if self.db.end_session(&hash, &user.id, &entry).await? {
            Ok(())
        } else {
            Err(IdentityError::NotFound("Session"))
        }
    }

    /// Ends the own sessions but this one; how many there were.
    pub async fn end_other_sessions(&self, user: &User, this: &str, visit: &Visit) -> Result<u64, IdentityError> {
        let entry = self.about(user, person(user, visit), "session.ended", json!({ "sessions": "all others" }));
        Ok(self.db.end_sessions_of_user(&user.id, unhex(this).as_deref(), &entry).await?)
    }

    /// Ends all sessions of a person, for their admins; how many there were.
    pub async fn end_sessions_of(&self, by: &Caller, user_id: &str, visit: &Visit) -> Result<u64, IdentityError> {
        let user = self.may_act_for(by, user_id).await?;
        let entry = self.about(&user, by.actor(visit), "session.ended", json!({ "sessions": "all" }));
        Ok(self.db.end_sessions_of_user(&user.id, None, &entry).await?)
    }

    /// Opens a session; answers the `Set-Cookie` value.
    pub(super) async fn open_session(&self, user: &User, method: &str, visit: Visit) -> Result<String, IdentityError> {
        let (token, hash) = new_token();
        let now = self.clock.now_us();
        let entry = self.about(user, person(user, &visit), "user.signed_in", json!({ "method": method }));
        let row = SessionRow {
            session_hash: hash.to_vec(),
            user_id: user.id.clone(),
            created_us: now,
            expires_us: now + i64::from(self.sessions.days) * DAY_US,
            last_seen_us: now,
            ip: visit.ip,
            user_agent: visit.user_agent.map(|agent| agent.chars().take(300).collect()),
            method: method.to_owned(),
        };
        self.db.open_session(&row, &entry).await?;
        Ok(self.cookie_value(&token, u64::from(self.sessions.days) * 86_400))
    }

    fn cookie_value(&self, token: &str, max_age_s: u64) -> String {
        let secure = if self.secure_cookies { "; Secure" } else { "" };
        format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}")
    }
}

fn cookie(header: &str) -> Option<&str> {
    header.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn new_token() -> (String, [u8; 32]) {
    let bytes = random_bytes::<32>();
    (URL_SAFE_NO_PAD.encode(bytes), Sha256::digest(bytes).into())
}

fn token_hash(token: &str) -> Option<[u8; 32]> {
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    Some(Sha256::digest(bytes).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
