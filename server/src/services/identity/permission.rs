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
                // A key stays in its instance, but for those who administer the organization.
                let roams = who.key_id.is_none() || (who.role == Role::Admin && org_id == who.org_id);
                who.user.as_ref().filter(|_| roams).and_then(|user| level(user, instance_id, org_id))
            };
            let (least, name) = deed.level();
            if held.ok_or(Denied::Elsewhere)? < least {
                return Err(Denied::Level { what: deed.words(), least: name });
            }
            Ok(())
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

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc};

    use serde_json::Value;

    use super::*;
    use crate::services::catalog::{Instance, User};

    const DEEDS: [Deed; 6] = [Deed::Generate, Deed::Jobs, Deed::Read, Deed::Write, Deed::Administer, Deed::Own];
    const OWN: Place<'_> = Place::Instance { org_id: "org", instance_id: "here" };
    const OTHER: Place<'_> = Place::Instance { org_id: "org", instance_id: "there" };
    const FOREIGN: Place<'_> = Place::Instance { org_id: "elsewhere", instance_id: "far" };

    /// A person's session in the instance `here`, with a level there and `readonly` in `there`.
    fn session(role: Role, level: Level) -> Caller {
        let access = HashMap::from([("here".to_owned(), level), ("there".to_owned(), Level::Readonly)]);
        let user = User {
            id: "somebody".to_owned(),
            org_id: "org".to_owned(),
            email: "somebody@example.org".to_owned(),
            name: "Somebody".to_owned(),
            role,
            is_active: true,
            access,
        };
        let instance = Instance {
            id: "here".to_owned(),
            org_id: "org".to_owned(),
            name: "Here".to_owned(),
            store_contents: false,
            content_retention_days: 1,
            created_us: 0,
            config: Value::Null,
        };
        Caller {
            org_id: "org".to_owned(),
            level: super::level(&user, "here", "org").unwrap(),
            instance: Arc::new(instance),
            user_id: Some(user.id.clone()),
            user: Some(Arc::new(user)),
            project_id: None,
            key_id: None,
            key_name: None,
            role,
            scopes: None,
            allowed_models: None,
        }
    }

    fn key(role: Role, level: Level, scopes: &[&str]) -> Caller {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Caller {
            key_id: Some("key".to_owned()),
            scopes: Some(scopes).filter(|scopes| !scopes.is_empty()).map(Into::into),
            ..session(role, level)
        }
    }

    fn project_key() -> Caller {
        Caller {
            user: None,
            user_id: None,
            project_id: Some("project".to_owned()),
            ..key(Role::User, Level::User, &[])
        }
    }

    /// The deeds of a place as letters: the initial where it may be done, `-` where the level is too low, `s` where the
    /// scope is missing, `x` where the place is somebody else's.
    fn row(who: &Caller, place: Place<'_>) -> String {
        let letter = |(deed, initial): (&Deed, char)| match may(who, *deed, place) {
            Ok(()) => initial,
            Err(Denied::Level { .. }) => '-',
            Err(Denied::Scope(_)) => 's',
            Err(Denied::Elsewhere) => 'x',
        };
        DEEDS.iter().zip("gjrwao".chars()).map(letter).collect()
    }

    /// Own instance, another of the organization, a foreign one, the own organization, a foreign one, the platform.
    fn rows(who: &Caller) -> [String; 6] {
        let organizations = [Place::Organization("org"), Place::Organization("elsewhere"), Place::Platform];
        [OWN, OTHER, FOREIGN]
            .into_iter()
            .chain(organizations)
            .map(|place| row(who, place))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    #[test]
    fn the_table_of_sessions() {
        use Level::{Admin, Owner, Readonly};
        let user = |level| rows(&session(Role::User, level));
        assert_eq!(user(Readonly), ["--r---", "--r---", "xxxxxx", "--r---", "xxxxxx", "--r---"]);
        assert_eq!(user(Level::User), ["gjrw--", "--r---", "xxxxxx", "--r---", "xxxxxx", "--r---"]);
        assert_eq!(user(Admin), ["gjrwa-", "--r---", "xxxxxx", "--r---", "xxxxxx", "--r---"]);
        assert_eq!(user(Owner), ["gjrwao", "--r---", "xxxxxx", "--r---", "xxxxxx", "--r---"]);
        let admin = rows(&session(Role::Admin, Readonly));
        assert_eq!(admin, ["gjrwao", "gjrwao", "xxxxxx", "gjrwa-", "xxxxxx", "--r---"]);
        let superadmin = rows(&session(Role::Superadmin, Readonly));
        assert_eq!(superadmin, ["gjrwao"; 6]);
    }

    #[test]
    fn the_table_of_keys() {
        let own = rows(&key(Role::User, Level::Owner, &[]));
        assert_eq!(own, ["gjrwao", "xxxxxx", "xxxxxx", "--r---", "xxxxxx", "--r---"], "a key stays in its instance");
        let admin = rows(&key(Role::Admin, Level::Readonly, &[]));
        assert_eq!(admin, ["gjrwao", "gjrwao", "xxxxxx", "gjrwa-", "xxxxxx", "--r---"]);
        assert_eq!(rows(&key(Role::Superadmin, Level::Readonly, &[])), ["gjrwao"; 6]);
        assert_eq!(rows(&project_key()), ["gjrw--", "xxxxxx", "xxxxxx", "--r---", "xxxxxx", "--r---"]);
    }

    #[test]
    fn the_table_of_scopes() {
        let scoped = |scopes: &[&str]| row(&key(Role::Superadmin, Level::Owner, scopes), OWN);
        assert_eq!(scoped(&["generate"]), "gsssss");
        assert_eq!(scoped(&["jobs"]), "sjssss");
        assert_eq!(scoped(&["read"]), "ssrsss");
        assert_eq!(scoped(&["admin"]), "ssswao");
        assert_eq!(scoped(&["generate", "read"]), "gsrsss");
        assert_eq!(scoped(&["generate", "jobs", "read", "admin"]), "gjrwao");
        assert_eq!(scoped(&["unheard-of"]), "ssssss");
        // A scope gives nothing that the owner may not do.
        assert_eq!(row(&key(Role::User, Level::Readonly, &["generate", "admin"]), OWN), "-ss---");
        assert_eq!(row(&key(Role::User, Level::Owner, &["generate"]), OTHER), "xsssss");
    }

    #[test]
    fn a_refusal_says_what_is_missing() {
        let reader = session(Role::User, Level::Readonly);
        let text = |denied: Result<(), Denied>| denied.unwrap_err().to_string();
        assert_eq!(
            text(may(&reader, Deed::Generate, OWN)),
            "to generate needs at least the level \"user\" in the instance"
        );
        assert_eq!(
            text(may(&reader, Deed::Administer, Place::Platform)),
            "to configure this needs at least the role superadmin"
        );
        let scoped = key(Role::User, Level::User, &["read"]);
        assert_eq!(text(may(&scoped, Deed::Generate, OWN)), "this API key lacks the scope \"generate\"");
    }
}
