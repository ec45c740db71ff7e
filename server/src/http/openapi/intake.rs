//! The intake service.

use serde_json::{Value, json};

use super::{
    INTAKE,
    build::{Answer, Operation, Schema, any_of, constant, integer, list, named, number, object, string, words},
    errors, shared,
};

const STATUSES: &[u16] = &[400, 401, 403, 404, 409, 413, 422, 503];
const REFUSALS: &[u16] = &[400, 401, 403, 404, 503];
const ID: &str = "019b7600-0000-7000-8000-000000000002";

pub fn operations() -> Vec<Operation> {
    let answer = |status, about: &str, schema: Schema, examples: &[(&str, Value)]| {
        Answer::new(status, about).headers(shared::ALWAYS).json(schema, examples)
    };
    vec![
        Operation::post("/intake/intake", "submitWork", INTAKE)
            .about(
                "Hand work over",
                "What is answered with 202 is done, whatever happens to this server. A list of up to 10,000 requests is \
                 taken in whole or not at all. The same `Idempotency-Key` with the same body gives the same answer for a \
                 day. With `Prefer: wait=n` the answer comes when the work is done, or after n seconds (at most 60).",
            )
            .parameters(&["instance", "appId", "idempotencyKey", "preferWait", "callerRequestId"])
            .takes(any_of([named("WorkRequest"), list(named("WorkRequest"))]), &[("a request", asked())])
            .answers([
                answer(200, "It is over already (with `Prefer: wait`).", named("WorkStatus"), &[]),
                answer(202, "It will be done.", any_of([named("WorkReceipt"), named("WorkReceipts")]), &[("one", receipt())]),
            ])
            .answers(errors::service(STATUSES, |code| code)),
        Operation::get("/intake/status", "workStatus", INTAKE)
            .about("Where a request stands", "And why, while it waits. With `Prefer: wait=n` it answers once it is over.")
            .parameters(&["requestId", "preferWait"])
            .answers([answer(200, "The request.", named("WorkStatus"), &[])])
            .answers(errors::service(REFUSALS, |code| code)),
        Operation::get("/intake/stream", "followWork", INTAKE)
            .about(
                "The life of one request",
                "Server-sent events from its beginning, or after `Last-Event-ID`, to its end.",
            )
            .parameters(&["requestId", "lastSeq"])
            .answers([Answer::new(200, "Events.").headers(shared::ALWAYS).events(
                named("Event"),
                "Server-sent events of the type `event`. Lines that begin with a colon keep a silent connection alive.",
                &format!("id: 1204\nevent: event\ndata: {{\"action\":\"request.completed\",\"eventable_id\":\"{ID}\"}}\n\n"),
            )])
            .answers(errors::service(REFUSALS, |code| code)),
        Operation::post("/intake/cancel", "cancelWork", INTAKE)
            .about("Cancel a request", "One that waits or has failed. What somebody works on is not disturbed.")
            .takes(object().must("request_id", string()), &[("one", json!({ "request_id": ID }))])
            .answers([answer(
                200,
                "It is cancelled.",
                object().must("success", constant(true)).must("request_id", string()).must("status", constant("cancelled")),
                &[],
            )])
            .answers(errors::service(&[400, 401, 403, 404, 413, 503], |code| code)),
        Operation::get("/intake/state", "routerState", INTAKE)
            .about("The queues", "How much waits and runs, by provider, for those who administer the instance.")
            .answers([answer(200, "The state.", named("RouterState"), &[])])
            .answers(errors::service(&[401, 403, 503], |code| code)),
        Operation::get("/intake/health", "intakeHealth", INTAKE)
            .about("Liveness", "Under the service's own name. Needs no key.")
            .public()
            .answers([answer(200, "It is up.", named("Health"), &[])]),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let time = || string().with("format", "date-time");
    let kinds = || words(&["text", "image", "audio", "video", "context"]);
    let status = || words(&["pending", "queued", "processing", "completed", "failed", "cancelled"]);
    let receipt = || {
        object()
            .must("success", constant(true))
            .must("request_id", string().with("format", "uuid"))
            .must("status", status())
            .must("queue_position", integer().about("1 is the next of its provider's queue."))
            .must("estimated_wait_ms", integer().about("The usual time of one request, times the position."))
            .may("measured_wait_ms", integer().or_null().about("From how long requests took today."))
            .must("task_type", kinds())
            .must("provider", string())
            .must("model", string())
    };
    vec![
        (
            "WorkRequest",
            object()
                .must("query", string().with("minLength", 1).about("What is wanted. Must not be blank."))
                .may("app_id", string().about("The caller's application; else `X-App-ID`, else `anonymous`."))
                .may("instance_id", string().about("Wins over `X-Instance-ID`."))
                .may("project_id", string())
                .may("task_type", kinds().about("Without it the query is classified by the rules."))
                .may(
                    "provider",
                    string().about(
                        "Without it the routing rules choose. One that nobody knows is external: its \
                     result is delivered by `/delivery/deliver`.",
                    ),
                )
                .may("model", string())
                .may(
                    "priority",
                    integer().with("default", 0).about("More goes first; each minute of waiting counts one."),
                )
                .may(
                    "callback_url",
                    string().with("format", "uri").about(
                        "Is told the end, signed and repeated until it \
                     answers 2xx.",
                    ),
                )
                .may("metadata", object().about("Comes back as it was given."))
                .may("options", object().about("For the model: `max_tokens`, `temperature`, `system_prompt`, …"))
                .may("tags", list(string()))
                .may("delay_ms", integer().least(0).about("Not before."))
                .may("deadline_ms", integer().least(0).about("What is not done by then fails."))
                .may("max_retries", integer().least(0).with("default", 3))
                .may("unique_key", string().about("Refused with 409 while another request of the instance has it.")),
        ),
        ("WorkReceipt", receipt()),
        (
            "WorkReceipts",
            object()
                .must("success", constant(true))
                .must("count", integer())
                .must("requests", list(named("WorkReceipt"))),
        ),
        (
            "WorkStatus",
            object()
                .must("success", constant(true))
                .must("request_id", string().with("format", "uuid"))
                .must("app_id", string())
                .must("status", status())
                .may("reason", string().or_null().about("Why it does not run, while it waits."))
                .may("queue_position", integer().about("While it is queued."))
                .may("estimated_wait_ms", integer())
                .may("measured_wait_ms", integer().or_null())
                .must("task_type", kinds())
                .may("subtask", string().or_null())
                .must("provider", string())
                .must("model", string())
                .must("priority", integer())
                .must("retry_count", integer())
                .may("error_message", string().or_null())
                .may("error_class", string().or_null())
                .must("created_at", time())
                .may("queued_at", time().or_null())
                .may("started_at", time().or_null())
                .may("completed_at", time().or_null())
                .may(
                    "result",
                    object()
                        .may("deliverable_id", string())
                        .may("content_type", string())
                        .may("content", string())
                        .may("quality_score", number())
                        .or_null(),
                ),
        ),
        (
            "RouterState",
            object()
                .must("total_requests", integer())
                .must("pending_requests", integer())
                .must("queued_requests", integer())
                .must("processing_requests", integer())
                .must("completed_requests", integer())
                .must("failed_requests", integer())
                .must(
                    "provider_queues",
                    object().about("By provider: `queue_length`, `processing`, and `rate_limit` as configured."),
                ),
        ),
    ]
}

fn asked() -> Value {
    json!({ "query": "Write a haiku about tin.", "app_id": "shop", "callback_url": "https://shop.example/done" })
}

fn receipt() -> Value {
    json!({
        "success": true, "request_id": ID, "status": "queued", "queue_position": 1, "estimated_wait_ms": 2000,
        "measured_wait_ms": null, "task_type": "text", "provider": "anthropic", "model": "claude-3-5-sonnet",
    })
}
