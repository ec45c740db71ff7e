//! The one form: makes a thing and edits it, drawn from its description.

mod entry;
mod summary;

use std::pin::Pin;

use leptos::{ev, html, prelude::*, task::spawn_local};
use serde_json::{Map, Value};
use wasm_bindgen::JsCast;

pub use self::entry::Entry;
use self::{
    entry::{chosen_id, defaults, place},
    summary::Summary,
};
use super::{
    conflict::Conflict,
    fields::FieldView,
    names::title,
    objects::parts,
    values::{is_given, to_value},
};
use crate::{
    api,
    error::AppError,
    types::config::{Field, FieldKind, FieldRole, Thing, ThingRow},
    ui::{
        kit::{Badge, Button, ButtonVariant, Glyph, Icon, Kbd, Tone, use_toasts},
        layout::use_frame,
    },
};

/// Makes a thing of these fields.
pub type Saver = Callback<Map<String, Value>, Pin<Box<dyn Future<Output = Result<ThingRow, AppError>> + Send>>>;

/// Makes a thing (without `row`) or edits one.
#[component]
pub fn ThingForm(
    thing: &'static Thing,
    #[prop(optional, into)] row: Option<ThingRow>,
    /// What a new thing begins with: a place it belongs to, or a copy.
    #[prop(optional)]
    preset: Map<String, Value>,
    /// Fields that the place decides, or that have an editor of their own.
    #[prop(optional)]
    skip: &'static [&'static str],
    /// Fields of `preset` that cannot be chosen otherwise.
    #[prop(optional)]
    settled: Vec<String>,
    #[prop(into)] on_saved: Callback<ThingRow>,
    #[prop(optional, into)] on_cancel: Option<Callback<()>>,
    /// Makes the thing in another way than by `save_thing`.
    #[prop(optional, into)]
    saver: Option<Saver>,
    /// The thing as other parts of the page have saved it meanwhile.
    #[prop(optional)]
    current: Option<RwSignal<ThingRow>>,
    /// Told whether something is not saved.
    #[prop(optional)]
    dirty: Option<RwSignal<bool>>,
) -> impl IntoView {
    let frame = use_frame();
    let toasts = use_toasts();
    let is_new = row.is_none();
    let editable = row.as_ref().is_none_or(|row| row.editable);
    let id = row.as_ref().map(|row| row.id.clone());
    let etag = StoredValue::new(row.as_ref().map(|row| row.etag.clone()));
    let body = match &row {
        Some(row) => row.body.clone(),
        None => {
            let mut body = defaults(thing);
            body.extend(preset.clone());
            body
        }
    };
    let shows = |field: &&Field| {
        let role = if is_new { is_given(field.role) } else { field.role.is_changeable() };
        role && !skip.contains(&field.name) && !settled.iter().any(|name| name == field.name)
    };
    let id_field = chosen_id(thing).filter(|_| is_new);
    let entries: Vec<Entry> =
        id_field.into_iter().chain(thing.fields.iter().filter(shows)).map(|field| Entry::new(field, &body)).collect();
    if is_new {
        // What is copied or chosen by default is to be sent, too.
        entries.iter().for_each(|entry| entry.base.set(String::new()));
    }
    let settled: Map<String, Value> =
        preset.into_iter().filter(|(name, _)| settled.iter().any(|other| other == name)).collect();
    let touched = {
        let first: Vec<String> = entries.iter().map(|entry| entry.raw.get_untracked()).collect();
        let entries = entries.clone();
        Memo::new(move |_| {
            if is_new {
                entries.iter().zip(&first).any(|(entry, first)| entry.raw.with(|raw| raw != first))
            } else {
                entries.iter().any(Entry::is_dirty)
            }
        })
    };
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<AppError>);
    let newer = RwSignal::new(None::<ThingRow>);
    let done = RwSignal::new(false);
    let unsaved = Signal::derive(move || touched.get() && !done.get());
    frame.watch(unsaved);
    if let Some(dirty) = dirty {
        Effect::new(move |_| dirty.set(unsaved.get()));
    }
    let summary = NodeRef::<html::Div>::new();
    let follow = entries.clone();
    Effect::new(move |before: Option<()>| {
        let Some(row) = current.map(|current| current.get()) else { return };
        if before.is_some() {
            for entry in &follow {
                entry.rebase(&row.body, untrack(|| entry.is_dirty()));
            }
            etag.set_value(Some(row.etag));
        }
    });
    let form = NodeRef::<html::Form>::new();
    let prefix = format!("{}-{}", thing.kind, if is_new { "new" } else { "edit" });
    let list = StoredValue::new(entries);
    let show_summary = move || {
        request_animation_frame(move || {
            if let Some(summary) = summary.get_untracked() {
                let _ = summary.focus();
            }
        });
    };

    let save = move || {
        if busy.get_untracked() || !editable || newer.with_untracked(Option::is_some) {
            return;
        }
        failure.set(None);
        let mut fields = if is_new { settled.clone() } else { Map::new() };
        let mut sound = true;
        list.with_value(|entries| {
            for entry in entries {
                let dirty = untrack(|| entry.is_dirty());
                // Some JSON is required only where other fields say so; the server knows.
                let blank =
                    entry.field.kind == FieldKind::Json && entry.raw.with_untracked(|raw| raw.trim().is_empty());
                if is_new && blank {
                    entry.error.set(None);
                    continue;
                }
                match entry.raw.with_untracked(|raw| to_value(entry.field, raw)) {
                    Ok(Value::Null) if is_new => entry.error.set(None),
                    Ok(value) => {
                        entry.error.set(None);
                        if dirty {
                            fields.insert(entry.field.name.to_owned(), value);
                        }
                    }
                    Err(message) => {
                        sound = false;
                        entry.error.set(Some(message));
                    }
                }
            }
        });
        if !sound {
            return show_summary();
        }
        if !is_new && fields.is_empty() {
            return toasts.info("Nothing was changed.");
        }
        busy.set(true);
        let id = id.clone();
        spawn_local(async move {
            let answer = match saver {
                Some(saver) => saver.run(fields).await,
                None => api::save_thing(thing.kind.to_owned(), id, etag.get_value(), fields).await,
            };
            let _ = busy.try_set(false);
            match answer {
                Ok(row) => {
                    let _ =
                        list.try_with_value(|entries| entries.iter().for_each(|entry| entry.rebase(&row.body, is_new)));
                    let _ = etag.try_set_value(Some(row.etag.clone()));
                    if is_new {
                        let _ = done.try_set(true);
                        toasts.good(format!("Created the {} “{}”.", thing.one, title(thing, &row)));
                    } else {
                        toasts.good(format!("Saved “{}”.", title(thing, &row)));
                    }
                    on_saved.run(row);
                }
                Err(AppError::Stale { current }) => {
                    let _ = newer.try_set(Some(*current));
                }
                Err(error) => {
                    let rest = list.try_with_value(|entries| place(entries, error)).flatten();
                    let _ = failure.try_set(rest);
                    show_summary();
                }
            }
        });
    };
    let save = Callback::new(move |()| save());

    if is_new {
        // The dialog gives the focus to its close button.
        Effect::new(move |_| {
            let Some(form) = form.get() else { return };
            set_timeout(
                move || {
                    let first = form.query_selector("input, textarea, select, [aria-haspopup=listbox]").ok().flatten();
                    if let Some(first) = first.and_then(|first| first.dyn_into::<web_sys::HtmlElement>().ok()) {
                        let _ = first.focus();
                    }
                },
                std::time::Duration::from_millis(60),
            );
        });
    }

    // Ctrl S, for the form on top.
    Effect::new(move |_| {
        let handle = window_event_listener(ev::keydown, move |event| {
            if !(event.ctrl_key() || event.meta_key()) || event.shift_key() || !event.key().eq_ignore_ascii_case("s") {
                return;
            }
            let Some(form) = form.get_untracked() else { return };
            let on_top = match document().query_selector("dialog[open]").ok().flatten() {
                Some(dialog) => dialog.contains(Some(&form)),
                None => true,
            };
            if on_top {
                event.prevent_default();
                save.run(());
            }
        });
        on_cleanup(move || handle.remove());
    });

    let keep_mine = move |row: ThingRow| {
        list.with_value(|entries| {
            for entry in entries {
                entry.rebase(&row.body, untrack(|| entry.is_dirty()));
            }
        });
        etag.set_value(Some(row.etag));
        newer.set(None);
        save.run(());
    };
    let take_theirs = move |row: ThingRow| {
        list.with_value(|entries| entries.iter().for_each(|entry| entry.rebase(&row.body, false)));
        etag.set_value(Some(row.etag.clone()));
        newer.set(None);
        on_saved.run(row);
    };
    let reset = move |_| {
        list.with_value(|entries| {
            for entry in entries {
                entry.raw.set(entry.base.get_untracked());
                entry.error.set(None);
            }
        });
        failure.set(None);
    };

    let prefix_ = prefix.clone();
    let draw = move |entry: &Entry| {
        let wide = matches!(entry.field.kind, FieldKind::Text | FieldKind::Words | FieldKind::Json);
        view! {
            <div class=if wide { "min-w-0 @lg:col-span-2" } else { "min-w-0" }>
                <FieldView field=entry.field prefix=prefix_.clone() raw=entry.raw error=entry.error />
            </div>
        }
        .into_any()
    };
    // Free JSON is for the few who need it.
    let is_aside = |entry: &&Entry| {
        entry.field.kind == FieldKind::Json && entry.field.role == FieldRole::Optional && parts(entry.field).is_none()
    };
    let main = list.with_value(|entries| entries.iter().filter(|entry| !is_aside(entry)).map(&draw).collect_view());
    let aside = list.with_value(|entries| entries.iter().filter(is_aside).map(&draw).collect::<Vec<_>>());
    let aside_has_errors = move || {
        list.with_value(|entries| entries.iter().any(|entry| is_aside(&entry) && entry.error.with(Option::is_some)))
    };
    view! {
        <form
            node_ref=form
            novalidate
            class="@container flex min-w-0 flex-col gap-5"
            aria-label=format!("{} {}", if is_new { "New" } else { "Edit" }, thing.one)
            on:submit=move |event| {
                event.prevent_default();
                save.run(());
            }
        >
            <Summary entries=list failure prefix node=summary />
            {move || {
                newer
                    .get()
                    .map(|row| {
                        let (mine, theirs) = (row.clone(), row.clone());
                        view! {
                            <Conflict
                                entries=list.get_value()
                                row
                                on_mine=move |()| keep_mine(mine.clone())
                                on_theirs=move |()| take_theirs(theirs.clone())
                            />
                        }
                    })
            }}
            {(!editable)
                .then(|| {
                    view! {
                        <p class="flex items-start gap-2 rounded-md border border-line bg-sunken p-3 text-muted">
                            <Icon glyph=Glyph::Lock class="mt-0.5 size-4 shrink-0" />
                            "You may look at this, but not change it."
                        </p>
                    }
                })}
            <fieldset disabled=!editable class="contents">
                <div class="grid min-w-0 grid-cols-1 items-start gap-5 @lg:grid-cols-2">{main}</div>
                {(!aside.is_empty())
                    .then(|| {
                        view! {
                            <details class="group rounded-md border border-line" prop:open=move || aside_has_errors().then_some(true)>
                                <summary class="flex min-h-9 items-center gap-2 rounded-md px-3 font-medium hover:bg-hover">
                                    <span class="transition-transform group-open:rotate-90"><Icon glyph=Glyph::ChevronRight /></span>
                                    "Advanced"
                                    <span class="text-sm font-normal text-muted">"JSON for special needs"</span>
                                </summary>
                                <div class="flex flex-col gap-5 border-t border-line p-3">{aside}</div>
                            </details>
                        }
                    })}
            </fieldset>
            {editable
                .then(|| {
                    view! {
                        <div class="sticky -bottom-4 z-10 -mx-4 -mb-4 flex flex-wrap items-center justify-end gap-2 rounded-b-lg border-t border-line bg-raised px-4 py-3">
                            <span class="me-auto flex items-center" aria-live="polite">
                                {move || {
                                    unsaved
                                        .get()
                                        .then(|| {
                                            view! {
                                                <Badge tone=Tone::Warn icon=Glyph::Edit>
                                                    "Unsaved changes"
                                                </Badge>
                                            }
                                        })
                                }}
                            </span>
                            {on_cancel.map(|on_cancel| view! { <Button on_click=move |_| on_cancel.run(())>"Cancel"</Button> })}
                            {move || (!is_new && unsaved.get()).then(|| view! { <Button on_click=reset>"Discard"</Button> })}
                            <Button variant=ButtonVariant::Primary submit=true busy>
                                {if is_new { format!("Create {}", thing.one) } else { "Save changes".to_owned() }}
                                <span class="hidden gap-0.5 md:flex [&_kbd]:border-transparent [&_kbd]:bg-transparent [&_kbd]:text-on-accent/80">
                                    <Kbd keys="Ctrl S" />
                                </span>
                            </Button>
                        </div>
                    }
                })}
        </form>
    }
    .into_any()
}
