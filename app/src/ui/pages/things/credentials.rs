//! The keys that an instance has for providers: entered, replaced, removed and tried, never shown.

use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    error::AppError,
    types::config::{CredentialSource, CredentialState, CredentialTest, ThingRow},
    ui::kit::{
        Badge, Button, ButtonSize, ButtonVariant, Cell, Column, Dialog, DialogSize, ErrorCard, Field, Glyph, Input,
        Load, Row, Table, Time, Tone, format, open_for, use_toasts,
    },
};

#[component]
pub fn Credentials(row: ThingRow) -> impl IntoView {
    let instance = StoredValue::new(row.id.clone());
    let editable = row.editable;
    let list = Resource::new(|| (), move |()| api::credentials(instance.get_value()));
    let entering = RwSignal::new(None::<CredentialState>);
    let removing = RwSignal::new(None::<CredentialState>);
    let changed = Callback::new(move |()| list.refetch());
    let draw = move |all: Vec<CredentialState>| {
        // What has a key comes first; the rest is what could have one.
        let (mut with, without): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|state| state.source != CredentialSource::Missing);
        with.extend(without);
        let columns = vec![
            Column::text("Provider"),
            Column::text("State"),
            Column::text("Key"),
            Column::text("Entered"),
            Column::text(""),
        ];
        view! {
            <Table caption="Credentials" columns>
                {with
                    .into_iter()
                    .map(|state| view! { <Line state instance editable entering removing /> })
                    .collect_view()}
            </Table>
        }
    };
    view! {
        <section class="min-w-0 rounded-lg border border-line bg-surface" aria-label="Credentials">
            <p class="border-b border-line px-4 py-3 text-muted">
                "Keys are encrypted where they are stored and never shown again. Where none is stored, the server's own environment is looked into."
            </p>
            <Load resource=list view=draw />
        </section>
        <EnterDialog instance state=entering changed />
        <RemoveDialog instance state=removing changed />
    }
    .into_any()
}

#[component]
fn Line(
    state: CredentialState,
    instance: StoredValue<String>,
    editable: bool,
    entering: RwSignal<Option<CredentialState>>,
    removing: RwSignal<Option<CredentialState>>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let tested = RwSignal::new(None::<Result<CredentialTest, AppError>>);
    let provider = StoredValue::new(state.provider.clone());
    let test = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            let answer = api::test_credential(instance.get_value(), provider.get_value()).await;
            let _ = tested.try_set(Some(answer));
            let _ = busy.try_set(false);
        });
    };
    let (tone, icon, word) = match state.source {
        CredentialSource::Instance => (Tone::Good, Glyph::Check, "stored"),
        CredentialSource::Environment => (Tone::Accent, Glyph::Server, "from the server"),
        CredentialSource::NotNeeded => (Tone::Neutral, Glyph::Minus, "none needed"),
        CredentialSource::Missing => (Tone::Warn, Glyph::Warning, "missing"),
    };
    let stored = state.source == CredentialSource::Instance;
    let hint = (state.source == CredentialSource::Missing && !state.variables.is_empty())
        .then(|| format!("or {}", state.variables.join(", ")));
    let name = state.provider_name.clone();
    let state = StoredValue::new(state);
    view! {
        <Row>
            <Cell label="Provider">
                <span class="font-medium">{name}</span>
            </Cell>
            <Cell label="State">
                <span class="inline-flex flex-wrap items-center gap-2">
                    <Badge tone icon>{word}</Badge>
                    {move || tested.get().map(outcome)}
                </span>
            </Cell>
            <Cell label="Key">
                {state.with_value(|state| state.masked.clone()).map(|masked| view! { <code>{masked}</code> })}
                {hint.map(|hint| view! { <code class="text-muted wrap-anywhere">{hint}</code> })}
            </Cell>
            <Cell label="Entered">
                {state.with_value(|state| state.updated_us).map(|at_us| view! { <Time at_us /> })}
            </Cell>
            <Cell>
                <span class="flex flex-wrap justify-end gap-1">
                    <Button size=ButtonSize::Small variant=ButtonVariant::Ghost busy on_click=test>
                        "Test"
                    </Button>
                    {editable
                        .then(|| {
                            view! {
                                <Button
                                    size=ButtonSize::Small
                                    on_click=move |_| {
                                        tested.set(None);
                                        entering.set(Some(state.get_value()));
                                    }
                                >
                                    {if stored { "Replace" } else { "Add key" }}
                                </Button>
                                {stored
                                    .then(|| {
                                        view! {
                                            <Button
                                                size=ButtonSize::Small
                                                variant=ButtonVariant::Ghost
                                                icon=Glyph::Trash
                                                on_click=move |_| removing.set(Some(state.get_value()))
                                            >
                                                "Remove"
                                            </Button>
                                        }
                                    })}
                            }
                        })}
                </span>
            </Cell>
        </Row>
    }
    .into_any()
}

/// How a test went, in a badge and, when it failed, the reason.
fn outcome(answer: Result<CredentialTest, AppError>) -> AnyView {
    match answer {
        Ok(test) if test.ok => {
            let text = format!(
                "{} answered in {}{}",
                test.model,
                format::duration(i64::try_from(test.latency_ms).unwrap_or_default() * 1000),
                if test.simulated { ", simulated" } else { "" },
            );
            let tone = if test.simulated { Tone::Accent } else { Tone::Good };
            view! { <span role="status"><Badge tone icon=Glyph::CheckCircle>{text}</Badge></span> }.into_any()
        }
        Ok(test) => failed(test.error.unwrap_or_else(|| "The call failed.".to_owned())),
        Err(error) => failed(error.to_string()),
    }
}

fn failed(why: String) -> AnyView {
    view! {
        <span role="alert" class="inline-flex flex-wrap items-center gap-2">
            <Badge tone=Tone::Bad icon=Glyph::CrossCircle>
                "failed"
            </Badge>
            <span class="text-sm text-bad wrap-anywhere">{why}</span>
        </span>
    }
    .into_any()
}

/// Enters a key or puts another in its place.
#[component]
fn EnterDialog(
    instance: StoredValue<String>,
    state: RwSignal<Option<CredentialState>>,
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let key = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<AppError>);
    let open = open_for(state, move || {
        key.set(String::new());
        error.set(None);
    });
    let name = move || state.with(|state| state.as_ref().map(|state| state.provider_name.clone()).unwrap_or_default());
    let field_error = Signal::derive(move || match error.get() {
        Some(AppError::Invalid { message, .. }) => Some(message),
        Some(AppError::Fields { errors }) => errors.into_iter().next().map(|(_, message)| message),
        _ => None,
    });
    let save = move || {
        let Some(chosen) = state.get_untracked().filter(|_| !busy.get_untracked()) else { return };
        let secret = key.get_untracked().trim().to_owned();
        if secret.is_empty() {
            return error
                .set(Some(AppError::Invalid { field: "key".to_owned(), message: "Paste the key.".to_owned() }));
        }
        busy.set(true);
        spawn_local(async move {
            match api::set_credential(instance.get_value(), chosen.provider, secret).await {
                Ok(()) => {
                    toasts.good(format!("The key for {} is stored. Test it to be sure.", chosen.provider_name));
                    let _ = state.try_set(None);
                    changed.run(());
                }
                Err(failure) => drop(error.try_set(Some(failure))),
            }
            let _ = busy.try_set(false);
        });
    };
    view! {
        <Dialog id="credential" open title=move || format!("Key for {}", name())>
            <form
                class="flex flex-col gap-4"
                on:submit=move |event| {
                    event.prevent_default();
                    save();
                }
            >
                <Field id="credential-key" label="Key" hint="As the provider gave it to you." error=field_error required=true>
                    <Input value=key kind="password" autocomplete="off" autofocus=true />
                </Field>
                {move || {
                    error
                        .get()
                        .filter(|error| !matches!(error, AppError::Invalid { .. } | AppError::Fields { .. }))
                        .map(|error| view! { <ErrorCard error /> })
                }}
                <div class="flex justify-end gap-2">
                    <Button on_click=move |_| open.set(false)>"Cancel"</Button>
                    <Button variant=ButtonVariant::Primary submit=true busy icon=Glyph::Lock>
                        "Store key"
                    </Button>
                </div>
            </form>
        </Dialog>
    }
    .into_any()
}

#[component]
fn RemoveDialog(
    instance: StoredValue<String>,
    state: RwSignal<Option<CredentialState>>,
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<AppError>);
    let open = open_for(state, move || error.set(None));
    let name = move || state.with(|state| state.as_ref().map(|state| state.provider_name.clone()).unwrap_or_default());
    let remove = Callback::new(move |()| {
        let Some(chosen) = state.get_untracked().filter(|_| !busy.get_untracked()) else { return };
        busy.set(true);
        spawn_local(async move {
            match api::delete_credential(instance.get_value(), chosen.provider).await {
                Ok(()) => {
                    toasts.good(format!("The key for {} is gone.", chosen.provider_name));
                    let _ = state.try_set(None);
                    changed.run(());
                }
                Err(failure) => drop(error.try_set(Some(failure))),
            }
            let _ = busy.try_set(false);
        });
    });
    view! {
        <Dialog
            id="remove-credential"
            open
            title=move || format!("Remove the key for {}?", name())
            size=DialogSize::Small
            footer=ViewFn::from(move || {
                view! {
                    <Button on_click=move |_| open.set(false)>"Cancel"</Button>
                    <Button variant=ButtonVariant::Danger busy on_click=move |_| remove.run(())>
                        "Remove key"
                    </Button>
                }
            })
        >
            <p>"It is deleted for good. Calls to the provider use the server's own key, or the simulator, or fail."</p>
            {move || error.get().map(|error| view! { <ErrorCard error /> })}
        </Dialog>
    }
    .into_any()
}
