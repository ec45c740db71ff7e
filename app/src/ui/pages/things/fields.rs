//! One control per kind of field. Every control edits a text (see `values`).

use leptos::{ev, html, prelude::*, task::spawn_local};
use serde_json::Value;

use super::{
    names::{Names, title},
    objects::{ObjectField, parts},
    values::{json_error, offset_of},
};
use crate::{
    api,
    types::config::{self, Field, FieldKind, FieldRole, ThingFilter, thing},
    ui::kit::{
        self, Button, ButtonSize, ButtonVariant, Choice, Combobox, FieldWiring, Glyph, IconButton, Input, Select,
        Switch, Textarea,
    },
};

/// The label, the control, the help and the error of a field. `prefix` makes ids unique on the page.
#[component]
pub fn FieldView(
    field: &'static Field,
    #[prop(into)] prefix: String,
    raw: RwSignal<String>,
    #[prop(into)] error: Signal<Option<String>>,
) -> impl IntoView {
    let id = format!("{prefix}-{}", field.name);
    if field.kind == FieldKind::Flag {
        return view! {
            <Switch
                id=id
                label=field.label
                hint=field.help
                checked=Signal::derive(move || raw.with(|raw| raw == "true"))
                on_change=move |on: bool| raw.set(on.to_string())
            />
        }
        .into_any();
    }
    if let Some(parts) = parts(field) {
        return view! { <ObjectField field parts id raw error /> }.into_any();
    }
    // Made inside the field, so that the control finds its label.
    let id_ = id.clone();
    let control = move || {
        match field.kind {
        FieldKind::Email => view! { <Input value=raw kind="email" autocomplete="off" /> }.into_any(),
        FieldKind::Url => view! { <Input value=raw kind="url" autocomplete="off" placeholder="https://…" /> }.into_any(),
        FieldKind::Text => view! { <Textarea value=raw rows=4 mono=field.name == "template" /> }.into_any(),
        FieldKind::Whole(_) => view! { <Input value=raw inputmode="numeric" autocomplete="off" /> }.into_any(),
        FieldKind::Number => view! { <Input value=raw inputmode="decimal" autocomplete="off" /> }.into_any(),
        FieldKind::Money => {
            view! {
                <span class="relative block">
                    <span class="pointer-events-none absolute inset-y-0 start-2.5 flex items-center text-muted" aria-hidden="true">"$"</span>
                    <span class="block [&_input]:ps-6">
                        <Input value=raw inputmode="decimal" autocomplete="off" placeholder="No budget" />
                    </span>
                </span>
            }
            .into_any()
        }
        FieldKind::Time => view! { <Input value=raw kind="datetime-local" /> }.into_any(),
        FieldKind::Choice(options) => {
            view! { <ChoiceControl options required=field.role.is_required() raw /> }.into_any()
        }
        FieldKind::Json => view! { <JsonControl raw /> }.into_any(),
        FieldKind::Words => view! { <WordsControl name=field.name label=field.label raw /> }.into_any(),
        FieldKind::Ref(kind) => {
            let clear = !field.role.is_required();
            view! { <RefPicker id=id_.clone() label=field.label kind raw clear /> }.into_any()
        }
        FieldKind::Line | FieldKind::Flag => view! { <Input value=raw autocomplete="off" /> }.into_any(),
    }
    };
    let help = match field.kind {
        FieldKind::Time => format!("{} Time zone: UTC.", field.help),
        _ => field.help.to_owned(),
    };
    let required = matches!(field.role, FieldRole::Required | FieldRole::Fixed);
    view! {
        <kit::Field id=id label=field.label hint=help error=error required=required>
            {control()}
        </kit::Field>
    }
    .into_any()
}

#[component]
fn ChoiceControl(options: &'static [&'static str], required: bool, raw: RwSignal<String>) -> impl IntoView {
    let blank = if required { "Choose…" } else { "Not set" };
    let options: Vec<(String, String)> = std::iter::once((String::new(), blank.to_owned()))
        .chain(options.iter().map(|option| ((*option).to_owned(), (*option).to_owned())))
        .collect();
    view! { <Select options=Signal::stored(options) value=raw on_change=move |value| raw.set(value) /> }
}

/// A text area that says where the JSON is wrong, and goes there.
#[component]
pub fn JsonControl(
    raw: RwSignal<String>,
    #[prop(default = 6)] rows: u16,
    #[prop(default = "max-h-80")] height: &'static str,
) -> impl IntoView {
    let area = NodeRef::<html::Textarea>::new();
    let fault = Memo::new(move |_| {
        raw.with(|text| {
            let error =
                serde_json::from_str::<serde::de::IgnoredAny>(text).err().filter(|_| !text.trim().is_empty())?;
            Some((json_error(&error), offset_of(text, error.line(), error.column())))
        })
    });
    let go = move |at: u32| {
        if let Some(area) = area.get_untracked() {
            let _ = area.focus();
            let _ = area.set_selection_range(at, at + 1);
        }
    };
    let tidy = move |_| {
        if let Ok(value) = serde_json::from_str::<Value>(&raw.get_untracked()) {
            raw.set(serde_json::to_string_pretty(&value).unwrap_or_default());
        }
    };
    view! {
        <div class="flex min-w-0 flex-col gap-1">
            <Textarea value=raw rows mono=true height node_ref=area />
            <div class="flex min-h-7 flex-wrap items-center gap-2">
                <p class="min-w-0 flex-1 text-sm text-bad wrap-anywhere" role="status">
                    {move || fault.get().map(|(text, _)| text)}
                </p>
                {move || match fault.get() {
                    Some((_, at)) => {
                        view! {
                            <Button size=ButtonSize::Small on_click=move |_| go(at)>
                                "Go to the error"
                            </Button>
                        }
                            .into_any()
                    }
                    None => {
                        view! {
                            <Button size=ButtonSize::Small variant=ButtonVariant::Ghost on_click=tidy>
                                "Tidy up"
                            </Button>
                        }
                            .into_any()
                    }
                }}
            </div>
        </div>
    }
}

/// Words as chips; Enter or a comma ends one, Backspace in the empty field takes the last away.
#[component]
fn WordsControl(name: &'static str, label: &'static str, raw: RwSignal<String>) -> impl IntoView {
    let wiring = use_context::<FieldWiring>();
    let id = wiring.as_ref().map(|wiring| wiring.id.clone()).unwrap_or_default();
    let described_by = wiring.map_or(Signal::stored(None), |wiring| wiring.described_by);
    let draft = RwSignal::new(String::new());
    let words = move || {
        raw.with(|raw| {
            raw.lines().map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let write = move |words: Vec<String>| raw.set(words.join("\n"));
    let add = move || {
        let word = draft.get_untracked().trim().trim_end_matches(',').trim().to_owned();
        draft.set(String::new());
        let mut list = untrack(words);
        if !word.is_empty() && !list.contains(&word) {
            list.push(word);
            write(list);
        }
    };
    let remove = move |word: &str| {
        let mut list = untrack(words);
        list.retain(|other| other != word);
        write(list);
    };
    let keys = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "Enter" | "," if !event.ctrl_key() && !event.meta_key() => {
            event.prevent_default();
            add();
        }
        "Backspace" if draft.with_untracked(String::is_empty) => {
            let mut list = untrack(words);
            list.pop();
            write(list);
        }
        _ => {}
    };
    // What the platform knows: the scopes; model names come when the field is gone to.
    let known = RwSignal::new(if name == "scopes" {
        config::SCOPES.iter().map(|scope| (*scope).to_owned()).collect()
    } else {
        Vec::<String>::new()
    });
    let suggest = move |_| {
        if name == "allowed_models" && known.with_untracked(Vec::is_empty) {
            spawn_local(async move {
                if let Ok(models) = api::models(None).await {
                    let _ = known.try_set(models.into_iter().map(|model| model.id).collect());
                }
            });
        }
    };
    let list_id = format!("{id}-known");
    view! {
        <div class="flex min-h-9 flex-wrap items-center gap-1 rounded-md border border-control bg-surface p-1 focus-within:outline-2 focus-within:outline-focus">
            {move || {
                words()
                    .into_iter()
                    .map(|word| {
                        let own = word.clone();
                        view! {
                            <span class="inline-flex items-center rounded-sm border border-line bg-sunken ps-2 text-sm">
                                <span class="wrap-anywhere">{word.clone()}</span>
                                <IconButton
                                    icon=Glyph::Cross
                                    label=format!("Remove {word}")
                                    size=ButtonSize::Small
                                    on_click=move |_| remove(&own)
                                />
                            </span>
                        }
                    })
                    .collect_view()
            }}
            <input
                id=id
                list=list_id.clone()
                class="h-7 min-w-24 flex-1 bg-transparent px-1.5 outline-none"
                autocomplete="off"
                aria-describedby=move || described_by.get()
                placeholder=move || raw.with(|raw| raw.trim().is_empty()).then(|| format!("Add to {}", label.to_lowercase()))
                prop:value=move || draft.get()
                on:input:target=move |event| draft.set(event.target().value())
                on:focus=suggest
                on:keydown=keys
                on:blur=move |_| add()
            />
            <datalist id=list_id>
                {move || {
                    let taken = words();
                    known.get().into_iter().filter(|word| !taken.contains(word)).map(|word| view! { <option value=word></option> }).collect_view()
                }}
            </datalist>
        </div>
    }
}

/// Chooses another thing by its name.
#[component]
pub fn RefPicker(
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    /// What is chosen from.
    kind: &'static str,
    /// Its id; empty for none.
    raw: RwSignal<String>,
    /// Whether none is a choice.
    #[prop(optional)]
    clear: bool,
    #[prop(default = "Nothing chosen".into(), into)] placeholder: String,
) -> impl IntoView {
    let names = Names::here();
    let options = RwSignal::new(Vec::<Choice>::new());
    let version = StoredValue::new(0u32);
    let search = move |query: String| {
        version.update_value(|version| *version += 1);
        let mine = version.get_value();
        let wait = if query.is_empty() { 0 } else { 200 };
        set_timeout(
            move || {
                if version.try_get_value() != Some(mine) {
                    return;
                }
                spawn_local(async move {
                    let filter = ThingFilter { search: query.clone(), limit: 50, ..Default::default() };
                    let (Ok(page), Some(thing)) = (api::things(kind.to_owned(), filter).await, thing(kind)) else {
                        return;
                    };
                    if version.try_get_value() != Some(mine) {
                        return;
                    }
                    let none = clear.then(|| Choice { label: "None".to_owned(), ..Default::default() });
                    let found = page.rows.iter().map(|row| Choice {
                        value: row.id.clone(),
                        label: title(thing, row),
                        note: note(thing, row),
                        // The server found it; every word of the question counts as known.
                        keywords: query.clone(),
                        ..Default::default()
                    });
                    let _ = options.try_set(none.into_iter().chain(found).collect());
                });
            },
            std::time::Duration::from_millis(wait),
        );
    };
    // The name of what is chosen, when nobody told it yet.
    Effect::new(move |_| {
        let id = raw.get();
        if id.is_empty() || names.of(kind, &id) != id {
            return;
        }
        spawn_local(async move {
            if let (Ok(row), Some(thing)) = (api::thing_by_id(kind.to_owned(), id.clone()).await, thing(kind)) {
                names.learn(vec![(kind.to_owned(), id, title(thing, &row))]);
            }
        });
    });
    let shown = Signal::derive(move || {
        let id = raw.get();
        let mut options = options.get();
        if !id.is_empty() && !options.iter().any(|choice| choice.value == id) {
            options.push(Choice { label: names.of(kind, &id), value: id, ..Default::default() });
        }
        options
    });
    let value = Signal::derive(move || Some(raw.get()).filter(|id| !id.is_empty()));
    view! { <Combobox id label options=shown value placeholder on_search=search on_change=move |id| raw.set(id) /> }
}

/// What tells things of one name apart.
fn note(thing: &config::Thing, row: &config::ThingRow) -> String {
    let second = thing.fields.iter().find(|field| {
        field.name != thing.title
            && matches!(field.kind, FieldKind::Email | FieldKind::Line)
            && field.role != FieldRole::Optional
    });
    second.and_then(|field| row.body.get(field.name)?.as_str()).unwrap_or(&row.id).to_owned()
}
