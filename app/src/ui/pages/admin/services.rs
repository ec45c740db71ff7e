use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    types::{Endpoint, ServiceCard},
    ui::{
        kit::{
            Badge, Button, ButtonVariant, Card, CodeView, Field, Glyph, Icon, Input, LinkButton, Load, Textarea, Tone,
            format,
        },
        layout::Page,
        live::{
            clock,
            fetch::{Broken, Call, send},
        },
    },
};

/// `/integrate/services`: every endpoint of the API, each with an example that can be sent.
#[component]
pub fn ServicesPage() -> impl IntoView {
    let services = Resource::new_blocking(|| (), |()| api::services());
    let draw = |cards: Vec<ServiceCard>| cards.into_iter().map(|card| view! { <Service card /> }).collect_view();
    let actions = || {
        view! {
            <LinkButton href="/docs" icon=Glyph::Book external=true>
                "Reference"
            </LinkButton>
            <LinkButton href="/openapi.json" icon=Glyph::Code external=true>
                "OpenAPI"
            </LinkButton>
        }
    };
    view! {
        <Page
            title="Endpoints"
            lead="Everything that this server answers. Calls sent from here are made with your session, in the chosen instance."
            actions
        >
            <Load resource=services view=draw />
        </Page>
    }
}

#[component]
fn Service(card: ServiceCard) -> impl IntoView {
    view! {
        <Card title=card.name lead=card.description flush=true>
            <ul class="divide-y divide-line">
                {card.endpoints.into_iter().map(|endpoint| view! { <EndpointRow endpoint /> }).collect_view()}
            </ul>
        </Card>
    }
}

#[component]
fn EndpointRow(endpoint: Endpoint) -> impl IntoView {
    let open = RwSignal::new(false);
    let tone = match endpoint.method.as_str() {
        "GET" => Tone::Good,
        "DELETE" => Tone::Bad,
        _ => Tone::Accent,
    };
    let method = endpoint.method.clone();
    let (path, summary, is_public) = (endpoint.path.clone(), endpoint.summary.clone(), endpoint.is_public);
    let endpoint = StoredValue::new(endpoint);
    view! {
        <li>
            <button
                type="button"
                class="flex w-full flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5 text-start -outline-offset-2 hover:bg-hover/60"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                <span class=move || if open.get() { "rotate-90 transition-transform" } else { "transition-transform" }>
                    <Icon glyph=Glyph::ChevronRight class="size-4 text-muted" />
                </span>
                <span class="w-14"><Badge tone>{method}</Badge></span>
                <code class="wrap-anywhere font-medium">{path}</code>
                <span class="min-w-0 flex-1 basis-48 text-muted">{summary}</span>
                {is_public.then(|| view! { <Badge>"no key needed"</Badge> })}
            </button>
            <Show when=move || open.get()>
                <div class="border-t border-line bg-canvas p-4">
                    <TryIt endpoint=endpoint.get_value() />
                </div>
            </Show>
        </li>
    }
}

/// What came back: the status line and the body.
#[derive(Clone)]
struct Came {
    good: bool,
    head: String,
    body: String,
}

/// An example that can be changed and sent, and the same as a command.
#[component]
fn TryIt(endpoint: Endpoint) -> impl IntoView {
    let id = format!("{}-{}", endpoint.method.to_lowercase(), endpoint.path.replace(['/', '{', '}'], "-"));
    let path = RwSignal::new(endpoint.path.clone());
    let has_body = endpoint.example.is_some();
    let body = RwSignal::new(endpoint.example.clone().unwrap_or_default());
    let busy = RwSignal::new(None::<Call>);
    let came = RwSignal::new(None::<Came>);
    let origin = RwSignal::new(String::new());
    Effect::new(move |_| origin.set(window().location().origin().unwrap_or_default()));
    on_cleanup(move || {
        if let Some(Some(call)) = busy.try_get_untracked() {
            call.abort();
        }
    });
    let method = StoredValue::new(endpoint.method.clone());
    let is_public = endpoint.is_public;
    let curl = move || {
        let mut text = format!("curl -X {} {}{}", method.get_value(), origin.get(), path.get());
        if !is_public {
            text.push_str(" \\\n  -H \"Authorization: Bearer $ELECTRONS_API_KEY\"");
        }
        if has_body {
            let body = body.get().replace('\'', "'\\''");
            text.push_str(&format!(" \\\n  -H \"Content-Type: application/json\" \\\n  -d '{body}'"));
        }
        text
    };
    let run = move || {
        if let Some(call) = busy.get_untracked() {
            return call.abort();
        }
        let call = Call::prepare();
        busy.set(Some(call));
        came.set(None);
        let (path, body) = (path.get_untracked(), has_body.then(|| body.get_untracked()));
        spawn_local(async move {
            let began = clock::now_ms();
            let answer = async {
                let mut answer = send(call, &method.get_value(), &path, &[], body.as_deref()).await?;
                let text = answer.text().await?;
                Ok::<_, Broken>((answer.status, text))
            };
            let shown = match answer.await {
                Ok((status, text)) => {
                    let pretty = serde_json::from_str::<serde_json::Value>(&text)
                        .ok()
                        .and_then(|value| serde_json::to_string_pretty(&value).ok());
                    Came {
                        good: status < 400,
                        head: format!("{status} in {}", format::duration(((clock::now_ms() - began) * 1e3) as i64)),
                        body: pretty.unwrap_or(text),
                    }
                }
                Err(Broken::Aborted) => Came { good: false, head: "Stopped".to_owned(), body: String::new() },
                Err(Broken::Lost(why)) => Came { good: false, head: "No answer".to_owned(), body: why },
            };
            let _ = came.try_set(Some(shown));
            let _ = busy.try_set(None);
        });
    };
    view! {
        <div class="grid min-w-0 gap-4 lg:grid-cols-2">
            <form
                class="flex min-w-0 flex-col gap-3"
                on:submit=move |event| {
                    event.prevent_default();
                    run();
                }
            >
                <Field id=format!("{id}-path") label="Path">
                    <Input value=path autocomplete="off" />
                </Field>
                {has_body
                    .then(|| {
                        view! {
                            <Field id=format!("{id}-body") label="Body">
                                <Textarea value=body mono=true rows=6 />
                            </Field>
                        }
                    })}
                <div class="flex items-center gap-3">
                    {move || match busy.get() {
                        Some(_) => view! { <Button submit=true icon=Glyph::Stop>"Stop"</Button> }.into_any(),
                        None => {
                            view! {
                                <Button submit=true icon=Glyph::Play variant=ButtonVariant::Primary>
                                    "Send"
                                </Button>
                            }
                                .into_any()
                        }
                    }}
                    <span role="status" class="font-medium">
                        {move || {
                            came.get()
                                .map(|came| {
                                    view! { <Badge tone=if came.good { Tone::Good } else { Tone::Bad }>{came.head}</Badge> }
                                })
                        }}
                    </span>
                </div>
            </form>
            <div class="flex min-w-0 flex-col gap-3">
                <CodeView label="cURL" text=Signal::derive(curl) wrap=true />
                {move || {
                    came.get()
                        .filter(|came| !came.body.is_empty())
                        .map(|came| view! { <CodeView label="Answer" text=came.body wrap=true /> })
                }}
            </div>
        </div>
    }
    .into_any()
}
