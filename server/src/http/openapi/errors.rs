//! The error codes of each surface. Status, code and source are what `problem` makes of each case, so they cannot differ
//! from what is sent; only the meaning is written here.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Value, json};

use super::{
    build::{Answer, Schema, boolean, integer, list, object, string, words},
    shared,
};
use crate::{
    http::problem::Problem,
    providers::{ErrorClass, ProviderError, input::InputError},
    services::{
        gateway::GatewayError,
        identity::{Denied, IdentityError},
        limits::{LimitError, Pool, Refusal, Standing},
        router::RouterError,
    },
    store::StoreError,
};

struct Case {
    problem: Problem,
    meaning: &'static str,
}

fn refused(pool: Pool, cap: i64, wait_s: i64, message: &str) -> GatewayError {
    let refusal = Refusal {
        limit_id: "lim_1".into(),
        pool,
        cap,
        wait_s,
        is_passing: false,
        message: message.to_owned(),
        standing: Standing::default(),
    };
    LimitError::Refused(refusal.into()).into()
}

/// Everything that a caller of the API can be told.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let case = |problem: Problem, meaning| Case { problem, meaning };
    let identity = |error: IdentityError, meaning| case(Problem::Identity(error), meaning);
    let gateway = |error: GatewayError, meaning| case(Problem::Gateway(error), meaning);
    let router = |error: RouterError, meaning| case(Problem::Router(error), meaning);
    let provider = |class, status: Option<u16>, message: &str, meaning| {
        let mut error = ProviderError::new(class, message);
        error.status = status;
        gateway(GatewayError::Provider { provider: "openai".to_owned(), error: error.into() }, meaning)
    };
    vec![
        case(Problem::Unreadable("unexpected end of file".to_owned()), "The body ended before its announced length."),
        gateway(
            GatewayError::Input(InputError::Syntax("key must be a string at line 1 column 2".to_owned())),
            "The body is not JSON; the message names line and column.",
        ),
        gateway(
            GatewayError::Input(InputError::field("messages", "you must provide a messages parameter")),
            "A field is missing or has a wrong value; `param` or `details.field` names it.",
        ),
        gateway(
            GatewayError::WrongCapability { model: "dall-e-3".to_owned(), wanted: "text" },
            "The model makes something else.",
        ),
        gateway(GatewayError::CannotStream { model: "my-model".to_owned() }, "The model cannot stream."),
        provider(
            ErrorClass::Invalid,
            Some(400),
            "Unsupported value: 'temperature' does not support 0.3 with this model.",
            "The provider refuses the request. On OpenAI's surface `code` and `param` are its own, and 409, 413 and 422 keep their status.",
        ),
        provider(
            ErrorClass::Unsupported,
            None,
            "this provider cannot take audio input",
            "The provider cannot do what the request asks for.",
        ),
        provider(
            ErrorClass::ContentFilter,
            Some(400),
            "The prompt was refused by the content filter.",
            "The provider refused the request for its content.",
        ),
        identity(IdentityError::NoKey, "No key, and no session that may act."),
        identity(IdentityError::BadKey, "The key is unknown or revoked."),
        identity(IdentityError::ExpiredKey, "The key has expired."),
        identity(IdentityError::Inactive, "The key's owner is not active."),
        identity(IdentityError::TestKey, "A key `sk_test_…` in production."),
        identity(
            IdentityError::NoAccess("production".to_owned()),
            "The key belongs to another instance, or the person may not use this one.",
        ),
        gateway(
            GatewayError::ModelNotAllowed { model: "gpt-5".to_owned() },
            "The key may use certain models only, and not this one.",
        ),
        gateway(
            GatewayError::Denied(Denied::Level { what: "to generate", least: "the level \"user\" in the instance" }),
            "The key's owner may only look at this instance.",
        ),
        identity(IdentityError::Denied(Denied::Scope("generate")), "The key was made for other things."),
        identity(IdentityError::UnknownInstance("lab".to_owned()), "There is no such instance."),
        gateway(
            GatewayError::UnknownModel { asked: "gpt4o-mini".to_owned(), near: vec!["gpt-4o-mini".to_owned()] },
            "No model, alias or provider has this name; the message names near ones.",
        ),
        provider(
            ErrorClass::NotFound,
            Some(404),
            "The model `gpt-99` does not exist or you do not have access to it.",
            "The provider does not know the model.",
        ),
        router(RouterError::MissingQuery, "The request says nothing."),
        router(RouterError::MissingParam("request_id"), "A parameter of the route is missing."),
        router(
            RouterError::Invalid { field: "priority", message: "priority must be between -1000 and 1000".to_owned() },
            "A field of the request has a wrong value; `details.field` names it.",
        ),
        router(RouterError::NotFound, "There is no such request, or it is another instance's."),
        router(
            RouterError::Status { what: "cancel", status: "completed".to_owned() },
            "The request is too far for that.",
        ),
        router(RouterError::Duplicate, "Another request of the instance has the same `unique_key` and is not over."),
        router(RouterError::KeyReused, "The `Idempotency-Key` was used with another body."),
        router(
            RouterError::Full { waiting: 1_000_000, most: 1_000_000 },
            "So many requests of the instance wait already (`router.max_waiting`).",
        ),
        case(Problem::NotFound("Invalid URL (POST /v1/nothing)".to_owned()), "There is no such path."),
        case(
            Problem::WrongMethod("Not allowed to DELETE on /v1/models".to_owned()),
            "The path exists, but not with this method.",
        ),
        case(
            Problem::TooLarge { limit: 33_554_432 },
            "The body is larger than `server.body_limit_bytes` of the settings.",
        ),
        gateway(
            refused(
                Pool::Requests,
                60,
                12,
                "the limit of 60 requests per minute for openai is used up; try again in 12 s",
            ),
            "A limit of this server: requests or tokens per minute, requests per second, or calls at a time.",
        ),
        gateway(
            refused(
                Pool::DayTokens,
                1_000_000,
                3_600,
                "the limit of 1000000 tokens per day for this API key is used up; it begins anew at \
                 2026-01-02T00:00:00.000000Z",
            ),
            "The tokens of the day are used up. Trying again does not help before midnight UTC.",
        ),
        gateway(
            refused(
                Pool::MonthMoney,
                50_000_000,
                86_400,
                "the limit of 50.00 USD per month for this project is used up; it begins anew at \
                 2026-02-01T00:00:00.000000Z",
            ),
            "A budget of this server is spent. Trying again does not help before the next day or month (UTC) begins.",
        ),
        provider(
            ErrorClass::RateLimit,
            Some(429),
            "Rate limit reached for requests",
            "The provider's limit, after all retries.",
        ),
        provider(
            ErrorClass::Billing,
            Some(429),
            "You exceeded your current quota",
            "The provider's account is empty. Trying again cannot help.",
        ),
        gateway(
            GatewayError::MissingCredential { provider: "openai".to_owned() },
            "The instance has no credential for the provider, and the simulator does not stand in.",
        ),
        provider(
            ErrorClass::Auth,
            Some(401),
            "Incorrect API key provided",
            "The provider refuses the credential that this server has for it.",
        ),
        provider(
            ErrorClass::Connect,
            None,
            "the provider cannot be reached: connection refused",
            "No connection to the provider could be made.",
        ),
        provider(
            ErrorClass::Truncated,
            None,
            "the provider's answer was cut off: the body ended early",
            "The provider's answer broke off. In a stream that has begun, this comes as an event.",
        ),
        provider(
            ErrorClass::Malformed,
            None,
            "the provider sent a chunk that is not JSON",
            "The provider's answer could not be understood.",
        ),
        provider(ErrorClass::Upstream, Some(500), "The server had an error", "The provider failed."),
        gateway(GatewayError::Stopping, "This server is stopping; another one, or the next one, will answer."),
        identity(
            IdentityError::Store(StoreError::Unavailable(String::new())),
            "The database cannot be reached. Only sessions need it; keys are checked in memory.",
        ),
        provider(
            ErrorClass::Overloaded,
            Some(503),
            "Overloaded",
            "The provider is short of capacity, after all retries.",
        ),
        provider(
            ErrorClass::Timeout,
            None,
            "the provider did not answer in time",
            "The provider, or the whole call, took longer than the settings or `X-DE-Timeout-Ms` allow.",
        ),
    ]
});

/// Id of the request in examples.
pub const REQUEST_ID: &str = "019b2f6e-4c1a-7d53-9a55-6f0f2f1c8d11";
const NOW_US: i64 = 1_767_225_600_000_000;

/// Every status, type, code and source of OpenAI's surface.
pub fn openai_table() -> Value {
    let row = |case: &Case| {
        let error = case.problem.openai_error();
        json!({
            "status": case.problem.status(), "type": error["type"], "code": error["code"], "source": error["source"],
            "meaning": case.meaning,
        })
    };
    CASES.iter().map(row).collect()
}

/// Every status and code of the services.
pub fn service_table() -> Value {
    let row = |case: &Case| {
        let (status, code, ..) = case.problem.service_words(NOW_US);
        json!({
            "status": status, "code": code, "source": case.problem.openai_error()["source"], "meaning": case.meaning,
        })
    };
    CASES.iter().map(row).collect()
}

/// The error answers of an operation of OpenAI's surface.
pub fn openai(statuses: &[u16]) -> Vec<Answer> {
    answers(statuses, "OpenAiError", |case| {
        let error = case.problem.openai_error();
        let name = error["code"].as_str().or(error["type"].as_str()).unwrap_or_default().to_owned();
        (case.problem.status(), name, json!({ "error": error }))
    })
}

/// The error answers of an operation of a service. `rename` is that of the route.
pub fn service(statuses: &[u16], rename: impl Fn(&'static str) -> &'static str) -> Vec<Answer> {
    answers(statuses, "ServiceError", |case| {
        let (status, code, message, details) = case.problem.service_words(NOW_US);
        let code = rename(code);
        let mut body = json!({ "error": message, "error_code": code, "request_id": REQUEST_ID });
        if let Some(details) = details {
            body["details"] = details;
        }
        (status, code.to_owned(), body)
    })
}

fn answers(statuses: &[u16], schema: &str, write: impl Fn(&Case) -> (u16, String, Value)) -> Vec<Answer> {
    let mut examples: BTreeMap<u16, Vec<(String, Value)>> = BTreeMap::new();
    for case in CASES.iter() {
        let (status, name, body) = write(case);
        let of_status = examples.entry(status).or_default();
        if !of_status.iter().any(|(known, _)| *known == name) {
            of_status.push((name, body));
        }
    }
    let answer = |status: &u16| {
        let known: Vec<(&str, Value)> =
            examples.get(status).into_iter().flatten().map(|(name, body)| (name.as_str(), body.clone())).collect();
        let mut headers = shared::ALWAYS.to_vec();
        if *status >= 429 || *status == 402 {
            headers.extend(["retry-after", "retry-after-ms"]);
        }
        match (schema, status) {
            ("OpenAiError", 429) => {
                headers.push("x-should-retry");
                headers.extend(shared::OPENAI_LIMITS);
            }
            ("ServiceError", 402 | 429) => headers.extend(shared::SERVICE_LIMITS),
            ("ServiceError", 401) => headers.push("www-authenticate"),
            _ => {}
        }
        Answer::new(*status, meaning(*status)).headers(&headers).json(super::build::named(schema), &known)
    };
    statuses.iter().map(answer).collect()
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request has to change.",
        401 => "No key, or not a good one.",
        402 => "A budget is spent.",
        403 => "Not allowed with this key.",
        404 => "There is no such thing.",
        409 | 422 => "The provider refused the request with this status.",
        413 => "The body is too large.",
        429 => "A limit is used up.",
        500 => "The call failed.",
        502 => "The provider failed.",
        503 => "Not now.",
        504 => "The provider took too long.",
        _ => "The call failed.",
    }
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let error = object()
        .must("message", string().about("For people."))
        .must(
            "type",
            words(&[
                "invalid_request_error",
                "requests",
                "tokens",
                "insufficient_quota",
                "service_unavailable_error",
                "server_error",
            ])
            .about("OpenAI's kinds of errors."),
        )
        .must("param", string().or_null().about("Path of the field that is wrong, such as `messages[1].content`."))
        .must("code", string().or_null().about("For programs; see the table of codes."))
        .must("source", words(&["caller", "gateway", "provider"]).about("Who has to change something."))
        .may(
            "provider",
            string().about("The provider that failed. This and the next two only for errors of a provider."),
        )
        .may("provider_status", integer().or_null().about("The status it answered with, if it did."))
        .may("provider_code", string().or_null().about("Its own code, if it had one."));
    let details = object()
        .may("retry_after", integer().about("Seconds to wait."))
        .may("reset", integer().about("When the limit has room again, in Unix seconds."))
        .may("limit_id", string().about("The limit that is in the way."))
        .may("limit", string().about("Which of its numbers, such as `requests_per_minute`."))
        .may("value", integer().about("That number."))
        .may("did_you_mean", list(string()).about("Near names."))
        .may("field", string().about("Path of the field that is wrong."))
        .may("provider", string().about("The provider that failed."))
        .may("class", string().about("Kind of the provider's failure."))
        .may("status", integer().or_null().about("The status the provider answered with."))
        .about("What the code leaves open; which fields depends on it.");
    vec![
        ("OpenAiError", object().must("error", error)),
        (
            "ServiceError",
            object()
                .must("error", string().about("For people."))
                .must("error_code", string().about("For programs; see the table of codes."))
                .must("request_id", string().with("format", "uuid").about("The same as in `x-request-id`."))
                .may("details", details),
        ),
        (
            "TextStreamError",
            object()
                .must("error", super::build::constant("Stream error"))
                .must("done", boolean().with("const", true))
                .must("reason", string().about("What happened."))
                .must("request_id", string().with("format", "uuid")),
        ),
    ]
}
