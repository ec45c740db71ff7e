use leptos::prelude::*;

/// A panel with a heading of its own.
#[component]
pub fn Card(
    /// The heading; without it the panel has no head line.
    #[prop(optional, into)]
    title: Option<String>,
    /// One sentence under the heading.
    #[prop(optional, into)]
    lead: Option<String>,
    /// What stands at the right of the heading.
    #[prop(optional, into)]
    actions: ViewFn,
    /// The content brings its own padding (tables, lists).
    #[prop(optional)]
    flush: bool,
    children: Children,
) -> impl IntoView {
    view! {
        <section class="min-w-0 rounded-lg border border-line bg-surface shadow-card">
            {title
                .map(|title| {
                    view! {
                        <header class="flex min-h-12 flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-4 py-2">
                            <div class="min-w-0 flex-1">
                                <h2 class="font-semibold">{title}</h2>
                                {lead.map(|lead| view! { <p class="text-sm text-muted">{lead}</p> })}
                            </div>
                            <div class="flex items-center gap-2">{actions.run()}</div>
                        </header>
                    }
                })}
            <div class=if flush { "min-w-0" } else { "min-w-0 p-4" }>{children()}</div>
        </section>
    }
}
