//! The ports of the pages, implemented on the services.

mod credentials;
mod limits;
mod models;
mod people;
mod services;
mod things;

use std::sync::Arc;

use app::{
    error::AppError,
    ports::{self, Caller, Origin, Ports},
    types::{
        Attempt, Checklist, InstanceRef, Me, ModelCard, OrganizationRef, Overview, Page, ProviderCard, ProviderState,
        RunDetail, RunFilter, RunSummary, SignInIssuer, Totals,
    },
};
use async_trait::async_trait;
use serde::Deserialize;

pub use self::people::visit;
use crate::{
    services::{
        catalog::{Model, Snapshot, User},
        gateway::GatewayError,
        identity::{self, Deed, Denied, IdentityError, Place, may},
    },
    state::AppState,
    store::{
        self, StoreError,
        requests::{RequestFilter, RequestLogRow},
    },
};

const DAY_US: i64 = 86_400_000_000;
pub(super) const MAX_PAGE: u32 = 200;

/// All ports on one state.
pub fn ports(state: &AppState) -> Ports {
    let pages = Arc::new(Pages { state: state.clone() });
    Ports {
        account: pages.clone(),
        catalog: pages.clone(),
        home: pages.clone(),
        runs: pages.clone(),
        api_keys: pages.clone(),
        sessions: pages.clone(),
        audit: pages.clone(),
        things: Arc::new(things::Things { state: state.clone() }),
        services: Arc::new(services::Services),
        credentials: Arc::new(credentials::Credentials { state: state.clone() }),
        models: Arc::new(models::Models { state: state.clone() }),
        limits: Arc::new(limits::Limits { state: state.clone() }),
        platform: pages,
    }
}

pub(super) struct Pages {
    pub(super) state: AppState,
}

impl Pages {
    pub(super) fn user(&self, snapshot: &Snapshot, caller: &Caller) -> Result<Arc<User>, AppError> {
        snapshot.users.get(&caller.user_id).cloned().ok_or(AppError::Unauthorized)
    }

    fn failed(request_id: &str) -> impl Fn(StoreError) -> AppError {
        move |error| outward(IdentityError::Store(error), request_id)
    }
}

/// What a person may read of an error; the rest goes to the log.
pub(super) fn outward(error: IdentityError, request_id: &str) -> AppError {
    match error {
        IdentityError::WrongPassword => AppError::Invalid {
            field: "password".to_owned(),
            message: "The e-mail address or the password is wrong.".to_owned(),
        },
        IdentityError::Password(message) => AppError::Invalid { field: "password".to_owned(), message },
        IdentityError::Invalid { field, message } => AppError::Invalid { field: field.to_owned(), message },
        IdentityError::TooManyTries(wait) => AppError::TooMany { retry_after_s: wait.as_secs().max(1) },
        IdentityError::UnknownInstance(name) => AppError::NotFound { what: format!("The instance \"{name}\"") },
        IdentityError::NotFound(what) => AppError::NotFound { what: format!("This {what}") },
        error @ (IdentityError::NoAccess(_) | IdentityError::Inactive | IdentityError::Denied(_)) => {
            AppError::Forbidden { message: error.to_string() }
        }
        IdentityError::NoKey | IdentityError::BadKey | IdentityError::ExpiredKey | IdentityError::TestKey => {
            AppError::Unauthorized
        }
        IdentityError::Busy => {
            AppError::Unavailable { message: "The server is busy. Try again in a moment.".to_owned() }
        }
        IdentityError::Store(error) => match error {
            StoreError::Unavailable(_) => {
                tracing::error!(%error, request_id, "the database is away");
                AppError::Unavailable { message: "The database is not available. Try again in a moment.".to_owned() }
            }
            error => {
                tracing::error!(%error, request_id, "a page could not be answered");
                AppError::Internal { request_id: request_id.to_owned() }
            }
        },
    }
}

/// Who is signed in, for the frame of every page.
pub(super) async fn me(state: &AppState, caller: &Caller) -> Result<Me, AppError> {
    let snapshot = state.catalog.snapshot();
    let user = snapshot.users.get(&caller.user_id).cloned().ok_or(AppError::Unauthorized)?;
    let has_password =
        state.identity.has_password(&user.id).await.map_err(|error| outward(error, &caller.request_id))?;
    let chosen = snapshot.instances.get(&caller.instance_id);
    let org_id = chosen.map_or(&user.org_id, |instance| &instance.org_id);
    let name = |org_id: &String| snapshot.organizations.get(org_id).map(|o| o.name.clone()).unwrap_or_default();
    let mut instances: Vec<InstanceRef> = identity::usable_instances(&snapshot, &user)
        .iter()
        .filter(|instance| instance.org_id == *org_id)
        .map(|instance| InstanceRef {
            instance_id: instance.id.clone(),
            name: instance.name.clone(),
            stores_contents: instance.store_contents,
        })
        .collect();
    // The chosen one first.
    instances.sort_by_key(|instance| instance.instance_id != caller.instance_id);
    Ok(Me {
        user_id: user.id.clone(),
        name: user.name.clone(),
        email: user.email.clone(),
        role: user.role,
        has_password,
        present_password_needed: has_password && !caller.is_fresh_link,
        organization: name(&user.org_id),
        place: OrganizationRef { org_id: org_id.clone(), name: name(org_id) },
        instances,
        environment: state.settings.environment.as_str().to_owned(),
        simulation: state.gateway.simulator().is_some(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

#[async_trait]
impl ports::Account for Pages {
    async fn me(&self, caller: &Caller) -> Result<Me, AppError> {
        me(&self.state, caller).await
    }

    async fn sign_in(&self, email: &str, password: &str, origin: Origin) -> Result<String, AppError> {
        self.state.identity.sign_in(email, password, visit(&origin)).await.map_err(|error| outward(error, ""))
    }

    async fn sign_in_by_link(&self, token: &str, origin: Origin) -> Result<String, AppError> {
        let cookie =
            self.state.identity.redeem_link(token, visit(&origin)).await.map_err(|error| outward(error, ""))?;
        cookie.ok_or_else(|| AppError::Invalid {
            field: "token".to_owned(),
            message: "This link was used already, or it is too old.".to_owned(),
        })
    }

    async fn sign_out(&self, cookies: &str, origin: Origin) -> Result<String, AppError> {
        self.state.identity.sign_out(cookies, &visit(&origin)).await.map_err(|error| outward(error, ""))
    }

    async fn set_password(&self, caller: &Caller, password: &str, present: Option<&str>) -> Result<String, AppError> {
        let user = self.user(&self.state.catalog.snapshot(), caller)?;
        let set = self
            .state
            .identity
            .set_password(&user, present, caller.is_fresh_link, password, visit(&caller.origin))
            .await;
        set.map_err(|error| outward(error, &caller.request_id))
    }

    async fn issuers(&self) -> Result<Vec<SignInIssuer>, AppError> {
        Ok(self.state.identity.oidc.list())
    }
}

#[async_trait]
impl ports::Catalog for Pages {
    async fn models(&self, caller: &Caller, capability: Option<String>) -> Result<Vec<ModelCard>, AppError> {
        let snapshot = self.state.catalog.snapshot();
        let user = self.user(&snapshot, caller)?;
        let mut models: Vec<&Arc<Model>> = snapshot
            .models
            .values()
            .filter(|model| model.org_id.as_ref().is_none_or(|org| *org == user.org_id))
            .filter(|model| capability.as_ref().is_none_or(|wanted| model.can(wanted)))
            .collect();
        models.sort_by(|a, b| {
            (a.provider.sort, &a.provider.id, &a.display_name, &a.id).cmp(&(
                b.provider.sort,
                &b.provider.id,
                &b.display_name,
                &b.id,
            ))
        });
        Ok(models.into_iter().map(|model| self.card(&snapshot, model, caller)).collect())
    }
}

impl Pages {
    fn card(&self, snapshot: &Snapshot, model: &Arc<Model>, caller: &Caller) -> ModelCard {
        let available = self.state.gateway.availability(model.clone(), &caller.instance_id);
        let mut aliases: Vec<String> =
            snapshot.aliases.iter().filter(|(_, id)| **id == model.id).map(|(alias, _)| alias.clone()).collect();
        aliases.sort();
        ModelCard {
            id: model.id.clone(),
            display_name: model.display_name.clone(),
            provider: model.provider.id.to_string(),
            provider_name: model.provider.display_name.clone(),
            description: model.description.clone(),
            capabilities: model.capabilities.clone(),
            status: model.status.clone(),
            aliases,
            context: model.context,
            max_output: model.max_output.map(u64::from),
            input_price: model.pricing.input.map(|price| price.usd()),
            output_price: model.pricing.output.map(|price| price.usd()),
            supports: model.supports.clone(),
            lacks: model.lacks.to_vec(),
            simulated: available.as_ref().is_ok_and(|simulated| *simulated),
            unavailable: available.err().map(|error| match error {
                GatewayError::MissingCredential { .. } => {
                    format!("no credential for {} and no simulator", model.provider.display_name)
                }
                error => error.to_string(),
            }),
        }
    }

    fn provider_cards(&self, snapshot: &Snapshot, instance_id: &str) -> Vec<ProviderCard> {
        let mut providers: Vec<_> = snapshot.providers.values().filter(|provider| provider.is_active).collect();
        providers.sort_by_key(|provider| (provider.sort, provider.id.clone()));
        providers
            .into_iter()
            .map(|provider| {
                let own = snapshot.credentials.get(instance_id).is_some_and(|own| own.contains_key(&*provider.id));
                let has_credential = own || provider.environment_key.is_some();
                let state = if has_credential {
                    ProviderState::Credential
                } else if !provider.needs_credential() {
                    ProviderState::Local
                } else if self.state.gateway.simulator().is_some() && crate::sandbox::base_path(&provider.id).is_some()
                {
                    ProviderState::Simulated
                } else {
                    ProviderState::Missing
                };
                let models = snapshot.models.values().filter(|model| model.provider.id == provider.id).count();
                ProviderCard {
                    credential_env: provider.environment_names.first().cloned(),
                    id: provider.id.to_string(),
                    name: provider.display_name.clone(),
                    state,
                    models: u32::try_from(models).unwrap_or(u32::MAX),
                }
            })
            .collect()
    }
}

/// Small, cheap models that snippets name first.
const SAMPLE_MODELS: [&str; 2] = ["gpt-4o-mini", "claude-haiku-4-5"];

fn by_id(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<Model>> {
    let mut models: Vec<_> = snapshot.models.values().collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    models.into_iter()
}

/// The setting that hides an organization's checklist.
fn checklist_setting(org_id: &str) -> String {
    format!("checklist_dismissed:{org_id}")
}

#[async_trait]
impl ports::Home for Pages {
    async fn overview(&self, caller: &Caller) -> Result<Overview, AppError> {
        let failed = Self::failed(&caller.request_id);
        let snapshot = self.state.catalog.snapshot();
        let now_us = self.state.clock.now_us();
        let db = &self.state.db;
        let totals = db.request_totals(&caller.instance_id, now_us - DAY_US).await.map_err(&failed)?;
        let recent = db.list_requests(&in_instance(caller), &store::Page::first(8)).await.map_err(&failed)?;
        let (has_api_run, has_console_run) = db.usage_origins(&caller.org_id).await.map_err(&failed)?;
        let providers = self.provider_cards(&snapshot, &caller.instance_id);
        let sample_model = SAMPLE_MODELS
            .iter()
            .filter_map(|id| snapshot.models.get(*id))
            .chain(by_id(&snapshot).filter(|model| model.can("text")))
            .find(|model| self.state.gateway.availability((*model).clone(), &caller.instance_id).is_ok());
        let text_models = snapshot.models.values().filter(|model| model.can("text")).count();
        Ok(Overview {
            base_url: self.state.public_url.to_string(),
            database: db.kind().as_str().to_owned(),
            started_us: self.state.started_us,
            now_us,
            totals: Totals {
                requests: totals.requests.unsigned_abs(),
                failed: totals.failed.unsigned_abs(),
                input_tokens: totals.input_tokens.unsigned_abs(),
                output_tokens: totals.output_tokens.unsigned_abs(),
                cost_micro_usd: totals.cost_micro_usd,
                mean_latency_us: totals.mean_latency_us,
            },
            sample_model: sample_model.map(|model| model.id.clone()),
            text_models: u32::try_from(text_models).unwrap_or(u32::MAX),
            checklist: Checklist {
                has_credential: providers.iter().any(|provider| provider.state == ProviderState::Credential),
                has_api_key: snapshot.keys.values().any(|key| key.org_id == caller.org_id),
                has_console_run,
                has_api_run,
                dismissed: snapshot.settings.contains_key(&checklist_setting(&caller.org_id)),
            },
            providers,
            recent: recent.into_iter().map(summary).collect(),
        })
    }

    async fn dismiss_checklist(&self, caller: &Caller) -> Result<(), AppError> {
        let failed = Self::failed(&caller.request_id);
        let acting = self.acting(caller)?;
        may(&acting, Deed::Administer, Place::Organization(&acting.org_id)).map_err(denied)?;
        let by = serde_json::json!({ "by": caller.user_id });
        self.state
            .db
            .put_setting(&checklist_setting(&caller.org_id), &by, self.state.clock.now_us())
            .await
            .map_err(&failed)?;
        self.state.catalog.refresh().await.map_err(failed)
    }
}

#[async_trait]
impl ports::Runs for Pages {
    async fn list(&self, caller: &Caller, filter: RunFilter) -> Result<Page<RunSummary>, AppError> {
        let acting = self.acting(caller)?;
        may(&acting, Deed::Read, acting.place()).map_err(denied)?;
        let limit = filter.limit.clamp(1, MAX_PAGE);
        let after = match filter.after.as_deref() {
            None => None,
            Some(cursor) => Some(read_cursor(cursor).ok_or_else(|| AppError::Invalid {
                field: "after".to_owned(),
                message: "This is not a page of the list.".to_owned(),
            })?),
        };
        let wanted = RequestFilter {
            surface: filter.surface,
            user_id: filter.mine.then(|| caller.user_id.clone()).or(filter.user_id),
            status: filter.status,
            model: filter.model,
            provider: filter.provider,
            error_class: filter.error_class,
            project_id: filter.project_id,
            key_id: filter.key_id,
            from_us: filter.from_us,
            until_us: filter.until_us,
            ..in_instance(caller)
        };
        let page = store::Page { after, limit: i64::from(limit) };
        let found = self.state.db.find_requests(&wanted, &page).await.map_err(Self::failed(&caller.request_id))?;
        let next = found.next.map(|(at, id)| format!("{at}.{id}"));
        Ok(Page { items: found.rows.into_iter().map(summary).collect(), next })
    }

    async fn get(&self, caller: &Caller, request_id: &str) -> Result<RunDetail, AppError> {
        let failed = Self::failed(&caller.request_id);
        let snapshot = self.state.catalog.snapshot();
        let acting = self.acting(caller)?;
        let row = self
            .state
            .db
            .request(request_id)
            .await
            .map_err(&failed)?
            .filter(|row| may_see(&snapshot, &acting, row))
            .ok_or_else(|| AppError::NotFound { what: "This request".to_owned() })?;
        let contents = self.state.db.request_contents(request_id, self.state.clock.now_us()).await.map_err(&failed)?;
        let attempts = row.attempts["items"].as_array().map_or_else(Vec::new, |items| {
            items.iter().filter_map(|item| StoredAttempt::deserialize(item).ok()).map(Attempt::from).collect()
        });
        let truncated = contents.as_ref().is_some_and(|contents| contents.truncated);
        let (request_body, response_body) =
            contents.map_or((None, None), |contents| (contents.request_body, contents.response_body));
        Ok(RunDetail {
            attempts,
            overhead_us: row.overhead_us,
            finish_reason: row.finish_reason.clone(),
            summary: summary(row),
            request_body: request_body.map(|body| body.reveal().to_owned()),
            response_body: response_body.map(|body| body.reveal().to_owned()),
            truncated,
        })
    }
}

fn denied(denied: Denied) -> AppError {
    AppError::Forbidden { message: format!("{denied}.") }
}

fn in_instance(caller: &Caller) -> RequestFilter {
    RequestFilter { instance_id: Some(caller.instance_id.clone()), ..RequestFilter::default() }
}

/// Own requests, and those of instances one has a level in.
fn may_see(snapshot: &Snapshot, acting: &identity::Caller, row: &RequestLogRow) -> bool {
    if row.user_id.is_some() && row.user_id == acting.user_id {
        return true;
    }
    let instance = row.instance_id.as_ref().and_then(|id| snapshot.instances.get(id));
    instance.is_some_and(|instance| {
        let place = Place::Instance { org_id: &instance.org_id, instance_id: &instance.id };
        may(acting, Deed::Read, place).is_ok()
    })
}

pub(super) fn read_cursor(cursor: &str) -> Option<(i64, String)> {
    let (at, id) = cursor.split_once('.')?;
    Some((at.parse().ok()?, id.to_owned()))
}

/// An attempt as the gateway's record holds it.
#[derive(Deserialize)]
struct StoredAttempt {
    provider: String,
    model: String,
    started_us: i64,
    duration_us: i64,
    outcome: String,
    status: Option<u16>,
    message: Option<String>,
}

impl From<StoredAttempt> for Attempt {
    fn from(stored: StoredAttempt) -> Self {
        Self {
            provider: stored.provider,
            model: stored.model,
            started_us: stored.started_us,
            duration_us: stored.duration_us,
            outcome: stored.outcome,
            status: stored.status,
            message: stored.message,
        }
    }
}

fn summary(row: RequestLogRow) -> RunSummary {
    RunSummary {
        request_id: row.request_id,
        at_us: row.created_us,
        surface: row.surface,
        instance_id: row.instance_id.unwrap_or_default(),
        model_asked: row.model_asked.unwrap_or_else(|| "auto".to_owned()),
        model_used: row.model_used,
        provider: row.provider,
        status: row.status,
        http_status: row.http_status.try_into().unwrap_or(0),
        streamed: row.streamed,
        simulated: row.simulated,
        input_tokens: row.input_tokens.unsigned_abs(),
        cached_tokens: row.cached_tokens.unsigned_abs(),
        output_tokens: row.output_tokens.unsigned_abs(),
        reasoning_tokens: row.reasoning_tokens.unsigned_abs(),
        cost_micro_usd: row.cost_micro_usd,
        latency_us: row.latency_us,
        first_token_us: row.first_token_us,
        error_source: row.error_source,
        error_message: row.error_message,
    }
}
