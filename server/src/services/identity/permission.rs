//! The one place that decides who may do what.

use app::types::Role;

use super::{Caller, level};
use crate::services::catalog::Level;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Call models.
    Generate,
    /// Hand over work and ask for its result.
    Jobs,
    /// Look at configuration and records.
    Read,
    /// Change what daily work needs: projects.
    Write,
    /// Change how a place works: its settings, people, keys, credentials and limits.
    Administer,
    /// Take a place away.
    Own,
}

/// Where it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// What all organizations share: providers, the catalogue, rules, settings.
    Platform,
    Organization(&'a str),
    Instance {
        org_id: &'a str,
        instance_id: &'a str,
    },
}

/// Why it may not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The key was made for other things.
    #[error("this API key lacks the scope \"{0}\"")]
    Scope(&'static str),
    /// The person may do less here.
    #[error("{what} needs at least {least}")]
    Level { what: &'static str, least: &'static str },
    /// The thing is another organization's, or in an instance that is closed to the caller.
    #[error("this belongs to an organization or instance that you have no access to")]
    Elsewhere,
}

/// Whether `who` may do `deed` at `place`. A session may what its person may; a key, besides, only what its scopes name
/// (none means all) and only in its own instance, unless its owner administers the organization.
pub fn may(who: &Caller, deed: Deed, place: Place<'_>) -> Result<(), Denied> {
    let scope = deed.scope();
    if who.scopes.as_ref().is_some_and(|scopes| !scopes.iter().any(|own| own == scope)) {
        return Err(Denied::Scope(scope));
    }
    if who.role == Role::Superadmin {
        return Ok(());
    }
    match place {
        Place::Platform if deed == Deed::Read => Ok(()),
        Place::Platform => Err(Denied::Level { what: deed.words(), least: "the role superadmin" }),
        Place::Organization(org_id) if org_id != who.org_id => Err(Denied::Elsewhere),
        Place::Organization(_) if deed == Deed::Read => Ok(()),
        Place::Organization(_) if deed == Deed::Own => {
            Err(Denied::Level { what: deed.words(), least: "the role superadmin" })
        }
        Place::Organization(_) if who.role == Role::Admin => Ok(()),
        Place::Organization(_) => Err(Denied::Level { what: deed.words(), least: "the role admin" }),
        Place::Instance { org_id, instance_id } => {
            let held = if instance_id == who.instance.id {
                Some(who.level)
            } else {
                // A key of an ordinary person stays in its instance.
                let user = who.user.as_ref().filter(|_| who.key_id.is_none() || who.role == Role::Admin);
                user.and_then(|user| level(user, instance_id, org_id))
            };
            let held = held.filter(|_| org_id == who.org_id || who.role == Role::User).ok_or(Denied::Elsewhere)?;
            let (least, name) = deed.level();
            if held < least { Err(Denied::Level { what: deed.words(), least: name }) } else { Ok(()) }
        }
    }
}

impl Deed {
    fn scope(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Jobs => "jobs",
            Self::Read => "read",
            Self::Write | Self::Administer | Self::Own => "admin",
        }
    }

    fn level(self) -> (Level, &'static str) {
        match self {
            Self::Read => (Level::Readonly, "the level \"readonly\" in the instance"),
            Self::Generate | Self::Jobs | Self::Write => (Level::User, "the level \"user\" in the instance"),
            Self::Administer => (Level::Admin, "the level \"admin\" in the instance"),
            Self::Own => (Level::Owner, "the level \"owner\" in the instance"),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Generate => "to generate",
            Self::Jobs => "to hand over work",
            Self::Read => "to look at this",
            Self::Write => "to change this",
            Self::Administer => "to configure this",
            Self::Own => "to take this away",
        }
    }
}
