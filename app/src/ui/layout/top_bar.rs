use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::{ThemeChoice, badges::SituationBadges, switcher::Switcher, use_frame};
use crate::{
    api::SignOut,
    types::Me,
    ui::{
        kit::{Glyph, Icon, IconButton, Kbd, Menu, MenuButton, MenuLink, MenuSeparator},
        nav,
        prefs::Theme,
    },
};

/// The bar over every page.
#[component]
pub fn TopBar(me: Me) -> impl IntoView {
    let frame = use_frame();
    view! {
        <header class="sticky top-0 z-30 flex h-14 items-center gap-2 border-b border-line bg-canvas px-3 md:px-6">
            <span class="md:hidden">
                <IconButton icon=Glyph::Menu label="Open navigation" on_click=move |_| frame.overlay.set(true) />
            </span>
            <Switcher me=me.clone() />
            <Breadcrumb />
            <div class="ms-auto flex items-center gap-2">
                <button
                    type="button"
                    class="flex h-8 items-center gap-2 rounded-md border border-control/60 bg-surface px-2 text-muted hover:bg-hover hover:text-ink"
                    aria-label="Search pages, models and actions"
                    aria-keyshortcuts="Control+K Meta+K"
                    on:click=move |_| frame.palette.set(true)
                >
                    <Icon glyph=Glyph::Search />
                    <span class="hidden lg:inline">"Search"</span>
                    <span class="hidden gap-0.5 lg:flex">
                        <Kbd keys="Ctrl" />
                        <Kbd keys="K" />
                    </span>
                </button>
                <span class="hidden items-center gap-2 sm:flex">
                    <SituationBadges me=me.clone() />
                </span>
                <span class="hidden lg:inline-flex">
                    <ThemeChoice name="bar-theme" compact=true />
                </span>
                <UserMenu me />
            </div>
        </header>
    }
}

/// Where one is, from the registry.
#[component]
fn Breadcrumb() -> impl IntoView {
    let path = use_location().pathname;
    let place = Memo::new(move |_| path.with(|path| nav::find(path).map(|(group, entry)| (group.label, entry.label))));
    view! {
        <nav aria-label="Breadcrumb" class="hidden min-w-0 overflow-hidden md:block">
            <ol class="flex min-w-0 items-center gap-1.5 whitespace-nowrap text-muted">
                {move || {
                    place
                        .get()
                        .map(|(group, page)| {
                            let group = (!group.is_empty()).then_some(group);
                            view! {
                                {group
                                    .map(|group| {
                                        view! {
                                            <li class="hidden items-center gap-1.5 2xl:flex">
                                                <Icon glyph=Glyph::ChevronRight class="size-3" />
                                                {group}
                                            </li>
                                        }
                                    })}
                                <li class="flex min-w-0 items-center gap-1.5 text-ink" aria-current="page">
                                    <Icon glyph=Glyph::ChevronRight class="size-3 shrink-0 text-muted" />
                                    <span class="truncate">{page}</span>
                                </li>
                            }
                        })
                }}
            </ol>
        </nav>
    }
}

/// Who is signed in, the account, the theme, and the way out.
#[component]
fn UserMenu(me: Me) -> impl IntoView {
    let frame = use_frame();
    let initials: String = {
        let source = if me.name.trim().is_empty() { &me.email } else { &me.name };
        source.split_whitespace().filter_map(|word| word.chars().next()).take(2).flat_map(char::to_uppercase).collect()
    };
    let trigger = move || {
        view! {
            <span class="flex size-7 items-center justify-center rounded-full border border-line bg-accent-soft text-xs font-semibold text-link">
                {initials.clone()}
            </span>
        }
    };
    let label = format!("Your menu: {}", if me.name.is_empty() { &me.email } else { &me.name });
    view! {
        <Menu id="user" label trigger end=true>
            <div class="px-2 py-1.5" role="presentation">
                <span class="block truncate font-medium">{me.name.clone()}</span>
                <span class="block truncate text-sm text-muted">{me.email.clone()}</span>
            </div>
            <MenuSeparator />
            {nav::PERSONAL
                .entries
                .iter()
                .map(|entry| view! { <MenuLink href=entry.path icon=entry.icon>{entry.label}</MenuLink> })
                .collect_view()}
            <MenuButton icon=Glyph::Keyboard on_click=move |()| frame.help.set(true)>
                "Keyboard shortcuts"
            </MenuButton>
            <MenuSeparator />
            {[(Theme::Light, "Light theme", Glyph::Sun), (Theme::Dark, "Dark theme", Glyph::Moon), (Theme::System, "System theme", Glyph::Monitor)]
                .into_iter()
                .map(|(theme, text, icon)| {
                    view! {
                        <MenuButton
                            icon=icon
                            checked=Signal::derive(move || frame.theme.get() == theme)
                            on_click=move |()| frame.set_theme(theme)
                        >
                            {text}
                        </MenuButton>
                    }
                })
                .collect_view()}
            <MenuSeparator />
            <SignOutForm />
        </Menu>
    }
}

/// A plain form, so that leaving works without scripts, too.
#[component]
fn SignOutForm() -> impl IntoView {
    use leptos::server_fn::ServerFn;
    view! {
        <form method="post" action=SignOut::url()>
            <MenuButton icon=Glyph::SignOut submit=true>
                "Sign out"
            </MenuButton>
        </form>
    }
}
