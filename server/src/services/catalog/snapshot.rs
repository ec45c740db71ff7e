//! Everything the hot path has to know, in memory: keys, models, providers, credentials, limits and rules of one
//! configuration version. It is replaced as a whole and never changed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::Value;

use super::pricing::Pricing;
use crate::{
    providers::{Auth, ChatCodec, Secret},
    services::{classify::Rules, delivery::Profiles, limits},
};

/// A state of the configuration.
#[derive(Default)]
pub struct Snapshot {
    pub version: i64,
    /// What the instance name `default` means.
    pub default_instance: String,
    pub organizations: HashMap<String, Arc<Organization>>,
    pub instances: HashMap<String, Arc<Instance>>,
    /// The instance of each project.
    pub projects: HashMap<String, String>,
    pub users: HashMap<String, Arc<User>>,
    /// By SHA-256 of the key.
    pub keys: HashMap<[u8; 32], Arc<ApiKey>>,
    pub providers: HashMap<String, Arc<Provider>>,
    /// Other names of providers (`gemini` for `google`).
    pub provider_aliases: HashMap<String, String>,
    /// By instance, then provider.
    pub credentials: HashMap<String, HashMap<String, Secret>>,
    pub models: HashMap<String, Arc<Model>>,
    pub aliases: HashMap<String, String>,
    pub limits: limits::Index,
    pub rules: Rules,
    pub profiles: Profiles,
    /// Free settings by key.
    pub settings: HashMap<String, Value>,
}

#[derive(Debug)]
pub struct Organization {
    pub id: String,
    pub name: String,
}

#[derive(Debug)]
pub struct Instance {
    pub id: String,
    pub org_id: String,
    pub name: String,
    pub store_contents: bool,
    pub content_retention_days: i64,
    pub created_us: i64,
    /// `{"rate_limits": {provider: {"rpm", "tpm"}}}`, and whatever else was configured.
    pub config: Value,
}

#[derive(Debug)]
pub struct User {
    pub id: String,
    pub org_id: String,
    pub email: String,
    pub name: String,
    pub role: app::types::Role,
    pub is_active: bool,
    pub access: HashMap<String, Level>,
}

/// What a person may do in one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Readonly,
    User,
    Admin,
    Owner,
}

impl Level {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "readonly" => Self::Readonly,
            "user" => Self::User,
            "admin" => Self::Admin,
            "owner" => Self::Owner,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readonly => "readonly",
            Self::User => "user",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

#[derive(Debug, Clone)]
pub struct ApiKey {
    pub id: String,
    pub org_id: String,
    pub instance_id: String,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub name: String,
    /// `None`: everything its owner may.
    pub scopes: Option<Arc<[String]>>,
    /// `None`: every model.
    pub allowed_models: Option<HashSet<String>>,
    pub expires_us: Option<i64>,
    pub created_us: i64,
}

pub struct Provider {
    pub id: Arc<str>,
    pub display_name: String,
    /// `None` is an external provider: its work is delivered from outside.
    pub adapter: Option<String>,
    pub base_url: Arc<str>,
    /// Base of relative endpoints in payload mappings, where it differs from `base_url`.
    pub mapping_base_url: Option<Arc<str>>,
    pub auth: Auth,
    pub headers: Arc<[(String, String)]>,
    /// From the process environment or the settings; a credential stored for an instance wins.
    pub environment_key: Option<Secret>,
    /// Environment variables that may hold it.
    pub environment_names: Vec<String>,
    /// For work that names the provider and nothing else.
    pub default_model: Option<String>,
    /// What its messages are signed with.
    pub webhook_secret: Option<Secret>,
    pub is_active: bool,
    pub sort: i64,
}

impl Provider {
    pub fn needs_credential(&self) -> bool {
        self.auth != Auth::None
    }
}

pub struct Model {
    pub id: String,
    pub display_name: String,
    pub description: String,
    pub provider: Arc<Provider>,
    pub codec: Option<&'static dyn ChatCodec>,
    /// The model's name at the upstream.
    pub upstream: Arc<str>,
    pub capabilities: Vec<String>,
    pub pricing: Pricing,
    pub supports: Vec<String>,
    pub lacks: Arc<[String]>,
    pub context: Option<u64>,
    pub max_output: Option<u32>,
    /// Limits of this model for each instance, besides those of its provider.
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    pub mapping: Option<Arc<Value>>,
    pub template: Option<PromptTemplate>,
    pub status: String,
    /// `None`: everyone's.
    pub org_id: Option<String>,
    /// In the catalogue, unlike a name that is only passed on to its provider.
    pub is_listed: bool,
    pub created_us: i64,
}

impl Model {
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }
}

/// What a model adds to every prompt.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct PromptTemplate {
    pub system_prompt: Option<String>,
    /// Text around the prompt, which stands at `{user_prompt}`.
    pub user_prompt_wrapper: Option<String>,
    pub default_temperature: Option<f64>,
    pub default_max_tokens: Option<u32>,
    pub stop_sequences: Vec<String>,
}

impl Snapshot {
    /// The provider of this id or alias.
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(name).or_else(|| self.providers.get(self.provider_aliases.get(name)?))
    }

    /// The instance of this id, else of this name within the organization; `default` always resolves.
    pub fn instance(&self, name: &str, org_id: Option<&str>) -> Option<&Arc<Instance>> {
        let name = if name == "default" { &self.default_instance } else { name };
        self.instances.get(name).or_else(|| {
            let mut named =
                self.instances.values().filter(|i| i.name == name && org_id.is_none_or(|org| i.org_id == org));
            let found = named.next()?;
            named.next().is_none().then_some(found)
        })
    }
}
