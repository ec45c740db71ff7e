//! The list of a kind of thing: what the address asks for, the tools above the table, the table, and what can be done with
//! the chosen rows.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_query_map},
    params::ParamsMap,
};
use serde_json::{Map, Value};

use super::{
    cells,
    form::ThingForm,
    keys::KeySheet,
    names::{Listed, Names, load, names_of},
    rows::Rows,
    specs::{Spec, escape},
    tools::Tools,
};
use crate::{
    types::config::{ThingFilter, ThingRow},
    ui::{
        kit::{Col, Dialog, DialogSide, DialogSize, Load, TableSkeleton, after_hydration, with_local_storage},
        layout::use_frame,
    },
};

const PAGE: u32 = 50;

/// What a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    pub search: String,
    pub equal: Vec<(String, String)>,
    pub sort: Option<(String, bool)>,
    pub deleted: bool,
    pub after: Option<String>,
}

impl Asked {
    fn read(spec: &Spec, query: &ParamsMap) -> Self {
        let some = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let equal = spec.filters.iter().filter_map(|name| Some(((*name).to_owned(), some(name)?))).collect();
        Self {
            search: some("q").unwrap_or_default(),
            equal,
            sort: some("sort").map(|sort| (sort, some("dir").is_some_and(|dir| dir == "desc"))),
            deleted: some("deleted").is_some(),
            after: some("after"),
        }
    }

    /// The query part of an address that asks for this.
    pub fn query(&self) -> String {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        if !self.search.is_empty() {
            pairs.push(("q", &self.search));
        }
        pairs.extend(self.equal.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if let Some((sort, down)) = &self.sort {
            pairs.push(("sort", sort));
            pairs.extend(down.then_some(("dir", "desc")));
        }
        pairs.extend(self.deleted.then_some(("deleted", "1")));
        pairs.extend(self.after.as_deref().map(|after| ("after", after)));
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    pub fn filter(&self, spec: &Spec, scope: &[(String, String)]) -> ThingFilter {
        let (sort, descending) = self.sort.clone().unwrap_or_else(|| (spec.group.to_owned(), false));
        ThingFilter {
            equal: self.equal.iter().chain(scope).cloned().collect(),
            search: self.search.clone(),
            sort,
            descending,
            deleted: self.deleted,
            after: self.after.clone(),
            limit: PAGE,
        }
    }

    pub fn is_narrowed(&self) -> bool {
        !self.search.is_empty() || !self.equal.is_empty() || self.after.is_some()
    }
}

/// Where a list keeps what it is asked for: in the address of the page, or, inside the page of another thing, for itself.
#[derive(Clone, Copy)]
pub struct Place {
    pub asked: Memo<Asked>,
    /// Changes it; `true` does so without a step for the Back button (typing).
    pub set: Callback<(Asked, bool)>,
}

impl Place {
    fn address(spec: &'static Spec) -> Self {
        let query = use_query_map();
        let path = use_location().pathname;
        let navigate = use_navigate();
        let asked = Memo::new(move |before: Option<&Asked>| {
            // While another page is drawn, the query is already its own.
            match before {
                Some(before) if path.get() != spec.path => before.clone(),
                _ => query.with(|query| Asked::read(spec, query)),
            }
        });
        let set = Callback::new(move |(asked, replace): (Asked, bool)| {
            let options = NavigateOptions { replace, scroll: false, ..Default::default() };
            navigate(&format!("{}{}", spec.path, asked.query()), options);
        });
        Self { asked, set }
    }

    fn own() -> Self {
        let asked = RwSignal::new(Asked::default());
        Self { asked: Memo::new(move |_| asked.get()), set: Callback::new(move |(new, _)| asked.set(new)) }
    }

    pub fn change(&self, replace: bool, change: impl FnOnce(&mut Asked)) {
        let mut asked = self.asked.get_untracked();
        asked.after = None;
        change(&mut asked);
        self.set.run((asked, replace));
    }
}

/// The list with its tools. `create` opens the sheet that makes a new one.
#[component]
pub fn ThingList(
    spec: &'static Spec,
    /// (field, value) that all rows have: the place whose page this list is in.
    #[prop(optional)]
    scope: Vec<(String, String)>,
    /// Inside another page: no address, no keys.
    #[prop(optional)]
    inside: bool,
    create: RwSignal<bool>,
    /// What a new one begins with.
    #[prop(optional, into)]
    copy: Signal<Map<String, Value>>,
    /// Told what was made.
    #[prop(optional, into)]
    on_made: Option<Callback<ThingRow>>,
    /// Something was made elsewhere: the list shows it at once.
    #[prop(optional)]
    made: Option<RwSignal<Option<ThingRow>>>,
) -> impl IntoView {
    let thing = spec.thing;
    let frame = use_frame();
    let names = Names::here();
    let place = if inside { Place::own() } else { Place::address(spec) };
    let scope = StoredValue::new(scope);
    let filter = move || scope.with_value(|scope| place.asked.get().filter(spec, scope));
    let read = move |filter| load(thing, filter);
    let resource = if inside { Resource::new(filter, read) } else { Resource::new_blocking(filter, read) };
    let made = made.unwrap_or_else(|| RwSignal::new(None));
    let shown = RwSignal::new(spec.columns.to_vec());
    remember_columns(spec, shown);
    let all = StoredValue::new(cells::columns(spec, names));
    let scope_names: Vec<String> = scope.with_value(|scope| scope.iter().map(|(name, _)| name.clone()).collect());
    let hidden = StoredValue::new(scope_names.clone());
    let columns = Signal::derive(move || {
        shown.with(|shown| {
            let wanted = |col: &&Col| {
                shown.contains(&col.key) && !hidden.with_value(|hidden| hidden.iter().any(|name| name == col.key))
            };
            all.with_value(|all| all.iter().filter(wanted).cloned().collect::<Vec<_>>())
        })
    });
    let dirty = RwSignal::new(false);
    // A key's secret is shown once, so keys have a sheet of their own.
    let is_key = thing.kind == "api-key";
    let sheet = if is_key { RwSignal::new(false) } else { create };
    let preset = move || {
        let mut preset = copy.get_untracked();
        scope
            .with_value(|scope| preset.extend(scope.iter().map(|(name, value)| (name.clone(), value.as_str().into()))));
        preset
    };
    let on_saved = Callback::new(move |row: ThingRow| {
        if !is_key {
            create.set(false);
        }
        dirty.set(false);
        spawn_local(async move {
            names.learn(names_of(thing, std::slice::from_ref(&row)).await);
            let _ = made.try_set(Some(row.clone()));
            if let Some(on_made) = on_made {
                on_made.run(row);
            }
        });
    });
    let keys = Signal::derive(move || !inside && frame.single_keys.get());
    let draw = move |listed: Listed| {
        names.learn(listed.names);
        view! { <Rows spec place scope page=listed.page.rows next=listed.page.next columns made create keys refetch=move |()| resource.refetch() inside /> }
    };
    view! {
        <section class="min-w-0 rounded-lg border border-line bg-surface" aria-label=spec.heading>
            <Tools spec place scope shown inside keys />
            <Load resource view=draw skeleton=ViewFn::from(|| view! { <TableSkeleton /> }) />
        </section>
        {is_key.then(|| view! { <KeySheet open=create preset=preset() on_made=on_saved /> })}
        <Dialog
            id=format!("new-{}", thing.kind)
            open=sheet
            title=format!("New {}", thing.one)
            side=DialogSide::End
            size=DialogSize::Large
            sticky=dirty
        >
            <ThingForm
                thing
                preset=preset()
                settled=scope_names.clone()
                dirty
                on_saved
                on_cancel=move |()| create.set(false)
            />
        </Dialog>
    }
    .into_any()
}

/// The choice of columns, remembered by the browser.
fn remember_columns(spec: &'static Spec, shown: RwSignal<Vec<&'static str>>) {
    let key = format!("columns-{}", spec.thing.kind);
    let stored = key.clone();
    Effect::new(move |_| {
        let stored = stored.clone();
        after_hydration(move || {
            let text = with_local_storage(|storage| storage.get_item(&stored).ok().flatten());
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let all = spec.columns.iter().chain(spec.more).copied();
                let _ = shown.try_set(all.filter(|name| text.split(',').any(|own| own == *name)).collect());
            }
        });
    });
    Effect::new(move |before: Option<()>| {
        let text = shown.with(|shown| shown.join(","));
        if before.is_some() {
            with_local_storage(|storage| storage.set_item(&key, &text).ok());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::pages::things::specs::spec;

    #[test]
    fn what_is_asked_for_survives_the_address() {
        let spec = spec("model-config").unwrap();
        let asked = Asked {
            search: "a b&c".to_owned(),
            equal: vec![("provider_id".to_owned(), "openai".to_owned())],
            sort: Some(("status".to_owned(), true)),
            deleted: true,
            after: Some("x/y".to_owned()),
        };
        assert_eq!(asked.query(), "?q=a%20b%26c&provider_id=openai&sort=status&dir=desc&deleted=1&after=x%2Fy");
        let mut query = ParamsMap::new();
        for (name, value) in [
            ("q", "a b&c"),
            ("provider_id", "openai"),
            ("sort", "status"),
            ("dir", "desc"),
            ("deleted", "1"),
            ("after", "x/y"),
        ] {
            query.insert(name, value.to_owned());
        }
        assert_eq!(Asked::read(spec, &query), asked);
        assert_eq!(Asked::default().query(), "");
        let filter = asked.filter(spec, &[("org_id".to_owned(), "o".to_owned())]);
        assert_eq!(filter.equal.len(), 2);
        assert!(filter.descending && filter.deleted);
    }
}
