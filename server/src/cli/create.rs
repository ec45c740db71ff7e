//! `electrons key create`, `electrons user create` and `electrons user link`: they write beside a running server, which
//! notices within a second.

use std::{io::Write, sync::Arc};

use app::types::{ApiKeyDraft, Role};
use clap::ValueEnum;

use super::{CliError, out};
use crate::{app::Core, services::catalog::User, store::audit::Actor};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleArg {
    User,
    Admin,
    Superadmin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::User => Self::User,
            RoleArg::Admin => Self::Admin,
            RoleArg::Superadmin => Self::Superadmin,
        }
    }
}

pub async fn key(
    core: &Core,
    name: &str,
    email: Option<&str>,
    instance: &str,
    days: Option<u32>,
) -> Result<(), CliError> {
    let user = match email {
        Some(email) => by_email(core, email)?,
        None => first_administrator(core)?,
    };
    let user = core.identity.let_in(&user, instance, "user", by()).await?;
    let caller = core.identity.in_instance(&user, Some(instance))?;
    let expires_us = days.map(|days| core.clock.now_us() + i64::from(days) * 86_400_000_000);
    let draft = ApiKeyDraft { name: name.to_owned(), expires_us, ..ApiKeyDraft::default() };
    let key = core.identity.create_key(&caller, draft, by()).await?;
    core.db.close().await;
    // The key alone on standard output, so that a script can take it.
    writeln!(std::io::stderr(), "Key \"{}\" of {} in the instance {}:", key.name, user.email, key.instance_id)?;
    Ok(writeln!(out(), "{}", key.secret)?)
}

pub async fn user(
    core: &Core,
    email: &str,
    name: Option<&str>,
    role: RoleArg,
    organization: Option<&str>,
) -> Result<(), CliError> {
    let snapshot = core.catalog.snapshot();
    let organization = match organization {
        Some(id) => snapshot.organizations.get(id),
        None => snapshot.organizations.values().min_by_key(|organization| organization.id.clone()),
    };
    let organization = organization.ok_or_else(|| CliError::Said("there is no such organization".to_owned()))?;
    let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or(email));
    let user_id = core.identity.create_user(&organization.id, email, name, role.into(), by()).await?;
    print_link(core, &user_id).await
}

pub async fn link(core: &Core, email: &str) -> Result<(), CliError> {
    let user = by_email(core, email)?;
    print_link(core, &user.id).await
}

async fn print_link(core: &Core, user_id: &str) -> Result<(), CliError> {
    let token = core.identity.make_link(user_id, by()).await?.0;
    core.db.close().await;
    let base = match core.settings.server.public_url.trim_end_matches('/') {
        "" => format!("http://{}", core.settings.server.address),
        url => url.to_owned(),
    };
    Ok(writeln!(out(), "{base}/sign-in?token={token}")?)
}

/// Whoever may run commands on the server's machine.
fn by() -> Actor {
    Actor::system("Command line")
}

fn by_email(core: &Core, email: &str) -> Result<Arc<User>, CliError> {
    let snapshot = core.catalog.snapshot();
    let found = snapshot.users.values().find(|user| user.email.eq_ignore_ascii_case(email.trim()));
    found.cloned().ok_or_else(|| CliError::Said(format!("there is no user with the address {email}")))
}

pub fn first_administrator(core: &Core) -> Result<Arc<User>, CliError> {
    let snapshot = core.catalog.snapshot();
    let mut administrators: Vec<_> =
        snapshot.users.values().filter(|user| user.is_active && user.role == Role::Superadmin).cloned().collect();
    administrators.sort_by(|a, b| a.id.cmp(&b.id));
    administrators.into_iter().next().ok_or_else(|| {
        CliError::Said("there is no administrator yet: start the server once, or name a user with --user".to_owned())
    })
}
