//! What admins do for people: a link that signs them in, and an end to their sessions.

use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    error::AppError,
    types::{SignInLink, config::ThingRow},
    ui::kit::{Button, CopyButton, Dialog, ErrorCard, Glyph, Skeleton, Time, use_toasts},
};

#[component]
pub fn PersonActions(row: RwSignal<ThingRow>) -> impl IntoView {
    let toasts = use_toasts();
    let open = RwSignal::new(false);
    let made = RwSignal::new(None::<Result<SignInLink, AppError>>);
    let id = move || row.with_untracked(|row| row.id.clone());
    let make = move |_| {
        made.set(None);
        open.set(true);
        let id = id();
        spawn_local(async move {
            let link = api::make_sign_in_link(id).await;
            let _ = made.try_set(Some(link));
        });
    };
    let end = move |_| {
        let id = id();
        spawn_local(async move {
            match api::end_sessions_of_user(id).await {
                Ok(0) => toasts.info("Nobody was signed in."),
                Ok(1) => toasts.good("Ended one session."),
                Ok(count) => toasts.good(format!("Ended {count} sessions.")),
                Err(error) => toasts.bad(error.to_string()),
            }
        });
    };
    view! {
        {move || {
            row.with(|row| row.editable)
                .then(|| {
                    view! {
                        <Button icon=Glyph::Link on_click=make>
                            "Sign-in link"
                        </Button>
                        <Button icon=Glyph::SignOut on_click=end>
                            "Sign out everywhere"
                        </Button>
                    }
                })
        }}
        <Dialog id="sign-in-link" open title="A link that signs in once">
            {move || match made.get() {
                None => view! { <Skeleton lines=2 /> }.into_any(),
                Some(Err(error)) => view! { <ErrorCard error /> }.into_any(),
                Some(Ok(link)) => {
                    let url = link.url.clone();
                    view! {
                        <div class="flex flex-col gap-4">
                            <p>"Hand it over in a safe way: whoever opens it first is signed in as this person."</p>
                            <div class="flex items-center gap-1 rounded-md border border-control bg-sunken py-1 ps-3 pe-1">
                                <code class="min-w-0 flex-1 wrap-anywhere" data-testid="sign-in-link">{link.url}</code>
                                <CopyButton text=url label="Copy link" />
                            </div>
                            <p class="text-sm text-muted">"It works until " <Time at_us=link.expires_us absolute=true /> "."</p>
                        </div>
                    }
                        .into_any()
                }
            }}
        </Dialog>
    }
    .into_any()
}
