//! The entries of the log: their list, and one of them in full.

use leptos::prelude::*;
use serde_json::Value;

use super::{Asked, Differences};
use crate::{
    api,
    types::{AuditQuery, AuditRecord, Page, config::ThingRow},
    ui::{
        kit::{Badge, CodeView, Col, DialogSize, Glyph, Icon, Time, Tone, format},
        live::clock::wall_us,
        pages::{
            admin::records::{Part, Records, Shown, reader, row, word},
            things::page_of,
        },
    },
};

fn part(page: Page<AuditRecord>) -> Part {
    (page.items.into_iter().map(|record| row(record.seq.to_string(), record)).collect(), page.next)
}

/// An id as people tell ids apart: by its end.
fn short(id: &str) -> String {
    const KEPT: usize = 12;
    match id.char_indices().rev().nth(KEPT - 1) {
        Some((at, _)) if at > KEPT => format!("…{}", &id[at..]),
        _ => id.to_owned(),
    }
}

fn columns() -> Vec<Col> {
    vec![
        Col::drawn("action", "Action", |row| view! { <code>{word(&row.body, "action")}</code> }.into_any()),
        Col::drawn("target_name", "What", |row| {
            let (kind, id, name) =
                (word(&row.body, "target_type"), word(&row.body, "target_id"), word(&row.body, "target_name"));
            let name = if name.is_empty() || name == id { short(&id) } else { name };
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

/// Entries that the log was asked for.
#[component]
pub fn Entries(page: Page<AuditRecord>, asked: Memo<Asked>) -> impl IntoView {
    let read = reader(move |after| {
        let filter = AuditQuery { after: Some(after), ..asked.get_untracked().filter(wall_us()) };
        async move { api::audit_log(filter).await.map(part) }
    });
    let nothing = move || {
        if asked.with(|asked| *asked != Asked::default()) {
            ("Nothing matches", "There may be entries that the filters leave out.")
        } else {
            ("No entries yet", "Changes of the configuration and sign-ins are written here.")
        }
    };
    view! {
        <Records
            one="entry"
            many="entries"
            caption="Audit log"
            shown=Shown::new(part(page))
            read
            columns=columns()
            link="action"
            nothing=Signal::derive(nothing)
            icon=Glyph::Shield
            title=|row: ThingRow| word(&row.body, "action")
            sheet=|row: ThingRow| view! { <Entry row /> }.into_any()
            size=DialogSize::Large
        />
    }
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
