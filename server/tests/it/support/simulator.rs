//! What reached the provider, as the simulator saw it.

use serde_json::Value;

use super::{TestApp, eventually};

impl TestApp {
    /// Calls of providers, newest first.
    pub async fn calls(&self) -> Vec<Value> {
        let url = format!("{}/_sim/calls", self.simulator());
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// The newest call.
    pub async fn last_call(&self) -> Value {
        self.calls().await.into_iter().next().expect("a provider was called")
    }

    /// The newest call, once it fits.
    pub async fn call_where(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async { self.calls().await.into_iter().next().filter(|call| fits(call)) }).await
    }

    pub async fn forget_calls(&self) {
        let url = format!("{}/_sim/calls", self.simulator());
        self.client.delete(url).send().await.unwrap();
    }
}
