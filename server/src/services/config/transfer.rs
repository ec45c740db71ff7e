//! The configuration as one document, out and in. What is in a document and already so is left alone, what differs is
//! changed, what is missing is made; nothing is deleted. Secrets are named by the environment variable that holds them.

use app::types::config::{FieldRole, THINGS, Thing, ThingFilter};
use serde_json::{Map, Value, json};

use super::{Author, ConfigError, Configuration, check, known, rules};
use crate::{
    services::identity::{Deed, Place, may},
    store::things::Record,
};

/// Key of the document's format version.
const FORMAT: &str = "electrons";
/// Key of the provider keys.
const KEYS: &str = "provider-key";

/// What an import does, or would do, to one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub kind: &'static str,
    pub id: String,
    /// `create`, `update` or `set`.
    pub action: &'static str,
    /// Field, what it is, and what it becomes.
    pub fields: Vec<(String, Value, Value)>,
}

impl Configuration {
    /// Everything but API keys and secrets, for superadmins.
    pub async fn export(&self, author: &Author) -> Result<Value, ConfigError> {
        may(&author.caller, Deed::Administer, Place::Platform)?;
        let mut document = Map::new();
        document.insert(FORMAT.to_owned(), 1.into());
        for thing in THINGS.iter().filter(|thing| is_carried(thing)) {
            let filter = ThingFilter { sort: "created_at".to_owned(), ..ThingFilter::default() };
            let page = self.list(&author.caller, thing.kind, &filter).await?;
            let rows = page.rows.into_iter().filter(|row| !is_own(thing, &row.id)).map(|row| carried(thing, row.body));
            document.insert(thing.kind.to_owned(), rows.collect());
        }
        let mut keys = Vec::new();
        for instance in self.catalog.snapshot().instances.keys() {
            for row in self.db.credentials_of_instance(instance).await? {
                let name = variable(instance, &row.provider_id);
                keys.push(json!({
                    "instance_id": instance, "provider": row.provider_id, "api_key": format!("env.{name}"),
                }));
            }
        }
        keys.sort_by_key(ToString::to_string);
        document.insert(KEYS.to_owned(), keys.into());
        Ok(document.into())
    }

    /// Makes the configuration what a document says, or only tells what that would change. `variables` is the environment
    /// that secrets are named in.
    pub async fn import(
        &self,
        author: &Author,
        document: &Value,
        variables: &(dyn Fn(&str) -> Option<String> + Sync),
        is_dry: bool,
    ) -> Result<Vec<Difference>, ConfigError> {
        may(&author.caller, Deed::Administer, Place::Platform)?;
        let document = document.as_object().ok_or_else(|| ConfigError::field("document", "It must be an object"))?;
        let unknown = document.keys().find(|key| {
            !matches!(key.as_str(), FORMAT | KEYS) && !THINGS.iter().any(|t| t.kind == **key && is_carried(t))
        });
        if let Some(unknown) = unknown {
            return Err(ConfigError::field(unknown.clone(), format!("There is nothing of the kind \"{unknown}\"")));
        }
        if document.get(FORMAT).is_some_and(|version| *version != 1) {
            return Err(ConfigError::field(FORMAT, "This format is another version's; it should be 1"));
        }
        // The form of everything is looked at before anything is written.
        for thing in THINGS {
            for (place, row) in rows(document, thing.kind)? {
                form(thing, row).map_err(|error| at(error, &place))?;
            }
        }
        let keys = self.keys(document, variables, is_dry)?;
        // Each thing may refer to those before it; all of them are written together, or none is.
        let draft = self.drafting();
        let mut differences = Vec::new();
        for thing in THINGS {
            for (place, row) in rows(document, thing.kind)? {
                let done = draft.import_one(author, thing, row, is_dry).await.map_err(|error| at(error, &place))?;
                differences.extend(done);
            }
        }
        for (instance, provider, secret) in keys {
            let (id, stored) = (format!("{instance}:{provider}"), self.stored_key(&instance, &provider));
            if stored.as_deref() == Some(secret.as_str()) {
                continue;
            }
            draft.set_credential(author, &instance, &provider, &secret).await?;
            let fields = vec![(
                "api_key".to_owned(),
                stored.map(|key| rules::masked(&key)).into(),
                rules::masked(&secret).into(),
            )];
            differences.push(Difference { kind: KEYS, id, action: "set", fields });
        }
        if !is_dry {
            draft.commit().await?;
        }
        Ok(differences)
    }

    async fn import_one(
        &self,
        author: &Author,
        thing: &'static Thing,
        row: &Map<String, Value>,
        is_dry: bool,
    ) -> Result<Option<Difference>, ConfigError> {
        let table = known(thing.kind)?;
        let id = row.get(thing.id).and_then(Value::as_str).unwrap_or_default();
        let found = if id.is_empty() { None } else { self.record(table, id, false).await? };
        let Some(record) = found else {
            let fields = row.iter().map(|(name, value)| (name.clone(), Value::Null, value.clone())).collect();
            let made = self.create_as(author, table, row, Some(id)).await?.id;
            // An id that is made by chance will be another one.
            let id = if is_dry { id.to_owned() } else { made };
            return Ok(Some(Difference { kind: thing.kind, id, action: "create", fields }));
        };
        let fields = self.changes(thing, &record, row)?;
        if fields.is_empty() {
            return Ok(None);
        }
        let wanted = fields.iter().map(|(name, _, after)| (name.clone(), after.clone())).collect();
        self.update(author, thing.kind, &record.id, None, &wanted).await?;
        Ok(Some(Difference { kind: thing.kind, id: record.id, action: "update", fields }))
    }

    /// Fields that a document has otherwise.
    fn changes(
        &self,
        thing: &'static Thing,
        record: &Record,
        row: &Map<String, Value>,
    ) -> Result<Vec<(String, Value, Value)>, ConfigError> {
        let shown = check::shown(thing, &record.id, record);
        let wanted = match check::changed(thing, row, &shown) {
            Err(ConfigError::NothingToUpdate) => return Ok(Vec::new()),
            wanted => wanted?,
        };
        let mut after = record.clone();
        after.fields.extend(wanted);
        rules::defaults(thing, &record.id, &mut after.fields);
        let after = check::shown(thing, &record.id, &after);
        let differs = |name: &&str| after.get(*name) != shown.get(*name);
        let names = thing.fields.iter().map(|field| field.name).filter(differs);
        let value = |of: &Map<String, Value>, name: &str| of.get(name).cloned().unwrap_or_default();
        Ok(names.map(|name| (name.to_owned(), value(&shown, name), value(&after, name))).collect())
    }

    /// Provider keys of a document: instance, provider, secret.
    fn keys(
        &self,
        document: &Map<String, Value>,
        variables: &(dyn Fn(&str) -> Option<String> + Sync),
        is_dry: bool,
    ) -> Result<Vec<(String, String, String)>, ConfigError> {
        let mut keys = Vec::new();
        for (place, row) in rows(document, KEYS)? {
            let text = |name: &str| {
                let text = row.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
                text.ok_or_else(|| ConfigError::field(format!("{place}.{name}"), format!("{place}.{name} is required")))
            };
            let (instance, provider, named) = (text("instance_id")?, text("provider")?, text("api_key")?);
            let name = named.strip_prefix("env.").or_else(|| named.strip_prefix("os.environ/")).ok_or_else(|| {
                ConfigError::field(
                    format!("{place}.api_key"),
                    format!(
                        "{place}.api_key must name the environment variable that holds the key: env.OPENAI_API_KEY"
                    ),
                )
            })?;
            match variables(name).filter(|value| !value.trim().is_empty()) {
                Some(secret) => keys.push((instance.to_owned(), provider.to_owned(), secret.trim().to_owned())),
                // A key that is stored already needs no variable.
                None if is_dry || self.stored_key(instance, provider).is_some() => {}
                None => {
                    let message = format!("{place}.api_key: the environment variable {name} is not set");
                    return Err(ConfigError::field(format!("{place}.api_key"), message));
                }
            }
        }
        Ok(keys)
    }

    fn stored_key(&self, instance: &str, provider: &str) -> Option<String> {
        let snapshot = self.catalog.snapshot();
        let provider = snapshot.provider(provider)?.id.to_string();
        Some(snapshot.credentials.get(instance)?.get(&provider)?.reveal().to_owned())
    }
}

/// Keys cannot be carried: only their hashes are kept.
fn is_carried(thing: &Thing) -> bool {
    thing.kind != "api-key"
}

/// What the server keeps for itself.
fn is_own(thing: &Thing, id: &str) -> bool {
    thing.kind == "setting" && (id.starts_with("catalogue") || id.contains(':'))
}

/// A thing without what it is told and not given, and without what is not set.
fn carried(thing: &Thing, mut body: Map<String, Value>) -> Value {
    body.retain(|name, value| {
        let is_given = thing.field(name).is_some_and(|field| field.role != FieldRole::Shown);
        (is_given || name == thing.id) && !value.is_null()
    });
    body.into()
}

/// The environment variable that an exported key is named by.
fn variable(instance: &str, provider: &str) -> String {
    let name = format!("DE_KEY_{instance}_{provider}").to_ascii_uppercase();
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Objects of a document, each with its place in it.
type Rows<'a> = Vec<(String, &'a Map<String, Value>)>;

/// The things of a kind in a document.
fn rows<'a>(document: &'a Map<String, Value>, kind: &str) -> Result<Rows<'a>, ConfigError> {
    let Some(value) = document.get(kind).filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| ConfigError::field(kind, format!("{kind} must be a list")))?;
    let row = |(index, row): (usize, &'a Value)| {
        let place = format!("{kind}[{index}]");
        match row.as_object() {
            Some(row) => Ok((place, row)),
            None => Err(ConfigError::field(place.clone(), format!("{place} must be an object"))),
        }
    };
    list.iter().enumerate().map(row).collect()
}

/// Whether a row has the form of a thing.
fn form(thing: &'static Thing, row: &Map<String, Value>) -> Result<(), ConfigError> {
    if let Some(unknown) = check::unknown_fields(thing, row).into_iter().next() {
        return Err(ConfigError::field(unknown.clone(), format!("there is no field \"{unknown}\"")));
    }
    check::given(thing, row).map(drop)
}

/// A failure, with its place in the document.
fn at(error: ConfigError, place: &str) -> ConfigError {
    match error {
        ConfigError::Fields(errors) => ConfigError::Fields(
            errors
                .into_iter()
                .map(|error| super::FieldError {
                    field: format!("{place}.{}", error.field),
                    message: format!("{place}: {}", error.message),
                })
                .collect(),
        ),
        ConfigError::Store(error) => ConfigError::Store(error),
        error => ConfigError::field(place, format!("{place}: {error}")),
    }
}
