//! The few things of the browser that have no view: clipboard, storage, where the keyboard types.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// Copies a text; answers whether that worked. Pages on plain http at another host have no clipboard interface, so
/// there the older way is tried.
pub async fn copy_text(text: &str) -> bool {
    if window().is_secure_context() {
        let copied = window().navigator().clipboard().write_text(text);
        if wasm_bindgen_futures::JsFuture::from(copied).await.is_ok() {
            return true;
        }
    }
    copy_by_selection(text).unwrap_or(false)
}

fn copy_by_selection(text: &str) -> Option<bool> {
    let page = document().dyn_into::<web_sys::HtmlDocument>().ok()?;
    // Inside an open dialog the rest of the page cannot be selected.
    let place = page.query_selector("dialog[open]").ok()?.or_else(|| page.body().map(Into::into))?;
    let area = page.create_element("textarea").ok()?.dyn_into::<web_sys::HtmlTextAreaElement>().ok()?;
    let before = page.active_element().and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok());
    area.set_value(text);
    area.set_class_name("sr-only");
    place.append_child(&area).ok()?;
    area.select();
    let copied = page.exec_command("copy").unwrap_or(false);
    area.remove();
    if let Some(before) = before {
        let _ = before.focus();
    }
    Some(copied)
}

/// Runs once the page that the server drew is alive in whole. Parts of it wake up one after the other, with effects
/// running in between: an effect must not change what a part that still sleeps was drawn from.
pub fn after_hydration(run: impl FnOnce() + 'static) {
    set_timeout(run, std::time::Duration::ZERO);
}

/// Runs with the browser's storage, if it gives one (it may refuse in private windows).
pub fn with_local_storage<T>(run: impl FnOnce(&web_sys::Storage) -> Option<T>) -> Option<T> {
    window().local_storage().ok().flatten().and_then(|storage| run(&storage))
}

/// Whether a key press belongs to a field, so that it must not be a shortcut.
pub fn is_typing(event: &web_sys::KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlElement>().ok()) else {
        return false;
    };
    let tag = target.tag_name();
    target.is_content_editable() || matches!(tag.as_str(), "INPUT" | "TEXTAREA" | "SELECT")
}

/// Elements inside `root` that match, in the order of the page.
pub(super) fn all(root: &web_sys::Element, selector: &str) -> Vec<web_sys::HtmlElement> {
    let Ok(found) = root.query_selector_all(selector) else { return Vec::new() };
    (0..found.length()).filter_map(|index| found.get(index)?.dyn_into().ok()).collect()
}

/// Moves the focus among elements with the arrow keys, Home and End; answers whether the key did something.
pub(super) fn rove(items: &[web_sys::HtmlElement], key: &str, next: &str, previous: &str) -> bool {
    let active = document().active_element();
    let at = items.iter().position(|item| active.as_ref().is_some_and(|active| active.is_same_node(Some(item))));
    let count = items.len();
    let to = match (key, at) {
        (key, Some(at)) if key == next => (at + 1) % count,
        (key, Some(at)) if key == previous => (at + count - 1) % count,
        (key, None) if key == next => 0,
        ("Home", _) => 0,
        ("End", _) => count.saturating_sub(1),
        _ => return false,
    };
    items.get(to).is_some_and(|item| item.focus().is_ok())
}
