//! The browser's clock; only ever read by event handlers and what they start.

use wasm_bindgen_futures::JsFuture;

/// Milliseconds since the page was opened.
pub fn now_ms() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}

/// Waits.
pub async fn sleep_ms(duration: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, duration);
        }
    });
    let _ = JsFuture::from(promise).await;
}

/// Microseconds since 1970, by the clock of whoever draws the page.
pub fn wall_us() -> i64 {
    #[cfg(feature = "ssr")]
    return std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    #[cfg(not(feature = "ssr"))]
    return (js_sys::Date::now() * 1000.0) as i64;
}
