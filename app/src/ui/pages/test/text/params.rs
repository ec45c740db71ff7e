//! The parameters of a call: which there are, what a model accepts of them, and what a person has set. Values are kept as
//! they were typed, so that a wrong one can be shown and mended; only those that are set are sent.

use std::collections::BTreeMap;

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{types::ModelCard, ui::kit::format::count};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Param {
    MaxTokens,
    Temperature,
    TopP,
    Stop,
    Seed,
    ReasoningEffort,
    ResponseFormat,
    JsonSchema,
}

/// How a parameter is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Number {
        whole: bool,
    },
    /// Several lines, with this many to start with.
    Lines {
        rows: u16,
        code: bool,
    },
    /// One of these: value and label.
    Choice(Vec<(&'static str, &'static str)>),
}

impl Param {
    pub const ALL: [Self; 8] = [
        Self::MaxTokens,
        Self::Seed,
        Self::Temperature,
        Self::TopP,
        Self::ReasoningEffort,
        Self::ResponseFormat,
        Self::JsonSchema,
        Self::Stop,
    ];

    /// The name on the wire, also the stem of element ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::Stop => "stop",
            Self::Seed => "seed",
            Self::ReasoningEffort => "reasoning_effort",
            Self::ResponseFormat => "response_format",
            Self::JsonSchema => "json_schema",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::MaxTokens => "Max tokens",
            Self::Temperature => "Temperature",
            Self::TopP => "Top p",
            Self::Stop => "Stop sequences",
            Self::Seed => "Seed",
            Self::ReasoningEffort => "Reasoning effort",
            Self::ResponseFormat => "Answer format",
            Self::JsonSchema => "JSON schema",
        }
    }

    /// What happens when it is not set, in a few words.
    pub fn unset(self, model: Option<&ModelCard>) -> String {
        match self {
            Self::MaxTokens => match model.and_then(|model| model.max_output) {
                Some(most) => format!("up to {}", count(most)),
                None => "default".to_owned(),
            },
            Self::Temperature => "0 to 2".to_owned(),
            Self::TopP => "0 to 1".to_owned(),
            Self::Seed => "random".to_owned(),
            Self::ReasoningEffort => "Default".to_owned(),
            Self::ResponseFormat => "Text".to_owned(),
            Self::Stop => "none".to_owned(),
            Self::JsonSchema => "{ \"type\": \"object\", … }".to_owned(),
        }
    }

    /// How to write it, where that is not plain.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Stop => Some("One per line, at most four; \\n stands for a line break."),
            Self::JsonSchema => Some("A JSON Schema that the answer must follow."),
            _ => None,
        }
    }

    pub fn field(self, model: Option<&ModelCard>) -> Field {
        match self {
            Self::MaxTokens | Self::Seed => Field::Number { whole: true },
            Self::Temperature | Self::TopP => Field::Number { whole: false },
            Self::Stop => Field::Lines { rows: 2, code: true },
            Self::JsonSchema => Field::Lines { rows: 6, code: true },
            Self::ReasoningEffort => {
                let mut choices = vec![("minimal", "Minimal"), ("low", "Low"), ("medium", "Medium"), ("high", "High")];
                if model.is_some_and(|model| has(&model.lacks, "minimal_reasoning_effort")) {
                    choices.remove(0);
                }
                Field::Choice(choices)
            }
            Self::ResponseFormat => Field::Choice(vec![("json_object", "Any JSON"), ("json_schema", "JSON by schema")]),
        }
    }

    /// Why this model does not take it; it is then shown disabled and never sent.
    pub fn refused_by(self, model: Option<&ModelCard>) -> Option<&'static str> {
        let model = model?;
        match self {
            Self::Temperature | Self::TopP if has(&model.lacks, "sampling_params") => {
                Some("This model chooses its own sampling and refuses this.")
            }
            Self::ReasoningEffort if !has(&model.supports, "reasoning") => Some("This model has no reasoning to set."),
            _ => None,
        }
    }

    /// Something to know before setting it.
    pub fn warning(self, model: Option<&ModelCard>, value: &str) -> Option<&'static str> {
        let by_schema = self == Self::ResponseFormat && value == "json_schema";
        let unknown = model.is_some_and(|model| !has(&model.supports, "response_schema"));
        (by_schema && unknown).then_some("The catalogue does not say that this model follows a schema.")
    }

    /// The value as JSON for the wire, or what is wrong with it.
    fn read(self, typed: &str, model: Option<&ModelCard>) -> Result<String, String> {
        let typed = typed.trim();
        match self {
            Self::MaxTokens => {
                let most = model.and_then(|model| model.max_output).unwrap_or(u64::from(u32::MAX));
                match typed.parse::<u64>() {
                    Ok(tokens) if (1..=most).contains(&tokens) => Ok(tokens.to_string()),
                    _ if most == u64::from(u32::MAX) => Err("A whole number, at least 1.".to_owned()),
                    _ => Err(format!("A whole number from 1 to {}.", count(most))),
                }
            }
            Self::Temperature => number(typed, 2.0).ok_or_else(|| "A number from 0 to 2.".to_owned()),
            Self::TopP => number(typed, 1.0).ok_or_else(|| "A number from 0 to 1.".to_owned()),
            Self::Seed => typed.parse::<i64>().map(|seed| seed.to_string()).map_err(|_| "A whole number.".to_owned()),
            Self::Stop => match stops(typed) {
                stops if stops.len() > 4 => Err("At most four, one per line.".to_owned()),
                stops => Ok(Value::from(stops).to_string()),
            },
            Self::ReasoningEffort => choice(&self.field(model), typed, "Choose one that this model knows."),
            Self::ResponseFormat => choice(&self.field(model), typed, "Choose one of the formats."),
            Self::JsonSchema => match serde_json::from_str::<Value>(typed) {
                Ok(Value::Object(_)) => Ok(typed.to_owned()),
                Ok(_) => Err("A JSON Schema is an object: { … }.".to_owned()),
                Err(error) => Err(format!("Not valid JSON in line {}, column {}.", error.line(), error.column())),
            },
        }
    }
}

/// What a person has set, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params(BTreeMap<Param, String>);

impl Params {
    pub fn get(&self, param: Param) -> &str {
        self.0.get(&param).map_or("", String::as_str)
    }

    /// Sets a parameter; an empty text takes it back.
    pub fn set(&mut self, param: Param, typed: impl Into<String>) {
        let typed = typed.into();
        if typed.trim().is_empty() {
            self.0.remove(&param);
        } else {
            self.0.insert(param, typed);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// These, and `over` where it sets something.
    pub fn with(&self, over: &Self) -> Self {
        let mut all = self.clone();
        all.0.extend(over.0.iter().map(|(param, typed)| (*param, typed.clone())));
        all
    }

    /// Whether a field is shown at all: the schema only where it is asked for.
    pub fn shows(&self, param: Param) -> bool {
        param != Param::JsonSchema || self.get(Param::ResponseFormat) == "json_schema"
    }

    /// What is wrong with one field, if anything.
    pub fn fault(&self, param: Param, model: Option<&ModelCard>) -> Option<String> {
        if !self.shows(param) || param.refused_by(model).is_some() {
            return None;
        }
        match self.get(param) {
            "" if param == Param::JsonSchema => Some("Give the schema, or choose another format.".to_owned()),
            "" => None,
            typed => param.read(typed, model).err(),
        }
    }

    /// The fields to send, as (name, JSON), or the first parameter that is wrong.
    pub fn fields(&self, model: Option<&ModelCard>) -> Result<Vec<(&'static str, String)>, (Param, String)> {
        let mut fields = Vec::new();
        for param in Param::ALL {
            if let Some(fault) = self.fault(param, model) {
                return Err((param, fault));
            }
            let typed = self.get(param);
            if typed.is_empty() || !self.shows(param) || param.refused_by(model).is_some() {
                continue;
            }
            let json = param.read(typed, model).map_err(|fault| (param, fault))?;
            match param {
                Param::ResponseFormat if typed == "json_object" => {
                    fields.push((param.name(), r#"{"type": "json_object"}"#.to_owned()));
                }
                Param::ResponseFormat => {}
                // The schema goes out as it was typed: the order of its properties is the order of the answer's.
                Param::JsonSchema => fields.push(("response_format", schema_format(&json))),
                _ => fields.push((param.name(), json)),
            }
        }
        Ok(fields)
    }

    /// Reads the parameters of a request that was sent once.
    pub fn from_request(request: &Value) -> Self {
        let mut params = Self::default();
        for (param, names) in [
            (Param::MaxTokens, &["max_tokens", "max_completion_tokens"][..]),
            (Param::Temperature, &["temperature"]),
            (Param::TopP, &["top_p"]),
            (Param::Seed, &["seed"]),
            (Param::ReasoningEffort, &["reasoning_effort"]),
        ] {
            match names.iter().find_map(|name| request.get(name)) {
                Some(Value::String(text)) => params.set(param, text.as_str()),
                Some(Value::Number(number)) => params.set(param, number.to_string()),
                _ => {}
            }
        }
        match request.get("stop") {
            Some(Value::String(stop)) => params.set(Param::Stop, stop.replace('\n', "\\n")),
            Some(Value::Array(stops)) => {
                let lines: Vec<_> = stops.iter().filter_map(|stop| Some(stop.as_str()?.replace('\n', "\\n"))).collect();
                params.set(Param::Stop, lines.join("\n"));
            }
            _ => {}
        }
        if let Some(format) = request.get("response_format") {
            params.set(
                Param::ResponseFormat,
                format.get("type").and_then(Value::as_str).filter(|kind| *kind != "text").unwrap_or_default(),
            );
            if let Some(schema) = format.get("json_schema").and_then(|schema| schema.get("schema")) {
                params.set(Param::JsonSchema, format!("{schema:#}"));
            }
        }
        params
    }
}

/// The fields a person types into, one per parameter.
#[derive(Debug, Clone, Copy)]
pub struct Inputs([RwSignal<String>; Param::ALL.len()]);

impl Inputs {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| RwSignal::default()))
    }

    pub fn of(self, param: Param) -> RwSignal<String> {
        self.0[param as usize]
    }

    /// What is set now.
    pub fn get(self) -> Params {
        let mut params = Params::default();
        for param in Param::ALL {
            self.of(param).with(|typed| params.set(param, typed.as_str()));
        }
        params
    }

    /// Shows these; what they do not set becomes empty.
    pub fn show(self, params: &Params) {
        for param in Param::ALL {
            let typed = params.get(param);
            if self.of(param).with_untracked(|now| now != typed) {
                self.of(param).set(typed.to_owned());
            }
        }
    }
}

fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|known| known == name)
}

fn number(typed: &str, most: f64) -> Option<String> {
    let number = typed.parse::<f64>().ok().filter(|number| (0.0..=most).contains(number))?;
    Some(Value::from(number).to_string())
}

fn stops(typed: &str) -> Vec<String> {
    typed.lines().filter(|line| !line.is_empty()).map(|line| line.replace("\\n", "\n")).collect()
}

fn choice(field: &Field, typed: &str, otherwise: &str) -> Result<String, String> {
    match field {
        Field::Choice(choices) if choices.iter().any(|(value, _)| *value == typed) => {
            Ok(Value::from(typed).to_string())
        }
        _ => Err(otherwise.to_owned()),
    }
}

fn schema_format(schema: &str) -> String {
    format!("{{\"type\": \"json_schema\", \"json_schema\": {{\"name\": \"answer\", \"schema\": {schema}}}}}")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn card(id: &str) -> ModelCard {
        ModelCard {
            id: id.to_owned(),
            display_name: id.to_owned(),
            provider: "openai".to_owned(),
            provider_name: "OpenAI".to_owned(),
            description: String::new(),
            capabilities: vec!["text".to_owned()],
            status: "active".to_owned(),
            aliases: Vec::new(),
            context: Some(128_000),
            max_output: Some(4_096),
            input_price: Some(1.0),
            output_price: Some(2.0),
            supports: vec!["reasoning".to_owned(), "response_schema".to_owned()],
            lacks: Vec::new(),
            simulated: true,
            unavailable: None,
        }
    }

    fn params(values: &[(Param, &str)]) -> Params {
        let mut params = Params::default();
        for (param, typed) in values {
            params.set(*param, *typed);
        }
        params
    }

    #[test]
    fn only_what_is_set_is_sent() {
        assert_eq!(Params::default().fields(Some(&card("m"))), Ok(Vec::new()));
        let set = params(&[(Param::Temperature, "0.7"), (Param::MaxTokens, " 100 "), (Param::Stop, "END\n\\n\\n")]);
        let expected = vec![
            ("max_tokens", "100".to_owned()),
            ("temperature", "0.7".to_owned()),
            ("stop", r#"["END","\n\n"]"#.to_owned()),
        ];
        assert_eq!(set.fields(Some(&card("m"))), Ok(expected));
        let mut back = set;
        for param in Param::ALL {
            back.set(param, " ");
        }
        assert!(back.is_empty());
    }

    #[test]
    fn wrong_values_are_named_and_nothing_is_sent() {
        for (param, typed) in [
            (Param::MaxTokens, "0"),
            (Param::MaxTokens, "4097"),
            (Param::MaxTokens, "1.5"),
            (Param::Temperature, "2.1"),
            (Param::Temperature, "nan"),
            (Param::TopP, "-0.1"),
            (Param::Seed, "x"),
            (Param::Stop, "a\nb\nc\nd\ne"),
            (Param::ReasoningEffort, "enormous"),
        ] {
            let set = params(&[(param, typed)]);
            assert!(set.fault(param, Some(&card("m"))).is_some(), "{param:?} {typed}");
            assert_eq!(set.fields(Some(&card("m"))).map_err(|(param, _)| param), Err(param), "{typed}");
        }
    }

    #[test]
    fn what_the_model_refuses_is_not_sent() {
        let mut model = card("m");
        model.lacks = vec!["sampling_params".to_owned(), "minimal_reasoning_effort".to_owned()];
        let set = params(&[(Param::Temperature, "9"), (Param::TopP, "0.5"), (Param::Seed, "7")]);
        assert_eq!(set.fields(Some(&model)), Ok(vec![("seed", "7".to_owned())]));
        assert!(Param::Temperature.refused_by(Some(&model)).is_some());
        assert!(params(&[(Param::ReasoningEffort, "minimal")]).fields(Some(&model)).is_err());
        model.supports.clear();
        assert_eq!(params(&[(Param::ReasoningEffort, "minimal")]).fields(Some(&model)), Ok(Vec::new()));
    }

    #[test]
    fn a_schema_keeps_its_order() {
        let schema = r#"{"type":"object","properties":{"z":{},"a":{}}}"#;
        let set = params(&[(Param::ResponseFormat, "json_schema"), (Param::JsonSchema, schema)]);
        let fields = set.fields(Some(&card("m"))).unwrap();
        assert_eq!(fields.len(), 1);
        assert!(fields[0].1.contains(schema));
        assert!(serde_json::from_str::<Value>(&fields[0].1).is_ok());
        assert_eq!(params(&[(Param::JsonSchema, "{")]).fields(None), Ok(Vec::new()), "not shown, not sent");
        assert!(params(&[(Param::ResponseFormat, "json_schema")]).fields(None).is_err());
        assert!(params(&[(Param::ResponseFormat, "json_schema"), (Param::JsonSchema, "[]")]).fields(None).is_err());
    }

    #[test]
    fn a_sent_request_gives_its_parameters_back() {
        let set = params(&[
            (Param::MaxTokens, "50"),
            (Param::Temperature, "0.5"),
            (Param::Stop, "a\n\\n"),
            (Param::Seed, "-3"),
            (Param::ReasoningEffort, "low"),
            (Param::ResponseFormat, "json_object"),
        ]);
        let body: String = set
            .fields(None)
            .unwrap()
            .iter()
            .map(|(name, json)| format!("\"{name}\": {json}"))
            .collect::<Vec<_>>()
            .join(",");
        let request = serde_json::from_str(&format!("{{{body}}}")).unwrap();
        assert_eq!(Params::from_request(&request), set);
    }

    #[test]
    fn a_column_overrides_the_shared_values() {
        let shared = params(&[(Param::Temperature, "1"), (Param::Seed, "1")]);
        let own = params(&[(Param::Temperature, "0")]);
        assert_eq!(shared.with(&own), params(&[(Param::Temperature, "0"), (Param::Seed, "1")]));
    }
}
