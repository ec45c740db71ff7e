use leptos::prelude::*;

use super::{Button, ButtonSize, ButtonVariant, CopyButton, Glyph, Icon, LinkButton};
use crate::{error::AppError, ui::guard::sign_in_path};

/// What happened, why, and what to do, for people.
struct Words {
    what: &'static str,
    why: String,
    todo: &'static str,
    icon: Glyph,
}

fn words(error: &AppError) -> Words {
    let why = error.to_string();
    let (what, todo, icon) = match error {
        AppError::Unauthorized => ("You are signed out", "Sign in again; you come back to this page.", Glyph::Lock),
        AppError::Forbidden { .. } => {
            ("You may not see this", "Ask an admin of your organization for access.", Glyph::Lock)
        }
        AppError::NotFound { .. } => ("Not found", "It may have been deleted, or the link is wrong.", Glyph::Search),
        AppError::Invalid { .. } | AppError::Fields { .. } => {
            ("Something has to be changed", "Change it and try again.", Glyph::Edit)
        }
        AppError::Stale { .. } => ("Changed meanwhile", "Look at the newer state and try again.", Glyph::Edit),
        AppError::TooMany { .. } => ("Too many attempts", "Wait a little and try again.", Glyph::Clock),
        AppError::Unavailable { .. } => ("Temporarily not available", "Try again in a moment.", Glyph::Plug),
        AppError::Internal { .. } => (
            "Something went wrong on the server",
            "Try again. If it happens again, give the request id to whoever runs this server: it finds the reason in the log.",
            Glyph::Warning,
        ),
        AppError::Transport { .. } => {
            ("The server could not be reached", "Check that it is running and that you are connected.", Glyph::Plug)
        }
    };
    Words { what, why, todo, icon }
}

/// The one way a failure is drawn: what, why, what to do, the request id, and a way on.
#[component]
pub fn ErrorCard(#[prop(into)] error: AppError, #[prop(optional, into)] retry: Option<Callback<()>>) -> impl IntoView {
    let Words { what, why, todo, icon } = words(&error);
    let request_id = match &error {
        AppError::Internal { request_id } if !request_id.is_empty() => Some(request_id.clone()),
        _ => None,
    };
    let details = format!(
        "{what}: {why}\nstatus: {}{}",
        error.status(),
        request_id.as_ref().map(|id| format!("\nrequest id: {id}")).unwrap_or_default(),
    );
    // Where this page is, is known to the browser only.
    let sign_in = RwSignal::new("/sign-in".to_owned());
    Effect::new(move |_| {
        let place = window().location();
        sign_in.set(sign_in_path(&place.pathname().unwrap_or_default(), &place.search().unwrap_or_default()));
    });
    view! {
        <div role="alert" class="flex gap-3 rounded-lg border border-bad/40 bg-surface p-4">
            <span class="flex size-8 shrink-0 items-center justify-center rounded-full bg-bad-soft text-bad">
                <Icon glyph=icon />
            </span>
            <div class="min-w-0 flex-1">
                <p class="font-semibold">{what}</p>
                {(why != what && !why.is_empty()).then(|| view! { <p class="wrap-anywhere">{why}</p> })}
                <p class="text-muted">{todo}</p>
                {request_id
                    .map(|id| {
                        view! {
                            <p class="mt-1 text-sm text-muted">
                                "Request id: " <code class="wrap-anywhere">{id}</code>
                            </p>
                        }
                    })}
                <div class="mt-2 flex flex-wrap gap-2">
                    {(error == AppError::Unauthorized)
                        .then(|| {
                            view! {
                                <LinkButton href=sign_in variant=ButtonVariant::Primary size=ButtonSize::Small>
                                    "Sign in"
                                </LinkButton>
                            }
                        })}
                    {retry
                        .map(|retry| {
                            view! {
                                <Button size=ButtonSize::Small icon=Glyph::Refresh on_click=move |_| retry.run(())>
                                    "Try again"
                                </Button>
                            }
                        })}
                    <CopyButton text=details label="Copy details" size=ButtonSize::Small />
                </div>
            </div>
        </div>
    }
}
