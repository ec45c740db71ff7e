use leptos::{ev::MouseEvent, prelude::*};

use super::{Glyph, Icon};

/// How much a button asks to be pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ButtonVariant {
    /// The one thing to do on a page or in a dialog.
    Primary,
    #[default]
    Secondary,
    /// No edge until it is pointed at: toolbars and rows.
    Ghost,
    /// Takes something away.
    Danger,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ButtonSize {
    /// 28 px high, for toolbars and tables.
    Small,
    /// 32 px high.
    #[default]
    Medium,
    /// 40 px high, for the main action of a page.
    Large,
}

const fn look(variant: ButtonVariant) -> &'static str {
    match variant {
        ButtonVariant::Primary => "border-transparent bg-accent text-on-accent hover:bg-accent-strong",
        ButtonVariant::Secondary => "border-control/60 bg-surface text-ink shadow-card hover:bg-hover",
        ButtonVariant::Ghost => "border-transparent bg-transparent text-ink hover:bg-hover",
        ButtonVariant::Danger => "border-transparent bg-danger text-on-danger hover:bg-danger-strong",
    }
}

const fn measure(size: ButtonSize) -> &'static str {
    match size {
        ButtonSize::Small => "min-h-7 px-2 py-0.5 text-sm gap-1.5",
        ButtonSize::Medium => "min-h-8 px-3 py-1 text-base gap-2",
        ButtonSize::Large => "min-h-10 px-4 py-1 text-base gap-2",
    }
}

const SHAPE: &str = "inline-flex shrink-0 select-none items-center justify-center rounded-md border font-medium \
                     max-w-full transition-colors aria-disabled:opacity-55 aria-disabled:cursor-not-allowed";

fn class_of(variant: ButtonVariant, size: ButtonSize, wide: bool) -> String {
    format!("{SHAPE} {} {}{}", look(variant), measure(size), if wide { " w-full" } else { "" })
}

/// A button. While `busy` or `disabled` it keeps its place in the tab order but does nothing.
#[component]
pub fn Button(
    children: Children,
    #[prop(optional)] variant: ButtonVariant,
    #[prop(optional)] size: ButtonSize,
    #[prop(optional, into)] icon: Option<Glyph>,
    /// Work is under way: the icon gives way to a moving mark and presses are ignored.
    #[prop(optional, into)]
    busy: Signal<bool>,
    #[prop(optional, into)] disabled: Signal<bool>,
    /// Sends the form it stands in.
    #[prop(optional)]
    submit: bool,
    /// As wide as its frame.
    #[prop(optional)]
    wide: bool,
    #[prop(optional, into)] on_click: Option<Callback<MouseEvent>>,
) -> impl IntoView {
    let blocked = Signal::derive(move || busy.get() || disabled.get());
    let press = move |event: MouseEvent| {
        if blocked.get_untracked() {
            event.prevent_default();
            event.stop_propagation();
        } else if let Some(on_click) = on_click {
            on_click.run(event);
        }
    };
    view! {
        <button
            type=if submit { "submit" } else { "button" }
            class=class_of(variant, size, wide)
            aria-disabled=move || blocked.get().then_some("true")
            aria-busy=move || busy.get().then_some("true")
            on:click=press
        >
            {move || {
                if busy.get() {
                    Some(view! { <span class="pulse mark size-2 rounded-full bg-current" aria-hidden="true"></span> }.into_any())
                } else {
                    icon.map(|glyph| view! { <Icon glyph /> }.into_any())
                }
            }}
            {children()}
        </button>
    }
}

/// A square button that shows only a picture; `label` is its name and its tooltip.
#[component]
pub fn IconButton(
    icon: Glyph,
    #[prop(into)] label: Signal<String>,
    #[prop(optional)] size: ButtonSize,
    /// For buttons that stay pressed.
    #[prop(optional, into)]
    pressed: Option<Signal<bool>>,
    #[prop(optional, into)] disabled: Signal<bool>,
    #[prop(into)] on_click: Callback<MouseEvent>,
) -> impl IntoView {
    let square = match size {
        ButtonSize::Small => "size-7",
        ButtonSize::Medium => "size-8",
        ButtonSize::Large => "size-10",
    };
    view! {
        <button
            type="button"
            class=format!(
                "inline-flex shrink-0 items-center justify-center rounded-md border border-transparent text-muted \
                 transition-colors hover:bg-hover hover:text-ink aria-pressed:bg-selected aria-pressed:text-link \
                 aria-disabled:opacity-55 aria-disabled:cursor-not-allowed {square}",
            )
            aria-label=move || label.get()
            title=move || label.get()
            aria-pressed=move || pressed.map(|pressed| pressed.get().to_string())
            aria-disabled=move || disabled.get().then_some("true")
            on:click=move |event| {
                if !disabled.get_untracked() {
                    on_click.run(event);
                }
            }
        >
            <Icon glyph=icon />
        </button>
    }
}

/// A link that looks like a button: it goes somewhere, so it can be opened in a tab.
#[component]
pub fn LinkButton(
    #[prop(into)] href: Signal<String>,
    children: Children,
    #[prop(optional)] variant: ButtonVariant,
    #[prop(optional)] size: ButtonSize,
    #[prop(optional, into)] icon: Option<Glyph>,
    /// Leads to what is no page of ours: the browser itself goes there.
    #[prop(optional)]
    external: bool,
    /// As wide as its frame.
    #[prop(optional)]
    wide: bool,
) -> impl IntoView {
    view! {
        <a href=move || href.get() rel=external.then_some("external") class=class_of(variant, size, wide)>
            {icon.map(|glyph| view! { <Icon glyph /> })}
            {children()}
        </a>
    }
}
