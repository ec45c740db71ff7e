//! The whole route table.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::{
    components::{Route, Router, Routes},
    path,
};

use super::pages::home::HomePage;

#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <Routes fallback=|| view! { <p>"This page does not exist."</p> }>
                <Route path=path!("/") view=HomePage />
            </Routes>
        </Router>
    }
}
