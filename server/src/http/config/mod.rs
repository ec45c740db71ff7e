//! The configuration service: `/config/<kind>` for everything that can be configured, made from the descriptions of
//! `app::types::config`. Answers are `{data, request_id}`, failures `{error, request_id, status}`.

mod audit;
mod call;
mod callbacks;
mod events;
mod keys;
mod list;
mod logs;
mod models;
mod problem;
mod secrets;
mod system;
mod transfer;

use app::types::config::{LIMIT, THINGS, Thing};
use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use serde_json::{Value, json};

use self::{
    call::{Call, answer},
    problem::ConfigProblem,
};
use super::{RequestInfo, table::Table};
use crate::{
    clock::rfc3339,
    services::config::{ConfigError, label},
    state::AppState,
};

/// What may be done with a kind by these routes. API keys are made where their secret is shown.
pub fn acts(thing: &Thing) -> (bool, bool) {
    let is_key = thing.kind == "api-key";
    (!is_key, !is_key)
}

/// Every route, by its path below `/config`.
pub fn table() -> Table {
    let mut table = Table::new(unknown).get("/", health).get("/health", health);
    for thing in THINGS {
        table = routes(table, thing);
    }
    let table = callbacks::routes(events::routes(audit::routes(keys::routes(table))))
        .get("/rate-limit/{id}/state", state_of_limit);
    let table = system::routes(logs::routes(table)).get("/user/email/{email}", user_by_email);
    transfer::routes(models::routes(secrets::routes(table)))
}

type Id = Result<Path<String>, PathRejection>;

fn routes(table: Table, thing: &'static Thing) -> Table {
    let all = format!("/{}", thing.kind);
    let one = format!("{all}/{{id}}");
    let (is_made, is_deleted) = acts(thing);
    let mut table = table
        .get(all.clone(), move |call: Call| list::list(thing, call))
        .get(one.clone(), move |id: Id, call: Call| get(thing, id, call))
        .put(one.clone(), move |id: Id, call: Call| put(thing, id, call))
        .get(format!("{one}/dependants"), move |id: Id, call: Call| dependants(thing, id, call));
    if is_made {
        table = table.post(all, move |call: Call| create(thing, call));
    }
    if is_deleted {
        table = table
            .delete(one.clone(), move |id: Id, call: Call| delete(thing, id, call))
            .post(format!("{one}/restore"), move |id: Id, call: Call| restore(thing, id, call));
    }
    table
}

/// Liveness under the service's own name.
pub async fn health(State(state): State<AppState>) -> Json<Value> {
    Json(json!({
        "status": "healthy", "service": "config-service", "timestamp": rfc3339(state.clock.now_us()),
    }))
}

pub async fn unknown(Extension(info): Extension<RequestInfo>) -> Response {
    ConfigProblem::UnknownRoute.answer(&info.request_id)
}

/// An id that is no text names nothing.
fn named(thing: &Thing, id: Id) -> Result<String, ConfigProblem> {
    id.map(|Path(id)| id).map_err(|_| ConfigError::NotFound(label(thing)).into())
}

async fn get(thing: &'static Thing, id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(thing, id)?;
        let row = call.state.config.get(&call.author.caller, thing.kind, &id).await?;
        if call.knows(&row.etag) {
            return Ok(call.unchanged(&row.etag));
        }
        let mut body = row.body;
        if thing.kind == "instance" {
            body.insert("resolved".to_owned(), call.state.config.resolved(&call.author.caller, &row.id).await?);
        }
        Ok(call.tagged(body.into(), &row.etag))
    })
    .await
}

async fn create(thing: &'static Thing, call: Call) -> Response {
    answer(call, async move |mut call| {
        let body = call.object().await?;
        call.strictness(thing, &body)?;
        let row = call.state.config.create(&call.author, thing.kind, &body).await?;
        Ok(call.tagged(row.body.into(), &row.etag))
    })
    .await
}

async fn put(thing: &'static Thing, id: Id, call: Call) -> Response {
    answer(call, async move |mut call| {
        let id = named(thing, id)?;
        // What does not exist is said before the body is looked at.
        let current = call.state.config.get(&call.author.caller, thing.kind, &id).await?;
        let body = call.object().await?;
        call.strictness(thing, &body)?;
        let etag = call.expected(&current.etag);
        match call.state.config.update(&call.author, thing.kind, &id, etag.as_deref(), &body).await {
            Ok(row) => Ok(call.tagged(row.body.into(), &row.etag)),
            Err(ConfigError::Stale { thing, current }) => {
                Err(ConfigProblem::Stale { thing, yours: Some(body), current })
            }
            Err(error) => Err(error.into()),
        }
    })
    .await
}

async fn delete(thing: &'static Thing, id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(thing, id)?;
        let mut etag = None;
        if call.has_expectation() {
            let current = call.state.config.get(&call.author.caller, thing.kind, &id).await?;
            etag = call.expected(&current.etag);
        }
        let gone = call.state.config.delete(&call.author, thing.kind, &[id], etag.as_deref()).await?;
        let mut data = json!({ "deleted": true });
        for row in gone {
            data[thing.id] = row.id.into();
            if thing.kind == "model-config" {
                data["model_id"] = row.body.get("model_id").cloned().unwrap_or_default();
            }
        }
        Ok(call.data(data))
    })
    .await
}

async fn restore(thing: &'static Thing, id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(thing, id)?;
        let rows = call.state.config.restore(&call.author, thing.kind, &[id]).await?;
        let row = rows.into_iter().next().ok_or_else(|| ConfigError::NotFound(label(thing)))?;
        Ok(call.tagged(row.body.into(), &row.etag))
    })
    .await
}

async fn dependants(thing: &'static Thing, id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(thing, id)?;
        let found = call.state.config.dependants(&call.author.caller, thing.kind, &id).await?;
        let total: u64 = found.kinds.iter().map(|(_, many, _)| many).sum();
        let kinds: Vec<Value> = found
            .kinds
            .into_iter()
            .map(|(what, count, names)| json!({ "what": what, "count": count, "names": names }))
            .collect();
        Ok(call.data(json!({ "dependants": kinds, "total": total })))
    })
    .await
}

/// How far a limit is used; one that counts for each instance by itself, in the instance of the call.
async fn state_of_limit(id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let id = named(&LIMIT, id)?;
        // Who may see the limit may see how far it is used.
        call.state.config.get(&call.author.caller, LIMIT.kind, &id).await?;
        let found = call.state.gateway.limit_state(&id, &call.author.caller.instance.id).await;
        let found = found.map_err(ConfigError::from)?;
        let caps: Vec<Value> = found
            .caps
            .iter()
            .map(|cap| {
                json!({
                    "name": cap.name, "limit": cap.limit, "used": cap.used, "reserved": cap.reserved,
                    "left": cap.left, "resets_at": cap.resets_us.map(rfc3339),
                })
            })
            .collect();
        Ok(call.data(json!({
            "limit_id": found.limit_id,
            "instance_id": found.instance_id,
            "caps": caps,
            "tokens_today": found.tokens_today,
            "spent_today_micro_usd": found.spent_today_micro_usd,
            "spent_month_micro_usd": found.spent_month_micro_usd,
            "warned": found.warned,
        })))
    })
    .await
}

async fn user_by_email(email: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let email = named(&app::types::config::USER, email)?;
        let row = call.state.config.user_by_email(&call.author.caller, &email).await?;
        Ok(call.tagged(row.body.into(), &row.etag))
    })
    .await
}
