//! The text console: one conversation, up to four models that answer it.
//!
//! * pure: `params`, `request`, `snippets`, `facts`, `saved`
//! * state: `lane` (one answer), `state` (all of it), `run` (a call), `keep` (address and draft)
//! * views: `settings`, `picker`, `messages`, `answer`, `prose`, `metrics`, `composer`, `dialogs`

mod answer;
mod composer;
mod dialogs;
pub(super) mod facts;
mod keep;
mod lane;
mod messages;
pub(super) mod metrics;
mod params;
mod picker;
pub(super) mod prose;
pub(super) mod request;
mod run;
mod saved;
mod settings;
mod snippets;
mod state;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use serde::{Deserialize, Serialize};

use self::{
    answer::AnswerView,
    composer::Composer,
    dialogs::{CodeDialog, ExchangeDialog, LaneDialog, OverrideDialog},
    keep::{Asked, remember},
    lane::{Lane, Phase},
    messages::Messages,
    picker::{CompareButton, Models, first_model},
    settings::Settings,
    state::{Console, Notice},
};
use super::history::HistoryDrawer;
use crate::{
    api,
    error::AppError,
    types::{Me, ModelCard, RunDetail},
    ui::{
        kit::{Button, ButtonSize, ButtonVariant, EmptyState, ErrorCard, Glyph, Icon, Load},
        layout::Page,
        me::use_me,
        prefs,
    },
};

/// What the page begins with.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Start {
    models: Vec<ModelCard>,
    run: Option<Result<RunDetail, AppError>>,
}

async fn load(run: Option<String>) -> Result<Start, AppError> {
    let models = api::models(Some("text".to_owned())).await?;
    let run = match run {
        Some(run) => Some(api::run(run).await),
        None => None,
    };
    // A call that is not (yet) known is no reason to answer 404: the console is there.
    #[cfg(feature = "ssr")]
    if let (Some(Err(_)), Some(options)) = (&run, use_context::<leptos_axum::ResponseOptions>()) {
        options.set_status(http::StatusCode::OK);
    }
    Ok(Start { models, run })
}

/// `/test/text`
#[component]
pub fn TextConsolePage() -> impl IntoView {
    let asked = StoredValue::new(use_query_map().with_untracked(Asked::read));
    let start = Resource::new_blocking(|| (), move |()| load(asked.with_value(|asked| asked.run.clone())));
    view! {
        <Page title="Text console" wide=true hidden_title=true>
            <Load resource=start view=move |start| view! { <ConsoleView start asked=asked.get_value() /> } />
        </Page>
    }
}

#[component]
fn ConsoleView(start: Start, asked: Asked) -> impl IntoView {
    let me = use_me();
    let console = Console::new(start.models, me.as_ref().and_then(chosen_instance));
    let problem = RwSignal::new(None);
    let mut loaded = false;
    let first = console.models.with_value(|models| first_model(models, None));
    console.lane(0).model.set(first);
    match start.run {
        Some(Ok(run)) => {
            console.show_run(&run);
            loaded = true;
        }
        Some(Err(error)) => problem.set(Some(error)),
        None => console.show_models(&asked.models),
    }
    remember(console, asked, loaded, me.map(|me| me.user_id), problem);

    follow_answers(console);

    let exchange = LaneDialog::new();
    let own_params = LaneDialog::new();
    let code = RwSignal::new(false);
    let history = RwSignal::new(false);
    let settings = RwSignal::new(false);
    let on_override = Callback::new(move |lane: Lane| own_params.show(lane));
    let on_details = Callback::new(move |lane: Lane| exchange.show(lane));
    let untouched = Memo::new(move |_| console.messages.with(Vec::is_empty) && !has_answers(console));
    view! {
        <p class="sr-only" role="status">{move || console.announcement.get()}</p>
        <div class="grid min-w-0 grid-cols-1 gap-4 lg:grid-cols-[18rem_minmax(0,1fr)]">
            <div class="flex flex-wrap items-center gap-1 lg:col-span-2">
                <button
                    type="button"
                    class="inline-flex h-7 items-center gap-1.5 rounded-md px-2 text-sm font-medium hover:bg-hover aria-expanded:bg-selected lg:hidden"
                    aria-expanded=move || settings.get().to_string()
                    aria-controls="console-settings"
                    on:click=move |_| settings.update(|open| *open = !*open)
                >
                    <Icon glyph=Glyph::Sliders />
                    "Settings"
                </button>
                <CompareButton console />
                <Button variant=ButtonVariant::Ghost size=ButtonSize::Small icon=Glyph::Code on_click=move |_| code.set(true)>
                    "Code"
                </Button>
                <Button
                    variant=ButtonVariant::Ghost
                    size=ButtonSize::Small
                    icon=Glyph::History
                    on_click=move |_| history.set(true)
                >
                    "History"
                </Button>
                <Button
                    variant=ButtonVariant::Ghost
                    size=ButtonSize::Small
                    icon=Glyph::Plus
                    disabled=untouched
                    on_click=move |_| console.start_over()
                >
                    "New conversation"
                </Button>
            </div>
            <aside
                id="console-settings"
                aria-label="Settings"
                class=move || if settings.get() { "block min-w-0" } else { "hidden min-w-0 lg:block" }
            >
                <div class="rounded-lg border border-line bg-surface p-4 lg:sticky lg:top-[4.5rem] lg:max-h-[calc(100dvh-6rem)] lg:overflow-y-auto">
                    <Settings console />
                </div>
            </aside>
            <section
                class="flex min-h-[calc(100dvh-9.5rem)] min-w-0 flex-col gap-3 [&_a]:scroll-mb-52 [&_button]:scroll-mb-52 [&_summary]:scroll-mb-52"
                aria-label="Conversation"
            >
                <Models console on_override />
                {move || problem.get().map(|error| view! { <ErrorCard error /> })}
                <NoticeView console />
                <Messages console />
                <Answers console on_details />
                {move || untouched.get().then(|| view! { <Beginning console /> })}
                <div class="flex-1"></div>
                <Composer console />
            </section>
        </div>
        <ExchangeDialog console dialog=exchange />
        <OverrideDialog console dialog=own_params />
        <CodeDialog console open=code />
        <HistoryDrawer open=history />
    }
}

/// Keeps the end of a growing answer in sight, unless the reader has scrolled away from it.
fn follow_answers(console: Console) {
    let following = StoredValue::new(true);
    Effect::new(move |_| {
        let handle = window_event_listener(leptos::ev::scroll, move |_| {
            let _ = following.try_set_value(left_below() < 96.0);
        });
        on_cleanup(move || handle.remove());
    });
    let running = Memo::new(move |_| console.is_running());
    Effect::new(move |_| {
        if running.get() {
            following.set_value(true);
        }
    });
    // Also the numbers and buttons that appear when it is finished belong in sight.
    let begun = Memo::new(move |before: Option<&bool>| before.copied().unwrap_or_default() || running.get());
    Effect::new(move |_| {
        for lane in console.open_lanes() {
            lane.said.track();
            lane.phase.track();
            lane.facts.track();
        }
        if begun.get() && following.get_value() {
            request_animation_frame(|| window().scroll_by_with_x_and_y(0.0, left_below()));
        }
    });
}

/// How much of the page lies below the window, in pixels.
fn left_below() -> f64 {
    let height = document().document_element().map_or(0, |page| page.scroll_height());
    let number = |value: Result<f64, wasm_bindgen::JsValue>| value.unwrap_or_default();
    let inner = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or_default();
    f64::from(height) - number(window().scroll_y()) - inner
}

/// The instance the pages work in, as the frame chose it.
fn chosen_instance(me: &Me) -> Option<String> {
    let wanted = prefs::cookie(prefs::INSTANCE);
    let known = me.instances.iter().find(|instance| Some(&instance.instance_id) == wanted.as_ref());
    known.or(me.instances.first()).map(|instance| instance.instance_id.clone())
}

fn has_answers(console: Console) -> bool {
    console.open_lanes().into_iter().any(|lane| lane.phase.with(|phase| *phase != Phase::Idle))
}

/// Classes of a grid with as many columns as lanes; on a phone they stand under each other.
fn columns(lanes: usize) -> &'static str {
    match lanes {
        0 | 1 => "grid min-w-0 grid-cols-1 gap-3",
        2 => "grid min-w-0 grid-cols-1 gap-3 md:grid-cols-2",
        3 => "grid min-w-0 grid-cols-1 gap-3 md:grid-cols-2 xl:grid-cols-3",
        _ => "grid min-w-0 grid-cols-1 gap-3 md:grid-cols-2 2xl:grid-cols-4",
    }
}

/// The newest answers, side by side, and which was the fastest and the cheapest.
#[component]
fn Answers(console: Console, on_details: Callback<Lane>) -> impl IntoView {
    let shown = Memo::new(move |_| {
        let asked = |lane: &Lane| lane.phase.with(|phase| *phase != Phase::Idle);
        console.open_lanes().into_iter().filter(asked).map(|lane| lane.place).collect::<Vec<_>>()
    });
    let verdict = Memo::new(move |_| {
        let done = |lane: &Lane| lane.phase.with(|phase| *phase == Phase::Done);
        let named = |lane: Lane| {
            let name = format!("{}, {}", lane.letter(), lane.model.with(|model| console.model_name(model)));
            (name, lane.facts.get())
        };
        let answers: Vec<_> = console.open_lanes().into_iter().filter(done).map(named).collect();
        facts::comparison(&answers)
    });
    view! {
        <div class=move || columns(shown.with(Vec::len)) hidden=move || shown.with(Vec::is_empty)>
            <For each=move || shown.get() key=|place| *place let:place>
                <AnswerView console lane=console.lane(place) on_details />
            </For>
        </div>
        <p class="flex items-center gap-2 text-sm text-muted empty:hidden" data-verdict="">
            {move || verdict.get().map(|text| view! { <Icon glyph=Glyph::Star class="size-4 shrink-0" /> <span>{text}</span> })}
        </p>
    }
}

#[component]
fn NoticeView(console: Console) -> impl IntoView {
    move || {
        console.notice.get().map(|notice| {
            let text = match notice {
                Notice::NoContents => {
                    "The words of this call were not kept: this instance does not store contents, or they were deleted by age. \
                     Its numbers are shown below."
                }
                Notice::Partial => "This call had tools, images or other parts that the console does not show.",
            };
            view! {
                <p class="flex items-start gap-2 rounded-md bg-warn-soft px-3 py-2 text-warn">
                    <Icon glyph=Glyph::Info class="mt-1 size-4 shrink-0" />
                    <span>{text}</span>
                </p>
            }
        })
    }
}

/// What stands where nothing was said yet.
#[component]
fn Beginning(console: Console) -> impl IntoView {
    const IDEAS: [&str; 3] = [
        "Explain in three sentences what a reverse proxy does.",
        "Write a Markdown table of five HTTP status codes and what they mean.",
        "Write a Rust function that reverses the words of a sentence.",
    ];
    view! {
        <EmptyState
            icon=Glyph::Chat
            title="Talk to a model"
            text="What you send goes through the public API of this server, like any other caller's."
        >
            {IDEAS
                .map(|idea| {
                    view! {
                        <button
                            type="button"
                            class="min-h-8 max-w-full rounded-md border border-control/60 bg-surface px-3 py-1 text-start shadow-card hover:bg-hover"
                            on:click=move |_| console.composer.set(idea.to_owned())
                        >
                            {idea}
                        </button>
                    }
                })
                .collect_view()}
        </EmptyState>
    }
}
