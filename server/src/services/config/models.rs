//! What models have beyond other things: a history, copies, and mappings that can be tried.

use app::types::config::{FieldRole, MODEL, MappingDraft, MappingPreview, ModelVersion, PreviewedRequest, ThingRow};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Author, ConfigError, Configuration};
use crate::{
    providers::{
        Auth, ChatCodec, ChatInput, ProviderError, Secret, Target, UpstreamRequest,
        mapped::{self, Mapped, Mapping, Outcome},
    },
    services::identity::{Caller, Deed, may},
};

/// Stands where the key would be.
const MASK: &str = "****";

impl Configuration {
    /// The states that a model was in, newest first, without their bodies.
    pub async fn model_versions(&self, who: &Caller, id: &str) -> Result<Vec<ModelVersion>, ConfigError> {
        let model = self.get(who, MODEL.kind, id).await?;
        let rows = self.db.model_versions(&model.id).await?;
        let version = |(version, actor_name, created_us)| ModelVersion { version, actor_name, created_us, body: None };
        Ok(rows.into_iter().map(version).collect())
    }

    /// One of them.
    pub async fn model_version(&self, who: &Caller, id: &str, version: i64) -> Result<ModelVersion, ConfigError> {
        let model = self.get(who, MODEL.kind, id).await?;
        let found = self.db.model_version(&model.id, version).await?;
        let (actor_name, created_us, body) = found.ok_or_else(|| ConfigError::NotFound("Version".to_owned()))?;
        Ok(ModelVersion { version, actor_name, created_us, body: Some(body) })
    }

    /// Makes a model what it was; that is a new version.
    pub async fn restore_model_version(
        &self,
        author: &Author,
        id: &str,
        version: i64,
    ) -> Result<ThingRow, ConfigError> {
        let then = self.model_version(&author.caller, id, version).await?;
        let body = then.body.as_ref().and_then(Value::as_object);
        let fields = MODEL.fields.iter().filter(|field| field.role.is_changeable());
        let was: Map<String, Value> =
            fields.filter_map(|field| Some((field.name.to_owned(), body?.get(field.name)?.clone()))).collect();
        self.update(author, MODEL.kind, id, None, &was).await
    }

    /// A copy of a model under a new model id.
    pub async fn duplicate_model(&self, author: &Author, id: &str, model_id: &str) -> Result<ThingRow, ConfigError> {
        let model = self.get(&author.caller, MODEL.kind, id).await?;
        let mut copy: Map<String, Value> = MODEL
            .fields
            .iter()
            .filter(|field| field.role != FieldRole::Shown)
            .filter_map(|field| Some((field.name.to_owned(), model.body.get(field.name)?.clone())))
            .collect();
        let name = copy.get("display_name").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{name} (copy)");
        copy.insert("display_name".to_owned(), name.into());
        copy.insert("model_id".to_owned(), model_id.into());
        self.create(author, MODEL.kind, &copy).await
    }

    /// What a mapping would send, and what it would read of an answer; nobody is called.
    pub fn preview_mapping(&self, who: &Caller, draft: &MappingDraft) -> Result<MappingPreview, ConfigError> {
        may(who, Deed::Read, super::place::Where::Organization(who.org_id.clone()).place())?;
        let mapping = &draft.payload_mapping;
        let problems = mapped::validate(mapping);
        let mut preview = MappingPreview {
            problems: problems.into_iter().map(|problem| (problem.path, problem.message)).collect(),
            ..MappingPreview::default()
        };
        let Ok(read) = Mapping::read(mapping) else { return Ok(preview) };
        let target = self.preview_target(draft);
        match request(&read, &target, draft) {
            Ok(request) => preview.request = Some(shown(&request)),
            Err(error) => preview.request_error = Some(error.to_string()),
        }
        if let Some(answer) = &draft.answer {
            match read.submitted(&target, answer) {
                Ok(Outcome::Done(output)) => preview.output = Some(output.into()),
                Ok(Outcome::Poll { next, .. }) => {
                    preview.output = Some(json!({ "asks_again": { "method": next.method.as_str(), "url": next.url } }));
                }
                Err(error) => preview.output_error = Some(error.to_string()),
            }
        }
        Ok(preview)
    }

    fn preview_target(&self, draft: &MappingDraft) -> Target {
        let snapshot = self.catalog.snapshot();
        let provider = snapshot.provider(&draft.provider_id);
        let implied = || format!("https://api.{}.com", draft.provider_id).into();
        Target {
            provider: draft.provider_id.as_str().into(),
            base_url: provider.map_or_else(implied, |provider| {
                provider.mapping_base_url.as_ref().unwrap_or(&provider.base_url).clone()
            }),
            model: draft.upstream_model.as_str().into(),
            credential: Some(Secret::new(MASK)),
            auth: provider.map_or(Auth::None, |provider| provider.auth.clone()),
            // They may hold what is secret, too.
            headers: provider
                .map_or_else(Vec::new, |provider| {
                    provider.headers.iter().map(|(name, _)| (name.clone(), MASK.to_owned())).collect()
                })
                .into(),
            lacks: Vec::new().into(),
            max_output: None,
            mapping: Some(draft.payload_mapping.clone().into()),
            simulated: false,
        }
    }
}

fn request(mapping: &Mapping<'_>, target: &Target, draft: &MappingDraft) -> Result<UpstreamRequest, ProviderError> {
    if draft.input.contains_key("messages") {
        let body = Bytes::from(Value::Object(draft.input.clone()).to_string());
        let input = ChatInput::from_openai(body).map_err(ProviderError::from)?;
        return Mapped.request(target, &input, input.stream);
    }
    let mut values = draft.input.clone();
    values.remove("api_key");
    if let Some(prompt) = values.get("prompt").cloned() {
        values.entry("user_prompt").or_insert(prompt);
    }
    values.entry("model").or_insert_with(|| (*target.model).into());
    mapping.request(target, &values, false)
}

fn shown(request: &UpstreamRequest) -> PreviewedRequest {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let as_text = || Value::from(String::from_utf8_lossy(&request.body).into_owned());
    PreviewedRequest {
        method: request.method.to_string(),
        url: request.url.clone(),
        headers: request.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: match request.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&request.body).unwrap_or_else(|_| as_text()),
        },
        dropped: request.dropped.iter().map(|name| (*name).to_owned()).collect(),
    }
}
