use std::time::Duration;

use leptos::prelude::*;

use super::{Glyph, Icon};

/// Long enough for any honest answer; after it a moving placeholder would be a lie.
const PATIENCE: Duration = Duration::from_secs(10);

/// Grey lines while something loads. After ten seconds they become a sentence that says so.
#[component]
pub fn Skeleton(#[prop(default = 3)] lines: u8) -> impl IntoView {
    view! {
        <SkeletonBlock>
            <div class="flex flex-col gap-3 p-4">
                {(0..lines)
                    .map(|line| {
                        let width = if line % 3 == 2 { "w-1/2" } else if line % 3 == 1 { "w-5/6" } else { "w-full" };
                        view! { <div class=format!("pulse h-4 rounded-sm bg-hover {width}")></div> }
                    })
                    .collect_view()}
            </div>
        </SkeletonBlock>
    }
}

/// A placeholder of any shape, with the same patience.
#[component]
pub fn SkeletonBlock(children: Children) -> impl IntoView {
    let late = RwSignal::new(false);
    Effect::new(move |_| {
        if let Ok(timer) = set_timeout_with_handle(move || late.set(true), PATIENCE) {
            on_cleanup(move || timer.clear());
        }
    });
    view! {
        <div aria-busy="true">
            <span class="sr-only" role="status">{move || if late.get() { "" } else { "Loading" }}</span>
            <div hidden=move || late.get()>{children()}</div>
            <p hidden=move || !late.get() role="alert" class="flex items-center gap-2 p-4 text-warn">
                <Icon glyph=Glyph::Warning />
                {move || {
                    late.get()
                        .then_some("This takes longer than it should. The server may be busy or gone: reload the page to try again.")
                }}
            </p>
        </div>
    }
}
