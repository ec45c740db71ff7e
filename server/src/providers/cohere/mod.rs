//! Cohere's chat API, version 2.

mod request;
mod response;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{ChatCodec, ChatDecoder, ChatInput, ErrorClass, Parsed, ProviderError, Target, UpstreamRequest, wire};

/// The codec; it has no state.
#[derive(Debug, Clone, Copy)]
pub struct Cohere;

impl ChatCodec for Cohere {
    fn request(&self, target: &Target, input: &ChatInput, stream: bool) -> Result<UpstreamRequest, ProviderError> {
        let (body, dropped) = request::body(target, input, stream)?;
        let base = target.base_url.strip_suffix("/v2").unwrap_or(&target.base_url);
        let request = wire::post(target, format!("{base}/v2/chat"), wire::json(&body)?, stream)?;
        Ok(UpstreamRequest { dropped, ..request })
    }

    fn response(&self, _: &Target, _: &HeaderMap, body: Bytes) -> Result<Parsed, ProviderError> {
        response::completion(&body).map(|completion| Parsed::Done(Box::new(completion)))
    }

    fn error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
        let status = status.as_u16();
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = wire::text_of(&value["message"]).unwrap_or_else(|| wire::plain_message(Some(status), body));
        let class = match status {
            // Cohere's word for an invalid token, and for a caller that hung up.
            498 => ErrorClass::Auth,
            499 => ErrorClass::Upstream,
            // The monthly allowance of a trial key is spent.
            429 if message.contains("month") => ErrorClass::Billing,
            status => wire::class_of_status(status),
        };
        let mut error = ProviderError::new(class, message).with_status(status);
        error.retry_after = wire::retry_after(headers);
        error
    }

    fn decoder(&self, _: &Target) -> Option<Box<dyn ChatDecoder>> {
        Some(Box::<response::Decoder>::default())
    }
}
