//! How the process runs: the embedded defaults, then a file, then the environment. What people configure in the product
//! (models, keys, limits) is not here but in the database.
//!
//! To add a setting: put it with a comment and its default into `default.toml` and as a field into its struct below.

mod layers;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use crate::{providers::Secret, services::delivery::Range};

pub use layers::{SettingsError, load};

/// The commented default file, as `electrons config print-default` prints it.
pub const DEFAULT: &str = include_str!("default.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub environment: Environment,
    pub server: Server,
    pub database: Database,
    pub storage: Storage,
    pub simulation: Simulation,
    pub gateway: Gateway,
    pub recording: Recording,
    pub router: Router,
    pub sessions: Sessions,
    pub secrets: Secrets,
    pub delivery: Delivery,
    pub log: Log,
    pub providers: BTreeMap<String, ProviderOverride>,
    /// By name; the name is part of the addresses.
    pub oidc: BTreeMap<String, OidcIssuer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Development,
    Production,
}

impl Environment {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub address: SocketAddr,
    pub public_url: String,
    pub body_limit_bytes: usize,
    #[serde(rename = "drain_timeout_ms", deserialize_with = "millis")]
    pub drain_timeout: Duration,
    #[serde(rename = "write_timeout_ms", deserialize_with = "millis")]
    pub write_timeout: Duration,
    pub default_instance: String,
    pub allow_test_keys: bool,
    pub trust_forwarded_for: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// May hold a password.
    pub url: String,
    pub max_connections: u32,
    pub synchronous: Synchronous,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("max_connections", &self.max_connections).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    Normal,
    Full,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    pub data_folder: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    pub mode: SimulationMode,
    pub address: SocketAddr,
    #[serde(rename = "first_byte_ms", deserialize_with = "millis")]
    pub first_byte: Duration,
    #[serde(rename = "per_token_ms", deserialize_with = "millis")]
    pub per_token: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SimulationMode {
    Auto,
    On,
    Off,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    #[serde(rename = "connect_timeout_ms", deserialize_with = "millis")]
    pub connect_timeout: Duration,
    #[serde(rename = "first_byte_timeout_ms", deserialize_with = "millis")]
    pub first_byte_timeout: Duration,
    #[serde(rename = "idle_timeout_ms", deserialize_with = "millis")]
    pub idle_timeout: Duration,
    #[serde(rename = "total_timeout_ms", deserialize_with = "millis")]
    pub total_timeout: Duration,
    pub max_attempts: u32,
    #[serde(rename = "backoff_ms", deserialize_with = "millis")]
    pub backoff: Duration,
    #[serde(rename = "backoff_max_ms", deserialize_with = "millis")]
    pub backoff_max: Duration,
    #[serde(rename = "retry_after_max_ms", deserialize_with = "millis")]
    pub retry_after_max: Duration,
    #[serde(rename = "keep_alive_ms", deserialize_with = "millis")]
    pub keep_alive: Duration,
    pub response_limit_bytes: usize,
    pub default_model: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    pub queue: usize,
    #[serde(rename = "flush_interval_ms", deserialize_with = "millis")]
    pub flush_interval: Duration,
    pub batch: usize,
    pub content_limit_bytes: usize,
    pub log_retention_days: u32,
    pub usage_retention_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// This process carries out work.
    pub workers: bool,
    pub jobs: usize,
    #[serde(rename = "lease_ms", deserialize_with = "millis")]
    pub lease: Duration,
    #[serde(rename = "poll_ms", deserialize_with = "millis")]
    pub poll: Duration,
    #[serde(rename = "attempt_timeout_ms", deserialize_with = "millis")]
    pub attempt_timeout: Duration,
    pub max_waiting: i64,
    pub retention_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    pub days: u32,
    pub link_minutes: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    #[serde(deserialize_with = "secret")]
    pub encryption_key: Secret,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    #[serde(deserialize_with = "words")]
    pub allow_private: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
    pub table_level: LogLevel,
    pub retention_days: u32,
    pub queue: usize,
    #[serde(rename = "flush_interval_ms", deserialize_with = "millis")]
    pub flush_interval: Duration,
}

/// The least level of lines that are kept in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// What the settings say of one provider; the rest is in the catalogue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderOverride {
    pub base_url: Option<String>,
    #[serde(default, deserialize_with = "optional_secret")]
    pub webhook_secret: Option<Secret>,
    #[serde(default, deserialize_with = "optional_secret")]
    pub api_key: Option<Secret>,
}

/// An issuer of OpenID Connect that signs people in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcIssuer {
    /// The words on its button; the name when empty.
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    /// Empty for a public client.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Secret,
    #[serde(deserialize_with = "words", default = "scopes")]
    pub scopes: Vec<String>,
    /// People with a verified e-mail address of these domains get an account at their first sign-in.
    #[serde(deserialize_with = "words")]
    pub create_for_domains: Vec<String>,
    /// Their role, `user` (when empty) or `admin`, their organization (the first, when empty), the instances they may use,
    /// and their level there (`user`, when empty).
    pub role: String,
    pub organization: String,
    #[serde(deserialize_with = "words")]
    pub instances: Vec<String>,
    pub level: String,
}

impl OidcIssuer {
    fn problem(&self, name: &str) -> Option<String> {
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        Some(match self {
            _ if !is_name(name) => format!("\"{name}\" has to be a name of lower-case letters, digits and hyphens"),
            own if reqwest::Url::parse(&own.issuer).is_err() => {
                format!("{name}: issuer is not an address like https://accounts.example.org")
            }
            own if !is_safe(&own.issuer) => format!("{name}: issuer has to begin with https://"),
            own if own.client_id.is_empty() => format!("{name}: client_id is needed"),
            own if !own.scopes.iter().any(|scope| scope == "openid") => format!("{name}: scopes need openid"),
            own if !["", "user", "admin"].contains(&&*own.role) => format!("{name}: role is user or admin"),
            own if !["", "readonly", "user", "admin", "owner"].contains(&&*own.level) => {
                format!("{name}: level is readonly, user, admin or owner")
            }
            _ => return None,
        })
    }
}

impl Settings {
    /// Whether the simulator stands in for providers without a credential.
    pub fn simulation_is_on(&self) -> bool {
        match self.simulation.mode {
            SimulationMode::Auto => self.environment != Environment::Production,
            SimulationMode::On => true,
            SimulationMode::Off => false,
        }
    }

    /// Private addresses that may be called on behalf of callers. In development a server that only this machine reaches may
    /// call this machine.
    pub fn private_ranges(&self) -> Vec<Range> {
        let is_local = self.environment == Environment::Development && self.server.address.ip().is_loopback();
        let own = if is_local { &["127.0.0.0/8", "::1/128"][..] } else { &[] };
        let listed = self.delivery.allow_private.iter().map(String::as_str);
        listed.chain(own.iter().copied()).filter_map(|range| range.parse().ok()).collect()
    }

    /// The instance that `default` means.
    pub fn default_instance(&self) -> &str {
        match self.server.default_instance.as_str() {
            "" => self.environment.as_str(),
            named => named,
        }
    }

    /// Rules that need more than one value, or that a type cannot say.
    fn problems(&self) -> Result<(), (&'static str, String)> {
        let positive: [(&str, bool); 9] = [
            ("gateway.max_attempts", self.gateway.max_attempts > 0),
            ("recording.queue", self.recording.queue > 0),
            ("recording.batch", self.recording.batch > 0),
            ("database.max_connections", self.database.max_connections > 0),
            ("server.body_limit_bytes", self.server.body_limit_bytes >= 1024),
            ("gateway.keep_alive_ms", !self.gateway.keep_alive.is_zero()),
            ("log.queue", self.log.queue >= crate::telemetry::BATCH),
            ("log.flush_interval_ms", !self.log.flush_interval.is_zero()),
            ("log.retention_days", self.log.retention_days > 0),
        ];
        for (key, ok) in positive {
            if !ok {
                return Err((key, "is too small".to_owned()));
            }
        }
        if !self.server.public_url.is_empty() && reqwest::Url::parse(&self.server.public_url).is_err() {
            return Err(("server.public_url", "is not an address like https://ai.example.org".to_owned()));
        }
        if self.log.level.parse::<tracing_subscriber::filter::Targets>().is_err() {
            return Err((
                "log.level",
                "is not a level such as info, nor a filter such as info,server::services::gateway=debug".to_owned(),
            ));
        }
        for provider in self.providers.values() {
            if let Some(url) = &provider.base_url
                && reqwest::Url::parse(url).is_err()
            {
                return Err(("providers", format!("\"{url}\" is not an address like https://api.openai.com/v1")));
            }
        }
        for range in &self.delivery.allow_private {
            if let Err(problem) = range.parse::<Range>() {
                return Err(("delivery.allow_private", problem));
            }
        }
        if let Some(problem) = self.oidc.iter().find_map(|(name, issuer)| issuer.problem(name)) {
            return Err(("oidc", problem));
        }
        Ok(())
    }
}

/// Secrets go over TLS, or do not leave this machine.
pub fn is_safe(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

fn scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).into()
}

/// A list of texts, or one text of words: an environment variable can say no list.
fn words<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Words::deserialize(deserializer)? {
        Words::List(list) => list,
        Words::Text(text) => text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    })
}

fn millis<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(|value| Secret::new(&value))
}

fn optional_secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|value| Secret::new(&value)))
}
