use serde::{Deserialize, Serialize};

/// A surface of the API with what it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceCard {
    pub name: String,
    pub description: String,
    pub endpoints: Vec<Endpoint>,
}

/// A method and path of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    pub method: String,
    /// Parameters in braces: `/v1/models/{id}`.
    pub path: String,
    pub summary: String,
    /// Needs no key.
    pub is_public: bool,
    /// A JSON body that it takes.
    pub example: Option<String>,
}
