//! Keys that instances have for providers, and what developers' tools need. They are sealed before they are stored, and
//! a provider's key is never told again.

use app::types::config::{CredentialSource, CredentialState};
use serde_json::{Value, json};

use super::{Author, ConfigError, Configuration, masked, place::Where};
use crate::{
    providers::Secret,
    services::{
        catalog::Provider,
        identity::{Caller, Deed, may},
        vault,
    },
    store::{
        Hidden, StoreError,
        audit::AuditEntry,
        things::{Change, Write, table},
    },
};

/// What a developer's credential may be.
pub const DEV_TYPES: [&str; 3] = ["cloudflare_api_token", "cloudflare_account_id", "github_token"];

/// Longest secret, in bytes.
const MAX_SECRET: usize = 8_192;

impl Configuration {
    /// Every active provider, with where its key for this instance comes from.
    pub async fn credentials(&self, who: &Caller, instance_id: &str) -> Result<Vec<CredentialState>, ConfigError> {
        self.instance(who, instance_id, Deed::Read)?;
        let stored = self.db.credentials_of_instance(instance_id).await?;
        let snapshot = self.catalog.snapshot();
        let mut providers: Vec<_> = snapshot.providers.values().filter(|provider| provider.is_active).collect();
        providers.sort_by_key(|provider| (provider.sort, provider.id.clone()));
        let states = providers.into_iter().map(|provider| {
            let own = stored.iter().find(|row| row.provider_id == *provider.id);
            CredentialState {
                provider: provider.id.to_string(),
                provider_name: provider.display_name.clone(),
                source: source(provider, own.is_some()),
                masked: own.map(|row| row.masked.clone()),
                updated_us: own.map(|row| row.updated_us),
                variables: provider.environment_names.clone(),
            }
        });
        Ok(states.collect())
    }

    /// Stores an instance's key for a provider, in place of the one before; answers when.
    pub async fn set_credential(
        &self,
        author: &Author,
        instance_id: &str,
        provider: &str,
        key: &str,
    ) -> Result<i64, ConfigError> {
        let provider_id = self.supported(provider)?;
        let place = self.instance(&author.caller, instance_id, Deed::Administer)?;
        let key = secret("api_key", key)?;
        let sealed = self
            .vault
            .seal(&vault::provider_key(instance_id, &provider_id), &Secret::new(key))
            .map_err(|error| ConfigError::Refused(error.to_string()))?;
        let now_us = self.clock.now_us();
        let change = Change::Credential {
            instance_id: instance_id.to_owned(),
            provider_id: provider_id.clone(),
            sealed: Some((Hidden::new(sealed), masked(key))),
            now_us,
        };
        let details = json!({ "masked": masked(key) });
        self.secret_change(author, &place, "provider_key.set", &provider_id, details, change, now_us).await?;
        Ok(now_us)
    }

    /// Removes a key for good.
    pub async fn delete_credential(
        &self,
        author: &Author,
        instance_id: &str,
        provider: &str,
    ) -> Result<(), ConfigError> {
        let place = self.instance(&author.caller, instance_id, Deed::Administer)?;
        let provider_id = self.supported(provider)?;
        let now_us = self.clock.now_us();
        let change = Change::Credential {
            instance_id: instance_id.to_owned(),
            provider_id: provider_id.clone(),
            sealed: None,
            now_us,
        };
        let done = self.secret_change(author, &place, "provider_key.deleted", &provider_id, json!({}), change, now_us);
        done.await.map_err(|error| absent(error, || "Provider key not found".to_owned()))
    }

    /// The id of a provider that a key may be stored for, by any of its names.
    pub fn supported(&self, name: &str) -> Result<String, ConfigError> {
        let name = name.trim().to_lowercase();
        let snapshot = self.catalog.snapshot();
        if let Some(provider) = snapshot.provider(&name) {
            return Ok(provider.id.to_string());
        }
        if let Some(provider) = table("provider").and_then(|table| self.drafted(table, &name)) {
            return Ok(provider.id);
        }
        let mut names: Vec<&str> = snapshot.providers.keys().map(String::as_str).collect();
        names.extend(snapshot.provider_aliases.keys().map(String::as_str));
        names.sort_unstable();
        Err(ConfigError::field("provider", format!("Unsupported provider: {name}. Supported: {}", names.join(", "))))
    }

    /// A live instance in which the caller may do this.
    pub(super) fn instance(&self, who: &Caller, instance_id: &str, deed: Deed) -> Result<Where, ConfigError> {
        let snapshot = self.catalog.snapshot();
        let known = snapshot.instances.get(instance_id).map(|instance| instance.org_id.clone());
        let drafted = || table("instance").and_then(|table| self.drafted(table, instance_id));
        let org_id = known.or_else(|| drafted()?.text("org_id").map(str::to_owned));
        let org_id = org_id.ok_or_else(|| ConfigError::NotFound("Instance".to_owned()))?;
        let place = Where::Instance { org_id, instance_id: instance_id.to_owned() };
        may(who, deed, place.place())?;
        Ok(place)
    }

    /// Types and times of the organization's developer credentials.
    pub async fn dev_credentials(&self, who: &Caller) -> Result<Vec<(String, i64)>, ConfigError> {
        may(who, Deed::Read, Where::Organization(who.org_id.clone()).place())?;
        let rows = self.db.dev_credentials(&who.org_id).await?;
        Ok(rows.into_iter().map(|row| (row.credential_type, row.updated_us)).collect())
    }

    /// A developer credential itself; that it was told is in the audit log.
    pub async fn reveal_dev_credential(&self, author: &Author, kind: &str) -> Result<(Secret, i64), ConfigError> {
        let place = self.dev_place(author)?;
        let rows = self.db.dev_credentials(place.org_id()).await?;
        let unknown = || ConfigError::Absent(format!("Credential not found: {kind}"));
        let row = rows.into_iter().find(|row| row.credential_type == kind).ok_or_else(unknown)?;
        let secret = self
            .vault
            .open(&dev_name(place.org_id(), kind), row.sealed.reveal())
            .map_err(|error| ConfigError::Refused(error.to_string()))?;
        let now_us = self.clock.now_us();
        let entry = entry(author, &place, "dev_credential.revealed", kind, json!({}), now_us);
        self.db.append_audit(&entry).await?;
        Ok((secret, row.updated_us))
    }

    pub async fn set_dev_credential(&self, author: &Author, kind: &str, value: &str) -> Result<i64, ConfigError> {
        if !DEV_TYPES.contains(&kind) {
            return Err(ConfigError::field(
                "credential_type",
                format!("Unsupported credential type: {kind}. Supported: {}", DEV_TYPES.join(", ")),
            ));
        }
        let place = self.dev_place(author)?;
        let value = secret("value", value)?;
        let sealed = self
            .vault
            .seal(&dev_name(place.org_id(), kind), &Secret::new(value))
            .map_err(|error| ConfigError::Refused(error.to_string()))?;
        let now_us = self.clock.now_us();
        let change = Change::DevCredential {
            org_id: place.org_id().to_owned(),
            kind: kind.to_owned(),
            sealed: Some(Hidden::new(sealed)),
            now_us,
        };
        self.secret_change(author, &place, "dev_credential.set", kind, json!({}), change, now_us).await?;
        Ok(now_us)
    }

    pub async fn delete_dev_credential(&self, author: &Author, kind: &str) -> Result<(), ConfigError> {
        let place = self.dev_place(author)?;
        let now_us = self.clock.now_us();
        let change =
            Change::DevCredential { org_id: place.org_id().to_owned(), kind: kind.to_owned(), sealed: None, now_us };
        let done = self.secret_change(author, &place, "dev_credential.deleted", kind, json!({}), change, now_us);
        done.await.map_err(|error| absent(error, || format!("Credential not found: {kind}")))
    }

    fn dev_place(&self, author: &Author) -> Result<Where, ConfigError> {
        let place = Where::Organization(author.caller.org_id.clone());
        may(&author.caller, Deed::Administer, place.place())?;
        Ok(place)
    }

    #[expect(clippy::too_many_arguments, reason = "one line of the audit log has that many parts")]
    async fn secret_change(
        &self,
        author: &Author,
        place: &Where,
        action: &str,
        target: &str,
        details: Value,
        change: Change,
        now_us: i64,
    ) -> Result<(), ConfigError> {
        let audit = entry(author, place, action, target, details, now_us);
        Ok(self.put(vec![Write { change, audit: Some(audit) }]).await?)
    }
}

/// What a credential's absence is called.
fn absent(error: ConfigError, what: impl FnOnce() -> String) -> ConfigError {
    match error {
        ConfigError::Store(StoreError::NotFound) => ConfigError::Absent(what()),
        error => error,
    }
}

fn entry(author: &Author, place: &Where, action: &str, target: &str, details: Value, time_us: i64) -> AuditEntry {
    let kind = action.split('.').next().unwrap_or_default().to_owned();
    AuditEntry {
        org_id: place.org_id().to_owned(),
        time_us,
        actor: author.actor(),
        action: action.to_owned(),
        target: (kind, target.to_owned(), target.to_owned()),
        instance_id: place.instance_id().map(str::to_owned),
        outcome: "succeeded",
        details,
    }
}

/// The name under which a developer credential is sealed.
fn dev_name(org_id: &str, kind: &str) -> String {
    format!("dev_credentials:{org_id}:{kind}")
}

/// A secret that can be sent in a header.
fn secret<'a>(field: &'static str, value: &'a str) -> Result<&'a str, ConfigError> {
    let value = value.trim();
    if value.len() > MAX_SECRET || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ConfigError::field(
            field,
            format!("{field} must be at most {MAX_SECRET} characters without spaces"),
        ));
    }
    Ok(value)
}

fn source(provider: &Provider, is_stored: bool) -> CredentialSource {
    match (is_stored, provider.environment_key.is_some(), provider.needs_credential()) {
        (true, ..) => CredentialSource::Instance,
        (_, true, _) => CredentialSource::Environment,
        (_, _, false) => CredentialSource::NotNeeded,
        _ => CredentialSource::Missing,
    }
}
