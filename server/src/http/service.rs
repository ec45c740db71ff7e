//! A call of one of the product's own services on its way to an answer: who calls, what they sent, and the shape of what
//! goes wrong.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{RequestInfo, auth, problem::Problem};
use crate::{
    providers::input,
    services::{
        delivery::DeliveryError,
        identity::{Caller, Visit},
    },
    state::AppState,
};

pub struct Call {
    pub state: AppState,
    pub info: RequestInfo,
    pub parts: Parts,
    /// In a lock that is never waited for, so that the call may be shared while its body is not.
    body: Mutex<Body>,
}

/// Runs a handler; its failure gets the service's shape, and what goes wrong in here the code of the route.
pub async fn answer<F>(call: Call, code: &'static str, handler: F) -> Response
where
    F: AsyncFnOnce(Call) -> Result<Response, Problem>,
{
    let (clock, request_id) = (call.state.clock.clone(), call.info.request_id.clone());
    let problem = match handler(call).await {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    if let Problem::Delivery(DeliveryError::Store(error)) = &problem {
        tracing::error!(%error, request_id, "a service failed");
    }
    problem.service_with(&request_id, clock.now_us(), |own| if own == "DELIVERY_ERROR" { code } else { own })
}

impl FromRequest<AppState> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let info = Extension::<RequestInfo>::from_request_parts(&mut parts, state).await;
        let Extension(info) = info.map_err(IntoResponse::into_response)?;
        Ok(Self { state: state.clone(), info, parts, body: Mutex::new(body) })
    }
}

impl Call {
    /// Who calls, in the instance that is named here, else in the header's or their own.
    pub async fn caller(&self, instance: Option<&str>) -> Result<Caller, Problem> {
        Ok(auth::caller(&self.state, &self.parts, instance).await?)
    }

    /// Where the call comes from.
    pub fn visit(&self) -> Visit {
        Visit { ip: self.info.ip.clone(), user_agent: self.info.user_agent.clone(), request_id: None }
    }

    /// The body as it came.
    pub async fn bytes(&mut self) -> Result<Bytes, Problem> {
        let body = std::mem::take(self.body.get_mut());
        self.state.read_body(body).await
    }

    /// The body, which has to be a JSON object.
    pub async fn object(&mut self) -> Result<Map<String, Value>, Problem> {
        Ok(input::object(&self.bytes().await?)?)
    }

    /// A value of the query; what is empty counts as absent.
    pub fn query(&self, name: &str) -> Option<String> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&self.parts.uri).ok()?;
        pairs.into_iter().find(|(given, value)| given == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// A header, unless it is empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
    }
}
