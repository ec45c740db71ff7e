//! Reading the audit log: who may, in pages, and whether it is whole. What is written into it is written by the services
//! that do it, with what it tells.

use app::types::{AuditProof, AuditQuery, AuditRecord, Page};
use serde_json::Value;

use super::identity::{Caller, Deed, IdentityError, Place, may};
use crate::store::{
    Db,
    audit::{AuditFilter, AuditRow},
};

/// Entries in a page at most.
pub const MAX_PAGE: u32 = 1_000;

/// Entries of one log, newest first.
pub async fn list(db: &Db, by: &Caller, query: AuditQuery) -> Result<Page<AuditRecord>, IdentityError> {
    let org_id = readable(by, query.org_id.as_deref())?.to_owned();
    let before = match query.after.as_deref() {
        None => None,
        Some(cursor) => Some(cursor.parse().map_err(|_| IdentityError::Invalid {
            field: "after",
            message: "this is not a page of the list".to_owned(),
        })?),
    };
    let limit = query.limit.clamp(1, MAX_PAGE) as usize;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let filter = AuditFilter {
        org_id,
        actor_id: given(query.actor_id),
        action: given(query.action),
        target_type: given(query.target_type),
        target_id: given(query.target_id),
        since_us: query.since_us,
        until_us: query.until_us,
        before,
        // One more than asked tells whether there is a next page.
        limit: i64::try_from(limit).unwrap_or(0) + 1,
    };
    let mut rows = db.list_audit(&filter).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|last| last.seq.to_string());
    Ok(Page { items: rows.into_iter().map(record).collect(), next })
}

/// Whether a log is as it was written.
pub async fn verify(db: &Db, by: &Caller, org_id: Option<&str>) -> Result<AuditProof, IdentityError> {
    let check = db.verify_audit(readable(by, org_id)?).await?;
    let broken = check.broken.map(|(seq, why)| (seq, why.to_owned()));
    Ok(AuditProof { entries: check.entries, head: check.head, broken })
}

/// The log that is meant, if the caller may read it: admins their organization's, superadmins all.
fn readable<'a>(by: &'a Caller, asked: Option<&'a str>) -> Result<&'a str, IdentityError> {
    let org_id = asked.unwrap_or(&by.org_id);
    let place = if org_id.is_empty() { Place::Platform } else { Place::Organization(org_id) };
    may(by, Deed::Administer, place)?;
    Ok(org_id)
}

fn record(row: AuditRow) -> AuditRecord {
    AuditRecord {
        details: serde_json::from_str(&row.details).unwrap_or(Value::String(row.details)),
        seq: row.seq,
        time_us: row.time_us,
        actor_type: row.actor_type,
        actor_id: row.actor_id,
        actor_name: row.actor_name,
        action: row.action,
        target_type: row.target_type,
        target_id: row.target_id,
        target_name: row.target_name,
        instance_id: row.instance_id,
        outcome: row.outcome,
        ip: row.ip,
        user_agent: row.user_agent,
        request_id: row.request_id,
        hash: row.hash,
    }
}
