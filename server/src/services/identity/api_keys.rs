//! API keys: making, rotating, revoking and deleting them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use app::types::{ApiKeyDraft, ApiKeyLimit, ApiKeyUse, NewApiKey, config::SCOPES};
use serde_json::{Value, json};

use super::{Caller, DAY_US, Deed, Denied, Identity, IdentityError, Place, keys, level, may};
use crate::{
    clock::rfc3339,
    services::catalog::{Instance, Level, Snapshot, User, seed},
    store::{
        access::AccessRow,
        api_keys::{ApiKeyRow, KeyExtras},
        audit::{Actor, AuditEntry},
        limits::LimitRow,
    },
};

/// How long the secret before works after a rotation, unless something else is said, and at most.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);
pub const LONGEST_GRACE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Days that the use of a key is told for.
const DAYS_OF_USE: usize = 30;
/// Keys whose use is told at once.
const MOST_KEYS: usize = 100;

/// Whom a key acts for.
enum KeyOwner {
    User(Arc<User>),
    Project(String),
}

impl Identity {
    /// Makes a key. Everyone makes their own; those for others and for projects are made by admins of the instance, and
    /// nobody makes a key that may do more than they may themselves.
    pub async fn create_key(&self, by: &Caller, draft: ApiKeyDraft, actor: Actor) -> Result<NewApiKey, IdentityError> {
        let snapshot = self.catalog.snapshot();
        let now = self.clock.now_us();
        let name = draft.name.trim();
        if name.is_empty() || name.chars().count() > 100 {
            return invalid("name", "a name of 1 to 100 characters is needed");
        }
        let instance = match draft.instance_id.as_deref().filter(|named| !named.is_empty()) {
            Some(named) => snapshot
                .instance(named, Some(&by.org_id))
                .ok_or_else(|| IdentityError::UnknownInstance(named.to_owned()))?,
            None => &by.instance,
        };
        let owner = owner(&snapshot, by, instance, &draft)?;
        if draft.expires_us.is_some_and(|at| at <= now) {
            return invalid("expires_at", "a time in the future is needed");
        }
        let scopes = scopes(by, &draft.scopes)?;
        let allowed_models = models(&snapshot, by, draft.allowed_models)?;
        let secret = self.new_secret(&instance.id);
        let (user_id, project_id, access) = match owner {
            KeyOwner::Project(id) => (None, Some(id), None),
            KeyOwner::User(user) => {
                let is_new = level(&user, &instance.id, &instance.org_id).is_none();
                let access = is_new.then(|| AccessRow {
                    user_id: user.id.clone(),
                    instance_id: instance.id.clone(),
                    level: Level::User.as_str().to_owned(),
                    granted_us: now,
                });
                (Some(user.id.clone()), None, access)
            }
        };
        let row = ApiKeyRow {
            key_id: self.clock.new_id().to_string(),
            user_id,
            project_id,
            instance_id: instance.id.clone(),
            org_id: instance.org_id.clone(),
            name: name.to_owned(),
            key_hash: keys::hash(secret.reveal()).to_vec(),
            masked: keys::masked(secret.reveal()),
            scopes,
            allowed_models,
            expires_us: draft.expires_us,
            last_used_us: None,
            revoked_us: None,
            created_us: now,
            deleted_us: None,
        };
        let limit = self.limit(&row, draft.limit.as_ref())?;
        let details = json!({ "after": {
            "user_id": row.user_id, "project_id": row.project_id, "scopes": row.scopes,
            "allowed_models": row.allowed_models, "expires_at": row.expires_us.map(rfc3339),
            "access": access.as_ref().map(|access| &access.level), "limit": draft.limit,
        } });
        let entry = self.about_key(&row, actor, "api_key.created", details);
        self.db.insert_api_key(&row, &KeyExtras { access, limit }, &entry).await?;
        // The key works by the time it is told.
        self.catalog.refresh().await?;
        Ok(told(row, secret.reveal()))
    }

    /// Gives a key another secret; the present one works for `grace` more. Who gets the secret may do all that its owner
    /// may, so the same rules hold as for making it.
    pub async fn rotate_key(
        &self,
        by: &Caller,
        key_id: &str,
        grace: Duration,
        actor: Actor,
    ) -> Result<NewApiKey, IdentityError> {
        let mut row = self.key(by, key_id).await?;
        let snapshot = self.catalog.snapshot();
        if let Some(owner) = row.user_id.as_ref().and_then(|id| snapshot.users.get(id)) {
            outranks(by, owner, &row.instance_id, &row.org_id)?;
        }
        // A secret that may do more than the key that asks for it is not told; its own is always its own.
        let is_narrow = by.scopes.is_some() || by.allowed_models.is_some();
        if is_narrow && by.key_id.as_deref() != Some(key_id) {
            let least = "a key without scopes and models of its own";
            return Err(Denied::Level { what: "to rotate another key", least }.into());
        }
        if grace > LONGEST_GRACE {
            return invalid("grace_hours", "the old secret works for 0 to 168 hours more");
        }
        if row.revoked_us.is_some() {
            return invalid("key_id", "a revoked key has no secret any more; make another key");
        }
        let now = self.clock.now_us();
        let until_us = now + i64::try_from(grace.as_micros()).unwrap_or(0);
        let secret = self.new_secret(&row.instance_id);
        let before = std::mem::replace(&mut row.masked, keys::masked(secret.reveal()));
        row.key_hash = keys::hash(secret.reveal()).to_vec();
        let details = json!({ "before": { "masked": before }, "after": { "masked": row.masked },
            "old_works_until": rfc3339(until_us) });
        let entry = self.about_key(&row, actor, "api_key.rotated", details);
        self.db.rotate_api_key(&row, until_us, now, &entry).await?;
        self.catalog.refresh().await?;
        Ok(told(row, secret.reveal()))
    }

    /// Stops a key for good.
    pub async fn revoke_key(&self, by: &Caller, key_id: &str, actor: Actor) -> Result<(), IdentityError> {
        let row = self.key(by, key_id).await?;
        if row.revoked_us.is_some() {
            return Ok(());
        }
        let entry = self.about_key(&row, actor, "api_key.revoked", json!({}));
        self.db.revoke_api_key(key_id, self.clock.now_us(), &entry).await?;
        Ok(self.catalog.refresh().await?)
    }

    /// Stops a key and takes it off the lists.
    pub async fn delete_key(&self, by: &Caller, key_id: &str, actor: Actor) -> Result<(), IdentityError> {
        let row = self.key(by, key_id).await?;
        let entry = self.about_key(&row, actor, "api_key.deleted", json!({}));
        self.db.delete_api_key(key_id, self.clock.now_us(), &entry).await?;
        Ok(self.catalog.refresh().await?)
    }

    /// Calls per day of keys that the caller may see, of the last 30 days.
    pub async fn key_use(&self, by: &Caller, key_ids: &[String]) -> Result<Vec<ApiKeyUse>, IdentityError> {
        if key_ids.len() > MOST_KEYS {
            return invalid("key_ids", "at most 100 keys at once");
        }
        let today = self.clock.now_us().div_euclid(DAY_US);
        let first = today + 1 - i64::try_from(DAYS_OF_USE).unwrap_or(0);
        let mut uses = Vec::with_capacity(key_ids.len());
        for key_id in key_ids {
            let row = self.db.api_key(key_id).await?.ok_or(IdentityError::NotFound("API key"))?;
            may(by, Deed::Read, Place::Instance { org_id: &row.org_id, instance_id: &row.instance_id })?;
            let mut days = vec![0; DAYS_OF_USE];
            for (day, calls) in self.db.calls_per_day(key_id, first * DAY_US).await? {
                if let Some(slot) = usize::try_from(day - first).ok().and_then(|at| days.get_mut(at)) {
                    *slot = calls.unsigned_abs();
                }
            }
            uses.push(ApiKeyUse { key_id: key_id.clone(), days });
        }
        Ok(uses)
    }

    /// A key that the caller may change: their own, or one of an instance that they administer.
    async fn key(&self, by: &Caller, key_id: &str) -> Result<ApiKeyRow, IdentityError> {
        let row = self.db.api_key(key_id).await?.ok_or(IdentityError::NotFound("API key"))?;
        let is_itself = by.key_id.as_deref() == Some(key_id);
        let is_own = is_itself || (row.user_id.is_some() && row.user_id == by.user_id);
        let deed = if is_own { own_deed(by) } else { Deed::Administer };
        may(by, deed, Place::Instance { org_id: &row.org_id, instance_id: &row.instance_id })?;
        Ok(row)
    }

    fn new_secret(&self, instance_id: &str) -> crate::providers::Secret {
        let is_test = self.test_keys_allowed && instance_id != seed::PRODUCTION;
        keys::generate(if is_test { keys::TEST } else { keys::LIVE })
    }

    fn about_key(&self, row: &ApiKeyRow, actor: Actor, action: &str, details: Value) -> AuditEntry {
        AuditEntry {
            org_id: row.org_id.clone(),
            time_us: self.clock.now_us(),
            actor,
            action: action.to_owned(),
            target: ("api_key".to_owned(), row.key_id.clone(), row.name.clone()),
            instance_id: Some(row.instance_id.clone()),
            outcome: "succeeded",
            details,
        }
    }

    fn limit(&self, row: &ApiKeyRow, asked: Option<&ApiKeyLimit>) -> Result<Option<LimitRow>, IdentityError> {
        let Some(asked) = asked.filter(|asked| **asked != ApiKeyLimit::default()) else { return Ok(None) };
        let values = [
            ("limit.requests_per_minute", asked.requests_per_minute),
            ("limit.tokens_per_minute", asked.tokens_per_minute),
            ("limit.tokens_per_day", asked.tokens_per_day),
            ("limit.concurrent_requests", asked.concurrent_requests),
            ("limit.budget_day_micro_usd", asked.budget_day_micro_usd),
            ("limit.budget_month_micro_usd", asked.budget_month_micro_usd),
        ];
        if let Some((field, _)) = values.into_iter().find(|(_, value)| value.is_some_and(|value| value < 0)) {
            return invalid(field, "a whole number of at least 0 is needed");
        }
        Ok(Some(LimitRow {
            id: self.clock.new_id().to_string(),
            org_id: Some(row.org_id.clone()),
            instance_id: Some(row.instance_id.clone()),
            key_id: Some(row.key_id.clone()),
            requests_per_minute: asked.requests_per_minute,
            tokens_per_minute: asked.tokens_per_minute,
            tokens_per_day: asked.tokens_per_day,
            concurrent_requests: asked.concurrent_requests,
            budget_day_micro_usd: asked.budget_day_micro_usd,
            budget_month_micro_usd: asked.budget_month_micro_usd,
            cooldown_seconds: 60,
            warn_percent: 80,
            is_active: true,
            created_us: row.created_us,
            updated_us: row.created_us,
            ..LimitRow::default()
        }))
    }
}

/// What a person does with their own keys; a key that does it needs the scope for changes.
fn own_deed(by: &Caller) -> Deed {
    if by.key_id.is_some() { Deed::Write } else { Deed::Read }
}

fn owner(
    snapshot: &Snapshot,
    by: &Caller,
    instance: &Arc<Instance>,
    draft: &ApiKeyDraft,
) -> Result<KeyOwner, IdentityError> {
    let place = Place::Instance { org_id: &instance.org_id, instance_id: &instance.id };
    match (&draft.user_id, &draft.project_id) {
        (Some(_), Some(_)) => invalid("project_id", "a key belongs to a user or to a project, not to both"),
        (None, Some(project)) => {
            may(by, Deed::Administer, place)?;
            if snapshot.projects.get(project) != Some(&instance.id) {
                return invalid("project_id", "there is no such project in this instance");
            }
            Ok(KeyOwner::Project(project.clone()))
        }
        (named, None) => {
            let Some(user_id) = named.as_ref().or(by.user_id.as_ref()) else {
                return invalid("user_id", "name the user or the project that the key is for");
            };
            let is_own = by.user_id.as_ref() == Some(user_id);
            may(by, if is_own { own_deed(by) } else { Deed::Administer }, place)?;
            let user = snapshot.users.get(user_id).filter(|user| is_own || user.org_id == instance.org_id);
            let Some(user) = user else { return invalid("user_id", "there is no such user in this organization") };
            outranks(by, user, &instance.id, &instance.org_id)?;
            Ok(KeyOwner::User(user.clone()))
        }
    }
}

/// A key acts as its person: nobody takes one of a person who may do more than they may.
fn outranks(by: &Caller, owner: &User, instance_id: &str, org_id: &str) -> Result<(), Denied> {
    let what = "to act for this person";
    if owner.role > by.role {
        return Err(Denied::Level { what, least: "their own role" });
    }
    let own = if instance_id == by.instance.id {
        Some(by.level)
    } else {
        by.user.as_ref().and_then(|user| level(user, instance_id, org_id))
    };
    if level(owner, instance_id, org_id) > own {
        return Err(Denied::Level { what, least: "their own level in the instance" });
    }
    Ok(())
}

/// Known scopes, each once; a key with scopes makes only keys that have no others.
fn scopes(by: &Caller, asked: &[String]) -> Result<Vec<String>, IdentityError> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in asked {
        let Some(known) = SCOPES.iter().find(|known| *known == scope) else {
            return invalid("scopes", format!("\"{scope}\" is none of {}", SCOPES.join(", ")));
        };
        if by.scopes.as_ref().is_some_and(|own| !own.contains(scope)) {
            return Err(Denied::Scope(known).into());
        }
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    match &by.scopes {
        // No scopes would mean all of them.
        Some(own) if scopes.is_empty() => Ok(own.to_vec()),
        _ => Ok(scopes),
    }
}

/// Ids of models the caller may use, each once.
fn models(snapshot: &Snapshot, by: &Caller, asked: Option<Vec<String>>) -> Result<Option<Vec<String>>, IdentityError> {
    let own = by.allowed_models.as_deref();
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
        return Ok(own.map(|own| own.iter().cloned().collect()));
    };
    let mut ids = Vec::new();
    let mut seen = HashSet::new();
    for name in &asked {
        let id = snapshot.aliases.get(name).unwrap_or(name);
        let known = snapshot.models.get(id).filter(|model| by.sees(model));
        if known.is_none() || own.is_some_and(|own| !own.contains(id)) {
            return invalid("allowed_models", format!("there is no model \"{name}\" that you may use"));
        }
        if seen.insert(id) {
            ids.push(id.clone());
        }
    }
    Ok(Some(ids))
}

fn told(row: ApiKeyRow, secret: &str) -> NewApiKey {
    NewApiKey {
        key_id: row.key_id,
        name: row.name,
        instance_id: row.instance_id,
        secret: secret.to_owned(),
        masked: row.masked,
    }
}

fn invalid<T>(field: &'static str, message: impl Into<String>) -> Result<T, IdentityError> {
    Err(IdentityError::Invalid { field, message: message.into() })
}
