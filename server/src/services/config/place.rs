//! Whose a thing is, and who may see and change it.

use app::types::{
    Role,
    config::{Owner, Thing},
};
use serde_json::{Map, Value};

use super::{ConfigError, Configuration};
use crate::{
    services::identity::{Caller, Deed, Place},
    store::things::{Instances, Reach, Record, table},
};

/// What is done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Create,
    Update,
    /// And bringing back.
    Delete,
}

/// A [`Place`] that owns its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    Platform,
    Organization(String),
    Instance { org_id: String, instance_id: String },
}

impl Where {
    pub fn place(&self) -> Place<'_> {
        match self {
            Self::Platform => Place::Platform,
            Self::Organization(org_id) => Place::Organization(org_id),
            Self::Instance { org_id, instance_id } => Place::Instance { org_id, instance_id },
        }
    }

    /// The organization whose audit log tells of it; empty is the platform's.
    pub fn org_id(&self) -> &str {
        match self {
            Self::Platform => "",
            Self::Organization(org_id) | Self::Instance { org_id, .. } => org_id,
        }
    }

    pub fn instance_id(&self) -> Option<&str> {
        match self {
            Self::Instance { instance_id, .. } => Some(instance_id),
            _ => None,
        }
    }
}

/// What somebody needs to be allowed for an act.
pub fn deed(thing: &Thing, act: Act) -> Deed {
    match (thing.kind, act) {
        ("organization" | "instance", Act::Delete) => Deed::Own,
        ("project", _) => Deed::Write,
        _ => Deed::Administer,
    }
}

/// The rows that somebody sees in lists.
pub fn reach(who: &Caller) -> Reach {
    if who.role == Role::Superadmin {
        return Reach::Everything;
    }
    let instances = match (&who.user, who.role) {
        (_, Role::Admin) => Instances::All,
        // A key of an ordinary person stays in its instance.
        (Some(user), _) if who.key_id.is_none() => Instances::These(user.access.keys().cloned().collect()),
        _ => Instances::These(vec![who.instance.id.clone()]),
    };
    Reach::Of { org_id: who.org_id.clone(), instances }
}

impl Configuration {
    /// Where a thing with these fields is, or would be.
    pub(super) async fn whereabouts(
        &self,
        thing: &Thing,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<Where, ConfigError> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let organization = || text("org_id").map_or(Where::Platform, |org| Where::Organization(org.to_owned()));
        Ok(match (thing.kind, thing.owner) {
            (_, Owner::Platform) => Where::Platform,
            ("organization", _) => Where::Organization(id.to_owned()),
            (_, Owner::Organization) => organization(),
            ("instance", _) => {
                Where::Instance { org_id: text("org_id").unwrap_or_default().to_owned(), instance_id: id.to_owned() }
            }
            (_, Owner::Instance) => match text("instance_id") {
                None => organization(),
                Some(instance_id) => Where::Instance {
                    org_id: self.organization_of(instance_id).await?,
                    instance_id: instance_id.to_owned(),
                },
            },
        })
    }

    /// Where a thing is made: what has no place yet is made in the one above.
    pub(super) async fn cradle(&self, thing: &Thing, fields: &Map<String, Value>) -> Result<Where, ConfigError> {
        match thing.kind {
            "organization" => Ok(Where::Platform),
            "instance" => {
                let org_id = fields.get("org_id").and_then(Value::as_str).unwrap_or_default();
                Ok(Where::Organization(org_id.to_owned()))
            }
            _ => self.whereabouts(thing, "", fields).await,
        }
    }

    pub(super) async fn place_of(&self, thing: &Thing, record: &Record) -> Result<Where, ConfigError> {
        self.whereabouts(thing, &record.id, &record.fields).await
    }

    async fn organization_of(&self, instance_id: &str) -> Result<String, ConfigError> {
        if let Some(instance) = self.catalog.snapshot().instances.get(instance_id) {
            return Ok(instance.org_id.clone());
        }
        // Just made by another server, or deleted.
        let Some(table) = table("instance") else { return Ok(String::new()) };
        for deleted in [false, true] {
            if let Some(record) = self.record(table, instance_id, deleted).await? {
                return Ok(record.text("org_id").unwrap_or_default().to_owned());
            }
        }
        Err(ConfigError::NotFound("Instance".to_owned()))
    }
}
