use leptos::{ev, html, prelude::*};

use super::dom::{all, rove};

/// One tab: its key, its name and an optional number behind the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab {
    pub key: &'static str,
    pub label: String,
    pub count: Option<u64>,
}

impl Tab {
    pub fn new(key: &'static str, label: impl Into<String>) -> Self {
        Self { key, label: label.into(), count: None }
    }
}

/// A row of tabs. `id` ties them to their panels and is unique on the page; the caller keeps the chosen key (in the URL,
/// where the tab is worth a link).
#[component]
pub fn Tabs(
    id: &'static str,
    #[prop(into)] label: String,
    #[prop(into)] tabs: Signal<Vec<Tab>>,
    #[prop(into)] selected: Signal<String>,
    #[prop(into)] on_select: Callback<String>,
) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    let keys = move |event: ev::KeyboardEvent| {
        if let Some(root) = root.get_untracked()
            && rove(&all(&root, "[role=tab]"), &event.key(), "ArrowRight", "ArrowLeft")
        {
            event.prevent_default();
            if let Some(key) = document().active_element().and_then(|tab| tab.get_attribute("data-key")) {
                on_select.run(key);
            }
        }
    };
    view! {
        <div
            role="tablist"
            aria-label=label
            node_ref=root
            on:keydown=keys
            class="flex gap-1 overflow-x-auto border-b border-line px-1"
        >
            {move || {
                tabs.get()
                    .into_iter()
                    .map(|tab| {
                        let key = tab.key;
                        let chosen = move || selected.with(|selected| selected == key);
                        view! {
                            <button
                                type="button"
                                role="tab"
                                id=format!("{id}-tab-{key}")
                                data-key=key
                                aria-controls=format!("{id}-panel-{key}")
                                aria-selected=move || chosen().to_string()
                                tabindex=move || if chosen() { "0" } else { "-1" }
                                class="-mb-px flex h-9 shrink-0 items-center gap-1.5 border-b-2 border-transparent px-2 text-muted \
                                       -outline-offset-2 hover:text-ink aria-selected:border-accent aria-selected:font-medium aria-selected:text-ink"
                                on:click=move |_| on_select.run(key.to_owned())
                            >
                                {tab.label}
                                {tab
                                    .count
                                    .map(|count| {
                                        view! { <span class="rounded-full bg-sunken px-1.5 text-xs tabular-nums text-muted">{count}</span> }
                                    })}
                            </button>
                        }
                    })
                    .collect_view()
            }}
        </div>
    }
}

/// What a tab shows while it is chosen.
#[component]
pub fn TabPanel(
    /// The `id` of its `Tabs`.
    id: &'static str,
    key: &'static str,
    #[prop(into)] selected: Signal<String>,
    children: ChildrenFn,
) -> impl IntoView {
    let children = StoredValue::new(children);
    view! {
        <div
            role="tabpanel"
            id=format!("{id}-panel-{key}")
            aria-labelledby=format!("{id}-tab-{key}")
            tabindex="0"
            hidden=move || selected.with(|selected| selected != key)
            class="min-w-0"
        >
            <Show when=move || selected.with(|selected| selected == key)>{children.with_value(|children| children())}</Show>
        </div>
    }
}
