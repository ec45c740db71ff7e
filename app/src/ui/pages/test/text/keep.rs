//! The console's memory: the address bar (`?model=…&run=…`), and the draft in this browser.

use leptos::{leptos_dom::helpers::TimeoutHandle, prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_query_map},
    params::ParamsMap,
};

use super::{saved::Saved, state::Console};
use crate::{
    api,
    error::AppError,
    types::RunFilter,
    ui::{
        kit::{after_hydration, with_local_storage},
        live::clock::sleep_ms,
    },
};

const STORE: &str = "electrons.text-console";

/// What the address asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Models side by side, separated by commas.
    pub models: Vec<String>,
    pub run: Option<String>,
}

impl Asked {
    pub fn read(query: &ParamsMap) -> Self {
        let models = query.get("model").unwrap_or_default();
        Self {
            models: models
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .take(super::state::LANES)
                .map(str::to_owned)
                .collect(),
            run: query.get("run").filter(|run| !run.is_empty()),
        }
    }
}

/// Restores the draft once the page is alive, and from then on keeps address and draft in step with the console.
/// `loaded` tells whether the run that the address asked for is already shown; `user` keeps drafts of people apart.
pub fn remember(
    console: Console,
    asked: Asked,
    loaded: bool,
    user: Option<String>,
    problem: RwSignal<Option<AppError>>,
) {
    let ready = RwSignal::new(false);
    // The run that the address names, as far as the console has dealt with it.
    let known = StoredValue::new(asked.run.clone());
    let key = StoredValue::new(format!("{STORE}.{}", user.unwrap_or_default()));
    let begin = move || {
        let restored = restore(console, &asked, loaded, &key.get_value());
        if restored && asked.run.is_some() {
            problem.set(None);
        }
        let late = problem.with_untracked(|problem| matches!(problem, Some(AppError::NotFound { .. })));
        if let Some(run) = asked.run.clone().filter(|_| late) {
            await_record(console, run, problem);
        }
        ready.set(true);
    };
    let begin = StoredValue::new(Some(begin));
    Effect::new(move |_| {
        if let Some(begin) = begin.try_update_value(Option::take).flatten() {
            after_hydration(begin);
        }
    });
    keep_draft(console, ready, key);
    write_address(console, ready, known);
    follow_address(console, known, problem);
}

/// Answers whether the draft holds the run that the address asks for.
fn restore(console: Console, asked: &Asked, loaded: bool, key: &str) -> bool {
    // What was typed before the page was alive is newer than any draft.
    let typed = document()
        .get_element_by_id("composer")
        .and_then(|field| wasm_bindgen::JsCast::dyn_into::<web_sys::HtmlTextAreaElement>(field).ok())
        .map(|field| field.value())
        .filter(|typed| !typed.is_empty());
    let stored = with_local_storage(|storage| storage.get_item(key).ok().flatten());
    let mut has_run = false;
    if let Some(saved) = stored.as_deref().and_then(Saved::read) {
        has_run = asked.run.as_ref().is_some_and(|run| saved.has_run(run));
        match &asked.run {
            Some(_) if loaded && !has_run => console.composer.set(saved.composer),
            run => {
                console.show_saved(saved);
                if run.is_none() && !asked.models.is_empty() {
                    console.show_models(&asked.models);
                }
            }
        }
    }
    if let Some(typed) = typed {
        console.composer.set(typed);
    }
    has_run
}

fn keep_draft(console: Console, ready: RwSignal<bool>, key: StoredValue<String>) {
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move |_| {
        if !ready.get() {
            return;
        }
        let saved = console.to_saved();
        if let Some(earlier) = waiting.get_value() {
            earlier.clear();
        }
        let key = key.get_value();
        let write = move || {
            // A full or forbidden storage only costs the draft.
            with_local_storage(|storage| storage.set_item(&key, &saved.write()?).ok());
        };
        waiting.set_value(set_timeout_with_handle(write, std::time::Duration::from_millis(200)).ok());
    });
}

fn write_address(console: Console, ready: RwSignal<bool>, known: StoredValue<Option<String>>) {
    let navigate = use_navigate();
    let query = use_query_map();
    let path = use_location().pathname;
    let wanted = Memo::new(move |_| {
        let models: Vec<_> = console.open_lanes().into_iter().map(|lane| lane.model.get()).collect();
        let lane = console.chosen_lane();
        let run = lane.facts.with(|facts| facts.request_id.clone()).filter(|_| !lane.is_running());
        (models.join(","), run)
    });
    Effect::new(move |_| {
        let (model, run) = wanted.get();
        if !ready.get() {
            return;
        }
        let mut params = query.get_untracked();
        let before = params.to_query_string();
        for (name, value) in [("model", Some(model).filter(|model| !model.is_empty())), ("run", run.clone())] {
            match value {
                Some(value) => params.replace(name, value),
                None => drop(params.remove(name)),
            }
        }
        known.set_value(run);
        let after = params.to_query_string();
        if after != before {
            let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
            navigate(&format!("{}{after}", path.get_untracked()), options);
        }
    });
}

/// A link or the Back button may ask for another run while the page stays.
fn follow_address(console: Console, known: StoredValue<Option<String>>, problem: RwSignal<Option<AppError>>) {
    let query = use_query_map();
    let run = Memo::new(move |_| query.with(|query| Asked::read(query).run));
    Effect::new(move |before: Option<()>| {
        let run = run.get();
        if before.is_none() || run == known.get_value() {
            return;
        }
        known.set_value(run.clone());
        if let Some(run) = run {
            show_run(console, run, problem);
        }
    });
}

fn show_run(console: Console, run: String, problem: RwSignal<Option<AppError>>) {
    spawn_local(async move {
        match api::run(run).await {
            Ok(run) => {
                let _ = problem.try_set(None);
                console.show_run(&run);
            }
            Err(error) => drop(problem.try_set(Some(error))),
        }
    });
}

/// A call is recorded a moment after its answer. A page that asks for it earlier looks again, for a short time.
fn await_record(console: Console, run: String, problem: RwSignal<Option<AppError>>) {
    spawn_local(async move {
        for wait in [300, 700, 1_500] {
            sleep_ms(wait).await;
            let filter = RunFilter { mine: true, limit: 12, ..RunFilter::default() };
            let Ok(page) = api::runs(filter).await else { return };
            if problem.try_with_untracked(Option::is_none) != Some(false) {
                return;
            }
            if page.items.iter().any(|known| known.request_id == run) {
                return show_run(console, run, problem);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_names_models_and_a_run() {
        let read = |pairs: &[(&'static str, &str)]| {
            let mut query = ParamsMap::new();
            for (name, value) in pairs {
                query.insert(*name, (*value).to_owned());
            }
            Asked::read(&query)
        };
        let asked = read(&[("model", "a/b, c:d,,e,f,g"), ("run", "r-1")]);
        assert_eq!(asked.models, ["a/b", "c:d", "e", "f"]);
        assert_eq!(asked.run.as_deref(), Some("r-1"));
        assert_eq!(read(&[("model", ""), ("run", "")]), Asked::default());
    }
}
