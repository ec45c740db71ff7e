//! The conversation as a list that can be changed: edit, add, remove, reorder, and who said it.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use super::{
    prose::Prose,
    request::Role,
    state::{Console, Entry},
};
use crate::ui::kit::{Badge, Button, ButtonSize, ButtonVariant, Glyph, Icon, IconButton, Textarea, Tone};

#[component]
pub fn Messages(console: Console) -> impl IntoView {
    view! {
        <ol class="flex flex-col gap-3 empty:hidden" aria-label="Messages">
            <For each=move || console.messages.get() key=|entry| (entry.key, entry.message.clone()) let:entry>
                <MessageView console entry />
            </For>
        </ol>
    }
}

#[component]
fn MessageView(console: Console, entry: Entry) -> impl IntoView {
    let Entry { key, message } = entry;
    let role = message.role;
    let editing = Memo::new(move |_| console.editing.get() == Some(key));
    let text = StoredValue::new(message.text.clone());
    let place = Memo::new(move |_| {
        console.messages.with(|entries| {
            let at = entries.iter().position(|entry| entry.key == key).unwrap_or(0);
            (at + 1, entries.len())
        })
    });
    let number = move || place.get().0;
    let look = match role {
        Role::User => "group rounded-lg border border-line bg-sunken p-3",
        Role::Assistant => "group rounded-lg border border-line bg-surface p-3",
    };
    view! {
        <li class=look data-role=role.name()>
            <div class="mb-1 flex min-h-7 items-center gap-2">
                <span class="text-muted">
                    <Icon glyph=match role {
                        Role::User => Glyph::User,
                        Role::Assistant => Glyph::Sparkle,
                    } />
                </span>
                <span class="text-sm font-medium">{role.label()}</span>
                {message.text.trim().is_empty().then(|| view! { <Badge tone=Tone::Warn>"empty, will not be sent"</Badge> })}
                <span
                    class="ms-auto flex items-center opacity-0 transition-opacity group-focus-within:opacity-100 \
                           group-hover:opacity-100 pointer-coarse:opacity-100"
                    role="group"
                    aria-label=move || format!("Message {}", number())
                >
                    <IconButton
                        icon=Glyph::Edit
                        label=Signal::derive(move || format!("Edit message {}", number()))
                        size=ButtonSize::Small
                        on_click=move |_| console.editing.set(Some(key))
                        attr:id=format!("message-edit-{key}")
                    />
                    <IconButton
                        icon=match role {
                            Role::User => Glyph::Sparkle,
                            Role::Assistant => Glyph::User,
                        }
                        label=Signal::derive(move || {
                            format!("Make message {} one of {}", number(), match role {
                                Role::User => "the assistant",
                                Role::Assistant => "yours",
                            })
                        })
                        size=ButtonSize::Small
                        on_click=move |_| {
                            console.swap_role(key);
                            refocus(format!("message-role-{key}"));
                        }
                        attr:id=format!("message-role-{key}")
                    />
                    <IconButton
                        icon=Glyph::ArrowUp
                        label=Signal::derive(move || format!("Move message {} up", number()))
                        size=ButtonSize::Small
                        disabled=Signal::derive(move || number() == 1)
                        on_click=move |_| {
                            console.shift(key, -1);
                            refocus(format!("message-up-{key}"));
                        }
                        attr:id=format!("message-up-{key}")
                    />
                    <IconButton
                        icon=Glyph::ArrowDown
                        label=Signal::derive(move || format!("Move message {} down", number()))
                        size=ButtonSize::Small
                        disabled=Signal::derive(move || { let (at, all) = place.get(); at == all })
                        on_click=move |_| {
                            console.shift(key, 1);
                            refocus(format!("message-down-{key}"));
                        }
                        attr:id=format!("message-down-{key}")
                    />
                    <IconButton
                        icon=Glyph::Trash
                        label=Signal::derive(move || format!("Remove message {}", number()))
                        size=ButtonSize::Small
                        on_click=move |_| {
                            console.remove(key);
                            refocus("composer".to_owned());
                        }
                    />
                </span>
            </div>
            {move || {
                if editing.get() {
                    view! { <MessageEditor console key role text=text.get_value() /> }.into_any()
                } else if role == Role::Assistant {
                    view! { <Prose text=text.get_value() /> }.into_any()
                } else {
                    view! { <p class="whitespace-pre-wrap wrap-anywhere">{text.get_value()}</p> }.into_any()
                }
            }}
        </li>
    }
}

/// Gives the focus back after the list was drawn anew: an element that moves or is replaced loses it.
fn refocus(id: String) {
    request_animation_frame(move || {
        if let Some(element) =
            document().get_element_by_id(&id).and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok())
        {
            let _ = element.focus();
        }
    });
}

#[component]
fn MessageEditor(console: Console, key: u32, role: Role, text: String) -> impl IntoView {
    let value = RwSignal::new(text);
    let field = NodeRef::<html::Textarea>::new();
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            let _ = field.focus();
        }
    });
    let close = move || {
        console.editing.set(None);
        refocus(format!("message-edit-{key}"));
    };
    let done = move || {
        console.change(key, value.get_untracked());
        close();
    };
    let keys = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "Enter" if event.ctrl_key() || event.meta_key() => {
            event.prevent_default();
            event.stop_propagation();
            done();
        }
        "Escape" => {
            event.stop_propagation();
            close();
        }
        _ => {}
    };
    view! {
        <div class="flex flex-col gap-2" on:keydown=keys>
            <Textarea
                value
                rows=3
                node_ref=field
                label=match role {
                    Role::User => "Your message",
                    Role::Assistant => "What the assistant said",
                }
            />
            <div class="flex flex-wrap gap-2">
                <Button variant=ButtonVariant::Primary size=ButtonSize::Small on_click=move |_| done()>
                    "Done"
                </Button>
                <Button size=ButtonSize::Small on_click=move |_| close()>
                    "Cancel"
                </Button>
            </div>
        </div>
    }
}
