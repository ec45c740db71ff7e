//! The delivery service.

use serde_json::{Value, json};

use super::{
    CONFIG,
    build::{
        Answer, Operation, Schema, any_of, boolean, constant, integer, list, named, number, object, string, words,
    },
    config, errors, shared,
};

/// Its tag.
pub const DELIVERY: &str = "Delivery service";

pub const DESCRIPTION: &str = "\
What becomes of the results of accepted requests. A result is assessed: a good one is delivered, a bad one fails its \
request, and what is in between waits for a person; quality profiles say what is good. Results of providers that only \
others know come in here, as long as their request is not over. Errors have the shape of the text service.

Whoever brings a result needs a key with the scope `jobs`, or the secret in the callback address of the request. A \
provider with a `webhook_secret` in the settings may sign its message instead.

Every end of a request with a `callback_url` is told there, once and for all tries by the same `webhook-id`, signed as \
[Standard Webhooks](https://www.standardwebhooks.com) has it, with the secret of the instance. Only an answer with 2xx \
ends the tries: there are ten within 75 hours.";

const ID: &str = "019b7600-0000-7000-8000-000000000004";

pub fn operations() -> Vec<Operation> {
    let refused = |statuses: &[u16]| errors::service(statuses, |code| code);
    let posted = |path: &str, id: &str| Operation::post(format!("/delivery/{path}"), id, DELIVERY);
    let asked = |path: &str, id: &str| Operation::get(format!("/delivery/{path}"), id, DELIVERY);
    let told = |about: &str, example: Value| {
        Answer::new(200, about).headers(shared::ALWAYS).json(
            object().must("success", constant(true)).must("deliverable_id", string()).must("status", string()),
            &[("done", example)],
        )
    };
    let result = || {
        Answer::new(200, "What became of it.").headers(shared::ALWAYS).json(
            named("Delivered"),
            &[(
                "approved",
                json!({ "success": true, "deliverable_id": ID, "status": "approved", "request_id": errors::REQUEST_ID, "quality_score": 1.0 }),
            )],
        )
    };
    let one = || object().must("deliverable_id", string());
    vec![
        posted("deliver", "deliver")
            .about("Deliver the result of a request", "As long as the request is not over; afterwards 400 `INVALID_STATUS`.")
            .takes(
                named("Delivery"),
                &[("a text", json!({ "request_id": errors::REQUEST_ID, "success": true, "content_type": "text", "content": "A clean paragraph." }))],
            )
            .answers([result()])
            .answers(refused(&[400, 401, 403, 404, 413, 503])),
        posted("webhook", "deliverWebhook")
            .about(
                "Take a provider's message",
                "In the words of `ideogram`, `elevenlabs`, `shotstack` or any other provider. The request is found by its \
                 own id, or by the provider's id of the job.",
            )
            .parameters(&["webhookProvider", "webhookRequest", "webhookToken"])
            .takes(object(), &[("ideogram", json!({ "request_id": errors::REQUEST_ID, "status": "completed", "image_url": "https://example.org/1.png" }))])
            .answers([result()])
            .answers(refused(&[400, 401, 403, 404, 413, 503])),
        asked("deliverable", "deliverable")
            .about("One deliverable", "")
            .parameters(&["deliverableId"])
            .answers([Answer::new(200, "It.").headers(shared::ALWAYS).json(
                object().must("success", constant(true)).must("deliverable", named("Deliverable")),
                &[],
            )])
            .answers(refused(&[400, 401, 403, 404, 503])),
        asked("pending", "pendingDeliverables")
            .about("What waits for a person", "In one instance, oldest first.")
            .parameters(&["instance", "logLimit", "logAfter"])
            .answers([Answer::new(200, "A page.").headers(&["x-request-id", "link"]).json(
                object()
                    .must("success", constant(true))
                    .must("deliverables", list(named("Deliverable")))
                    .must("next", string().or_null().about("What `after` takes to go on.")),
                &[],
            )])
            .answers(refused(&[400, 401, 403, 503])),
        posted("claim", "claimDeliverable")
            .about("Keep an item for yourself", "Meanwhile nobody else can decide about it: they get 409 `CLAIMED`.")
            .takes(
                one().may("minutes", integer().least(1).with("maximum", 1_440).with("default", 15)),
                &[("for a while", json!({ "deliverable_id": ID, "minutes": 15 }))],
            )
            .answers([told("It is yours.", json!({ "success": true, "deliverable_id": ID, "status": "pending_review", "claimed_by": "usr_1", "claimed_until": "2026-01-01T00:15:00.000000Z" }))])
            .answers(refused(&[400, 401, 403, 404, 409, 503])),
        posted("release", "releaseDeliverable")
            .about("Give an item back", "")
            .takes(one(), &[("one", json!({ "deliverable_id": ID }))])
            .answers([Answer::new(200, "It is nobody's.")
                .headers(shared::ALWAYS)
                .json(object().must("success", constant(true)).must("deliverable_id", string()), &[])])
            .answers(refused(&[400, 401, 403, 404, 409, 503])),
        posted("approve", "approveDeliverable")
            .about("Approve", "The request is completed. With `content` it is delivered as changed; the original is kept.")
            .takes(one().may("content", string()), &[("as it is", json!({ "deliverable_id": ID }))])
            .answers([told("It is delivered.", json!({ "success": true, "deliverable_id": ID, "status": "delivered" }))])
            .answers(refused(&[400, 401, 403, 404, 409, 503])),
        posted("reject", "rejectDeliverable")
            .about("Reject", "The request fails with the reason. With `retry` it is tried again, on another model if one is named.")
            .takes(
                one()
                    .may("reason", string().with("default", "Manually rejected"))
                    .may("retry", boolean())
                    .may("model", string().about("For the retry.")),
                &[("for good", json!({ "deliverable_id": ID, "reason": "Off topic" }))],
            )
            .answers([told("It is rejected.", json!({ "success": true, "deliverable_id": ID, "status": "rejected", "request_status": "failed" }))])
            .answers(refused(&[400, 401, 403, 404, 409, 503])),
        asked("callbacks", "callbacks")
            .about("What a request's address was told", "Every call with every attempt.")
            .parameters(&["callbackRequest"])
            .answers([Answer::new(200, "The calls, oldest first.").headers(shared::ALWAYS).json(
                object().must("success", constant(true)).must("callbacks", list(named("Callback"))),
                &[],
            )])
            .answers(refused(&[400, 401, 403, 404, 503])),
        posted("callbacks/{id}/replay", "replayCallback")
            .about("Make a call once more", "Whatever became of it, under the same `webhook-id`.")
            .parameters(&["idOfPath"])
            .answers([Answer::new(200, "It is due.").headers(shared::ALWAYS).json(named("Callback"), &[])])
            .answers(refused(&[400, 401, 403, 404, 503])),
        secret(Operation::get("/config/instance/{id}/callback-secret", "callbackSecret", CONFIG))
            .about("The secret of an instance's callbacks", "For its admins. That it was told is in the audit log."),
        secret(Operation::post("/config/instance/{id}/callback-secret/rotate", "rotateCallbackSecret", CONFIG))
            .about("A new secret for an instance's callbacks", "For 24 hours the one before signs, too."),
        asked("health", "deliveryHealth")
            .about("Is the delivery service alive?", "The same as `/health/live`, under the service's own name.")
            .public()
            .answers([Answer::new(200, "It is.").headers(shared::ALWAYS).json(
                named("Health"),
                &[("healthy", json!({ "status": "healthy", "service": "delivery", "timestamp": "2026-01-01T00:00:00.000000Z" }))],
            )]),
    ]
}

/// The answers of what tells a secret.
fn secret(operation: Operation) -> Operation {
    let shape = object()
        .must("instance_id", string())
        .must("version", integer())
        .must("secret", string().example("whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="))
        .must("previous", string().or_null().about("The one before, as long as it signs, too."))
        .must("previous_until", string().with("format", "date-time").or_null());
    operation
        .parameters(&["thing"])
        .answers([Answer::new(200, "The secret.").headers(shared::ALWAYS).json(config::envelope(shape), &[])])
        .answers(config::failures(&[401, 403, 404, 500, 503]))
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let time = || string().with("format", "date-time");
    let kind = || words(&["text", "image_url", "audio_url", "video_url", "json"]);
    vec![
        (
            "Delivery",
            object()
                .must("request_id", string().about("Our id of the request, or the provider's id of its job."))
                .must("success", boolean())
                .may("content_type", kind())
                .may("content", any_of([string(), object()]).about("JSON may come as text or as it is."))
                .may("error", string().about("Why it failed."))
                .may("raw_response", Schema::any().about("What the provider answered."))
                .may("provider", string())
                .may("model", string())
                .may("usage", object()),
        ),
        (
            "Delivered",
            object()
                .must("success", constant(true))
                .must("deliverable_id", string())
                .must("status", words(&["approved", "rejected", "pending_review", "failed"]))
                .must("request_id", string())
                .may("quality_score", number().least(0).with("maximum", 1))
                .may("retry", boolean().about("It was not good enough and is tried again.")),
        ),
        (
            "Callback",
            object()
                .must("id", string().about("Its `webhook-id`."))
                .must("request_id", string())
                .must("url", string())
                .must("state", words(&["pending", "delivered", "failed"]))
                .must("next_attempt_at", time().or_null())
                .must("last_status", integer().or_null())
                .must("last_error", string().or_null())
                .must("created_at", time())
                .must("completed_at", time().or_null())
                .may(
                    "attempts",
                    list(
                        object()
                            .must("attempt", integer().least(1))
                            .must("started_at", time())
                            .must("duration_ms", integer())
                            .must("http_status", integer().or_null())
                            .must("error", string().or_null())
                            .must("answer", string().or_null().about("Its first 16 KiB.")),
                    ),
                ),
        ),
        (
            "Deliverable",
            object()
                .must("id", string())
                .must("request_id", string())
                .must("content_type", kind())
                .must("content", string())
                .must("quality_score", number().least(0).with("maximum", 1))
                .must("quality_metadata", object().about("`passed`, `approved`, `issues`, and what was measured."))
                .must("status", words(&["pending_review", "approved", "rejected", "processing", "delivered", "failed"]))
                .must("final_output", object().or_null())
                .must("provider_response", Schema::any())
                .must("claimed_by", string().or_null())
                .must("claimed_until", time().or_null())
                .must("reviewed_by", string().or_null())
                .must("reviewed_at", time().or_null())
                .must("review_reason", string().or_null())
                .must("delivered_at", time().or_null())
                .must("created_at", time())
                .must("updated_at", time())
                .may("request", object().about("What it was made for; in the list of what waits.")),
        ),
    ]
}
