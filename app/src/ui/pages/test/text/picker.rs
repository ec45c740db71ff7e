//! Which models answer: one picker per lane, and what a lane does differently from the others.

use leptos::prelude::*;

use super::{
    composer::FORM,
    lane::{self, Lane},
    state::{Console, LANES},
};
use crate::{
    types::ModelCard,
    ui::kit::{Badge, Button, ButtonSize, ButtonVariant, Choice, Combobox, Glyph, IconButton, Tone, format},
};

/// The row of pickers above the conversation. `on_override` opens a lane's own parameters.
#[component]
pub fn Models(console: Console, #[prop(into)] on_override: Callback<Lane>) -> impl IntoView {
    // A list with a search needs a living page; until then a plain select, which the form can send.
    let alive = RwSignal::new(false);
    Effect::new(move |_| alive.set(true));
    let choices = Memo::new(move |_| console.models.with_value(|models| models.iter().map(choice).collect::<Vec<_>>()));
    view! {
        <div class=move || super::columns(console.open.with(Vec::len))>
            <For each=move || console.open.get() key=|place| *place let:place>
                <div class="flex min-w-0 items-center gap-1" role="group" aria-label=format!("Model {}", console.lane(place).letter())>
                    {move || {
                        console
                            .comparing()
                            .then(|| view! { <span class="pe-1"><Badge>{console.lane(place).letter().to_string()}</Badge></span> })
                    }}
                    // The list is wider than a narrow column: all but the first open towards the left.
                    <div class=if place == 0 {
                        "min-w-0 flex-1"
                    } else {
                        "min-w-0 flex-1 md:[&_div.absolute]:start-auto md:[&_div.absolute]:end-0"
                    }>
                        {move || {
                            if alive.get() {
                                view! { <Picker console lane=console.lane(place) choices /> }.into_any()
                            } else {
                                view! { <PlainPicker console lane=console.lane(place) /> }.into_any()
                            }
                        }}
                    </div>
                    {move || {
                        console
                            .comparing()
                            .then(|| view! { <LaneButtons console lane=console.lane(place) on_override /> })
                    }}
                </div>
            </For>
        </div>
    }
}

#[component]
fn LaneButtons(console: Console, lane: Lane, on_override: Callback<Lane>) -> impl IntoView {
    let own = Memo::new(move |_| !lane.params.get().is_empty());
    view! {
        <IconButton
            icon=Glyph::Sliders
            label=format!("Own parameters of {}", lane.letter())
            pressed=own
            on_click=move |_| on_override.run(lane)
        />
        <IconButton
            icon=Glyph::Cross
            label=format!("Close {}", lane.letter())
            on_click=move |_| console.close_lane(lane.place)
        />
    }
}

/// Adds a lane, while there is room.
#[component]
pub fn CompareButton(console: Console) -> impl IntoView {
    let full = Memo::new(move |_| console.open.with(Vec::len) >= LANES);
    view! {
        <Button
            variant=ButtonVariant::Ghost
            size=ButtonSize::Small
            icon=Glyph::Columns
            disabled=full
            on_click=move |_| console.add_lane()
        >
            {move || if console.comparing() { "Add a model" } else { "Compare" }}
        </Button>
    }
}

#[component]
fn Picker(console: Console, lane: Lane, #[prop(into)] choices: Signal<Vec<Choice>>) -> impl IntoView {
    // A name that is an alias is shown as the model it stands for.
    let value = Signal::derive(move || {
        let name = lane.model.get();
        let known = console.models.with_value(|models| lane::find(models, &name).map(|card| card.id.clone()));
        Some(known.unwrap_or(name)).filter(|name| !name.is_empty())
    });
    let badges = Callback::new(move |choice: Choice| {
        let card = console.models.with_value(|models| lane::find(models, &choice.value).cloned());
        card.map(|card| badges(&card)).into_any()
    });
    view! {
        <Combobox
            id=format!("model-{}", lane.place)
            label=if lane.place == 0 { "Model".to_owned() } else { format!("Model {}", lane.letter()) }
            options=choices
            value
            on_change=move |id: String| {
                lane.model.set(id);
                console.complaint.set(None);
            }
            placeholder="Choose a model"
            trailing=badges
        />
    }
}

#[component]
fn PlainPicker(console: Console, lane: Lane) -> impl IntoView {
    let chosen = lane.model.get_untracked();
    let known = console.models.with_value(|models| lane::find(models, &chosen).is_some());
    let unknown = (!known && !chosen.is_empty()).then(|| chosen.clone());
    let options = console.models.with_value(|models| {
        models
            .iter()
            .map(|card| {
                let label = match &card.unavailable {
                    Some(reason) => format!("{} ({reason})", card.display_name),
                    None => card.display_name.clone(),
                };
                let selected = card.id == chosen || card.aliases.contains(&chosen);
                let id = card.id.clone();
                view! { <option value=id selected=selected disabled=card.unavailable.is_some()>{label}</option> }
            })
            .collect_view()
    });
    view! {
        <select
            form=FORM
            name="model"
            aria-label="Model"
            class="h-9 w-full min-w-0 rounded-md border border-control bg-surface px-2.5"
        >
            {unknown.map(|name| view! { <option value=name.clone() selected=true>{name.clone()}</option> })}
            {options}
        </select>
    }
}

/// A catalogue entry as a choice: found by its names, its provider and its aliases.
fn choice(card: &ModelCard) -> Choice {
    let mut note = Vec::new();
    if card.display_name != card.id {
        note.push(card.id.clone());
    }
    if let Some(context) = card.context {
        note.push(format!("{} context", format::compact(context)));
    }
    if let (Some(input), Some(output)) = (card.input_price, card.output_price) {
        note.push(format!("{} in, {} out per million", format::price(input), format::price(output)));
    }
    Choice {
        value: card.id.clone(),
        label: card.display_name.clone(),
        note: note.join(" · "),
        group: card.provider_name.clone(),
        keywords: format!("{} {} {}", card.provider, card.aliases.join(" "), card.supports.join(" ")),
        disabled: card.unavailable.clone(),
    }
}

fn badges(card: &ModelCard) -> AnyView {
    let status = match card.status.as_str() {
        "beta" => Some(view! { <Badge tone=Tone::Accent>"beta"</Badge> }.into_any()),
        "deprecated" => Some(view! { <Badge tone=Tone::Warn>"deprecated"</Badge> }.into_any()),
        _ => None,
    };
    let (simulated, provider) = (card.simulated, card.provider_name.clone());
    view! {
        <span class="flex shrink-0 items-center gap-1">
            {status} {simulated.then(|| view! { <Badge tone=Tone::Warn>"simulated"</Badge> })}
            // The heading says it, too; a narrow list needs the room.
            <span class="hidden sm:inline-flex"><Badge>{provider}</Badge></span>
        </span>
    }
    .into_any()
}

/// The model to begin with: what the page was asked for, else the first that can be called.
pub fn first_model(models: &[ModelCard], asked: Option<&str>) -> String {
    let asked = asked.filter(|name| !name.is_empty());
    let usable = || models.iter().find(|card| card.unavailable.is_none() && card.status != "deprecated");
    asked.map(str::to_owned).or_else(|| usable().map(|card| card.id.clone())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::params::tests::card, *};

    #[test]
    fn a_model_is_found_by_its_aliases_and_says_why_not() {
        let mut model = card("gpt-x");
        model.aliases = vec!["fast".into()];
        model.unavailable = Some("No credential".into());
        let choice = choice(&model);
        assert!(choice.keywords.contains("fast") && choice.keywords.contains("openai"));
        assert_eq!(choice.disabled.as_deref(), Some("No credential"));
        assert_eq!(choice.note, "128k context · $1.00 in, $2.00 out per million");
    }

    #[test]
    fn the_first_usable_model_is_the_beginning() {
        let mut models = vec![card("a"), card("b"), card("c")];
        models[0].unavailable = Some("no".into());
        models[1].status = "deprecated".into();
        assert_eq!(first_model(&models, None), "c");
        assert_eq!(first_model(&models, Some("")), "c");
        assert_eq!(first_model(&models, Some("x/y")), "x/y");
        assert_eq!(first_model(&[], None), "");
    }
}
