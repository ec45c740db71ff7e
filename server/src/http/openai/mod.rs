//! The surface of OpenAI's SDKs under `/v1`.

mod chat;
mod models;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};

use super::problem::Problem;

pub use chat::chat;
pub use models::{model, models};

/// A problem that answers in OpenAI's shape.
pub struct OpenAiProblem(Problem);

impl<E: Into<Problem>> From<E> for OpenAiProblem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for OpenAiProblem {
    fn into_response(self) -> Response {
        self.0.openai()
    }
}

pub async fn unknown(request: Request) -> OpenAiProblem {
    let text = format!("Invalid URL ({} {})", request.method(), request.uri().path());
    Problem::NotFound(text).into()
}

pub async fn wrong_method(request: Request) -> OpenAiProblem {
    let text = format!("Not allowed to {} on {}", request.method(), request.uri().path());
    Problem::WrongMethod(text).into()
}
