use leptos::prelude::*;

use crate::{
    api,
    types::SystemStatus,
    ui::{
        kit::{Badge, Card, Cell, Column, Glyph, LinkButton, Load, Row, Stat, Table, Time, Tone, format},
        layout::Page,
    },
};

/// `/admin/system`: version, database, configuration and health of this process.
#[component]
pub fn SystemPage() -> impl IntoView {
    let status = Resource::new_blocking(|| (), |()| api::load_system());
    let actions = || {
        view! {
            <LinkButton href="/health/ready" icon=Glyph::CheckCircle external=true>
                "Readiness"
            </LinkButton>
        }
    };
    view! {
        <Page title="System" lead="What is running here, and on what." actions>
            <Load resource=status view=|status: SystemStatus| view! { <Status status /> } />
        </Page>
    }
}

/// `12.3 MB`
fn size(bytes: i64) -> String {
    let bytes = bytes.max(0) as f64;
    match bytes {
        small if small < 1e6 => format!("{:.0} kB", small / 1e3),
        middle if middle < 1e9 => format!("{:.1} MB", middle / 1e6),
        large => format!("{:.2} GB", large / 1e9),
    }
}

#[component]
fn Status(status: SystemStatus) -> impl IntoView {
    let line = |label: &'static str, content: AnyView| {
        view! {
            <div class="flex flex-wrap justify-between gap-x-4 py-2">
                <dt class="text-muted">{label}</dt>
                <dd class="min-w-0 text-end wrap-anywhere">{content}</dd>
            </div>
        }
    };
    let production = status.environment == "production";
    let uptime = format::span(status.now_us - status.started_us);
    let current = status.pending == 0;
    view! {
        <dl class="grid grid-cols-2 gap-4 rounded-lg border border-line bg-surface p-4 sm:grid-cols-3 lg:grid-cols-5">
            {status
                .counts
                .clone()
                .into_iter()
                .map(|(kind, count)| {
                    let mut label = kind;
                    if let Some(first) = label.get_mut(0..1) {
                        first.make_ascii_uppercase();
                    }
                    view! { <Stat label value=format::count(count) /> }
                })
                .collect_view()}
        </dl>
        <div class="grid min-w-0 grid-cols-1 gap-6 lg:grid-cols-2">
            <Card title="Process">
                <dl class="-my-2 divide-y divide-line">
                    {line("Version", status.version.into_any())}
                    {line(
                        "Environment",
                        view! {
                            <Badge tone=if production { Tone::Warn } else { Tone::Neutral }>{status.environment}</Badge>
                        }
                            .into_any(),
                    )} {line("Address", view! { <code>{status.public_url}</code> }.into_any())}
                    {line(
                        "Running since",
                        view! {
                            <Time at_us=status.started_us absolute=true />
                            " ("
                            {uptime}
                            ")"
                        }
                            .into_any(),
                    )}
                    {line(
                        "Simulator",
                        if status.simulation { "answers where no credential is" } else { "off" }.into_any(),
                    )} {line("Configuration version", format::count(status.configuration_version.unsigned_abs()).into_any())}
                </dl>
            </Card>
            <Card title="Data">
                <dl class="-my-2 divide-y divide-line">
                    {line("Database", status.database.into_any())} {line("Size", size(status.database_bytes).into_any())}
                    {line("Folder", view! { <code>{status.data_folder}</code> }.into_any())}
                    {line("Requests are kept for", format!("{} days", status.log_retention_days).into_any())}
                    {line("Usage is kept for", format!("{} days", status.usage_retention_days).into_any())}
                    {line(
                        "Schema",
                        if current {
                            view! { <Badge tone=Tone::Good icon=Glyph::Check>"up to date"</Badge> }.into_any()
                        } else {
                            view! {
                                <Badge tone=Tone::Bad icon=Glyph::Warning>
                                    {format!("{} migrations are missing", status.pending)}
                                </Badge>
                            }
                                .into_any()
                        },
                    )}
                </dl>
            </Card>
        </div>
        <Card title="Migrations" lead="Changes of the schema that this database has, newest first." flush=true>
            <Table caption="Migrations" columns=vec![Column::text("Version"), Column::text("Name")]>
                {status
                    .migrations
                    .into_iter()
                    .map(|(version, name)| {
                        view! {
                            <Row>
                                <Cell label="Version">{version}</Cell>
                                <Cell label="Name">{name}</Cell>
                            </Row>
                        }
                    })
                    .collect_view()}
            </Table>
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
