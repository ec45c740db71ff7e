//! Everything that is configured, by the descriptions in `types::config`: one list, one page and one form for all kinds.
//!
//! * `specs`: where each kind has its page, its columns and filters. `cells`, `fields`, `values`: a value in a list, in a
//!   form, as text.
//! * `list` with `tools` and `rows`, `detail`, `form`, `conflict`, `remove`: the parts. `names`: of what rows refer to. `panels`: what single
//!   kinds have beyond that.

mod cells;
mod conflict;
mod credentials;
mod detail;
mod fields;
mod form;
mod keys;
mod limits;
mod list;
mod mapping;
mod names;
mod objects;
mod panels;
mod people;
mod remove;
mod rows;
mod specs;
mod tools;
mod try_routing;
mod values;
mod versions;

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_params_map, use_query_map},
};
use serde_json::{Map, Value};

use self::{
    detail::{NewButton, ThingDetail, can_create},
    keys::KeyUse,
    limits::LimitUse,
    list::ThingList,
    specs::{Spec, spec_at},
};
pub use self::{
    fields::RefPicker,
    names::Names,
    specs::{escape, href as page_of, spec},
};
use super::not_found::Missing;
use crate::{
    api,
    types::{Role, config::FieldRole},
    ui::{kit::use_toasts, layout::Page, me::use_me},
};

/// All pages of configured things: `/<section>/<page>` is a list, `/<section>/<page>/<id>` one thing.
#[component]
pub fn ThingsPage() -> impl IntoView {
    let path = use_location().pathname;
    let params = use_params_map();
    Names::provide();
    KeyUse::provide();
    LimitUse::provide();
    // The section is not a parameter, so the list's path is read from the whole.
    let place = Memo::new(move |before: Option<&(Option<String>, Option<String>)>| {
        let id = params.with(|params| params.get("id"));
        let path = path.get();
        let list = path.split('/').take(3).collect::<Vec<_>>().join("/");
        match before {
            // While another page is drawn, the path is already its own.
            Some(before) if spec_at(&list).is_none() => before.clone(),
            _ => (spec_at(&list).map(|spec| spec.path.to_owned()), id),
        }
    });
    move || {
        let (list, id) = place.get();
        match (list.as_deref().and_then(spec_at), id) {
            (Some(spec), Some(id)) => view! { <ThingDetail spec id /> }.into_any(),
            (Some(spec), None) => view! { <ListPage spec /> }.into_any(),
            _ => view! { <Missing /> }.into_any(),
        }
    }
}

/// A list as a page. `?new=1` opens the sheet that makes one, `&from=<id>` fills it with a copy.
#[component]
fn ListPage(spec: &'static Spec) -> impl IntoView {
    let role = use_me().map_or(Role::User, |me| me.role);
    let query = use_query_map();
    let navigate = use_navigate();
    let toasts = use_toasts();
    let create = RwSignal::new(false);
    let copy = RwSignal::new(Map::<String, Value>::new());
    let asked =
        Memo::new(move |_| query.with(|query| query.get("new").map(|_| query.get("from").filter(|id| !id.is_empty()))));
    Effect::new(move |_| {
        let Some(from) = asked.get().filter(|_| can_create(spec, role)) else { return };
        // The sheet is a step of its own only until it is open; Back must not open it again.
        navigate(spec.path, NavigateOptions { replace: true, scroll: false, ..Default::default() });
        let Some(id) = from else { return create.set(true) };
        spawn_local(async move {
            match api::thing_by_id(spec.thing.kind.to_owned(), id).await {
                Ok(row) => {
                    let given = spec.thing.fields.iter().filter(|field| field.role != FieldRole::Shown);
                    let mut body: Map<String, Value> = given
                        .filter_map(|field| Some((field.name.to_owned(), row.body.get(field.name)?.clone())))
                        .collect();
                    if let Some(Value::String(title)) = body.get_mut(spec.thing.title) {
                        title.push_str(" (copy)");
                    }
                    // Names that callers use are unique.
                    if let Some(Value::String(id)) = body.get_mut("model_id") {
                        id.push_str("-copy");
                    }
                    let _ = copy.try_set(body);
                    let _ = create.try_set(true);
                }
                Err(error) => toasts.bad(error.to_string()),
            }
        });
    });
    Effect::new(move |before: Option<bool>| {
        let open = create.get();
        if before == Some(true) && !open {
            copy.set(Map::new());
        }
        open
    });
    let actions = move || can_create(spec, role).then(|| view! { <NewButton spec create /> }).into_any();
    view! {
        <Page title=spec.heading lead=spec.lead actions wide=true>
            {panels::above_list(spec.thing)}
            <ThingList spec create copy />
        </Page>
    }
}
