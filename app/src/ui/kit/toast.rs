use std::time::Duration;

use leptos::prelude::*;

use super::{Button, ButtonSize, Glyph, Icon, IconButton, Tone};

const SHOWN: Duration = Duration::from_secs(6);
/// Time to notice a mistake.
const SHOWN_UNDO: Duration = Duration::from_secs(12);
const MOST: usize = 4;

#[derive(Clone)]
struct Toast {
    key: u32,
    tone: Tone,
    text: String,
    /// What can be done about it: the words of the button, and the deed.
    action: Option<(&'static str, Callback<()>)>,
}

/// Short messages in the corner. Good news leaves by itself; bad news stays until it is sent away.
#[derive(Clone, Copy)]
pub struct Toasts {
    list: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
    /// The pointer or the focus is on the messages: nothing leaves meanwhile.
    held: RwSignal<bool>,
}

impl Toasts {
    fn new() -> Self {
        Self { list: RwSignal::new(Vec::new()), next: StoredValue::new(0), held: RwSignal::new(false) }
    }

    /// Something worked.
    pub fn good(&self, text: impl Into<String>) {
        let key = self.push(Tone::Good, text.into(), None);
        self.leave_later(key, SHOWN);
    }

    /// Something was taken away and can be brought back.
    pub fn undo(&self, text: impl Into<String>, undo: Callback<()>) {
        let key = self.push(Tone::Good, text.into(), Some(("Undo", undo)));
        self.leave_later(key, SHOWN_UNDO);
    }

    /// Something to know.
    pub fn info(&self, text: impl Into<String>) {
        let key = self.push(Tone::Accent, text.into(), None);
        self.leave_later(key, SHOWN);
    }

    /// Something failed: what, and what to do.
    pub fn bad(&self, text: impl Into<String>) {
        self.push(Tone::Bad, text.into(), None);
    }

    fn push(&self, tone: Tone, text: String, action: Option<(&'static str, Callback<()>)>) -> u32 {
        let key = self.next.get_value();
        self.next.set_value(key.wrapping_add(1));
        self.list.update(|list| {
            list.retain(|toast| toast.text != text);
            if list.len() >= MOST {
                list.remove(0);
            }
            list.push(Toast { key, tone, text, action });
        });
        key
    }

    fn leave_later(self, key: u32, after: Duration) {
        set_timeout(
            move || {
                if self.held.try_get_untracked() == Some(true) {
                    self.leave_later(key, after);
                } else {
                    self.remove(key);
                }
            },
            after,
        );
    }

    fn remove(&self, key: u32) {
        let _ = self.list.try_update(|list| list.retain(|toast| toast.key != key));
    }
}

/// Makes the messages known to everything below.
pub fn provide_toasts() {
    provide_context(Toasts::new());
}

/// The messages of this page.
pub fn use_toasts() -> Toasts {
    use_context().unwrap_or_else(Toasts::new)
}

/// Where the messages appear; once per page. Readers hear good ones politely and bad ones at once.
#[component]
pub fn Toaster() -> impl IntoView {
    let toasts = use_toasts();
    let of = move |bad: bool| {
        view! {
            <For
                each=move || {
                    let mut list = toasts.list.get();
                    list.retain(|toast| (toast.tone == Tone::Bad) == bad);
                    list
                }
                key=|toast| toast.key
                let:toast
            >
                <div class="pointer-events-auto flex items-start gap-2 rounded-lg border border-line bg-raised py-2 ps-3 pe-2 shadow-pop">
                    <span class=format!("mt-1.5 {}", toast.tone.text())>
                        <Icon glyph=match toast.tone {
                            Tone::Good => Glyph::CheckCircle,
                            Tone::Bad => Glyph::Warning,
                            _ => Glyph::Info,
                        } />
                    </span>
                    <p class="min-w-0 flex-1 py-1 wrap-anywhere">{toast.text.clone()}</p>
                    {toast
                        .action
                        .map(|(words, action)| {
                            view! {
                                <Button
                                    size=ButtonSize::Small
                                    on_click=move |_| {
                                        toasts.remove(toast.key);
                                        action.run(());
                                    }
                                >
                                    {words}
                                </Button>
                            }
                        })}
                    <IconButton
                        icon=Glyph::Cross
                        label="Dismiss message"
                        size=ButtonSize::Small
                        on_click=move |_| toasts.remove(toast.key)
                    />
                </div>
            </For>
        }
    };
    view! {
        <div
            class="pointer-events-none fixed inset-x-3 bottom-3 z-50 ms-auto flex max-w-sm flex-col gap-2"
            on:mouseenter=move |_| toasts.held.set(true)
            on:mouseleave=move |_| toasts.held.set(false)
            on:focusin=move |_| toasts.held.set(true)
            on:focusout=move |_| toasts.held.set(false)
        >
            <div role="status" class="flex flex-col gap-2">{of(false)}</div>
            <div role="alert" class="flex flex-col gap-2">{of(true)}</div>
        </div>
    }
}
