//! Who calls: API keys, people, their sessions and one-time sign-in links.

mod caller;
pub mod keys;
mod passwords;
mod permission;

use std::{sync::Arc, time::Duration};

use app::types::{NewApiKey, Role};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

pub use caller::Caller;
pub use passwords::MIN_LENGTH as PASSWORD_MIN_LENGTH;
pub use permission::{Deed, Denied, Place, may};

use self::passwords::Passwords;
use super::catalog::{Catalog, Level, Snapshot, User, seed};
use crate::{
    clock::{Clock, random_bytes},
    settings::{self, Environment},
    store::{
        Db, StoreError,
        access::AccessRow,
        api_keys::ApiKeyRow,
        sessions::{SessionRow, SignInLinkRow},
        users::UserRow,
    },
};

const DAY_US: i64 = 86_400_000_000;
/// Name of the session cookie.
pub const COOKIE: &str = "de_session";

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("Authorization header required")]
    NoKey,
    /// Unknown, expired, revoked, or of a form that no key has.
    #[error("Invalid API key")]
    BadKey,
    #[error("API key has expired")]
    ExpiredKey,
    #[error("User account is inactive")]
    Inactive,
    #[error("Test keys not allowed in production")]
    TestKey,
    #[error("the instance \"{0}\" does not exist")]
    UnknownInstance(String),
    #[error("no access to the instance \"{0}\"")]
    NoAccess(String),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the e-mail address or the password is wrong")]
    WrongPassword,
    #[error("{0}")]
    Password(String),
    #[error("{field}: {message}")]
    Invalid { field: &'static str, message: String },
    #[error("too many tries")]
    TooManyTries(Duration),
    #[error("too busy to check a password")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a session was opened from.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

/// Checks keys and sessions, and makes them.
#[derive(Clone)]
pub struct Identity {
    db: Db,
    catalog: Arc<Catalog>,
    clock: Clock,
    passwords: Passwords,
    sessions: settings::Sessions,
    test_keys_allowed: bool,
    secure_cookies: bool,
}

impl Identity {
    pub fn new(db: Db, catalog: Arc<Catalog>, clock: Clock, settings: &settings::Settings) -> Self {
        Self {
            db,
            catalog,
            clock,
            passwords: Passwords::default(),
            sessions: settings.sessions.clone(),
            test_keys_allowed: settings.environment != Environment::Production || settings.server.allow_test_keys,
            secure_cookies: settings.server.public_url.starts_with("https://"),
        }
    }

    /// The caller of an API key; `instance` is the instance it names, if any. Needs no database.
    pub fn by_key(&self, key: &str, instance: Option<&str>) -> Result<Caller, IdentityError> {
        let snapshot = self.catalog.snapshot();
        let found = snapshot.keys.get(&keys::hash(key)).ok_or(IdentityError::BadKey)?;
        if found.expires_us.is_some_and(|at| at <= self.clock.now_us()) {
            return Err(IdentityError::ExpiredKey);
        }
        if key.starts_with(keys::TEST) && !self.test_keys_allowed {
            return Err(IdentityError::TestKey);
        }
        let user = match &found.user_id {
            Some(id) => Some(snapshot.users.get(id).filter(|user| user.is_active).ok_or(IdentityError::Inactive)?),
            None => None,
        };
        let own = snapshot.instances.get(&found.instance_id).ok_or(IdentityError::BadKey)?;
        if let Some(named) = instance.filter(|named| *named != "default" && *named != own.id) {
            // A key belongs to one instance.
            return match snapshot.instance(named, Some(&found.org_id)) {
                Some(other) if other.id == own.id => self.key_caller(found, own.clone(), user),
                Some(other) if other.org_id == found.org_id => Err(IdentityError::NoAccess(named.to_owned())),
                _ => Err(IdentityError::UnknownInstance(named.to_owned())),
            };
        }
        self.key_caller(found, own.clone(), user)
    }

    fn key_caller(
        &self,
        key: &super::catalog::ApiKey,
        instance: Arc<super::catalog::Instance>,
        user: Option<&Arc<User>>,
    ) -> Result<Caller, IdentityError> {
        let level = user.map_or(Some(Level::User), |user| level(user, &instance.id, &instance.org_id));
        Ok(Caller {
            org_id: key.org_id.clone(),
            level: level.ok_or_else(|| IdentityError::NoAccess(instance.name.clone()))?,
            instance,
            user_id: key.user_id.clone(),
            project_id: key.project_id.clone(),
            user: user.cloned(),
            scopes: key.scopes.clone(),
            key_id: Some(key.id.clone()),
            role: user.map_or(Role::User, |user| user.role),
            allowed_models: key.allowed_models.clone().map(Arc::new),
        })
    }

    /// The user of a `Cookie` header, if it holds a live session.
    pub async fn by_cookie(&self, cookies: &str) -> Result<Option<Arc<User>>, IdentityError> {
        let Some(hash) = cookie(cookies).and_then(token_hash) else { return Ok(None) };
        let Some((_, row)) = self.db.session_with_user(&hash, self.clock.now_us()).await? else { return Ok(None) };
        let user = self.catalog.snapshot().users.get(&row.user_id).cloned();
        Ok(user.filter(|user| user.is_active))
    }

    /// A signed-in person as a caller in an instance: the named one, else the first they may use.
    pub fn in_instance(&self, user: &Arc<User>, instance: Option<&str>) -> Result<Caller, IdentityError> {
        let snapshot = self.catalog.snapshot();
        let instance = match instance.filter(|named| *named != "default") {
            Some(named) => snapshot
                .instance(named, Some(&user.org_id))
                .filter(|found| found.org_id == user.org_id || user.role == Role::Superadmin)
                .ok_or_else(|| IdentityError::UnknownInstance(named.to_owned()))?
                .clone(),
            None => usable_instances(&snapshot, user)
                .into_iter()
                .next()
                .ok_or_else(|| IdentityError::NoAccess("default".to_owned()))?,
        };
        let level = level(user, &instance.id, &instance.org_id)
            .ok_or_else(|| IdentityError::NoAccess(instance.name.clone()))?;
        Ok(Caller {
            org_id: user.org_id.clone(),
            instance,
            user_id: Some(user.id.clone()),
            user: Some(user.clone()),
            scopes: None,
            project_id: None,
            key_id: None,
            role: user.role,
            level,
            allowed_models: None,
        })
    }

    /// Checks a password and opens a session; answers the `Set-Cookie` value.
    pub async fn sign_in(&self, email: &str, password: &str, visit: Visit) -> Result<String, IdentityError> {
        let now = self.clock.now_us();
        let email = email.trim().to_lowercase();
        let by_name = format!("email:{email}");
        let by_address = format!("ip:{}", visit.ip.as_deref().unwrap_or("unknown"));
        let names = [by_name.as_str(), by_address.as_str()];
        let user = self.db.find_user_by_email(&email).await?.filter(|user| user.is_active);
        let hash = match &user {
            Some(user) => self.db.password_hash(&user.user_id).await?,
            None => None,
        };
        self.passwords.begin_try(&names, now)?;
        if !self.passwords.verify(password, hash.as_ref().map(|hash| hash.reveal())).await? {
            return Err(IdentityError::WrongPassword);
        }
        self.passwords.succeeded(&by_name, &by_address);
        let user = user.ok_or(IdentityError::WrongPassword)?;
        self.open_session(&user.user_id, visit).await
    }

    /// Uses up a one-time link; answers the `Set-Cookie` value of a new session, or `None` when the link is not good.
    pub async fn redeem_link(&self, token: &str, visit: Visit) -> Result<Option<String>, IdentityError> {
        let Some(hash) = token_hash(token) else { return Ok(None) };
        match self.db.redeem_sign_in_link(&hash, self.clock.now_us()).await? {
            Some(user_id) => self.open_session(&user_id, visit).await.map(Some),
            None => Ok(None),
        }
    }

    /// A token that signs this user in once.
    pub async fn make_link(&self, user_id: &str) -> Result<String, IdentityError> {
        let (token, hash) = new_token();
        let now = self.clock.now_us();
        self.db
            .insert_sign_in_link(&SignInLinkRow {
                link_hash: hash.to_vec(),
                user_id: user_id.to_owned(),
                created_us: now,
                expires_us: now + i64::from(self.sessions.link_minutes) * 60_000_000,
                used_us: None,
            })
            .await?;
        Ok(token)
    }

    /// Ends the session of a `Cookie` header; answers the `Set-Cookie` value that removes it.
    pub async fn sign_out(&self, cookies: &str) -> Result<String, IdentityError> {
        if let Some(hash) = cookie(cookies).and_then(token_hash) {
            self.db.end_session(&hash).await?;
        }
        Ok(self.cookie_value("", 0))
    }

    /// Sets a password. All sessions of the user end; answers the `Set-Cookie` value of a new one.
    pub async fn set_password(&self, user_id: &str, password: &str, visit: Visit) -> Result<String, IdentityError> {
        let hash = self.passwords.hash(password).await?;
        self.db.set_password_hash(user_id, Some(&hash), self.clock.now_us()).await?;
        self.open_session(user_id, visit).await
    }

    pub async fn has_password(&self, user_id: &str) -> Result<bool, IdentityError> {
        Ok(self.db.password_hash(user_id).await?.is_some())
    }

    /// Makes a person. The e-mail address must be free.
    pub async fn create_user(
        &self,
        org_id: &str,
        email: &str,
        name: &str,
        role: Role,
    ) -> Result<String, IdentityError> {
        let email = email.trim().to_lowercase();
        let plausible = email.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        if !plausible || email.len() > 254 || email.chars().any(char::is_whitespace) {
            return Err(IdentityError::Invalid {
                field: "email",
                message: format!("\"{email}\" is not an e-mail address"),
            });
        }
        let name = name.trim();
        if name.is_empty() {
            return Err(IdentityError::Invalid { field: "name", message: "a name is needed".to_owned() });
        }
        let now = self.clock.now_us();
        let user_id = self.clock.new_id().to_string();
        let role = match role {
            Role::User => "user",
            Role::Admin => "admin",
            Role::Superadmin => "superadmin",
        };
        self.db
            .insert_user(&UserRow {
                user_id: user_id.clone(),
                org_id: org_id.to_owned(),
                email,
                name: name.to_owned(),
                role: role.to_owned(),
                is_active: true,
                last_sign_in_us: None,
                created_us: now,
                updated_us: now,
                deleted_us: None,
            })
            .await?;
        self.catalog.refresh().await?;
        Ok(user_id)
    }

    /// The person, who has at least the level `user` in this instance afterwards. Only for those who may grant it.
    pub async fn let_in(&self, user: &Arc<User>, instance: &str) -> Result<Arc<User>, IdentityError> {
        let snapshot = self.catalog.snapshot();
        let found = snapshot.instance(instance, Some(&user.org_id)).filter(|found| found.org_id == user.org_id);
        let Some(found) = found.filter(|found| level(user, &found.id, &found.org_id).is_none()) else {
            return Ok(user.clone());
        };
        self.db
            .grant_access(&AccessRow {
                user_id: user.id.clone(),
                instance_id: found.id.clone(),
                level: "user".to_owned(),
                granted_us: self.clock.now_us(),
            })
            .await?;
        self.catalog.refresh().await?;
        Ok(self.catalog.snapshot().users.get(&user.id).unwrap_or(user).clone())
    }

    /// Makes a key for a person in an instance; `days` until it expires, if ever.
    pub async fn create_key(
        &self,
        user: &Arc<User>,
        instance_id: &str,
        name: &str,
        days: Option<u32>,
    ) -> Result<NewApiKey, IdentityError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 {
            return Err(IdentityError::Invalid {
                field: "name",
                message: "a name of 1 to 100 characters is needed".to_owned(),
            });
        }
        let caller = self.in_instance(user, Some(instance_id))?;
        let is_test = self.test_keys_allowed && caller.instance.id != seed::PRODUCTION;
        let secret = keys::generate(if is_test { keys::TEST } else { keys::LIVE });
        let now = self.clock.now_us();
        let row = ApiKeyRow {
            key_id: self.clock.new_id().to_string(),
            user_id: Some(user.id.clone()),
            project_id: None,
            instance_id: caller.instance.id.clone(),
            org_id: caller.instance.org_id.clone(),
            name: name.to_owned(),
            key_hash: keys::hash(secret.reveal()).to_vec(),
            masked: keys::masked(secret.reveal()),
            scopes: Vec::new(),
            allowed_models: None,
            expires_us: days.map(|days| now + i64::from(days) * DAY_US),
            last_used_us: None,
            revoked_us: None,
            created_us: now,
            deleted_us: None,
        };
        self.db.insert_api_key(&row).await?;
        // The key works by the time it is told.
        self.catalog.refresh().await?;
        Ok(NewApiKey {
            key_id: row.key_id,
            name: row.name,
            instance_id: row.instance_id,
            secret: secret.reveal().to_owned(),
            masked: row.masked,
        })
    }

    async fn open_session(&self, user_id: &str, visit: Visit) -> Result<String, IdentityError> {
        let (token, hash) = new_token();
        let now = self.clock.now_us();
        self.db
            .insert_session(&SessionRow {
                session_hash: hash.to_vec(),
                user_id: user_id.to_owned(),
                created_us: now,
                expires_us: now + i64::from(self.sessions.days) * DAY_US,
                last_seen_us: now,
                ip: visit.ip,
                user_agent: visit.user_agent.map(|agent| agent.chars().take(300).collect()),
            })
            .await?;
        self.db.touch_user(user_id, now).await?;
        Ok(self.cookie_value(&token, u64::from(self.sessions.days) * 86_400))
    }

    fn cookie_value(&self, token: &str, max_age_s: u64) -> String {
        let secure = if self.secure_cookies { "; Secure" } else { "" };
        format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}")
    }
}

/// Instances that a person may use, the default one first, then by name.
pub fn usable_instances(snapshot: &Snapshot, user: &User) -> Vec<Arc<super::catalog::Instance>> {
    let mut usable: Vec<_> = snapshot
        .instances
        .values()
        .filter(|instance| level(user, &instance.id, &instance.org_id).is_some())
        .cloned()
        .collect();
    usable.sort_by(|a, b| {
        let is_other = |id: &str| id != snapshot.default_instance;
        is_other(&a.id).cmp(&is_other(&b.id)).then_with(|| a.name.cmp(&b.name)).then_with(|| a.id.cmp(&b.id))
    });
    usable
}

/// What a person may do in an instance: what was granted, or everything for the admins of its organization.
pub fn level(user: &User, instance_id: &str, org_id: &str) -> Option<Level> {
    match user.role {
        Role::Superadmin => Some(Level::Owner),
        Role::Admin if user.org_id == org_id => Some(Level::Owner),
        _ => user.access.get(instance_id).copied(),
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
