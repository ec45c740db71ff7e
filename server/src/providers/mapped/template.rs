//! Fills placeholders in texts, JSON values and addresses. What is filled in is never searched for placeholders again.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::{
    MappingProblem,
    placeholder::{Hole, Piece, pieces},
};
use crate::providers::{Secret, wire};

/// Deepest nesting of a template, dotted keys included.
pub const MAX_DEPTH: usize = 64;

/// Most bytes that a filled template may have, about.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The name of the credential.
pub const API_KEY: &str = "api_key";

/// The key of an object that is only there when its placeholder has a value.
pub const CONDITION: &str = "$if";

/// Where in a mapping something stands: `body.messages[0].content`.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub fn root(key: &'a str) -> Self {
        Self { parent: None, step: Step::Key(key) }
    }

    pub fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    pub fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    pub fn problem(&self, message: impl Into<String>) -> MappingProblem {
        MappingProblem { path: self.to_string(), message: message.into() }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Key(key) if self.parent.is_some() => write!(f, ".{key}"),
            Step::Key(key) => f.write_str(key),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// The values to fill in. `{api_key}` is the credential (or the mapping's own default), never a caller's value; for all
/// other names the caller's value comes before the default. Null counts as absent.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub api_key: Option<&'a Secret>,
    pub values: &'a Map<String, Value>,
    pub defaults: Option<&'a Map<String, Value>>,
}

impl Inputs<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let default = || self.defaults.and_then(|defaults| defaults.get(name));
        let value = match (name, self.api_key) {
            (API_KEY, Some(key)) => return Some(Value::from(key.reveal())),
            (API_KEY, None) => default(),
            _ => self.values.get(name).filter(|value| !value.is_null()).or_else(default),
        };
        value.filter(|value| !value.is_null()).cloned()
    }
}

/// Fills templates; counts how much it writes.
#[derive(Debug)]
pub struct Filler<'a> {
    inputs: Inputs<'a>,
    room: usize,
}

type Result<T> = std::result::Result<T, MappingProblem>;

impl<'a> Filler<'a> {
    pub fn new(inputs: Inputs<'a>) -> Self {
        Self { inputs, room: MAX_BYTES }
    }

    /// The template with values in it; `None` when it is nothing but placeholders without a value.
    pub fn value(&mut self, template: &Value, place: &Place<'_>) -> Result<Option<Value>> {
        self.at_depth(template, place, 0)
    }

    fn at_depth(&mut self, template: &Value, place: &Place<'_>, depth: usize) -> Result<Option<Value>> {
        if depth > MAX_DEPTH {
            return Err(place.problem(format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        self.spend(8, place)?;
        match template {
            Value::String(text) => self.text(text, place),
            Value::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    out.extend(self.at_depth(item, &place.index(index), depth + 1)?);
                }
                Ok(Some(out.into()))
            }
            Value::Object(map) => {
                if let Some(condition) = map.get(CONDITION)
                    && !self.at_depth(condition, &place.key(CONDITION), depth + 1)?.is_some_and(|v| holds(&v))
                {
                    return Ok(None);
                }
                let mut out = Map::with_capacity(map.len());
                for (key, item) in map.iter().filter(|(key, _)| *key != CONDITION) {
                    let place = place.key(key);
                    self.spend(key.len(), &place)?;
                    if let Some(value) = self.at_depth(item, &place, depth + 1)? {
                        nest(&mut out, key, value, &place)?;
                    }
                }
                Ok(Some(out.into()))
            }
            other => Ok(Some(other.clone())),
        }
    }

    /// A text that is one placeholder takes its value with its type; one that has no value at all is left out.
    pub fn text(&mut self, text: &str, place: &Place<'_>) -> Result<Option<Value>> {
        let pieces = pieces(text);
        if let [Piece::Hole(hole)] = &pieces[..] {
            let value = self.hole(hole, place)?;
            return Ok(value);
        }
        let mut out = String::with_capacity(text.len());
        let (mut holes, mut filled) = (0, 0);
        for piece in &pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Hole(hole) => {
                    holes += 1;
                    if let Some(value) = self.hole(hole, place)? {
                        filled += 1;
                        push(&mut out, &value);
                    }
                }
            }
        }
        self.spend(text.len(), place)?;
        Ok((holes == 0 || filled > 0).then_some(out.into()))
    }

    /// An address whose placeholders are percent-encoded. All of them need a value.
    pub fn address(&mut self, endpoint: &str, place: &Place<'_>) -> Result<String> {
        let mut out = String::with_capacity(endpoint.len() + 32);
        for piece in pieces(endpoint) {
            let hole = match piece {
                Piece::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Piece::Hole(hole) => hole,
            };
            let Some(value) = self.hole(&hole, place)? else {
                return Err(place.problem(format!("a value is needed for {{{}}}", hole.name)));
            };
            let mut text = String::new();
            push(&mut text, &value);
            let keep_slash = hole.transforms.contains(&"path");
            let in_path = !out.contains('?');
            if in_path && (text.is_empty() || text.split('/').any(|segment| matches!(segment, "." | ".."))) {
                return Err(place.problem(format!("the value of {{{}}} cannot be part of a path", hole.name)));
            }
            out.push_str(&wire::percent_encode(&text, keep_slash));
        }
        Ok(out)
    }

    fn hole(&mut self, hole: &Hole<'_>, place: &Place<'_>) -> Result<Option<Value>> {
        if let Some(problem) = hole.problem() {
            return Err(place.problem(problem));
        }
        let Some(mut value) = self.inputs.get(hole.name) else { return Ok(None) };
        for transform in &hole.transforms {
            value = transformed(value, transform);
        }
        if let Some(kind) = hole.kind {
            value = converted(value, kind)
                .ok_or_else(|| place.problem(format!("the value of {{{}}} cannot be read as {kind}", hole.name)))?;
        }
        self.spend(weight(&value), place)?;
        Ok(Some(value))
    }

    fn spend(&mut self, bytes: usize, place: &Place<'_>) -> Result<()> {
        self.room = self
            .room
            .checked_sub(bytes)
            .ok_or_else(|| place.problem(format!("the request would be larger than {MAX_BYTES} bytes")))?;
        Ok(())
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + weight(value) + 4).sum(),
        _ => 8,
    }
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(text),
        other => out.push_str(&other.to_string()),
    }
}

fn holds(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

fn transformed(value: Value, transform: &str) -> Value {
    let Value::String(text) = &value else { return value };
    match transform {
        "upper" => text.to_uppercase().into(),
        "lower" => text.to_lowercase().into(),
        "aspectToSize" => match text.as_str() {
            "1:1" => "1024x1024".into(),
            "16:9" => "1792x1024".into(),
            "9:16" => "1024x1792".into(),
            _ => value,
        },
        _ => value,
    }
}

fn converted(value: Value, kind: &str) -> Option<Value> {
    let float = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        Value::Bool(on) => Some(f64::from(u8::from(*on))),
        _ => None,
    };
    match kind {
        "int" if value.is_i64() || value.is_u64() => Some(value),
        "int" => {
            let whole = value.as_str().and_then(|text| text.trim().parse::<i64>().ok());
            // Beyond 2^53 a float is not exact any more.
            let cut = || float(&value).filter(|f| f.abs() <= 9_007_199_254_740_992.0).map(|f| f.trunc() as i64);
            whole.or_else(cut).map(Value::from)
        }
        "float" => float(&value).and_then(Number::from_f64).map(Value::Number),
        "bool" => match &value {
            Value::Bool(_) => Some(value),
            Value::Number(number) => Some((number.as_f64() != Some(0.0)).into()),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(true.into()),
                "false" | "0" | "no" | "off" | "" => Some(false.into()),
                _ => None,
            },
            _ => None,
        },
        "array" if value.is_array() => Some(value),
        "array" => Some(vec![value].into()),
        _ => {
            let mut text = String::new();
            push(&mut text, &value);
            Some(text.into())
        }
    }
}

/// Puts a value under a key; a dotted key names a place in objects inside.
fn nest(map: &mut Map<String, Value>, key: &str, value: Value, place: &Place<'_>) -> Result<()> {
    let segments: Vec<&str> = key.split('.').collect();
    if segments.len() > MAX_DEPTH {
        return Err(place.problem(format!("is nested deeper than {MAX_DEPTH} levels")));
    }
    let nested = if segments.iter().any(|segment| segment.is_empty()) {
        Map::from_iter([(key.to_owned(), value)])
    } else {
        let value = segments[1..]
            .iter()
            .rev()
            .fold(value, |value, segment| Value::Object(Map::from_iter([((*segment).to_owned(), value)])));
        Map::from_iter([(segments[0].to_owned(), value)])
    };
    if merge(map, nested) { Ok(()) } else { Err(place.problem("stands where another field already has a value")) }
}

/// Adds the fields of `from` to `into`, objects inside as well. False when a value that is no object is in the way.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) -> bool {
    from.into_iter().all(|(key, value)| match (into.get_mut(&key), value) {
        (Some(Value::Object(there)), Value::Object(more)) => merge(there, more),
        (Some(_), _) => false,
        (None, value) => {
            into.insert(key, value);
            true
        }
    })
}

/// Puts the fields of `over` on top of `base`: objects are united, everything else is replaced.
pub fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::providers::testing::any_json;

    fn fill(template: Value, values: Value) -> Result<Option<Value>> {
        let key = Secret::new("sk-1");
        let defaults = Map::from_iter([("size".to_owned(), json!("1:1")), ("n".to_owned(), json!(1))]);
        let inputs = Inputs { api_key: Some(&key), values: values.as_object().unwrap(), defaults: Some(&defaults) };
        Filler::new(inputs).value(&template, &Place::root("body"))
    }

    #[test]
    fn values_keep_their_type() {
        let template = json!({"p": "{prompt}", "t": "{temperature}", "m": "{messages}", "s": "say {prompt} {temperature}",
            "n": "{n}", "size": "{size|aspectToSize}", "k": "Bearer {api_key}", "fixed": [1, null, true]});
        let values =
            json!({"prompt": "hi {n}", "temperature": 0.5, "messages": [{"a": 1}], "n": 3, "api_key": "forged"});
        assert_eq!(
            fill(template, values).unwrap().unwrap(),
            json!({"p": "hi {n}", "t": 0.5, "m": [{"a": 1}], "s": "say hi {n} 0.5", "n": 3, "size": "1024x1024",
                "k": "Bearer sk-1", "fixed": [1, null, true]})
        );
    }

    #[test]
    fn types_are_forced() {
        let template =
            json!(["{a:int}", "{b:int}", "{c:float}", "{d:bool}", "{e:array}", "{f:array}", "{g:string}", "{h:int}"]);
        let values = json!({"a": "7", "b": 7.9, "c": "1.5", "d": "yes", "e": "x", "f": [1], "g": 5, "h": true});
        assert_eq!(fill(template, values).unwrap().unwrap(), json!([7, 7, 1.5, true, ["x"], [1], "5", 1]));
        for (template, value) in [("{a:int}", "x"), ("{a:bool}", "maybe"), ("{a:float}", "nan"), ("{a:int}", "1e300")] {
            let problem = fill(json!({"x": template}), json!({"a": value})).unwrap_err();
            assert_eq!(problem.path, "body.x");
            assert!(!problem.message.contains(value), "{problem:?}");
        }
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        let template = json!({"a": "{missing}", "b": {"c": "{missing}", "d": "{null}"}, "e": ["{missing}", 1],
            "f": "x {missing}", "g": "{missing} {n}", "h": [{"$if": "{missing}", "role": "system"}, {"$if": "{n}", "role": "user"}]});
        assert_eq!(
            fill(template, json!({"null": null})).unwrap().unwrap(),
            json!({"b": {}, "e": [1], "g": " 1", "h": [{"role": "user"}]})
        );
        assert_eq!(fill(json!("{missing}"), json!({})).unwrap(), None);
    }

    #[test]
    fn dotted_keys_nest() {
        let template = json!({"a.b.c": "{n}", "a": {"d": 1}, "a.b.e": 2, "..": 3});
        assert_eq!(fill(template, json!({})).unwrap().unwrap(), json!({"a": {"b": {"c": 1, "e": 2}, "d": 1}, "..": 3}));
        assert_eq!(fill(json!({"a": 1, "a.b": 2}), json!({})).unwrap_err().path, "body.a.b");
    }

    #[test]
    fn addresses_are_encoded() {
        let values = json!({"voice": "a/b c?ä", "name": "models/x y", "dots": ".."});
        let inputs = Inputs { api_key: None, values: values.as_object().unwrap(), defaults: None };
        let mut filler = Filler::new(inputs);
        let place = Place::root("endpoint");
        assert_eq!(filler.address("/v1/{voice}", &place).unwrap(), "/v1/a%2Fb%20c%3F%C3%A4");
        assert_eq!(
            filler.address("/v1/{name|path}?q={voice}", &place).unwrap(),
            "/v1/models/x%20y?q=a%2Fb%20c%3F%C3%A4"
        );
        assert!(filler.address("/v1/{missing}", &place).unwrap_err().message.contains("{missing}"));
        assert!(filler.address("/v1/{dots}/x", &place).is_err());
    }

    #[test]
    fn growth_and_depth_are_limited() {
        let template = Value::from(vec![json!("{prompt}"); 100]);
        assert!(fill(template, json!({"prompt": "x".repeat(1_000_000)})).unwrap_err().message.contains("larger"));
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        assert!(fill(deep, json!({})).unwrap_err().message.contains("deeper"));
        let key = ["a"; 200].join(".");
        assert!(fill(json!({key: 1}), json!({})).unwrap_err().message.contains("deeper"));
    }

    const WORDS: &[&str] =
        &["{a}", "{a:int}", "{b|aspectToSize}", "x {a} y {b}", "a.b", "a", "$if", "{a:odd}", "{{a}", "16:9"];

    proptest! {
        #[test]
        fn any_template_and_any_values_are_survived(template in any_json(WORDS), a in any_json(WORDS), b in any_json(WORDS)) {
            let _ = fill(template, json!({"a": a, "b": b}));
        }
    }
}
