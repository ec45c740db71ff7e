//! Writes answers as messages and as their events.

use serde_json::{Value, json};

use crate::sandbox::answer::{Answer, Ask, Choice, Finish, Usage};
use crate::sandbox::dice::fingerprint;
use crate::sandbox::stream::Event;
use crate::sandbox::tokens;

pub(super) fn whole(ask: &Ask, answer: &Answer) -> Value {
    let choice = answer.choices.first();
    let mut body = envelope(ask, answer);
    body["content"] = choice.map(blocks).unwrap_or_default().into();
    let (reason, sequence) = stop(choice);
    body["stop_reason"] = json!(reason);
    body["stop_sequence"] = sequence;
    if reason == "refusal" {
        body["stop_details"] = refusal();
    }
    if let Some(told) = &answer.usage {
        body["usage"] = usage(told, told.output);
        body["usage"]["output_tokens_details"] = json!({"thinking_tokens": told.reasoning});
    }
    body
}

pub(super) fn events(ask: &Ask, answer: &Answer) -> Vec<Event> {
    let mut events = Events::default();
    let mut message = envelope(ask, answer);
    if let Some(told) = &answer.usage {
        message["usage"] = usage(told, 1);
    }
    events.add("message_start", json!({"message": message}), 0);
    let choice = answer.choices.first();
    if let Some(choice) = choice {
        if !choice.reasoning.is_empty() {
            events.start(json!({"type": "thinking", "thinking": "", "signature": ""}));
            for piece in tokens::pieces(&choice.reasoning) {
                events.delta(json!({"type": "thinking_delta", "thinking": piece}), 1);
            }
            events.delta(json!({"type": "signature_delta", "signature": signature(&choice.reasoning)}), 0);
            events.stop();
        }
        if !choice.text.is_empty() {
            events.start(json!({"type": "text", "text": ""}));
            for piece in tokens::pieces(&choice.text) {
                events.delta(json!({"type": "text_delta", "text": piece}), 1);
            }
            events.stop();
        }
        for call in &choice.calls {
            events
                .start(json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": {}}));
            events.delta(json!({"type": "input_json_delta", "partial_json": ""}), tokens::count(&call.name));
            for piece in tokens::pieces(&call.arguments.to_string()) {
                events.delta(json!({"type": "input_json_delta", "partial_json": piece}), 1);
            }
            events.stop();
        }
    }
    let (reason, sequence) = stop(choice);
    let mut ending = json!({"delta": {"stop_reason": reason, "stop_sequence": sequence}});
    if reason == "refusal" {
        ending["delta"]["stop_details"] = refusal();
    }
    if let Some(told) = &answer.usage {
        ending["usage"] = json!({
            "output_tokens": told.output, "output_tokens_details": {"thinking_tokens": told.reasoning},
        });
    }
    events.add("message_delta", ending, 0);
    events.mark_usage();
    events.add("message_stop", json!({}), 0);
    events.list
}

/// Events under construction, with the index of the open block.
#[derive(Default)]
struct Events {
    list: Vec<Event>,
    index: u32,
}

impl Events {
    fn add(&mut self, name: &'static str, rest: Value, tokens: u32) {
        let mut data = json!({"type": name});
        if let (Some(data), Value::Object(rest)) = (data.as_object_mut(), rest) {
            data.extend(rest);
        }
        self.list.push(Event { name: Some(name), data: data.to_string(), tokens, usage: false });
    }

    fn start(&mut self, block: Value) {
        self.add("content_block_start", json!({"index": self.index, "content_block": block}), 0);
        if self.index == 0 {
            self.add("ping", json!({}), 0);
        }
    }

    fn delta(&mut self, delta: Value, tokens: u32) {
        self.add("content_block_delta", json!({"index": self.index, "delta": delta}), tokens);
    }

    fn stop(&mut self) {
        self.add("content_block_stop", json!({"index": self.index}), 0);
        self.index += 1;
    }

    fn mark_usage(&mut self) {
        if let Some(last) = self.list.last_mut() {
            last.usage = true;
        }
    }
}

fn envelope(ask: &Ask, answer: &Answer) -> Value {
    json!({
        "id": format!("msg_sim_{}", answer.key), "type": "message", "role": "assistant", "model": ask.model,
        "content": [], "stop_reason": null, "stop_sequence": null,
    })
}

fn blocks(choice: &Choice) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !choice.reasoning.is_empty() {
        blocks
            .push(json!({"type": "thinking", "thinking": choice.reasoning, "signature": signature(&choice.reasoning)}));
    }
    if !choice.text.is_empty() {
        blocks.push(json!({"type": "text", "text": choice.text}));
    }
    blocks.extend(choice.calls.iter().map(
        |call| json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": call.arguments}),
    ));
    blocks
}

fn usage(told: &Usage, output: u32) -> Value {
    let (five_minutes, hour) = if told.cache_hour { (0, told.cache_write) } else { (told.cache_write, 0) };
    json!({
        "input_tokens": told.input.saturating_sub(told.cache_read).saturating_sub(told.cache_write),
        "cache_creation_input_tokens": told.cache_write, "cache_read_input_tokens": told.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": hour},
        "output_tokens": output, "service_tier": "standard",
    })
}

fn stop(choice: Option<&Choice>) -> (&'static str, Value) {
    match choice.map(|choice| &choice.finish) {
        None | Some(Finish::Stop) => ("end_turn", Value::Null),
        Some(Finish::Sequence(stop)) => ("stop_sequence", json!(stop)),
        Some(Finish::Length) => ("max_tokens", Value::Null),
        Some(Finish::Calls) => ("tool_use", Value::Null),
        Some(Finish::Filtered) => ("refusal", Value::Null),
    }
}

fn refusal() -> Value {
    json!({"type": "refusal", "category": "simulated", "explanation": "The simulator was asked to refuse."})
}

fn signature(thinking: &str) -> String {
    format!("sim{:016x}", fingerprint(&[thinking]))
}
