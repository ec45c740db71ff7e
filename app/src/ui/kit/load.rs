use leptos::{prelude::*, reactive::computed::ScopedFuture};
use serde::{Serialize, de::DeserializeOwned};

use super::{ErrorCard, Skeleton};
use crate::error::AppError;

/// The one way a resource is drawn: a skeleton while it loads, an error card with a retry when it fails, else `view`.
///
/// When the resource is read again, what is shown stays whole and alive until the new answer is there. That is why only
/// the first answer is awaited here: a `Suspend` that follows its resource drops the signals of its old content when
/// reading begins, and everything in it that still reacts (a clock, a press) would panic until reading ends.
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
    let drawn = Suspend::new(async move {
        let first = ScopedFuture::new_untracked(resource.into_future()).await;
        let draw = move |answer| match answer {
            Ok(value) => view(value).into_any(),
            Err(error) => view! { <ErrorCard error retry=move || resource.refetch() /> }.into_any(),
        };
        // The server draws once: it would run a closure twice, and what is read inside would be read twice.
        if cfg!(feature = "ssr") {
            return draw(first);
        }
        let shown = RwSignal::new(first);
        Effect::new(move |first: Option<()>| {
            let answer = resource.get();
            if let (Some(()), Some(answer)) = (first, answer) {
                shown.set(answer);
            }
        });
        (move || draw(shown.get())).into_any()
    });
    boundary(skeleton, drawn)
}

/// The part that does not depend on what is loaded, so that the browser's half holds it once. What is awaited stands in it
/// as it is, not in a closure: the server runs closures of a boundary to find out what they read, and would make all that
/// is inside several times.
fn boundary(skeleton: Option<ViewFn>, drawn: Suspend<AnyView>) -> AnyView {
    let waiting = move || match &skeleton {
        Some(skeleton) => skeleton.run(),
        None => view! { <Skeleton /> }.into_any(),
    };
    view! { <Transition fallback=waiting>{drawn}</Transition> }.into_any()
}
