//! The ports of keys, sessions and the audit log.

use std::time::Duration;

use app::{
    error::AppError,
    ports::{self, Caller, Origin},
    types::{ApiKeyDraft, ApiKeyUse, AuditProof, AuditQuery, AuditRecord, NewApiKey, Page, SessionInfo, SignInLink},
};
use async_trait::async_trait;

use super::{Pages, outward};
use crate::{
    services::{
        audit,
        identity::{self, IdentityError, Visit},
    },
    store::audit::Actor,
};

/// Where a request of the pages comes from, as the services say it.
pub fn visit(origin: &Origin) -> Visit {
    Visit {
        ip: origin.ip.clone(),
        user_agent: origin.user_agent.clone(),
        request_id: Some(origin.request_id.clone()).filter(|id| !id.is_empty()),
    }
}

impl Pages {
    /// The person as a caller in the instance that the page works in.
    pub(super) fn acting(&self, caller: &Caller) -> Result<identity::Caller, AppError> {
        let user = self.user(&self.state.catalog.snapshot(), caller)?;
        let instance = Some(caller.instance_id.as_str()).filter(|id| !id.is_empty());
        self.state.identity.in_instance(&user, instance).map_err(|error| outward(error, &caller.request_id))
    }

    /// The same, and as what the audit log names them.
    fn author(&self, caller: &Caller) -> Result<(identity::Caller, Actor), AppError> {
        let acting = self.acting(caller)?;
        let actor = acting.actor(&visit(&caller.origin));
        Ok((acting, actor))
    }
}

#[async_trait]
impl ports::ApiKeys for Pages {
    async fn create(&self, caller: &Caller, draft: ApiKeyDraft) -> Result<NewApiKey, AppError> {
        let (by, actor) = self.author(caller)?;
        self.state.identity.create_key(&by, draft, actor).await.map_err(|error| outward(error, &caller.request_id))
    }

    async fn rotate(&self, caller: &Caller, key_id: &str, grace_hours: u32) -> Result<NewApiKey, AppError> {
        let (by, actor) = self.author(caller)?;
        let grace = Duration::from_secs(u64::from(grace_hours) * 3600);
        let rotated = self.state.identity.rotate_key(&by, key_id, grace, actor).await;
        rotated.map_err(|error| outward(error, &caller.request_id))
    }

    async fn revoke(&self, caller: &Caller, key_id: &str) -> Result<(), AppError> {
        let (by, actor) = self.author(caller)?;
        self.state.identity.revoke_key(&by, key_id, actor).await.map_err(|error| outward(error, &caller.request_id))
    }

    async fn usage(&self, caller: &Caller, key_ids: &[String]) -> Result<Vec<ApiKeyUse>, AppError> {
        let by = self.acting(caller)?;
        self.state.identity.key_use(&by, key_ids).await.map_err(|error| outward(error, &caller.request_id))
    }
}

#[async_trait]
impl ports::Sessions for Pages {
    async fn list(&self, caller: &Caller) -> Result<Vec<SessionInfo>, AppError> {
        let sessions = self.state.identity.sessions(&caller.user_id, &caller.session_id).await;
        sessions.map_err(|error| outward(error, &caller.request_id))
    }

    async fn end(&self, caller: &Caller, session_id: &str) -> Result<(), AppError> {
        let user = self.user(&self.state.catalog.snapshot(), caller)?;
        let ended = self.state.identity.end_session(&user, session_id, &visit(&caller.origin)).await;
        ended.map_err(|error| outward(error, &caller.request_id))
    }

    async fn end_others(&self, caller: &Caller) -> Result<u64, AppError> {
        let user = self.user(&self.state.catalog.snapshot(), caller)?;
        let ended = self.state.identity.end_other_sessions(&user, &caller.session_id, &visit(&caller.origin)).await;
        ended.map_err(|error| outward(error, &caller.request_id))
    }

    async fn end_of_user(&self, caller: &Caller, user_id: &str) -> Result<u64, AppError> {
        let by = self.acting(caller)?;
        let ended = self.state.identity.end_sessions_of(&by, user_id, &visit(&caller.origin)).await;
        ended.map_err(|error| outward(error, &caller.request_id))
    }

    async fn make_link(&self, caller: &Caller, user_id: &str) -> Result<SignInLink, AppError> {
        let by = self.acting(caller)?;
        let made = self.state.identity.make_link_for(&by, user_id, &visit(&caller.origin)).await;
        let (token, expires_us) = made.map_err(|error| outward(error, &caller.request_id))?;
        Ok(SignInLink { url: format!("{}/sign-in?token={token}", self.state.public_url), expires_us })
    }
}

#[async_trait]
impl ports::Audit for Pages {
    async fn list(&self, caller: &Caller, query: AuditQuery) -> Result<Page<AuditRecord>, AppError> {
        let by = self.acting(caller)?;
        let listed = audit::list(&self.state.db, &by, query).await;
        listed.map_err(|error| outward(error, &caller.request_id))
    }

    async fn verify(&self, caller: &Caller, org_id: Option<String>) -> Result<AuditProof, AppError> {
        let by = self.acting(caller)?;
        let proof = audit::verify(&self.state.db, &by, org_id.as_deref()).await;
        proof.map_err(|error: IdentityError| outward(error, &caller.request_id))
    }
}
