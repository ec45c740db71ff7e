//! Tries a credential with the cheapest real call, on the way that all calls take.

use std::{sync::Arc, time::Instant};

use app::types::config::CredentialTest;

use super::{Author, ConfigError, Configuration};
use crate::{
    providers::{
        ChatInput, ChatRequest,
        chat::{Message, Params, Part},
    },
    services::{
        catalog::{Level, Model},
        gateway::{Context, Gateway, Reply},
        identity::{Caller, Deed},
    },
};

/// What records of such calls say of where they came from.
pub const SURFACE: &str = "config.test";

/// Enough for every model; some refuse fewer.
const MOST_TOKENS: u32 = 16;

impl Configuration {
    /// Asks the provider's cheapest text model for a word, in this instance.
    pub async fn test_credential(
        &self,
        gateway: &Gateway,
        author: &Author,
        instance_id: &str,
        provider: &str,
    ) -> Result<CredentialTest, ConfigError> {
        let provider_id = self.supported(provider)?;
        self.instance(&author.caller, instance_id, Deed::Administer)?;
        let snapshot = self.catalog.snapshot();
        let found = snapshot.instances.get(instance_id).cloned();
        let instance = found.ok_or_else(|| ConfigError::NotFound("Instance".to_owned()))?;
        let caller = Caller { instance, level: Level::Owner, allowed_models: None, ..author.caller.as_ref().clone() };
        let mut models: Vec<&Arc<Model>> = snapshot
            .models
            .values()
            .filter(|model| *model.provider.id == *provider_id && model.can("text") && caller.sees(model))
            .filter(|model| model.codec.is_some() && model.status != "deprecated")
            .collect();
        models.sort_by_key(|model| (price(model), model.id.clone()));
        let model = models.first().ok_or_else(|| {
            ConfigError::Refused(format!("There is no text model of {provider_id} to try the key with"))
        })?;
        let request = ChatRequest {
            messages: vec![Message::User(vec![Part::Text("Say OK.".to_owned())])],
            params: Params { max_tokens: Some(MOST_TOKENS), ..Params::default() },
            ..ChatRequest::default()
        };
        let started = Instant::now();
        let context = Context {
            request_id: author.request_id.clone(),
            caller: Arc::new(caller),
            surface: SURFACE,
            caller_request_id: None,
            ip: author.ip.clone(),
            user_agent: author.user_agent.clone(),
            started,
            started_us: self.clock.now_us(),
            timeout: None,
        };
        let input = ChatInput::from_typed(Some(model.id.clone()), false, request);
        let mut test = CredentialTest {
            ok: false,
            provider: provider_id,
            model: model.id.clone(),
            simulated: false,
            latency_ms: 0,
            cost_micro_usd: 0,
            error: None,
            request_id: author.request_id.clone(),
        };
        match gateway.chat(context, input).await {
            Ok(Reply::Whole { facts, .. }) => {
                (test.ok, test.simulated, test.cost_micro_usd) = (true, facts.simulated, facts.cost_micro_usd);
            }
            Ok(Reply::Stream(_)) => test.error = Some("a stream came where none was asked for".to_owned()),
            Err(error) => test.error = Some(error.to_string()),
        }
        test.latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(test)
    }
}

/// What calls cost, roughly; models without a price come last.
fn price(model: &Model) -> i64 {
    let tokens =
        crate::services::catalog::pricing::TokenCounts { input: 100_000, output: 100_000, ..Default::default() };
    match model.pricing.cost_micro_usd(&tokens) {
        0 => i64::MAX,
        price => price,
    }
}
