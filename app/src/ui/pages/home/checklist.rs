use leptos::{prelude::*, task::spawn_local};

use super::snippets::{Language, PLACEHOLDER, first_request};
use crate::{
    api,
    types::{Overview, ProviderState, RunSummary},
    ui::{
        kit::{
            Button, ButtonSize, ButtonVariant, CodeView, Glyph, Icon, LinkButton, Meter, Tab, Tabs, Tone, format,
            use_toasts,
        },
        layout::use_frame,
    },
};

/// The first steps of a new installation, up to a first request by API key. What is done is read from the server, so it
/// can be left and taken up again.
#[component]
pub fn FirstSteps(overview: RwSignal<Overview>, shown: RwSignal<bool>) -> impl IntoView {
    let frame = use_frame();
    let toasts = use_toasts();
    let check = Memo::new(move |_| overview.with(|overview| overview.checklist.clone()));
    let key_made = Signal::derive(move || check.with(|c| c.has_api_key) || frame.new_key.with(Option::is_some));
    let done = Signal::derive(move || {
        let c = check.get();
        1 + u8::from(c.has_console_run) + u8::from(key_made.get()) + u8::from(c.has_api_run)
    });
    let complete = Signal::derive(move || done.get() == 4);
    let dismiss = move |_| {
        shown.set(false);
        spawn_local(async move {
            if let Err(error) = api::dismiss_checklist().await {
                let _ = shown.try_set(true);
                toasts.bad(format!("The first steps could not be hidden: {error}"));
            }
        });
    };
    view! {
        <section aria-labelledby="first-steps" class="min-w-0 rounded-lg border border-line bg-surface shadow-card">
            <header class="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-4 py-3">
                <div class="min-w-0 flex-1">
                    <h2 id="first-steps" class="font-semibold">
                        {move || if complete.get() { "You are set up" } else { "First steps" }}
                    </h2>
                    <p class="text-sm text-muted">
                        {move || {
                            if complete.get() {
                                "Everything works from end to end.".to_owned()
                            } else {
                                format!("{} of 4 done. Three minutes from here to your first request.", done.get())
                            }
                        }}
                    </p>
                </div>
                <div class="w-28">
                    <Meter
                        label="First steps"
                        share=move || f64::from(done.get()) / 4.0
                        text=move || format!("{} of 4 done", done.get())
                        tone=Tone::Good
                    />
                </div>
                <Button size=ButtonSize::Small variant=ButtonVariant::Ghost on_click=dismiss>
                    {move || if complete.get() { "Hide" } else { "Dismiss" }}
                </Button>
            </header>
            <ol class="divide-y divide-line">
                <Step number=1 title="The server runs" done=true>
                    <p class="text-muted">"You are looking at it. Data is kept, restarts are safe."</p>
                </Step>
                <Step number=2 title="Try a prompt" done=move || check.with(|c| c.has_console_run)>
                    <div class="flex flex-wrap items-center justify-between gap-3">
                        <p class="text-muted">
                            "Talk to a model in the browser. Without any account the built-in simulator answers."
                        </p>
                        <LinkButton href="/test/text" icon=Glyph::Chat>
                            "Open text console"
                        </LinkButton>
                    </div>
                </Step>
                <Step number=3 title="Create an API key" done=key_made>
                    <div class="flex flex-wrap items-center justify-between gap-3">
                        <p class="text-muted">"Applications call this server with a key of its own; providers' keys stay here."</p>
                        <Button icon=Glyph::Key on_click=move |_| frame.key_dialog.set(true)>
                            {move || if key_made.get() { "Create another key" } else { "Create API key" }}
                        </Button>
                    </div>
                </Step>
                <Step number=4 title="Make the first request" done=move || check.with(|c| c.has_api_run)>
                    <FirstRequest overview />
                </Step>
                <Step number=5 title="Connect a provider (optional)" done=move || check.with(|c| c.has_credential)>
                    <Connect overview />
                </Step>
            </ol>
        </section>
    }
}

#[component]
fn Step(
    number: u8,
    #[prop(into)] title: String,
    #[prop(into)] done: Signal<bool>,
    children: Children,
) -> impl IntoView {
    view! {
        <li class="flex gap-3 p-4">
            <span class=move || {
                if done.get() {
                    "flex size-6 shrink-0 items-center justify-center rounded-full border border-transparent bg-good-soft text-good"
                } else {
                    "flex size-6 shrink-0 items-center justify-center rounded-full border border-control text-sm tabular-nums text-muted"
                }
            }>
                {move || {
                    if done.get() {
                        view! { <Icon glyph=Glyph::Check /> }.into_any()
                    } else {
                        view! { <span aria-hidden="true">{number}</span> }.into_any()
                    }
                }}
            </span>
            <div class="min-w-0 flex-1">
                <h3 class="mb-1 leading-6 font-medium">
                    {title} <span class="sr-only">{move || if done.get() { " (done)" } else { " (to do)" }}</span>
                </h3>
                {children()}
            </div>
        </li>
    }
}

/// The snippets, and the place where the first request is awaited.
#[component]
fn FirstRequest(overview: RwSignal<Overview>) -> impl IntoView {
    let frame = use_frame();
    let language = RwSignal::new(Language::Curl);
    let filled = Signal::derive(move || frame.new_key.with(Option::is_some));
    let text = Signal::derive(move || {
        let key =
            frame.new_key.with(|key| key.as_ref().map_or_else(|| PLACEHOLDER.to_owned(), |key| key.secret.clone()));
        overview.with(|overview| {
            let model = overview.sample_model.as_deref().unwrap_or("auto");
            first_request(language.get(), &overview.base_url, &key, model)
        })
    });
    view! {
        <div class="flex min-w-0 flex-col gap-3">
            <p class="text-muted">
                {move || {
                    if filled.get() {
                        "Your new key is filled in. Paste this into a terminal; any OpenAI SDK works the same way."
                    } else {
                        "Any OpenAI SDK works: only the base URL changes. Create a key above and it is filled in here."
                    }
                }}
            </p>
            <div class="min-w-0">
                <Tabs
                    id="snippet"
                    label="Language"
                    tabs=Language::ALL.map(|language| Tab::new(language.key(), language.label())).to_vec()
                    selected=move || language.get().key().to_owned()
                    on_select=move |key: String| {
                        if let Some(chosen) = Language::ALL.into_iter().find(|language| language.key() == key) {
                            language.set(chosen);
                        }
                    }
                />
                {Language::ALL
                    .map(|own| {
                        view! {
                            <div
                                role="tabpanel"
                                id=format!("snippet-panel-{}", own.key())
                                aria-labelledby=format!("snippet-tab-{}", own.key())
                                hidden=move || language.get() != own
                                class="pt-2"
                            >
                                <Show when=move || language.get() == own>
                                    <CodeView text label=own.label() wrap=own == Language::Curl />
                                </Show>
                            </div>
                        }
                    })
                    .collect_view()}
            </div>
            <Arrival overview />
        </div>
    }
}

/// Waits, and then says what came.
#[component]
fn Arrival(overview: RwSignal<Overview>) -> impl IntoView {
    let arrived = Memo::new(move |_| overview.with(|overview| overview.checklist.has_api_run));
    // The oldest of the recent calls that did not come from the console; the list is newest first.
    let first = Memo::new(move |_| {
        overview.with(|overview| overview.recent.iter().rev().find(|run| run.surface != "console").cloned())
    });
    view! {
        <div role="status" class=move || {
            if arrived.get() {
                "flex items-start gap-3 rounded-md border border-transparent bg-good-soft px-3 py-2.5 text-good"
            } else {
                "flex items-center gap-3 rounded-md border border-dashed border-control px-3 py-2.5 text-muted"
            }
        }>
            {move || {
                if arrived.get() {
                    view! {
                        <Icon glyph=Glyph::Sparkle class="mt-0.5 size-4 shrink-0" />
                        <div class="min-w-0">
                            <p class="font-medium">"Your first request arrived."</p>
                            {first.get().map(|run| view! { <Came run /> })}
                        </div>
                    }
                        .into_any()
                } else {
                    view! {
                        <span class="pulse mark size-2 shrink-0 rounded-full bg-accent" aria-hidden="true"></span>
                        <p>"Waiting for your first request. This page notices it by itself."</p>
                    }
                        .into_any()
                }
            }}
        </div>
    }
}

#[component]
fn Came(run: RunSummary) -> impl IntoView {
    let text = format!(
        "{} answered in {} with {} tokens for {}.",
        run.model_used.unwrap_or(run.model_asked),
        format::duration(run.latency_us),
        format::count(run.output_tokens),
        format::money(run.cost_micro_usd),
    );
    view! {
        <p>
            {text} " "
            <a class="font-medium underline" href=format!("/test/history?run={}", run.request_id)>
                "Look at it"
            </a>
        </p>
    }
}

/// Which environment variables connect which providers.
#[component]
fn Connect(overview: RwSignal<Overview>) -> impl IntoView {
    let open = Memo::new(move |_| {
        overview.with(|overview| {
            overview
                .providers
                .iter()
                .filter(|provider| matches!(provider.state, ProviderState::Missing | ProviderState::Simulated))
                .filter_map(|provider| Some((provider.name.clone(), provider.credential_env.clone()?)))
                .collect::<Vec<_>>()
        })
    });
    view! {
        <p class="text-muted">
            "Set a provider's key in the environment of the server and start it again; real answers then replace simulated ones."
        </p>
        <details class="mt-1">
            <summary class="min-h-6 w-fit rounded-sm text-link">"Names of the variables"</summary>
            <dl class="mt-2 grid gap-x-6 gap-y-1 sm:grid-cols-2">
                {move || {
                    open.get()
                        .into_iter()
                        .map(|(name, variable)| {
                            view! {
                                <div class="flex items-center justify-between gap-3 border-b border-line py-1">
                                    <dt class="truncate">{name}</dt>
                                    <dd>
                                        <code>{variable}</code>
                                    </dd>
                                </div>
                            }
                        })
                        .collect_view()
                }}
            </dl>
        </details>
    }
}
