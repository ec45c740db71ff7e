//! API keys and the audit log.

use serde_json::json;

use super::{
    CONFIG,
    build::{Answer, Operation, Schema, constant, integer, list, named, object, string, words},
    config::{envelope, failures},
    shared,
};

const SECRET: &str = "sk_live_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub fn operations() -> Vec<Operation> {
    let secret = |about: &str| {
        let example = json!({ "data": {
            "key_id": "0198c0de-0000-7000-8000-000000000001", "name": "Build", "instance_id": "production",
            "masked": "sk_live_...cdef", "key": SECRET,
        }, "request_id": super::errors::REQUEST_ID });
        Answer::new(200, about)
            .headers(&["x-request-id", "x-de-warning"])
            .json(envelope(named("NewApiKey")), &[("made", example)])
    };
    let gone = |word: &str| envelope(object().must(word, constant(true)).must("key_id", string()));
    vec![
        Operation::post("/config/api-key", "createApiKey", CONFIG)
            .about(
                "Make an API key",
                "For oneself, or, by admins of the instance, for another person or a project. A person without access \
                 to the instance gets the level `user` there. Nobody makes a key that may do more than they may.",
            )
            .parameters(&["prefer"])
            .takes(
                draft(),
                &[(
                    "limited",
                    json!({ "name": "Build", "scopes": ["generate"], "limit": { "requests_per_minute": 60 } }),
                )],
            )
            .answers([secret("It is made. `key` is told this once.")])
            .answers(failures(&[400, 401, 403, 404, 409, 413, 500, 503])),
        Operation::post("/config/api-key/{id}/rotate", "rotateApiKey", CONFIG)
            .about(
                "Another secret for an API key",
                "Id, limits and history stay. The secret before goes on working for a while; one that was replaced \
                 earlier stops at once.",
            )
            .parameters(&["thing"])
            .takes(
                object().may(
                    "grace_hours",
                    integer()
                        .least(0)
                        .with("maximum", 168)
                        .about("How long the present secret goes on working; 24 without it."),
                ),
                &[("at once", json!({ "grace_hours": 0 }))],
            )
            .answers([secret("The new secret is in `key`, this once.")])
            .answers(failures(&[400, 401, 403, 404, 413, 500, 503])),
        Operation::post("/config/api-key/{id}/revoke", "revokeApiKey", CONFIG)
            .about("Stop an API key", "For good; it stays in lists. Other servers follow within two seconds.")
            .parameters(&["thing"])
            .answers([Answer::new(200, "It opens nothing any more.")
                .headers(shared::ALWAYS)
                .json(gone("revoked"), &[])])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::delete("/config/api-key/{id}", "deleteApiKey", CONFIG)
            .about("Stop an API key and take it off the lists", "With its own limits.")
            .parameters(&["thing"])
            .answers([Answer::new(200, "It is gone.").headers(shared::ALWAYS).json(gone("deleted"), &[])])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::get("/config/audit", "listAudit", CONFIG)
            .about(
                "The audit log",
                "Newest first, for admins of the organization. `format=jsonl` and `format=csv` write all of it as a \
                 download.",
            )
            .parameters(&[
                "limit",
                "after",
                "org",
                "actor",
                "action",
                "targetType",
                "targetId",
                "since",
                "until",
                "format",
            ])
            .answers([Answer::new(200, "Entries are in `data`.")
                .headers(&["x-request-id", "link"])
                .json(envelope(list(named("AuditEntry"))), &[])
                .body("application/x-ndjson")
                .body("text/csv")])
            .answers(failures(&[400, 401, 403, 500, 503])),
        Operation::get("/config/audit/verify", "verifyAudit", CONFIG)
            .about(
                "Is the audit log whole?",
                "Walks the chain of hashes from its first entry. `head` kept somewhere else proves later that nobody \
                 has written the log anew.",
            )
            .parameters(&["org"])
            .answers([Answer::new(200, "What was found.")
                .headers(shared::ALWAYS)
                .json(envelope(named("AuditProof")), &[])])
            .answers(failures(&[401, 403, 500, 503])),
    ]
}

fn draft() -> Schema {
    let whole = || integer().least(0).or_null();
    let limit = object()
        .may("requests_per_minute", whole())
        .may("tokens_per_minute", whole())
        .may("tokens_per_day", whole())
        .may("concurrent_requests", whole())
        .may("budget_day_micro_usd", whole())
        .may("budget_month_micro_usd", whole());
    object()
        .must("name", string().about("Where the key is used."))
        .may("instance_id", string().or_null().about("The one instance it opens; without it, the caller's."))
        .may("user_id", string().or_null().about("Whom it acts for; without it and a project, the caller."))
        .may("project_id", string().or_null().about("The project it acts for, in place of a person."))
        .may("scopes", list(words(app::types::config::SCOPES)).about("None means everything its owner may."))
        .may("allowed_models", list(string()).or_null().about("None means all."))
        .may("expires_at", string().with("format", "date-time").or_null())
        .may("limit", limit.or_null().about("A limit that counts this key's calls alone."))
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let key = object()
        .about("The API key as lists show it, and `key`.")
        .must("key_id", string())
        .must("name", string())
        .must("instance_id", string())
        .must("masked", string())
        .must("key", string().about("The secret. It is told this once; only its hash is kept."));
    let named_thing = |about: &str| {
        object()
            .about(about)
            .must("type", string())
            .must("id", string())
            .must("name", string().about("As people knew it then."))
    };
    let entry = object()
        .must("seq", integer().least(1).about("Its number in the log of its organization."))
        .must("time", string().with("format", "date-time"))
        .must("actor", named_thing("Who did it: a `user`, an `api_key`, or the `system`."))
        .must("action", string().example("api_key.created"))
        .must("target", named_thing("What it was done to."))
        .must("instance_id", string().or_null())
        .must("outcome", words(&["succeeded", "denied"]))
        .must("details", object().about("`before` and `after` of what changed, or what explains it. Never a secret."))
        .must("ip", string().or_null())
        .must("user_agent", string().or_null())
        .must("request_id", string().or_null())
        .must("hash", string().about("SHA-256 over this entry and the hash of the one before."));
    let broken = object().must("seq", integer()).must("reason", string());
    let proof = object()
        .must("entries", integer().about("Entries that are as they were written."))
        .must("head", string().about("The hash of the last of them."))
        .must("broken", broken.or_null().about("The first entry that is not."));
    vec![("NewApiKey", key), ("AuditEntry", entry), ("AuditProof", proof)]
}
