//! Work that a provider does over there: submitted once, asked for until it ends. That a submission is about to be made is
//! written before it is made, and the provider's id before anything waits for it, so that whoever takes the job over knows
//! whether something was paid for. What nobody can find out waits for a person.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant};

use super::{Failure, Inner, Kind, Outcome, Work};
use crate::{
    providers::{
        ErrorClass, ProviderError, Target,
        mapped::remote::{self, RemoteOutput, RemoteStatus},
    },
    services::delivery::Output,
};

/// For one call to the provider.
const CALL: Duration = Duration::from_secs(60);
/// The longest wait between two questions.
const LONGEST_US: i64 = 60_000_000;
/// So many questions without an answer, and a person looks at it.
const UNANSWERED: u32 = 20;

pub struct Remote;

/// A submission that is nowhere to be found may still be on its way: it is looked for so often, so long apart, before it is
/// made again.
const LOOKS: u32 = 3;
const LOOK_US: i64 = 10_000_000;

/// What is known of the work outside; kept in the job.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    stage: Stage,
    /// The name of the submission, by which it is found again.
    key: Option<String>,
    /// Times it was looked for in vain.
    looked: u32,
    /// Times it was asked for.
    asked: u32,
    /// Of these, how many in a row were not answered.
    unanswered: u32,
    percent: Option<f64>,
    /// What the provider itself told us, unasked.
    callback: Option<Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    #[default]
    New,
    /// A submission is about to be made, or was made and its answer is not known.
    Submitting,
    Submitted,
}

#[async_trait]
impl Kind for Remote {
    fn name(&self) -> &'static str {
        "remote"
    }

    async fn run(&self, router: &Inner, work: &mut Work) -> Outcome {
        let target = match target(router, work) {
            Ok(target) => target,
            Err(failure) => return Outcome::Failed(failure),
        };
        let progress: Progress = serde_json::from_value(work.job.remote.clone()).unwrap_or_default();
        match (progress.stage, work.job.remote_id.clone()) {
            (_, Some(remote_id)) => ask(router, work, &target, &remote_id, progress).await,
            (Stage::Submitting, None) => find(router, work, &target, progress).await,
            _ => submit(router, work, &target).await,
        }
    }

    async fn stop(&self, router: &Inner, work: &Work) {
        let (Ok(target), Some(remote_id)) = (target(router, work), &work.job.remote_id) else { return };
        if let Err(error) = remote::cancel(&target, router.gateway.transport(), remote_id, Instant::now() + CALL).await
        {
            tracing::warn!(job = work.job.id, %error, "a provider could not be told that its work is not wanted any more");
        }
    }
}

/// Where the job's model is called.
fn target(router: &Inner, work: &Work) -> Result<Target, Failure> {
    let Some((request, _)) = &work.request else {
        return Err(Failure::lasting("invalid", "the job belongs to no request"));
    };
    let caller = router
        .identity
        .as_before(request.key_id.as_deref(), request.user_id.as_deref(), &request.instance_id)
        .map_err(|error| super::text::refused(&error))?;
    let target = router.gateway.target(&work.job.model, &caller);
    target.map_err(|error| Failure::lasting(error.class(), error.to_string()))
}

async fn submit(router: &Inner, work: &mut Work, target: &Target) -> Outcome {
    let Some((request, body)) = &work.request else {
        return Outcome::Failed(Failure::lasting("invalid", "the job belongs to no request"));
    };
    if let Some(snoozed) = super::external::reserve(router, work).await {
        return snoozed;
    }
    let mut inputs: Map<String, Value> = body.input.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(options)) = inputs.remove("options") {
        for (name, value) in options {
            inputs.entry(name).or_insert(value);
        }
    }
    inputs.insert("prompt".to_owned(), body.query.as_str().into());
    let callback = (router.callback_url)(&request.id);
    // A new try after a refusal is a new submission; one whose answer was lost is the same.
    let progress: Progress = serde_json::from_value(work.job.remote.clone()).unwrap_or_default();
    let key = progress.key.unwrap_or_else(|| format!("{}-{}", work.job.id, work.job.attempt));
    let submitting = Progress { stage: Stage::Submitting, key: Some(key.clone()), ..Progress::default() };
    work.job.remote = json!(submitting);
    match router.db.note_remote(&work.job).await {
        Ok(true) => {}
        Ok(false) => return Outcome::Released,
        Err(error) => return later(router, error.to_string()),
    }
    let asked =
        remote::Work { inputs: &inputs, reference: &key, idempotency_key: &key, callback_url: callback.as_deref() };
    match remote::submit(target, router.gateway.transport(), &asked, Instant::now() + CALL).await {
        Ok(submitted) => {
            work.job.remote_id = submitted.remote_id;
            arrived(router, work, target, submitted.state, Progress { stage: Stage::Submitted, ..Progress::default() })
        }
        Err(error) if error.certain => {
            work.job.remote = json!(Progress::default());
            refused(router, work, &error.error)
        }
        Err(error) => {
            tracing::warn!(job = work.job.id, %error, "the answer to a submission was lost");
            unknown(router, work, 1_000_000, &error.error.to_string())
        }
    }
}

/// Finds out what became of a submission whose answer nobody has.
async fn find(router: &Inner, work: &mut Work, target: &Target, mut progress: Progress) -> Outcome {
    let abilities = remote::abilities(target);
    if let Some(key) = progress.key.clone()
        && abilities.is_some_and(|abilities| abilities.can_look_up)
    {
        return match remote::lookup(target, router.gateway.transport(), &key, Instant::now() + CALL).await {
            Ok(Some(remote_id)) => {
                work.job.remote_id = Some(remote_id.clone());
                let progress = Progress { stage: Stage::Submitted, ..Progress::default() };
                ask(router, work, target, &remote_id, progress).await
            }
            Ok(None) if progress.looked + 1 >= LOOKS => submit(router, work, target).await,
            Ok(None) => {
                progress.looked += 1;
                work.job.remote = json!(progress);
                unknown(router, work, LOOK_US, "it is not there yet")
            }
            Err(error) => unknown(router, work, LOOK_US, &error.to_string()),
        };
    }
    if abilities.is_some_and(|abilities| abilities.is_idempotent) {
        // The same key as before: the provider does it once.
        return submit(router, work, target).await;
    }
    Outcome::Held {
        remote: work.job.remote.clone(),
        reason: format!(
            "{} may have accepted it, and cannot be asked: somebody has to look there before it is submitted again",
            work.job.queue
        ),
    }
}

/// Nobody knows yet whether the provider has it.
fn unknown(router: &Inner, work: &Work, wait_us: i64, why: &str) -> Outcome {
    Outcome::Snoozed {
        until_us: router.now_us() + wait_us,
        reason: format!("it is not known whether {} accepted it: {why}", work.job.queue),
        closes: false,
    }
}

/// The provider surely did not take it.
fn refused(router: &Inner, work: &Work, error: &ProviderError) -> Outcome {
    let wait_us = error.retry_after.map(|wait| i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
    if error.class == ErrorClass::RateLimit {
        return Outcome::Snoozed {
            until_us: router.now_us().saturating_add(wait_us.unwrap_or(10_000_000)),
            reason: format!("rate limit of {}", work.job.queue),
            closes: true,
        };
    }
    let is_providers = !matches!(
        error.class,
        ErrorClass::Invalid | ErrorClass::Unsupported | ErrorClass::ContentFilter | ErrorClass::NotFound
    );
    Outcome::Failed(Failure {
        class: error.class.as_str().to_owned(),
        message: error.to_string(),
        is_retryable: is_providers && !matches!(error.class, ErrorClass::Auth | ErrorClass::Billing),
        wait_us,
        is_providers,
        call_id: None,
    })
}

async fn ask(router: &Inner, work: &mut Work, target: &Target, remote_id: &str, mut progress: Progress) -> Outcome {
    progress.stage = Stage::Submitted;
    progress.asked += 1;
    let told = progress.callback.take().and_then(|body| {
        let mapping = target.mapping.as_deref()?;
        let (id, status) = remote::read_callback(mapping, body.to_string().as_bytes()).ok()?;
        (id == remote_id).then_some(status)
    });
    match remote::poll(target, router.gateway.transport(), remote_id, Instant::now() + CALL).await {
        // What the provider told by itself is taken where it does not know any more what it told.
        Ok(RemoteStatus::Gone) => match told {
            Some(status @ (RemoteStatus::Done(_) | RemoteStatus::Failed { .. })) => {
                arrived(router, work, target, status, progress)
            }
            _ => arrived(router, work, target, RemoteStatus::Gone, progress),
        },
        Ok(status) => {
            progress.unanswered = 0;
            arrived(router, work, target, status, progress)
        }
        Err(error) => {
            progress.unanswered += 1;
            if progress.unanswered >= UNANSWERED {
                return Outcome::Held {
                    reason: format!("{} does not say how far it is: {error}", work.job.queue),
                    remote: json!(progress),
                };
            }
            let wait_us = error.retry_after.map_or(0, |wait| i64::try_from(wait.as_micros()).unwrap_or(0));
            wait(router, work, target, progress, wait_us, format!("{} did not answer: {error}", work.job.queue))
        }
    }
}

fn arrived(router: &Inner, work: &mut Work, target: &Target, status: RemoteStatus, mut progress: Progress) -> Outcome {
    match status {
        RemoteStatus::Pending { progress: percent } => {
            progress.percent = percent;
            let reason = match percent {
                Some(percent) => format!("{} works on it: {percent:.0} %", work.job.queue),
                None => format!("{} works on it", work.job.queue),
            };
            wait(router, work, target, progress, 0, reason)
        }
        RemoteStatus::Done(output) => Outcome::Done { output: read(work, *output), call_id: None },
        RemoteStatus::Failed { message } => {
            // It is over there: a new try is a new submission.
            work.job.remote_id = None;
            work.job.remote = json!(Progress::default());
            Outcome::Failed(Failure {
                class: "provider".to_owned(),
                message,
                is_retryable: true,
                wait_us: None,
                is_providers: true,
                call_id: None,
            })
        }
        RemoteStatus::Gone => Outcome::Held {
            reason: format!("{} does not know it any more; whether it was done cannot be found out", work.job.queue),
            remote: json!(progress),
        },
    }
}

/// Asks again later: at the provider's own pace at first, then less and less often.
fn wait(
    router: &Inner,
    work: &mut Work,
    target: &Target,
    progress: Progress,
    least_us: i64,
    reason: String,
) -> Outcome {
    let pace = remote::abilities(target).map_or(Duration::from_secs(2), |abilities| abilities.poll_interval);
    let pace_us = i64::try_from(pace.as_micros()).unwrap_or(LONGEST_US).max(1_000);
    let steps = (progress.asked / 10).min(5) + progress.unanswered.min(5);
    let wait_us = pace_us.saturating_mul(1 << steps).min(LONGEST_US.max(pace_us));
    // Up to a tenth more, so that many do not ask at once.
    let jitter = (wait_us as f64 * 0.1 * router.clock.fraction()) as i64;
    Outcome::Remote {
        remote_id: work.job.remote_id.clone(),
        remote: json!(progress),
        ask_at_us: router.now_us() + (wait_us + jitter).max(least_us),
        reason,
    }
}

fn later(router: &Inner, reason: String) -> Outcome {
    Outcome::Snoozed { until_us: router.now_us() + 1_000_000, reason, closes: false }
}

/// The first of the mapped values that is an answer, and what kind it is.
fn read(work: &Work, output: RemoteOutput) -> Output {
    const KINDS: [(&str, &str); 6] = [
        ("text", "text"),
        ("content", "text"),
        ("message", "text"),
        ("image_url", "image_url"),
        ("audio_url", "audio_url"),
        ("video_url", "video_url"),
    ];
    let found = KINDS.iter().find_map(|(name, kind)| Some((*kind, output.values.get(*name)?.as_str()?.to_owned())));
    let (content_type, content) = found.unwrap_or_else(|| ("json", Value::Object(output.values.clone()).to_string()));
    Output {
        content_type: content_type.to_owned(),
        content,
        raw: Some(output.raw),
        provider: work.job.queue.clone(),
        model: work.job.model.clone(),
        usage: output.usage.map(|usage| json!({ "input_tokens": usage.input, "output_tokens": usage.output })),
    }
}
