//! Text by any model that the gateway can call.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use serde_json::json;

use super::{Failure, Inner, Kind, Outcome, Work};
use crate::{
    providers::ErrorClass,
    services::{
        delivery::Output,
        gateway::{Context, GatewayError, Reply, Source},
        identity::IdentityError,
        limits::LimitError,
        text::{self, TextRequest},
    },
};

const SECOND_US: i64 = 1_000_000;

pub struct Text;

#[async_trait]
impl Kind for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    async fn run(&self, router: &Inner, work: &mut Work) -> Outcome {
        let Some((request, body)) = &work.request else {
            return Outcome::Failed(Failure::lasting("invalid", "the job belongs to no request"));
        };
        let caller =
            router.identity.as_before(request.key_id.as_deref(), request.user_id.as_deref(), &request.instance_id);
        let mut caller = match caller {
            Ok(caller) => caller,
            Err(error) => return Outcome::Failed(refused(&error)),
        };
        caller.project_id = caller.project_id.or_else(|| request.project_id.clone());
        let mut asked: TextRequest = match serde_json::from_value(body.input.clone()) {
            Ok(asked) => asked,
            Err(error) => return Outcome::Failed(Failure::lasting("invalid", error.to_string())),
        };
        asked.prompt = Some(body.query.clone());
        asked.model_id = None;
        asked.model = Some(format!("{}/{}", work.job.queue, work.job.model));
        let context = Context {
            request_id: router.clock.new_id().to_string(),
            caller: Arc::new(caller),
            surface: "job",
            caller_request_id: Some(request.id.clone()),
            ip: None,
            user_agent: None,
            started: Instant::now(),
            started_us: router.clock.now_us(),
            timeout: None,
        };
        let call_id = context.request_id.clone();
        let done = match text::prepare(&router.gateway, &context.caller, asked, false) {
            Ok(input) => router.gateway.chat(context, input).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(Reply::Whole { completion, facts }) => {
                let content =
                    completion.choices.into_iter().next().and_then(|choice| choice.content).unwrap_or_default();
                let usage = json!({
                    "input_tokens": facts.usage.input,
                    "output_tokens": facts.usage.output,
                    "cost_micro_usd": facts.cost_micro_usd,
                });
                let output = Output {
                    content_type: "text".to_owned(),
                    content,
                    raw: None,
                    provider: facts.provider,
                    model: facts.model,
                    usage: Some(usage),
                };
                Outcome::Done { output, call_id: Some(call_id) }
            }
            Ok(Reply::Stream(_)) => Outcome::Failed(Failure::lasting("invalid", "a stream was not asked for")),
            Err(error) => failed(router, &error, call_id),
        }
    }
}

/// The caller of then may not any more.
pub fn refused(error: &IdentityError) -> Failure {
    let mut failure = Failure::lasting("forbidden", format!("whoever asked for this may not any more: {error}"));
    failure.is_retryable = matches!(error, IdentityError::Store(_) | IdentityError::Busy);
    failure
}

/// What a failed call means for its job.
pub fn failed(router: &Inner, error: &GatewayError, call_id: String) -> Outcome {
    let wait_us = error.retry_after().map(|wait| i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
    match error {
        GatewayError::Limited(LimitError::Refused(refusal)) => {
            let wait_us = if refusal.is_passing { SECOND_US / 2 } else { wait_us.unwrap_or(SECOND_US) };
            return Outcome::Snoozed {
                until_us: router.now_us().saturating_add(wait_us),
                reason: refusal.message.clone(),
                closes: true,
            };
        }
        GatewayError::Limited(_) | GatewayError::Stopping => {
            return Outcome::Snoozed {
                until_us: router.now_us() + wait_us.unwrap_or(SECOND_US),
                reason: error.to_string(),
                closes: false,
            };
        }
        GatewayError::Provider { provider, error: upstream } if upstream.class == ErrorClass::RateLimit => {
            return Outcome::Snoozed {
                until_us: router.now_us().saturating_add(wait_us.unwrap_or(10 * SECOND_US)),
                reason: format!("rate limit of {provider}"),
                closes: true,
            };
        }
        _ => {}
    }
    let is_providers = error.source() == Source::Provider;
    let is_retryable = is_providers
        && match error {
            GatewayError::Provider { error, .. } => {
                !matches!(error.class, ErrorClass::Auth | ErrorClass::Billing | ErrorClass::NotFound)
            }
            _ => true,
        };
    Outcome::Failed(Failure {
        class: error.class().to_owned(),
        message: error.to_string(),
        is_retryable,
        wait_us,
        is_providers,
        call_id: Some(call_id),
    })
}
