//! The states that a model was in.

use leptos::{prelude::*, task::spawn_local};
use serde_json::{Value, json};

use crate::{
    api,
    error::AppError,
    types::config::{ModelVersion, ThingRow},
    ui::{
        kit::{Button, ButtonVariant, EmptyState, ErrorCard, Glyph, Load, Skeleton, Time, use_toasts},
        pages::admin::Differences,
    },
};

#[component]
pub fn Versions(row: RwSignal<ThingRow>, saved: Callback<ThingRow>, reload: Callback<()>) -> impl IntoView {
    let id = StoredValue::new(row.with_untracked(|row| row.id.clone()));
    let list = Resource::new(move || row.with(|row| row.etag.clone()), move |_| api::model_versions(id.get_value()));
    let chosen = RwSignal::new(None::<i64>);
    let draw = move |versions: Vec<ModelVersion>| {
        if versions.is_empty() {
            return view! {
                <EmptyState
                    icon=Glyph::History
                    title="No versions yet"
                    text="Each change of the model is kept here and can be brought back."
                />
            }
            .into_any();
        }
        let newest = versions.first().map(|version| version.version);
        view! {
            <ol class="divide-y divide-line">
                {versions
                    .into_iter()
                    .map(|version| {
                        let number = version.version;
                        view! {
                            <li class="px-4 py-2">
                                <div class="flex flex-wrap items-center gap-x-3 gap-y-1">
                                    <span class="font-medium">"Version " {number}</span>
                                    <span class="min-w-0 flex-1 text-muted">
                                        {version.actor_name} ", " <Time at_us=version.created_us />
                                    </span>
                                    <Button
                                        variant=ButtonVariant::Ghost
                                        on_click=move |_| {
                                            chosen.update(|chosen| *chosen = (*chosen != Some(number)).then_some(number));
                                        }
                                    >
                                        {move || if chosen.get() == Some(number) { "Hide" } else { "Compare with now" }}
                                    </Button>
                                </div>
                                {move || {
                                    (chosen.get() == Some(number))
                                        .then(|| {
                                            view! { <Comparison id version=number is_newest=newest == Some(number) row saved reload /> }
                                        })
                                }}
                            </li>
                        }
                    })
                    .collect_view()}
            </ol>
        }
        .into_any()
    };
    view! {
        <section class="min-w-0 rounded-lg border border-line bg-surface" aria-label="Versions">
            <Load resource=list view=draw />
        </section>
    }
}

/// What was otherwise in a version, and the way back to it.
#[component]
fn Comparison(
    id: StoredValue<String>,
    version: i64,
    is_newest: bool,
    row: RwSignal<ThingRow>,
    saved: Callback<ThingRow>,
    reload: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let loaded = RwSignal::new(None::<Result<ModelVersion, AppError>>);
    let busy = RwSignal::new(false);
    Effect::new(move |_| {
        spawn_local(async move {
            let answer = api::load_model_version(id.get_value(), version).await;
            let _ = loaded.try_set(Some(answer));
        });
    });
    let restore = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            match api::restore_model_version(id.get_value(), version).await {
                Ok(row) => {
                    toasts.good(format!("The model is again what it was in version {version}."));
                    saved.run(row);
                    reload.run(());
                }
                Err(error) => toasts.bad(error.to_string()),
            }
            let _ = busy.try_set(false);
        });
    };
    view! {
        <div class="flex flex-col gap-3 py-2">
            {move || match loaded.get() {
                None => view! { <Skeleton lines=2 /> }.into_any(),
                Some(Err(error)) => view! { <ErrorCard error /> }.into_any(),
                Some(Ok(found)) => {
                    let now: Value = row.with(|row| Value::Object(row.body.clone()));
                    let details = json!({ "before": found.body.unwrap_or_default(), "after": now });
                    view! { <Differences details before="Then" after="Now" none="Nothing differs from the present state." /> }
                        .into_any()
                }
            }}
            {(!is_newest && row.with_untracked(|row| row.editable))
                .then(|| {
                    view! {
                        <p>
                            <Button icon=Glyph::History busy on_click=restore>
                                "Make this the present state"
                            </Button>
                        </p>
                    }
                })}
        </div>
    }
    .into_any()
}
