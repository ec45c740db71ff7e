//! Plain form posts of the pages, for browsers in which the pages are not alive (yet).

use std::{sync::Arc, time::Duration};

use app::ports::Caller;
use axum::{
    Extension, Form,
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    http::RequestInfo,
    providers::{
        ChatInput, ChatRequest,
        chat::{Message, Part},
    },
    services::gateway::Reply,
    state::AppState,
};

/// The text console as a form.
#[derive(Deserialize)]
pub struct TextForm {
    #[serde(default)]
    model: String,
    #[serde(default)]
    system: String,
    #[serde(default)]
    prompt: String,
}

/// `POST /test/text/run`: answers the prompt and shows the run.
pub async fn run_text(
    State(state): State<AppState>,
    Extension(caller): Extension<Option<Caller>>,
    Extension(info): Extension<RequestInfo>,
    Form(form): Form<TextForm>,
) -> Response {
    let Some(caller) = caller else {
        return Redirect::to("/sign-in?next=/test/text").into_response();
    };
    if form.prompt.trim().is_empty() {
        return Redirect::to("/test/text").into_response();
    }
    let snapshot = state.catalog.snapshot();
    let found =
        snapshot.users.get(&caller.user_id).map(|user| state.identity.in_instance(user, Some(&caller.instance_id)));
    let Some(Ok(caller)) = found else {
        return Redirect::to("/sign-in?next=/test/text").into_response();
    };
    let text = |text: &str| vec![Part::Text(text.to_owned())];
    let system = (!form.system.trim().is_empty()).then(|| Message::System(text(&form.system)));
    let request = ChatRequest {
        messages: system.into_iter().chain([Message::User(text(&form.prompt))]).collect(),
        ..ChatRequest::default()
    };
    let model = Some(form.model).filter(|model| !model.trim().is_empty());
    let request_id = info.request_id.clone();
    let context = state.context(info, Arc::new(caller), "console");
    // The record tells what happened, success or not; the page shows it.
    if let Ok(Reply::Stream(_)) = state.gateway.chat(context, ChatInput::from_typed(model, false, request)).await {
        tracing::error!("a buffered call was answered by a stream");
    }
    await_record(&state, &request_id).await;
    Redirect::to(&format!("/test/text?run={request_id}")).into_response()
}

/// Records are written in batches; a page without scripts cannot look again, so it is sent on when its record is there.
async fn await_record(state: &AppState, request_id: &str) {
    for _ in 0..100 {
        if !matches!(state.db.request(request_id).await, Ok(None)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
