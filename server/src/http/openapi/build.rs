//! Small words for writing an OpenAPI document by hand: a schema, an answer, an operation. Each becomes a JSON value.

use axum::http::Method;
use serde_json::{Map, Value, json};

/// A JSON Schema (2020-12, as OpenAPI 3.1 uses it).
#[derive(Debug, Clone)]
pub struct Schema(Map<String, Value>);

impl Schema {
    fn of(key: &str, value: impl Into<Value>) -> Self {
        Self(Map::from_iter([(key.to_owned(), value.into())]))
    }

    /// Any value.
    pub fn any() -> Self {
        Self(Map::new())
    }

    /// What the value means, in CommonMark.
    pub fn about(self, text: &str) -> Self {
        self.with("description", text)
    }

    pub fn example(self, value: impl Into<Value>) -> Self {
        self.with("examples", json!([value.into()]))
    }

    pub fn least(self, value: impl Into<Value>) -> Self {
        self.with("minimum", value)
    }

    pub fn or_null(mut self) -> Self {
        if let Some(kind @ Value::String(_)) = self.0.get("type").cloned() {
            self.0.insert("type".to_owned(), json!([kind, "null"]));
            return self;
        }
        any_of([self, Self::of("type", "null")])
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

impl From<Schema> for Value {
    fn from(schema: Schema) -> Self {
        Self::Object(schema.0)
    }
}

pub fn string() -> Schema {
    Schema::of("type", "string")
}

pub fn integer() -> Schema {
    Schema::of("type", "integer")
}

pub fn number() -> Schema {
    Schema::of("type", "number")
}

pub fn boolean() -> Schema {
    Schema::of("type", "boolean")
}

/// One of these words.
pub fn words(words: &[&str]) -> Schema {
    string().with("enum", json!(words))
}

/// Exactly this value.
pub fn constant(value: impl Into<Value>) -> Schema {
    Schema::of("const", value)
}

pub fn list(items: Schema) -> Schema {
    Schema::of("type", "array").with("items", items)
}

pub fn any_of(schemas: impl IntoIterator<Item = Schema>) -> Schema {
    Schema::of("anyOf", schemas.into_iter().map(Value::from).collect::<Vec<_>>())
}

/// A schema of `components`.
pub fn named(name: &str) -> Schema {
    Schema::of("$ref", format!("#/components/schemas/{name}"))
}

pub fn object() -> Schema {
    Schema::of("type", "object")
}

impl Schema {
    /// A field that is always there.
    pub fn must(mut self, name: &str, schema: Schema) -> Self {
        if let Value::Array(names) = self.0.entry("required").or_insert_with(|| json!([])) {
            names.push(name.into());
        }
        self.may(name, schema)
    }

    /// A field that may be absent.
    pub fn may(mut self, name: &str, schema: Schema) -> Self {
        self.0.entry("properties").or_insert_with(|| json!({}))[name] = schema.into();
        self
    }
}

/// One answer of an operation.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    value: Value,
}

impl Answer {
    pub fn new(status: u16, about: &str) -> Self {
        Self { status, value: json!({ "description": about }) }
    }

    /// Names of `components/headers`.
    pub fn headers(mut self, names: &[&str]) -> Self {
        for name in names {
            self.value["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
        }
        self
    }

    /// A JSON body, with named examples of it.
    pub fn json(mut self, schema: Schema, examples: &[(&str, Value)]) -> Self {
        self.value["content"]["application/json"] = media(schema, examples);
        self
    }

    /// A stream of server-sent events, with the schema of the JSON in each `data:` line.
    pub fn events(mut self, event: Schema, about: &str, example: &str) -> Self {
        self.value["content"]["text/event-stream"] = json!({
            "schema": Value::from(string().about(about)),
            "x-event-schema": Value::from(event),
            "example": example,
        });
        self
    }

    /// A body of another type.
    pub fn body(mut self, media_type: &str) -> Self {
        self.value["content"][media_type] = json!({ "schema": Value::from(string()) });
        self
    }
}

fn media(schema: Schema, examples: &[(&str, Value)]) -> Value {
    let mut media = json!({ "schema": Value::from(schema) });
    for (name, value) in examples {
        media["examples"][name] = json!({ "value": value });
    }
    media
}

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: Method,
    pub path: String,
    value: Value,
}

impl Operation {
    pub fn get(path: impl Into<String>, id: &str, tag: &str) -> Self {
        Self::new(Method::GET, path, id, tag)
    }

    pub fn post(path: impl Into<String>, id: &str, tag: &str) -> Self {
        Self::new(Method::POST, path, id, tag)
    }

    pub fn put(path: impl Into<String>, id: &str, tag: &str) -> Self {
        Self::new(Method::PUT, path, id, tag)
    }

    pub fn delete(path: impl Into<String>, id: &str, tag: &str) -> Self {
        Self::new(Method::DELETE, path, id, tag)
    }

    fn new(method: Method, path: impl Into<String>, id: &str, tag: &str) -> Self {
        Self { method, path: path.into(), value: json!({ "operationId": id, "tags": [tag] }) }
    }

    /// A line, and the text below it in CommonMark.
    pub fn about(mut self, summary: &str, description: &str) -> Self {
        self.value["summary"] = summary.into();
        self.value["description"] = description.into();
        self
    }

    /// Needs no key.
    pub fn public(mut self) -> Self {
        self.value["security"] = json!([]);
        self
    }

    /// Names of `components/parameters`.
    pub fn parameters(mut self, names: &[&str]) -> Self {
        self.value["parameters"] =
            names.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })).collect();
        self
    }

    /// The JSON body it takes, with named examples.
    pub fn takes(mut self, schema: Schema, examples: &[(&str, Value)]) -> Self {
        self.value["requestBody"] =
            json!({ "required": true, "content": { "application/json": media(schema, examples) } });
        self
    }

    pub fn answers(mut self, answers: impl IntoIterator<Item = Answer>) -> Self {
        for answer in answers {
            self.value["responses"][answer.status.to_string()] = answer.value;
        }
        self
    }

    pub fn into_value(self) -> Value {
        self.value
    }
}
