//! Health and this reference.

use serde_json::{Value, json};

use super::{
    OPERATIONS, TEXT,
    build::{Answer, Operation, Schema, boolean, constant, integer, named, object, string, words},
    shared,
};

pub fn operations() -> Vec<Operation> {
    let live = |path, id, about: &str| {
        Operation::get(path, id, OPERATIONS).about("Is the process alive?", about).public().answers([Answer::new(
            200, "It is.",
        )
        .headers(shared::ALWAYS)
        .json(named("Health"), &[("healthy", health("distributed-electrons", true))])])
    };
    let ready = |ok: bool| {
        json!({
            "status": if ok { "ready" } else { "not ready" },
            "checks": { "database": { "kind": "sqlite", "ok": ok } },
            "configuration_version": 7,
            "timestamp": "2026-01-01T00:00:00.000000Z",
        })
    };
    vec![
        Operation::get("/text/health", "textHealth", TEXT)
            .about("Is the text service alive?", "The same as `/health/live`, under the service's own name.")
            .public()
            .answers([Answer::new(200, "It is.")
                .headers(shared::ALWAYS)
                .json(named("Health"), &[("healthy", health("text-gen", false))])]),
        live("/health", "health", "The same as `/health/live`."),
        live("/health/live", "healthLive", "Answers as long as the process can answer at all; looks at nothing else."),
        Operation::get("/health/ready", "healthReady", OPERATIONS)
            .about(
                "Can it do its work?",
                "Asks the database. For load balancers: a server that is not ready should get no calls.",
            )
            .public()
            .answers([
                Answer::new(200, "It can.").headers(shared::ALWAYS).json(named("Ready"), &[("ready", ready(true))]),
                Answer::new(503, "It cannot: the database does not answer.")
                    .headers(shared::ALWAYS)
                    .json(named("Ready"), &[("not ready", ready(false))]),
            ]),
        Operation::get("/openapi.json", "openapi", OPERATIONS)
            .about("This document", "OpenAPI 3.1, for generators and tools.")
            .public()
            .answers([Answer::new(200, "The document.").headers(shared::ALWAYS).json(object(), &[])]),
        Operation::get("/docs", "docs", OPERATIONS)
            .about("This reference", "The document as a page. It loads nothing from anywhere else.")
            .public()
            .answers([Answer::new(200, "The page.").headers(shared::ALWAYS).body("text/html")]),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let database = object().must("kind", words(&["sqlite", "postgres"])).must("ok", boolean());
    vec![
        (
            "Health",
            object()
                .must("status", constant("healthy"))
                .must("service", words(&["distributed-electrons", "text-gen", "intake", "config-service"]))
                .may("version", string().about("Version of the server."))
                .must("timestamp", string().with("format", "date-time")),
        ),
        (
            "Ready",
            object()
                .must("status", words(&["ready", "not ready"]))
                .must("checks", object().must("database", database))
                .must(
                    "configuration_version",
                    integer().about("Grows with every change of models, keys, limits and people; replicas follow it."),
                )
                .must("timestamp", string().with("format", "date-time")),
        ),
    ]
}

fn health(service: &str, versioned: bool) -> Value {
    let mut body = json!({ "status": "healthy", "service": service });
    if versioned {
        body["version"] = "0.1.0".into();
    }
    body["timestamp"] = "2026-01-01T00:00:00.000000Z".into();
    body
}
