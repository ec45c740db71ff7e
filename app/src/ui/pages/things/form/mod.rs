//! The one form: makes a thing and edits it, drawn from its description.

use std::pin::Pin;

use leptos::{ev, html, prelude::*, task::spawn_local};
use serde_json::{Map, Value, json};
use wasm_bindgen::JsCast;

use super::{
    conflict::Conflict,
    fields::FieldView,
    names::title,
    values::{is_given, to_text, to_value},
};
use crate::{
    api,
    error::AppError,
    types::config::{Field, FieldKind, FieldRole, Thing, ThingRow},
    ui::{
        kit::{Badge, Button, ButtonVariant, ErrorCard, Glyph, Icon, Kbd, Tone, use_toasts},
        layout::use_frame,
    },
};

/// Makes a thing of these fields.
pub type Saver = Callback<Map<String, Value>, Pin<Box<dyn Future<Output = Result<ThingRow, AppError>> + Send>>>;

/// A field of the form and what stands in it.
#[derive(Clone, Copy)]
pub struct Entry {
    pub field: &'static Field,
    pub raw: RwSignal<String>,
    /// What stood there when it was last equal to the server's.
    pub base: RwSignal<String>,
    pub error: RwSignal<Option<String>>,
}

impl Entry {
    fn new(field: &'static Field, body: &Map<String, Value>) -> Self {
        let text = to_text(field.kind, body.get(field.name).unwrap_or(&Value::Null));
        Self { field, raw: RwSignal::new(text.clone()), base: RwSignal::new(text), error: RwSignal::new(None) }
    }

    pub fn is_dirty(&self) -> bool {
        self.raw.with(|raw| self.base.with(|base| raw != base))
    }

    /// Takes what a body says as the server's state; what is not `kept` shows it.
    pub fn rebase(&self, body: &Map<String, Value>, kept: bool) {
        let text = to_text(self.field.kind, body.get(self.field.name).unwrap_or(&Value::Null));
        if !kept {
            self.raw.set(text.clone());
        }
        self.base.set(text);
    }
}

/// The field of an id that who makes a thing chooses.
fn chosen_id(thing: &Thing) -> Option<&'static Field> {
    const fn id(name: &'static str, label: &'static str) -> Field {
        let help = "Lower-case letters, digits, hyphens, dots and underscores. It stays as it is.";
        Field { name, label, help, kind: FieldKind::Line, role: FieldRole::Fixed }
    }
    static ID: Field = id("id", "Id");
    static KEY: Field = id("key", "Key");
    match thing.id {
        "key" if thing.named => Some(&KEY),
        "id" if thing.named => Some(&ID),
        _ => None,
    }
}

/// A mapping to begin with.
fn skeleton() -> Value {
    json!({
        "endpoint": "/v1/generate",
        "method": "POST",
        "headers": { "Authorization": "Bearer {api_key}" },
        "body": { "model": "{model}", "prompt": "{user_prompt}", "max_tokens": "{max_tokens:int}" },
        "response_mapping": { "text": "$.output.text", "tokens_used": "$.usage.total_tokens" },
        "defaults": { "max_tokens": 1000 },
    })
}

/// What a new thing has where nobody said otherwise.
fn defaults(thing: &Thing) -> Map<String, Value> {
    let on = |field: &&Field| field.kind == FieldKind::Flag && field.name == "is_active";
    let mut body: Map<String, Value> =
        thing.fields.iter().filter(on).map(|field| (field.name.to_owned(), Value::Bool(true))).collect();
    if thing.kind == "model-config" {
        body.insert("capabilities".to_owned(), json!({ "text": true }));
        body.insert("payload_mapping".to_owned(), skeleton());
    }
    for (name, value) in [("role", "user"), ("status", "active"), ("level", "user")] {
        if thing.field(name).is_some_and(|field| matches!(field.kind, FieldKind::Choice(_))) {
            body.insert(name.to_owned(), value.into());
        }
    }
    body
}

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
    let is_aside = |entry: &&Entry| entry.field.kind == FieldKind::Json && entry.field.role == FieldRole::Optional;
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

/// Puts the server's complaints to their fields; answers what belongs to none.
fn place(entries: &[Entry], error: AppError) -> Option<AppError> {
    let errors = match error {
        AppError::Invalid { field, message } => vec![(field, message)],
        AppError::Fields { errors } => errors,
        other => return Some(other),
    };
    let mut rest = None;
    for (name, message) in errors {
        // The field may be a path into JSON: `payload_mapping.endpoint` or `/payload_mapping/endpoint`.
        let first = name.trim_start_matches('/').split(['.', '/', '[']).next().unwrap_or_default();
        match entries.iter().find(|entry| entry.field.name == first) {
            Some(entry) => entry.error.set(Some(message)),
            None => rest = Some(AppError::Invalid { field: name, message }),
        }
    }
    rest
}

/// What has to be changed, with links to the fields; takes the focus when it appears.
#[component]
fn Summary(
    entries: StoredValue<Vec<Entry>>,
    failure: RwSignal<Option<AppError>>,
    prefix: String,
    node: NodeRef<html::Div>,
) -> impl IntoView {
    let faults = move || {
        entries.with_value(|entries| {
            entries.iter().filter_map(|entry| Some((entry.field, entry.error.get()?))).collect::<Vec<_>>()
        })
    };
    view! {
        <div node_ref=node tabindex="-1" class="rounded-lg empty:hidden">
            {move || failure.get().map(|error| view! { <ErrorCard error /> })}
            {move || {
                let faults = faults();
                (!faults.is_empty())
                    .then(|| {
                        view! {
                            <div role="alert" class="rounded-lg border border-bad/40 bg-bad-soft p-3">
                                <p class="flex items-center gap-2 font-medium text-bad">
                                    <Icon glyph=Glyph::Warning />
                                    {match faults.len() {
                                        1 => "One field has to be changed".to_owned(),
                                        count => format!("{count} fields have to be changed"),
                                    }}
                                </p>
                                <ul class="mt-1 list-disc ps-6">
                                    {faults
                                        .into_iter()
                                        .map(|(field, message)| {
                                            view! {
                                                <li>
                                                    <a class="text-link underline" href=format!("#{prefix}-{}", field.name)>
                                                        {field.label}
                                                    </a>
                                                    ": "
                                                    {message}
                                                </li>
                                            }
                                        })
                                        .collect_view()}
                                </ul>
                            </div>
                        }
                    })
            }}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::config::{INSTANCE, MODEL};

    #[test]
    fn complaints_find_their_fields() {
        let owner = Owner::new();
        owner.with(|| {
            let entries: Vec<Entry> = MODEL.fields.iter().map(|field| Entry::new(field, &Map::new())).collect();
            let errors = vec![
                ("payload_mapping.body".to_owned(), "wrong".to_owned()),
                ("nowhere".to_owned(), "lost".to_owned()),
            ];
            let rest = place(&entries, AppError::Fields { errors });
            assert_eq!(rest, Some(AppError::Invalid { field: "nowhere".into(), message: "lost".into() }));
            let told: Vec<&str> = entries
                .iter()
                .filter(|entry| entry.error.with_untracked(Option::is_some))
                .map(|entry| entry.field.name)
                .collect();
            assert_eq!(told, ["payload_mapping"]);
            assert_eq!(place(&entries, AppError::Unauthorized), Some(AppError::Unauthorized));
        });
    }

    #[test]
    fn new_things_are_active() {
        assert_eq!(defaults(&MODEL).get("status"), Some(&Value::from("active")));
        assert!(defaults(&INSTANCE).is_empty());
    }
}
