//! What callers' addresses were told, and the secrets that it was signed with.

use serde_json::json;

use super::{Delivery, DeliveryError, allowed, sender, signature::whsec};
use crate::{
    services::{
        config::Author,
        identity::{Caller, Deed, Place, may},
    },
    store::{
        audit::AuditEntry,
        outbox::{CallAttempt, OutboxRow},
    },
};

/// How long the secret before signs, too.
const OVERLAP_US: i64 = 24 * 3_600_000_000;

/// What an instance's callbacks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackSecret {
    pub instance_id: String,
    pub version: i64,
    /// `whsec_…`.
    pub secret: String,
    /// The one before, and until when it signs, too.
    pub previous: Option<(String, i64)>,
}

impl Delivery {
    /// What a request's address was told, oldest first, with every attempt.
    pub async fn callbacks(
        &self,
        who: &Caller,
        request_id: &str,
    ) -> Result<Vec<(OutboxRow, Vec<CallAttempt>)>, DeliveryError> {
        let request = self.db.work_request(request_id).await?.ok_or(DeliveryError::NotFound("Request"))?;
        allowed(who, Deed::Read, &request.org_id, &request.instance_id, "Request")?;
        let mut calls = Vec::new();
        for row in self.db.calls_of(request_id).await? {
            let attempts = self.db.call_attempts(&row.id).await?;
            calls.push((row, attempts));
        }
        Ok(calls)
    }

    /// Makes a call once more, whatever became of it.
    pub async fn replay(&self, who: &Caller, id: &str) -> Result<OutboxRow, DeliveryError> {
        let missing = || DeliveryError::NotFound("Callback");
        let row = self.db.call(id).await?.ok_or_else(missing)?;
        allowed(who, Deed::Jobs, &row.org_id, &row.instance_id, "Callback")?;
        if !self.db.replay_call(id, self.clock.now_us()).await? {
            return Err(DeliveryError::Status { what: "replay callback", status: "sending".to_owned() });
        }
        self.tell();
        self.db.call(id).await?.ok_or_else(missing)
    }

    /// The secret of an instance's callbacks; that it was told is in the audit log.
    pub async fn callback_secret(&self, author: &Author, instance_id: &str) -> Result<CallbackSecret, DeliveryError> {
        let org_id = self.administered(&author.caller, instance_id)?;
        let (version, until_us) = self.db.callback_secret(instance_id).await?;
        let entry = self.entry(author, &org_id, instance_id, "callback_secret.revealed", version);
        self.db.append_audit(&entry).await?;
        Ok(self.secret(instance_id, version, until_us))
    }

    /// A new secret; for a day the one before signs, too, so that receivers can be changed one after the other.
    pub async fn rotate_callback_secret(
        &self,
        author: &Author,
        instance_id: &str,
    ) -> Result<CallbackSecret, DeliveryError> {
        let org_id = self.administered(&author.caller, instance_id)?;
        let now_us = self.clock.now_us();
        let (before, _) = self.db.callback_secret(instance_id).await?;
        let entry = self.entry(author, &org_id, instance_id, "callback_secret.rotated", before + 1);
        let rotated = self.db.rotate_callback_secret(instance_id, now_us + OVERLAP_US, now_us, &entry).await?;
        Ok(self.secret(instance_id, rotated.0, rotated.1))
    }

    fn secret(&self, instance_id: &str, version: i64, until_us: i64) -> CallbackSecret {
        let of = |version: i64| whsec(&sender::secret(&self.vault, instance_id, version));
        let is_valid = version > 1 && until_us > self.clock.now_us();
        CallbackSecret {
            instance_id: instance_id.to_owned(),
            version,
            secret: of(version),
            previous: is_valid.then(|| (of(version - 1), until_us)),
        }
    }

    /// The organization of an instance that they administer.
    fn administered(&self, who: &Caller, instance_id: &str) -> Result<String, DeliveryError> {
        let snapshot = self.catalog.snapshot();
        let instance = snapshot.instances.get(instance_id).ok_or(DeliveryError::NotFound("Instance"))?;
        may(who, Deed::Administer, Place::Instance { org_id: &instance.org_id, instance_id })?;
        Ok(instance.org_id.clone())
    }

    fn entry(&self, author: &Author, org_id: &str, instance_id: &str, action: &str, version: i64) -> AuditEntry {
        AuditEntry {
            org_id: org_id.to_owned(),
            time_us: self.clock.now_us(),
            actor: author.actor(),
            action: action.to_owned(),
            target: ("callback_secret".to_owned(), instance_id.to_owned(), instance_id.to_owned()),
            instance_id: Some(instance_id.to_owned()),
            outcome: "succeeded",
            details: json!({ "version": version }),
        }
    }
}
