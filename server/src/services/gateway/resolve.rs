//! From the name a caller wrote to the provider, model and credential that will answer.

use std::{net::SocketAddr, sync::Arc};

use super::GatewayError;
use crate::{
    providers::{self, ChatCodec, Secret, Target},
    sandbox,
    services::{
        catalog::{Model, Provider, Snapshot, pricing::Pricing},
        classify::{self, NoRoute, TaskType},
        identity::Caller,
    },
};

/// Beginnings of model names that tell the provider.
const PREFIXES: [(&str, &str); 9] = [
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("davinci", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "google"),
    ("command-", "cohere"),
];

/// Where a call goes.
#[derive(Clone)]
pub struct Plan {
    pub model: Arc<Model>,
    pub codec: &'static dyn ChatCodec,
    pub target: Target,
}

/// The model of a name, in this order: exact id, alias, `provider/model`, `provider:model`, a known prefix.
pub fn model(snapshot: &Snapshot, name: &str, caller: &Caller) -> Result<Arc<Model>, GatewayError> {
    let found = listed(snapshot, name, caller)
        .or_else(|| qualified(snapshot, name, '/', caller))
        .or_else(|| qualified(snapshot, name, ':', caller))
        .or_else(|| {
            let (_, provider) = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix))?;
            Some(unlisted(active(snapshot, provider)?, name))
        })
        .ok_or_else(|| GatewayError::UnknownModel { asked: name.to_owned(), near: near(snapshot, name, caller) })?;
    permitted(found, name, caller)
}

/// The model that the routing rules choose for a text task. `fraction` in 0..1 decides between weighted routes.
pub fn automatic(
    snapshot: &Snapshot,
    prompt: &str,
    fraction: f64,
    caller: &Caller,
) -> Result<Arc<Model>, GatewayError> {
    let found = classify::classify(&snapshot.rules, prompt, Some(TaskType::Text));
    let ask = classify::Ask::new(TaskType::Text, found.subtask);
    let chosen = classify::route(snapshot, caller, &ask, fraction).map_err(|error| match error {
        NoRoute::NoRule(_) => GatewayError::UnknownModel { asked: "auto".to_owned(), near: Vec::new() },
        NoRoute::Model(error) => error,
    })?;
    match listed(snapshot, &chosen.model, caller) {
        Some(found) => permitted(found, &chosen.model, caller),
        None => model(snapshot, &format!("{}/{}", chosen.provider, chosen.model), caller),
    }
}

/// The address, credential and wire format of a model for one instance. `simulator` is its listener, when it is on.
pub fn plan(
    snapshot: &Snapshot,
    model: Arc<Model>,
    instance_id: &str,
    simulator: Option<SocketAddr>,
) -> Result<Plan, GatewayError> {
    let provider = &model.provider;
    let missing = || GatewayError::MissingCredential { provider: provider.id.to_string() };
    let codec = model.codec.ok_or_else(missing)?;
    let credential = snapshot
        .credentials
        .get(instance_id)
        .and_then(|of_instance| of_instance.get(&*provider.id))
        .or(provider.environment_key.as_ref())
        .cloned();
    let is_mapped = model.mapping.is_some();
    let base = if is_mapped { provider.mapping_base_url.as_ref() } else { None };
    let real = base.unwrap_or(&provider.base_url).clone();
    let (base_url, credential, simulated) = match (credential, simulator) {
        (Some(credential), _) => (real, Some(credential), false),
        (None, _) if !provider.needs_credential() => (real, None, false),
        (None, Some(address)) => {
            let path = sandbox::base_path(&provider.id).ok_or_else(missing)?;
            (format!("http://{address}{path}").into(), Some(Secret::new("simulated")), true)
        }
        (None, None) => return Err(missing()),
    };
    let target = Target {
        provider: provider.id.clone(),
        base_url,
        model: model.upstream.clone(),
        credential,
        auth: provider.auth.clone(),
        headers: provider.headers.clone(),
        lacks: model.lacks.clone(),
        max_output: model.max_output,
        mapping: model.mapping.clone(),
        simulated,
    };
    Ok(Plan { model, codec, target })
}

/// The model, if the key may use it under this name.
fn permitted(found: Arc<Model>, name: &str, caller: &Caller) -> Result<Arc<Model>, GatewayError> {
    let may =
        caller.allowed_models.as_ref().is_none_or(|allowed| allowed.contains(&found.id) || allowed.contains(name));
    if may { Ok(found) } else { Err(GatewayError::ModelNotAllowed { model: name.to_owned() }) }
}

fn active<'a>(snapshot: &'a Snapshot, provider: &str) -> Option<&'a Arc<Provider>> {
    snapshot.provider(provider).filter(|provider| provider.is_active)
}

fn listed(snapshot: &Snapshot, name: &str, caller: &Caller) -> Option<Arc<Model>> {
    let model = snapshot.models.get(name).or_else(|| snapshot.models.get(snapshot.aliases.get(name)?))?;
    (caller.sees(model) && model.provider.is_active).then(|| model.clone())
}

fn qualified(snapshot: &Snapshot, name: &str, separator: char, caller: &Caller) -> Option<Arc<Model>> {
    let (provider, model) = name.split_once(separator)?;
    let provider = active(snapshot, provider)?;
    if model.is_empty() {
        return None;
    }
    match listed(snapshot, model, caller) {
        Some(known) if known.provider.id == provider.id => Some(known),
        _ => Some(unlisted(provider, model)),
    }
}

/// A model that only its provider knows: no price, no limits of its own.
fn unlisted(provider: &Arc<Provider>, name: &str) -> Arc<Model> {
    Arc::new(Model {
        id: format!("{}/{name}", provider.id),
        display_name: name.to_owned(),
        description: String::new(),
        provider: provider.clone(),
        codec: provider.adapter.as_deref().and_then(providers::chat_codec),
        upstream: name.into(),
        capabilities: vec!["text".to_owned()],
        pricing: Pricing::default(),
        supports: Vec::new(),
        lacks: Arc::new([]),
        context: None,
        max_output: None,
        requests_per_minute: None,
        tokens_per_minute: None,
        mapping: None,
        template: None,
        status: "active".to_owned(),
        org_id: None,
        is_listed: false,
        created_us: 0,
    })
}

/// Up to three names that the caller may have meant.
fn near(snapshot: &Snapshot, asked: &str, caller: &Caller) -> Vec<String> {
    let asked = asked.to_lowercase();
    let mut scored: Vec<(f64, &str)> = snapshot
        .models
        .keys()
        .chain(snapshot.aliases.keys())
        .map(String::as_str)
        .filter(|name| listed(snapshot, name, caller).is_some())
        .map(|name| (strsim::jaro_winkler(&asked, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.82)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}
