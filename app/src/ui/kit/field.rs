use leptos::{context::Provider, html, prelude::*};

use super::{Glyph, Icon};

/// What a control has to know of the field it stands in.
#[derive(Clone)]
pub struct FieldWiring {
    /// The control's id; the label points at it.
    pub id: String,
    /// Ids of hint and error, for `aria-describedby`.
    pub described_by: Signal<Option<String>>,
    pub invalid: Signal<bool>,
    pub required: bool,
}

impl FieldWiring {
    /// The wiring of the field around, or a control that stands alone under its own id.
    pub(super) fn around(id: Option<String>) -> Self {
        use_context::<Self>().filter(|_| id.is_none()).unwrap_or_else(|| Self {
            id: id.unwrap_or_default(),
            described_by: Signal::stored(None),
            invalid: Signal::stored(false),
            required: false,
        })
    }
}

/// A label with one control, its hint and its error. `id` is unique on the page.
#[component]
pub fn Field(
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(optional, into)] error: Signal<Option<String>>,
    #[prop(optional)] required: bool,
    /// For readers only; the place says it to everybody else.
    #[prop(optional)]
    hidden_label: bool,
    children: Children,
) -> impl IntoView {
    let hint_id = hint.as_ref().map(|_| format!("{id}-hint"));
    let error_id = format!("{id}-error");
    let described_by = {
        let (hint_id, error_id) = (hint_id.clone(), error_id.clone());
        Signal::derive(move || match (&hint_id, error.with(Option::is_some)) {
            (Some(hint), true) => Some(format!("{hint} {error_id}")),
            (None, true) => Some(error_id.clone()),
            (hint, false) => hint.clone(),
        })
    };
    let wiring = FieldWiring {
        id: id.clone(),
        described_by,
        invalid: Signal::derive(move || error.with(Option::is_some)),
        required,
    };
    view! {
        <div class="flex min-w-0 flex-col gap-1">
            <label for=id class=if hidden_label { "sr-only" } else { "text-sm font-medium" }>
                {label}
                {required.then(|| view! { <span class="text-muted">" (required)"</span> })}
            </label>
            <Provider value=wiring>{children()}</Provider>
            {hint.map(|hint| view! { <p id=hint_id class="text-sm text-muted">{hint}</p> })}
            <p id=error_id class="flex items-start gap-1.5 text-sm text-bad empty:hidden" role="alert">
                {move || {
                    error
                        .get()
                        .map(|error| view! { <Icon glyph=Glyph::Warning class="mt-0.5 size-4 shrink-0" /> {error} })
                }}
            </p>
        </div>
    }
}

pub(super) const CONTROL: &str = "w-full min-w-0 rounded-md border border-control bg-surface text-base text-ink \
                                  hover:border-ink/60 focus-visible:outline-offset-0 disabled:opacity-55 \
                                  aria-invalid:border-bad";

/// One line of text. With `value` it is bound to a signal; without, the form around it reads it by `name`.
#[component]
pub fn Input(
    /// Only for a control outside a `Field`.
    #[prop(optional, into)]
    id: Option<String>,
    #[prop(optional, into)] value: Option<RwSignal<String>>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] name: Option<&'static str>,
    #[prop(optional, into)] placeholder: Signal<String>,
    #[prop(optional)] autocomplete: Option<&'static str>,
    #[prop(optional)] inputmode: Option<&'static str>,
    /// Name for readers, for a control outside a `Field`.
    #[prop(optional, into)]
    label: Option<String>,
    #[prop(optional)] autofocus: bool,
    /// Required without saying so in the label: where every field is.
    #[prop(optional)]
    required: bool,
    #[prop(optional)] minlength: Option<u16>,
    #[prop(optional)] node_ref: NodeRef<html::Input>,
) -> impl IntoView {
    let FieldWiring { id, described_by, invalid, required: marked } = FieldWiring::around(id);
    let input = view! {
        <input
            node_ref=node_ref
            id=(!id.is_empty()).then_some(id)
            type=kind
            name=name
            class=format!("h-9 px-2.5 {CONTROL}")
            placeholder=move || Some(placeholder.get()).filter(|text| !text.is_empty())
            autocomplete=autocomplete
            inputmode=inputmode
            aria-label=label
            aria-describedby=move || described_by.get()
            aria-invalid=move || invalid.get().then_some("true")
            required=required || marked
            minlength=minlength
            autofocus=autofocus
        />
    };
    match value {
        Some(value) => input.bind(leptos::attr::Value, value).into_any(),
        None => input.into_any(),
    }
}

/// Several lines of text; grows with them up to a limit.
#[component]
pub fn Textarea(
    /// Only for a control outside a `Field`.
    #[prop(optional, into)]
    id: Option<String>,
    value: RwSignal<String>,
    #[prop(default = 3)] rows: u16,
    #[prop(optional)] name: Option<&'static str>,
    #[prop(optional, into)] placeholder: Signal<String>,
    /// Name for readers, for a control outside a `Field`.
    #[prop(optional, into)]
    label: Option<String>,
    /// Fixed pitch, for code and JSON.
    #[prop(optional)]
    mono: bool,
    #[prop(default = "max-h-80")] height: &'static str,
    #[prop(optional)] node_ref: NodeRef<html::Textarea>,
) -> impl IntoView {
    let FieldWiring { id, described_by, invalid, required } = FieldWiring::around(id);
    let face = if mono { "font-mono" } else { "font-sans" };
    view! {
        <textarea
            node_ref=node_ref
            id=(!id.is_empty()).then_some(id)
            name=name
            rows=rows
            class=format!("field-sizing-content resize-y px-2.5 py-2 {face} {height} {CONTROL}")
            placeholder=move || Some(placeholder.get()).filter(|text| !text.is_empty())
            aria-label=label
            aria-describedby=move || described_by.get()
            aria-invalid=move || invalid.get().then_some("true")
            required=required
            bind:value=value
        ></textarea>
    }
}
