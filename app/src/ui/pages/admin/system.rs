use leptos::prelude::*;

use crate::{
    api,
    types::SystemState,
    ui::{
        kit::{Badge, Card, Cell, Column, Glyph, LinkButton, Load, Meter, Row, Stat, Table, Time, Tone, format},
        layout::Page,
    },
};

/// `/admin/system`: this server, its tasks and queues, the database, the storage, and the other servers beside it.
#[component]
pub fn SystemPage() -> impl IntoView {
    let state = Resource::new_blocking(|| (), |()| api::load_system());
    let actions = || {
        view! {
            <LinkButton href="/health/ready" icon=Glyph::CheckCircle external=true>
                "Readiness"
            </LinkButton>
        }
    };
    view! {
        <Page title="System" lead="What is running here, and on what." actions>
            <Load resource=state view=|state: SystemState| view! { <State state /> } />
        </Page>
    }
}

/// `12.3 MB`
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        small if small < 1e6 => format!("{:.0} kB", small / 1e3),
        middle if middle < 1e9 => format!("{:.1} MB", middle / 1e6),
        large => format!("{:.2} GB", large / 1e9),
    }
}

fn line(label: &'static str, content: AnyView) -> impl IntoView {
    view! {
        <div class="flex flex-wrap justify-between gap-x-4 py-2">
            <dt class="text-muted">{label}</dt>
            <dd class="min-w-0 text-end wrap-anywhere">{content}</dd>
        </div>
    }
}

#[component]
fn State(state: SystemState) -> impl IntoView {
    let production = state.environment == "production";
    let troubled = state.tasks.iter().filter(|task| task.state != "running").count();
    let alive = state.replicas.iter().filter(|replica| replica.alive).count();
    let uptime = format::span(state.now_us - state.started_us);
    let database = state.database;
    let storage = state.storage;
    let folder_size = storage.size_bytes.map_or_else(|| "unknown".to_owned(), size);
    let free = storage.free_bytes.map_or_else(|| "unknown".to_owned(), size);
    view! {
        <dl class="grid grid-cols-2 gap-4 rounded-lg border border-line bg-surface p-4 lg:grid-cols-4">
            <Stat label="Running for" value=uptime />
            <Stat
                label="Background tasks"
                value=format::count(state.tasks.len() as u64)
                note=if troubled == 0 { "all running".to_owned() } else { format!("{troubled} not running") }
                tone=if troubled == 0 { Tone::Neutral } else { Tone::Bad }
            />
            <Stat label="Servers" value=format::count(alive as u64) note="seen a moment ago".to_owned() />
            <Stat label="Free on disk" value=free />
        </dl>
        <div class="grid min-w-0 grid-cols-1 gap-6 lg:grid-cols-2">
            <Card title="Process">
                <dl class="-my-2 divide-y divide-line">
                    {line("Version", state.version.into_any())}
                    {line(
                        "Environment",
                        view! { <Badge tone=if production { Tone::Warn } else { Tone::Neutral }>{state.environment}</Badge> }.into_any(),
                    )} {line("Server", view! { <code>{state.replica_id}</code> }.into_any())}
                    {line("Running since", view! { <Time at_us=state.started_us absolute=true /> }.into_any())}
                </dl>
            </Card>
            <Card title="Data">
                <dl class="-my-2 divide-y divide-line">
                    {line("Database", if database.kind == "postgres" { "PostgreSQL" } else { "SQLite" }.into_any())}
                    {line("Size", size(database.size_bytes).into_any())}
                    {line(
                        "Configuration version",
                        format::count(database.configuration_version.unsigned_abs()).into_any(),
                    )}
                    {line(
                        "Folder",
                        view! {
                            <code>{storage.folder}</code>
                            ", "
                            {folder_size}
                        }
                            .into_any(),
                    )}
                </dl>
            </Card>
        </div>
        {(!state.queues.is_empty())
            .then(|| {
                view! {
                    <Card title="Queues" lead="Work that waits in memory to be written.">
                        <ul class="flex flex-col gap-3">
                            {state
                                .queues
                                .into_iter()
                                .map(|queue| {
                                    let share = queue.waiting as f64 / queue.capacity.max(1) as f64;
                                    let text = format!("{} of {}", format::count(queue.waiting), format::count(queue.capacity));
                                    let tone = if share > 0.8 { Tone::Bad } else { Tone::Accent };
                                    view! {
                                        <li class="grid gap-1">
                                            <span class="flex justify-between gap-4">
                                                <span>{queue.name.clone()}</span>
                                                <span class="text-muted tabular-nums">{text.clone()}</span>
                                            </span>
                                            <Meter label=queue.name share=Signal::stored(share) text tone />
                                        </li>
                                    }
                                })
                                .collect_view()}
                        </ul>
                    </Card>
                }
            })}
        <Card title="Background tasks" flush=true>
            <Table
                caption="Background tasks"
                columns=vec![Column::text("Task"), Column::text("State"), Column::text("Last run"), Column::text("Last error"), Column::number("Restarts")]
            >
                {state
                    .tasks
                    .into_iter()
                    .map(|task| {
                        let (tone, icon) = match task.state.as_str() {
                            "running" => (Tone::Good, Glyph::Check),
                            "restarting" => (Tone::Warn, Glyph::Refresh),
                            _ => (Tone::Bad, Glyph::CrossCircle),
                        };
                        view! {
                            <Row>
                                <Cell label="Task">
                                    <span class="font-medium">{task.name}</span>
                                </Cell>
                                <Cell label="State">
                                    <Badge tone icon>{task.state}</Badge>
                                </Cell>
                                <Cell label="Last run">{task.last_run_us.map(|at_us| view! { <Time at_us /> })}</Cell>
                                <Cell label="Last error">
                                    {task.last_error.map(|error| view! { <span class="text-bad wrap-anywhere">{error}</span> })}
                                </Cell>
                                <Cell label="Restarts" numeric=true>{task.restarts}</Cell>
                            </Row>
                        }
                    })
                    .collect_view()}
            </Table>
        </Card>
        <Card title="Servers" lead="Processes that work on this database." flush=true>
            <Table caption="Servers" columns=vec![Column::text("Server"), Column::text("Address"), Column::text("Version"), Column::text("Started"), Column::text("Seen")]>
                {state
                    .replicas
                    .into_iter()
                    .map(|replica| {
                        view! {
                            <Row>
                                <Cell label="Server">
                                    <span class="inline-flex flex-wrap items-center gap-2">
                                        <code>{replica.replica_id}</code>
                                        {(!replica.alive).then(|| view! { <Badge tone=Tone::Warn icon=Glyph::Stop>"gone"</Badge> })}
                                    </span>
                                </Cell>
                                <Cell label="Address">{replica.address}</Cell>
                                <Cell label="Version">{replica.version}</Cell>
                                <Cell label="Started"><Time at_us=replica.started_us /></Cell>
                                <Cell label="Seen"><Time at_us=replica.seen_us /></Cell>
                            </Row>
                        }
                    })
                    .collect_view()}
            </Table>
        </Card>
        <Card title="Migrations" lead="Changes of the schema that this database has.">
            <p class="flex flex-wrap gap-1">
                {database.migrations.into_iter().map(|name| view! { <Badge>{name}</Badge> }).collect_view()}
            </p>
        </Card>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        assert_eq!([900, 1_200_000, 3_450_000_000].map(super::size), ["1 kB", "1.2 MB", "3.45 GB"]);
    }
}
