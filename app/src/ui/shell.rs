//! The HTML document around every page.

use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::{HashedStylesheet, MetaTags};

use super::{App, prefs::Theme};

/// The document; `options` name the built files. The theme stands in the first byte, so nothing flashes.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    content_security_policy();
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=Theme::chosen().name()>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="theme-color" media="(prefers-color-scheme: light)" content="#f7f8fa" />
                <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#0e1013" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="icon" href="/favicon.ico" sizes="32x32" />
                <AutoReload options=options.clone() />
                <HydrationScripts options=options.clone() />
                <HashedStylesheet options id="leptos" />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Only our own files and this answer's own inline scripts may run; nothing may frame the pages.
fn content_security_policy() {
    let Some(nonce) = use_nonce() else { return };
    // cargo-leptos' reload socket listens on a port of its own while developing.
    let sockets = if std::env::var_os("LEPTOS_WATCH").is_some() { " ws:" } else { "" };
    let policy = format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data: blob:; media-src 'self' data: blob:; connect-src 'self'{sockets}; object-src 'none'; \
         base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    );
    if let Some(options) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(policy) = http::HeaderValue::from_str(&policy)
    {
        options.insert_header(http::header::CONTENT_SECURITY_POLICY, policy);
    }
}
