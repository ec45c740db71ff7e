//! The page of one thing: what it is, its form, what belongs to it.

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use serde_json::{Map, Value};

use super::{
    cells,
    form::ThingForm,
    list::ThingList,
    names::{Names, names_of, title},
    panels,
    remove::RemoveDialog,
    specs::Spec,
};
use crate::{
    api,
    error::AppError,
    types::config::{FieldKind, FieldRole, Thing, ThingRow},
    ui::{
        kit::{
            Button, ButtonVariant, Card, CopyButton, Glyph, Icon, LinkButton, Load, Tab, Tabs, Time, after_hydration,
            format,
        },
        layout::Page,
    },
};

type Found = (ThingRow, Vec<(String, String, String)>);

async fn find((spec, id): (&'static Spec, String)) -> Result<Found, AppError> {
    let row = api::thing_by_id(spec.thing.kind.to_owned(), id).await?;
    let names = names_of(spec.thing, std::slice::from_ref(&row)).await;
    Ok((row, names))
}

/// `/admin/users/<id>` and its like.
#[component]
pub fn ThingDetail(spec: &'static Spec, id: String) -> impl IntoView {
    let names = Names::here();
    let found = Resource::new_blocking(move || id.clone(), move |id| find((spec, id)));
    let draw = move |(row, known): Found| {
        names.learn(known);
        view! { <Loaded spec row reload=move |()| found.refetch() /> }
    };
    view! { <Load resource=found view=draw /> }
}

/// A row with the state of its page: what of it changes after a save is a signal.
#[component]
fn Loaded(spec: &'static Spec, row: ThingRow, #[prop(into)] reload: Callback<()>) -> impl IntoView {
    let thing = spec.thing;
    let names = Names::here();
    let navigate = StoredValue::new(use_navigate());
    let current = RwSignal::new(row.clone());
    let row_id = row.id.clone();
    let removing = RwSignal::new(Vec::<ThingRow>::new());
    let heading = Signal::derive(move || {
        current.with(|row| match thing.kind {
            "rate-limit" => cells::scope_of_limit(&row.body, names),
            "instance-access" => {
                let text = |name: &str| row.body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                format!("{} in {}", names.of("user", &text("user_id")), names.of("instance", &text("instance_id")))
            }
            _ => title(thing, row),
        })
    });
    let editable = row.editable;
    let actions = move || {
        view! {
            {panels::actions(thing, current, reload)}
            {(editable && can_delete(thing))
                .then(|| {
                    let href = format!("{}?new=1&from={}", spec.path, super::specs::escape(&current.get_untracked().id));
                    view! {
                        <LinkButton href icon=Glyph::Copy>
                            "Duplicate"
                        </LinkButton>
                    }
                })}
            {(editable && can_delete(thing))
                .then(|| {
                    view! {
                        <Button icon=Glyph::Trash on_click=move |_| removing.set(vec![current.get_untracked()])>
                            "Delete"
                        </Button>
                    }
                })}
        }
    };
    let saved = Callback::new(move |row: ThingRow| current.set(row));
    view! {
        <Page title=heading actions wide=true>
            <p class="-mt-4">
                <a class="inline-flex items-center gap-1 text-link hover:underline" href=spec.path>
                    <Icon glyph=Glyph::ChevronLeft class="size-3.5" />
                    {spec.heading}
                </a>
            </p>
            <Body spec row current saved reload />
            <RemoveDialog
                thing
                rows=removing
                typed=spec.typed_delete
                on_removed=move |_| navigate.with_value(|navigate| navigate(spec.path, NavigateOptions::default()))
            on_restored=|()| ()
            back_to=format!("{}/{}", spec.path, super::specs::escape(&row_id))
        />
        </Page>
    }
    .into_any()
}

/// The form beside the facts, and tabs where there is more.
#[component]
fn Body(
    spec: &'static Spec,
    row: ThingRow,
    current: RwSignal<ThingRow>,
    saved: Callback<ThingRow>,
    reload: Callback<()>,
) -> impl IntoView {
    let thing = spec.thing;
    let extra = panels::tabs(thing);
    let main = {
        let row = row.clone();
        move || {
            let row = row.clone();
            view! {
                <div class="grid min-w-0 grid-cols-1 items-start gap-6 lg:grid-cols-[minmax(0,1fr)_20rem] lg:grid-rows-[auto_1fr]">
                    <div class="min-w-0 lg:row-span-2">
                        <Card title="Settings">
                            <ThingForm thing row current skip=panels::own_editor(thing) on_saved=saved />
                        </Card>
                    </div>
                    // On a phone it comes before the long form.
                    <div class="order-first min-w-0 empty:hidden lg:order-none">{panels::aside(thing, current)}</div>
                    <Facts spec current />
                </div>
            }
            .into_any()
        }
    };
    if spec.related.is_empty() && extra.is_empty() {
        return main();
    }
    let alive = RwSignal::new(false);
    Effect::new(move |_| {
        after_hydration(move || {
            let _ = alive.try_set(true);
        });
    });
    let query = use_query_map();
    let tabs: Vec<Tab> = std::iter::once(Tab::new("settings", "Settings"))
        .chain(extra.iter().map(|(key, label)| Tab::new(key, *label)))
        .chain(
            spec.related
                .iter()
                .filter_map(|(kind, _, label)| Some(Tab::new(super::specs::spec(kind)?.thing.kind, *label))),
        )
        .collect();
    let keys: Vec<&'static str> = tabs.iter().map(|tab| tab.key).collect();
    let selected = {
        let keys = keys.clone();
        Memo::new(move |_| {
            let wanted = query.with(|query| query.get("tab")).unwrap_or_default();
            keys.iter().find(|key| **key == wanted).copied().unwrap_or("settings").to_owned()
        })
    };
    let navigate = use_navigate();
    let select = move |key: String| {
        let here = format!("{}/{}", spec.path, super::specs::escape(&current.get_untracked().id));
        let query = if key == "settings" { String::new() } else { format!("?tab={key}") };
        navigate(&format!("{here}{query}"), NavigateOptions { scroll: false, replace: true, ..Default::default() });
    };
    let main = StoredValue::new(main);
    view! {
        <div class="flex min-w-0 flex-col gap-4">
            <Tabs id="thing" label="Parts of this page" tabs=Signal::stored(tabs) selected on_select=select />
            // The form stays while other tabs are looked at, with what was typed.
            <div
                role="tabpanel"
                id="thing-panel-settings"
                aria-labelledby="thing-tab-settings"
                hidden=move || selected.with(|selected| selected != "settings")
            >
                {main.with_value(|main| main())}
            </div>
            {extra
                .into_iter()
                .map(|(key, _)| {
                    let content = move || panels::panel(thing, key, current, saved, reload);
                    view! { <Part key selected alive content /> }
                })
                .collect_view()}
            {spec
                .related
                .iter()
                .filter_map(|(kind, field, _)| Some((super::specs::spec(kind)?, *field)))
                .map(|(related, field)| {
                    let content = move || {
                        view! { <Related spec=related field owner=current.get_untracked() /> }.into_any()
                    };
                    view! { <Part key=related.thing.kind selected alive content /> }
                })
                .collect_view()}
        </div>
    }
    .into_any()
}

/// A further tab: made when it is first looked at and kept then. It waits until the page is alive: what reads data inside
/// of what has read data cannot be woken up where the server drew it.
#[component]
fn Part(
    key: &'static str,
    #[prop(into)] selected: Signal<String>,
    alive: RwSignal<bool>,
    #[prop(into)] content: ViewFn,
) -> impl IntoView {
    let seen = Memo::new(move |before: Option<&bool>| {
        before == Some(&true) || (alive.get() && selected.with(|own| own == key))
    });
    view! {
        <div
            role="tabpanel"
            id=format!("thing-panel-{key}")
            aria-labelledby=format!("thing-tab-{key}")
            tabindex="0"
            class="min-w-0"
            hidden=move || selected.with(|selected| selected != key)
        >
            {move || seen.get().then(|| content.run())}
        </div>
    }
    .into_any()
}

/// What belongs to the thing, as a list of its own.
#[component]
fn Related(spec: &'static Spec, field: &'static str, owner: ThingRow) -> impl IntoView {
    let create = RwSignal::new(false);
    // An embedded limit or user of an instance belongs to the instance's organization, too.
    let mut copy = Map::new();
    if spec.thing.field("org_id").is_some_and(|field| field.role == FieldRole::Fixed)
        && let Some(org) = owner.body.get("org_id")
    {
        copy.insert("org_id".to_owned(), org.clone());
    }
    view! {
        <div class="flex min-w-0 flex-col gap-3">
            {owner.editable
                .then(|| {
                    view! {
                        <p>
                            <Button icon=Glyph::Plus on_click=move |_| create.set(true)>
                                {format!("New {}", spec.thing.one)}
                            </Button>
                        </p>
                    }
                })}
            <ThingList spec scope=vec![(field.to_owned(), owner.id)] inside=true create copy=Signal::stored(copy) />
        </div>
    }
    .into_any()
}

/// Id, owner, and what is told but not given.
#[component]
fn Facts(spec: &'static Spec, current: RwSignal<ThingRow>) -> impl IntoView {
    let thing = spec.thing;
    let names = Names::here();
    let moment = move |name: &'static str| {
        current.with(|row| row.body.get(name).and_then(Value::as_str).and_then(format::parse_utc)).map(|at_us| {
            view! { <Time at_us /> }
        })
    };
    let line = |label: &'static str, content: AnyView| {
        view! {
            <div class="min-w-0">
                <dt class="text-sm text-muted">{label}</dt>
                <dd class="wrap-anywhere">{content}</dd>
            </div>
        }
    };
    let id = current.get_untracked().id;
    view! {
        <Card title="Facts">
            <dl class="flex flex-col gap-3">
                {line(
                    "Id",
                    view! {
                        <span class="flex items-center gap-1">
                            <code class="min-w-0 flex-1 wrap-anywhere">{id.clone()}</code>
                            <CopyButton text=id label="Copy id" compact=true />
                        </span>
                    }
                        .into_any(),
                )}
                {move || {
                    current
                        .with(|row| {
                            thing
                                .fields
                                .iter()
                                .filter(|field| !field.role.is_changeable() && field.kind != FieldKind::Json)
                                .map(|field| {
                                    let value = row.body.get(field.name).unwrap_or(&Value::Null);
                                    line(field.label, cells::value(field.kind, field.name, value, names, true))
                                })
                                .collect_view()
                        })
                }}
                {line("Created", (move || moment("created_at")).into_any())}
                {line("Last change", (move || moment("updated_at")).into_any())}
            </dl>
        </Card>
    }
    .into_any()
}

/// Whether people may make things of this kind at all, and where.
pub fn can_create(spec: &Spec, role: crate::types::Role) -> bool {
    use crate::types::{Role, config::Owner};
    let least = match (spec.thing.owner, spec.thing.kind) {
        (_, "organization") | (Owner::Platform, _) => Role::Superadmin,
        (Owner::Organization, _) => Role::Admin,
        (Owner::Instance, _) => Role::User,
    };
    spec.thing.kind != "setting" && role >= least
}

/// Keys are revoked, settings stay.
pub fn can_delete(thing: &Thing) -> bool {
    !matches!(thing.kind, "api-key" | "setting")
}

/// The button that makes a new one.
#[component]
pub fn NewButton(spec: &'static Spec, create: RwSignal<bool>) -> impl IntoView {
    view! {
        <Button variant=ButtonVariant::Primary icon=Glyph::Plus on_click=move |_| create.set(true)>
            {format!("New {}", spec.thing.one)}
        </Button>
    }
}
