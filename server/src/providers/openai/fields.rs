//! A JSON value that knows where it stands, so that every error can say `messages[1].content`.

use serde_json::{Map, Value};

use crate::providers::input::InputError;

type Result<T> = std::result::Result<T, InputError>;

/// A value and its path; a missing field is a null one.
#[derive(Debug)]
pub struct Field {
    pub path: String,
    pub value: Value,
}

/// An object whose fields are taken out one by one.
#[derive(Debug)]
pub struct Object {
    pub path: String,
    map: Map<String, Value>,
}

impl Object {
    pub fn root(map: Map<String, Value>) -> Self {
        Self { path: String::new(), map }
    }

    pub fn take(&mut self, key: &str) -> Field {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Field { path, value: self.map.remove(key).unwrap_or_default() }
    }
}

impl Field {
    pub fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// "`path` must be …"
    pub fn wrong(&self, wanted: &str) -> InputError {
        wrong(&self.path, wanted)
    }

    pub fn string(self) -> Result<Option<String>> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(wrong(&self.path, "a string")),
        }
    }

    pub fn required_string(self) -> Result<String> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(wrong(&self.path, "a string")),
        }
    }

    pub fn number(self) -> Result<Option<f64>> {
        self.read(Value::as_f64, "a number")
    }

    pub fn integer(self) -> Result<Option<i64>> {
        self.read(Value::as_i64, "an integer")
    }

    /// A number of things; floats without a fraction are accepted, because some languages have no integers.
    pub fn count(self) -> Result<Option<u32>> {
        self.read(
            |value| {
                let whole = value.as_u64().or_else(|| {
                    value.as_f64().filter(|f| f.fract() == 0.0 && (0.0..=4e9).contains(f)).map(|f| f as u64)
                });
                whole.and_then(|n| u32::try_from(n).ok())
            },
            "a positive integer",
        )
    }

    pub fn boolean(self) -> Result<Option<bool>> {
        self.read(Value::as_bool, "a boolean")
    }

    pub fn items(self) -> Result<Option<Vec<Field>>> {
        match self.value {
            Value::Null => Ok(None),
            Value::Array(items) => Ok(Some(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, value)| Field { path: format!("{}[{index}]", self.path), value })
                    .collect(),
            )),
            _ => Err(wrong(&self.path, "an array")),
        }
    }

    pub fn object(self) -> Result<Option<Object>> {
        match self.value {
            Value::Null => Ok(None),
            Value::Object(map) => Ok(Some(Object { path: self.path, map })),
            _ => Err(wrong(&self.path, "an object")),
        }
    }

    pub fn required_object(self) -> Result<Object> {
        let path = self.path.clone();
        self.object()?.ok_or_else(|| wrong(&path, "an object"))
    }

    fn read<T>(self, read: impl FnOnce(&Value) -> Option<T>, wanted: &str) -> Result<Option<T>> {
        if self.is_absent() {
            return Ok(None);
        }
        read(&self.value).map(Some).ok_or_else(|| self.wrong(wanted))
    }
}

fn wrong(path: &str, wanted: &str) -> InputError {
    InputError::field(path, format!("{path} must be {wanted}"))
}
