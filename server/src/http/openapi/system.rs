//! The state of the platform.

use serde_json::json;

use super::{
    PLATFORM,
    build::{Answer, Operation, Schema, boolean, integer, list, named, object, string, words},
    config::failures,
    shared,
};

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/config/system", "system", PLATFORM)
            .about(
                "The state of the platform",
                "Of the server that answers: version, background tasks, what waits in memory, its data folder. Of all \
                 servers: the database, and who uses it.",
            )
            .answers([Answer::new(200, "The state.").headers(shared::ALWAYS).json(
                named("System"),
                &[(
                    "one server",
                    json!({
                        "version": "0.1.0", "environment": "production", "started_at": "2026-01-01T00:00:00.000000Z",
                        "uptime_s": 86_400, "timestamp": "2026-01-02T00:00:00.000000Z",
                        "replica_id": "019b7600-0000-7000-8000-000000000001",
                        "database": {
                            "kind": "sqlite", "size_bytes": 1_073_741_824, "migrations": ["0001 init"],
                            "configuration_version": 7,
                        },
                        "storage": { "folder": "data", "size_bytes": 1_073_750_016, "free_bytes": 53_687_091_200_u64 },
                        "tasks": [{
                            "name": "recorder", "state": "running", "started_at": "2026-01-01T00:00:00.000000Z",
                            "last_run_at": "2026-01-01T23:59:59.800000Z", "last_error": null, "last_error_at": null,
                            "restarts": 0,
                        }],
                        "queues": [{ "name": "records of calls", "waiting": 3, "capacity": 20_000 }],
                        "replicas": [{
                            "replica_id": "019b7600-0000-7000-8000-000000000001", "address": "http://127.0.0.1:3000",
                            "version": "0.1.0", "started_at": "2026-01-01T00:00:00.000000Z",
                            "seen_at": "2026-01-01T23:59:58.000000Z", "alive": true,
                        }],
                    }),
                )],
            )])
            .answers(failures(&[401, 403, 500, 503])),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let time = || string().with("format", "date-time");
    let bytes = || integer().least(0);
    let task = object()
        .must("name", string())
        .must("state", words(&["running", "restarting", "ended"]))
        .must("started_at", time())
        .must("last_run_at", time().or_null().about("The last time it did its work."))
        .must("last_error", string().or_null())
        .must("last_error_at", time().or_null())
        .must("restarts", integer().least(0).about("How often it ended before its time and was started again."));
    let replica = object()
        .must("replica_id", string())
        .must("address", string())
        .must("version", string())
        .must("started_at", time())
        .must("seen_at", time())
        .must("alive", boolean().about("It gave a sign of life within the last seconds."));
    let database = object()
        .must("kind", words(&["sqlite", "postgres"]))
        .must("size_bytes", bytes())
        .must("migrations", list(string()).about("Those that were applied, oldest first."))
        .must("configuration_version", integer());
    let storage = object()
        .must("folder", string())
        .must("size_bytes", bytes().or_null().about("Null when it holds too many files to count."))
        .must("free_bytes", bytes().or_null());
    vec![(
        "System",
        object()
            .must("version", string())
            .must("environment", words(&["development", "production"]))
            .must("started_at", time())
            .must("uptime_s", integer().least(0))
            .must("timestamp", time())
            .must("replica_id", string().about("Of the server that answers; fresh with each start."))
            .must("database", database)
            .must("storage", storage)
            .must("tasks", list(task))
            .must("queues", list(object().must("name", string()).must("waiting", bytes()).must("capacity", bytes())))
            .must("replicas", list(replica).about("Servers on this database, oldest first.")),
    )]
}
