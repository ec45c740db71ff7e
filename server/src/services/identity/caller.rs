//! Who is calling, and what they may see.

use std::{collections::HashSet, sync::Arc};

use app::types::Role;

use super::{Place, Visit};
use crate::{
    services::catalog::{Instance, Level, Model, User},
    store::audit::Actor,
};

/// A caller whose key or session was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    pub org_id: String,
    /// The instance the call is made in.
    pub instance: Arc<Instance>,
    pub user_id: Option<String>,
    /// The person behind a session or a person's key, with their access to other instances.
    pub user: Option<Arc<User>>,
    pub project_id: Option<String>,
    /// Set when an API key was shown, not a session.
    pub key_id: Option<String>,
    /// What people call the key.
    pub key_name: Option<String>,
    pub role: Role,
    pub level: Level,
    /// What the key may be used for; `None`: everything its owner may.
    pub scopes: Option<Arc<[String]>>,
    /// `None`: every model.
    pub allowed_models: Option<Arc<HashSet<String>>>,
}

impl Caller {
    /// The instance the call is made in.
    pub fn place(&self) -> Place<'_> {
        Place::Instance { org_id: &self.instance.org_id, instance_id: &self.instance.id }
    }

    /// What the audit log says of them: the key that was shown, else the person.
    pub fn actor(&self, visit: &Visit) -> Actor {
        let (kind, id, name) = match (&self.key_id, &self.user) {
            (Some(id), _) => ("api_key", id.as_str(), self.key_name.as_deref().unwrap_or_default()),
            (None, Some(user)) => ("user", user.id.as_str(), user.email.as_str()),
            (None, None) => ("system", "", "unknown"),
        };
        visit.actor(kind, id, name)
    }

    /// Catalogue models are everyone's; others belong to an organization.
    pub fn sees(&self, model: &Model) -> bool {
        model.org_id.as_ref().is_none_or(|org| *org == self.org_id) || self.role == Role::Superadmin
    }
}
