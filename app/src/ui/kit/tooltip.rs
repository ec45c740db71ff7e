use leptos::prelude::*;

/// A few words about the thing inside, shown while it is pointed at or focused; Esc hides them. `id` is unique on the
/// page. For names of buttons use the button's own label instead.
#[component]
pub fn Tooltip(#[prop(into)] id: String, #[prop(into)] text: Signal<String>, children: Children) -> impl IntoView {
    let described_by = id.clone();
    let hidden = RwSignal::new(false);
    view! {
        <span
            class="group relative inline-flex"
            aria-describedby=described_by
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    hidden.set(true);
                }
            }
            on:mouseenter=move |_| hidden.set(false)
            on:focusin=move |_| hidden.set(false)
        >
            {children()}
            <span
                role="tooltip"
                id=id
                class=move || {
                    if hidden.get() {
                        "hidden"
                    } else {
                        "invisible absolute bottom-full left-1/2 z-40 w-max max-w-64 -translate-x-1/2 rounded-md border border-line \
                         bg-raised px-2 py-1 text-sm font-normal text-ink shadow-pop group-hover:visible group-focus-within:visible"
                    }
                }
            >
                {move || text.get()}
            </span>
        </span>
    }
}
