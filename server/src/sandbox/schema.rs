//! A value that is valid against a JSON Schema, coloured by the prompt where the schema leaves room.

use serde_json::{Map, Number, Value, json};

use super::dice::Dice;
use super::text;

/// Below this depth optional parts are left out, so that recursive schemas end.
const DEPTH: usize = 6;
/// References followed in a row before giving up on a schema that only points at itself.
const HOPS: usize = 32;
/// Longest repetition made for a pattern such as `a*`.
const REPEATS: u32 = 3;

/// Makes a value for a schema. Gemini's upper-case types and `nullable` are understood too.
pub(crate) fn instance(schema: &Value, prompt: &str, dice: &mut Dice) -> Value {
    Maker { root: schema, prompt, dice }.value(schema, "", 0)
}

struct Maker<'a> {
    root: &'a Value,
    prompt: &'a str,
    dice: &'a mut Dice,
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let schema = self.flat(schema);
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array).filter(|options| !options.is_empty()) {
            return self.option(options);
        }
        match kind(&schema) {
            "object" => self.object(&schema, depth),
            "array" => self.array(&schema, name, depth),
            "integer" => self.number(&schema, true),
            "number" => self.number(&schema, false),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(self.string(&schema, name)),
        }
    }

    /// The schema with references followed, the first alternative taken and `allOf` merged in.
    fn flat(&mut self, schema: &Value) -> Map<String, Value> {
        let mut out = schema.as_object().cloned().unwrap_or_default();
        for _ in 0..HOPS {
            let next = if let Some(Value::String(pointer)) = out.shift_remove("$ref") {
                pointer.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)).cloned()
            } else if let Some(Value::Array(parts)) = out.shift_remove("allOf") {
                Some(parts.iter().fold(Value::Object(Map::new()), |merged, part| {
                    let part = self.flat(part);
                    Value::Object(merge(merged.as_object().cloned().unwrap_or_default(), &part))
                }))
            } else if let Some(Value::Array(options)) = out.shift_remove("anyOf").or_else(|| out.shift_remove("oneOf"))
            {
                // A real value says more than null.
                options.iter().find(|option| option.get("type") != Some(&json!("null"))).or(options.first()).cloned()
            } else {
                break;
            };
            if let Some(Value::Object(next)) = next {
                out = merge(out, &next);
            }
        }
        // Still there only in a schema that points at itself, which allows anything.
        out.shift_remove("$ref");
        out
    }

    /// The option that the prompt mentions, else the first.
    fn option(&self, options: &[Value]) -> Value {
        let prompt = self.prompt.to_lowercase();
        let mentioned = |option: &&Value| {
            option.as_str().is_some_and(|text| !text.is_empty() && prompt.contains(&text.to_lowercase()))
        };
        options.iter().find(mentioned).or(options.first()).cloned().unwrap_or_default()
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required: Vec<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
        let mut out = Map::new();
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                if depth < DEPTH || required.contains(&name.as_str()) {
                    out.insert(name.clone(), self.value(property, name, depth + 1));
                }
            }
        }
        let extra = schema.get("additionalProperties").filter(|extra| extra.is_object()).cloned();
        for name in required {
            if !out.contains_key(name) {
                let value = self.value(&extra.clone().unwrap_or_else(|| json!({"type": "string"})), name, depth + 1);
                out.insert(name.to_owned(), value);
            }
        }
        let wanted = size(schema, "minProperties").max(usize::from(out.is_empty() && extra.is_some() && depth < DEPTH));
        while out.len() < wanted {
            let name = format!("key_{}", out.len() + 1);
            let value = self.value(&extra.clone().unwrap_or_else(|| json!({"type": "string"})), &name, depth + 1);
            out.insert(name, value);
        }
        Value::Object(out)
    }

    fn array(&mut self, schema: &Map<String, Value>, name: &str, depth: usize) -> Value {
        let fixed = list(schema, "prefixItems");
        let least = size(schema, "minItems").max(fixed.len());
        let most = schema.get("maxItems").and_then(as_size).unwrap_or(usize::MAX);
        let wanted = least.max(if depth < DEPTH { 2 } else { 0 }).min(most.max(least));
        let any = json!({"type": "string"});
        let item = schema.get("items").filter(|item| item.is_object()).unwrap_or(&any).clone();
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let singular = name.strip_suffix('s').unwrap_or(name);
        let mut out: Vec<Value> = Vec::new();
        for place in 0..wanted {
            let mut value = self.value(fixed.get(place).unwrap_or(&item), singular, depth + 1);
            if unique && out.contains(&value) {
                match self.different(&item, &value, &out) {
                    Some(other) => value = other,
                    None if out.len() >= least => break,
                    None => {}
                }
            }
            out.push(value);
        }
        Value::Array(out)
    }

    /// Another value for the same item schema, for arrays of unique items.
    fn different(&mut self, item: &Value, value: &Value, taken: &[Value]) -> Option<Value> {
        let item = self.flat(item);
        let options = list(&item, "enum");
        if !options.is_empty() {
            return options.iter().find(|option| !taken.contains(option)).cloned();
        }
        let fits = |other: &Value| !taken.contains(other);
        match value {
            Value::String(text) => (2..1000).map(|turn| Value::String(format!("{text} {turn}"))).find(fits),
            Value::Number(number) => {
                let start = number.as_f64()?;
                let step = item.get("multipleOf").and_then(Value::as_f64).unwrap_or(1.0);
                (1..1000)
                    .map(|turn| as_number(start + step * f64::from(turn), number.is_i64() || number.is_u64()))
                    .find(fits)
            }
            Value::Bool(flag) => Some(Value::Bool(!flag)).filter(fits),
            _ => None,
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, whole: bool) -> Value {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let step = bound("multipleOf").filter(|step| *step > 0.0).or(whole.then_some(1.0));
        let nudge = step.unwrap_or(0.5);
        let low = bound("minimum")
            .into_iter()
            .chain(bound("exclusiveMinimum").map(|low| low + nudge * 1e-6))
            .reduce(f64::max);
        let high = bound("maximum")
            .into_iter()
            .chain(bound("exclusiveMaximum").map(|high| high - nudge * 1e-6))
            .reduce(f64::min);
        let wish = self
            .prompt
            .split(|c: char| !c.is_ascii_digit())
            .find_map(|digits| digits.parse::<u32>().ok())
            .map_or_else(|| 1.0 + f64::from(u8::try_from(self.dice.below(9)).unwrap_or(0)), f64::from);
        let clamped = wish.max(low.unwrap_or(f64::NEG_INFINITY)).min(high.unwrap_or(f64::INFINITY));
        let fitted = match step {
            None => match (low, high) {
                // Between two close bounds only the middle is surely inside.
                (Some(low), Some(high)) if clamped <= low || clamped >= high => f64::midpoint(low, high),
                _ => clamped,
            },
            Some(step) => {
                let up = (clamped / step).ceil() * step;
                if high.is_some_and(|high| up > high) { (clamped / step).floor() * step } else { up }
            }
        };
        as_number(fitted, whole)
    }

    fn string(&mut self, schema: &Map<String, Value>, name: &str) -> String {
        if let Some(made) =
            schema.get("pattern").and_then(Value::as_str).and_then(|pattern| matching(pattern, self.dice))
        {
            return made;
        }
        let mut text = match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => return "2026-01-15T10:30:00Z".to_owned(),
            Some("date") => return "2026-01-15".to_owned(),
            Some("time") => return "10:30:00Z".to_owned(),
            Some("duration") => return "PT30M".to_owned(),
            Some("email" | "idn-email") => return "simulated@example.com".to_owned(),
            Some("uri" | "url" | "uri-reference" | "iri") => return "https://example.com/simulated".to_owned(),
            Some("hostname") => return "simulated.example.com".to_owned(),
            Some("ipv4") => return "192.0.2.1".to_owned(),
            Some("ipv6") => return "2001:db8::1".to_owned(),
            Some("uuid") => {
                let (a, b) = (self.dice.next(), self.dice.next());
                return format!(
                    "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                    a >> 32,
                    a & 0xffff,
                    (a >> 16) & 0xfff,
                    b >> 52,
                    b & 0xffff_ffff_ffff
                );
            }
            _ => self.word_for(name),
        };
        let most = schema.get("maxLength").and_then(as_size).unwrap_or(usize::MAX);
        while text.chars().count() < size(schema, "minLength") {
            text.push_str(" and more simulated text");
        }
        if text.chars().count() > most {
            text = text.chars().take(most).collect();
        }
        text
    }

    fn word_for(&self, name: &str) -> String {
        let lower = name.to_lowercase();
        match lower.as_str() {
            "query" | "q" | "text" | "prompt" | "input" | "question" | "message" | "content" | "search" => {
                let said = text::excerpt(self.prompt, 12);
                if said.is_empty() { "simulated request".to_owned() } else { said }
            }
            "city" | "location" | "place" | "country" | "destination" | "name" | "person" | "town" => {
                let mut words =
                    self.prompt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).skip(1);
                words
                    .find(|word| word.chars().next().is_some_and(char::is_uppercase) && word.len() > 1)
                    .map_or_else(|| format!("Sample {lower}"), str::to_owned)
            }
            "" => "simulated value".to_owned(),
            _ => format!("simulated {}", lower.replace('_', " ")),
        }
    }
}

/// Both schemas at once: lists of required names and property tables join, otherwise the later one wins.
fn merge(mut base: Map<String, Value>, other: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in other {
        match (base.get_mut(key), value) {
            (Some(Value::Object(mine)), Value::Object(theirs)) if key == "properties" => mine.extend(theirs.clone()),
            (Some(Value::Array(mine)), Value::Array(theirs)) if key == "required" => {
                let new: Vec<Value> = theirs.iter().filter(|name| !mine.contains(name)).cloned().collect();
                mine.extend(new);
            }
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
    base
}

/// The JSON type to make: the first that is not null, or what the keywords imply.
fn kind(schema: &Map<String, Value>) -> &'static str {
    let known = |name: &str| {
        ["object", "array", "integer", "number", "boolean", "null", "string"]
            .into_iter()
            .find(|kind| kind.eq_ignore_ascii_case(name))
    };
    match schema.get("type") {
        Some(Value::String(name)) => known(name).unwrap_or("string"),
        Some(Value::Array(names)) => {
            let mut kinds = names.iter().filter_map(Value::as_str).filter_map(known);
            let first = kinds.next().unwrap_or("string");
            if first == "null" { kinds.next().unwrap_or("null") } else { first }
        }
        _ if schema.contains_key("properties")
            || schema.contains_key("required")
            || schema.contains_key("additionalProperties") =>
        {
            "object"
        }
        _ if schema.contains_key("items") || schema.contains_key("prefixItems") => "array",
        _ if schema.contains_key("minimum") || schema.contains_key("maximum") => "number",
        _ if schema.is_empty() => "object",
        _ => "string",
    }
}

fn list<'a>(schema: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    schema.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn size(schema: &Map<String, Value>, name: &str) -> usize {
    schema.get(name).and_then(as_size).unwrap_or(0)
}

/// Sizes come as numbers, and as strings from Gemini.
fn as_size(value: &Value) -> Option<usize> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).and_then(|size| usize::try_from(size).ok())
}

#[expect(clippy::cast_possible_truncation, reason = "schemas ask for small whole numbers")]
fn as_number(value: f64, whole: bool) -> Value {
    if whole { json!(value.round() as i64) } else { Number::from_f64(value).map_or(json!(0), Value::Number) }
}

/// A text that matches a regular expression; none when the expression is beyond this crate's syntax.
fn matching(pattern: &str, dice: &mut Dice) -> Option<String> {
    let expression = regex_syntax::parse(pattern).ok()?;
    let mut out = Vec::new();
    write_match(&expression, dice, &mut out)?;
    String::from_utf8(out).ok()
}

fn write_match(expression: &regex_syntax::hir::Hir, dice: &mut Dice, out: &mut Vec<u8>) -> Option<()> {
    use regex_syntax::hir::{Class, HirKind};
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            // A plain ASCII letter or digit reads best; otherwise whatever the class starts with.
            let ranges = class.ranges();
            let allowed: Vec<char> =
                (' '..='~').filter(|c| ranges.iter().any(|range| (range.start()..=range.end()).contains(c))).collect();
            let pleasant: Vec<char> = allowed.iter().copied().filter(|c| c.is_ascii_alphanumeric()).collect();
            let from = if pleasant.is_empty() { allowed } else { pleasant };
            let c = if from.is_empty() { ranges.first()?.start() } else { from[dice.below(from.len())] };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        HirKind::Class(Class::Bytes(class)) => out.push(class.ranges().first()?.start()),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.max(REPEATS));
            for _ in 0..most {
                write_match(&repetition.sub, dice, out)?;
            }
        }
        HirKind::Capture(capture) => write_match(&capture.sub, dice, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write_match(part, dice, out))?,
        HirKind::Alternation(parts) => write_match(parts.first()?, dice, out)?,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(schema: &Value) -> Value {
        instance(schema, "How is the weather in Oslo for 3 days? red", &mut Dice::new(4))
    }

    /// A small validator of its own, so that the maker is not its own judge.
    fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
        let bad = |what: &str| Err(format!("{what}: {value} against {schema}"));
        if let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
            return check(root, root.pointer(&pointer[1..]).unwrap(), value);
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            return if options.contains(value) { Ok(()) } else { bad("enum") };
        }
        for parts in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            check(root, parts, value)?;
        }
        if let Some(options) = schema.get("anyOf").and_then(Value::as_array)
            && !options.iter().any(|option| check(root, option, value).is_ok())
        {
            return bad("anyOf");
        }
        let is = |kind: &str| match kind.to_lowercase().as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            _ => value.is_string(),
        };
        match schema.get("type") {
            Some(Value::String(kind)) if !is(kind) => return bad("type"),
            Some(Value::Array(kinds)) if !kinds.iter().any(|kind| is(kind.as_str().unwrap())) => return bad("type"),
            _ => {}
        }
        if let Some(object) = value.as_object() {
            let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
            for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
                if !object.contains_key(name.as_str().unwrap()) {
                    return bad("required");
                }
            }
            for (name, part) in object {
                match (properties.get(name), schema.get("additionalProperties")) {
                    (Some(property), _) => check(root, property, part)?,
                    (None, Some(Value::Bool(false))) => return bad("additional"),
                    (None, Some(extra @ Value::Object(_))) => check(root, extra, part)?,
                    _ => {}
                }
            }
        }
        if let Some(items) = value.as_array() {
            let count = u64::try_from(items.len()).unwrap();
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            if count < least || count > schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX) {
                return bad("items");
            }
            for (place, item) in items.iter().enumerate() {
                if schema.get("uniqueItems") == Some(&json!(true)) && items[..place].contains(item) {
                    return bad("unique");
                }
                if let Some(items) = schema.get("items") {
                    check(root, items, item)?;
                }
            }
        }
        if let Some(number) = value.as_f64() {
            let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
            if bound("minimum").is_some_and(|low| number < low)
                || bound("maximum").is_some_and(|high| number > high)
                || bound("exclusiveMinimum").is_some_and(|low| number <= low)
                || bound("exclusiveMaximum").is_some_and(|high| number >= high)
                || bound("multipleOf").is_some_and(|step| (number / step - (number / step).round()).abs() > 1e-9)
            {
                return bad("range");
            }
        }
        if let Some(text) = value.as_str() {
            let count = u64::try_from(text.chars().count()).unwrap();
            if count < schema.get("minLength").and_then(Value::as_u64).unwrap_or(0)
                || count > schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX)
            {
                return bad("length");
            }
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
                && !regex::Regex::new(pattern).unwrap().is_match(text)
            {
                return bad("pattern");
            }
        }
        Ok(())
    }

    #[test]
    fn made_values_are_valid() {
        let schemas = [
            json!({"type": "object", "properties": {
                "title": {"type": "string", "minLength": 60}, "short": {"type": "string", "maxLength": 4},
                "score": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "count": {"type": "integer", "minimum": 10, "maximum": 20, "multipleOf": 5},
                "colour": {"enum": ["blue", "red"]}, "maybe": {"type": ["null", "string"]}, "flag": {"type": "boolean"},
                "code": {"type": "string", "pattern": "^[A-Z]{3}-\\d{2,4}(x|y)?$"},
                "tags": {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": true},
                "levels": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": true, "maxItems": 2},
                "pair": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "uniqueItems": true},
                "nested": {"type": "object", "properties": {"deep": {"type": "array", "items": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}}}, "required": ["deep"], "additionalProperties": false}
            }, "required": ["title", "score", "count", "colour", "nested"], "additionalProperties": false}),
            json!({"$defs": {"node": {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["name", "children"]}}, "$ref": "#/$defs/node"}),
            json!({"type": "object", "properties": {"pick": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 7}]}}, "required": ["pick"]}),
            json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}),
            json!({"type": "object", "required": ["anything"]}),
            json!({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2}),
            json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"}, "n": {"type": "INTEGER"}}, "required": ["city"]}),
            json!({"type": "array", "items": {"type": "number", "minimum": -2, "maximum": -1}}),
            json!({}),
        ];
        for schema in schemas {
            let value = make(&schema);
            assert_eq!(check(&schema, &schema, &value), Ok(()), "{value}");
        }
    }

    #[test]
    fn a_schema_that_only_points_at_itself_ends() {
        assert!(make(&json!({"$ref": "#"})).is_object());
    }

    #[test]
    fn the_prompt_shows() {
        let value = make(
            &json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "colour": {"enum": ["blue", "red"]}}}),
        );
        assert_eq!(value, json!({"city": "Oslo", "days": 3, "colour": "red"}));
    }
}
