//! Who changes the configuration, as the audit log names them.

use std::sync::Arc;

use serde_json::Value;

use super::place::Where;
use crate::{
    services::identity::{Caller, Visit},
    store::{
        audit::{Actor, AuditEntry},
        things::{Record, Table},
    },
};

/// Somebody who changes something, and where from.
#[derive(Debug, Clone)]
pub struct Author {
    pub caller: Arc<Caller>,
    pub request_id: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

impl Author {
    /// What the audit log says of them.
    pub fn actor(&self) -> Actor {
        self.caller.actor(&Visit {
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            request_id: Some(self.request_id.clone()),
        })
    }

    /// An entry of the audit log: they did `what` to this thing.
    pub fn entry(
        &self,
        table: &Table,
        place: &Where,
        record: &Record,
        what: &str,
        details: Value,
        time_us: i64,
    ) -> AuditEntry {
        let kind = table.thing.kind.replace('-', "_");
        AuditEntry {
            org_id: place.org_id().to_owned(),
            time_us,
            actor: self.actor(),
            action: format!("{kind}.{what}"),
            target: (kind, record.id.clone(), record.title(table).to_owned()),
            instance_id: place.instance_id().map(str::to_owned),
            outcome: "succeeded",
            details,
        }
    }
}
