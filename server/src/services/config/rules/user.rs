//! People: who may give which role, and that somebody is left who may do everything.

use crate::{
    services::{
        config::{Author, ConfigError, Configuration},
        identity::Denied,
    },
    store::things::{Reach, Record, Select, table},
};
use app::types::Role;

pub async fn check(
    service: &Configuration,
    author: &Author,
    before: Option<&Record>,
    after: &Record,
) -> Result<(), ConfigError> {
    let was_super = before.is_some_and(is_superadmin);
    if (was_super || is_superadmin(after)) && author.caller.role != Role::Superadmin {
        return Err(Denied::Level { what: "to change a superadmin", least: "the role superadmin" }.into());
    }
    if was_super && !(is_superadmin(after) && is_active(after)) {
        others_are_left(service, std::slice::from_ref(&after.id)).await?;
    }
    Ok(())
}

pub async fn may_go(
    service: &Configuration,
    author: &Author,
    record: &Record,
    ids: &[String],
) -> Result<(), ConfigError> {
    if !is_superadmin(record) {
        return Ok(());
    }
    if author.caller.role != Role::Superadmin {
        return Err(Denied::Level { what: "to take a superadmin away", least: "the role superadmin" }.into());
    }
    others_are_left(service, ids).await
}

fn is_superadmin(record: &Record) -> bool {
    record.text("role") == Some("superadmin")
}

fn is_active(record: &Record) -> bool {
    record.fields.get("is_active").is_some_and(|flag| *flag == true)
}

/// Some active superadmin is not among these.
async fn others_are_left(service: &Configuration, gone: &[String]) -> Result<(), ConfigError> {
    let Some(users) = table("user") else { return Ok(()) };
    let mut select = Select::first(Reach::Everything, 1_000);
    select.equal =
        vec![("role".to_owned(), vec!["superadmin".to_owned()]), ("is_active".to_owned(), vec!["true".to_owned()])];
    let left = service.redrafted(users, service.db.things(users, &select).await?);
    if left.iter().any(|user| is_superadmin(user) && is_active(user) && !gone.contains(&user.id)) {
        return Ok(());
    }
    Err(ConfigError::Refused("This is the last active superadmin; make another one first".to_owned()))
}
