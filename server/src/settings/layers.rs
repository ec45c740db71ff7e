//! Lays the file and the environment over the defaults, one value at a time, so that a wrong one is blamed on its own line
//! or variable.

use std::{fmt, path::Path};

use serde::Deserialize;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{DEFAULT, Settings};

/// Variables that other tools have made a convention, and the setting each one is.
const CONVENTIONAL: [(&str, &str); 1] = [("DATABASE_URL", "database.url")];
const PREFIX: &str = "ELECTRONS__";

/// Settings that cannot be used: where, which, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the settings file {path}: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("{file}, line {line}: {message}")]
    Syntax { file: String, line: usize, message: String },
    #[error("{place}: there is no setting \"{key}\"{hint}")]
    Unknown { place: Place, key: String, hint: String },
    #[error("{place}: the value of \"{key}\" is wrong: {message}")]
    Wrong { place: Place, key: String, message: String },
    #[error("the setting \"{key}\" {message}")]
    Rule { key: String, message: String },
}

/// Where a value was set.
#[derive(Debug, Clone)]
pub enum Place {
    File { file: String, line: usize },
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}, line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Reads the settings. `file` must exist when `required`; `variables` is the process environment.
pub fn load(
    file: &Path,
    required: bool,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, SettingsError> {
    let mut layers = Layers::new()?;
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => layers.add_file(&name, &text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {}
        Err(error) => return Err(SettingsError::Unreadable { path: name, reason: error.to_string() }),
    }
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort();
    for (name, value) in variables {
        layers.add_variable(&name, &value)?;
    }
    layers.finish()
}

struct Layers {
    table: Table,
}

impl Layers {
    fn new() -> Result<Self, SettingsError> {
        let table = DEFAULT.parse().map_err(|error: toml::de::Error| SettingsError::Rule {
            key: "default.toml".to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self { table })
    }

    fn add_file(&mut self, file: &str, text: &str) -> Result<(), SettingsError> {
        let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
            file: file.to_owned(),
            line: error.span().map_or(1, |span| line_of(span.start)),
            message: error.message().to_owned(),
        })?;
        let mut leaves = Vec::new();
        collect(table.get_ref(), &mut Vec::new(), &mut leaves);
        for (path, at, value) in leaves {
            let place = Place::File { file: file.to_owned(), line: line_of(at) };
            self.set(&path, value, place)?;
        }
        Ok(())
    }

    fn add_variable(&mut self, name: &str, text: &str) -> Result<(), SettingsError> {
        let path: Vec<String> = if let Some(rest) = name.strip_prefix(PREFIX) {
            rest.split("__").map(str::to_ascii_lowercase).collect()
        } else if let Some((_, key)) = CONVENTIONAL.iter().find(|(variable, _)| *variable == name) {
            if text.is_empty() {
                return Ok(());
            }
            key.split('.').map(str::to_owned).collect()
        } else {
            return Ok(());
        };
        let value = match self.get(&path) {
            Some(Value::Integer(_)) => text.trim().replace('_', "").parse().map(Value::Integer).ok(),
            Some(Value::Boolean(_)) => text.trim().parse().map(Value::Boolean).ok(),
            _ => None,
        };
        self.set(&path, value.unwrap_or_else(|| Value::String(text.to_owned())), Place::Variable(name.to_owned()))
    }

    fn get(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.table.get(first)?, |value, key| value.get(key))
    }

    fn set(&mut self, path: &[String], value: Value, place: Place) -> Result<(), SettingsError> {
        let key = path.join(".");
        let is_named = path.len() == 3 && ["providers", "oidc"].contains(&path[0].as_str());
        if !is_named && !matches!(self.get(path), Some(known) if !known.is_table() || value.is_table()) {
            return Err(SettingsError::Unknown { place, hint: self.hint(&key), key });
        }
        let before = self.table.clone();
        if let Some(slot) = slot(&mut self.table, path) {
            *slot = value;
        }
        if let Err(error) = Settings::deserialize(self.table.clone()) {
            self.table = before;
            return Err(SettingsError::Wrong { place, key, message: error.message().to_owned() });
        }
        Ok(())
    }

    fn hint(&self, key: &str) -> String {
        let mut known = Vec::new();
        paths(&self.table, "", &mut known);
        known
            .iter()
            .map(|candidate| (strsim::normalized_damerau_levenshtein(key, candidate), candidate))
            .filter(|(likeness, _)| *likeness > 0.6)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map_or_else(
                || "; `electrons config print-default` shows all of them".to_owned(),
                |(_, candidate)| format!("; did you mean \"{candidate}\"?"),
            )
    }

    fn finish(self) -> Result<Settings, SettingsError> {
        let settings = Settings::deserialize(self.table)
            .map_err(|error| SettingsError::Rule { key: String::new(), message: error.message().to_owned() })?;
        settings.problems().map_err(|(key, message)| SettingsError::Rule { key: key.to_owned(), message })?;
        Ok(settings)
    }
}

/// All leaves of a parsed file with where they stand.
fn collect(table: &DeTable<'_>, path: &mut Vec<String>, out: &mut Vec<(Vec<String>, usize, Value)>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, path, out),
            leaf => {
                let at = key.span().start;
                if let Ok(value) = Value::deserialize(toml::de::ValueDeserializer::from(toml::Spanned::new(
                    value.span(),
                    leaf.clone(),
                ))) {
                    out.push((path.clone(), at, value));
                }
            }
        }
        path.pop();
    }
}

fn slot<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return Some(table.entry(first.clone()).or_insert_with(|| Value::String(String::new())));
    }
    match table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => slot(inner, rest),
        _ => None,
    }
}

fn paths(table: &Table, prefix: &str, out: &mut Vec<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => paths(inner, &path, out),
            _ => out.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(file: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let mut layers = Layers::new()?;
        layers.add_file("electrons.toml", file)?;
        for (name, value) in variables {
            layers.add_variable(name, value)?;
        }
        layers.finish()
    }

    fn complaint(file: &str, variables: &[(&str, &str)]) -> String {
        with(file, variables).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_whole() {
        let settings = with("", &[]).unwrap();
        assert_eq!(settings.server.address.to_string(), "127.0.0.1:3000");
        assert!(settings.simulation_is_on());
        assert_eq!(settings.default_instance(), "development");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let settings = with(
            "environment = \"production\"\n[server]\naddress = \"0.0.0.0:80\"\ndrain_timeout_ms = 5\n[providers.mine]\nbase_url = \"http://x\"",
            &[
                ("ELECTRONS__SERVER__ADDRESS", "127.0.0.1:9"),
                ("DATABASE_URL", "postgres://h/d"),
                ("ELECTRONS__SERVER__ALLOW_TEST_KEYS", "true"),
                ("ELECTRONS__GATEWAY__MAX_ATTEMPTS", "7"),
                ("ELECTRONS__PROVIDERS__OPENAI__BASE_URL", "http://127.0.0.1:1/v1"),
                ("UNRELATED", "x"),
            ],
        )
        .unwrap();
        assert_eq!(settings.server.address.port(), 9);
        assert_eq!(settings.server.drain_timeout.as_millis(), 5);
        assert!(settings.server.allow_test_keys);
        assert_eq!(settings.gateway.max_attempts, 7);
        assert_eq!(settings.database.url, "postgres://h/d");
        assert_eq!(settings.providers["openai"].base_url.as_deref(), Some("http://127.0.0.1:1/v1"));
        assert_eq!(settings.providers["mine"].base_url.as_deref(), Some("http://x"));
        assert!(!settings.simulation_is_on());
        assert_eq!(settings.default_instance(), "production");
    }

    #[test]
    fn a_wrong_value_is_blamed_on_its_place() {
        assert_eq!(
            complaint("[server]\n\nadress = \"x\"", &[]),
            "electrons.toml, line 3: there is no setting \"server.adress\"; did you mean \"server.address\"?"
        );
        let text = complaint("[gateway]\nmax_attempts = 1\nbackoff_ms = \"soon\"", &[]);
        assert!(text.starts_with("electrons.toml, line 3: the value of \"gateway.backoff_ms\" is wrong:"), "{text}");
        let text = complaint("", &[("ELECTRONS__SERVER__ADDRESS", "nowhere")]);
        assert!(text.starts_with("environment variable ELECTRONS__SERVER__ADDRESS: the value of"), "{text}");
        let text = complaint("a = [", &[]);
        assert!(text.starts_with("electrons.toml, line 1:"), "{text}");
        assert_eq!(complaint("[gateway]\nmax_attempts = 0", &[]), "the setting \"gateway.max_attempts\" is too small");
        let text = complaint("server = 5", &[]);
        assert!(text.contains("there is no setting \"server\""), "{text}");
        let text = complaint("[providers.openai]\nbase_uri = \"http://x\"", &[]);
        assert!(text.contains("line 2") && text.contains("base_uri"), "{text}");
    }
}
