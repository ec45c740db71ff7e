//! What opens over the console: the raw exchange, the same call as code, a lane's own parameters.

use leptos::{prelude::*, task::spawn_local};

use super::{lane::Lane, settings::ParamsForm, snippets::Language, state::Console};
use crate::{
    api,
    ui::kit::{CodeView, Dialog, DialogSide, DialogSize, Segmented, Select},
};

/// A dialog about one lane.
#[derive(Debug, Clone, Copy)]
pub struct LaneDialog {
    pub open: RwSignal<bool>,
    place: RwSignal<usize>,
}

impl LaneDialog {
    pub fn new() -> Self {
        Self { open: RwSignal::new(false), place: RwSignal::new(0) }
    }

    pub fn show(self, lane: Lane) {
        self.place.set(lane.place);
        self.open.set(true);
    }
}

/// Request, response (every line of a stream) and headers as they went over the wire.
#[component]
pub fn ExchangeDialog(console: Console, dialog: LaneDialog) -> impl IntoView {
    let part = RwSignal::new("request".to_owned());
    // After a reload only the record has the exchange.
    Effect::new(move |_| {
        let lane = console.lane(dialog.place.get());
        let missing = dialog.open.get() && lane.raw.with_untracked(|raw| raw.request.is_empty());
        if let Some(id) = lane.facts.with_untracked(|facts| facts.request_id.clone()).filter(|_| missing) {
            spawn_local(async move {
                if let Ok(run) = api::run(id.clone()).await
                    && lane.facts.try_with_untracked(|facts| facts.request_id.as_ref() == Some(&id)) == Some(true)
                {
                    lane.show_exchange(&run);
                }
            });
        }
    });
    let text = Signal::derive(move || {
        let raw = console.lane(dialog.place.get()).raw;
        part.with(|part| {
            raw.with(|raw| match part.as_str() {
                "request" => raw.request.clone(),
                "headers" => raw.head.clone(),
                _ => pretty(&raw.response),
            })
        })
    });
    let shown = Signal::derive(move || match text.get() {
        text if !text.is_empty() => text,
        _ if part.with(|part| part == "headers") => "The headers of a recorded call are not kept.".to_owned(),
        _ if console.is_running() => "It is still coming in.".to_owned(),
        _ => "Nothing was kept of it.".to_owned(),
    });
    view! {
        <Dialog id="exchange" open=dialog.open title="Request and response" side=DialogSide::End size=DialogSize::Large>
            <div class="flex flex-col gap-3">
                <div>
                    <Segmented
                        name="exchange-part"
                        label="Part"
                        options=vec![("request", "Request", None), ("response", "Response", None), ("headers", "Headers", None)]
                        value=part
                        on_change=move |chosen| part.set(chosen)
                    />
                </div>
                <CodeView text=shown label="As it was sent and received" wrap=true height="max-h-[70dvh]" />
            </div>
        </Dialog>
    }
}

/// A body on one line is laid out for reading; the lines of a stream stay as they are.
fn pretty(response: &str) -> String {
    if response.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(response)
    {
        return format!("{value:#}");
    }
    response.to_owned()
}

/// The call as cURL, Python or TypeScript.
#[component]
pub fn CodeDialog(console: Console, open: RwSignal<bool>) -> impl IntoView {
    let language = RwSignal::new(Language::Curl.label().to_owned());
    let place = RwSignal::new(None::<usize>);
    // The lane that was picked here, while it is open; else the one the conversation goes on from.
    let lane = move || {
        let picked = place.get().filter(|place| console.open.with(|open| open.contains(place)));
        picked.map_or_else(|| console.chosen_lane(), |place| console.lane(place))
    };
    let text = Signal::derive(move || {
        if !open.get() {
            return String::new();
        }
        let base = window().location().origin().unwrap_or_default();
        let language = language.with(|label| Language::ALL.into_iter().find(|known| known.label() == label));
        match console.request_or_example(lane()) {
            Ok(request) => language.unwrap_or(Language::Curl).write(&request, &base),
            Err(why) => why.to_string(),
        }
    });
    let lanes = Signal::derive(move || {
        let name = |lane: Lane| format!("{}: {}", lane.letter(), console.model_name(&lane.model.get()));
        console.open_lanes().into_iter().map(|lane| (lane.place.to_string(), name(lane))).collect::<Vec<_>>()
    });
    view! {
        <Dialog id="code" open title="The same call as code" size=DialogSize::Large>
            <div class="flex flex-col gap-3">
                <div class="flex flex-wrap items-center gap-2">
                    <Segmented
                        name="code-language"
                        label="Language"
                        options=Language::ALL.map(|language| (language.label(), language.label(), None)).to_vec()
                        value=language
                        on_change=move |chosen| language.set(chosen)
                    />
                    {move || {
                        console
                            .comparing()
                            .then(|| {
                                view! {
                                    <Select
                                        id="code-lane"
                                        label="Model"
                                        small=true
                                        options=lanes
                                        value=Signal::derive(move || lane().place.to_string())
                                        on_change=move |chosen: String| place.set(chosen.parse().ok())
                                    />
                                }
                            })
                    }}
                </div>
                <CodeView text label="Snippet" wrap=true height="max-h-[60dvh]" />
                <p class="text-sm text-muted">
                    "Put an API key into " <code>"ELECTRONS_API_KEY"</code> "; the console itself needs none."
                </p>
            </div>
        </Dialog>
    }
}

/// What a lane does differently from the shared parameters.
#[component]
pub fn OverrideDialog(console: Console, dialog: LaneDialog) -> impl IntoView {
    let lane = move || console.lane(dialog.place.get());
    view! {
        <Dialog
            id="override"
            open=dialog.open
            title=Signal::derive(move || format!("Own parameters of {}", lane().letter()))
            side=DialogSide::End
        >
            <p class="mb-3 text-muted">"What is set here replaces the shared value for this model."</p>
            {move || {
                let lane = lane();
                view! {
                    <ParamsForm prefix="own" inputs=lane.params card=Signal::derive(move || console.card(lane)) />
                }
            }}
        </Dialog>
    }
}
