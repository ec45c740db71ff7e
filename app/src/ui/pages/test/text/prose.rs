//! The words of an answer: rendered once they are finished, plain while they grow.

use leptos::{ev, prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;

use super::{super::markdown, lane::Said};
use crate::ui::kit::{copy_text, use_toasts};

/// Markdown of a text that does not change any more.
#[component]
pub fn Prose(#[prop(into)] text: Signal<String>) -> impl IntoView {
    let html = Memo::new(move |_| text.with(|text| markdown::render(text)));
    let copy = use_code_copier();
    view! { <div class="md" on:click=copy inner_html=move || html.get()></div> }
}

/// An answer as it comes in: finished blocks are rendered once each, the rest is appended as plain text.
#[component]
pub fn GrowingProse(said: RwSignal<Said>) -> impl IntoView {
    let closed = Memo::new(move |_| said.with(|said| said.closed.len()));
    let copy = use_code_copier();
    let block = move |index: usize| {
        said.with_untracked(|said| {
            let start = index.checked_sub(1).and_then(|before| said.closed.get(before)).copied().unwrap_or(0);
            let end = said.closed.get(index).copied().unwrap_or(start);
            markdown::render(said.text.get(start..end).unwrap_or_default())
        })
    };
    // The open block is one text node that is replaced; it is short, because everything before it is closed.
    let tail = Memo::new(move |_| {
        said.with(|said| {
            let from = said.closed.last().copied().unwrap_or(0);
            said.text.get(from..).unwrap_or_default().to_owned()
        })
    });
    let in_code = Memo::new(move |_| tail.with(|tail| tail.starts_with("```") || tail.starts_with("~~~")));
    view! {
        <div class="md" on:click=copy>
            <For each=move || 0..closed.get() key=|index| *index let:index>
                <div inner_html=block(index)></div>
            </For>
            {move || {
                if in_code.get() {
                    view! {
                        <div class="md-code">
                            <pre tabindex="0">
                                <code>{move || tail.with(|tail| tail.split_once('\n').map(|(_, code)| code.to_owned()))}</code>
                            </pre>
                        </div>
                    }
                        .into_any()
                } else {
                    view! { <p class="whitespace-pre-wrap">{move || tail.get()}</p> }.into_any()
                }
            }}
        </div>
    }
}

/// Copies a code block when its button is pressed. The buttons are part of the rendered Markdown, so the click is caught
/// by what is around them.
fn use_code_copier() -> impl Fn(ev::MouseEvent) + Copy {
    let toasts = use_toasts();
    move |event: ev::MouseEvent| {
        let pressed = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let selector = format!("[{}]", markdown::COPY);
        let Some(button) = pressed.and_then(|element| element.closest(&selector).ok().flatten()) else { return };
        let code = button
            .closest(".md-code")
            .ok()
            .flatten()
            .and_then(|block| block.query_selector("code").ok().flatten())
            .and_then(|code| code.text_content())
            .unwrap_or_default();
        spawn_local(async move {
            if copy_text(&code).await {
                toasts.good("Code copied.");
            } else {
                toasts.bad("The browser did not allow copying. Select the code and copy it by hand.");
            }
        });
    }
}
