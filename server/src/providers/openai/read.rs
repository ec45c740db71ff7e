//! Reads a Chat Completions answer. Only what the gateway needs is parsed; the body itself is kept and passed on. Servers
//! that imitate OpenAI leave fields out or fill them oddly; whatever still has a meaning is accepted, and a body that a
//! strict client could not read is not passed on but written anew.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::fault;
use crate::providers::{
    ErrorClass, ProviderError,
    chat::{Choice, Completion, FinishReason, ToolCall, Usage},
    wire,
};

/// The parts of a completion or of a chunk that matter.
#[derive(Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub id: Option<Word<'a>>,
    #[serde(borrow)]
    pub model: Option<Word<'a>>,
    #[serde(borrow)]
    pub object: Option<Word<'a>>,
    #[serde(borrow)]
    pub choices: Option<Vec<RawChoice<'a>>>,
    pub usage: Option<RawUsage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    x_groq: Option<XGroq>,
}

/// A short text that is rarely escaped and mostly only looked at, so it stays where it is.
pub(super) struct Word<'a>(Cow<'a, str>);

impl Word<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Visitor).map(Self)
    }
}

#[derive(Deserialize)]
struct XGroq {
    usage: Option<RawUsage>,
}

#[derive(Deserialize)]
pub(super) struct RawChoice<'a> {
    pub index: Option<u32>,
    #[serde(borrow)]
    message: Option<RawMessage<'a>>,
    #[serde(borrow)]
    delta: Option<RawMessage<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Word<'a>>,
}

#[derive(Default, Deserialize)]
pub(super) struct RawMessage<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    pub refusal: Option<String>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<RawToolCall<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<RawFunction<'a>>,
}

#[derive(Deserialize)]
pub(super) struct RawToolCall<'a> {
    pub index: Option<u32>,
    pub id: Option<String>,
    #[serde(borrow)]
    pub function: Option<RawFunction<'a>>,
}

#[derive(Default, Deserialize)]
pub(super) struct RawFunction<'a> {
    pub name: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawPart<'a> {
    text: Option<String>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct RawUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl RawUsage {
    fn usage(self) -> Option<Usage> {
        let (prompt, answer) = (self.prompt_tokens, self.completion_tokens);
        if prompt.is_none() && answer.is_none() && self.total_tokens.is_none() {
            return None;
        }
        let prompt_details = self.prompt_tokens_details.unwrap_or_default();
        let reasoning = self.completion_tokens_details.and_then(|d| d.reasoning_tokens).unwrap_or(0);
        // Some servers give the total only; then the split is unknown and the prompt is the cheaper guess.
        let input = prompt.or_else(|| self.total_tokens?.checked_sub(answer.unwrap_or(0))).unwrap_or(0);
        let mut output = answer.or_else(|| self.total_tokens?.checked_sub(input)).unwrap_or(0);
        // xAI counts reasoning beside the answer; its total shows it.
        if reasoning > 0
            && let Some(sum) = input.checked_add(output).and_then(|sum| sum.checked_add(reasoning))
            && self.total_tokens == Some(sum)
        {
            output += reasoning;
        }
        Some(Usage {
            input,
            cached: prompt_details.cached_tokens.or(self.prompt_cache_hit_tokens).unwrap_or(0),
            cache_write: prompt_details.cache_write_tokens.unwrap_or(0),
            output,
            reasoning,
        })
    }
}

impl<'a> Body<'a> {
    /// Parses `data`; an error object in it is an `Err`.
    pub fn parse(data: &'a [u8], what: &str) -> Result<Self, ProviderError> {
        let body: Self = match serde_json::from_slice(data) {
            Ok(body) => body,
            // Errors have fields of the same names and other types.
            Err(error) => {
                let value = serde_json::from_slice::<serde_json::Value>(data).unwrap_or_default();
                let is_error = value.get("error").is_some_and(|e| !e.is_null()) || value["object"] == "error";
                return Err(if is_error { fault::inside_answer(&value) } else { wire::malformed(&error, what) });
            }
        };
        if body.error.is_some() || body.is("error") {
            return Err(fault::inside_answer(&serde_json::from_slice(data).unwrap_or_default()));
        }
        Ok(body)
    }

    /// Whether `object` says that it is a `name`.
    pub fn is(&self, name: &str) -> bool {
        self.object.as_ref().is_some_and(|object| object.as_str() == name)
    }

    pub fn usage(&self) -> Option<Usage> {
        let groq = || self.x_groq.as_ref().and_then(|x| x.usage).and_then(RawUsage::usage);
        self.usage.and_then(RawUsage::usage).or_else(groq)
    }
}

impl<'a> RawChoice<'a> {
    /// The message of a whole answer or the delta of a chunk.
    pub fn take_message(&mut self) -> RawMessage<'a> {
        self.delta.take().or(self.message.take()).unwrap_or_default()
    }
}

/// Texts of a message.
#[derive(Default)]
pub(super) struct Texts {
    pub content: Option<String>,
    pub reasoning: Option<String>,
    /// `content` was a string or null, as OpenAI sends it.
    pub exact: bool,
}

impl RawMessage<'_> {
    pub fn texts(&self) -> Result<Texts, ProviderError> {
        let mut texts = match self.content {
            None => Texts { exact: true, ..Texts::default() },
            Some(raw) => match raw.get().as_bytes().first() {
                Some(b'"') => Texts { content: string(raw)?, exact: true, ..Texts::default() },
                Some(b'[') => parts(raw)?,
                _ => Texts::default(),
            },
        };
        for raw in [self.reasoning_content, self.reasoning].into_iter().flatten() {
            if texts.reasoning.is_none() {
                texts.reasoning = string(raw)?;
            }
        }
        Ok(texts)
    }
}

impl RawFunction<'_> {
    /// The arguments as text; a server that sends them as JSON is forgiven.
    pub fn arguments(&self) -> Result<String, ProviderError> {
        match self.arguments {
            None => Ok(String::new()),
            Some(raw) => Ok(string(raw)?.unwrap_or_else(|| raw.get().to_owned())),
        }
    }
}

/// The text, when `raw` is a JSON string.
fn string(raw: &RawValue) -> Result<Option<String>, ProviderError> {
    if !raw.get().starts_with('"') {
        return Ok(None);
    }
    serde_json::from_str(raw.get()).map(Some).map_err(|e| wire::malformed(&e, "a text"))
}

/// A list of text and thinking parts, as Mistral sends it.
fn parts(raw: &RawValue) -> Result<Texts, ProviderError> {
    let parts: Vec<RawPart<'_>> =
        serde_json::from_str(raw.get()).map_err(|e| wire::malformed(&e, "the content list"))?;
    let mut texts = Texts::default();
    for part in parts {
        if let Some(thinking) = part.thinking {
            let thought = match string(thinking)? {
                Some(text) => Some(text),
                None if thinking.get().starts_with('[') => self::parts(thinking)?.content,
                None => None,
            };
            add(&mut texts.reasoning, thought);
        }
        add(&mut texts.content, part.text);
    }
    Ok(texts)
}

fn add(to: &mut Option<String>, text: Option<String>) {
    if let Some(text) = text {
        to.get_or_insert_default().push_str(&text);
    }
}

/// What a finish reason means; `None` for none. `exact` is false for words that OpenAI does not use. Words for a failed
/// generation are errors.
pub(super) fn finish(word: Option<&Word<'_>>) -> Result<(Option<FinishReason>, bool), ProviderError> {
    Ok(match word.map(Word::as_str) {
        None => (None, true),
        Some("") => (None, false),
        Some("stop") => (Some(FinishReason::Stop), true),
        Some("length") => (Some(FinishReason::Length), true),
        Some("tool_calls") => (Some(FinishReason::ToolCalls), true),
        Some("function_call") => (Some(FinishReason::ToolCalls), true),
        Some("content_filter") => (Some(FinishReason::ContentFilter), true),
        Some("model_length" | "max_tokens") => (Some(FinishReason::Length), false),
        Some("error") => {
            return Err(ProviderError::new(ErrorClass::Upstream, "the provider failed while it generated the answer"));
        }
        Some("insufficient_system_resource") => {
            return Err(ProviderError::new(ErrorClass::Overloaded, "the provider ran out of resources"));
        }
        Some(_) => (Some(FinishReason::Stop), false),
    })
}

/// Reads a buffered answer.
pub fn completion(body: Bytes) -> Result<Completion, ProviderError> {
    let parsed = Body::parse(&body, "the answer")?;
    let usage = parsed.usage();
    let text = |word: &Option<Word<'_>>| word.as_ref().map(|word| word.as_str().to_owned()).unwrap_or_default();
    let (id, model) = (text(&parsed.id), text(&parsed.model));
    let mut exact = parsed.is("chat.completion") && !id.is_empty();
    let mut choices = Vec::new();
    for (position, mut raw) in parsed.choices.unwrap_or_default().into_iter().enumerate() {
        let (choice, as_is) = choice(&mut raw, position as u32, &id)?;
        exact &= as_is;
        choices.push(choice);
    }
    if choices.is_empty() {
        return Err(ProviderError::new(ErrorClass::Malformed, "the provider's answer holds no choice"));
    }
    Ok(Completion { id, model, choices, usage, raw: exact.then_some(body) })
}

fn choice(raw: &mut RawChoice<'_>, position: u32, id: &str) -> Result<(Choice, bool), ProviderError> {
    let message = raw.take_message();
    let texts = message.texts()?;
    let (finish, mut exact) = finish(raw.finish_reason.as_ref())?;
    exact &= texts.exact && finish.is_some();
    let mut tool_calls = Vec::new();
    for call in message.tool_calls.into_iter().flatten() {
        let function = call.function.unwrap_or_default();
        let call_id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            exact = false;
            format!("call_{id}_{}", tool_calls.len())
        });
        let arguments = function.arguments()?;
        tool_calls.push(ToolCall { id: call_id, name: function.name.unwrap_or_default(), arguments });
    }
    if let Some(function) = message.function_call {
        let arguments = function.arguments()?;
        tool_calls.push(ToolCall { id: format!("call_{id}"), name: function.name.unwrap_or_default(), arguments });
    }
    let implied = if tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
    let choice = Choice {
        index: raw.index.unwrap_or(position),
        content: texts.content,
        reasoning: texts.reasoning,
        refusal: message.refusal,
        tool_calls,
        finish: Some(finish.unwrap_or(implied)),
    };
    Ok((choice, exact))
}
