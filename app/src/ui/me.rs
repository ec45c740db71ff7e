//! "Who am I": one resource for all pages, and the value itself below the guard.

use leptos::prelude::*;

use crate::{api, error::AppError, types::Me};

/// The one question to the server; `None` means that nobody is signed in.
pub type MeResource = Resource<Result<Option<Me>, AppError>>;

/// Asks once; blocking, so that a page for signed-in people can still answer with a redirect.
pub fn provide_me() {
    provide_context::<MeResource>(Resource::new_blocking(|| (), |()| api::who_am_i()));
}

/// The question, to be awaited below a `Suspense`.
pub fn use_me_resource() -> Option<MeResource> {
    use_context()
}

/// The signed-in person. `Some` on every page below `Frame`.
pub fn use_me() -> Option<Me> {
    use_context()
}
