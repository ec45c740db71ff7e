use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use super::{ErrorCard, Skeleton};
use crate::error::AppError;

/// The one way a resource is drawn: a skeleton while it loads, an error card with a retry when it fails, else `view`.
#[component]
pub fn Load<T, V>(
    resource: Resource<Result<T, AppError>>,
    /// Draws what was loaded.
    view: impl Fn(T) -> V + Clone + Send + Sync + 'static,
    /// Instead of the grey lines.
    #[prop(optional, into)]
    skeleton: Option<ViewFn>,
) -> impl IntoView
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let waiting = move || match &skeleton {
        Some(skeleton) => skeleton.run(),
        None => view! { <Skeleton /> }.into_any(),
    };
    let draw = move || {
        let view = view.clone();
        Suspend::new(async move {
            match resource.await {
                Ok(value) => view(value).into_any(),
                Err(error) => view! { <ErrorCard error retry=move || resource.refetch() /> }.into_any(),
            }
        })
    };
    view! { <Transition fallback=waiting>{draw}</Transition> }
}
