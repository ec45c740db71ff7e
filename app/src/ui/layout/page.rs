use leptos::{html, prelude::*};
use leptos_meta::Title;

use super::use_frame;
use crate::ui::kit::after_hydration;

/// Marks the document as alive: from here on buttons answer. Browser tests wait for it.
pub fn alive() {
    let mark = || {
        if let Some(html) = document().document_element() {
            let _ = html.set_attribute("data-hydrated", "true");
        }
    };
    // Behind what others do after hydration.
    Effect::new(move |_| after_hydration(move || after_hydration(mark)));
}

/// The frame of every screen: the document's title, the heading, and what follows a change of page (the focus moves to
/// the heading, and readers hear where they are).
#[component]
pub fn Page(
    #[prop(into)] title: Signal<String>,
    /// One sentence under the heading.
    #[prop(optional, into)]
    lead: Option<String>,
    /// Buttons at the right of the heading.
    #[prop(optional, into)]
    actions: ViewFn,
    /// As wide as the window: consoles and wide tables.
    #[prop(optional)]
    wide: bool,
    /// One column of forms.
    #[prop(optional)]
    narrow: bool,
    /// For readers only, where the screen needs the room.
    #[prop(optional)]
    hidden_title: bool,
    children: Children,
) -> impl IntoView {
    alive();
    let frame = use_frame();
    let heading = NodeRef::<html::H1>::new();
    Effect::new(move |_| {
        let Some(heading) = heading.get() else { return };
        if frame.arrived.get_value() {
            let _ = heading.focus();
            frame.announcement.set(title.get_untracked());
        }
        frame.arrived.set_value(true);
    });
    // The document's head is written when the page may be gone already.
    let first = title.get_untracked();
    let width = match (wide, narrow) {
        (true, _) => "max-w-none",
        (_, true) => "max-w-3xl",
        _ => "max-w-7xl",
    };
    view! {
        <Title text=move || title.try_get().unwrap_or_else(|| first.clone()) />
        <div class=format!("mx-auto flex w-full min-w-0 flex-col gap-6 p-4 md:p-6 {width}")>
            <header class=if hidden_title {
                "contents"
            } else {
                "flex flex-wrap items-start gap-x-4 gap-y-3"
            }>
                <div class=if hidden_title { "sr-only" } else { "min-w-0 flex-1 basis-64" }>
                    <h1 node_ref=heading tabindex="-1" class="text-2xl font-semibold tracking-tight wrap-anywhere">{move || title.get()}</h1>
                    {lead.map(|lead| view! { <p class="text-muted">{lead}</p> })}
                </div>
                <div class="flex flex-wrap items-center gap-2 empty:hidden">{actions.run()}</div>
            </header>
            {children()}
        </div>
    }
}
