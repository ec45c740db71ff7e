//! The secret that an instance's callbacks are signed with.

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    call::{Call, answer},
    problem::ConfigProblem,
};
use crate::{
    clock::rfc3339,
    http::table::Table,
    services::{
        config::ConfigError,
        delivery::{CallbackSecret, DeliveryError},
    },
};

type Id = Result<Path<String>, PathRejection>;

pub fn routes(table: Table) -> Table {
    table.get("/instance/{id}/callback-secret", reveal).post("/instance/{id}/callback-secret/rotate", rotate)
}

impl From<DeliveryError> for ConfigProblem {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::NotFound(what) => ConfigError::NotFound(what.to_owned()).into(),
            DeliveryError::Denied(denied) => ConfigError::Denied(denied).into(),
            DeliveryError::Store(error) => ConfigError::Store(error).into(),
            other => Self::Other(other.into()),
        }
    }
}

async fn reveal(id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let Path(id) = id.map_err(|_| DeliveryError::NotFound("Instance"))?;
        let secret = call.state.delivery.callback_secret(&call.author, &id).await?;
        Ok(call.data(shown(secret)))
    })
    .await
}

async fn rotate(id: Id, call: Call) -> Response {
    answer(call, async move |call| {
        let Path(id) = id.map_err(|_| DeliveryError::NotFound("Instance"))?;
        let secret = call.state.delivery.rotate_callback_secret(&call.author, &id).await?;
        Ok(call.data(shown(secret)))
    })
    .await
}

fn shown(secret: CallbackSecret) -> Value {
    let (previous, until_us) = secret.previous.unzip();
    json!({
        "instance_id": secret.instance_id,
        "version": secret.version,
        "secret": secret.secret,
        "previous": previous,
        "previous_until": until_us.map(rfc3339),
    })
}
