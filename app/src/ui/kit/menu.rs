use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use super::{
    Glyph, Icon,
    dom::{all, rove},
};

#[derive(Clone, Copy)]
struct MenuState(RwSignal<bool>);

/// A button that opens a list of actions. Arrow keys, Home and End move; Esc closes and returns to the button. `id` is
/// unique on the page.
#[component]
pub fn Menu(
    #[prop(into)] id: String,
    /// Name of the button.
    #[prop(into)]
    label: Signal<String>,
    /// What the button shows; only its picture or text, the frame is drawn here.
    #[prop(into)]
    trigger: ViewFn,
    /// The list is aligned with the right edge of the button.
    #[prop(optional)]
    end: bool,
    /// Opens upwards.
    #[prop(optional)]
    up: bool,
    children: ChildrenFn,
) -> impl IntoView {
    let open = RwSignal::new(false);
    provide_context(MenuState(open));
    let root = NodeRef::<html::Div>::new();
    let button = NodeRef::<html::Button>::new();
    let focus_first = move || {
        request_animation_frame(move || {
            if let Some(root) = root.get_untracked()
                && let Some(first) = all(&root, "[role^=menuitem]").first()
            {
                let _ = first.focus();
            }
        });
    };
    let close = move || {
        open.set(false);
        if let Some(button) = button.get_untracked() {
            let _ = button.focus();
        }
    };
    let keys = move |event: ev::KeyboardEvent| {
        if !open.get_untracked() {
            return;
        }
        match event.key().as_str() {
            "Escape" => {
                event.prevent_default();
                event.stop_propagation();
                close();
            }
            "Tab" => open.set(false),
            key => {
                if let Some(root) = root.get_untracked()
                    && rove(&all(&root, "[role^=menuitem]"), key, "ArrowDown", "ArrowUp")
                {
                    event.prevent_default();
                }
            }
        }
    };
    let leave = move |event: ev::FocusEvent| {
        let next = event.related_target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        let inside = root.get_untracked().is_some_and(|root| root.contains(next.as_ref()));
        // Without a next element the press fell on something that takes no focus; the page handler below decides then.
        if next.is_some() && !inside {
            open.set(false);
        }
    };
    Effect::new(move |_| {
        let handle = window_event_listener(ev::mousedown, move |event| {
            let target = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
            if open.get_untracked() && !root.get_untracked().is_some_and(|root| root.contains(target.as_ref())) {
                open.set(false);
            }
        });
        on_cleanup(move || handle.remove());
    });
    let side = if end { "end-0" } else { "start-0" };
    let edge = if up { "bottom-full mb-1" } else { "top-full mt-1" };
    let children = StoredValue::new(children);
    let name = StoredValue::new(id.clone());
    view! {
        <div class="relative inline-block min-w-0" node_ref=root on:keydown=keys on:focusout=leave>
            <button
                node_ref=button
                type="button"
                id=id
                class="flex min-h-8 max-w-full min-w-8 items-center justify-center gap-1.5 rounded-md border border-transparent px-1.5 hover:bg-hover aria-expanded:bg-hover"
                aria-haspopup="menu"
                aria-expanded=move || open.get().to_string()
                aria-label=move || label.get()
                on:click=move |_| {
                    open.update(|open| *open = !*open);
                    if open.get_untracked() {
                        focus_first();
                    }
                }
                on:keydown=move |event| {
                    if event.key() == "ArrowDown" && !open.get_untracked() {
                        event.prevent_default();
                        open.set(true);
                        focus_first();
                    }
                }
            >
                {trigger.run()}
            </button>
            <Show when=move || open.get()>
                <div
                    role="menu"
                    aria-labelledby=name.get_value()
                    class=format!(
                        "absolute z-40 max-h-[70dvh] w-max max-w-[calc(100vw-1.5rem)] min-w-52 overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-pop {side} {edge}",
                    )
                >
                    {children.with_value(|children| children())}
                </div>
            </Show>
        </div>
    }
}

const ITEM: &str = "flex min-h-8 w-full items-center gap-2 rounded-md px-2 py-1 text-start hover:bg-hover \
                    focus-visible:bg-hover focus-visible:-outline-offset-2";

/// An action in a menu. With `checked` it is one of a choice.
#[component]
pub fn MenuButton(
    children: Children,
    #[prop(optional, into)] icon: Option<Glyph>,
    #[prop(optional, into)] checked: Option<Signal<bool>>,
    /// With `checked`: on or off by itself, and the menu stays open.
    #[prop(optional)]
    toggle: bool,
    /// Sends the form it stands in.
    #[prop(optional)]
    submit: bool,
    #[prop(optional, into)] on_click: Option<Callback<()>>,
) -> impl IntoView {
    let state = use_context::<MenuState>();
    view! {
        <button
            type=if submit { "submit" } else { "button" }
            role=match (checked.is_some(), toggle) {
                (true, true) => "menuitemcheckbox",
                (true, false) => "menuitemradio",
                _ => "menuitem",
            }
            aria-checked=move || checked.map(|checked| checked.get().to_string())
            tabindex="-1"
            class=ITEM
            on:click=move |_| {
                if let Some(on_click) = on_click {
                    on_click.run(());
                }
                if let Some(MenuState(open)) = state
                    && !submit && !toggle
                {
                    open.set(false);
                }
            }
        >
            {icon.map(|glyph| view! { <Icon glyph class="size-4 text-muted" /> })}
            <span class="min-w-0 flex-1">{children()}</span>
            {checked
                .map(|checked| {
                    view! {
                        <span class=move || if checked.get() { "text-link" } else { "invisible" }>
                            <Icon glyph=Glyph::Check />
                        </span>
                    }
                })}
        </button>
    }
}

/// A menu entry that goes somewhere.
#[component]
pub fn MenuLink(
    #[prop(into)] href: String,
    children: Children,
    #[prop(optional, into)] icon: Option<Glyph>,
) -> impl IntoView {
    let state = use_context::<MenuState>();
    view! {
        <a
            href=href
            role="menuitem"
            tabindex="-1"
            class=ITEM
            on:click=move |_| {
                if let Some(MenuState(open)) = state {
                    open.set(false);
                }
            }
        >
            {icon.map(|glyph| view! { <Icon glyph class="size-4 text-muted" /> })}
            <span class="min-w-0 flex-1">{children()}</span>
        </a>
    }
}

/// A line between groups of entries.
#[component]
pub fn MenuSeparator() -> impl IntoView {
    view! { <div role="separator" class="my-1 border-t border-line"></div> }
}
