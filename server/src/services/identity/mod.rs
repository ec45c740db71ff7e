//! Who calls: API keys, people, their sessions and one-time sign-in links.

mod api_keys;
mod caller;
pub mod keys;
mod last_used;
pub mod oidc;
mod passwords;
mod people;
mod permission;
mod sessions;

use std::{sync::Arc, time::Duration};

use app::types::Role;

pub use api_keys::GRACE;
pub use caller::Caller;
pub use passwords::MIN_LENGTH as PASSWORD_MIN_LENGTH;
pub use permission::{Deed, Denied, Place, may};
pub use sessions::Session;

use self::{last_used::LastUsed, oidc::Oidc, passwords::Passwords};
use super::catalog::{Catalog, Level, Snapshot, User};
use crate::{
    clock::Clock,
    settings::{self, Environment},
    store::{
        Db, StoreError,
        audit::{Actor, AuditEntry},
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
    /// What was named does not exist.
    #[error("{0} not found")]
    NotFound(&'static str),
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

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Visit {
    fn actor(&self, kind: &'static str, id: &str, name: &str) -> Actor {
        Actor {
            kind,
            id: id.to_owned(),
            name: name.to_owned(),
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            request_id: self.request_id.clone(),
        }
    }
}

/// Checks keys and sessions, and makes them.
#[derive(Clone)]
pub struct Identity {
    db: Db,
    catalog: Arc<Catalog>,
    clock: Clock,
    passwords: Passwords,
    last_used: LastUsed,
    pub oidc: Oidc,
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
            last_used: LastUsed::default(),
            oidc: Oidc::new(&settings.oidc),
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
        self.last_used.note(&found.id, self.clock.now_us());
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
            key_name: Some(key.name.clone()),
            role: user.map_or(Role::User, |user| user.role),
            allowed_models: key.allowed_models.clone().map(Arc::new),
        })
    }

    /// Whoever asked for work some time ago, as they are now.
    pub fn as_before(
        &self,
        key_id: Option<&str>,
        user_id: Option<&str>,
        instance_id: &str,
    ) -> Result<Caller, IdentityError> {
        let snapshot = self.catalog.snapshot();
        let user = match user_id {
            Some(id) => Some(snapshot.users.get(id).filter(|user| user.is_active).ok_or(IdentityError::Inactive)?),
            None => None,
        };
        let instance = snapshot.instances.get(instance_id).cloned();
        let instance = instance.ok_or_else(|| IdentityError::UnknownInstance(instance_id.to_owned()))?;
        match (key_id, user) {
            (Some(id), user) => {
                let key = snapshot.keys.values().find(|key| key.id == id).ok_or(IdentityError::BadKey)?;
                if key.expires_us.is_some_and(|at| at <= self.clock.now_us()) {
                    return Err(IdentityError::ExpiredKey);
                }
                self.key_caller(key, instance, user)
            }
            (None, Some(user)) => self.in_instance(user, Some(instance_id)),
            (None, None) => Err(IdentityError::NoKey),
        }
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
            key_name: None,
            role: user.role,
            level,
            allowed_models: None,
        })
    }

    /// An entry about a person, in the log of their organization.
    fn about(&self, user: &User, actor: Actor, action: &str, details: serde_json::Value) -> AuditEntry {
        AuditEntry {
            org_id: user.org_id.clone(),
            time_us: self.clock.now_us(),
            actor,
            action: action.to_owned(),
            target: ("user".to_owned(), user.id.clone(), user.email.clone()),
            instance_id: None,
            outcome: "succeeded",
            details,
        }
    }

    /// A live person as they are in the database, known to this process or not yet.
    async fn live_user(&self, user_id: &str) -> Result<Arc<User>, IdentityError> {
        if let Some(user) = self.catalog.snapshot().users.get(user_id) {
            return Ok(user.clone());
        }
        self.catalog.refresh().await?;
        self.catalog.snapshot().users.get(user_id).cloned().ok_or(IdentityError::NotFound("User"))
    }
}

/// A signed-in person as an actor.
pub fn person(user: &User, visit: &Visit) -> Actor {
    visit.actor("user", &user.id, &user.email)
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
