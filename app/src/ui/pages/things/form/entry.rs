//! The fields of a form, and what stands in them at first.

use leptos::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    error::AppError,
    types::config::{Field, FieldKind, FieldRole, Thing},
    ui::pages::things::values::to_text,
};

/// A field of the form and what stands in it.
#[derive(Clone, Copy)]
pub struct Entry {
    pub field: &'static Field,
    pub raw: RwSignal<String>,
    /// What stood there when it was last equal to the server's.
    pub base: RwSignal<String>,
    pub error: RwSignal<Option<String>>,
}

impl Entry {
    pub fn new(field: &'static Field, body: &Map<String, Value>) -> Self {
        let text = to_text(field.kind, body.get(field.name).unwrap_or(&Value::Null));
        Self { field, raw: RwSignal::new(text.clone()), base: RwSignal::new(text), error: RwSignal::new(None) }
    }

    pub fn is_dirty(&self) -> bool {
        self.raw.with(|raw| self.base.with(|base| raw != base))
    }

    /// Takes what a body says as the server's state; what is not `kept` shows it.
    pub fn rebase(&self, body: &Map<String, Value>, kept: bool) {
        let text = to_text(self.field.kind, body.get(self.field.name).unwrap_or(&Value::Null));
        if !kept {
            self.raw.set(text.clone());
        }
        self.base.set(text);
    }
}

/// The field of an id that who makes a thing chooses.
pub fn chosen_id(thing: &Thing) -> Option<&'static Field> {
    const fn id(name: &'static str, label: &'static str) -> Field {
        let help = "Lower-case letters, digits, hyphens, dots and underscores. It stays as it is.";
        Field { name, label, help, kind: FieldKind::Line, role: FieldRole::Fixed }
    }
    static ID: Field = id("id", "Id");
    static KEY: Field = id("key", "Key");
    match thing.id {
        "key" if thing.named => Some(&KEY),
        "id" if thing.named => Some(&ID),
        _ => None,
    }
}

/// A mapping to begin with.
fn skeleton() -> Value {
    json!({
        "endpoint": "/v1/generate",
        "method": "POST",
        "headers": { "Authorization": "Bearer {api_key}" },
        "body": { "model": "{model}", "prompt": "{user_prompt}", "max_tokens": "{max_tokens:int}" },
        "response_mapping": { "text": "$.output.text", "tokens_used": "$.usage.total_tokens" },
        "defaults": { "max_tokens": 1000 },
    })
}

/// What a new thing has where nobody said otherwise.
pub fn defaults(thing: &Thing) -> Map<String, Value> {
    let on = |field: &&Field| field.kind == FieldKind::Flag && field.name == "is_active";
    let mut body: Map<String, Value> =
        thing.fields.iter().filter(on).map(|field| (field.name.to_owned(), Value::Bool(true))).collect();
    if thing.kind == "model-config" {
        body.insert("capabilities".to_owned(), json!({ "text": true }));
        body.insert("payload_mapping".to_owned(), skeleton());
    }
    for (name, value) in [("role", "user"), ("status", "active"), ("level", "user")] {
        if thing.field(name).is_some_and(|field| matches!(field.kind, FieldKind::Choice(_))) {
            body.insert(name.to_owned(), value.into());
        }
    }
    body
}

/// Puts the server's complaints to their fields; answers what belongs to none.
pub fn place(entries: &[Entry], error: AppError) -> Option<AppError> {
    let errors = match error {
        AppError::Invalid { field, message } => vec![(field, message)],
        AppError::Fields { errors } => errors,
        other => return Some(other),
    };
    let mut rest = None;
    for (name, message) in errors {
        // The field may be a path into JSON: `payload_mapping.endpoint` or `/payload_mapping/endpoint`.
        let first = name.trim_start_matches('/').split(['.', '/', '[']).next().unwrap_or_default();
        match entries.iter().find(|entry| entry.field.name == first) {
            Some(entry) => entry.error.set(Some(message)),
            None => rest = Some(AppError::Invalid { field: name, message }),
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::config::{INSTANCE, MODEL};

    #[test]
    fn complaints_find_their_fields() {
        let owner = Owner::new();
        owner.with(|| {
            let entries: Vec<Entry> = MODEL.fields.iter().map(|field| Entry::new(field, &Map::new())).collect();
            let errors = vec![
                ("payload_mapping.body".to_owned(), "wrong".to_owned()),
                ("nowhere".to_owned(), "lost".to_owned()),
            ];
            let rest = place(&entries, AppError::Fields { errors });
            assert_eq!(rest, Some(AppError::Invalid { field: "nowhere".into(), message: "lost".into() }));
            let told: Vec<&str> = entries
                .iter()
                .filter(|entry| entry.error.with_untracked(Option::is_some))
                .map(|entry| entry.field.name)
                .collect();
            assert_eq!(told, ["payload_mapping"]);
            assert_eq!(place(&entries, AppError::Unauthorized), Some(AppError::Unauthorized));
        });
    }

    #[test]
    fn new_things_are_active() {
        assert_eq!(defaults(&MODEL).get("status"), Some(&Value::from("active")));
        assert!(defaults(&INSTANCE).is_empty());
    }
}
