//! Calls that were made before: a drawer beside the console, and a page of their own.

use leptos::{ev, prelude::*, task::spawn_local};
use leptos_router::hooks::{use_location, use_query_map};
use leptos_router::params::ParamsMap;

use super::run_view::RunView;
use crate::{
    api,
    types::{self, RunFilter, RunSummary},
    ui::{
        kit::{
            Badge, Button, ButtonSize, Dialog, DialogSide, EmptyState, Glyph, Icon, LinkButton, Load, Time, Tone,
            format, use_toasts,
        },
        layout::Page,
    },
};

const PAGE: u32 = 30;

/// The latest calls of the console, in a sheet. Opening one shows it in the console.
#[component]
pub fn HistoryDrawer(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Dialog id="history" open title="History" side=DialogSide::End>
            <DrawerList open />
        </Dialog>
    }
}

#[component]
fn DrawerList(open: RwSignal<bool>) -> impl IntoView {
    let filter = RunFilter { surface: Some("console".to_owned()), mine: true, limit: PAGE, ..RunFilter::default() };
    let first = Resource::new(|| (), {
        let filter = filter.clone();
        move |()| api::runs(filter.clone())
    });
    let link = Callback::new(|run: String| format!("/test/text?run={run}"));
    let list = move |page| view! { <RunList page filter=filter.clone() link on_open=move |()| open.set(false) /> };
    view! {
        <Load resource=first view=list />
        <p class="mt-4">
            <LinkButton href="/test/history" size=ButtonSize::Small icon=Glyph::History>
                "All history"
            </LinkButton>
        </p>
    }
}

/// What the address of the page asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    /// Only calls of the consoles.
    console: bool,
    mine: bool,
    after: Option<String>,
    run: Option<String>,
}

impl Asked {
    fn read(query: &ParamsMap) -> Self {
        let some = |name: &str| query.get(name).filter(|value| !value.is_empty());
        Self {
            console: query.get("surface").is_none_or(|surface| surface != "all"),
            mine: query.get("who").is_none_or(|who| who != "all"),
            after: some("after"),
            run: some("run"),
        }
    }

    fn filter(&self) -> RunFilter {
        RunFilter {
            surface: self.console.then(|| "console".to_owned()),
            mine: self.mine,
            after: self.after.clone(),
            limit: PAGE,
            ..RunFilter::default()
        }
    }
}

/// The address of this page with some of its query changed; `None` takes a part away.
fn address(query: &ParamsMap, changes: &[(&'static str, Option<&str>)]) -> String {
    let mut query = query.clone();
    for (name, value) in changes {
        match value {
            Some(value) => query.replace(*name, (*value).to_owned()),
            None => drop(query.remove(name)),
        }
    }
    format!("/test/history{}", query.to_query_string())
}

/// `/test/history`
#[component]
pub fn HistoryPage() -> impl IntoView {
    let query = use_query_map();
    let asked = Memo::new(move |_| query.with(Asked::read));
    let list = Resource::new_blocking(move || asked.get().filter(), api::runs);
    let chosen = Memo::new(move |_| asked.with(|asked| asked.run.clone()));
    let link = move |changes: &[(&'static str, Option<&str>)]| query.with(|query| address(query, changes));
    let row = Callback::new(move |run: String| query.with_untracked(|query| address(query, &[("run", Some(&run))])));
    let more = Callback::new(move |cursor: String| {
        query.with_untracked(|query| address(query, &[("after", Some(&cursor)), ("run", None)]))
    });
    let draw =
        move |page| view! { <RunList page filter=asked.get_untracked().filter() link=row more current=chosen /> };
    view! {
        <Page title="History" lead="Calls that were made before, newest first." wide=true>
        <div class="flex flex-wrap items-center gap-x-4 gap-y-2">
            <Choice
                label="Where from"
                options=[("The consoles", None), ("Everywhere", Some("all"))]
                name="surface"
                current=Signal::derive(move || asked.with(|asked| usize::from(!asked.console)))
            />
            <Choice
                label="Whose"
                options=[("Mine", None), ("Everybody's", Some("all"))]
                name="who"
                current=Signal::derive(move || asked.with(|asked| usize::from(!asked.mine)))
            />
            {move || {
                asked
                    .with(|asked| asked.after.is_some())
                    .then(|| {
                        view! {
                            <LinkButton href=link(&[("after", None)]) size=ButtonSize::Small icon=Glyph::ArrowUp>
                                "Newest first"
                            </LinkButton>
                        }
                    })
            }}
        </div>
        <div class=move || {
            if chosen.with(Option::is_some) {
                "grid min-w-0 grid-cols-1 gap-4 xl:grid-cols-[24rem_minmax(0,1fr)]"
            } else {
                "grid min-w-0 grid-cols-1 gap-4"
            }
        }>
            <section
                aria-label="Calls"
                class=move || {
                    if chosen.with(Option::is_some) {
                        "hidden min-w-0 rounded-lg border border-line bg-surface p-2 xl:block"
                    } else {
                        "min-w-0 rounded-lg border border-line bg-surface p-2"
                    }
                }
            >
                <Load resource=list view=draw />
            </section>
            {move || {
                chosen
                    .get()
                    .map(|run| {
                        view! {
                            <section aria-label="The chosen call" class="flex min-w-0 flex-col gap-3">
                                <p>
                                    <LinkButton href=link(&[("run", None)]) size=ButtonSize::Small icon=Glyph::ChevronLeft>
                                        "Close"
                                    </LinkButton>
                                </p>
                                <RunPanel run />
                            </section>
                        }
                    })
            }}
        </div>
        </Page>
    }
}

#[component]
fn RunPanel(run: String) -> impl IntoView {
    let detail = Resource::new_blocking(move || run.clone(), api::run);
    view! { <Load resource=detail view=|run| view! { <RunView run /> } /> }
}

/// Two links, one of which is current.
#[component]
fn Choice(
    label: &'static str,
    options: [(&'static str, Option<&'static str>); 2],
    name: &'static str,
    #[prop(into)] current: Signal<usize>,
) -> impl IntoView {
    let query = use_query_map();
    view! {
        <nav aria-label=label class="inline-flex rounded-md border border-line bg-sunken p-0.5">
            {options
                .into_iter()
                .enumerate()
                .map(|(index, (text, value))| {
                    let is_current = move || current.get() == index;
                    view! {
                        <a
                            href=move || query.with(|query| address(query, &[(name, value), ("after", None), ("run", None)]))
                            aria-current=move || is_current().then_some("true")
                            class="inline-flex h-7 items-center rounded-sm border border-transparent px-2.5 text-sm text-muted \
                                   hover:text-ink aria-[current]:border-line aria-[current]:bg-surface aria-[current]:text-ink"
                        >
                            {text}
                        </a>
                    }
                })
                .collect_view()}
        </nav>
    }
}

/// A page of calls and, on demand, the following ones. `link` is where a call is shown, by its id; `more` is where the
/// following page stands by itself.
#[component]
fn RunList(
    page: types::Page<RunSummary>,
    filter: RunFilter,
    link: Callback<String, String>,
    #[prop(optional, into)] more: Option<Callback<String, String>>,
    #[prop(optional, into)] on_open: Option<Callback<()>>,
    /// The one that is open.
    #[prop(optional, into)]
    current: Signal<Option<String>>,
) -> impl IntoView {
    let toasts = use_toasts();
    let next = RwSignal::new(page.next);
    let items = RwSignal::new(page.items);
    let busy = RwSignal::new(false);
    let load_more = Callback::new(move |event: ev::MouseEvent| {
        event.prevent_default();
        let Some(after) = next.get_untracked().filter(|_| !busy.get_untracked()) else { return };
        busy.set(true);
        let filter = RunFilter { after: Some(after), ..filter.clone() };
        spawn_local(async move {
            match api::runs(filter).await {
                Ok(page) => {
                    let _ = items.try_update(|items| items.extend(page.items));
                    let _ = next.try_set(page.next);
                }
                Err(error) => toasts.bad(error.to_string()),
            }
            let _ = busy.try_set(false);
        });
    });
    let path = use_location().pathname;
    view! {
        {move || {
            items
                .with(Vec::is_empty)
                .then(|| {
                    view! {
                        <EmptyState icon=Glyph::History title="No calls yet" text="What you send from the console is listed here.">
                            {(path.get_untracked() != "/test/text")
                                .then(|| view! { <LinkButton href="/test/text" icon=Glyph::Chat>"Open the console"</LinkButton> })}
                        </EmptyState>
                    }
                })
        }}
        <ul class="flex flex-col" aria-label="Calls">
            <For each=move || items.get() key=|run| run.request_id.clone() let:run>
                <RunRow href=link.run(run.request_id.clone()) run on_open current />
            </For>
        </ul>
        {move || {
            next.get()
                .map(|cursor| {
                    view! {
                        <p class="p-2 text-center">
                            {match more {
                                Some(more) => {
                                    view! {
                                        <a
                                            href=more.run(cursor)
                                            class="inline-flex h-8 items-center rounded-md border border-control/60 bg-surface px-3 font-medium hover:bg-hover"
                                            on:click=move |event| load_more.run(event)
                                        >
                                            "Load more"
                                        </a>
                                    }
                                        .into_any()
                                }
                                None => view! { <Button busy on_click=load_more>"Load more"</Button> }.into_any(),
                            }}
                        </p>
                    }
                })
        }}
    }
}

#[component]
fn RunRow(
    run: RunSummary,
    href: String,
    on_open: Option<Callback<()>>,
    current: Signal<Option<String>>,
) -> impl IntoView {
    let id = run.request_id.clone();
    let tokens = format!("{} in, {} out", format::count(run.input_tokens), format::count(run.output_tokens));
    view! {
        <li>
            <a
                href=href
                class="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-0.5 rounded-md px-2 py-2 -outline-offset-2 hover:bg-hover aria-[current]:bg-selected"
                aria-current=move || current.with(|current| current.as_ref() == Some(&id)).then_some("true")
                on:click=move |_| {
                    if let Some(on_open) = on_open {
                        on_open.run(());
                    }
                }
            >
                <span class="flex min-w-0 flex-1 basis-48 items-center gap-2">
                    <StatusMark status=run.status.clone() />
                    <span class="min-w-0 truncate font-medium">{run.model_asked.clone()}</span>
                    {run.simulated.then(|| view! { <Badge tone=Tone::Warn>"simulated"</Badge> })}
                </span>
                <span class="flex flex-wrap items-center gap-x-3 text-sm tabular-nums text-muted">
                    <span>{tokens}</span>
                    <span>{format::money(run.cost_micro_usd)}</span>
                    <span>{format::duration(run.latency_us)}</span>
                    <Time at_us=run.at_us />
                </span>
            </a>
        </li>
    }
}

/// How a call ended, as a picture with a name.
#[component]
pub fn StatusMark(status: String) -> impl IntoView {
    let (glyph, colour, word) = match status.as_str() {
        "completed" => (Glyph::CheckCircle, "text-good", "completed"),
        "cancelled" => (Glyph::Stop, "text-warn", "stopped"),
        _ => (Glyph::CrossCircle, "text-bad", "failed"),
    };
    view! {
        <span class=colour title=word>
            <Icon glyph />
            <span class="sr-only">{word}</span>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_the_filters() {
        let mut query = ParamsMap::new();
        let asked = Asked::read(&query);
        assert_eq!(asked, Asked { console: true, mine: true, after: None, run: None });
        assert_eq!(asked.filter().surface.as_deref(), Some("console"));
        query.insert("surface", "all".to_owned());
        query.insert("who", "all".to_owned());
        query.insert("after", "c1".to_owned());
        let filter = Asked::read(&query).filter();
        assert_eq!((filter.surface, filter.mine, filter.after.as_deref()), (None, false, Some("c1")));
        assert_eq!(address(&query, &[("after", None), ("surface", None)]), "/test/history?who=all");
        assert!(address(&query, &[("run", Some("r1"))]).contains("run=r1"));
    }
}
