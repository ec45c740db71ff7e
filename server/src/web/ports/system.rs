//! What operators see: what is served, and what is running.

use app::{
    error::AppError,
    ports::{self, Caller},
    types::{Endpoint, Role, ServiceCard, SystemStatus},
};
use async_trait::async_trait;
use serde_json::Value;

use super::store_error;
use crate::{http::openapi, state::AppState};

/// The port on one state.
pub struct System(pub AppState);

#[async_trait]
impl ports::System for System {
    async fn services(&self, _caller: &Caller) -> Result<Vec<ServiceCard>, AppError> {
        Ok(cards(openapi::description()))
    }

    async fn status(&self, caller: &Caller) -> Result<SystemStatus, AppError> {
        let state = &self.0;
        let snapshot = state.catalog.snapshot();
        let user = snapshot.users.get(&caller.user_id).ok_or(AppError::Unauthorized)?;
        if user.role < Role::Admin {
            return Err(AppError::Forbidden { message: "What is running is shown to admins.".to_owned() });
        }
        let facts = state.db.facts().await.map_err(store_error(&caller.request_id))?;
        let settings = &state.settings;
        let counts = [
            ("organizations", snapshot.organizations.len()),
            ("instances", snapshot.instances.len()),
            ("users", snapshot.users.len()),
            ("API keys", snapshot.keys.len()),
            ("models", snapshot.models.len()),
        ];
        Ok(SystemStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            environment: settings.environment.as_str().to_owned(),
            public_url: state.public_url.to_string(),
            started_us: state.started_us,
            now_us: state.clock.now_us(),
            database: facts.version,
            database_bytes: facts.bytes,
            migrations: facts.migrations,
            pending: u32::try_from(facts.pending).unwrap_or(u32::MAX),
            configuration_version: snapshot.version,
            data_folder: settings.storage.data_folder.display().to_string(),
            simulation: state.gateway.simulator().is_some(),
            log_retention_days: settings.recording.log_retention_days,
            usage_retention_days: settings.recording.usage_retention_days,
            counts: counts.map(|(kind, count)| (kind.to_owned(), count as u64)).to_vec(),
        })
    }
}

/// The operations of an OpenAPI document, by tag.
fn cards(document: &Value) -> Vec<ServiceCard> {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut cards: Vec<ServiceCard> = tags
        .iter()
        .map(|tag| ServiceCard {
            name: text(tag, "name"),
            description: text(tag, "description").lines().next().unwrap_or_default().replace('`', ""),
            endpoints: Vec::new(),
        })
        .collect();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let endpoint = Endpoint {
                method: method.to_uppercase(),
                path: path.clone(),
                summary: text(operation, "summary"),
                is_public: operation["security"].as_array().is_some_and(Vec::is_empty),
                example: example(&operation["requestBody"]["content"]["application/json"]),
            };
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            if let Some(card) = cards.iter_mut().find(|card| card.name == tag) {
                card.endpoints.push(endpoint);
            }
        }
    }
    cards
}

/// The first example of a body.
fn example(media: &Value) -> Option<String> {
    let first = media["examples"].as_object()?.values().next()?;
    serde_json::to_string_pretty(&first["value"]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_description_is_on_a_card() {
        let document = openapi::description();
        let routes: usize =
            document["paths"].as_object().unwrap().values().map(|methods| methods.as_object().unwrap().len()).sum();
        let cards = cards(document);
        assert_eq!(cards.iter().map(|card| card.endpoints.len()).sum::<usize>(), routes);
        let chat = cards.iter().flat_map(|card| &card.endpoints).find(|e| e.path == "/v1/chat/completions").unwrap();
        assert!(!chat.is_public && chat.example.as_ref().unwrap().contains("messages"));
        let health = cards.iter().flat_map(|card| &card.endpoints).find(|e| e.path == "/health/live").unwrap();
        assert!(health.is_public && health.method == "GET");
    }
}
