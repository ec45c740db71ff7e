//! `/admin/audit`: who changed what.

mod differences;
mod entries;

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use serde_json::json;

pub use self::differences::Differences;
use self::entries::Entries;
use crate::{
    api,
    types::{AuditQuery, AuditRecord, Page as Part, Role},
    ui::{
        kit::{
            Button, ButtonSize, ButtonVariant, Glyph, Load, Select, TableSkeleton, format, table::export, use_toasts,
        },
        layout::Page,
        live::clock::wall_us,
        me::use_me,
        pages::{
            admin::records::choices,
            things::{Names, RefPicker, escape},
        },
    },
};

const PAGE: u32 = 50;
const EXPORT_MOST: usize = 10_000;
const HOUR_US: i64 = 3_600_000_000;

/// What the list can be narrowed to, as the address says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
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
    let draw = move |page: Part<AuditRecord>| view! { <Entries page asked /> };
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
                            options=choices(ACTIONS)
                            value=Signal::derive(move || asked.with(|asked| asked.action.clone()))
                            on_change=move |value: String| change(&|asked| asked.action.clone_from(&value))
                        />
                    </div>
                    <div class="min-w-36 flex-1 sm:max-w-44 sm:flex-none">
                        <Select
                            label="Time"
                            small=true
                            options=choices(RANGES)
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
                                        options=choices(&[("", "My organization"), (PLATFORM, "Platform")])
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
    let draw = move |page: Part<AuditRecord>| view! { <Entries page asked /> };
    view! {
        <section class="min-w-0 rounded-lg border border-line bg-surface" aria-label="History">
            <Load resource=list view=draw skeleton=ViewFn::from(|| view! { <TableSkeleton /> }) />
        </section>
    }
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
            let mut rows: Vec<AuditRecord> = Vec::new();
            let failure = loop {
                match api::audit_log(filter.clone()).await {
                    Ok(part) => {
                        rows.extend(part.items);
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
