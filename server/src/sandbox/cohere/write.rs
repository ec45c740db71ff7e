//! Writes answers as chat responses and as their events.

use serde_json::{Value, json};

use crate::sandbox::answer::{Answer, Choice, Finish, Usage};
use crate::sandbox::stream::Event;
use crate::sandbox::tokens;

/// What the prompt template adds to the tokens that are counted but not billed.
const TEMPLATE: u32 = 66;

pub(super) fn whole(answer: &Answer) -> Value {
    let choice = answer.choices.first();
    let mut body = json!({
        "id": format!("sim-{}", answer.key), "finish_reason": finish(choice),
        "message": {"role": "assistant", "content": choice.map(content).unwrap_or_default()},
    });
    if let Some(calls) = choice.map(tool_calls).filter(|calls| !calls.is_empty()) {
        body["message"]["tool_calls"] = Value::Array(calls);
    }
    if let Some(told) = &answer.usage {
        body["usage"] = usage(told);
    }
    body
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let choice = answer.choices.first();
    let mut list = Vec::new();
    let mut add = |name: &'static str, rest: Value, tokens: u32, usage: bool| {
        let mut data = json!({"type": name});
        if let (Some(data), Value::Object(rest)) = (data.as_object_mut(), rest) {
            data.extend(rest);
        }
        list.push(Event { name: Some(name), data: data.to_string(), tokens, usage });
    };
    let opening = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    add("message-start", json!({"id": format!("sim-{}", answer.key), "delta": {"message": opening}}), 0, false);
    let texts = choice.map(|choice| [("thinking", &choice.reasoning), ("text", &choice.text)]);
    for (index, (kind, text)) in texts.into_iter().flatten().filter(|(_, text)| !text.is_empty()).enumerate() {
        let message = |content: Value| json!({"index": index, "delta": {"message": {"content": content}}});
        add("content-start", message(json!({"type": kind, kind: ""})), 0, false);
        for piece in tokens::pieces(text) {
            add("content-delta", message(json!({kind: piece})), 1, false);
        }
        add("content-end", json!({"index": index}), 0, false);
    }
    for (place, call) in choice.into_iter().flat_map(|choice| &choice.calls).enumerate() {
        let message = |call: Value| json!({"index": place, "delta": {"message": {"tool_calls": call}}});
        let named = json!({"id": id(&call.id), "type": "function", "function": {"name": call.name, "arguments": ""}});
        add("tool-call-start", message(named), tokens::count(&call.name), false);
        for piece in tokens::pieces(&call.arguments.to_string()) {
            add("tool-call-delta", message(json!({"function": {"arguments": piece}})), 1, false);
        }
        add("tool-call-end", json!({"index": place}), 0, false);
    }
    let mut ending = json!({"finish_reason": finish(choice)});
    if let Some(told) = &answer.usage {
        ending["usage"] = usage(told);
    }
    add("message-end", json!({"id": format!("sim-{}", answer.key), "delta": ending}), 0, true);
    list
}

fn content(choice: &Choice) -> Vec<Value> {
    [("thinking", &choice.reasoning), ("text", &choice.text)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(kind, text)| json!({"type": kind, kind: text}))
        .collect()
}

fn tool_calls(choice: &Choice) -> Vec<Value> {
    let call = |call: &crate::sandbox::answer::ToolCall| json!({"id": id(&call.id), "type": "function", "function": {"name": call.name, "arguments": call.arguments.to_string()}});
    choice.calls.iter().map(call).collect()
}

fn id(id: &str) -> String {
    format!("call_{id}")
}

fn usage(told: &Usage) -> Value {
    let mut usage = json!({
        "billed_units": {"input_tokens": told.input, "output_tokens": told.output},
        "tokens": {"input_tokens": told.input.saturating_add(TEMPLATE), "output_tokens": told.output},
    });
    if told.cache_read > 0 {
        usage["cached_tokens"] = json!(told.cache_read);
    }
    usage
}

fn finish(choice: Option<&Choice>) -> &'static str {
    match choice.map(|choice| &choice.finish) {
        None | Some(Finish::Stop) => "COMPLETE",
        Some(Finish::Sequence(_)) => "STOP_SEQUENCE",
        Some(Finish::Length) => "MAX_TOKENS",
        Some(Finish::Calls) => "TOOL_CALL",
        Some(Finish::Filtered) => "ERROR_TOXIC",
    }
}
