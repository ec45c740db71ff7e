//! Documents are YAML, of which JSON is a part.

use serde_json::Value;

use super::ConfigError;

/// Reads a document; what is wrong with it is told with its line.
pub fn read(text: &str) -> Result<Value, ConfigError> {
    serde_saphyr::from_str(text)
        .map_err(|error| ConfigError::field("document", format!("The document cannot be read: {error}")))
}

/// Writes one.
pub fn write(document: &Value) -> Result<String, ConfigError> {
    serde_saphyr::to_string(document)
        .map_err(|error| ConfigError::Refused(format!("The document cannot be written: {error}")))
}
