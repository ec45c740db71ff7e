//! The settings beside the conversation: system prompt, streaming, and the parameters that the model takes.

use leptos::prelude::*;

use super::{
    composer::FORM,
    params::{Field as Kind, Inputs, Param},
    state::Console,
};
use crate::{
    types::ModelCard,
    ui::kit::{Badge, Button, ButtonSize, ButtonVariant, Field, Glyph, Icon, Input, Select, Switch, Textarea, Tone},
};

/// The panel.
#[component]
pub fn Settings(console: Console) -> impl IntoView {
    let card = Memo::new(move |_| console.card(console.chosen_lane()));
    view! {
        <div class="flex flex-col gap-4">
            <SystemPrompt console />
            <Switch
                id="stream"
                label="Stream the answer"
                hint="Words appear as they are written."
                checked=Signal::derive(move || !console.buffered.get())
                on_change=move |stream: bool| console.buffered.set(!stream)
            />
            <ParamsForm prefix="p" inputs=console.params card />
        </div>
    }
}

#[component]
fn SystemPrompt(console: Console) -> impl IntoView {
    let length = Memo::new(move |_| console.system.with(|text| text.chars().count()));
    view! {
        <details class="group rounded-md" open=console.system.with_untracked(|text| !text.is_empty())>
            <summary class="flex h-8 list-none items-center gap-2 rounded-md font-medium [&::-webkit-details-marker]:hidden">
                <span class="text-muted transition-transform group-open:rotate-90"><Icon glyph=Glyph::ChevronRight /></span>
                "System prompt"
                {move || match length.get() {
                    0 => view! { <span class="text-sm font-normal text-muted">"none"</span> }.into_any(),
                    count => view! { <Badge tone=Tone::Accent>{format!("{count} characters")}</Badge> }.into_any(),
                }}
            </summary>
            <div class="flex flex-col pt-1">
                <Textarea
                    id="system-prompt"
                    name="system"
                    label="System prompt"
                    value=console.system
                    rows=4
                    placeholder="How the model should behave"
                    attr:form=FORM
                />
            </div>
        </details>
    }
}

/// Fields for all parameters; those that the model refuses say why. `prefix` makes their ids unique on the page.
#[component]
pub fn ParamsForm(
    prefix: &'static str,
    inputs: Inputs,
    #[prop(into)] card: Signal<Option<ModelCard>>,
) -> impl IntoView {
    let count = Memo::new(move |_| inputs.get().len());
    view! {
        <section class="flex flex-col gap-3" aria-labelledby=format!("{prefix}-parameters")>
            <header class="flex h-8 items-center gap-2">
                <h2 id=format!("{prefix}-parameters") class="font-medium">"Parameters"</h2>
                {move || match count.get() {
                    0 => view! { <span class="text-sm text-muted">"none set, so none sent"</span> }.into_any(),
                    count => view! { <Badge tone=Tone::Accent>{format!("{count} set")}</Badge> }.into_any(),
                }}
                <span class="ms-auto">
                    {move || {
                        (count.get() > 0)
                            .then(|| {
                                view! {
                                    <Button
                                        variant=ButtonVariant::Ghost
                                        size=ButtonSize::Small
                                        icon=Glyph::Refresh
                                        on_click=move |_| inputs.show(&Default::default())
                                    >
                                        "Reset"
                                    </Button>
                                }
                            })
                    }}
                </span>
            </header>
            <div class="grid grid-cols-2 gap-x-3 gap-y-3">
                {move || {
                    let card = card.get();
                    Param::ALL.map(|param| view! { <ParamField prefix param inputs card=card.clone() /> }).collect_view()
                }}
            </div>
        </section>
    }
}

#[component]
fn ParamField(prefix: &'static str, param: Param, inputs: Inputs, card: Option<ModelCard>) -> impl IntoView {
    let id = format!("{prefix}-{}", param.name());
    if let Some(reason) = param.refused_by(card.as_ref()) {
        return view! {
            <div class="col-span-2" data-refused=param.name()>
                <p class="text-sm font-medium text-muted">{param.label()}</p>
                <p class="text-sm text-muted">{reason}</p>
            </div>
        }
        .into_any();
    }
    let value = inputs.of(param);
    let hint = param.hint();
    let unset = Signal::stored(param.unset(card.as_ref()));
    let kind = param.field(card.as_ref());
    let card = StoredValue::new(card);
    let wide = matches!(kind, Kind::Lines { .. });
    let fault = Memo::new(move |_| card.with_value(|card| inputs.get().fault(param, card.as_ref())));
    let warning = move || value.with(|value| card.with_value(|card| param.warning(card.as_ref(), value)));
    let shown = Memo::new(move |_| inputs.get().shows(param));
    let control = move || {
        match kind.clone() {
        Kind::Number { whole } => {
            view! { <Input value inputmode=if whole { "numeric" } else { "decimal" } autocomplete="off" placeholder=unset /> }.into_any()
        }
        Kind::Lines { rows, code } => view! { <Textarea value rows mono=code placeholder=unset /> }.into_any(),
        Kind::Choice(choices) => {
            let mut options = vec![(String::new(), unset.get_untracked())];
            options.extend(choices.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())));
            view! { <Select options=Signal::stored(options) value on_change=move |chosen| value.set(chosen) /> }
                .into_any()
        }
    }
    };
    view! {
        <div hidden=move || !shown.get() class=if wide { "col-span-2 min-w-0" } else { "min-w-0" }>
            {match hint {
                Some(hint) => view! { <Field id label=param.label() hint error=fault>{control()}</Field> }.into_any(),
                None => view! { <Field id label=param.label() error=fault>{control()}</Field> }.into_any(),
            }}
            {move || warning().map(|text| view! { <p class="text-sm text-warn">{text}</p> })}
        </div>
    }
    .into_any()
}
