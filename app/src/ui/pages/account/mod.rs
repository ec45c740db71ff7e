mod sessions;

use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    error::AppError,
    types::{Me, Role},
    ui::{
        kit::{Button, ButtonVariant, Card, Field, Input, Switch, use_toasts},
        layout::{Page, ThemeChoice, store_single_keys, use_frame},
        me::use_me,
    },
};

use self::sessions::Sessions;

/// Least length of a password; the server decides, this only says it early.
const SHORTEST: usize = 12;

/// The own account: who one is, the password, the look, the keys.
#[component]
pub fn AccountPage() -> impl IntoView {
    view! {
        <Page title="Account" lead="Who you are here, and how the console behaves for you." narrow=true>
            {use_me()
                .map(|me| {
                    let (has_password, present_needed) = (me.has_password, me.present_password_needed);
                    let email = me.email.clone();
                    view! {
                        <div class="grid grid-cols-1 gap-6">
                            <Profile me />
                            <PasswordCard has_password present_needed email />
                            <Appearance />
                            <Sessions />
                        </div>
                    }
                })}
        </Page>
    }
    .into_any()
}

#[component]
fn Profile(me: Me) -> impl IntoView {
    let role = match me.role {
        Role::User => "User: the instances you were given",
        Role::Admin => "Admin: everything in your organization",
        Role::Superadmin => "Superadmin: everything on this server",
    };
    let instances = me.instances.iter().map(|instance| instance.name.clone()).collect::<Vec<_>>().join(", ");
    let line = |name: &'static str, value: String| {
        view! {
            <div class="grid gap-x-4 py-2 sm:grid-cols-[10rem_1fr]">
                <dt class="text-muted">{name}</dt>
                <dd class="min-w-0 wrap-anywhere">{value}</dd>
            </div>
        }
    };
    view! {
        <Card title="Profile">
            <dl class="-my-2 divide-y divide-line">
                {line("Name", me.name)}
                {line("E-mail", me.email)}
                {line("Role", role.to_owned())}
                {line("Organization", me.organization)}
                {line("Instances", if instances.is_empty() { "none yet".to_owned() } else { instances })}
            </dl>
        </Card>
    }
}

#[component]
fn PasswordCard(has_password: bool, present_needed: bool, email: String) -> impl IntoView {
    let password = RwSignal::new(String::new());
    let present = RwSignal::new(String::new());
    let present_needed = RwSignal::new(present_needed);
    let present_error = RwSignal::new(None::<String>);
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<String>);
    let has_password = RwSignal::new(has_password);
    let toasts = use_toasts();
    let save = move || {
        let wanted = password.get_untracked();
        let missing = SHORTEST.saturating_sub(wanted.chars().count());
        if missing > 0 {
            error.set(Some(format!("Use at least {SHORTEST} characters ({missing} more).")));
            return;
        }
        busy.set(true);
        error.set(None);
        present_error.set(None);
        let known = present_needed.get_untracked().then(|| present.get_untracked());
        spawn_local(async move {
            match api::set_password(wanted, known).await {
                Ok(()) => {
                    password.set(String::new());
                    present.set(String::new());
                    has_password.set(true);
                    present_needed.set(true);
                    toasts.good("Password saved. Other browsers were signed out.");
                }
                Err(AppError::Invalid { field, message }) if field == "present" => present_error.set(Some(message)),
                Err(AppError::Invalid { message, .. }) => error.set(Some(message)),
                Err(failure) => error.set(Some(failure.to_string())),
            }
            busy.set(false);
        });
    };
    view! {
        <Card title="Password">
            <form
                class="flex flex-col gap-4"
                on:submit=move |event| {
                    event.prevent_default();
                    if !busy.get_untracked() {
                        save();
                    }
                }
            >
                <p class="text-muted">
                    {move || {
                        if has_password.get() {
                            "You have a password. A new one replaces it."
                        } else {
                            "You have no password yet: you came by a one-time link. With a password you can come back any time."
                        }
                    }}
                </p>
                // Password managers file the new password under this name.
                <input type="text" name="username" autocomplete="username" value=email class="hidden" readonly aria-hidden="true" tabindex="-1" />
                <Show when=move || present_needed.get()>
                    <div class="max-w-sm">
                        <Field id="present-password" label="Present password" error=present_error>
                            <Input value=present kind="password" autocomplete="current-password" />
                        </Field>
                    </div>
                </Show>
                <div class="max-w-sm">
                    <Field id="new-password" label="New password" hint="At least 12 characters. Long beats complicated." error=error>
                        <Input value=password kind="password" autocomplete="new-password" />
                    </Field>
                </div>
                <div>
                    <Button variant=ButtonVariant::Primary submit=true busy=busy>
                        {move || if has_password.get() { "Change password" } else { "Set password" }}
                    </Button>
                </div>
            </form>
        </Card>
    }
}

#[component]
fn Appearance() -> impl IntoView {
    let frame = use_frame();
    view! {
        <Card title="Appearance and keyboard">
            <div class="flex flex-col gap-6">
                <div class="flex flex-wrap items-center justify-between gap-3">
                    <div>
                        <p class="font-medium">"Theme"</p>
                        <p class="text-sm text-muted">"Remembered in this browser."</p>
                    </div>
                    <ThemeChoice name="account-theme" />
                </div>
                <Switch
                    id="single-keys"
                    label="Single-key shortcuts"
                    hint="g then a letter goes to a page, ? lists all shortcuts. Switch off if they get in the way of speech input or a screen reader."
                    checked=frame.single_keys
                    on_change=move |allowed: bool| {
                        frame.single_keys.set(allowed);
                        store_single_keys(allowed);
                    }
                />
            </div>
        </Card>
    }
}
