//! A schema in words: its kind in a line, and its fields with their paths.

use serde_json::Value;

use super::page::{code, escape, prose};

/// A field somewhere in an object: `messages[].content`.
pub struct Field<'a> {
    pub path: String,
    pub must: bool,
    pub schema: &'a Value,
}

impl Field<'_> {
    /// Description, default and bounds as HTML.
    pub fn about(&self) -> String {
        let mut about = self.schema["description"].as_str().map(prose).unwrap_or_default();
        let default = &self.schema["default"];
        if !default.is_null() {
            about.push_str(&format!("<p>Default: {}</p>", code(&default.to_string())));
        }
        if let Some(least) = self.schema.get("minimum") {
            about.push_str(&format!("<p>At least {least}.</p>"));
        }
        if self.schema["deprecated"] == true {
            about.push_str("<p>Deprecated.</p>");
        }
        about
    }
}

/// The fields of an object and of the objects in it, in their order.
pub fn fields(schema: &Value) -> Vec<Field<'_>> {
    let mut found = Vec::new();
    collect(schema, "", &mut found);
    found
}

fn collect<'a>(schema: &'a Value, prefix: &str, found: &mut Vec<Field<'a>>) {
    for form in schema["anyOf"].as_array().into_iter().flatten() {
        collect(form, prefix, found);
    }
    if schema["items"].is_object() {
        collect(&schema["items"], &format!("{prefix}[]"), found);
    }
    let required = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let must = required.is_some_and(|names| names.iter().any(|known| known == name));
        found.push(Field { path: path.clone(), must, schema: field });
        collect(field, &path, found);
    }
}

/// What kind of value it is, as HTML.
pub fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{}</a>", escape(name));
    }
    if let Some(value) = schema.get("const") {
        return code(&value.to_string());
    }
    if let Some(values) = schema["enum"].as_array() {
        return join(values.iter().map(|value| code(&value.to_string())));
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        return join(forms.iter().map(kind));
    }
    let word = |word: &Value| match word.as_str().unwrap_or_default() {
        "array" => format!("list of {}", kind(&schema["items"])),
        "string" => match schema["format"].as_str() {
            Some(format) => format!("string ({format})"),
            None => "string".to_owned(),
        },
        "object" => describe_object(schema),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::Array(words) => join(words.iter().map(word)),
        one => word(one),
    }
}

/// Forms of one thing are told apart by a constant field, such as `role`.
fn describe_object(schema: &Value) -> String {
    let constant = schema["properties"].as_object().into_iter().flatten().find_map(|(name, field)| {
        let is_fixed = field.get("const").is_some() || field.get("enum").is_some();
        (is_fixed && matches!(name.as_str(), "type" | "role")).then(|| format!("{} {}", code(name), kind(field)))
    });
    constant.map_or("object".to_owned(), |constant| format!("object with {constant}"))
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" or ")
}
