//! OpenAI's Chat Completions format, which also Ollama, llama.cpp, vLLM, Mistral, Groq, DeepSeek, xAI and OpenRouter speak.

pub mod body;
mod decode;
pub(super) mod fault;
mod fields;
mod read;
pub mod render;
#[cfg(test)]
mod tests;
pub mod write;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{ChatCodec, ChatDecoder, ChatInput, Parsed, ProviderError, Target, UpstreamRequest, wire};

/// The codec; it has no state.
#[derive(Debug, Clone, Copy)]
pub struct OpenAi;

/// Hosted services that always send `[DONE]`: a stream without it was cut. Other servers may lawfully leave it out.
const SEND_DONE: &[&str] = &["openai", "mistral", "groq", "deepseek", "openrouter", "xai"];

impl ChatCodec for OpenAi {
    fn request(&self, target: &Target, input: &ChatInput, stream: bool) -> Result<UpstreamRequest, ProviderError> {
        let (body, dropped) = write::body(target, input, stream)?;
        let url = format!("{}/chat/completions", target.base_url);
        Ok(UpstreamRequest { dropped, ..wire::post(target, url, body, stream)? })
    }

    fn response(&self, _: &Target, _: &HeaderMap, body: Bytes) -> Result<Parsed, ProviderError> {
        read::completion(body).map(|completion| Parsed::Done(Box::new(completion)))
    }

    fn error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
        fault::read(status, headers, body)
    }

    fn decoder(&self, target: &Target) -> Option<Box<dyn ChatDecoder>> {
        Some(Box::new(decode::Decoder::new(!SEND_DONE.contains(&&*target.provider))))
    }
}
