//! What the API serves, for the pages.

use app::{
    error::AppError,
    ports::{self, Caller},
    types::{Endpoint, ServiceCard},
};
use async_trait::async_trait;
use serde_json::Value;

use crate::http::openapi;

pub struct Services;

#[async_trait]
impl ports::Services for Services {
    async fn list(&self, _caller: &Caller) -> Result<Vec<ServiceCard>, AppError> {
        Ok(cards(openapi::description()))
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
