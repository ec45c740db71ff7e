use leptos::prelude::*;
use serde_json::{Map, Value};

use super::wire::Wire;
use crate::{
    error::AppError,
    types::config::{Dependants, FoundThing, ThingFilter, ThingPage, ThingRow},
};

/// Things of a kind that the caller may see.
#[server(endpoint = "things/list", input = Wire, output = Wire)]
pub async fn things(kind: String, filter: ThingFilter) -> Result<ThingPage, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.things.list(&caller()?, &kind, filter).await }.await)
}

/// One thing.
#[server(endpoint = "things/get", input = Wire, output = Wire)]
pub async fn thing_by_id(kind: String, id: String) -> Result<ThingRow, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.things.get(&caller()?, &kind, &id).await }.await)
}

/// Makes a thing (`id` is `None`) or changes the given fields of one, if it still is what `etag` says.
#[server(endpoint = "things/save", input = Wire, output = Wire)]
pub async fn save_thing(
    kind: String,
    id: Option<String>,
    etag: Option<String>,
    fields: Map<String, Value>,
) -> Result<ThingRow, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.things.save(&caller()?, &kind, id, etag, fields).await }.await)
}

/// Things whose name or id holds a text, a few of each kind.
#[server(endpoint = "things/find", input = Wire, output = Wire)]
pub async fn find_things(text: String) -> Result<Vec<FoundThing>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.things.find(&caller()?, &text).await }.await)
}

/// What would go with a thing.
#[server(endpoint = "things/dependants", input = Wire, output = Wire)]
pub async fn thing_dependants(kind: String, id: String) -> Result<Dependants, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.things.dependants(&caller()?, &kind, &id).await }.await)
}

/// Takes things away, all or none; for 30 days they can be brought back.
#[server(endpoint = "things/delete", input = Wire, output = Wire)]
pub async fn delete_things(kind: String, ids: Vec<String>) -> Result<(), AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.things.delete(&caller()?, &kind, &ids).await }.await)
}

/// Brings things back, all or none.
#[server(endpoint = "things/restore", input = Wire, output = Wire)]
pub async fn restore_things(kind: String, ids: Vec<String>) -> Result<(), AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.things.restore(&caller()?, &kind, &ids).await }.await)
}
