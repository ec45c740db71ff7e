//! Access to instances: nobody gives or takes more than they have.

use app::types::Role;

use crate::{
    services::{
        catalog::Level,
        config::{Author, ConfigError, Configuration},
        identity::{self, Denied},
    },
    store::things::{Record, table},
};

pub async fn check(
    service: &Configuration,
    author: &Author,
    before: Option<&Record>,
    after: &Record,
) -> Result<(), ConfigError> {
    let org_id = organization(service, after).await?;
    if before.is_none() && author.caller.role != Role::Superadmin {
        let (id, users) = (after.text("user_id").unwrap_or_default(), table("user"));
        let user = match users {
            Some(users) => service.record(users, id, false).await?,
            None => None,
        };
        if user.is_some_and(|user| user.text("org_id") != Some(org_id.as_str())) {
            return Err(ConfigError::field("user_id", "This user belongs to another organization"));
        }
    }
    for record in [before, Some(after)].into_iter().flatten() {
        not_above_own(author, record, &org_id)?;
    }
    Ok(())
}

pub async fn may_go(service: &Configuration, author: &Author, record: &Record) -> Result<(), ConfigError> {
    let org_id = organization(service, record).await?;
    not_above_own(author, record, &org_id)
}

async fn organization(service: &Configuration, record: &Record) -> Result<String, ConfigError> {
    let table = table("instance-access").ok_or_else(|| ConfigError::NotFound("Access".to_owned()))?;
    Ok(service.place_of(table.thing, record).await?.org_id().to_owned())
}

fn not_above_own(author: &Author, record: &Record, org_id: &str) -> Result<(), ConfigError> {
    let who = &author.caller;
    let instance_id = record.text("instance_id").unwrap_or_default();
    let own = if who.role == Role::Superadmin {
        Some(Level::Owner)
    } else if instance_id == who.instance.id {
        Some(who.level)
    } else {
        who.user.as_ref().and_then(|user| identity::level(user, instance_id, org_id))
    };
    let asked = record.text("level").and_then(Level::parse);
    if asked > own {
        return Err(Denied::Level { what: "to give or take this level", least: "the same level" }.into());
    }
    Ok(())
}
