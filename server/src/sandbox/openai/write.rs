//! Writes answers as chat completions and as their chunks.

use serde_json::{Map, Value, json};

use super::{Flavour, UsagePlace};
use crate::sandbox::answer::{Answer, Ask, Choice, Finish, Usage};
use crate::sandbox::dialect::Meta;
use crate::sandbox::stream::Event;
use crate::sandbox::tokens;

pub(super) fn whole(flavour: &Flavour, ask: &Ask, answer: &Answer, meta: &Meta) -> Value {
    let choices: Vec<Value> = answer
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| json!({"index": index, "message": message(flavour, choice), "logprobs": null, "finish_reason": finish(&choice.finish)}))
        .collect();
    let mut body = json!({
        "id": id(&answer.key), "object": "chat.completion", "created": meta.created, "model": ask.model, "choices": choices,
        "service_tier": "default", "system_fingerprint": "fp_simulated",
    });
    if let Some(told) = &answer.usage {
        body["usage"] = usage(flavour, told);
    }
    body
}

pub(super) fn events(flavour: &Flavour, ask: &Ask, answer: &Answer, meta: &Meta) -> Vec<Event> {
    let told = answer.usage.as_ref().map(|told| usage(flavour, told));
    let with_usage = ask.stream_usage && told.is_some();
    let last = answer.choices.len().saturating_sub(1);
    let mut lanes: Vec<std::vec::IntoIter<Event>> = Vec::new();
    for (index, choice) in answer.choices.iter().enumerate() {
        let delta = |delta: Value, tokens: u32| Event {
            tokens,
            ..chunk_event(
                ask,
                &answer.key,
                meta,
                &json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": null}]),
                None,
            )
        };
        let mut lane = vec![delta(
            json!({"role": "assistant", "content": if choice.calls.is_empty() { json!("") } else { Value::Null }}),
            0,
        )];
        match flavour.reasoning {
            Some(field) => lane.extend(tokens::pieces(&choice.reasoning).map(|piece| delta(json!({field: piece}), 1))),
            // Hidden reasoning takes its time before the first word.
            None => lane[0].tokens = tokens::count(&choice.reasoning),
        }
        lane.extend(tokens::pieces(&choice.text).map(|piece| delta(json!({"content": piece}), 1)));
        for (place, call) in choice.calls.iter().enumerate() {
            let named = json!({"index": place, "id": format!("call_{}", call.id), "type": "function", "function": {"name": call.name, "arguments": ""}});
            lane.push(delta(json!({"tool_calls": [named]}), tokens::count(&call.name)));
            let arguments = call.arguments.to_string();
            lane.extend(
                tokens::pieces(&arguments)
                    .map(|piece| delta(json!({"tool_calls": [{"index": place, "function": {"arguments": piece}}]}), 1)),
            );
        }
        let mut ending = chunk(
            ask,
            &answer.key,
            meta,
            &json!([{"index": index, "delta": {}, "logprobs": null, "finish_reason": finish(&choice.finish)}]),
        );
        let mut tells = false;
        if let Some(told) = told.as_ref().filter(|_| index == last) {
            match flavour.usage {
                UsagePlace::LastChoice => ending["usage"] = told.clone(),
                UsagePlace::XGroq => ending["x_groq"] = json!({"id": meta.request_id, "usage": told}),
                UsagePlace::OnRequest => {}
            }
            tells = flavour.usage != UsagePlace::OnRequest;
        }
        if with_usage {
            ending["usage"] = Value::Null;
        }
        lane.push(Event { data: ending.to_string(), usage: tells, ..Event::default() });
        lanes.push(lane.into_iter());
    }
    let mut events = interleave(lanes);
    if let Some(told) = told.filter(|_| with_usage) {
        events.push(Event { usage: true, ..chunk_event(ask, &answer.key, meta, &json!([]), Some(told)) });
    }
    events.push(Event { data: "[DONE]".to_owned(), ..Event::default() });
    events
}

/// One chunk as an event; while usage is asked for, every chunk but the one that tells it says `null`.
pub(super) fn chunk_event(ask: &Ask, key: &str, meta: &Meta, choices: &Value, told: Option<Value>) -> Event {
    let mut chunk = chunk(ask, key, meta, choices);
    if ask.stream_usage {
        chunk["usage"] = told.unwrap_or(Value::Null);
    }
    Event { data: chunk.to_string(), ..Event::default() }
}

fn chunk(ask: &Ask, key: &str, meta: &Meta, choices: &Value) -> Value {
    json!({
        "id": id(key), "object": "chat.completion.chunk", "created": meta.created, "model": ask.model,
        "service_tier": "default", "system_fingerprint": "fp_simulated", "choices": choices,
    })
}

/// Several choices stream side by side.
fn interleave(mut lanes: Vec<std::vec::IntoIter<Event>>) -> Vec<Event> {
    let mut events = Vec::new();
    while !lanes.is_empty() {
        lanes.retain_mut(|lane| lane.next().map(|event| events.push(event)).is_some());
    }
    events
}

fn message(flavour: &Flavour, choice: &Choice) -> Value {
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    message.insert("content".into(), if choice.calls.is_empty() { json!(choice.text) } else { Value::Null });
    message.insert("refusal".into(), Value::Null);
    message.insert("annotations".into(), json!([]));
    if let Some(field) = flavour.reasoning.filter(|_| !choice.reasoning.is_empty()) {
        message.insert(field.into(), json!(choice.reasoning));
    }
    if !choice.calls.is_empty() {
        let calls: Vec<Value> = choice
            .calls
            .iter()
            .map(|call| json!({"id": format!("call_{}", call.id), "type": "function", "function": {"name": call.name, "arguments": call.arguments.to_string()}}))
            .collect();
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Value::Object(message)
}

fn usage(flavour: &Flavour, told: &Usage) -> Value {
    let mut usage = json!({
        "prompt_tokens": told.input, "completion_tokens": told.output, "total_tokens": told.total(),
        "prompt_tokens_details": {"cached_tokens": told.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": told.reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    });
    if flavour.name == "deepseek" {
        usage["prompt_cache_hit_tokens"] = json!(told.cache_read);
        usage["prompt_cache_miss_tokens"] = json!(told.input.saturating_sub(told.cache_read));
    }
    usage
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}

fn id(key: &str) -> String {
    format!("chatcmpl-sim-{key}")
}
