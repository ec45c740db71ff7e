//! The browser's entry point.

use wasm_bindgen::prelude::wasm_bindgen;

/// Makes the page that the server rendered alive.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    #[cfg(feature = "split")]
    leptos::mount::hydrate_lazy(app::ui::App);
    #[cfg(not(feature = "split"))]
    leptos::mount::hydrate_body(app::ui::App);
}
