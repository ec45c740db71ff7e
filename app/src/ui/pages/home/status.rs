use leptos::prelude::*;

use crate::{
    types::Overview,
    ui::{
        kit::{Badge, Card, Clock, CopyButton, Glyph, Icon, Stat, Tone, format},
        me::use_me,
    },
};

/// One line: what is running.
#[component]
pub fn Status(overview: RwSignal<Overview>, stale: RwSignal<bool>) -> impl IntoView {
    let me = use_me();
    let clock = use_context::<Clock>();
    let uptime = move || {
        let now = clock.and_then(|clock| clock.0.get());
        overview.with(|overview| {
            let up = now.unwrap_or(overview.now_us).max(overview.now_us) - overview.started_us;
            format::span(up)
        })
    };
    let base = Signal::derive(move || overview.with(|overview| format!("{}/v1", overview.base_url)));
    let fact = |name: &'static str, value: AnyView| {
        view! {
            <div class="flex items-center gap-1.5">
                <dt class="text-muted">{name}</dt>
                <dd class="font-medium">{value}</dd>
            </div>
        }
    };
    view! {
        <section aria-label="What is running" class="flex flex-wrap items-center gap-x-4 gap-y-1 rounded-lg border border-line bg-surface px-4 py-1.5 shadow-card">
            <p role="status">
                {move || {
                    if stale.get() {
                        view! { <Badge tone=Tone::Warn icon=Glyph::Warning>"Not updating: the server does not answer"</Badge> }
                    } else {
                        view! { <Badge tone=Tone::Good icon=Glyph::CheckCircle>"Running"</Badge> }
                    }
                }}
            </p>
            <dl class="flex flex-wrap items-center gap-x-4 gap-y-1">
                {me
                    .map(|me| {
                        let environment = if me.environment == "production" { "Production" } else { "Development" };
                        view! {
                            {fact("Version", me.version.into_any())}
                            {fact("Environment", environment.into_any())}
                            {fact("Simulator", if me.simulation { "on" } else { "off" }.into_any())}
                        }
                    })}
                {fact(
                    "Database",
                    (move || overview.with(|overview| if overview.database == "postgres" { "PostgreSQL" } else { "SQLite" })).into_any(),
                )} {fact("Up", uptime.into_any())}
            </dl>
            <div class="flex min-w-0 items-center gap-1.5 2xl:ms-auto">
                <span class="flex text-muted" title="Base URL">
                    <Icon glyph=Glyph::Link />
                    <span class="sr-only">"Base URL"</span>
                </span>
                <code class="truncate">{move || base.get()}</code>
                <CopyButton text=base label="Copy base URL" compact=true />
            </div>
        </section>
    }
}

/// The numbers of the last 24 hours.
#[component]
pub fn Totals(overview: RwSignal<Overview>) -> impl IntoView {
    let of = move |read: fn(&Overview) -> String| Signal::derive(move || overview.with(read));
    view! {
        <Card title="Last 24 hours" lead="All calls of this instance, from the console and by API key.">
            <dl class="grid grid-cols-2 gap-4 sm:grid-cols-3 xl:grid-cols-5">
                <Stat label="Requests" value=of(|o| format::compact(o.totals.requests)) />
                <Stat
                    label="Failed"
                    value=of(|o| format::compact(o.totals.failed))
                    note=of(|o| match (o.totals.failed, o.totals.requests) {
                        (_, 0) | (0, _) => String::new(),
                        (failed, all) => format!("{:.1} % of all", failed as f64 * 100.0 / all as f64),
                    })
                />
                <Stat
                    label="Tokens"
                    value=of(|o| format::compact(o.totals.input_tokens + o.totals.output_tokens))
                    note=of(|o| {
                        format!("{} in, {} out", format::compact(o.totals.input_tokens), format::compact(o.totals.output_tokens))
                    })
                />
                <Stat label="Cost" value=of(|o| format::money(o.totals.cost_micro_usd)) />
                <Stat
                    label="Mean latency"
                    value=of(|o| o.totals.mean_latency_us.map_or_else(|| "–".to_owned(), format::duration))
                />
            </dl>
        </Card>
    }
}
