//! Work that does nothing: it shows what the router itself costs.

use async_trait::async_trait;

use super::{Inner, Kind, Outcome, Work};

pub struct Noop;

#[async_trait]
impl Kind for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    async fn run(&self, _router: &Inner, _work: &mut Work) -> Outcome {
        Outcome::Over
    }

    fn is_internal(&self) -> bool {
        true
    }
}
