//! Between JSON and what stands in a form's control: every control holds text.

use serde_json::Value;

use crate::{
    types::config::{Field, FieldKind, FieldRole},
    ui::kit::format,
};

/// What the control shows for a value.
pub fn to_text(kind: FieldKind, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Null) => String::new(),
        (FieldKind::Json, value) => serde_json::to_string_pretty(value).unwrap_or_default(),
        (FieldKind::Words, Value::Array(words)) => {
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        (FieldKind::Money, value) => value.as_i64().map(dollars).unwrap_or_default(),
        // Whole minutes, as the browser's control wants them.
        (FieldKind::Time, Value::String(text)) => text.chars().take(16).collect(),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

/// The value of a text; `Null` where nothing stands. The error says what to do.
pub fn to_value(field: &Field, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    if trimmed.is_empty() && field.kind != FieldKind::Flag {
        return if field.role.is_required() { Err(format!("{} is required.", field.label)) } else { Ok(Value::Null) };
    }
    match field.kind {
        FieldKind::Line | FieldKind::Email | FieldKind::Url | FieldKind::Choice(_) | FieldKind::Ref(_) => {
            Ok(trimmed.into())
        }
        FieldKind::Text => Ok(text.into()),
        FieldKind::Whole(least) => match trimmed.replace([',', '_'], "").parse::<i64>() {
            Ok(number) if number >= least => Ok(number.into()),
            _ => Err(format!("Enter a whole number of at least {least}.")),
        },
        FieldKind::Number => match trimmed.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.into()),
            _ => Err("Enter a number, such as 0.5.".to_owned()),
        },
        FieldKind::Flag => Ok((trimmed == "true").into()),
        FieldKind::Money => micro_dollars(trimmed).map(Into::into).ok_or_else(|| {
            "Enter an amount in dollars, such as 12.50, with at most six digits after the point.".to_owned()
        }),
        FieldKind::Time => format::parse_utc(trimmed)
            .map(|us| format::iso_utc(us).into())
            .ok_or_else(|| "Enter a date and a time in UTC, such as 2027-01-31T12:00.".to_owned()),
        FieldKind::Json => serde_json::from_str(text).map_err(|error| json_error(&error)),
        FieldKind::Words => Ok(trimmed.lines().map(str::trim).filter(|word| !word.is_empty()).collect()),
    }
}

/// Whether a thing that is made gets this field at all.
pub fn is_given(role: FieldRole) -> bool {
    role != FieldRole::Shown
}

/// What is wrong with a JSON text, and where.
pub fn json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("Line {}, column {}: {what}.", error.line(), error.column())
}

/// Where in `text` (in UTF-16 units, as browsers count) a line and column of serde are.
pub fn offset_of(text: &str, line: usize, column: usize) -> u32 {
    let mut offset = 0;
    for (index, content) in text.split('\n').enumerate() {
        if index + 1 == line {
            let units: usize = content.chars().take(column.saturating_sub(1)).map(char::len_utf16).sum();
            return u32::try_from(offset + units).unwrap_or_default();
        }
        offset += content.encode_utf16().count() + 1;
    }
    u32::try_from(text.encode_utf16().count()).unwrap_or_default()
}

/// `12500000` as `12.50`: at least cents, no zeros beyond them.
fn dollars(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let (whole, rest) = (micro.unsigned_abs() / 1_000_000, micro.unsigned_abs() % 1_000_000);
    let digits = format!("{rest:06}");
    let digits = digits.trim_end_matches('0');
    format!("{sign}{whole}.{digits:0<2}")
}

fn micro_dollars(text: &str) -> Option<i64> {
    let text = text.trim_start_matches('$').replace([',', '_', ' '], "");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if rest.len() > 6 || !is_number(whole) || !is_number(rest) || (whole.is_empty() && rest.is_empty()) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let micro: i64 = format!("{rest:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(micro)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(kind: FieldKind, role: FieldRole) -> Field {
        Field { name: "f", label: "F", help: "", kind, role }
    }

    #[test]
    fn values_come_back_as_they_were() {
        for (kind, value) in [
            (FieldKind::Line, json!("a b")),
            (FieldKind::Text, json!("a\n b ")),
            (FieldKind::Whole(0), json!(42)),
            (FieldKind::Number, json!(0.25)),
            (FieldKind::Flag, json!(false)),
            (FieldKind::Money, json!(12_345_678)),
            (FieldKind::Money, json!(5_000_000)),
            (FieldKind::Time, json!("2027-01-31T12:00:00Z")),
            (FieldKind::Json, json!({ "a": [1, null] })),
            (FieldKind::Words, json!(["a", "b c"])),
            (FieldKind::Line, Value::Null),
        ] {
            let text = to_text(kind, &value);
            assert_eq!(to_value(&field(kind, FieldRole::Optional), &text), Ok(value), "{kind:?} {text:?}");
        }
        assert_eq!(to_text(FieldKind::Money, &json!(5_000_000)), "5.00");
    }

    #[test]
    fn errors_say_what_to_do() {
        let fault = |kind, text| to_value(&field(kind, FieldRole::Optional), text).unwrap_err();
        assert_eq!(to_value(&field(FieldKind::Line, FieldRole::Required), " ").unwrap_err(), "F is required.");
        assert_eq!(fault(FieldKind::Whole(1), "0"), "Enter a whole number of at least 1.");
        assert!(fault(FieldKind::Money, "1.0000001").starts_with("Enter an amount"));
        assert!(fault(FieldKind::Money, ".").starts_with("Enter an amount"));
        assert!(fault(FieldKind::Time, "tomorrow").starts_with("Enter a date"));
        let message = fault(FieldKind::Json, "{\n  \"a\": x\n}");
        assert!(message.starts_with("Line 2, column 8"), "{message}");
    }

    #[test]
    fn places_in_json_are_counted_as_browsers_do() {
        assert_eq!(offset_of("ab\ncd", 2, 2), 4);
        assert_eq!(offset_of("😀\nx", 2, 1), 3);
        assert_eq!(offset_of("ab", 9, 1), 2);
    }
}
