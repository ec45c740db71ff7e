use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use serde_json::{Map, Value, json};

use crate::{
    api,
    types::{AuditQuery, AuditRecord, Page as Part, Role, config::ThingRow},
    ui::{
        kit::{
            Badge, Button, ButtonSize, ButtonVariant, CodeView, Col, DataTable, Dialog, DialogSide, DialogSize,
            EmptyState, Glyph, Icon, Load, Select, TableSkeleton, Time, Tone, format, table::export, use_toasts,
        },
        layout::{Page, use_frame},
        live::clock::wall_us,
        me::use_me,
        pages::things::{Names, RefPicker, escape, page_of},
    },
};

const PAGE: u32 = 50;
const EXPORT_MOST: usize = 10_000;
const HOUR_US: i64 = 3_600_000_000;

/// What the list can be narrowed to, as the address says it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Asked {
    action: String,
    target: String,
    target_id: String,
    actor: String,
    /// Hours back; empty: everything.
    hours: String,
    after: String,
    /// Whose log; empty: the own organization's.
    org: String,
}

/// In place of an organization: what all of them share.
const PLATFORM: &str = "platform";

const ACTIONS: &[(&str, &str)] = &[
    ("", "Any action"),
    ("user.signed_in", "Signed in"),
    ("user.", "Users"),
    ("api_key.", "API keys"),
    ("organization.", "Organizations"),
    ("instance.", "Instances"),
    ("project.", "Projects"),
    ("model_config.", "Models"),
    ("provider.", "Providers"),
    ("credential.", "Credentials"),
    ("rate_limit.", "Limits"),
    ("setting.", "Settings"),
];

const RANGES: &[(&str, &str)] =
    &[("", "Any time"), ("1", "Last hour"), ("24", "Last 24 hours"), ("168", "Last 7 days"), ("720", "Last 30 days")];

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, label)| ((*key).to_owned(), (*label).to_owned())).collect()
}

impl Asked {
    fn query(&self) -> String {
        let parts: Vec<String> = [
            ("action", &self.action),
            ("target", &self.target),
            ("target_id", &self.target_id),
            ("actor", &self.actor),
            ("hours", &self.hours),
            ("after", &self.after),
            ("org", &self.org),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
        if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
    }

    fn filter(&self, now_us: i64) -> AuditQuery {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        AuditQuery {
            org_id: some(&self.org).map(|org| if org == PLATFORM { String::new() } else { org }),
            actor_id: some(&self.actor),
            action: some(&self.action),
            target_type: some(&self.target),
            target_id: some(&self.target_id),
            since_us: self.hours.parse::<i64>().ok().map(|hours| now_us - hours * HOUR_US),
            until_us: None,
            after: some(&self.after),
            limit: PAGE,
        }
    }
}

/// A record as the table knows rows.
fn row(record: AuditRecord) -> ThingRow {
    let id = record.seq.to_string();
    let body = match serde_json::to_value(record) {
        Ok(Value::Object(body)) => body,
        _ => Map::new(),
    };
    ThingRow { id, etag: String::new(), editable: false, body }
}

fn word(body: &Map<String, Value>, name: &str) -> String {
    body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn columns() -> Vec<Col> {
    vec![
        Col::drawn("action", "Action", |row| view! { <code>{word(&row.body, "action")}</code> }.into_any()),
        Col::drawn("target_name", "What", |row| {
            let (kind, id, name) =
                (word(&row.body, "target_type"), word(&row.body, "target_id"), word(&row.body, "target_name"));
            let name = if name.is_empty() { id.clone() } else { name };
            match page_of(&kind.replace('_', "-"), &id) {
                Some(href) => {
                    view! { <a class="relative z-10 text-link hover:underline" href=href>{name}</a> }.into_any()
                }
                None => name.into_any(),
            }
        }),
        Col::drawn("actor_name", "Who", |row| {
            let kind = match word(&row.body, "actor_type").as_str() {
                "api_key" => Glyph::Key,
                "system" => Glyph::Cpu,
                _ => Glyph::User,
            };
            view! {
                <span class="inline-flex items-center gap-1.5">
                    <Icon glyph=kind class="size-4 shrink-0 text-muted" />
                    {word(&row.body, "actor_name")}
                </span>
            }
            .into_any()
        }),
        Col::drawn("outcome", "Outcome", |row| {
            let outcome = word(&row.body, "outcome");
            let (tone, icon) =
                if outcome == "succeeded" { (Tone::Good, Glyph::Check) } else { (Tone::Bad, Glyph::Lock) };
            view! { <Badge tone icon>{outcome}</Badge> }.into_any()
        }),
        Col::text("ip", "Address"),
        Col::drawn("time_us", "When", |row| {
            let at_us = row.body.get("time_us").and_then(Value::as_i64).unwrap_or_default();
            view! { <Time at_us /> }.into_any()
        }),
    ]
}

/// `/admin/audit`: who changed what, and whether the log is as it was written.
#[component]
pub fn AuditPage() -> impl IntoView {
    Names::provide();
    let query = use_query_map();
    let navigate = StoredValue::new(use_navigate());
    let asked = Memo::new(move |_| {
        query.with(|query| {
            let get = |name: &str| query.get(name).unwrap_or_default();
            Asked {
                action: get("action"),
                target: get("target"),
                target_id: get("target_id"),
                actor: get("actor"),
                hours: get("hours"),
                after: get("after"),
                org: get("org"),
            }
        })
    });
    let change = move |change: &dyn Fn(&mut Asked)| {
        let mut new = asked.get_untracked();
        new.after.clear();
        change(&mut new);
        let options = NavigateOptions { scroll: false, ..Default::default() };
        navigate.with_value(|navigate| navigate(&format!("/admin/audit{}", new.query()), options));
    };
    // The range counts back from the moment it is asked for; that is read in the browser and on the server alike.
    let list = Resource::new_blocking(move || asked.get(), |asked| api::audit_log(asked.filter(wall_us())));
    let actor = RwSignal::new(asked.with_untracked(|asked| asked.actor.clone()));
    Effect::new(move |_| actor.set(asked.with(|asked| asked.actor.clone())));
    Effect::new(move |before: Option<()>| {
        let chosen = actor.get();
        if before.is_some() && chosen != asked.with_untracked(|asked| asked.actor.clone()) {
            change(&|asked| asked.actor.clone_from(&chosen));
        }
    });
    let draw = move |part: Part<AuditRecord>| view! { <Entries part asked /> };
    let is_narrowed = move || asked.with(|asked| *asked != Asked::default());
    view! {
        <Page
            title="Audit log"
            lead="Who changed what, and from where. Entries cannot be changed: each carries the hash of the one before it."
            wide=true
            actions=move || view! { <Verify asked /> }
        >
            <section class="min-w-0 rounded-lg border border-line bg-surface" aria-label="Audit log">
                <div class="flex flex-wrap items-center gap-2 border-b border-line p-2">
                    <div class="min-w-36 flex-1 sm:max-w-44 sm:flex-none">
                        <Select
                            label="Action"
                            small=true
                            options=Signal::stored(pairs(ACTIONS))
                            value=Signal::derive(move || asked.with(|asked| asked.action.clone()))
                            on_change=move |value: String| change(&|asked| asked.action.clone_from(&value))
                        />
                    </div>
                    <div class="min-w-36 flex-1 sm:max-w-44 sm:flex-none">
                        <Select
                            label="Time"
                            small=true
                            options=Signal::stored(pairs(RANGES))
                            value=Signal::derive(move || asked.with(|asked| asked.hours.clone()))
                            on_change=move |value: String| change(&|asked| asked.hours.clone_from(&value))
                        />
                    </div>
                    {use_me()
                        .is_some_and(|me| me.role == Role::Superadmin)
                        .then(|| {
                            view! {
                                <div class="min-w-36 flex-1 sm:max-w-44 sm:flex-none">
                                    <Select
                                        label="Whose"
                                        small=true
                                        options=Signal::stored(pairs(&[("", "My organization"), (PLATFORM, "Platform")]))
                                        value=Signal::derive(move || asked.with(|asked| asked.org.clone()))
                                        on_change=move |value: String| change(&|asked| asked.org.clone_from(&value))
                                    />
                                </div>
                            }
                        })}
                    <div class="min-w-36 flex-1 sm:w-44 sm:flex-none [&>div>button]:h-8">
                        <RefPicker id="audit-actor" label="Who" kind="user" raw=actor clear=true placeholder="Who: anybody" />
                    </div>
                    {move || {
                        is_narrowed()
                            .then(|| {
                                view! {
                                    <Button
                                        size=ButtonSize::Small
                                        variant=ButtonVariant::Ghost
                                        icon=Glyph::Cross
                                        on_click=move |_| change(&|asked| *asked = Asked::default())
                                    >
                                        "Clear"
                                    </Button>
                                }
                            })
                    }}
                    <span class="ms-auto">
                        <ExportButton asked />
                    </span>
                </div>
                <Load resource=list view=draw skeleton=ViewFn::from(|| view! { <TableSkeleton /> }) />
            </section>
        </Page>
    }
}

/// What was done to one thing.
#[component]
pub fn History(
    kind: &'static str,
    id: String,
    /// Whose log it is in: empty for the platform's, `None` for the own organization's.
    org: Option<String>,
) -> impl IntoView {
    let org = org.map(|org| if org.is_empty() { PLATFORM.to_owned() } else { org }).unwrap_or_default();
    let asked = Asked { target: kind.replace('-', "_"), target_id: id, org, ..Asked::default() };
    let list = Resource::new(
        {
            let asked = asked.clone();
            move || asked.clone()
        },
        |asked| api::audit_log(asked.filter(wall_us())),
    );
    let asked = Memo::new(move |_| asked.clone());
    let draw = move |part: Part<AuditRecord>| view! { <Entries part asked /> };
    view! {
        <section class="min-w-0 rounded-lg border border-line bg-surface" aria-label="History">
            <Load resource=list view=draw skeleton=ViewFn::from(|| view! { <TableSkeleton /> }) />
        </section>
    }
}

#[component]
fn Entries(part: Part<AuditRecord>, asked: Memo<Asked>) -> impl IntoView {
    let frame = use_frame();
    let toasts = use_toasts();
    let rows = RwSignal::new(part.items.into_iter().map(row).collect::<Vec<_>>());
    let next = RwSignal::new(part.next);
    let busy = RwSignal::new(false);
    let open = RwSignal::new(false);
    let shown = RwSignal::new(None::<ThingRow>);
    let more = move |_| {
        let Some(after) = next.get_untracked().filter(|_| !busy.get_untracked()) else { return };
        busy.set(true);
        let filter = AuditQuery { after: Some(after), ..asked.get_untracked().filter(wall_us()) };
        spawn_local(async move {
            match api::audit_log(filter).await {
                Ok(part) => {
                    let _ = rows.try_update(|rows| rows.extend(part.items.into_iter().map(row)));
                    let _ = next.try_set(part.next);
                }
                Err(error) => toasts.bad(error.to_string()),
            }
            let _ = busy.try_set(false);
        });
    };
    let show = move |event: leptos::ev::MouseEvent| {
        use wasm_bindgen::JsCast;
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let link = target.and_then(|target| target.closest("[data-row-link]").ok().flatten());
        let Some(href) = link.and_then(|link| link.get_attribute("href")) else { return };
        let id = href.trim_start_matches("#entry-").to_owned();
        event.prevent_default();
        event.stop_propagation();
        shown.set(rows.with_untracked(|rows| rows.iter().find(|row| row.id == id).cloned()));
        open.set(true);
    };
    view! {
        {move || {
            if rows.with(Vec::is_empty) {
                let narrowed = asked.with_untracked(|asked| *asked != Asked::default());
                let (title, text) = if narrowed {
                    ("Nothing matches", "There may be entries that the filters leave out.")
                } else {
                    ("No entries yet", "Changes of the configuration and sign-ins are written here.")
                };
                view! { <EmptyState icon=Glyph::Shield title text /> }.into_any()
            } else {
                view! {
                    <div on:click=show>
                        <DataTable
                            caption="Audit log"
                            columns=Signal::stored(columns())
                            rows
                            title="action"
                            href=|id: String| format!("#entry-{id}")
                            keys=frame.single_keys
                            height="md:max-h-[calc(100dvh-16rem)]"
                        />
                    </div>
                }
                    .into_any()
            }
        }}
        <div class="flex flex-wrap items-center justify-between gap-2 border-t border-line px-4 py-2 text-sm text-muted">
            <span>{move || format!("{} entries", rows.with(Vec::len))}</span>
            {move || {
                next.with(Option::is_some)
                    .then(|| {
                        view! {
                            <Button size=ButtonSize::Small busy on_click=more>
                                "Load more"
                            </Button>
                        }
                    })
            }}
        </div>
        <Dialog
            id="audit-entry"
            open
            title=move || shown.with(|shown| shown.as_ref().map(|row| word(&row.body, "action")).unwrap_or_default())
            side=DialogSide::End
            size=DialogSize::Large
        >
            {move || shown.get().map(|row| view! { <Entry row /> })}
        </Dialog>
    }
    .into_any()
}

/// What changed, and where it came from.
#[component]
fn Entry(row: ThingRow) -> impl IntoView {
    let body = row.body;
    let line = |label: &'static str, text: String| {
        (!text.is_empty()).then(|| {
            view! {
                <div class="min-w-0">
                    <dt class="text-sm text-muted">{label}</dt>
                    <dd class="wrap-anywhere">{text}</dd>
                </div>
            }
        })
    };
    let at_us = body.get("time_us").and_then(Value::as_i64).unwrap_or_default();
    let details = body.get("details").cloned().unwrap_or_default();
    view! {
        <div class="flex flex-col gap-5">
            <dl class="grid grid-cols-1 gap-3 sm:grid-cols-2">
                {line("Who", format!("{} ({})", word(&body, "actor_name"), word(&body, "actor_type").replace('_', " ")))}
                {line("When", format::utc(at_us))} {line("What", word(&body, "target_name"))}
                {line("Id", word(&body, "target_id"))} {line("Address", word(&body, "ip"))}
                {line("Request id", word(&body, "request_id"))} {line("Program", word(&body, "user_agent"))}
                {line("Number in the log", row.id)}
            </dl>
            <Differences details=details.clone() />
            <CodeView label="Details" text=serde_json::to_string_pretty(&details).unwrap_or_default() wrap=true />
            <p class="text-sm text-muted">"Hash: " <code class="wrap-anywhere">{word(&body, "hash")}</code></p>
        </div>
    }
}

/// The fields that differ between `before` and `after` of an object.
#[component]
pub fn Differences(
    details: Value,
    #[prop(default = "Before")] before: &'static str,
    #[prop(default = "After")] after: &'static str,
    /// What stands where nothing differs.
    #[prop(default = "")]
    none: &'static str,
) -> impl IntoView {
    let changes = differences(&details);
    if changes.is_empty() {
        return view! { <p class="text-muted empty:hidden">{none}</p> }.into_any();
    }
    view! {
        <div class="flex flex-col gap-2">
            {changes
                .into_iter()
                .map(|(field, old, new)| {
                    view! {
                        <div class="overflow-hidden rounded-md border border-line">
                            <p class="border-b border-line bg-sunken px-3 py-1 text-sm font-medium">{field}</p>
                            <div class="grid sm:grid-cols-2">
                                <Side sign="−" word=before text=old tone="bg-bad-soft" />
                                <Side sign="+" word=after text=new tone="bg-good-soft" />
                            </div>
                        </div>
                    }
                })
                .collect_view()}
        </div>
    }
    .into_any()
}

#[component]
fn Side(sign: &'static str, word: &'static str, text: Option<String>, tone: &'static str) -> impl IntoView {
    let class = if text.is_some() { format!("min-w-0 p-2 {tone}") } else { "min-w-0 p-2".to_owned() };
    view! {
        <div class=class>
            <p class="text-xs text-muted"><span aria-hidden="true">{sign} " "</span> {word}</p>
            <pre class="whitespace-pre-wrap wrap-anywhere">{text.unwrap_or_else(|| "–".to_owned())}</pre>
        </div>
    }
}

/// The fields of `{"before", "after"}` that differ, with both values.
fn differences(details: &Value) -> Vec<(String, Option<String>, Option<String>)> {
    let side = |name: &str| details.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (side("before"), side("after"));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(serde_json::to_string_pretty(other).unwrap_or_default()),
    };
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| (name.clone(), text(before.get(name)), text(after.get(name))))
        .filter(|(_, before, after)| before.is_some() || after.is_some())
        .collect()
}

/// Walks the whole log and says whether it is as it was written.
#[component]
fn Verify(asked: Memo<Asked>) -> impl IntoView {
    let toasts = use_toasts();
    let busy = RwSignal::new(false);
    let verify = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let org = asked.get_untracked().filter(0).org_id;
        spawn_local(async move {
            match api::verify_audit_log(org).await {
                Ok(proof) => match proof.broken {
                    None => toasts.good(format!(
                        "All {} entries are as they were written.",
                        format::count(proof.entries.unsigned_abs())
                    )),
                    Some((seq, why)) => toasts.bad(format!("Entry {seq} is not as it was written: {why}")),
                },
                Err(error) => toasts.bad(error.to_string()),
            }
            let _ = busy.try_set(false);
        });
    };
    view! {
        <Button icon=Glyph::Shield busy on_click=verify>
            "Verify the chain"
        </Button>
    }
}

#[component]
fn ExportButton(asked: Memo<Asked>) -> impl IntoView {
    let toasts = use_toasts();
    let busy = RwSignal::new(false);
    let run = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let mut filter = AuditQuery { limit: 200, after: None, ..asked.get_untracked().filter(wall_us()) };
        spawn_local(async move {
            let mut rows = Vec::new();
            let failure = loop {
                match api::audit_log(filter.clone()).await {
                    Ok(part) => {
                        rows.extend(part.items.into_iter().map(|record| row(record).body));
                        filter.after = part.next;
                        if filter.after.is_none() || rows.len() >= EXPORT_MOST {
                            break None;
                        }
                    }
                    Err(error) => break Some(error.to_string()),
                }
            };
            let saved = failure.map_or(Ok(()), Err).and_then(|()| {
                export::download("audit-log.json", "application/json", &json!(rows).to_string())
                    .map_err(|_| "The browser did not save the file.".to_owned())
            });
            match saved {
                Ok(()) => toasts.good(format!("Exported {} entries.", rows.len())),
                Err(why) => toasts.bad(why),
            }
            let _ = busy.try_set(false);
        });
    };
    view! {
        <Button size=ButtonSize::Small icon=Glyph::Download busy on_click=run>
            "Export"
        </Button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let details = json!({ "before": { "name": "a", "x": 1, "same": true }, "after": { "name": "b", "same": true, "y": null } });
        assert_eq!(
            differences(&details),
            [
                ("name".to_owned(), Some("a".to_owned()), Some("b".to_owned())),
                ("x".to_owned(), Some("1".to_owned()), None)
            ]
        );
        assert!(differences(&json!({ "why": "x" })).is_empty());
    }
}
