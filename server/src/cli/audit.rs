//! `electrons audit verify`.

use std::io::Write;

use super::{CliError, out};
use crate::{app::Core, services::identity::IdentityError};

/// Walks the log of an organization, or all of them. The hash of the last entry is printed, so that it can be kept
/// somewhere else: whoever can write the database could write a whole log anew, but not with the same hash.
pub async fn verify(core: &Core, org: Option<String>) -> Result<(), CliError> {
    let chains = match org {
        Some(org) => vec![org],
        None => core.db.audit_chains().await.map_err(IdentityError::from)?,
    };
    let mut out = out();
    let mut broken = 0;
    for org_id in chains {
        let check = core.db.verify_audit(&org_id).await.map_err(IdentityError::from)?;
        let name = if org_id.is_empty() { "(platform)" } else { org_id.as_str() };
        match check.broken {
            None if check.entries == 0 => writeln!(out, "{name}: no entries")?,
            None => writeln!(out, "{name}: whole, {} entries, the last is {}", check.entries, check.head)?,
            Some((seq, why)) => {
                broken += 1;
                writeln!(out, "{name}: BROKEN at entry {seq}: {why}; {} entries before it are whole", check.entries)?;
            }
        }
    }
    core.db.close().await;
    match broken {
        0 => Ok(()),
        1 => Err(CliError::Said("the audit log was tampered with".to_owned())),
        many => Err(CliError::Said(format!("{many} audit logs were tampered with"))),
    }
}
