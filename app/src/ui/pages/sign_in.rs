use leptos::{form::ActionForm, prelude::*};
use leptos_router::{components::Redirect, hooks::use_query_map};

use crate::{
    api::{self, SignIn, SignInByLink, local_path},
    error::AppError,
    ui::{
        guard::escape,
        kit::{Button, ButtonSize, ButtonVariant, Field, Glyph, Icon, Input, LinkButton},
        layout::{Brand, Page, ThemeChoice},
        me::known,
    },
};

/// Signing in: by e-mail and password, or by a one-time link (`?token=`). Both are plain forms and work without scripts.
#[component]
pub fn SignInPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let next = query.get("next").filter(|next| local_path(Some(next)) == next);
    let token = query.get("token").filter(|token| !token.is_empty());
    let refused = query.get("refused").map(|code| refusal(&code));
    let signed_in = token.is_none() && matches!(known(), Ok(Some(_)));
    let away = signed_in.then(|| view! { <Redirect path=next.clone().unwrap_or_else(|| "/".to_owned()) /> });
    view! {
        {away}
        <div class="flex min-h-dvh flex-col">
            <header class="flex h-14 items-center justify-between border-b border-line px-4">
                <Brand compact=true />
                <ThemeChoice name="sign-in-theme" compact=true />
            </header>
            <main class="mx-auto flex w-full max-w-md flex-1 flex-col justify-center pb-16">
                {match token {
                    Some(token) => view! { <ByLink token next /> }.into_any(),
                    None => view! { <ByPassword next refused /> }.into_any(),
                }}
            </main>
        </div>
    }
    .into_any()
}

#[component]
fn ByPassword(next: Option<String>, refused: Option<&'static str>) -> impl IntoView {
    let action = ServerAction::<SignIn>::new();
    let error = Signal::derive(move || action.value().get().and_then(Result::err));
    view! {
        <Page title="Sign in">
            {refused.map(|text| view! { <div role="alert"><Alert text /></div> })}
            <Issuers next=next.clone() />
            <ActionForm action attr:class="flex flex-col gap-4">
                {next.map(|next| view! { <input type="hidden" name="next" value=next /> })}
                <Refusal error />
                <Field id="email" label="E-mail">
                    <Input kind="email" name="email" autocomplete="username" inputmode="email" required=true />
                </Field>
                <Field id="password" label="Password">
                    <Input kind="password" name="password" autocomplete="current-password" required=true />
                </Field>
                <Button submit=true wide=true size=ButtonSize::Large variant=ButtonVariant::Primary busy=action.pending()>
                    "Sign in"
                </Button>
            </ActionForm>
            <NoPassword />
        </Page>
    }
}

#[component]
fn ByLink(token: String, next: Option<String>) -> impl IntoView {
    let action = ServerAction::<SignInByLink>::new();
    let error = Signal::derive(move || action.value().get().and_then(Result::err));
    view! {
        <Page title="Sign in" lead="This one-time link signs you in on this device. It works once.">
            <ActionForm action attr:class="flex flex-col gap-4">
                <input type="hidden" name="token" value=token />
                {next.map(|next| view! { <input type="hidden" name="next" value=next /> })}
                <Refusal error />
                <Button
                    submit=true
                    wide=true
                    size=ButtonSize::Large
                    variant=ButtonVariant::Primary
                    icon=Glyph::Key
                    busy=action.pending()
                >
                    "Sign in with this link"
                </Button>
            </ActionForm>
            <p class="text-muted">
                "Or " <a class="text-link underline" href="/sign-in" rel="external">"use your password"</a> "."
            </p>
            <NoPassword />
        </Page>
    }
}

/// A button for everybody else who can sign people in.
#[component]
fn Issuers(next: Option<String>) -> impl IntoView {
    let issuers = Resource::new(|| (), |()| api::issuers());
    let query = next.map(|next| format!("?next={}", escape(&next))).unwrap_or_default();
    let buttons = move || {
        let query = query.clone();
        Suspend::new(async move {
            let issuers = issuers.await.unwrap_or_default();
            (!issuers.is_empty()).then(|| {
                view! {
                    <div class="flex flex-col gap-2">
                        {issuers
                            .into_iter()
                            .map(|issuer| {
                                let href = format!("/auth/oidc/{}/start{query}", issuer.name);
                                view! {
                                    <LinkButton href=href external=true wide=true size=ButtonSize::Large>
                                        {format!("Continue with {}", issuer.label)}
                                    </LinkButton>
                                }
                            })
                            .collect_view()}
                        <p class="pt-2 text-center text-sm text-muted">"or by password"</p>
                    </div>
                }
            })
        })
    };
    view! { <Suspense>{buttons}</Suspense> }
}

/// Why an issuer could not sign somebody in, and what to do.
fn refusal(code: &str) -> &'static str {
    match code {
        "cancelled" => "You came back without signing in. Try again whenever you like.",
        "stale" => "This sign-in took too long, was finished already, or began in another browser. Please begin again.",
        "unverified" => "The issuer tells no e-mail address that it has verified. Verify yours there, then try again.",
        "no_account" => "There is no account with your e-mail address here. Ask an admin to invite you.",
        "inactive" => "Your account is inactive. Ask an admin to activate it.",
        "issuer" => "The issuer could not be reached, or refused. Try again in a moment, or sign in by password.",
        "token" => "The issuer's answer could not be verified. Whoever runs this server finds the reason in its log.",
        "unknown" => "This way to sign in does not exist (any more).",
        _ => "Signing in did not work. Please try again in a moment.",
    }
}

/// How one gets in without a password.
#[component]
fn NoPassword() -> impl IntoView {
    view! {
        <section class="rounded-lg border border-line bg-surface p-4 text-muted">
            <h2 class="font-medium text-ink">"No password, or forgot it?"</h2>
            <p class="mt-1">
                "The server prints a one-time sign-in link at its first start. Whoever runs it makes a new one with:"
            </p>
            <pre class="mt-2 overflow-x-auto rounded-md border border-line bg-sunken px-3 py-2 text-ink" tabindex="0" role="region" aria-label="Command">
                <code>"electrons user link --email <address>"</code>
            </pre>
        </section>
    }
}

/// Why signing in did not work, in words that do not tell whether the person exists.
#[component]
fn Refusal(#[prop(into)] error: Signal<Option<AppError>>) -> impl IntoView {
    let text = move || {
        error.get().map(|error| match error {
            AppError::Unauthorized => "E-mail or password is wrong.".to_owned(),
            AppError::TooMany { retry_after_s } => {
                let wait = if retry_after_s > 90 {
                    format!("{} minutes", retry_after_s.div_ceil(60))
                } else {
                    format!("{retry_after_s} seconds")
                };
                format!("Too many attempts. Wait {wait}, then try again.")
            }
            error => error.to_string(),
        })
    };
    view! {
        <div role="alert" class="empty:hidden">
            {move || {
                text()
                    .map(|text| {
                        view! { <Alert text /> }
                    })
            }}
        </div>
    }
}

#[component]
fn Alert(#[prop(into)] text: String) -> impl IntoView {
    view! {
        <p class="flex items-start gap-2 rounded-md border border-bad/40 bg-bad-soft p-3 text-bad">
            <Icon glyph=Glyph::Warning class="mt-0.5 size-4 shrink-0" />
            <span>{text}</span>
        </p>
    }
}
