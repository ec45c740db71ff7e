//! The platform's own log.

use serde_json::json;

use super::{
    PLATFORM,
    build::{Answer, Operation, Schema, boolean, integer, list, named, object, string, words},
    config::failures,
    errors, shared,
};

const STATUSES: &[u16] = &[400, 401, 403, 404, 500, 503];
const FILTERS: [&str; 7] = ["logLevel", "logComponent", "logInstance", "logRequest", "logText", "start", "end"];

pub fn operations() -> Vec<Operation> {
    let line = json!({
        "log_id": "019b7600-0000-7000-8000-000000000001",
        "timestamp": "2026-01-01T00:00:00.000000Z",
        "level": "WARN",
        "message": "the provider did not answer the call",
        "component": "gateway",
        "request_id": errors::REQUEST_ID,
        "instance_id": "development",
        "user_id": null,
        "metadata": { "provider": "openai", "class": "overloaded", "status": 503, "tried": 1, "again": true },
    });
    let listed = [&FILTERS[..], &["logLimit", "logAfter"]].concat();
    let followed = [&FILTERS[..], &["lastEventId"]].concat();
    vec![
        Operation::get("/config/logs", "listLogs", PLATFORM)
            .about(
                "Lines of the log",
                "Newest first. A page for which much had to be searched may be short, or empty, and still have a `next`.",
            )
            .parameters(&listed)
            .answers([Answer::new(200, "A page.").headers(&["x-request-id", "link"]).json(
                named("Logs"),
                &[("a page", json!({ "logs": [line], "has_more": false, "next": null }))],
            )])
            .answers(failures(STATUSES)),
        Operation::delete("/config/logs", "deleteLogs", PLATFORM)
            .about("Delete old lines", "For superadmins. Lines also go by themselves, after `log.retention_days`.")
            .parameters(&["olderThanDays"])
            .answers([Answer::new(200, "They are gone.").headers(shared::ALWAYS).json(
                object().must("deleted", integer().about("How many lines it were.")),
                &[("deleted", json!({ "deleted": 1_204 }))],
            )])
            .answers(failures(STATUSES)),
        Operation::get("/config/logs/stream", "followLogs", PLATFORM)
            .about(
                "The log as it is written",
                "Server-sent events in the order of writing, from now on or after `Last-Event-ID`. Lines appear within a \
                 second or two; those of other servers within `log.flush_interval_ms`.",
            )
            .parameters(&followed)
            .answers([Answer::new(200, "Lines.").headers(shared::ALWAYS).events(
                named("LogLine"),
                "Server-sent events of the type `log`. Lines that begin with a colon keep a silent connection alive.",
                &format!("id: 019b7600-0000-7000-8000-000000000001\nevent: log\ndata: {line}\n\n"),
            )])
            .answers(failures(STATUSES)),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        (
            "Logs",
            object()
                .must("logs", list(named("LogLine")))
                .must("has_more", boolean())
                .must("next", string().or_null().about("What `after` takes to go on.")),
        ),
        (
            "LogLine",
            object()
                .must("log_id", string().with("format", "uuid"))
                .must("timestamp", string().with("format", "date-time"))
                .must("level", words(&crate::services::logs::LEVELS))
                .must("message", string())
                .must("component", string())
                .must("request_id", string().or_null())
                .must("instance_id", string().or_null())
                .must("user_id", string().or_null())
                .must("metadata", object().about("What else the line tells. Secrets are left out.")),
        ),
    ]
}
