//! A generation call, step by step: resolve the model, reserve limits, ask the provider, hand the answer on, settle,
//! record. Nothing on this path touches the database.

mod attempt;
pub mod call;
mod collect;
mod error;
pub mod record;
pub mod resolve;
mod stream;
pub mod unwritten;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use app::types::LimitState;
pub use call::{Context, Facts};
pub use error::{GatewayError, Source};
pub use record::Recorder;
pub use stream::ChatStream;

use self::{call::Call, resolve::Plan};
use super::{
    catalog::{Catalog, Model, pricing::TokenCounts},
    limits::{Demand, Limiter, Origin},
};
use crate::{
    clock::Clock,
    providers::{ChatInput, Completion, Target, chat::Message, chat::Part, transport::Transport},
    services::identity::{Caller, Deed, may},
    settings,
    store::StoreError,
};

/// Generates text through providers.
#[derive(Clone)]
pub struct Gateway {
    catalog: Arc<Catalog>,
    transport: Transport,
    recorder: Recorder,
    limiter: Limiter,
    clock: Clock,
    settings: Arc<settings::Gateway>,
    content_limit: usize,
    simulator: Option<SocketAddr>,
}

/// An answer.
pub enum Reply {
    Whole {
        completion: Box<Completion>,
        facts: Facts,
    },
    /// Not opened yet: see [`ChatStream::opened`].
    Stream(Box<ChatStream>),
}

impl Gateway {
    pub fn new(
        catalog: Arc<Catalog>,
        transport: Transport,
        recorder: Recorder,
        limiter: Limiter,
        clock: Clock,
        settings: &settings::Settings,
        simulator: Option<SocketAddr>,
    ) -> Self {
        Self {
            catalog,
            transport,
            recorder,
            limiter,
            clock,
            settings: Arc::new(settings.gateway.clone()),
            content_limit: settings.recording.content_limit_bytes,
            simulator,
        }
    }

    /// The id of this process, fresh with each start.
    pub fn replica_id(&self) -> &str {
        self.limiter.replica_id()
    }

    /// Records that wait, and how many may.
    pub fn records_waiting(&self) -> (usize, usize) {
        self.recorder.depth()
    }

    /// Where the simulator listens, when it is on.
    pub fn simulator(&self) -> Option<SocketAddr> {
        self.simulator
    }

    /// What calls are counted with.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// How far a limit is used; one that counts for each instance by itself, in this one. Of one that is not active, nothing.
    pub async fn limit_state(&self, limit_id: &str, instance_id: &str) -> Result<LimitState, StoreError> {
        let snapshot = self.catalog.snapshot();
        let states = self.limiter.state(&snapshot.limits, limit_id, &[instance_id.to_owned()]).await?;
        let inactive = || LimitState { limit_id: limit_id.to_owned(), ..LimitState::default() };
        Ok(states.into_iter().next().unwrap_or_else(inactive))
    }

    /// The model that a name means for this caller, without calling it. `None` and `auto` need the prompt.
    pub fn model(&self, name: &str, caller: &Caller) -> Result<Arc<Model>, GatewayError> {
        resolve::model(&self.catalog.snapshot(), name, caller)
    }

    /// Whether a call would reach something: `Ok(simulated)`, or why not.
    pub fn availability(&self, model: Arc<Model>, instance_id: &str) -> Result<bool, GatewayError> {
        resolve::plan(&self.catalog.snapshot(), model, instance_id, self.simulator).map(|plan| plan.target.simulated)
    }

    /// Where a model is called for an instance, with what credential.
    pub fn target(&self, model: &str, caller: &Caller) -> Result<Target, GatewayError> {
        let snapshot = self.catalog.snapshot();
        let model = resolve::model(&snapshot, model, caller)?;
        resolve::plan(&snapshot, model, &caller.instance.id, self.simulator).map(|plan| plan.target)
    }

    /// The connections to providers.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Answers a chat call, whole or as a stream, and records it whatever happens.
    pub async fn chat(&self, context: Context, input: ChatInput) -> Result<Reply, GatewayError> {
        let slot = self.recorder.reserve().await.ok_or(GatewayError::Stopping)?;
        let caller = context.caller.clone();
        let timeout =
            context.timeout.map_or(self.settings.total_timeout, |asked| asked.min(self.settings.total_timeout));
        let deadline = tokio::time::Instant::from_std(context.started + timeout);
        let mut call = Call::new(context, slot, self.clock.clone(), Some(&input), self.content_limit);
        let plan = match self.admit(&mut call, &input, &caller).await {
            Ok(plan) => plan,
            Err(error) => {
                call.fail(&error);
                return Err(error);
            }
        };
        if input.stream {
            let (gateway, log) = (self.clone(), call.log());
            let opening = Box::pin(async move { gateway.open(&plan, &input, &log, deadline).await });
            return Ok(Reply::Stream(Box::new(ChatStream::new(call, opening))));
        }
        match self.ask(&plan, &input, &call.log(), deadline).await {
            Ok(completion) => {
                let facts = call.complete(&completion);
                Ok(Reply::Whole { completion, facts })
            }
            Err(error) => {
                call.fail(&error);
                Err(error)
            }
        }
    }

    /// Records a call that is wrong before it is one, and hands its error back.
    pub async fn refuse(&self, context: Context, model: Option<String>, error: GatewayError) -> GatewayError {
        if let Some(slot) = self.recorder.reserve().await {
            let mut call = Call::new(context, slot, self.clock.clone(), None, self.content_limit);
            call.asked(model);
            call.fail(&error);
        }
        error
    }

    /// Everything that can be decided before the provider is asked.
    async fn admit(&self, call: &mut Call, input: &ChatInput, caller: &Caller) -> Result<Plan, GatewayError> {
        may(caller, Deed::Generate, caller.place())?;
        let snapshot = self.catalog.snapshot();
        let name = input.model.as_deref().unwrap_or(&self.settings.default_model);
        let model = if name == "auto" {
            let prompt = last_prompt(input)?;
            resolve::automatic(&snapshot, &prompt, self.clock.fraction(), caller)?
        } else {
            resolve::model(&snapshot, name, caller)?
        };
        if !model.can("text") {
            return Err(GatewayError::WrongCapability { model: model.id.clone(), wanted: "text" });
        }
        let plan = resolve::plan(&snapshot, model, &caller.instance.id, self.simulator)?;
        call.route(plan.clone());
        if input.stream && plan.codec.decoder(&plan.target).is_none() {
            return Err(GatewayError::CannotStream { model: plan.model.id.clone() });
        }
        let origin = Origin {
            org_id: &caller.instance.org_id,
            instance_id: &caller.instance.id,
            project_id: caller.project_id.as_deref(),
            key_id: caller.key_id.as_deref(),
            provider: &plan.model.provider.id,
            model: &plan.model.id,
        };
        call.reserve(self.limiter.reserve(&snapshot.limits, &origin, demand(input, &plan.model)).await?);
        Ok(plan)
    }
}

/// The most a call is expected to use: its prompt, and the longest answer it allows.
fn demand(input: &ChatInput, model: &Model) -> Demand {
    /// Where neither the caller nor the model's template bounds the answer.
    const USUAL_OUTPUT: u32 = 1_000;
    let template = || model.template.as_ref().and_then(|template| template.default_max_tokens);
    let output = input.max_tokens.or_else(template).unwrap_or(USUAL_OUTPUT).min(model.max_output.unwrap_or(u32::MAX));
    let counts = TokenCounts { input: input.estimated_tokens(), output: output.into(), ..TokenCounts::default() };
    let tokens = i64::try_from(counts.input + counts.output).unwrap_or(i64::MAX);
    Demand { tokens, micro_usd: model.pricing.cost_micro_usd(&counts) }
}

/// The text of the last user turn: what a classification looks at.
fn last_prompt(input: &ChatInput) -> Result<String, GatewayError> {
    let request = input.typed()?;
    let last = request.messages.iter().rev().find_map(|message| match message {
        Message::User(parts) => Some(parts),
        _ => None,
    });
    let texts: Vec<&str> = last
        .into_iter()
        .flatten()
        .filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    Ok(texts.join("\n"))
}

impl Context {
    /// Time since the call came in.
    pub fn elapsed(&self) -> std::time::Duration {
        Instant::now() - self.started
    }
}
