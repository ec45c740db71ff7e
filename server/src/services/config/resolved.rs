//! What an instance's configuration comes to: its limits, models, storage and credentials, wherever they are set.

use serde_json::{Map, Value, json};

use super::{ConfigError, Configuration, check};
use crate::{
    services::identity::Caller,
    store::things::{Instances, Reach, Select, table},
};

impl Configuration {
    /// The sum of an instance's configuration.
    pub async fn resolved(&self, who: &Caller, instance_id: &str) -> Result<Value, ConfigError> {
        let snapshot = self.catalog.snapshot();
        let Some(instance) = snapshot.instances.get(instance_id) else { return Ok(Value::Null) };
        let mut models: Vec<&str> = snapshot
            .models
            .values()
            .filter(|model| model.provider.is_active && model.org_id.as_ref().is_none_or(|org| *org == instance.org_id))
            .map(|model| model.id.as_str())
            .collect();
        models.sort_unstable();
        let mut providers: Vec<_> = snapshot.providers.values().filter(|provider| provider.is_active).collect();
        providers.sort_by_key(|provider| (provider.sort, provider.id.clone()));
        let own = snapshot.credentials.get(instance_id);
        let credentials: Vec<Value> = providers
            .into_iter()
            .filter_map(|provider| {
                let stored = own.is_some_and(|own| own.contains_key(&*provider.id));
                let source = match (stored, provider.environment_key.is_some()) {
                    (true, _) => "instance",
                    (false, true) => "environment",
                    (false, false) => return None,
                };
                Some(json!({ "provider": &*provider.id, "source": source }))
            })
            .collect();
        let bucket = self.get(who, "instance", instance_id).await?.body.remove("r2_bucket");
        Ok(json!({
            "limits": self.limits_of(&instance.org_id, instance_id, &instance.config).await?,
            "models": models,
            "storage": {
                "bucket": bucket,
                "store_contents": instance.store_contents,
                "content_retention_days": instance.content_retention_days,
            },
            "credentials": credentials,
        }))
    }

    /// Limits that count calls of the instance, and those in its own configuration.
    async fn limits_of(&self, org_id: &str, instance_id: &str, config: &Value) -> Result<Vec<Value>, ConfigError> {
        let Some(table) = table("rate-limit") else { return Ok(Vec::new()) };
        let within = Instances::These(vec![instance_id.to_owned()]);
        let mut select =
            Select::first(Reach::Of { org_id: org_id.to_owned(), instances: within }, i64::from(super::MOST));
        select.equal = vec![("is_active".to_owned(), vec!["true".to_owned()])];
        let mut limits: Vec<Value> = self
            .db
            .things(table, &select)
            .await?
            .into_iter()
            .map(|record| {
                let mut shown = check::shown(table.thing, &record.id, &record);
                shown.retain(|name, value| !value.is_null() && !name.ends_with("_at") && name != "is_active");
                shown.into()
            })
            .collect();
        let own = config.get("rate_limits").and_then(Value::as_object);
        limits.extend(own.into_iter().flatten().map(|(provider, limit)| {
            let mut shown = Map::new();
            shown.insert("instance_id".to_owned(), instance_id.into());
            shown.insert("provider".to_owned(), provider.as_str().into());
            for (short, long) in [("rpm", "requests_per_minute"), ("tpm", "tokens_per_minute")] {
                if let Some(value) = limit.get(short).filter(|value| !value.is_null()) {
                    shown.insert(long.to_owned(), value.clone());
                }
            }
            Value::Object(shown)
        }));
        Ok(limits)
    }

    /// A person by their e-mail address, in any case. Of another organization's nothing is told.
    pub async fn user_by_email(&self, who: &Caller, email: &str) -> Result<app::types::config::ThingRow, ConfigError> {
        let unknown = || ConfigError::NotFound("User".to_owned());
        let user = self.db.find_user_by_email(email).await?.ok_or_else(unknown)?;
        match self.get(who, "user", &user.user_id).await {
            Err(ConfigError::Denied(crate::services::identity::Denied::Elsewhere)) => Err(unknown()),
            found => found,
        }
    }
}
