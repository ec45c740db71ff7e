//! Where the next message is written. It is a real form: before the page is alive, the server answers it.

use leptos::{ev, prelude::*};

use super::{request::Role, state::Console};
use crate::ui::kit::{Button, ButtonSize, ButtonVariant, Glyph, Icon, Kbd, Textarea};

/// Id of the form; the model and the system prompt stand elsewhere and belong to it.
pub const FORM: &str = "text-console";

#[component]
pub fn Composer(console: Console) -> impl IntoView {
    let running = Memo::new(move |_| console.is_running());
    let empty = Memo::new(move |_| console.messages.with(Vec::is_empty) && !console.chosen_lane().has_text());
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        console.send();
    };
    let keys = move |event: ev::KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            console.send();
        }
    };
    let complaint = move || {
        console.complaint.get().map(|(place, why)| match console.comparing() {
            true => format!("{}: {why}", console.lane(place).letter()),
            false => why.to_string(),
        })
    };
    view! {
        <form
            id=FORM
            method="post"
            action="/test/text/run"
            on:submit=submit
            class="sticky bottom-2 z-20 flex flex-col gap-2 rounded-lg border border-line bg-raised p-3 shadow-pop"
        >
            <p id="composer-complaint" role="alert" class="flex items-center gap-2 text-sm text-bad empty:hidden">
                {move || complaint().map(|text| view! { <Icon glyph=Glyph::Warning /> <span>{text}</span> })}
            </p>
            <Textarea
                id="composer"
                name="prompt"
                label="Message"
                value=console.composer
                rows=2
                height="max-h-60"
                placeholder=Signal::derive(move || {
                    if empty.get() { "Ask something" } else { "Go on with the conversation" }.to_owned()
                })
                on:keydown=keys
                attr:aria-describedby="composer-complaint"
            />
            <div class="flex flex-wrap items-center gap-1 sm:gap-2">
                <Button
                    variant=ButtonVariant::Ghost
                    size=ButtonSize::Small
                    icon=Glyph::Plus
                    on_click=move |_| console.add(Role::User)
                    attr:title="Add a message of yours to the conversation"
                >
                    "You"
                </Button>
                <Button
                    variant=ButtonVariant::Ghost
                    size=ButtonSize::Small
                    icon=Glyph::Plus
                    on_click=move |_| console.add(Role::Assistant)
                    attr:title="Add a message of the assistant to the conversation"
                >
                    "Assistant"
                </Button>
                <span class="ms-auto"></span>
                <span class="hidden items-center gap-1 text-sm text-muted sm:flex pointer-coarse:hidden">
                    <Kbd keys="Ctrl" />
                    <Kbd keys="Enter" />
                    "sends"
                </span>
                {move || {
                    running
                        .get()
                        .then(|| {
                            view! {
                                <Button icon=Glyph::Stop on_click=move |_| console.stop()>
                                    "Stop"
                                </Button>
                            }
                        })
                }}
                <Button variant=ButtonVariant::Primary submit=true icon=Glyph::Send disabled=running>
                    "Send"
                </Button>
            </div>
        </form>
    }
}
