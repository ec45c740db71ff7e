//! `GET /config/system`: the state of the platform.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    call::{Call, answer},
    problem::ConfigProblem,
};
use crate::{
    clock::rfc3339,
    http::table::Table,
    services::{config::ConfigError, system::SystemError},
};

pub fn routes(table: Table) -> Table {
    table.get("/system", state)
}

impl From<SystemError> for ConfigProblem {
    fn from(error: SystemError) -> Self {
        match error {
            SystemError::Denied(denied) => ConfigError::Denied(denied).into(),
            SystemError::Store(error) => ConfigError::Store(error).into(),
        }
    }
}

async fn state(call: Call) -> Response {
    answer(call, async move |call| {
        let system = call.state.system.state(&call.author.caller).await?;
        let at = |us: Option<i64>| us.map_or(Value::Null, |us| rfc3339(us).into());
        let tasks = system.tasks.iter().map(|task| {
            json!({
                "name": task.name,
                "state": task.state,
                "started_at": rfc3339(task.started_us),
                "last_run_at": at(task.last_run_us),
                "last_error": task.last_error,
                "last_error_at": at(task.last_error_us),
                "restarts": task.restarts,
            })
        });
        let replicas = system.replicas.iter().map(|replica| {
            json!({
                "replica_id": replica.replica_id,
                "address": replica.address,
                "version": replica.version,
                "started_at": rfc3339(replica.started_us),
                "seen_at": rfc3339(replica.seen_us),
                "alive": replica.alive,
            })
        });
        Ok(Json(json!({
            "version": system.version,
            "environment": system.environment,
            "started_at": rfc3339(system.started_us),
            "uptime_s": (system.now_us - system.started_us) / 1_000_000,
            "timestamp": rfc3339(system.now_us),
            "replica_id": system.replica_id,
            "database": system.database,
            "storage": system.storage,
            "tasks": tasks.collect::<Vec<_>>(),
            "queues": system.queues,
            "replicas": replicas.collect::<Vec<_>>(),
        }))
        .into_response())
    })
    .await
}
