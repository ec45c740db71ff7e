//! A router that can say what is in it: axum's own cannot be asked, and the API's description must be whole.

use std::borrow::Cow;

use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{MethodFilter, MethodRouter},
};

use crate::state::AppState;

/// Paths, their methods and their handlers.
#[derive(Default)]
pub struct Table {
    paths: Vec<(Cow<'static, str>, MethodRouter<AppState>)>,
    listed: Vec<(Method, Cow<'static, str>)>,
    /// What a path starts as: it answers the methods that the path does not have.
    base: MethodRouter<AppState>,
}

impl Table {
    /// `other` answers, on each path, the methods that the path does not have.
    pub fn new<H: Handler<T, AppState>, T: 'static>(other: H) -> Self {
        Self { base: MethodRouter::new().fallback(other), ..Self::default() }
    }

    pub fn get<H: Handler<T, AppState>, T: 'static>(self, path: impl Into<Cow<'static, str>>, handler: H) -> Self {
        self.on(Method::GET, MethodFilter::GET, path.into(), handler)
    }

    pub fn post<H: Handler<T, AppState>, T: 'static>(self, path: impl Into<Cow<'static, str>>, handler: H) -> Self {
        self.on(Method::POST, MethodFilter::POST, path.into(), handler)
    }

    pub fn put<H: Handler<T, AppState>, T: 'static>(self, path: impl Into<Cow<'static, str>>, handler: H) -> Self {
        self.on(Method::PUT, MethodFilter::PUT, path.into(), handler)
    }

    pub fn delete<H: Handler<T, AppState>, T: 'static>(self, path: impl Into<Cow<'static, str>>, handler: H) -> Self {
        self.on(Method::DELETE, MethodFilter::DELETE, path.into(), handler)
    }

    fn on<H: Handler<T, AppState>, T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: Cow<'static, str>,
        handler: H,
    ) -> Self {
        self.listed.push((method, path.clone()));
        match self.paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => *methods = std::mem::take(methods).on(filter, handler),
            None => self.paths.push((path, self.base.clone().on(filter, handler))),
        }
        self
    }

    /// Method and path of everything in it, in its order.
    pub fn listed(&self) -> impl Iterator<Item = &(Method, Cow<'static, str>)> {
        self.listed.iter()
    }

    pub fn router(self) -> Router<AppState> {
        self.paths.into_iter().fold(Router::new(), |router, (path, methods)| router.route(&path, methods))
    }
}
