//! API keys: made, rotated and revoked by ways of their own, because a secret is shown once.

use std::collections::HashMap;

use leptos::{prelude::*, task::spawn_local};
use serde_json::{Map, Value};

use super::form::{Saver, ThingForm};
use crate::{
    api,
    error::AppError,
    types::{
        ApiKeyDraft, NewApiKey,
        config::{API_KEY, ThingRow},
    },
    ui::{
        kit::{
            Button, ButtonVariant, CodeView, CopyButton, Dialog, DialogSide, DialogSize, ErrorCard, Field, Glyph, Icon,
            Input, Select, Sparkline, format, use_toasts,
        },
        me::use_me,
    },
};

/// How often keys were used on each of the last days, as far as it was asked for.
#[derive(Clone, Copy)]
pub struct KeyUse(RwSignal<HashMap<String, Vec<u64>>>);

impl KeyUse {
    pub fn provide() -> Self {
        let uses = Self(RwSignal::new(HashMap::new()));
        provide_context(uses);
        uses
    }

    pub fn here() -> Self {
        use_context().unwrap_or_else(Self::provide)
    }

    /// Asks for the keys that are not known yet; browser only.
    pub fn ask(self, rows: &[ThingRow]) {
        let unknown = |row: &&ThingRow| self.0.with_untracked(|uses| !uses.contains_key(&row.id));
        let ids: Vec<String> = rows.iter().filter(unknown).take(100).map(|row| row.id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        spawn_local(async move {
            // Without the numbers the cell stays empty; nothing else depends on them.
            if let Ok(uses) = api::api_key_usage(ids).await {
                let _ = self.0.try_update(|known| known.extend(uses.into_iter().map(|one| (one.key_id, one.days))));
            }
        });
    }

    /// The cell of a key.
    pub fn cell(self, id: &str) -> AnyView {
        let id = id.to_owned();
        let draw = move || {
            let days = self.0.with(|uses| uses.get(&id).cloned())?;
            let sum: u64 = days.iter().sum();
            let text = format!("{} calls in {} days", format::count(sum), days.len());
            Some(if sum == 0 {
                view! { <span class="text-muted">"unused"</span> }.into_any()
            } else {
                view! { <Sparkline values=days text /> }.into_any()
            })
        };
        draw.into_any()
    }
}

/// A secret, once, with a call that uses it.
#[component]
pub fn SecretView(key: NewApiKey, #[prop(into)] on_done: Callback<()>, kept: RwSignal<bool>) -> impl IntoView {
    let secret = key.secret.clone();
    let origin = window().location().origin().unwrap_or_default();
    let curl = format!("curl {origin}/v1/models \\\n  -H \"Authorization: Bearer {}\"", key.secret);
    view! {
        <div class="flex flex-col gap-4">
            <p class="flex items-start gap-2 rounded-md border border-line bg-warn-soft p-3 text-warn">
                <Icon glyph=Glyph::Warning class="mt-0.5 size-4 shrink-0" />
                "Copy it now and keep it safe. It is shown once; only a hash of it is stored."
            </p>
            <div class="flex items-center gap-1 rounded-md border border-control bg-sunken py-1 ps-3 pe-1">
                <code class="min-w-0 flex-1 wrap-anywhere" data-testid="new-key-secret">{key.secret}</code>
                <CopyButton text=secret label="Copy key" on_copied=move |()| kept.set(true) />
            </div>
            <CodeView label="Try it" text=curl wrap=true />
            <p class="text-sm text-muted">"Name: " {key.name} ". Lists show it as " <code>{key.masked}</code> "."</p>
            <div class="flex justify-end">
                <Button variant=ButtonVariant::Primary on_click=move |_| on_done.run(())>
                    "I saved it"
                </Button>
            </div>
        </div>
    }
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn words(body: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let words = body.get(name)?.as_array()?;
    Some(words.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn draft(body: &Map<String, Value>) -> ApiKeyDraft {
    ApiKeyDraft {
        name: text(body, "name").unwrap_or_default(),
        instance_id: text(body, "instance_id"),
        user_id: text(body, "user_id"),
        project_id: text(body, "project_id"),
        scopes: words(body, "scopes").unwrap_or_default(),
        allowed_models: words(body, "allowed_models").filter(|models| !models.is_empty()),
        expires_us: text(body, "expires_at").as_deref().and_then(format::parse_utc),
        ..ApiKeyDraft::default()
    }
}

/// The sheet that makes a key and then shows its secret.
#[component]
pub fn KeySheet(
    open: RwSignal<bool>,
    /// Fields that the place decides.
    #[prop(optional)]
    preset: Map<String, Value>,
    #[prop(into)] on_made: Callback<ThingRow>,
) -> impl IntoView {
    let made = RwSignal::new(None::<NewApiKey>);
    let kept = RwSignal::new(false);
    let dirty = RwSignal::new(false);
    let settled: Vec<String> = preset.keys().cloned().collect();
    let mut preset = preset;
    if !preset.contains_key("instance_id")
        && let Some(instance) = use_me().and_then(|me| me.instances.into_iter().next())
    {
        preset.insert("instance_id".to_owned(), instance.instance_id.into());
    }
    Effect::new(move |_| {
        if open.get() {
            made.set(None);
            kept.set(false);
        }
    });
    let saver: Saver = Callback::new(move |body: Map<String, Value>| {
        let create = async move {
            let key = api::create_api_key(draft(&body)).await?;
            let id = key.key_id.clone();
            let _ = made.try_set(Some(key));
            let _ = dirty.try_set(false);
            api::thing_by_id(API_KEY.kind.to_owned(), id).await
        };
        Box::pin(create) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    });
    let preset = StoredValue::new(preset);
    view! {
        <Dialog
            id="new-api-key"
            open
            title=move || if made.with(Option::is_some) { "Your new API key".to_owned() } else { "New API key".to_owned() }
            side=DialogSide::End
            size=DialogSize::Large
            sticky=Signal::derive(move || dirty.get() || (made.with(Option::is_some) && !kept.get()))
        >
            {
                let settled = settled.clone();
                move || match made.get() {
                    Some(key) => view! { <SecretView key kept on_done=move |()| open.set(false) /> }.into_any(),
                    None => {
                        view! {
                            <ThingForm
                                thing=&API_KEY
                                preset=preset.get_value()
                                settled=settled.clone()
                                saver
                                dirty
                                on_saved=on_made
                                on_cancel=move |()| open.set(false)
                            />
                        }
                            .into_any()
                    }
                }
            }
        </Dialog>
    }
    .into_any()
}

/// Rotate and revoke, on the page of a key.
#[component]
pub fn KeyActions(row: RwSignal<ThingRow>, #[prop(into)] reload: Callback<()>) -> impl IntoView {
    let rotating = RwSignal::new(false);
    let revoking = RwSignal::new(false);
    let is_live = move || row.with(|row| row.editable && row.body.get("revoked_at").is_none_or(Value::is_null));
    view! {
        {move || {
            is_live()
                .then(|| {
                    view! {
                        <Button icon=Glyph::Refresh on_click=move |_| rotating.set(true)>
                            "Rotate"
                        </Button>
                        <Button icon=Glyph::CrossCircle variant=ButtonVariant::Danger on_click=move |_| revoking.set(true)>
                            "Revoke"
                        </Button>
                    }
                })
        }}
        <RotateDialog row open=rotating reload />
        <RevokeDialog row open=revoking reload />
    }
}

#[component]
fn RotateDialog(row: RwSignal<ThingRow>, open: RwSignal<bool>, reload: Callback<()>) -> impl IntoView {
    let hours = RwSignal::new("24".to_owned());
    let busy = RwSignal::new(false);
    let made = RwSignal::new(None::<NewApiKey>);
    let error = RwSignal::new(None::<AppError>);
    let kept = RwSignal::new(false);
    Effect::new(move |before: Option<bool>| {
        let now = open.get();
        if now {
            made.set(None);
            error.set(None);
            kept.set(false);
        } else if before == Some(true) && made.with_untracked(Option::is_some) {
            reload.run(());
        }
        now
    });
    let rotate = move |()| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        error.set(None);
        let (id, grace) = (row.with_untracked(|row| row.id.clone()), hours.get_untracked().parse().unwrap_or(24));
        spawn_local(async move {
            match api::rotate_api_key(id, grace).await {
                Ok(key) => drop(made.try_set(Some(key))),
                Err(failure) => drop(error.try_set(Some(failure))),
            }
            let _ = busy.try_set(false);
        });
    };
    let options: Vec<(String, String)> =
        [("0", "not at all"), ("1", "for 1 hour"), ("24", "for 24 hours"), ("72", "for 3 days"), ("168", "for 7 days")]
            .map(|(key, label)| (key.to_owned(), label.to_owned()))
            .into();
    let options = Signal::stored(options);
    let rotate = Callback::new(rotate);
    view! {
        <Dialog
            id="rotate-key"
            open
            title=move || if made.with(Option::is_some) { "The new secret".to_owned() } else { "Rotate this key?".to_owned() }
            sticky=Signal::derive(move || made.with(Option::is_some) && !kept.get())
        >
            {
                move || match made.get() {
                    Some(key) => view! { <SecretView key kept on_done=move |()| open.set(false) /> }.into_any(),
                    None => {
                        view! {
                            <div class="flex flex-col gap-4">
                                <p>
                                    "The key gets another secret. Name, scopes, models and limits stay. Programs that still use the present secret go on for a while, so that you can change them one after the other."
                                </p>
                                <Field id="rotate-grace" label="The present secret works">
                                    <Select options value=hours on_change=move |value| hours.set(value) />
                                </Field>
                                {move || error.get().map(|error| view! { <ErrorCard error /> })}
                                <div class="flex justify-end gap-2">
                                    <Button on_click=move |_| open.set(false)>"Cancel"</Button>
                                    <Button variant=ButtonVariant::Primary busy icon=Glyph::Refresh on_click=move |_| rotate.run(())>
                                        "Rotate"
                                    </Button>
                                </div>
                            </div>
                        }
                            .into_any()
                    }
                }
            }
        </Dialog>
    }
    .into_any()
}

#[component]
fn RevokeDialog(row: RwSignal<ThingRow>, open: RwSignal<bool>, reload: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let typed = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<AppError>);
    let name = move || row.with(|row| text(&row.body, "name").unwrap_or_default());
    let sure = Signal::derive(move || typed.get().trim() == name().trim());
    Effect::new(move |_| {
        if open.get() {
            typed.set(String::new());
            error.set(None);
        }
    });
    let revoke = move || {
        if busy.get_untracked() || !sure.get_untracked() {
            return;
        }
        busy.set(true);
        error.set(None);
        let id = row.with_untracked(|row| row.id.clone());
        spawn_local(async move {
            match api::revoke_api_key(id).await {
                Ok(()) => {
                    let _ = open.try_set(false);
                    toasts.good("Revoked. Calls with this key are refused from now on.");
                    reload.run(());
                }
                Err(failure) => drop(error.try_set(Some(failure))),
            }
            let _ = busy.try_set(false);
        });
    };
    view! {
        <Dialog id="revoke-key" open title=move || format!("Revoke “{}”?", name())>
            <form
                class="flex flex-col gap-4"
                on:submit=move |event| {
                    event.prevent_default();
                    revoke();
                }
            >
                <p>"Programs that use this key are refused at once, and for good. It cannot be undone."</p>
                <Field id="revoke-name" label="Type the key's name to confirm">
                    <Input value=typed autocomplete="off" />
                </Field>
                {move || error.get().map(|error| view! { <ErrorCard error /> })}
                <div class="flex justify-end gap-2">
                    <Button on_click=move |_| open.set(false)>"Cancel"</Button>
                    <Button variant=ButtonVariant::Danger submit=true busy disabled=Signal::derive(move || !sure.get())>
                        "Revoke key"
                    </Button>
                </div>
            </form>
        </Dialog>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_becomes_a_draft() {
        let body = json!({
            "name": "Shop", "instance_id": "i1", "project_id": "p1", "scopes": ["generate"], "allowed_models": [],
            "expires_at": "2027-01-01T00:00:00Z",
        });
        let draft = draft(body.as_object().unwrap());
        assert_eq!((draft.name.as_str(), draft.project_id.as_deref(), draft.user_id), ("Shop", Some("p1"), None));
        assert_eq!((draft.scopes, draft.allowed_models), (vec!["generate".to_owned()], None));
        assert_eq!(draft.expires_us, Some(1_798_761_600_000_000));
    }
}
