//! The payload-mapping editor: what a caller sends, the mapping, and the request that would go out, side by side and live
//! while one types; below, an answer of the provider and what is read of it.

use std::time::Duration;

use leptos::{html, prelude::*, task::spawn_local};
use serde_json::{Map, Value, json};

use super::fields::JsonControl;
use crate::{
    api,
    error::AppError,
    types::config::{MappingDraft, MappingPreview, ThingRow},
    ui::{
        kit::{
            Badge, Button, ButtonVariant, Card, CodeView, ErrorCard, Glyph, Icon, LinkButton, Tone, format, use_toasts,
        },
        layout::use_frame,
        live::{
            clock,
            fetch::{Broken, Call, post_json},
        },
    },
};

/// Typing rests so long before the preview is made anew.
const REST: Duration = Duration::from_millis(300);

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What a caller may send, with the defaults of the mapping.
fn sample(mapping: &Value) -> Value {
    let mut input = Map::new();
    let prompt = "Name three primary colours.";
    input.insert("user_prompt".to_owned(), prompt.into());
    input.insert("messages".to_owned(), json!([{ "role": "user", "content": prompt }]));
    if let Some(defaults) = mapping.get("defaults").and_then(Value::as_object) {
        input.extend(defaults.clone());
    }
    Value::Object(input)
}

/// An answer that has a value wherever the mapping looks for one.
fn sample_answer(mapping: &Value) -> Value {
    let mut answer = Value::Null;
    for (name, path) in mapping.get("response_mapping").and_then(Value::as_object).into_iter().flatten() {
        let Some(path) = path.as_str().and_then(|path| path.strip_prefix("$")) else { continue };
        let value = if name.contains("token") { json!(42) } else { json!(format!("the {name}")) };
        put(&mut answer, path, value);
    }
    if answer.is_null() { json!({}) } else { answer }
}

/// Sets the value at `.a[0].b`, making what is on the way.
fn put(place: &mut Value, path: &str, value: Value) {
    let path = path.trim_start_matches('.');
    if path.is_empty() {
        *place = value;
        return;
    }
    if let Some(rest) = path.strip_prefix('[') {
        let (index, rest) = rest.split_once(']').unwrap_or((rest, ""));
        let index = index.parse::<usize>().unwrap_or(0).min(20);
        if !place.is_array() {
            *place = json!([]);
        }
        if let Some(list) = place.as_array_mut() {
            while list.len() <= index {
                list.push(Value::Null);
            }
            put(&mut list[index], rest, value);
        }
        return;
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    if !place.is_object() {
        *place = json!({});
    }
    if let Some(object) = place.as_object_mut() {
        put(object.entry(name.to_owned()).or_insert(Value::Null), rest, value);
    }
}

/// Where in the text of a mapping the last name of a place such as `payload_mapping.body.messages[0]` stands.
fn offset_in(text: &str, place: &str) -> Option<u32> {
    let mut at = 0;
    let mut found = None;
    for name in place.split(['.', '[']).filter(|name| !name.ends_with(']') && *name != "payload_mapping") {
        let quoted = format!("\"{name}\"");
        let next = text.get(at..)?.find(&quoted)?;
        found = Some((at + next + 1, name));
        at += next + quoted.len();
    }
    let (byte, _) = found?;
    u32::try_from(text.get(..byte)?.encode_utf16().count()).ok()
}

fn text_of(row: &ThingRow, name: &str) -> String {
    row.body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[component]
pub fn MappingEditor(row: RwSignal<ThingRow>, saved: Callback<ThingRow>) -> impl IntoView {
    let frame = use_frame();
    let toasts = use_toasts();
    let own = row.get_untracked();
    let editable = own.editable;
    let stored = own.body.get("payload_mapping").cloned().unwrap_or_else(|| json!({}));
    let adapter = text_of(&own, "adapter");
    let is_native = !adapter.is_empty() && adapter != "mapped";
    let mapping = RwSignal::new(pretty(&stored));
    let base = RwSignal::new(pretty(&stored));
    let input = RwSignal::new(pretty(&sample(&stored)));
    let answer = RwSignal::new(pretty(&sample_answer(&stored)));
    let preview = RwSignal::new(None::<Result<MappingPreview, AppError>>);
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<AppError>);
    let dirty = Signal::derive(move || mapping.with(|mapping| base.with(|base| mapping != base)));
    frame.watch(dirty);
    let pane = NodeRef::<html::Div>::new();

    let version = StoredValue::new(0u32);
    Effect::new(move |before: Option<()>| {
        let (mapping, input, answer) = (mapping.get(), input.get(), answer.get());
        version.update_value(|version| *version += 1);
        let mine = version.get_value();
        let ask = move || {
            if version.try_get_value() != Some(mine) {
                return;
            }
            // What is no JSON yet says so below its own field; the preview waits for it.
            let (Ok(payload_mapping), Ok(Value::Object(input))) =
                (serde_json::from_str(&mapping), serde_json::from_str(&input))
            else {
                return;
            };
            let row = row.get_untracked();
            let draft = MappingDraft {
                provider_id: text_of(&row, "provider_id"),
                upstream_model: Some(text_of(&row, "upstream_model"))
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| text_of(&row, "model_id")),
                payload_mapping,
                input,
                answer: serde_json::from_str(&answer).ok(),
            };
            spawn_local(async move {
                let answer = api::preview_mapping(draft).await;
                if version.try_get_value() == Some(mine) {
                    let _ = preview.try_set(Some(answer));
                }
            });
        };
        set_timeout(ask, if before.is_none() { Duration::ZERO } else { REST });
    });

    let save = move |_| {
        let Ok(value) = serde_json::from_str::<Value>(&mapping.get_untracked()) else {
            return toasts.bad("The mapping is not JSON yet; its field says where.");
        };
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failure.set(None);
        let now = row.get_untracked();
        let fields = Map::from_iter([("payload_mapping".to_owned(), value)]);
        spawn_local(async move {
            match api::save_thing("model-config".to_owned(), Some(now.id), Some(now.etag), fields).await {
                Ok(row) => {
                    toasts.good("Saved the mapping as a new version.");
                    let _ = base.try_set(mapping.get_untracked());
                    saved.run(row);
                }
                Err(AppError::Stale { current }) => {
                    // What is typed stays; saving again puts it over the newer state, which History keeps.
                    toasts.bad("Somebody else changed the model meanwhile. Look at its history, then save again to put your mapping over it.");
                    saved.run(*current);
                }
                Err(error) => drop(failure.try_set(Some(error))),
            }
            let _ = busy.try_set(false);
        });
    };
    let go = move |place: String| {
        let area = pane.get_untracked().and_then(|pane| pane.query_selector("textarea").ok().flatten());
        if let Some(area) =
            area.and_then(|area| wasm_bindgen::JsCast::dyn_into::<web_sys::HtmlTextAreaElement>(area).ok())
        {
            let _ = area.focus();
            if let Some(at) = mapping.with_untracked(|text| offset_in(text, &place)) {
                let _ = area.set_selection_range(at, at);
            }
        }
    };
    view! {
        <div class="flex min-w-0 flex-col gap-4">
            {is_native
                .then(|| {
                    view! {
                        <p class="flex items-start gap-2 rounded-md border border-line bg-sunken p-3 text-muted">
                            <Icon glyph=Glyph::Info class="mt-0.5 size-4 shrink-0" />
                            {format!("This model speaks the wire format “{adapter}”. A mapping is used only when the wire format is “mapped” or empty.")}
                        </p>
                    }
                })}
            <div class="grid min-w-0 grid-cols-1 items-start gap-4 xl:grid-cols-3">
                <Card title="What a caller sends" lead="Values for the placeholders.">
                    <Labelled label="Input">
                        <JsonControl raw=input rows=14 height="max-h-[28rem]" />
                    </Labelled>
                </Card>
                <Card title="Mapping" lead="{name} is replaced; dotted keys nest; what has no value is left out.">
                    <div node_ref=pane>
                        <Labelled label="Payload mapping">
                            <JsonControl raw=mapping rows=14 height="max-h-[28rem]" />
                        </Labelled>
                    </div>
                    <Problems preview go=Callback::new(go) />
                </Card>
                <Card title="What is sent" lead="The key is masked. Nothing is sent from here.">
                    {move || preview.get().map(sent)}
                </Card>
            </div>
            <div class="grid min-w-0 grid-cols-1 items-start gap-4 xl:grid-cols-2">
                <Card title="An answer of the provider" lead="Paste a real one to see what is read of it.">
                    <Labelled label="Answer">
                        <JsonControl raw=answer rows=8 />
                    </Labelled>
                </Card>
                <Card title="What is read of it">{move || preview.get().map(read)}</Card>
            </div>
            {move || failure.get().map(|error| view! { <ErrorCard error /> })}
            <div class="sticky bottom-0 z-10 flex flex-wrap items-center justify-end gap-2 rounded-lg border border-line bg-raised px-4 py-3 shadow-pop">
                <span class="me-auto" aria-live="polite">
                    {move || dirty.get().then(|| view! { <Badge tone=Tone::Warn icon=Glyph::Edit>"Unsaved changes"</Badge> })}
                </span>
                {move || {
                    (editable && dirty.get())
                        .then(|| view! { <Button on_click=move |_| mapping.set(base.get_untracked())>"Discard"</Button> })
                }}
                {editable
                    .then(|| {
                        view! {
                            <Button
                                variant=ButtonVariant::Primary
                                busy
                                disabled=Signal::derive(move || !dirty.get())
                                on_click=save
                            >
                                "Save mapping"
                            </Button>
                        }
                    })}
            </div>
            <LiveTest row dirty />
        </div>
    }
    .into_any()
}

/// A name for readers around a control.
#[component]
fn Labelled(label: &'static str, children: Children) -> impl IntoView {
    view! {
        <label class="block min-w-0">
            <span class="sr-only">{label}</span>
            {children()}
        </label>
    }
}

/// What is wrong with the mapping, each with a way to its place.
#[component]
fn Problems(preview: RwSignal<Option<Result<MappingPreview, AppError>>>, go: Callback<String>) -> impl IntoView {
    move || {
        let problems = preview.with(|preview| match preview {
            Some(Ok(preview)) => preview.problems.clone(),
            _ => Vec::new(),
        });
        (!problems.is_empty()).then(|| {
            view! {
                <ul role="alert" class="mt-2 flex flex-col gap-1 rounded-md border border-bad/40 bg-bad-soft p-2 text-sm">
                    {problems
                        .into_iter()
                        .map(|(place, what)| {
                            let target = place.clone();
                            view! {
                                <li>
                                    <button type="button" class="text-start text-link underline" on:click=move |_| go.run(target.clone())>
                                        <code>{place}</code>
                                    </button>
                                    ": "
                                    {what}
                                </li>
                            }
                        })
                        .collect_view()}
                </ul>
            }
        })
    }
}

/// The request that would go out.
fn sent(preview: Result<MappingPreview, AppError>) -> AnyView {
    let preview = match preview {
        Ok(preview) => preview,
        Err(error) => return view! { <ErrorCard error /> }.into_any(),
    };
    let Some(request) = preview.request else {
        let why = preview.request_error.unwrap_or_else(|| "The mapping has to be mended first.".to_owned());
        return view! { <p role="status" class="text-warn">{why}</p> }.into_any();
    };
    let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let dropped = request.dropped.join(", ");
    view! {
        <div class="flex min-w-0 flex-col gap-3">
            <p class="wrap-anywhere">
                <Badge tone=Tone::Accent>{request.method}</Badge>
                " "
                <code data-testid="mapped-url">{request.url}</code>
            </p>
            <CodeView label="Headers" text=headers.join("\n") wrap=true />
            <CodeView label="Body" text=pretty(&request.body) wrap=true />
            {(!dropped.is_empty())
                .then(|| view! { <p class="text-sm text-warn">"No place for: " <code>{dropped}</code></p> })}
        </div>
    }
    .into_any()
}

/// What of the answer would be read.
fn read(preview: Result<MappingPreview, AppError>) -> AnyView {
    match preview {
        Ok(MappingPreview { output: Some(output), .. }) => {
            view! { <CodeView label="Result" text=pretty(&output) wrap=true /> }.into_any()
        }
        Ok(MappingPreview { output_error: Some(why), .. }) => {
            view! { <p role="status" class="text-warn">{why}</p> }.into_any()
        }
        _ => view! { <p class="text-muted">"Nothing yet."</p> }.into_any(),
    }
}

/// A real call of the model as it is saved, by the way that callers take.
#[component]
fn LiveTest(row: RwSignal<ThingRow>, #[prop(into)] dirty: Signal<bool>) -> impl IntoView {
    let busy = RwSignal::new(None::<Call>);
    let came = RwSignal::new(None::<(bool, String, String, String)>);
    let model = move || row.with(|row| text_of(row, "model_id"));
    let can_text = row.with_untracked(|row| {
        row.body.get("capabilities").and_then(|all| all.get("text")).and_then(Value::as_bool) == Some(true)
    });
    on_cleanup(move || {
        if let Some(Some(call)) = busy.try_get_untracked() {
            call.abort();
        }
    });
    let run = move |_| {
        if let Some(call) = busy.get_untracked() {
            return call.abort();
        }
        let call = Call::prepare();
        busy.set(Some(call));
        came.set(None);
        let body = json!({ "model": untrack(model), "messages": [{ "role": "user", "content": "Name three primary colours." }] });
        spawn_local(async move {
            let began = clock::now_ms();
            let answer = async {
                let mut answer = post_json(call, "/v1/chat/completions", &[], &body.to_string()).await?;
                let id = answer.header("x-request-id").unwrap_or_default();
                Ok::<_, Broken>((answer.status, id, answer.text().await?))
            };
            let shown = match answer.await {
                Ok((status, id, text)) => {
                    let value = serde_json::from_str::<Value>(&text);
                    let took = format::duration(((clock::now_ms() - began) * 1e3) as i64);
                    (status < 400, format!("{status} in {took}"), value.map_or(text, |value| pretty(&value)), id)
                }
                Err(Broken::Aborted) => (false, "Stopped".to_owned(), String::new(), String::new()),
                Err(Broken::Lost(why)) => (false, "No answer".to_owned(), why, String::new()),
            };
            let _ = came.try_set(Some(shown));
            let _ = busy.try_set(None);
        });
    };
    let actions = move || {
        view! {
            <Button
                icon=Glyph::Play
                busy=Signal::derive(move || busy.with(Option::is_some))
                disabled=Signal::derive(move || dirty.get() || !can_text)
                on_click=run
            >
                "Send one real call"
            </Button>
        }
    };
    view! {
        <Card
            title="Live test"
            lead="Calls the saved model as a program would: limits count it, and it costs what it costs."
            actions
        >
            <div class="flex min-w-0 flex-col gap-3">
                {move || dirty.get().then(|| view! { <p class="text-muted">"Save the mapping first: a live test takes the saved one."</p> })}
                {(!can_text).then(|| view! { <p class="text-muted">"Only text models can be tried here."</p> })}
                {move || {
                    came.get()
                        .map(|(good, head, body, id)| {
                            view! {
                                <p role="status" class="flex flex-wrap items-center gap-2">
                                    <Badge tone=if good { Tone::Good } else { Tone::Bad }>{head}</Badge>
                                    {(!id.is_empty())
                                        .then(|| {
                                            view! {
                                                <LinkButton href=format!("/test/history?surface=all&who=all&run={id}") icon=Glyph::History>
                                                    "See the call"
                                                </LinkButton>
                                            }
                                        })}
                                </p>
                                {(!body.is_empty()).then(|| view! { <CodeView label="Answer" text=body wrap=true /> })}
                            }
                        })
                }}
            </div>
        </Card>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fit_the_mapping() {
        let mapping = json!({
            "response_mapping": { "text": "$.output[0].text", "tokens_used": "$.usage.total" },
            "defaults": { "max_tokens": 100 },
        });
        assert_eq!(sample_answer(&mapping), json!({ "output": [{ "text": "the text" }], "usage": { "total": 42 } }));
        assert_eq!(sample(&mapping)["max_tokens"], 100);
        assert_eq!(sample_answer(&json!({})), json!({}));
    }

    #[test]
    fn places_are_found_in_the_text() {
        let text = "{\n  \"headers\": {\"body\": 1},\n  \"body\": {\"model\": \"m\"}\n}";
        let at = offset_in(text, "payload_mapping.headers.body").unwrap() as usize;
        assert!(text[at..].starts_with("body\": 1"), "{}", &text[at..]);
        assert_eq!(offset_in(text, "payload_mapping.nothing"), None);
    }
}
