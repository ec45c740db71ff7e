//! The character NUL, which Postgres does not store: callers and providers may send it.

use serde_json::Value;

use super::requests::RequestRecord;

/// The fields that callers and providers fill freely.
pub fn has_nul(record: &RequestRecord) -> bool {
    let log = &record.log;
    let free = [
        &log.caller_request_id,
        &log.model_asked,
        &log.model_used,
        &log.provider,
        &log.error_class,
        &log.error_message,
        &log.finish_reason,
        &log.user_agent,
        &log.ip,
    ];
    let bodies = record.contents.iter().flat_map(|c| [&c.request_body, &c.response_body]).flatten();
    free.into_iter().flatten().any(|text| text.contains('\0'))
        || record.usage.as_ref().is_some_and(|u| u.provider.contains('\0') || u.model.contains('\0'))
        || bodies.into_iter().any(|body| body.reveal().contains('\0'))
        || json_has_nul(&log.attempts)
}

fn json_has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(json_has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || json_has_nul(value)),
        _ => false,
    }
}

/// The record with another character in its place.
pub fn without_nul(record: &RequestRecord) -> RequestRecord {
    let clean = |text: &mut String| {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    };
    let mut record = record.clone();
    let log = &mut record.log;
    let free = [
        &mut log.caller_request_id,
        &mut log.model_asked,
        &mut log.model_used,
        &mut log.provider,
        &mut log.error_class,
        &mut log.error_message,
        &mut log.finish_reason,
        &mut log.user_agent,
        &mut log.ip,
    ];
    free.into_iter().flatten().for_each(clean);
    clean_json(&mut log.attempts);
    if let Some(usage) = &mut record.usage {
        clean(&mut usage.provider);
        clean(&mut usage.model);
    }
    if let Some(contents) = &mut record.contents {
        for body in [&mut contents.request_body, &mut contents.response_body].into_iter().flatten() {
            clean(&mut body.0);
        }
    }
    record
}

fn clean_json(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(clean_json),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(name, mut value)| {
                    clean_json(&mut value);
                    (name.replace('\0', "\u{fffd}"), value)
                })
                .collect();
        }
        _ => {}
    }
}
