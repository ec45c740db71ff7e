//! Google's Gemini API, `generateContent`.

mod fault;
mod request;
mod response;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{ChatCodec, ChatDecoder, ChatInput, Parsed, ProviderError, Target, UpstreamRequest, wire};

/// The codec; it has no state.
#[derive(Debug, Clone, Copy)]
pub struct Gemini;

impl ChatCodec for Gemini {
    fn request(&self, target: &Target, input: &ChatInput, stream: bool) -> Result<UpstreamRequest, ProviderError> {
        let (body, dropped) = request::body(target, input)?;
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        // `tunedModels/x` and `models/x` are paths already.
        let folder = if target.model.contains('/') { "" } else { "models/" };
        let url = format!("{}/{folder}{}:{method}", target.base_url, wire::percent_encode(&target.model, true));
        Ok(UpstreamRequest { dropped, ..wire::post(target, url, wire::json(&body)?, stream)? })
    }

    fn response(&self, _: &Target, _: &HeaderMap, body: Bytes) -> Result<Parsed, ProviderError> {
        response::completion(&body).map(|completion| Parsed::Done(Box::new(completion)))
    }

    fn error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
        fault::read(status, headers, body)
    }

    fn decoder(&self, _: &Target) -> Option<Box<dyn ChatDecoder>> {
        Some(Box::<response::Decoder>::default())
    }
}
