//! Which limits a call has to keep, found without building a name: each limit lies under the narrowest thing it names.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use super::{
    Meters,
    meter::{Caps, Pool},
};
use crate::store::{limits::LimitRow, usage::UsageScope};

/// A limit as the hot path reads it.
#[derive(Debug)]
pub struct Limit {
    pub id: Arc<str>,
    pub caps: Caps,
    /// Least seconds until the next try is advised.
    pub cooldown_s: i64,
    pub warn_percent: i64,
    /// Whose calls it counts; those that match all that is named.
    pub scope: UsageScope,
    /// Its counters, which outlive the snapshot.
    pub(super) meters: OnceLock<Arc<Meters>>,
}

/// Who calls what.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub org_id: &'a str,
    pub instance_id: &'a str,
    pub project_id: Option<&'a str>,
    pub key_id: Option<&'a str>,
    pub provider: &'a str,
    pub model: &'a str,
}

/// All limits of a configuration.
#[derive(Debug, Default)]
pub struct Index {
    keys: HashMap<String, Vec<Arc<Limit>>>,
    projects: HashMap<String, Vec<Arc<Limit>>>,
    models: HashMap<String, Vec<Arc<Limit>>>,
    instances: HashMap<String, Vec<Arc<Limit>>>,
    providers: HashMap<String, Vec<Arc<Limit>>>,
    organizations: HashMap<String, Vec<Arc<Limit>>>,
    everything: Vec<Arc<Limit>>,
}

impl Limit {
    /// From a row; names in it are taken as they are.
    pub fn from_row(row: LimitRow) -> Self {
        Self {
            id: row.id.into(),
            caps: [
                row.burst_limit,
                row.requests_per_minute,
                row.tokens_per_minute,
                row.concurrent_requests,
                row.tokens_per_day,
                row.budget_day_micro_usd,
                row.budget_month_micro_usd,
            ],
            cooldown_s: row.cooldown_seconds,
            warn_percent: row.warn_percent,
            scope: UsageScope {
                org_id: row.org_id,
                instance_id: row.instance_id,
                project_id: row.project_id,
                key_id: row.key_id,
                provider: row.provider,
                model: row.model,
            },
            meters: OnceLock::new(),
        }
    }

    /// `{"rpm", "tpm"}` of a model or of an instance's configuration.
    pub fn of_rates(id: String, scope: UsageScope, rpm: Option<u64>, tpm: Option<u64>) -> Self {
        let number = |cap: Option<u64>| cap.map(|cap| i64::try_from(cap).unwrap_or(i64::MAX));
        let row = LimitRow {
            id,
            requests_per_minute: number(rpm),
            tokens_per_minute: number(tpm),
            warn_percent: 100,
            ..LimitRow::default()
        };
        Self { scope, ..Self::from_row(row) }
    }

    pub fn cap(&self, pool: Pool) -> Option<i64> {
        self.caps[pool as usize]
    }

    /// Names nobody's calls, so it counts for each instance by itself.
    pub fn is_for_each_instance(&self) -> bool {
        let scope = &self.scope;
        [&scope.org_id, &scope.instance_id, &scope.project_id, &scope.key_id].into_iter().all(Option::is_none)
    }

    /// What it counts separately: the instance, or nothing.
    pub fn target<'a>(&self, instance_id: &'a str) -> &'a str {
        if self.is_for_each_instance() { instance_id } else { "" }
    }

    /// Whose usage it counts at a target.
    pub fn scope_at(&self, target: &str) -> UsageScope {
        let mut scope = self.scope.clone();
        if !target.is_empty() {
            scope.instance_id = Some(target.to_owned());
        }
        scope
    }

    pub fn has_quota(&self) -> bool {
        Pool::ALL.into_iter().any(|pool| pool.is_quota() && self.cap(pool).is_some())
    }

    /// What it limits, in words.
    pub fn subject(&self) -> &str {
        let scope = &self.scope;
        if let Some(model) = &scope.model {
            model
        } else if let Some(provider) = &scope.provider {
            provider
        } else if scope.key_id.is_some() {
            "this API key"
        } else if scope.project_id.is_some() {
            "this project"
        } else if scope.org_id.is_some() && scope.instance_id.is_none() {
            "this organization"
        } else {
            "this instance"
        }
    }

    fn applies(&self, origin: &Origin<'_>) -> bool {
        let same = |named: &Option<String>, is: Option<&str>| named.as_deref().is_none_or(|named| is == Some(named));
        let scope = &self.scope;
        same(&scope.key_id, origin.key_id)
            && same(&scope.project_id, origin.project_id)
            && same(&scope.model, Some(origin.model))
            && same(&scope.instance_id, Some(origin.instance_id))
            && same(&scope.provider, Some(origin.provider))
            && same(&scope.org_id, Some(origin.org_id))
    }
}

impl Index {
    /// Leaves out limits that limit nothing.
    pub fn new(limits: impl IntoIterator<Item = Limit>) -> Self {
        let mut index = Self::default();
        for limit in limits.into_iter().filter(|limit| limit.caps.iter().any(Option::is_some)) {
            let scope = limit.scope.clone();
            let place = if let Some(id) = scope.key_id {
                index.keys.entry(id).or_default()
            } else if let Some(id) = scope.project_id {
                index.projects.entry(id).or_default()
            } else if let Some(id) = scope.model {
                index.models.entry(id).or_default()
            } else if let Some(id) = scope.instance_id {
                index.instances.entry(id).or_default()
            } else if let Some(id) = scope.provider {
                index.providers.entry(id).or_default()
            } else if let Some(id) = scope.org_id {
                index.organizations.entry(id).or_default()
            } else {
                &mut index.everything
            };
            place.push(Arc::new(limit));
        }
        index
    }

    /// The limits of a call.
    pub fn of<'a>(&'a self, origin: &'a Origin<'_>) -> impl Iterator<Item = &'a Arc<Limit>> {
        [
            origin.key_id.and_then(|id| self.keys.get(id)),
            origin.project_id.and_then(|id| self.projects.get(id)),
            self.models.get(origin.model),
            self.instances.get(origin.instance_id),
            self.providers.get(origin.provider),
            self.organizations.get(origin.org_id),
            Some(&self.everything),
        ]
        .into_iter()
        .flatten()
        .flatten()
        .filter(|limit| limit.applies(origin))
    }

    /// The limit of this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Limit>> {
        self.all().find(|limit| &*limit.id == id)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Limit>> {
        [&self.keys, &self.projects, &self.models, &self.instances, &self.providers, &self.organizations]
            .into_iter()
            .flat_map(HashMap::values)
            .flatten()
            .chain(&self.everything)
    }
}
