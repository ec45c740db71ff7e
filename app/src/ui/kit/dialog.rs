use leptos::{html, prelude::*};

use super::{ButtonSize, Glyph, IconButton};

/// Where a dialog stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DialogSide {
    #[default]
    Centre,
    /// A sheet at the right edge: details beside a list.
    End,
    /// A sheet at the left edge: navigation on small screens.
    Start,
    /// Near the top, without a head line: palettes.
    Top,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DialogSize {
    Small,
    #[default]
    Medium,
    Large,
}

/// Whether a dialog is open that asks about something: open while there is something, which is forgotten when it is closed.
/// `anew` runs before it opens.
pub fn open_for<T: Send + Sync + 'static>(what: RwSignal<Option<T>>, anew: impl Fn() + 'static) -> RwSignal<bool> {
    let open = RwSignal::new(false);
    Effect::new(move |_| {
        let is_asked = what.with(Option::is_some);
        anew();
        open.set(is_asked);
    });
    Effect::new(move |_| {
        if !open.get() && what.with_untracked(Option::is_some) {
            what.set(None);
        }
    });
    open
}

/// A dialog or sheet over the page: the browser's own `<dialog>`, so focus stays inside, Esc closes it, the page behind
/// is inert, and focus returns. Its content exists only while it is open. `id` is unique on the page.
#[component]
pub fn Dialog(
    #[prop(into)] id: String,
    open: RwSignal<bool>,
    #[prop(into)] title: Signal<String>,
    #[prop(optional)] side: DialogSide,
    #[prop(optional)] size: DialogSize,
    /// Buttons at the foot.
    #[prop(optional, into)]
    footer: Option<ViewFn>,
    /// Neither a press beside the dialog nor Esc closes it (unsaved work, a secret shown once).
    #[prop(optional, into)]
    sticky: Signal<bool>,
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = node.get() else { return };
        if open.get() {
            // After the content is there, so that `autofocus` inside it is honoured.
            request_animation_frame(move || {
                if open.try_get_untracked() == Some(true) && !dialog.open() {
                    let _ = dialog.show_modal();
                }
            });
        } else if dialog.open() {
            dialog.close();
        }
    });
    let title_id = format!("{id}-title");
    let width = match size {
        DialogSize::Small => "max-w-sm",
        DialogSize::Medium => "max-w-lg",
        DialogSize::Large => "max-w-3xl",
    };
    let place = match side {
        DialogSide::Centre => "m-auto max-h-[85dvh] rounded-xl",
        DialogSide::End => "sheet-end my-0 me-0 ms-auto h-dvh max-h-dvh rounded-s-xl",
        DialogSide::Start => "sheet-start my-0 ms-0 me-auto h-dvh max-h-dvh rounded-e-xl",
        DialogSide::Top => "mx-auto mt-[12vh] mb-auto max-h-[70dvh] rounded-xl",
    };
    let bare = side == DialogSide::Top;
    let labelled_by = (!bare).then(|| title_id.clone());
    let title_id = StoredValue::new(title_id);
    let footer = StoredValue::new(footer);
    let children = StoredValue::new(children);
    view! {
        <dialog
            node_ref=node
            id=id
            aria-labelledby=labelled_by
            aria-label=move || bare.then(|| title.get())
            class=format!(
                "w-[calc(100vw-1.5rem)] overflow-hidden border border-line bg-raised p-0 text-ink shadow-pop open:flex open:flex-col {place} {width}",
            )
            on:close=move |_| {
                let _ = open.try_set(false);
            }
            on:cancel=move |event: leptos::ev::Event| {
                // Esc: a second press closes in any case, the browser sees to that.
                if sticky.get_untracked() {
                    event.prevent_default();
                }
            }
            on:mousedown=move |event| {
                if event.target() == event.current_target() && !sticky.get_untracked() {
                    open.set(false);
                }
            }
        >
            <Show when=move || open.try_get().unwrap_or_default()>
                {(!bare)
                    .then(|| {
                        view! {
                            <header class="flex items-center gap-2 border-b border-line py-2 ps-4 pe-2">
                                <h2 id=title_id.get_value() class="min-w-0 flex-1 text-lg font-semibold">{move || title.get()}</h2>
                                <IconButton
                                    icon=Glyph::Cross
                                    label="Close"
                                    size=ButtonSize::Medium
                                    on_click=move |_| open.set(false)
                                />
                            </header>
                        }
                    })}
                <div class=if bare { "flex min-h-0 flex-1 flex-col" } else { "min-h-0 flex-1 overflow-y-auto p-4" }>
                    {children.with_value(|children| children())}
                </div>
                {footer
                    .get_value()
                    .map(|footer| {
                        view! {
                            <footer class="flex flex-wrap justify-end gap-2 border-t border-line bg-surface px-4 py-3">
                                {footer.run()}
                            </footer>
                        }
                    })}
            </Show>
        </dialog>
    }
}
