use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use super::{FieldWiring, Glyph, Icon, search};

/// One choice of a combobox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    pub label: String,
    /// A second, quieter line.
    pub note: String,
    /// Heading under which it stands; choices of one group follow each other.
    pub group: String,
    /// Further words it is found by.
    pub keywords: String,
    /// Why it cannot be chosen.
    pub disabled: Option<String>,
}

/// A choice from a long list, with a search. The button shows what is chosen; the panel holds the search field and the
/// list, which the arrow keys walk while the focus stays in the field. `id` is unique on the page.
#[component]
pub fn Combobox(
    #[prop(into)] id: String,
    /// Name for readers.
    #[prop(into)]
    label: String,
    #[prop(into)] options: Signal<Vec<Choice>>,
    /// Value of the chosen one.
    #[prop(into)]
    value: Signal<Option<String>>,
    #[prop(into)] on_change: Callback<String>,
    #[prop(default = "Choose".into(), into)] placeholder: String,
    /// Told what is typed, for options that are read from a server.
    #[prop(optional, into)]
    on_search: Option<Callback<String>>,
    /// Drawn at the right of each choice: badges, prices.
    #[prop(optional, into)]
    trailing: Option<Callback<Choice, AnyView>>,
    /// A line under the list.
    #[prop(optional, into)]
    footer: ViewFn,
) -> impl IntoView {
    let wiring = use_context::<FieldWiring>();
    let (described_by, invalid) =
        wiring.map_or((Signal::stored(None), Signal::stored(false)), |wiring| (wiring.described_by, wiring.invalid));
    let open = RwSignal::new(false);
    let query = RwSignal::new(String::new());
    let active = RwSignal::new(0usize);
    let root = NodeRef::<html::Div>::new();
    let button = NodeRef::<html::Button>::new();
    let field = NodeRef::<html::Input>::new();
    let list_id = format!("{id}-list");
    let option_id = {
        let id = id.clone();
        move |index: usize| format!("{id}-option-{index}")
    };

    let found = Memo::new(move |_| {
        let query = query.get();
        let text = |choice: &Choice| format!("{} {} {} {}", choice.label, choice.value, choice.group, choice.keywords);
        options.with(|options| search::rank(&query, options.iter().cloned(), text))
    });
    let chosen = Memo::new(move |_| {
        let value = value.get()?;
        options.with(|options| {
            options.iter().find(|choice| choice.value == value).map(|choice| choice.label.clone()).or(Some(value))
        })
    });

    let show = move || {
        query.set(String::new());
        let at = value.with_untracked(|value| {
            options.with_untracked(|options| options.iter().position(|choice| Some(&choice.value) == value.as_ref()))
        });
        active.set(at.unwrap_or(0));
        open.set(true);
        if let Some(on_search) = on_search {
            on_search.run(String::new());
        }
        request_animation_frame(move || {
            if let Some(field) = field.get_untracked() {
                let _ = field.focus();
            }
            reveal(root);
        });
    };
    let hide = move |refocus: bool| {
        open.set(false);
        if refocus && let Some(button) = button.get_untracked() {
            let _ = button.focus();
        }
    };
    let pick = move |index: usize| {
        let choice = found.with_untracked(|found| found.get(index).cloned());
        if let Some(choice) = choice.filter(|choice| choice.disabled.is_none()) {
            hide(true);
            on_change.run(choice.value);
        }
    };
    let step = move |by: isize| {
        let count = found.with_untracked(Vec::len);
        if count > 0 {
            active.update(|at| *at = at.saturating_add_signed(by).min(count - 1));
            request_animation_frame(move || reveal(root));
        }
    };
    let keys = move |event: ev::KeyboardEvent| {
        let mut used = true;
        match event.key().as_str() {
            "ArrowDown" => step(1),
            "ArrowUp" => step(-1),
            "PageDown" => step(8),
            "PageUp" => step(-8),
            "Enter" => pick(active.get_untracked()),
            "Escape" => {
                event.stop_propagation();
                hide(true);
            }
            _ => used = false,
        }
        if used {
            event.prevent_default();
        }
    };
    let leave = move |event: ev::FocusEvent| {
        let next = event.related_target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        if open.get_untracked() && !root.get_untracked().is_some_and(|root| root.contains(next.as_ref())) {
            hide(false);
        }
    };

    let panel = {
        let (label, list_id) = (label.clone(), list_id.clone());
        let option_id = StoredValue::new(option_id.clone());
        let footer = footer.clone();
        move || {
            let (label, list_id, footer) = (label.clone(), list_id.clone(), footer.clone());
            view! {
                <div class="absolute start-0 top-full z-40 mt-1 flex max-h-[min(26rem,70dvh)] w-full min-w-72 max-w-[calc(100vw-1.5rem)] flex-col overflow-hidden rounded-lg border border-line bg-raised shadow-pop">
                    <div class="flex items-center gap-2 border-b border-line px-2.5">
                        <Icon glyph=Glyph::Search class="size-4 text-muted" />
                        <input
                            node_ref=field
                            type="text"
                            role="combobox"
                            class="h-9 min-w-0 flex-1 bg-transparent outline-none"
                            placeholder="Search"
                            autocomplete="off"
                            spellcheck="false"
                            aria-label=format!("Search: {label}")
                            aria-autocomplete="list"
                            aria-expanded="true"
                            aria-controls=list_id.clone()
                            aria-activedescendant=move || {
                                found
                                    .with(|found| active.get() < found.len())
                                    .then(|| option_id.with_value(|option_id| option_id(active.get())))
                            }
                            prop:value=move || query.get()
                            on:input:target=move |event| {
                                query.set(event.target().value());
                                active.set(0);
                                if let Some(on_search) = on_search {
                                    on_search.run(query.get_untracked());
                                }
                            }
                            on:keydown=keys
                        />
                    </div>
                    <div role="listbox" id=list_id aria-label=label tabindex="-1" class="min-h-0 flex-1 overflow-y-auto p-1">
                        {move || {
                            let mut group = String::new();
                            found
                                .get()
                                .into_iter()
                                .enumerate()
                                .map(|(index, choice)| {
                                    let heading = (query.with_untracked(String::is_empty) && choice.group != group)
                                        .then(|| choice.group.clone());
                                    group.clone_from(&choice.group);
                                    let own = choice.value.clone();
                                    let selected = move || value.with(|value| value.as_ref() == Some(&own));
                                    let blocked = choice.disabled.clone();
                                    let is_blocked = blocked.is_some();
                                    view! {
                                        {heading
                                            .map(|heading| {
                                                view! {
                                                    <div role="presentation" class="px-2 pt-2 pb-1 text-xs font-medium text-muted">
                                                        {heading}
                                                    </div>
                                                }
                                            })}
                                        <div
                                            role="option"
                                            id=option_id.with_value(|option_id| option_id(index))
                                            data-active=move || (active.get() == index).then_some("true")
                                            aria-selected=move || selected().to_string()
                                            aria-disabled=is_blocked.then_some("true")
                                            class="flex min-h-8 cursor-pointer items-center gap-2 rounded-md border border-transparent px-2 py-1 \
                                                   data-active:border-control data-active:bg-hover aria-selected:bg-selected \
                                                   aria-disabled:cursor-not-allowed"
                                            on:mousemove=move |_| {
                                                if active.get_untracked() != index {
                                                    active.set(index);
                                                }
                                            }
                                            on:mousedown=move |event| event.prevent_default()
                                            on:click=move |_| pick(index)
                                        >
                                            <span class="min-w-0 flex-1">
                                                <span class=if is_blocked {
                                                    "block truncate text-muted"
                                                } else {
                                                    "block truncate"
                                                }>{choice.label.clone()}</span>
                                                {blocked
                                                    .or_else(|| (!choice.note.is_empty()).then(|| choice.note.clone()))
                                                    .map(|note| view! { <span class="block truncate text-xs text-muted">{note}</span> })}
                                            </span>
                                            {trailing.map(|trailing| trailing.run(choice))}
                                        </div>
                                    }
                                })
                                .collect_view()
                        }}
                    </div>
                    <p role="status" class="px-3 py-4 text-center text-muted empty:hidden">
                        {move || found.with(Vec::is_empty).then(|| format!("Nothing matches “{}”.", query.get()))}
                    </p>
                    {footer.run()}
                </div>
            }
        }
    };

    view! {
        <div class="relative min-w-0" node_ref=root on:focusout=leave>
            <button
                node_ref=button
                type="button"
                id=id
                class="flex h-9 w-full min-w-0 items-center gap-2 rounded-md border border-control bg-surface ps-2.5 pe-2 text-start hover:border-ink/60 aria-invalid:border-bad"
                aria-haspopup="listbox"
                aria-expanded=move || open.get().to_string()
                aria-label=move || format!("{label}: {}", chosen.get().unwrap_or_else(|| "nothing chosen".to_owned()))
                aria-describedby=move || described_by.get()
                aria-invalid=move || invalid.get().then_some("true")
                on:click=move |_| if open.get_untracked() { hide(true) } else { show() }
                on:keydown=move |event| {
                    if matches!(event.key().as_str(), "ArrowDown" | "ArrowUp") && !open.get_untracked() {
                        event.prevent_default();
                        show();
                    }
                }
            >
                <span class=move || if chosen.with(Option::is_some) { "min-w-0 flex-1 truncate" } else { "min-w-0 flex-1 truncate text-muted" }>
                    {move || chosen.get().unwrap_or_else(|| placeholder.clone())}
                </span>
                <Icon glyph=Glyph::ChevronDown class="size-4 text-muted" />
            </button>
            <Show when=move || open.get()>{panel()}</Show>
        </div>
    }
}

/// Scrolls the active choice into the list's window.
fn reveal(root: NodeRef<html::Div>) {
    if let Some(root) = root.get_untracked()
        && let Ok(Some(active)) = root.query_selector("[data-active]")
    {
        let how = web_sys::ScrollIntoViewOptions::new();
        how.set_block(web_sys::ScrollLogicalPosition::Nearest);
        active.scroll_into_view_with_scroll_into_view_options(&how);
    }
}
