//! Writes answers as GenerateContentResponse, whole and in parts.

use serde_json::{Value, json};

use crate::sandbox::answer::{Answer, Ask, Choice, Finish, ToolCall, Usage};
use crate::sandbox::dice::fingerprint;
use crate::sandbox::stream::Event;
use crate::sandbox::tokens;

pub(super) fn whole(ask: &Ask, answer: &Answer) -> Value {
    if blocked(answer) {
        return refusal(ask, answer);
    }
    let candidates: Vec<Value> = answer
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            let mut candidate = candidate(index, parts(ask, choice));
            candidate["finishReason"] = json!(finish(&choice.finish));
            candidate
        })
        .collect();
    response(ask, answer, (!candidates.is_empty()).then_some(candidates), answer.usage)
}

pub(super) fn events(ask: &Ask, answer: &Answer) -> Vec<Event> {
    if blocked(answer) {
        let data = refusal(ask, answer).to_string();
        return vec![Event { data, usage: true, ..Event::default() }];
    }
    let mut stream = Stream { ask, answer, events: Vec::new(), output: 0, reasoning: 0 };
    for (index, choice) in answer.choices.iter().enumerate() {
        for (place, piece) in tokens::pieces(&choice.reasoning).enumerate() {
            stream.reasoning += 1;
            let part = json!({"text": piece, "thought": true});
            if ask.show_reasoning {
                stream.add(index, vec![part], None, 1);
            } else if place == 0 {
                // Hidden thoughts take their time before the first word.
                stream.reasoning += tokens::count(&choice.reasoning) - 1;
                stream.add(index, vec![json!({"text": ""})], None, tokens::count(&choice.reasoning));
                break;
            }
        }
        for piece in tokens::pieces(&choice.text) {
            stream.add(index, vec![json!({"text": piece})], None, 1);
        }
        for call in &choice.calls {
            // A call arrives whole.
            let cost = tokens::count(&call.name) + tokens::count(&call.arguments.to_string());
            stream.add(index, vec![function_call(ask, call)], None, cost);
        }
        stream.add(index, vec![json!({"text": ""})], Some(&choice.finish), 0);
    }
    if let Some(last) = stream.events.last_mut() {
        last.usage = true;
    }
    stream.events
}

/// A stream under construction; usage grows with it.
struct Stream<'a> {
    ask: &'a Ask,
    answer: &'a Answer,
    events: Vec<Event>,
    output: u32,
    reasoning: u32,
}

impl Stream<'_> {
    fn add(&mut self, index: usize, parts: Vec<Value>, finished: Option<&Finish>, tokens: u32) {
        self.output += tokens;
        let mut candidate = candidate(index, parts);
        if let Some(finished) = finished {
            candidate["finishReason"] = json!(finish(finished));
        }
        let last = finished.is_some() && index + 1 == self.answer.choices.len();
        // The last part tells what the whole answer tells, true or not.
        let told = self
            .answer
            .usage
            .map(|told| if last { told } else { Usage { output: self.output, reasoning: self.reasoning, ..told } });
        let data = response(self.ask, self.answer, Some(vec![candidate]), told).to_string();
        self.events.push(Event { data, tokens, ..Event::default() });
    }
}

fn response(ask: &Ask, answer: &Answer, candidates: Option<Vec<Value>>, told: Option<Usage>) -> Value {
    let mut body = json!({});
    if let Some(candidates) = candidates {
        body["candidates"] = Value::Array(candidates);
    }
    if let Some(told) = told {
        body["usageMetadata"] = usage(ask, &told);
    }
    body["modelVersion"] = json!(ask.model);
    body["responseId"] = json!(format!("sim-{}", answer.key));
    body
}

fn candidate(index: usize, parts: Vec<Value>) -> Value {
    json!({"index": index, "content": {"role": "model", "parts": parts}})
}

fn parts(ask: &Ask, choice: &Choice) -> Vec<Value> {
    let mut parts = Vec::new();
    if ask.show_reasoning && !choice.reasoning.is_empty() {
        parts.push(json!({"text": choice.reasoning, "thought": true}));
    }
    if !choice.text.is_empty() || choice.calls.is_empty() {
        parts.push(json!({"text": choice.text}));
    }
    parts.extend(choice.calls.iter().map(|call| function_call(ask, call)));
    parts
}

fn function_call(ask: &Ask, call: &ToolCall) -> Value {
    let mut part = json!({"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}});
    if ask.reasoning > 0 {
        part["thoughtSignature"] = json!(format!("sim{:016x}", fingerprint(&[&call.id])));
    }
    part
}

fn usage(ask: &Ask, told: &Usage) -> Value {
    let spoken = told.output.saturating_sub(told.reasoning);
    let mut usage = json!({
        "promptTokenCount": told.input, "candidatesTokenCount": spoken, "totalTokenCount": told.total(),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": told.input}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": spoken}],
    });
    if ask.reasoning > 0 {
        usage["thoughtsTokenCount"] = json!(told.reasoning);
    }
    if told.cache_read > 0 {
        usage["cachedContentTokenCount"] = json!(told.cache_read);
    }
    usage
}

fn blocked(answer: &Answer) -> bool {
    answer.choices.iter().any(|choice| choice.finish == Finish::Filtered)
}

fn refusal(ask: &Ask, answer: &Answer) -> Value {
    let mut body = response(ask, answer, None, answer.usage);
    body["promptFeedback"] = json!({
        "blockReason": "SAFETY",
        "safetyRatings": [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": true}],
    });
    body
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Filtered => "SAFETY",
    }
}
