//! What stands above the rows of a list: search, filters, columns, export.

use std::time::Duration;

use leptos::{ev, html, prelude::*, task::spawn_local};
use serde_json::{Map, Value};

use super::{
    cells,
    fields::RefPicker,
    list::{Asked, Place},
    names::Names,
    specs::Spec,
};
use crate::{
    api,
    error::AppError,
    types::config::{Field, FieldKind, ThingFilter},
    ui::kit::{
        Button, ButtonSize, ButtonVariant, Glyph, Icon, Menu, MenuButton, MenuSeparator, Select, is_typing,
        table::export, use_toasts,
    },
};

/// Rows of an export are read in pages of this size, up to so many.
const EXPORT_PAGE: u32 = 200;
/// What models make, as their descriptions name it.
pub const CAPABILITIES: &[&str] = &[
    "text",
    "image",
    "audio",
    "transcription",
    "video",
    "image_to_video",
    "embedding",
    "rerank",
    "moderation",
    "media",
    "render",
];
const EXPORT_MOST: usize = 10_000;

/// Search, filters, columns, export.
#[component]
pub(super) fn Tools(
    spec: &'static Spec,
    place: Place,
    scope: StoredValue<Vec<(String, String)>>,
    shown: RwSignal<Vec<&'static str>>,
    inside: bool,
    keys: Signal<bool>,
) -> impl IntoView {
    let thing = spec.thing;
    let toasts = use_toasts();
    let search = NodeRef::<html::Input>::new();
    let version = StoredValue::new(0u32);
    let typed = move |text: String| {
        version.update_value(|version| *version += 1);
        let mine = version.get_value();
        set_timeout(
            move || {
                if version.try_get_value() == Some(mine) {
                    place.change(true, |asked| asked.search = text.trim().to_owned());
                }
            },
            Duration::from_millis(250),
        );
    };
    Effect::new(move |_| {
        let handle = window_event_listener(ev::keydown, move |event| {
            let plain = !(event.ctrl_key() || event.meta_key() || event.alt_key());
            let covered = document().query_selector("dialog[open]").ok().flatten().is_some();
            if event.key() == "/"
                && plain
                && keys.get_untracked()
                && !covered
                && !is_typing(&event)
                && let Some(search) = search.get_untracked()
            {
                event.prevent_default();
                let _ = search.focus();
                search.select();
            }
        });
        on_cleanup(move || handle.remove());
    });
    let filters = spec
        .filters
        .iter()
        .filter(|name| scope.with_value(|scope| !scope.iter().any(|(own, _)| own == *name)))
        .filter_map(|name| thing.field(name))
        .map(|field| view! { <FilterControl field place /> })
        .collect_view();
    let busy = RwSignal::new(false);
    let export_as = move |kind: &'static str| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let filter = scope.with_value(|scope| place.asked.get_untracked().filter(spec, scope));
        spawn_local(async move {
            match every_row(thing.kind, filter).await {
                Ok(rows) => {
                    let count = rows.len();
                    let saved = if kind == "csv" {
                        let mut fields = vec![thing.id];
                        fields.extend(thing.fields.iter().map(|field| field.name));
                        fields.extend(["created_at", "updated_at"]);
                        export::download(&format!("{}.csv", thing.many), "text/csv", &export::csv(&fields, &rows))
                    } else {
                        let text = serde_json::to_string_pretty(&rows).unwrap_or_default();
                        export::download(&format!("{}.json", thing.many), "application/json", &text)
                    };
                    match saved {
                        Ok(()) => toasts
                            .good(format!("Exported {count} {}.", if count == 1 { thing.one } else { thing.many })),
                        Err(_) => toasts.bad("The browser did not save the file."),
                    }
                }
                Err(error) => toasts.bad(error.to_string()),
            }
            let _ = busy.try_set(false);
        });
    };
    let all: Vec<(&'static str, &'static str)> =
        cells::columns(spec, Names::here()).into_iter().skip(1).map(|col| (col.key, col.label)).collect();
    let menu = format!("{}-{}", thing.kind, if inside { "inside" } else { "list" });
    let trigger = |glyph: Glyph, word: &'static str| {
        move || {
            view! {
                <Icon glyph class="size-4 text-muted" />
                <span class="hidden text-sm sm:inline">{word}</span>
            }
        }
    };
    view! {
        <div class="flex flex-wrap items-center gap-2 border-b border-line p-2">
            <div class="relative min-w-48 flex-1 md:max-w-80">
                <span class="pointer-events-none absolute inset-y-0 start-2 flex items-center text-muted">
                    <Icon glyph=Glyph::Search />
                </span>
                <input
                    node_ref=search
                    type="search"
                    class="h-8 w-full rounded-md border border-control bg-surface ps-8 pe-2"
                    placeholder=format!("Search {}", thing.many)
                    aria-label=format!("Search {}", thing.many)
                    aria-keyshortcuts=(!inside).then_some("/")
                    autocomplete="off"
                    value=place.asked.with_untracked(|asked| asked.search.clone())
                    prop:value=move || place.asked.with(|asked| asked.search.clone())
                    on:input:target=move |event| typed(event.target().value())
                />
            </div>
            {filters}
            {move || {
                place
                    .asked
                    .with(Asked::is_narrowed)
                    .then(|| {
                        view! {
                            <Button
                                size=ButtonSize::Small
                                variant=ButtonVariant::Ghost
                                icon=Glyph::Cross
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
                                "Clear"
                            </Button>
                        }
                    })
            }}
            <div class="ms-auto flex items-center gap-1">
                <Menu id=format!("{menu}-columns") label="Columns" trigger=trigger(Glyph::Columns, "Columns") end=true>
                    {all
                        .clone()
                        .into_iter()
                        .map(|(key, label)| {
                            view! {
                                <MenuButton
                                    toggle=true
                                    checked=Signal::derive(move || shown.with(|shown| shown.contains(&key)))
                                    on_click=move |()| {
                                        shown
                                            .update(|shown| {
                                                match shown.iter().position(|own| *own == key) {
                                                    Some(at) => drop(shown.remove(at)),
                                                    None => shown.push(key),
                                                }
                                            });
                                    }
                                >
                                    {label}
                                </MenuButton>
                            }
                        })
                        .collect_view()}
                </Menu>
                <Menu id=format!("{menu}-more") label="More" trigger=trigger(Glyph::More, "More") end=true>
                    <MenuButton icon=Glyph::Download on_click=move |()| export_as("csv")>
                        "Export as CSV"
                    </MenuButton>
                    <MenuButton icon=Glyph::Code on_click=move |()| export_as("json")>
                        "Export as JSON"
                    </MenuButton>
                    <MenuSeparator />
                    <MenuButton
                        icon=Glyph::Trash
                        checked=Signal::derive(move || place.asked.with(|asked| asked.deleted))
                        toggle=true
                        on_click=move |()| place.change(false, |asked| asked.deleted = !asked.deleted)
                    >
                        "Recently deleted"
                    </MenuButton>
                </Menu>
            </div>
        </div>
    }
    .into_any()
}

async fn every_row(kind: &str, mut filter: ThingFilter) -> Result<Vec<Map<String, Value>>, AppError> {
    filter.limit = EXPORT_PAGE;
    filter.after = None;
    let mut rows = Vec::new();
    loop {
        let page = api::things(kind.to_owned(), filter.clone()).await?;
        rows.extend(page.rows.into_iter().map(|row| row.body));
        filter.after = page.next;
        if filter.after.is_none() || rows.len() >= EXPORT_MOST {
            return Ok(rows);
        }
    }
}

#[component]
fn FilterControl(field: &'static Field, place: Place) -> impl IntoView {
    let name = field.name;
    let value = Memo::new(move |_| {
        place.asked.with(|asked| {
            asked.equal.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()).unwrap_or_default()
        })
    });
    let set = move |value: String| {
        place.change(false, |asked| {
            asked.equal.retain(|(own, _)| own != name);
            if !value.is_empty() {
                asked.equal.push((name.to_owned(), value));
            }
        });
    };
    let pair = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    let any = pair("", &format!("{}: any", field.label));
    let options = match field.kind {
        FieldKind::Choice(options) => std::iter::once(any)
            .chain(options.iter().map(|option| pair(option, &format!("{}: {option}", field.label))))
            .collect(),
        FieldKind::Flag => {
            vec![any, pair("true", &format!("{}: yes", field.label)), pair("false", &format!("{}: no", field.label))]
        }
        FieldKind::Json if name == "capabilities" => std::iter::once(pair("", "Makes: anything"))
            .chain(CAPABILITIES.iter().map(|kind| pair(kind, &format!("Makes: {}", kind.replace('_', " ")))))
            .collect(),
        FieldKind::Ref(kind) => {
            let raw = RwSignal::new(value.get_untracked());
            Effect::new(move |_| {
                let now = value.get();
                if raw.get_untracked() != now {
                    raw.set(now);
                }
            });
            Effect::new(move |before: Option<()>| {
                let chosen = raw.get();
                if before.is_some() && chosen != value.get_untracked() {
                    set(chosen);
                }
            });
            return view! {
                <div class="min-w-36 flex-1 sm:w-44 sm:flex-none [&>div>button]:h-8">
                    <RefPicker
                        id=format!("filter-{name}")
                        label=field.label
                        kind
                        raw
                        clear=true
                        placeholder=format!("{}: any", field.label)
                    />
                </div>
            }
            .into_any();
        }
        _ => return ().into_any(),
    };
    view! {
        <div class="min-w-36 flex-1 sm:max-w-44 sm:flex-none">
            <Select options=Signal::stored(options) value=value on_change=set label=field.label small=true />
        </div>
    }
    .into_any()
}
