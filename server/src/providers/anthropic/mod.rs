//! Anthropic's Messages API.

mod fault;
mod request;
mod response;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{ChatCodec, ChatDecoder, ChatInput, Parsed, ProviderError, Target, UpstreamRequest, wire};

/// The codec; it has no state.
#[derive(Debug, Clone, Copy)]
pub struct Anthropic;

impl ChatCodec for Anthropic {
    fn request(&self, target: &Target, input: &ChatInput, stream: bool) -> Result<UpstreamRequest, ProviderError> {
        let (body, dropped) = request::body(target, input, stream)?;
        let base = target.base_url.strip_suffix("/v1").unwrap_or(&target.base_url);
        let mut request = wire::post(target, format!("{base}/v1/messages"), wire::json(&body)?, stream)?;
        request.headers.entry("anthropic-version").or_insert(HeaderValue::from_static("2023-06-01"));
        Ok(UpstreamRequest { dropped, ..request })
    }

    fn response(&self, _: &Target, _: &HeaderMap, body: Bytes) -> Result<Parsed, ProviderError> {
        response::completion(&body).map(|completion| Parsed::Done(Box::new(completion)))
    }

    fn error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
        fault::read(status, headers, body)
    }

    fn decoder(&self, _: &Target) -> Option<Box<dyn ChatDecoder>> {
        Some(Box::<stream::Decoder>::default())
    }
}
