use leptos::prelude::*;

use super::wire::Wire;
use crate::{
    error::AppError,
    types::{AuditProof, AuditQuery, AuditRecord, Page},
};

/// Entries of the audit log, newest first, paged by key.
#[server(endpoint = "audit/list", input = Wire, output = Wire)]
pub async fn audit_log(query: AuditQuery) -> Result<Page<AuditRecord>, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.audit.list(&caller()?, query).await }.await)
}

/// Whether the audit log of an organization (`None`: the own) is as it was written.
#[server(endpoint = "audit/verify", input = Wire, output = Wire)]
pub async fn verify_audit_log(org_id: Option<String>) -> Result<AuditProof, AppError> {
    use crate::ports::{caller, ports, with_status};
    with_status(async { ports()?.audit.verify(&caller()?, org_id).await }.await)
}
