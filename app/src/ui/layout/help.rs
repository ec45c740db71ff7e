use leptos::prelude::*;

use super::use_frame;
use crate::ui::{
    kit::{Dialog, DialogSide, Kbd},
    nav,
};

/// The sheet that lists the shortcuts.
#[component]
pub fn HelpSheet() -> impl IntoView {
    let frame = use_frame();
    let line = |keys: Vec<String>, text: String| {
        view! {
            <div class="flex items-center gap-4 py-1.5">
                <dt class="min-w-0 flex-1">{text}</dt>
                <dd class="flex gap-1">{keys.into_iter().map(|keys| view! { <Kbd keys /> }).collect_view()}</dd>
            </div>
        }
    };
    view! {
        <Dialog id="help" open=frame.help title="Keyboard shortcuts" side=DialogSide::End>
            <h3 class="mb-1 text-sm font-medium text-muted">"Anywhere"</h3>
            <dl class="mb-6 divide-y divide-line">
                {line(vec!["Ctrl / ⌘".into(), "K".into()], "Search pages, models and actions".into())}
                {line(vec!["Ctrl / ⌘".into(), "B".into()], "Fold the sidebar".into())}
                {line(vec!["?".into()], "This list".into())}
                {line(vec!["Esc".into()], "Close what is on top".into())}
            </dl>
            <h3 class="mb-1 text-sm font-medium text-muted">"Go to"</h3>
            <dl class="mb-6 divide-y divide-line">
                {nav::pages()
                    .filter_map(|page| Some((page.label, page.shortcut?)))
                    .map(|(label, letter)| line(vec!["g".into(), letter.to_string()], label.to_owned()))
                    .collect_view()}
            </dl>
            <h3 class="mb-1 text-sm font-medium text-muted">"In the text console"</h3>
            <dl class="mb-6 divide-y divide-line">
                {line(vec!["Ctrl / ⌘".into(), "Enter".into()], "Run".into())}
            </dl>
            <p class="text-sm text-muted">
                "Keys without Ctrl or ⌘ do nothing while you type, and can be switched off in your "
                <a class="text-link underline" href="/account" on:click=move |_| frame.help.set(false)>"account"</a> "."
            </p>
        </Dialog>
    }
}
