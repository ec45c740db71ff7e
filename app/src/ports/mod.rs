//! What the pages need from the server. The server implements these traits on its services; a server function finds
//! them in the request's context. Nothing here knows a database or a runtime.

mod credentials;
mod models;

use std::sync::Arc;

use async_trait::async_trait;
use leptos::prelude::use_context;
use serde_json::{Map, Value};

pub use credentials::Credentials;
pub use models::Models;

use crate::{
    error::AppError,
    types::{
        ApiKeyDraft, ApiKeyUse, AuditProof, AuditQuery, AuditRecord, LimitState, LogFilter, LogLine, Me, ModelCard,
        NewApiKey, Overview, Page, RunDetail, RunFilter, RunSummary, ServiceCard, SessionInfo, SignInIssuer,
        SignInLink, SystemState,
        config::{Dependants, FoundThing, THINGS, ThingFilter, ThingPage, ThingRow},
    },
};

/// Things of each kind that a search answers.
const FOUND_EACH: u32 = 5;

/// The signed-in person behind a request, proven by the session cookie.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user_id: String,
    pub org_id: String,
    /// Instance the page works in: the one the browser chose if the person may use it, else the default.
    pub instance_id: String,
    /// Id of the request, for errors.
    pub request_id: String,
    pub origin: Origin,
    /// Names the session in the list of sessions.
    pub session_id: String,
    /// A one-time link opened the session a moment ago: a new password does not need the present one.
    pub is_fresh_link: bool,
}

/// Where a request comes from, for rate limits and the session list.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: String,
}

#[async_trait]
pub trait Account: Send + Sync {
    async fn me(&self, caller: &Caller) -> Result<Me, AppError>;
    /// Checks the password; answers the `Set-Cookie` value of the new session.
    async fn sign_in(&self, email: &str, password: &str, origin: Origin) -> Result<String, AppError>;
    /// Uses up a one-time link; answers the `Set-Cookie` value of the new session, or `Invalid` when the link is used or
    /// too old.
    async fn sign_in_by_link(&self, token: &str, origin: Origin) -> Result<String, AppError>;
    /// Ends the session of this `Cookie` header; answers the `Set-Cookie` value that removes it.
    async fn sign_out(&self, cookies: &str, origin: Origin) -> Result<String, AppError>;
    /// Sets the own password (at least 12 characters). Who has one gives it as `present`, unless they have just come by a
    /// one-time link. All sessions of the person end; answers the `Set-Cookie` value of a new one for this browser.
    async fn set_password(&self, caller: &Caller, password: &str, present: Option<&str>) -> Result<String, AppError>;
    /// Who else can sign people in.
    async fn issuers(&self) -> Result<Vec<SignInIssuer>, AppError>;
}

/// Open sessions, the own ones and those of people one administers.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// The own ones, newest first.
    async fn list(&self, caller: &Caller) -> Result<Vec<SessionInfo>, AppError>;
    /// Ends one of the own ones.
    async fn end(&self, caller: &Caller, session_id: &str) -> Result<(), AppError>;
    /// Ends all own ones but this; how many.
    async fn end_others(&self, caller: &Caller) -> Result<u64, AppError>;
    /// Ends all of a person, for their admins; how many.
    async fn end_of_user(&self, caller: &Caller, user_id: &str) -> Result<u64, AppError>;
    /// An address that signs a person in once, for their admins to hand over.
    async fn make_link(&self, caller: &Caller, user_id: &str) -> Result<SignInLink, AppError>;
}

/// The audit log.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Entries, newest first, for admins.
    async fn list(&self, caller: &Caller, query: AuditQuery) -> Result<Page<AuditRecord>, AppError>;
    /// Walks the log of an organization (`None`: the own) and says whether it is whole.
    async fn verify(&self, caller: &Caller, org_id: Option<String>) -> Result<AuditProof, AppError>;
}

#[async_trait]
pub trait Catalog: Send + Sync {
    /// Models the caller may see, in the order of provider and name. `capability` narrows (`text`).
    async fn models(&self, caller: &Caller, capability: Option<String>) -> Result<Vec<ModelCard>, AppError>;
}

#[async_trait]
pub trait Home: Send + Sync {
    async fn overview(&self, caller: &Caller) -> Result<Overview, AppError>;
    async fn dismiss_checklist(&self, caller: &Caller) -> Result<(), AppError>;
}

#[async_trait]
pub trait Runs: Send + Sync {
    async fn list(&self, caller: &Caller, filter: RunFilter) -> Result<Page<RunSummary>, AppError>;
    async fn get(&self, caller: &Caller, request_id: &str) -> Result<RunDetail, AppError>;
}

#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// Makes a key; it belongs to the caller and the instance the page works in, unless the draft says otherwise.
    async fn create(&self, caller: &Caller, draft: ApiKeyDraft) -> Result<NewApiKey, AppError>;
    /// Gives a key another secret; the present one works for `grace_hours` (0 to 168) more.
    async fn rotate(&self, caller: &Caller, key_id: &str, grace_hours: u32) -> Result<NewApiKey, AppError>;
    /// Stops a key for good.
    async fn revoke(&self, caller: &Caller, key_id: &str) -> Result<(), AppError>;
    /// How often keys were used on each of the last 30 days; at most 100 keys.
    async fn usage(&self, caller: &Caller, key_ids: &[String]) -> Result<Vec<ApiKeyUse>, AppError>;
}

#[async_trait]
pub trait Limits: Send + Sync {
    /// How far a limit is used; one that counts for each instance by itself, in the instance the page works in.
    async fn state(&self, caller: &Caller, limit_id: &str) -> Result<LimitState, AppError>;
    /// The same for several, at most 100; those that the caller cannot see are left out.
    async fn states(&self, caller: &Caller, limit_ids: &[String]) -> Result<Vec<LimitState>, AppError> {
        let mut states = Vec::with_capacity(limit_ids.len());
        for id in limit_ids.iter().take(100) {
            match self.state(caller, id).await {
                Ok(state) => states.push(state),
                Err(AppError::NotFound { .. } | AppError::Forbidden { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(states)
    }
}

/// Things that are configured; `kind` is one of `types::config::THINGS`.
#[async_trait]
pub trait Things: Send + Sync {
    async fn list(&self, caller: &Caller, kind: &str, filter: ThingFilter) -> Result<ThingPage, AppError>;
    async fn get(&self, caller: &Caller, kind: &str, id: &str) -> Result<ThingRow, AppError>;
    /// Makes a thing, or changes the given fields of one. `Stale` when it is no longer what `etag` says.
    async fn save(
        &self,
        caller: &Caller,
        kind: &str,
        id: Option<String>,
        etag: Option<String>,
        fields: Map<String, Value>,
    ) -> Result<ThingRow, AppError>;
    /// Things whose name or id holds a text, a few of each kind.
    async fn find(&self, caller: &Caller, text: &str) -> Result<Vec<FoundThing>, AppError> {
        let mut found = Vec::new();
        // What has no name of its own is found by what it belongs to.
        for thing in THINGS.iter().filter(|thing| thing.title != thing.id && thing.title != "user_id") {
            let filter = ThingFilter { search: text.to_owned(), limit: FOUND_EACH, ..ThingFilter::default() };
            let page = match self.list(caller, thing.kind, filter).await {
                Err(AppError::Forbidden { .. }) => continue,
                answer => answer?,
            };
            found.extend(page.rows.into_iter().map(|row| {
                let name = row.body.get(thing.title).and_then(Value::as_str).unwrap_or(&row.id).to_owned();
                FoundThing { kind: thing.kind.to_owned(), name, id: row.id }
            }));
        }
        Ok(found)
    }
    async fn dependants(&self, caller: &Caller, kind: &str, id: &str) -> Result<Dependants, AppError>;
    async fn delete(&self, caller: &Caller, kind: &str, ids: &[String]) -> Result<(), AppError>;
    async fn restore(&self, caller: &Caller, kind: &str, ids: &[String]) -> Result<(), AppError>;
}

/// The API itself.
#[async_trait]
pub trait Services: Send + Sync {
    /// Everything that the API serves, by surface.
    async fn list(&self, caller: &Caller) -> Result<Vec<ServiceCard>, AppError>;
}

/// The platform itself, for those who administer it.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Log lines of what the caller administers, newest first.
    async fn logs(&self, caller: &Caller, filter: LogFilter) -> Result<Page<LogLine>, AppError>;
    /// Deletes lines that are older than so many days; how many.
    async fn delete_logs(&self, caller: &Caller, older_than_days: u32) -> Result<u64, AppError>;
    /// The state of the platform, for administrators of an organization.
    async fn system(&self, caller: &Caller) -> Result<SystemState, AppError>;
}

/// All ports of a request.
#[derive(Clone)]
pub struct Ports {
    pub account: Arc<dyn Account>,
    pub catalog: Arc<dyn Catalog>,
    pub home: Arc<dyn Home>,
    pub runs: Arc<dyn Runs>,
    pub api_keys: Arc<dyn ApiKeys>,
    pub sessions: Arc<dyn Sessions>,
    pub audit: Arc<dyn Audit>,
    pub things: Arc<dyn Things>,
    pub services: Arc<dyn Services>,
    pub credentials: Arc<dyn Credentials>,
    pub models: Arc<dyn Models>,
    pub limits: Arc<dyn Limits>,
    pub platform: Arc<dyn Platform>,
}

/// The ports of this request.
pub fn ports() -> Result<Ports, AppError> {
    use_context().ok_or(AppError::Internal { request_id: String::new() })
}

/// Who is calling, or `Unauthorized`.
pub fn caller() -> Result<Caller, AppError> {
    use_context::<Option<Caller>>().flatten().ok_or(AppError::Unauthorized)
}

/// Where this request comes from.
pub fn origin() -> Origin {
    use_context().unwrap_or_default()
}

/// Gives the answer the status of its error (Leptos 0.8 would say 500). A plain form post keeps its redirect: it brings
/// the person back to the form, with the error in the address.
pub fn with_status<T>(result: Result<T, AppError>) -> Result<T, AppError> {
    if let Err(error) = &result
        && !is_plain_form()
        && let Some(options) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(status) = http::StatusCode::from_u16(error.status())
    {
        options.set_status(status);
    }
    result
}

/// Whether a browser without scripts sent a form: it posts and asks for a page.
fn is_plain_form() -> bool {
    use_context::<http::request::Parts>().is_some_and(|parts| {
        let accept = parts.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
        parts.method == http::Method::POST && accept.is_some_and(|accept| accept.contains("text/html"))
    })
}

/// Adds a `Set-Cookie` header to the answer.
pub fn set_cookie(value: &str) {
    if let Some(options) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(value) = http::HeaderValue::from_str(value)
    {
        options.append_header(http::header::SET_COOKIE, value);
    }
}
