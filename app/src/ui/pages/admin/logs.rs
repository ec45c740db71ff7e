use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use serde_json::{Map, Value};

use crate::{
    api,
    types::{LogFilter, LogLine, Page, config::ThingRow},
    ui::{
        kit::{
            Badge, Button, ButtonSize, ButtonVariant, CodeView, Col, CopyButton, Glyph, Icon, Load, Select, Switch,
            TableSkeleton, Time, Tone, format, table::export, use_toasts,
        },
        layout,
        live::clock::wall_us,
        pages::{
            admin::records::{Part, Records, Shown, choices, reader, row, word},
            things::{Names, RefPicker, escape},
        },
    },
};

const PAGE: u32 = 100;
const HOUR_US: i64 = 3_600_000_000;
/// How often new lines are looked for while the page is live.
const LIVE: Duration = Duration::from_secs(2);
/// Lines that a live page keeps.
const KEPT: usize = 1_000;

#[derive(Debug, Clone, Default, PartialEq)]
struct Asked {
    level: String,
    instance: String,
    request: String,
    q: String,
    hours: String,
}

impl Asked {
    fn query(&self) -> String {
        let parts: Vec<String> = [
            ("level", &self.level),
            ("instance", &self.instance),
            ("request", &self.request),
            ("q", &self.q),
            ("hours", &self.hours),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
        if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
    }

    fn filter(&self, now_us: i64) -> LogFilter {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        LogFilter {
            level: some(&self.level),
            instance_id: some(&self.instance),
            request_id: some(&self.request),
            q: some(&self.q),
            from_us: self.hours.parse::<i64>().ok().map(|hours| now_us - hours * HOUR_US),
            limit: PAGE,
            ..LogFilter::default()
        }
    }
}

const LEVELS: &[(&str, &str)] = &[
    ("", "Any level"),
    ("ERROR", "Errors"),
    ("WARN,ERROR", "Warnings and errors"),
    ("INFO,WARN,ERROR", "Information and above"),
    ("DEBUG", "Debug"),
];
const RANGES: &[(&str, &str)] =
    &[("", "Any time"), ("1", "Last hour"), ("24", "Last 24 hours"), ("168", "Last 7 days")];

fn part(page: Page<LogLine>) -> Part {
    (page.items.into_iter().map(|line| row(line.log_id.clone(), line)).collect(), page.next)
}

fn level(level: &str) -> (Tone, Glyph) {
    match level {
        "ERROR" => (Tone::Bad, Glyph::CrossCircle),
        "WARN" => (Tone::Warn, Glyph::Warning),
        "INFO" => (Tone::Accent, Glyph::Info),
        _ => (Tone::Neutral, Glyph::Code),
    }
}

fn columns() -> Vec<Col> {
    vec![
        Col::text("message", "Message"),
        Col::drawn("level", "Level", |row| {
            let text = word(&row.body, "level");
            let (tone, icon) = level(&text);
            view! { <Badge tone icon>{text}</Badge> }.into_any()
        }),
        Col::text("component", "Component"),
        Col::text("instance_id", "Instance"),
        Col::drawn("at_us", "When", |row| {
            let at_us = row.body.get("at_us").and_then(Value::as_i64).unwrap_or_default();
            view! { <Time at_us /> }.into_any()
        }),
        Col::drawn("request_id", "Request", |row| {
            let id = word(&row.body, "request_id");
            view! { <code class="text-muted">{id.chars().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<String>()}</code> }.into_any()
        }),
    ]
}

/// `/admin/logs`: what the platform says about itself.
#[component]
pub fn LogsPage() -> impl IntoView {
    Names::provide();
    let query = use_query_map();
    let navigate = StoredValue::new(use_navigate());
    let asked = Memo::new(move |_| {
        query.with(|query| {
            let get = |name: &str| query.get(name).unwrap_or_default();
            Asked {
                level: get("level"),
                instance: get("instance"),
                request: get("request"),
                q: get("q"),
                hours: get("hours"),
            }
        })
    });
    let change = move |replace: bool, change: &dyn Fn(&mut Asked)| {
        let mut new = asked.get_untracked();
        change(&mut new);
        let options = NavigateOptions { replace, scroll: false, ..Default::default() };
        navigate.with_value(|navigate| navigate(&format!("/admin/logs{}", new.query()), options));
    };
    let list = Resource::new_blocking(move || asked.get(), |asked| api::logs(asked.filter(wall_us())));
    let instance = RwSignal::new(asked.with_untracked(|asked| asked.instance.clone()));
    Effect::new(move |_| instance.set(asked.with(|asked| asked.instance.clone())));
    Effect::new(move |before: Option<()>| {
        let chosen = instance.get();
        if before.is_some() && chosen != asked.with_untracked(|asked| asked.instance.clone()) {
            change(false, &|asked| asked.instance.clone_from(&chosen));
        }
    });
    let version = StoredValue::new(0u32);
    let typed = move |text: String| {
        version.update_value(|version| *version += 1);
        let mine = version.get_value();
        let set = move || {
            if version.try_get_value() == Some(mine) {
                change(true, &|asked| text.trim().clone_into(&mut asked.q));
            }
        };
        set_timeout(set, Duration::from_millis(300));
    };
    let live = RwSignal::new(false);
    let draw = move |page: Page<LogLine>| view! { <Lines page asked live /> };
    view! {
        <layout::Page
            title="Logs"
            lead="What the platform says about itself, without secrets. Calls of models are in the history."
            wide=true
            actions=move || {
                view! { <Switch id="logs-live" label="Live" checked=live on_change=move |on| live.set(on) /> }
            }
        >
            <section class="min-w-0 rounded-lg border border-line bg-surface" aria-label="Logs">
                <div class="flex flex-wrap items-center gap-2 border-b border-line p-2">
                    <div class="relative min-w-48 flex-1 md:max-w-80">
                        <span class="pointer-events-none absolute inset-y-0 start-2 flex items-center text-muted">
                            <Icon glyph=Glyph::Search />
                        </span>
                        <input
                            type="search"
                            class="h-8 w-full rounded-md border border-control bg-surface ps-8 pe-2"
                            placeholder="Search messages"
                            aria-label="Search messages"
                            autocomplete="off"
                            value=asked.with_untracked(|asked| asked.q.clone())
                            prop:value=move || asked.with(|asked| asked.q.clone())
                            on:input:target=move |event| typed(event.target().value())
                        />
                    </div>
                    <div class="min-w-36 flex-1 sm:max-w-52 sm:flex-none">
                        <Select
                            label="Level"
                            small=true
                            options=choices(LEVELS)
                            value=Signal::derive(move || asked.with(|asked| asked.level.clone()))
                            on_change=move |value: String| change(false, &|asked| asked.level.clone_from(&value))
                        />
                    </div>
                    <div class="min-w-36 flex-1 sm:max-w-44 sm:flex-none">
                        <Select
                            label="Time"
                            small=true
                            options=choices(RANGES)
                            value=Signal::derive(move || asked.with(|asked| asked.hours.clone()))
                            on_change=move |value: String| change(false, &|asked| asked.hours.clone_from(&value))
                        />
                    </div>
                    <div class="min-w-36 flex-1 sm:w-44 sm:flex-none [&>div>button]:h-8">
                        <RefPicker id="logs-instance" label="Instance" kind="instance" raw=instance clear=true placeholder="Instance: any" />
                    </div>
                    {move || {
                        asked
                            .with(|asked| *asked != Asked::default())
                            .then(|| {
                                view! {
                                    <Button
                                        size=ButtonSize::Small
                                        variant=ButtonVariant::Ghost
                                        icon=Glyph::Cross
                                        on_click=move |_| change(false, &|asked| *asked = Asked::default())
                                    >
                                        "Clear"
                                    </Button>
                                }
                            })
                    }}
                </div>
                <Load resource=list view=draw skeleton=ViewFn::from(|| view! { <TableSkeleton /> }) />
            </section>
        </layout::Page>
    }
}

#[component]
fn Lines(page: Page<LogLine>, asked: Memo<Asked>, live: RwSignal<bool>) -> impl IntoView {
    let toasts = use_toasts();
    let shown = Shown::new(part(page));
    let Shown { rows, next } = shown;
    // New lines come on top; what is there stays where it is.
    Effect::new(move |_| {
        if !live.get() {
            return;
        }
        let look = move || {
            if document().hidden() {
                return;
            }
            spawn_local(async move {
                let Some(asked) = asked.try_get_untracked() else { return };
                let Ok((found, _)) = api::logs(asked.filter(wall_us())).await.map(part) else { return };
                let _ = rows.try_update(|rows| {
                    let is_new = |row: &ThingRow| rows.first().is_none_or(|first| first.id != row.id);
                    let new: Vec<ThingRow> = found.into_iter().take_while(is_new).collect();
                    rows.splice(0..0, new);
                    rows.truncate(KEPT);
                });
            });
        };
        if let Ok(timer) = set_interval_with_handle(look, LIVE) {
            on_cleanup(move || timer.clear());
        }
    });
    let read = reader(move |after| {
        let filter = LogFilter { after: Some(after), ..asked.get_untracked().filter(wall_us()) };
        async move { api::logs(filter).await.map(part) }
    });
    let save = move |_| {
        let bodies: Vec<Map<String, Value>> =
            rows.with_untracked(|rows| rows.iter().map(|row| row.body.clone()).collect());
        if export::download("logs.json", "application/json", &serde_json::to_string_pretty(&bodies).unwrap_or_default())
            .is_err()
        {
            toasts.bad("The browser did not save the file.");
        }
    };
    let nothing = move || {
        if next.with(Option::is_some) {
            ("Nothing so far", "Older lines may match: load more.")
        } else if asked.with(|asked| *asked != Asked::default()) {
            ("Nothing matches", "There may be lines that the filters leave out.")
        } else {
            ("No lines yet", "Lines are written within a few seconds.")
        }
    };
    let actions = move || {
        view! {
            <Button size=ButtonSize::Small icon=Glyph::Download on_click=save>
                "Export"
            </Button>
        }
    };
    view! {
        <Records
            one="line"
            many="lines"
            caption="Logs"
            shown
            read
            columns=columns()
            link="message"
            nothing=Signal::derive(nothing)
            icon=Glyph::List
            title=|_| "Log line".to_owned()
            sheet=|row: ThingRow| view! { <Line row /> }.into_any()
            actions
        />
    }
}

#[component]
fn Line(row: ThingRow) -> impl IntoView {
    let body = row.body;
    let text = word(&body, "level");
    let (tone, icon) = level(&text);
    let at_us = body.get("at_us").and_then(Value::as_i64).unwrap_or_default();
    let line = |label: &'static str, text: String| {
        (!text.is_empty()).then(|| {
            let copy = text.clone();
            view! {
                <div class="min-w-0">
                    <dt class="text-sm text-muted">{label}</dt>
                    <dd class="flex items-center gap-1">
                        <code class="min-w-0 flex-1 wrap-anywhere">{text}</code>
                        <CopyButton text=copy label=format!("Copy {}", label.to_lowercase()) compact=true />
                    </dd>
                </div>
            }
        })
    };
    let request = word(&body, "request_id");
    let same = (!request.is_empty()).then(|| format!("/admin/logs?request={}", escape(&request)));
    view! {
        <div class="flex flex-col gap-4">
            <p class="flex flex-wrap items-center gap-2">
                <Badge tone icon>{text}</Badge>
                <span class="text-muted">{format::utc(at_us)}</span>
            </p>
            <p class="font-medium wrap-anywhere">{word(&body, "message")}</p>
            <dl class="flex flex-col gap-3">
                {line("Component", word(&body, "component"))} {line("Request id", request)}
                {line("Instance", word(&body, "instance_id"))} {line("User", word(&body, "user_id"))}
            </dl>
            {same.map(|href| view! { <p><a class="text-link underline" href=href>"All lines of this request"</a></p> })}
            {body
                .get("metadata")
                .and_then(Value::as_object)
                .filter(|metadata| !metadata.is_empty())
                .map(|metadata| {
                    view! { <CodeView label="More" text=serde_json::to_string_pretty(metadata).unwrap_or_default() wrap=true /> }
                })}
        </div>
    }
    .into_any()
}
