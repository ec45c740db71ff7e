//! JSON objects whose parts are known, as real inputs: what a model can make, what it costs, how often it may be asked. Parts
//! that no input is for stay as they are, and can be seen and changed as JSON.

use leptos::prelude::*;
use serde_json::{Map, Number, Value};

use super::{fields::JsonControl, tools::CAPABILITIES};
use crate::{
    types::config::{Field, MODEL},
    ui::kit::{self, Button, ButtonSize, ButtonVariant, Glyph, Icon},
};

/// One number of an object.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    name: &'static str,
    label: &'static str,
    /// For what one pays, or what is counted.
    unit: &'static str,
}

const fn part(name: &'static str, label: &'static str, unit: &'static str) -> Part {
    Part { name, label, unit }
}

const PRICES: &[Part] = &[
    part("input", "Input", "$ per 1M tokens"),
    part("output", "Output", "$ per 1M tokens"),
    part("cached_input", "Cached input", "$ per 1M tokens"),
    part("cache_write", "Cache write", "$ per 1M tokens"),
    part("per_request", "Request", "$ each"),
    part("per_image", "Image", "$ each"),
    part("per_second", "Second", "$ each"),
    part("per_character", "Character", "$ each"),
];

const RATES: &[Part] =
    &[part("rpm", "Requests", "per minute and instance"), part("tpm", "Tokens", "per minute and instance")];

/// What a field's object is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Names that are on or off.
    Flags(&'static [&'static str]),
    /// Whole or with decimals.
    Numbers(&'static [Part]),
}

/// The parts of a field, where they are known.
pub fn parts(field: &Field) -> Option<Parts> {
    if MODEL.field(field.name) != Some(field) {
        return None;
    }
    Some(match field.name {
        "capabilities" => Parts::Flags(CAPABILITIES),
        "pricing" => Parts::Numbers(PRICES),
        "rate_limits" => Parts::Numbers(RATES),
        _ => return None,
    })
}

/// The object in a text; `None` when there is something else.
fn read(raw: &str) -> Option<Map<String, Value>> {
    if raw.trim().is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(raw).ok()
}

/// The text with one part as it shall be; without a value the part goes.
fn written(raw: &str, name: &str, value: Option<Value>) -> Option<String> {
    let mut object = read(raw)?;
    match value {
        Some(value) => drop(object.insert(name.to_owned(), value)),
        None => drop(object.remove(name)),
    }
    serde_json::to_string_pretty(&object).ok()
}

/// Whether an object has parts that no input is for.
fn has_more(object: &Map<String, Value>, parts: Parts) -> bool {
    object.iter().any(|(name, value)| match parts {
        Parts::Flags(known) => !known.contains(&name.as_str()) || !value.is_boolean(),
        Parts::Numbers(known) => !known.iter().any(|part| part.name == name) || !value.is_number(),
    })
}

/// A number as people type it; nothing typed is nothing.
fn number(text: &str) -> Result<Option<Value>, ()> {
    let text = text.trim().trim_start_matches('$').replace([',', '_', ' '], "");
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Ok(Some(whole.into()));
    }
    let number = text.parse::<f64>().ok().filter(|number| *number >= 0.0).and_then(Number::from_f64);
    number.map(|number| Some(Value::Number(number))).ok_or(())
}

/// The inputs of a field, in place of its JSON.
#[component]
pub fn ObjectField(
    field: &'static Field,
    parts: Parts,
    id: String,
    raw: RwSignal<String>,
    error: Signal<Option<String>>,
) -> impl IntoView {
    // What cannot be shown as inputs is shown as it is.
    let as_json = RwSignal::new(raw.with_untracked(|raw| read(raw).is_none()));
    let more = Memo::new(move |_| raw.with(|raw| read(raw).is_some_and(|object| has_more(&object, parts))));
    let [label_id, json_id, error_id] = ["label", "json", "error"].map(|part| format!("{id}-{part}"));
    let (labelled_by, described_by) = (label_id.clone(), error_id.clone());
    let inputs = {
        let id = id.clone();
        move || match parts {
            Parts::Flags(names) => view! { <Flags names raw /> }.into_any(),
            Parts::Numbers(parts) => view! { <Numbers id=id.clone() parts raw /> }.into_any(),
        }
    };
    view! {
        <div
            id=id.clone()
            role="group"
            tabindex="-1"
            class="flex min-w-0 flex-col gap-2"
            aria-labelledby=labelled_by
            aria-describedby=move || error.with(Option::is_some).then(|| described_by.clone())
        >
            <div class="flex flex-wrap items-center justify-between gap-2">
                <span class="text-sm font-medium">
                    <span id=label_id>{field.label}</span>
                    {field.role.is_required().then(|| view! { <span class="text-muted">" (required)"</span> })}
                </span>
                <Button
                    size=ButtonSize::Small
                    variant=ButtonVariant::Ghost
                    icon=Glyph::Code
                    on_click=move |_| {
                        if raw.with_untracked(|raw| read(raw).is_some()) {
                            as_json.update(|on| *on = !*on);
                        }
                    }
                >
                    {move || if as_json.get() { "As inputs" } else { "As JSON" }}
                </Button>
            </div>
            {move || {
                if as_json.get() {
                    let label = format!("{} as JSON", field.label);
                    view! {
                        <kit::Field id=json_id.clone() label hidden_label=true>
                            <JsonControl raw />
                        </kit::Field>
                    }
                        .into_any()
                } else {
                    inputs()
                }
            }}
            {move || {
                (more.get() && !as_json.get())
                    .then(|| view! { <p class="text-sm text-muted">"There is more in it than these inputs: see it as JSON."</p> })
            }}
            <p id=error_id class="flex items-start gap-1.5 text-sm text-bad empty:hidden" role="alert">
                {move || {
                    error.get().map(|error| view! { <Icon glyph=Glyph::Warning class="mt-0.5 size-4 shrink-0" /> {error} })
                }}
            </p>
        </div>
    }
    .into_any()
}

#[component]
fn Flags(names: &'static [&'static str], raw: RwSignal<String>) -> impl IntoView {
    let is_on =
        move |name: &str| raw.with(|raw| read(raw).is_some_and(|object| object.get(name) == Some(&Value::Bool(true))));
    view! {
        <div class="flex flex-wrap gap-x-5 gap-y-1">
            {names
                .iter()
                .map(|name| {
                    let set = move |on: bool| {
                        if let Some(text) = written(&raw.get_untracked(), name, on.then_some(Value::Bool(true))) {
                            raw.set(text);
                        }
                    };
                    view! {
                        <label class="flex min-h-8 cursor-pointer items-center gap-2">
                            <input
                                type="checkbox"
                                class="size-4 accent-accent"
                                checked=untrack(|| is_on(name))
                                prop:checked=move || is_on(name)
                                on:change:target=move |event| set(event.target().checked())
                            />
                            {name.replace('_', " ")}
                        </label>
                    }
                })
                .collect_view()}
        </div>
    }
}

#[component]
fn Numbers(id: String, parts: &'static [Part], raw: RwSignal<String>) -> impl IntoView {
    view! {
        <div class="grid grid-cols-2 gap-3 @lg:grid-cols-4">
            {parts.iter().map(|part| view! { <NumberPart id=format!("{id}-{}", part.name) part raw /> }).collect_view()}
        </div>
    }
}

/// One number. What is typed stays as it is typed while it means the same.
#[component]
fn NumberPart(id: String, part: &'static Part, raw: RwSignal<String>) -> impl IntoView {
    let kept = move || raw.with(|raw| read(raw).and_then(|object| object.get(part.name).cloned()));
    let shown = move |value: Option<Value>| value.map(|value| value.to_string()).unwrap_or_default();
    let typed = RwSignal::new(shown(untrack(kept)));
    let wrong = Memo::new(move |_| typed.with(|typed| number(typed).is_err()));
    Effect::new(move |before: Option<()>| {
        let value = kept();
        if before.is_some() && typed.with_untracked(|typed| number(typed) != Ok(value.clone())) {
            typed.set(shown(value));
        }
    });
    Effect::new(move |before: Option<()>| {
        let Ok(value) = typed.with(|typed| number(typed)) else { return };
        if before.is_some()
            && value != untrack(kept)
            && let Some(text) = written(&raw.get_untracked(), part.name, value)
        {
            raw.set(text);
        }
    });
    let error = Signal::derive(move || wrong.get().then(|| "Enter a number.".to_owned()));
    view! {
        <kit::Field id label=part.label hint=part.unit error>
            <kit::Input value=typed inputmode="decimal" autocomplete="off" placeholder="–" />
        </kit::Field>
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::config::INSTANCE;

    #[test]
    fn only_what_is_known_has_inputs() {
        assert!(matches!(MODEL.field("capabilities").and_then(parts), Some(Parts::Flags(_))));
        assert!(matches!(MODEL.field("rate_limits").and_then(parts), Some(Parts::Numbers(_))));
        assert_eq!(INSTANCE.field("rate_limits").and_then(parts), None, "free JSON of the same name");
        assert_eq!(MODEL.field("parameters").and_then(parts), None);
    }

    #[test]
    fn a_part_changes_and_the_rest_stays() {
        let raw = r#"{"input": 2.5, "above": [{"tokens": 200000, "input": 5}]}"#;
        let text = written(raw, "input", number("3,000.5").unwrap()).unwrap();
        assert_eq!(
            read(&text).map(Value::from),
            Some(json!({"input": 3000.5, "above": [{"tokens": 200000, "input": 5}]}))
        );
        let text = written(&text, "input", number(" ").unwrap()).unwrap();
        let object = read(&text).unwrap();
        assert!(!object.contains_key("input") && has_more(&object, Parts::Numbers(PRICES)));
        assert_eq!(written("[1]", "input", None), None, "what is no object is left alone");
        assert_eq!(written("", "text", Some(true.into())).as_deref(), Some("{\n  \"text\": true\n}"));
    }

    #[test]
    fn numbers_are_read_as_people_type_them() {
        assert_eq!(number("60"), Ok(Some(json!(60))));
        assert_eq!(number("$0.15"), Ok(Some(json!(0.15))));
        assert_eq!(number(""), Ok(None));
        for wrong in ["-1", "many", "1e999", "NaN"] {
            assert_eq!(number(wrong), Err(()), "{wrong}");
        }
    }
}
