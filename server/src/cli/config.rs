//! `electrons config export`, `apply` and `prices`: the configuration as a document. They write beside a running server,
//! which notices within a second.

use std::{io::Write, path::Path, sync::Arc};

use serde_json::Value;

use super::{CliError, create, out};
use crate::{
    app::Core,
    services::config::{Author, ConfigError, Difference, is_litellm, read_document, write_document},
};

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Fields(errors) => {
                let lines: Vec<String> = errors.into_iter().map(|error| error.message).collect();
                Self::Said(lines.join("\n       "))
            }
            error => Self::Said(error.to_string()),
        }
    }
}

/// Whoever is at the command line may do everything.
fn author(core: &Core) -> Result<Author, CliError> {
    let user = create::first_administrator(core)?;
    let caller = core.identity.in_instance(&user, None)?;
    let request_id = core.clock.new_id().to_string();
    Ok(Author { caller: Arc::new(caller), request_id, ip: None, user_agent: Some("electrons config".to_owned()) })
}

pub async fn export(core: &Core) -> Result<(), CliError> {
    let document = core.config.export(&author(core)?).await?;
    core.db.close().await;
    Ok(out().write_all(write_document(&document)?.as_bytes())?)
}

pub async fn apply(core: &Core, file: &Path, is_dry: bool) -> Result<(), CliError> {
    let mut document = read(file)?;
    if is_litellm(&document) {
        let (converted, notes) = core.config.from_litellm(&document)?;
        document = converted;
        for note in notes {
            writeln!(std::io::stderr(), "note: {note}")?;
        }
    }
    let variables = |name: &str| core.catalog.variable(name);
    let differences = core.config.import(&author(core)?, &document, &variables, is_dry).await?;
    core.db.close().await;
    print(&differences, is_dry)
}

pub async fn prices(core: &Core, file: &Path, is_dry: bool) -> Result<(), CliError> {
    let differences = core.config.refresh_prices(&author(core)?, &read(file)?, is_dry).await?;
    core.db.close().await;
    print(&differences, is_dry)
}

fn read(file: &Path) -> Result<Value, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::Said(format!("cannot read {}: {error}", file.display())))?;
    Ok(read_document(&text)?)
}

/// One line for each thing, and one for each field that changes.
fn print(differences: &[Difference], is_dry: bool) -> Result<(), CliError> {
    let mut out = out();
    for difference in differences {
        let sign = if difference.action == "create" { '+' } else { '~' };
        writeln!(out, "{sign} {} {}", difference.kind, difference.id)?;
        for (name, before, after) in difference.fields.iter().filter(|_| difference.action != "create") {
            writeln!(out, "    {name}: {before} -> {after}")?;
        }
    }
    let verb = if is_dry { "would change" } else { "changed" };
    match differences.len() {
        0 => writeln!(out, "Everything is so already.")?,
        1 => writeln!(out, "1 thing {verb}.")?,
        many => writeln!(out, "{many} things {verb}.")?,
    }
    Ok(())
}
