//! "Who am I": known before a page is drawn, and the value itself below the guard.

use leptos::prelude::*;

use crate::{error::AppError, types::Me};

/// Who is signed in; `None` means nobody. It could not be found out while the database is away.
#[derive(Clone)]
pub struct Known(pub Result<Option<Me>, AppError>);

/// Takes what the server knew before it began to draw; the browser reads it from the page. Nothing waits for it: what is
/// drawn behind something that is awaited may be made several times on the server, with all that it reads.
pub fn provide_me() {
    let told = SharedValue::new(|| use_context::<Known>().map_or(Ok(None), |known| known.0));
    provide_context(Known(told.into_inner()));
}

/// Who is signed in, as the guard sees it.
pub fn known() -> Result<Option<Me>, AppError> {
    use_context::<Known>().map_or(Ok(None), |known| known.0)
}

/// The signed-in person. `Some` on every page below `Frame`.
pub fn use_me() -> Option<Me> {
    use_context()
}
