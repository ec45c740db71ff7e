//! Reads `GenerateContentResponse`s: a whole answer is one, a stream is a series of them with the new parts only.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault;
use crate::providers::{
    ChatDecoder, ErrorClass, ProviderError, SseEvent,
    chat::{ChatChunk, Choice, Completion, FinishReason, ToolCall, ToolCallDelta, Usage},
    names, wire,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<Counts>,
    model_version: Option<String>,
    response_id: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    text: Option<String>,
    thought: Option<bool>,
    #[serde(borrow)]
    function_call: Option<FunctionCall<'a>>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

impl Counts {
    fn usage(&self) -> Usage {
        let input = self.prompt_token_count.unwrap_or(0).saturating_add(self.tool_use_prompt_token_count.unwrap_or(0));
        let answer = self.candidates_token_count.unwrap_or(0);
        let reasoning = self.thoughts_token_count.unwrap_or(0);
        // Thoughts are counted beside the answer, unless the total shows that they are in it.
        let inclusive = reasoning <= answer && self.total_token_count == input.checked_add(answer);
        Usage {
            input,
            cached: self.cached_content_token_count.unwrap_or(0),
            cache_write: 0,
            output: if inclusive { answer } else { answer.saturating_add(reasoning) },
            reasoning,
        }
    }
}

impl<'a> Body<'a> {
    fn parse(data: &'a [u8], what: &str) -> Result<Self, ProviderError> {
        match serde_json::from_slice::<Self>(data) {
            Ok(body) if body.error.is_some() => Err(fault::inside_answer(data)),
            Ok(body) => Ok(body),
            Err(_) if fault::is_error(data) => Err(fault::inside_answer(data)),
            Err(error) => Err(wire::malformed(&error, what)),
        }
    }

    fn is_blocked(&self) -> bool {
        self.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_some())
    }
}

/// What a finish reason means, apart from tool calls: those end with `STOP`.
fn finish(reason: &str) -> Option<FinishReason> {
    Some(match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY" | "RECITATION" | "LANGUAGE" | "OTHER" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "NO_IMAGE" => {
            FinishReason::ContentFilter
        }
        reason if reason.starts_with("IMAGE_") => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    })
}

/// Ids for calls that have none: unique in the answer, and between answers when those have an id.
fn call_id(response: &str, candidate: u32, call: u32) -> String {
    match candidate {
        0 => format!("call_{response}_{call}"),
        _ => format!("call_{response}_{candidate}_{call}"),
    }
}

/// Reads a buffered answer: a stream of one event.
pub fn completion(body: &[u8]) -> Result<Completion, ProviderError> {
    let mut decoder = Decoder::default();
    let mut steps = Vec::new();
    decoder.read(body, "the answer", &mut steps)?;
    if decoder.candidates.is_empty() {
        return Err(ProviderError::new(ErrorClass::Malformed, "the provider's answer holds no candidate"));
    }
    decoder.finish_all(&mut steps);
    let mut all = Completion::default();
    for step in steps {
        all.id = step.id.unwrap_or(all.id);
        all.model = step.model.unwrap_or(all.model);
        all.usage = step.usage.or(all.usage);
        if step.content.is_none() && step.reasoning.is_none() && step.tool_calls.is_empty() && step.finish.is_none() {
            continue;
        }
        let at = all.choices.iter().position(|choice| choice.index == step.index).unwrap_or_else(|| {
            all.choices.push(Choice { index: step.index, ..Choice::default() });
            all.choices.len() - 1
        });
        let choice = &mut all.choices[at];
        for (to, text) in [(&mut choice.content, step.content), (&mut choice.reasoning, step.reasoning)] {
            if let Some(text) = text {
                to.get_or_insert_default().push_str(&text);
            }
        }
        choice.tool_calls.extend(step.tool_calls.into_iter().map(|call| ToolCall {
            id: call.id.unwrap_or_default(),
            name: call.name.unwrap_or_default(),
            arguments: call.arguments,
        }));
        choice.finish = step.finish.or(choice.finish);
    }
    Ok(all)
}

/// One stream. Its end is the end of the body; the finish reason is told only then, because older models repeat `STOP`
/// in every event.
#[derive(Default)]
pub struct Decoder {
    id: String,
    candidates: Vec<Progress>,
}

#[derive(Default)]
struct Progress {
    index: u32,
    calls: u32,
    finish: Option<FinishReason>,
}

impl Decoder {
    fn progress(&mut self, index: u32) -> &mut Progress {
        let at = self.candidates.iter().position(|candidate| candidate.index == index).unwrap_or_else(|| {
            self.candidates.push(Progress { index, ..Progress::default() });
            self.candidates.len() - 1
        });
        &mut self.candidates[at]
    }

    fn read(&mut self, data: &[u8], what: &str, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        let body = Body::parse(data, what)?;
        let blocked = body.is_blocked();
        if let Some(id) = &body.response_id
            && self.id.is_empty()
        {
            self.id.clone_from(id);
        }
        out.push(ChatChunk {
            id: body.response_id,
            model: body.model_version,
            usage: body.usage_metadata.map(|counts| counts.usage()),
            ..ChatChunk::default()
        });
        let candidates = body.candidates.unwrap_or_default();
        if blocked && candidates.is_empty() {
            self.progress(0).finish = Some(FinishReason::ContentFilter);
        }
        for (position, candidate) in candidates.into_iter().enumerate() {
            self.candidate(candidate, position as u32, out);
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Candidate<'_>, position: u32, out: &mut Vec<ChatChunk>) {
        let index = candidate.index.unwrap_or(position);
        let id = std::mem::take(&mut self.id);
        let progress = self.progress(index);
        if let Some(reason) = candidate.finish_reason.as_deref().and_then(finish) {
            progress.finish = Some(reason);
        }
        for part in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
            let text = part.text.filter(|text| !text.is_empty());
            if part.thought == Some(true) {
                out.extend(text.map(|text| ChatChunk { index, reasoning: Some(text), ..ChatChunk::default() }));
            } else {
                out.extend(text.map(|text| ChatChunk { index, content: Some(text), ..ChatChunk::default() }));
            }
            if let Some(call) = part.function_call {
                let delta = ToolCallDelta {
                    index: progress.calls,
                    id: Some(
                        call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| call_id(&id, index, progress.calls)),
                    ),
                    name: Some(names::decode(call.name.as_deref().unwrap_or_default())),
                    arguments: call.args.map_or("{}", RawValue::get).to_owned(),
                };
                progress.calls = progress.calls.saturating_add(1);
                out.push(ChatChunk { index, tool_calls: vec![delta], ..ChatChunk::default() });
            }
        }
        self.id = id;
    }

    fn finish_all(&self, out: &mut Vec<ChatChunk>) {
        for candidate in &self.candidates {
            let finish = match candidate.finish {
                None | Some(FinishReason::Stop) if candidate.calls > 0 => FinishReason::ToolCalls,
                finish => finish.unwrap_or(FinishReason::Stop),
            };
            out.push(ChatChunk { index: candidate.index, finish: Some(finish), ..ChatChunk::default() });
        }
    }
}

impl ChatDecoder for Decoder {
    fn event(&mut self, event: SseEvent, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if event.data.is_empty() {
            return Ok(());
        }
        self.read(&event.data, "a stream event", out)
    }

    fn is_done(&self) -> bool {
        false
    }

    fn end(&mut self, out: &mut Vec<ChatChunk>) -> Result<(), ProviderError> {
        if self.candidates.is_empty() || self.candidates.iter().any(|candidate| candidate.finish.is_none()) {
            return Err(wire::truncated());
        }
        self.finish_all(out);
        Ok(())
    }
}
