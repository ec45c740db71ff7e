use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::{Brand, use_frame};
use crate::{
    types::Me,
    ui::{
        kit::{Dialog, DialogSide, DialogSize, Glyph, Icon, IconButton, Kbd},
        nav,
    },
};

const LINK: &str = "flex h-8 items-center gap-2.5 rounded-md border border-transparent px-2 text-muted hover:bg-hover hover:text-ink \
                    aria-[current=page]:bg-selected aria-[current=page]:font-medium aria-[current=page]:text-ink";

const LINK_RAIL: &str = "flex h-8 items-center justify-center rounded-md border border-transparent text-muted hover:bg-hover \
                         hover:text-ink aria-[current=page]:bg-selected aria-[current=page]:text-ink";

/// The links of the registry; `rail` hides the words (readers still get them).
#[component]
fn Links(me: Me, #[prop(into)] rail: Signal<bool>, #[prop(into)] on_go: Callback<()>) -> impl IntoView {
    let path = use_location().pathname;
    nav::SIDEBAR
        .iter()
        .map(|group| {
            let role = me.role;
            view! {
                <div role="group" aria-label=(!group.label.is_empty()).then_some(group.label)>
                    {(!group.label.is_empty())
                        .then(|| {
                            view! {
                                <p
                                    aria-hidden="true"
                                    class=move || {
                                        if rail.get() { "mx-2 mt-4 mb-2 h-px overflow-hidden bg-line" } else { "px-2 pt-4 pb-1 text-xs font-medium text-muted" }
                                    }
                                >
                                    {group.label}
                                </p>
                            }
                        })}
                    <ul class="flex flex-col gap-0.5">
                        {group
                            .entries
                            .iter()
                            .filter(|entry| entry.role <= role)
                            .map(|entry| {
                                let current = move || {
                                    path.with(|path| nav::find(path).is_some_and(|(_, found)| found == entry)).then_some("page")
                                };
                                view! {
                                    <li>
                                        <a
                                            href=entry.path
                                            class=move || if rail.get() { LINK_RAIL } else { LINK }
                                            aria-current=current
                                            title=move || rail.get().then_some(entry.label)
                                            on:click=move |_| on_go.run(())
                                        >
                                            <Icon glyph=entry.icon class="size-4 shrink-0" />
                                            <span class=move || if rail.get() { "sr-only" } else { "truncate" }>{entry.label}</span>
                                        </a>
                                    </li>
                                }
                            })
                            .collect_view()}
                    </ul>
                </div>
            }
        })
        .collect_view()
}

/// The foot of the sidebar: help.
#[component]
fn Help(#[prop(into)] rail: Signal<bool>) -> impl IntoView {
    let frame = use_frame();
    view! {
        <button
            type="button"
            class=move || if rail.get() { format!("{LINK_RAIL} w-full") } else { format!("{LINK} w-full") }
            title=move || rail.get().then_some("Help and shortcuts")
            on:click=move |_| {
                frame.overlay.set(false);
                frame.help.set(true);
            }
        >
            <Icon glyph=Glyph::Question class="size-4 shrink-0" />
            <span class=move || if rail.get() { "sr-only" } else { "flex-1 truncate text-start" }>"Help and shortcuts"</span>
            <span class=move || if rail.get() { "hidden" } else { "" }>
                <Kbd keys="?" />
            </span>
        </button>
    }
}

/// The sidebar of wide screens; it folds to a rail.
#[component]
pub fn SideNav(me: Me) -> impl IntoView {
    let frame = use_frame();
    let version = me.version.clone();
    let path = use_location().pathname;
    // Low windows do not show all entries.
    Effect::new(move |_| {
        path.track();
        request_animation_frame(|| {
            let current = document().query_selector("nav[aria-label=Main] a[aria-current=page]").ok().flatten();
            if let Some(current) = current {
                let nearest = web_sys::ScrollIntoViewOptions::new();
                nearest.set_block(web_sys::ScrollLogicalPosition::Nearest);
                current.scroll_into_view_with_scroll_into_view_options(&nearest);
            }
        });
    });
    view! {
        <nav
            aria-label="Main"
            class=move || {
                if frame.rail.get() {
                    "sticky top-0 hidden h-dvh w-14 shrink-0 flex-col border-e border-line bg-canvas p-2 md:flex"
                } else {
                    "sticky top-0 hidden h-dvh w-56 shrink-0 flex-col border-e border-line bg-canvas p-2 md:flex"
                }
            }
        >
            <div class=move || {
                if frame.rail.get() { "mb-2 flex h-10 items-center justify-center [&_span]:sr-only" } else { "mb-2 flex h-10 items-center px-1.5" }
            }>
                <Brand />
            </div>
            <div class="min-h-0 flex-1 overflow-y-auto">
                <Links me rail=frame.rail on_go=|_| () />
            </div>
            <div class="border-t border-line pt-2">
                <Help rail=frame.rail />
                <div class=move || if frame.rail.get() { "flex justify-center" } else { "flex items-center justify-between ps-2" }>
                    <p class=move || if frame.rail.get() { "sr-only" } else { "text-xs text-muted" }>"Version " {version}</p>
                    <IconButton
                        icon=Glyph::Panel
                        label=move || {
                            if frame.rail.get() { "Unfold sidebar (Ctrl or ⌘ B)".to_owned() } else { "Fold sidebar (Ctrl or ⌘ B)".to_owned() }
                        }
                        on_click=move |_| frame.toggle_rail()
                    />
                </div>
            </div>
        </nav>
    }
}

/// The sidebar of small screens, over the page.
#[component]
pub fn OverlayNav(me: Me) -> impl IntoView {
    let frame = use_frame();
    view! {
        <Dialog id="navigation" open=frame.overlay title="Distributed Electrons" side=DialogSide::Start size=DialogSize::Small>
            {
                let me = me.clone();
                let version = me.version.clone();
                view! {
                    <nav aria-label="Main" class="flex h-full flex-col">
                        <div class="flex-1">
                            <Links me rail=false on_go=move |()| frame.overlay.set(false) />
                        </div>
                        <div class="border-t border-line pt-2">
                            <Help rail=false />
                            <p class="px-2 pt-1 text-xs text-muted">"Version " {version}</p>
                        </div>
                    </nav>
                }
            }
        </Dialog>
    }
}
