use leptos::{prelude::*, task::spawn_local};

use super::snippets::{Language, PLACEHOLDER, first_request};
use crate::{
    api,
    types::{Overview, ProviderState, Role, RunSummary},
    ui::{
        kit::{
            Button, ButtonSize, ButtonVariant, CodeView, Glyph, Icon, LinkButton, Meter, Tab, Tabs, Tone, format,
            use_toasts,
        },
        layout::use_frame,
        me::use_me,
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
    // The code is open until the first request was there when the page came; a new key opens it again, filled in.
    let code = RwSignal::new(!check.with_untracked(|c| c.has_api_run));
    Effect::new(move |_| {
        if frame.new_key.with(Option::is_some) {
            code.set(true);
        }
    });
    let variables = RwSignal::new(false);
    let is_admin = use_me().is_some_and(|me| me.role != Role::User);
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
                <div class="min-w-0 flex-1 basis-56">
                    <h2 id="first-steps" class="font-semibold">
                        {move || if complete.get() { "You are set up" } else { "First steps" }}
                    </h2>
                    <p class="text-sm text-muted">
                        {move || {
                            if complete.get() {
                                "Everything works from end to end.".to_owned()
                            } else {
                                format!("{} of 4 done, up to a first request of your own.", done.get())
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
                // For the whole organization, so it is its admins' to decide.
                {is_admin
                    .then(|| {
                        view! {
                            <Button size=ButtonSize::Small variant=ButtonVariant::Ghost on_click=dismiss>
                                {move || if complete.get() { "Hide" } else { "Dismiss" }}
                            </Button>
                        }
                    })}
            </header>
            <ol class="divide-y divide-line">
                <Step number=1 title="The server runs" text="You are looking at it. Data is kept, restarts are safe." done=true />
                <Step
                    number=2
                    title="Try a prompt"
                    text="Talk to a model in the browser. Without any account the built-in simulator answers."
                    done=move || check.with(|c| c.has_console_run)
                    action=|| {
                        view! {
                            <LinkButton href="/test/text" size=ButtonSize::Small icon=Glyph::Chat>
                                "Open text console"
                            </LinkButton>
                        }
                    }
                />
                <Step
                    number=3
                    title="Create an API key"
                    text="Applications call this server with a key of its own; the providers' keys stay here."
                    done=key_made
                    action=move || {
                        view! {
                            <Button size=ButtonSize::Small icon=Glyph::Key on_click=move |_| frame.key_dialog.set(true)>
                                {move || if key_made.get() { "Create another key" } else { "Create API key" }}
                            </Button>
                        }
                    }
                />
                <Step
                    number=4
                    title="Make the first request"
                    text="Any OpenAI SDK works: only the base URL changes."
                    done=move || check.with(|c| c.has_api_run)
                    action=move || {
                        view! {
                            <Button
                                size=ButtonSize::Small
                                icon=Glyph::Code
                                on_click=move |_| code.update(|code| *code = !*code)
                            >
                                {move || if code.get() { "Hide code" } else { "Show code" }}
                            </Button>
                        }
                    }
                >
                    <Show when=move || code.get()>
                        <FirstRequest overview />
                    </Show>
                </Step>
                <Step
                    number=5
                    title="Connect a provider (optional)"
                    text="Set its key in the environment of the server and start it again; real answers then replace simulated ones."
                    done=move || check.with(|c| c.has_credential)
                    action=move || {
                        view! {
                            <Button
                                size=ButtonSize::Small
                                icon=Glyph::Plug
                                on_click=move |_| variables.update(|shown| *shown = !*shown)
                            >
                                {move || if variables.get() { "Hide variables" } else { "Show variables" }}
                            </Button>
                        }
                    }
                >
                    <Show when=move || variables.get()>
                        <Connect overview />
                    </Show>
                </Step>
            </ol>
        </section>
    }
}

/// One step: a line with its action; done ones are quiet.
#[component]
fn Step(
    number: u8,
    title: &'static str,
    text: &'static str,
    #[prop(into)] done: Signal<bool>,
    #[prop(optional, into)] action: ViewFn,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <li class="px-4 py-2.5">
            <div class="flex items-start gap-3">
                <span class=move || {
                    if done.get() {
                        "mt-0.5 flex size-6 shrink-0 items-center justify-center rounded-full border border-transparent bg-good-soft text-good"
                    } else {
                        "mt-0.5 flex size-6 shrink-0 items-center justify-center rounded-full border border-control text-sm tabular-nums text-muted"
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
                <div class="flex min-w-0 flex-1 flex-wrap items-center gap-x-4 gap-y-2">
                    <div class="min-w-0 flex-1 basis-64">
                        <h3 class=move || if done.get() { "leading-7 text-muted" } else { "leading-7 font-medium" }>
                            {title} <span class="sr-only">{move || if done.get() { " (done)" } else { " (to do)" }}</span>
                        </h3>
                        {move || (!done.get()).then(|| view! { <p class="text-muted">{text}</p> })}
                    </div>
                    {action.run()}
                </div>
            </div>
            {children.map(|children| view! { <div class="min-w-0 sm:ps-9">{children()}</div> })}
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
        <div class="flex min-w-0 flex-col gap-3 pt-1 pb-2">
            <p class="text-muted">
                {move || {
                    if filled.get() {
                        "Your new key is filled in. Paste this into a terminal."
                    } else {
                        "Create a key above and it is filled in here."
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
            <a class="font-medium underline" href=format!("/test/history?surface=all&who=all&run={}", run.request_id)>
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
        <dl class="grid gap-x-6 gap-y-1 pt-1 pb-2 sm:grid-cols-2">
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
    }
}
