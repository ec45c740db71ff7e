use std::time::Duration;

use leptos::{ev, prelude::*};
use leptos_router::hooks::use_navigate;

use super::use_frame;
use crate::ui::{
    kit::{is_typing, with_local_storage},
    nav,
};

const STORED: &str = "single-keys";
/// How long a `g` waits for its letter.
const WAIT: Duration = Duration::from_millis(1_200);

/// Whether this browser allows keys without a modifier as shortcuts.
pub fn single_keys_allowed() -> bool {
    with_local_storage(|storage| storage.get_item(STORED).ok().flatten()).as_deref() != Some("off")
}

/// Remembers whether keys without a modifier are shortcuts.
pub fn store_single_keys(allowed: bool) {
    with_local_storage(|storage| storage.set_item(STORED, if allowed { "on" } else { "off" }).ok());
}

/// The one keyboard listener of the frame.
pub fn listen() {
    let frame = use_frame();
    let navigate = use_navigate();
    // The timer that ends a `g` that nothing followed.
    let pending = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move |_| {
        frame.single_keys.set(single_keys_allowed());
        let navigate = navigate.clone();
        let handle = window_event_listener(ev::keydown, move |event| {
            let key = event.key();
            if event.default_prevented() || event.is_composing() {
                return;
            }
            if event.meta_key() || event.ctrl_key() {
                match key.to_ascii_lowercase().as_str() {
                    "k" if !event.shift_key() => {
                        event.prevent_default();
                        frame.palette.update(|open| *open = !*open);
                    }
                    "b" if !event.shift_key() && !is_typing(&event) => {
                        event.prevent_default();
                        frame.toggle_rail();
                    }
                    _ => {}
                }
                return;
            }
            // An open dialog owns the plain keys.
            let covered = document().query_selector("dialog[open]").ok().flatten().is_some();
            if event.alt_key() || covered || !frame.single_keys.get_untracked() || is_typing(&event) {
                return;
            }
            if let Some(timer) = pending.get_value() {
                timer.clear();
                pending.set_value(None);
                let page = nav::pages().find(|page| page.shortcut.is_some_and(|letter| key == letter.to_string()));
                if let Some(page) = page {
                    event.prevent_default();
                    frame.go(page.path, &navigate);
                }
                return;
            }
            match key.as_str() {
                "?" => {
                    event.prevent_default();
                    frame.help.set(true);
                }
                "g" => {
                    pending.set_value(
                        set_timeout_with_handle(
                            move || {
                                let _ = pending.try_set_value(None);
                            },
                            WAIT,
                        )
                        .ok(),
                    );
                }
                _ => {}
            }
        });
        on_cleanup(move || handle.remove());
    });
}
