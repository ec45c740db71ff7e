//! The rows of a list, and what can be done with the chosen ones.

use std::{collections::BTreeSet, time::Duration};

use leptos::{ev, prelude::*, task::spawn_local};
use serde_json::{Map, Value};

use super::{
    detail::can_delete,
    keys::KeyUse,
    limits::LimitUse,
    list::Place,
    names::{Names, load},
    remove::RemoveDialog,
    specs::{Spec, escape},
};
use crate::{
    api,
    types::config::{FieldKind, ThingRow},
    ui::kit::{
        Button, ButtonSize, ButtonVariant, Col, DataTable, EmptyState, Glyph, Selection, table::export, use_toasts,
    },
};

/// The rows that were read, and further ones on demand.
#[component]
pub(super) fn Rows(
    spec: &'static Spec,
    place: Place,
    scope: StoredValue<Vec<(String, String)>>,
    page: Vec<ThingRow>,
    next: Option<String>,
    #[prop(into)] columns: Signal<Vec<Col>>,
    made: RwSignal<Option<ThingRow>>,
    create: RwSignal<bool>,
    keys: Signal<bool>,
    #[prop(into)] refetch: Callback<()>,
    inside: bool,
) -> impl IntoView {
    let thing = spec.thing;
    let toasts = use_toasts();
    let names = Names::here();
    let rows = RwSignal::new(page);
    let next = RwSignal::new(next);
    let busy = RwSignal::new(false);
    let fresh = RwSignal::new(None::<String>);
    let selection = Selection::default();
    let removing = RwSignal::new(Vec::<ThingRow>::new());
    match thing.kind {
        "api-key" => {
            let uses = KeyUse::here();
            Effect::new(move |_| rows.with(|rows| uses.ask(rows)));
        }
        "rate-limit" => {
            let uses = LimitUse::here();
            Effect::new(move |_| rows.with(|rows| uses.ask(rows)));
        }
        _ => {}
    }
    Effect::new(move |_| {
        let Some(row) = made.get() else { return };
        made.set(None);
        fresh.set(Some(row.id.clone()));
        rows.update(|rows| {
            rows.retain(|other| other.id != row.id);
            rows.insert(0, row);
        });
        set_timeout(
            move || {
                let _ = fresh.try_set(None);
            },
            Duration::from_secs(4),
        );
    });
    let load_more = move |event: ev::MouseEvent| {
        event.prevent_default();
        let Some(after) = next.get_untracked().filter(|_| !busy.get_untracked()) else { return };
        busy.set(true);
        let mut filter = scope.with_value(|scope| place.asked.get_untracked().filter(spec, scope));
        filter.after = Some(after);
        spawn_local(async move {
            match load(thing, filter).await {
                Ok(listed) => {
                    names.learn(listed.names);
                    let _ = rows.try_update(|rows| rows.extend(listed.page.rows));
                    let _ = next.try_set(listed.page.next);
                }
                Err(error) => toasts.bad(error.to_string()),
            }
            let _ = busy.try_set(false);
        });
    };
    let chosen = move || {
        let ids = selection.ids.get();
        rows.with(|rows| rows.iter().filter(|row| ids.contains(&row.id)).cloned().collect::<Vec<_>>())
    };
    let deleted = move || place.asked.with(|asked| asked.deleted);
    let restore = move |_| {
        let ids: Vec<String> = untrack(chosen).into_iter().map(|row| row.id).collect();
        spawn_local(async move {
            match api::restore_things(thing.kind.to_owned(), ids.clone()).await {
                Ok(()) => {
                    let _ = rows.try_update(|rows| rows.retain(|row| !ids.contains(&row.id)));
                    selection.clear();
                    toasts.good(format!("Brought back {}.", counted(ids.len(), thing.one, thing.many)));
                }
                Err(error) => toasts.bad(error.to_string()),
            }
        });
    };
    let export_chosen = move |_| {
        let bodies: Vec<Map<String, Value>> = untrack(chosen).into_iter().map(|row| row.body).collect();
        let text = serde_json::to_string_pretty(&bodies).unwrap_or_default();
        if export::download(&format!("{}.json", thing.many), "application/json", &text).is_err() {
            toasts.bad("The browser did not save the file.");
        }
    };
    let bulk = move || {
        let count = selection.ids.with(BTreeSet::len);
        (count > 0).then(|| {
            let deletable = untrack(chosen).iter().all(|row| row.editable);
            view! {
                <div class="flex flex-wrap items-center gap-2 border-b border-line bg-selected px-4 py-1.5" role="region" aria-label="Selection">
                    <span class="me-auto font-medium" role="status">{format!("{} selected", counted(count, thing.one, thing.many))}</span>
                    {match (deleted(), deletable && can_delete(thing)) {
                        (true, _) => {
                            view! {
                                <Button size=ButtonSize::Small icon=Glyph::History on_click=restore>
                                    "Bring back"
                                </Button>
                            }
                                .into_any()
                        }
                        (false, true) => {
                            view! {
                                <Button size=ButtonSize::Small icon=Glyph::Trash on_click=move |_| removing.set(untrack(chosen))>
                                    "Delete"
                                </Button>
                            }
                                .into_any()
                        }
                        _ => ().into_any(),
                    }}
                    <Button size=ButtonSize::Small icon=Glyph::Download on_click=export_chosen>
                        "Export"
                    </Button>
                    <Button size=ButtonSize::Small variant=ButtonVariant::Ghost on_click=move |_| selection.clear()>
                        "Clear"
                    </Button>
                </div>
            }
        })
    };
    let empty = Memo::new(move |_| rows.with(Vec::is_empty));
    let group = (!spec.group.is_empty()).then(|| {
        Callback::new(move |row: ThingRow| {
            let value = row.body.get(spec.group).and_then(Value::as_str).unwrap_or_default();
            match thing.field(spec.group).map(|field| field.kind) {
                _ if place.asked.with_untracked(|asked| asked.sort.is_some()) => String::new(),
                Some(FieldKind::Ref(kind)) => names.of(kind, value),
                _ => value.to_owned(),
            }
        })
    });
    let href = move |id: String| format!("{}/{}", spec.path, escape(&id));
    let table = move || {
        if empty.get() {
            return view! { <Nothing spec place create inside /> }.into_any();
        }
        view! {
            <DataTable
                caption=spec.heading
                columns
                rows
                title=thing.title
                href
                selection
                sort=Signal::derive(move || place.asked.with(|asked| asked.sort.clone()))
                on_sort=move |key: String| {
                    place
                        .change(
                            false,
                            |asked| {
                                asked.sort = match asked.sort.take() {
                                    Some((own, false)) if own == key => Some((key, true)),
                                    Some((own, true)) if own == key => None,
                                    _ => Some((key, false)),
                                };
                            },
                        )
                }
                fresh
                keys
                group=group
                height=if inside { "md:max-h-96" } else { "md:max-h-[calc(100dvh-16rem)]" }
            />
        }
        .into_any()
    };
    let on_removed = Callback::new(move |gone: Vec<ThingRow>| {
        rows.update(|rows| rows.retain(|row| !gone.iter().any(|other| other.id == row.id)));
        selection.clear();
    });
    let older = move || {
        let mut asked = place.asked.get();
        asked.after = next.get();
        format!("{}{}", spec.path, asked.query())
    };
    view! {
        {bulk}
        {table}
        <div class="flex flex-wrap items-center justify-between gap-2 border-t border-line px-4 py-2 text-sm text-muted">
            <span>
                {move || {
                    let count = rows.with(Vec::len);
                    let more = if next.with(Option::is_some) { " so far" } else { "" };
                    format!("{}{more}", counted(count, thing.one, thing.many))
                }}
            </span>
            <span class="flex items-center gap-2">
                {move || {
                    place
                        .asked
                        .with(|asked| asked.after.is_some())
                        .then(|| {
                            view! {
                                <Button size=ButtonSize::Small on_click=move |_| place.change(false, |_| ())>
                                    "Back to the first"
                                </Button>
                            }
                        })
                }}
                {move || {
                    next.with(Option::is_some)
                        .then(|| {
                            view! {
                                <a
                                    href=older
                                    aria-busy=move || busy.get().then_some("true")
                                    class="inline-flex h-7 items-center rounded-md border border-control/60 bg-surface px-2 font-medium text-ink hover:bg-hover"
                                    on:click=load_more
                                >
                                    "Load more"
                                </a>
                            }
                        })
                }}
            </span>
        </div>
        <RemoveDialog
            thing
            rows=removing
            typed=spec.typed_delete
            on_removed
            on_restored=refetch
        />
    }
    .into_any()
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// An empty list says why: nothing yet, nothing that matches, nothing deleted.
#[component]
fn Nothing(spec: &'static Spec, place: Place, create: RwSignal<bool>, inside: bool) -> impl IntoView {
    let thing = spec.thing;
    let asked = place.asked.get_untracked();
    if asked.is_narrowed() {
        return view! {
            <EmptyState icon=Glyph::Filter title="Nothing matches" text=format!("There are {} that the search or the filters leave out.", thing.many)>
                <Button
                    on_click=move |_| {
                        place
                            .change(
                                false,
                                |asked| {
                                    asked.search.clear();
                                    asked.equal.clear();
                                },
                            );
                    }
                >
                    "Clear search and filters"
                </Button>
            </EmptyState>
        }
        .into_any();
    }
    if asked.deleted {
        return view! {
            <EmptyState icon=Glyph::Trash title="Nothing was deleted" text=format!("Deleted {} stay here for 30 days.", thing.many)>
                <Button on_click=move |_| place.change(false, |asked| asked.deleted = false)>"Back to the list"</Button>
            </EmptyState>
        }
        .into_any();
    }
    let text = if inside { String::new() } else { spec.lead.to_owned() };
    view! {
        <EmptyState icon=Glyph::List title=format!("No {} yet", thing.many) text>
            <Button variant=ButtonVariant::Primary icon=Glyph::Plus on_click=move |_| create.set(true)>
                {format!("New {}", thing.one)}
            </Button>
        </EmptyState>
    }
    .into_any()
}
