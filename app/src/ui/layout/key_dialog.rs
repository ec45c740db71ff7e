use leptos::{prelude::*, task::spawn_local};

use super::use_frame;
use crate::{
    api,
    error::AppError,
    types::ApiKeyDraft,
    ui::kit::{Button, ButtonVariant, CopyButton, Dialog, ErrorCard, Field, Glyph, Icon, Input},
};

/// Makes an API key and shows its secret, once.
#[component]
pub fn KeyDialog() -> impl IntoView {
    let frame = use_frame();
    let name = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let made = RwSignal::new(None::<crate::types::NewApiKey>);
    let error = RwSignal::new(None::<AppError>);
    let kept = RwSignal::new(false);

    Effect::new(move |_| {
        if frame.key_dialog.get() {
            name.set("My first application".to_owned());
            made.set(None);
            error.set(None);
            kept.set(false);
        }
    });

    let create = move || {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        error.set(None);
        let wanted = name.get_untracked().trim().to_owned();
        spawn_local(async move {
            match api::create_api_key(ApiKeyDraft { name: wanted, ..ApiKeyDraft::default() }).await {
                Ok(key) => {
                    frame.new_key.set(Some(key.clone()));
                    let _ = made.try_set(Some(key));
                }
                Err(failure) => {
                    let _ = error.try_set(Some(failure));
                }
            }
            let _ = busy.try_set(false);
        });
    };
    let field_error = Signal::derive(move || {
        error.with(|error| match error {
            Some(AppError::Invalid { message, .. }) => Some(message.clone()),
            _ => None,
        })
    });
    let other_error = move || error.get().filter(|error| !matches!(error, AppError::Invalid { .. }));

    view! {
        <Dialog
            id="new-key"
            open=frame.key_dialog
            title=move || if made.with(Option::is_some) { "Your new API key".to_owned() } else { "Create API key".to_owned() }
            sticky=move || made.with(Option::is_some) && !kept.get()
        >
            {move || match made.get() {
                None => {
                    view! {
                        <form
                            class="flex flex-col gap-4"
                            on:submit=move |event| {
                                event.prevent_default();
                                create();
                            }
                        >
                            <Field
                                id="key-name"
                                label="Name"
                                hint="Say who or what uses it, so that you know what breaks when you revoke it."
                                error=field_error
                                required=true
                            >
                                <Input value=name autofocus=true autocomplete="off" />
                            </Field>
                            {move || other_error().map(|error| view! { <ErrorCard error /> })}
                            <div class="flex justify-end gap-2">
                                <Button on_click=move |_| frame.key_dialog.set(false)>"Cancel"</Button>
                                <Button variant=ButtonVariant::Primary submit=true busy=busy icon=Glyph::Key>
                                    "Create key"
                                </Button>
                            </div>
                        </form>
                    }
                        .into_any()
                }
                Some(key) => {
                    let secret = key.secret.clone();
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
                            <p class="text-sm text-muted">
                                "Name: " {key.name} ". Lists show it as " <code>{key.masked}</code> "."
                            </p>
                            <div class="flex justify-end">
                                <Button variant=ButtonVariant::Primary on_click=move |_| frame.key_dialog.set(false)>
                                    "I saved it"
                                </Button>
                            </div>
                        </div>
                    }
                        .into_any()
                }
            }}
        </Dialog>
    }
}
