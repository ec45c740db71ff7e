//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::BytesMut;

use super::OpenAiProblem;
use crate::{
    http::{RequestInfo, auth, facts, problem::Problem, sse},
    providers::{ChatChunk, ChatInput, Usage, openai::render},
    services::gateway::{GatewayError, Reply},
    state::{AppState, timeout},
};

/// Answers a chat call, whole or streamed.
pub async fn chat(
    State(state): State<AppState>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Result<Response, OpenAiProblem> {
    let (parts, body) = request.into_parts();
    let caller = auth::caller(&state, &parts, None).await?;
    let is_console = caller.key_id.is_none() && parts.headers.get("x-de-source").is_some_and(|v| v == "console");
    let surface = if is_console { "console" } else { "openai.chat" };
    let body = state.read_body(body).await?;
    let (created, request_id) = (info.started_us / 1_000_000, info.request_id.clone());
    let mut context = state.context(info, Arc::new(caller), surface);
    let read = ChatInput::from_openai(body).and_then(|input| Ok((input, timeout(&parts.headers)?)));
    let input = match read {
        Ok((input, timeout)) => {
            context.timeout = timeout;
            input
        }
        Err(error) => return Err(state.gateway.refuse(context, None, error.into()).await.into()),
    };
    let include_usage = input.include_usage;
    match state.gateway.chat(context, input).await? {
        Reply::Whole { completion, facts } => {
            let id = format!("chatcmpl-{request_id}");
            let body = match completion.raw {
                Some(raw) => raw,
                None => render::completion(&completion, &id, created, &completion.model),
            };
            let mut response = Body::from(body).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            facts::add_headers(headers, &facts, true);
            facts::add_openai_limits(headers, &facts.standing);
            Ok(response)
        }
        Reply::Stream(stream) => {
            let frames = OpenAiFrames {
                id: format!("chatcmpl-{request_id}"),
                created,
                include_usage,
                model: stream.facts().model,
                writer: None,
                usage: None,
                passed_usage: false,
            };
            let standing = stream.facts().standing;
            let mut response = sse::respond(stream, frames, state.settings.gateway.keep_alive).await?;
            facts::add_openai_limits(response.headers_mut(), &standing);
            Ok(response)
        }
    }
}

/// Writes `chat.completion.chunk` events.
struct OpenAiFrames {
    id: String,
    created: i64,
    include_usage: bool,
    /// Named when the upstream does not name its model.
    model: String,
    /// Made with the first chunk that is not the upstream's own, because it names the model.
    writer: Option<render::ChunkWriter>,
    usage: Option<Usage>,
    /// The upstream's own usage chunk went through.
    passed_usage: bool,
}

impl sse::Frames for OpenAiFrames {
    fn chunks(&mut self, chunks: Vec<ChatChunk>, out: &mut BytesMut) {
        let mut rendered: Vec<Bytes> = Vec::new();
        for chunk in chunks {
            if chunk.usage.is_some() {
                self.usage = chunk.usage;
            }
            if let Some(raw) = &chunk.raw {
                // We asked the upstream for usage; the caller did not.
                if chunk.usage_only && !self.include_usage {
                    continue;
                }
                self.passed_usage |= chunk.usage_only;
                match without_usage(raw).filter(|_| !self.include_usage) {
                    Some((before, after)) => sse::data_parts(&[before, after], out),
                    None => sse::data(raw, out),
                }
                continue;
            }
            let writer = self.writer.get_or_insert_with(|| {
                let model = chunk.model.as_deref().unwrap_or(&self.model);
                render::ChunkWriter::new(&self.id, self.created, model, self.include_usage)
            });
            writer.step(&chunk, &mut rendered);
            rendered.drain(..).for_each(|json| sse::data(&json, out));
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if let (true, false, Some(writer), Some(usage)) =
            (self.include_usage, self.passed_usage, &self.writer, &self.usage)
        {
            sse::data(&writer.usage(usage), out);
        }
        sse::data(b"[DONE]", out);
    }

    fn error(&mut self, error: &GatewayError, out: &mut BytesMut) {
        let body = serde_json::json!({ "error": Problem::Gateway(error.clone()).openai_error() });
        sse::data(body.to_string().as_bytes(), out);
    }
}

/// The two sides of a chunk's empty `usage`, which the upstream sends because we asked for usage. Inside a text its
/// quotes would be escaped.
fn without_usage(chunk: &[u8]) -> Option<(&[u8], &[u8])> {
    [&b",\"usage\":null"[..], b", \"usage\": null"].into_iter().find_map(|usage| {
        let at = memchr::memmem::rfind(chunk, usage)?;
        Some((&chunk[..at], &chunk[at + usage.len()..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_usage_is_cut_out_of_a_chunk_and_not_out_of_a_text() {
        let cut = |chunk: &'static str| without_usage(chunk.as_bytes()).map(|(a, b)| [a, b].concat());
        assert_eq!(cut(r#"{"id":"1","usage":null,"choices":[]}"#).unwrap(), br#"{"id":"1","choices":[]}"#);
        assert_eq!(cut(r#"{"id": "1", "usage": null}"#).unwrap(), br#"{"id": "1"}"#);
        assert_eq!(cut(r#"{"content":"a,\"usage\":null"}"#), None);
        assert_eq!(cut(r#"{"usage":{"total_tokens":1}}"#), None);
    }
}
