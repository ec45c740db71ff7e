//! The consoles: Leptos pages, server functions, static files.

mod assets;
mod oidc;
mod pages;
mod platform;
mod ports;
mod session;

use axum::{
    Router,
    http::{HeaderValue, Response, header},
    middleware,
    routing::{get, post},
};
use leptos::prelude::provide_context;
use leptos_axum::{
    LeptosRoutes, file_and_error_handler_with_context, generate_route_list, site_pkg_dir_service,
    site_pkg_dir_service_route_path,
};
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;

use crate::{http, state::AppState};

pub use assets::site_options;

/// Everything the server answers: the API and the pages.
pub fn router(state: &AppState) -> Router {
    let ports = ports::ports(state);
    let context = move || {
        provide_context(ports.clone());
        session::provide();
    };
    let options = state.leptos.clone();
    let shell = {
        let options = options.clone();
        move || app::ui::shell(options.clone())
    };
    let files = ServiceBuilder::new().map_response(forever).service(site_pkg_dir_service(&options));
    let pages = Router::new()
        .route("/test/text/run", post(pages::run_text))
        .route("/auth/oidc/{name}/start", get(oidc::start))
        .route("/auth/oidc/{name}/callback", get(oidc::callback))
        .leptos_routes_with_context(state, generate_route_list(app::ui::App), context.clone(), shell)
        .fallback(file_and_error_handler_with_context::<AppState, _>(context, app::ui::shell))
        .layer(middleware::from_fn_with_state(state.clone(), session::attach))
        .layer(CompressionLayer::new());
    Router::new()
        .merge(http::routes::api(state))
        .route_service(&site_pkg_dir_service_route_path(&options), files)
        .merge(pages)
        .with_state(state.clone())
}

/// The name of a built file changes with its content. A missing file is not kept: it may come with the next version.
fn forever<B>(mut response: Response<B>) -> Response<B> {
    if response.status().is_success() {
        let value = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}
