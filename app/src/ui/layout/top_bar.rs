use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::{ThemeChoice, badges::SituationBadges, use_frame};
use crate::{
    api::SignOut,
    types::Me,
    ui::{
        kit::{Glyph, Icon, IconButton, Kbd, Menu, MenuButton, MenuLink, MenuSeparator},
        nav,
        prefs::{self, Theme},
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
            <InstanceSwitcher me=me.clone() />
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

/// Organization and instance. A choice only where there is one; it is remembered by cookie and everything is read anew.
#[component]
fn InstanceSwitcher(me: Me) -> impl IntoView {
    let wanted = prefs::cookie(prefs::INSTANCE);
    let current = me
        .instances
        .iter()
        .find(|instance| Some(&instance.instance_id) == wanted.as_ref())
        .or(me.instances.first())
        .cloned();
    let Some(current) = current else {
        return view! { <span class="truncate px-1.5 font-medium">{me.organization}</span> }.into_any();
    };
    let name = current.name.clone();
    let organization = me.organization.clone();
    if me.instances.len() < 2 {
        return view! {
            <span class="hidden min-w-0 items-center gap-1.5 truncate sm:flex">
                <span class="truncate text-muted">{organization}</span>
                <span class="text-muted" aria-hidden="true">"/"</span>
                <span class="truncate font-medium">{name}</span>
            </span>
        }
        .into_any();
    }
    let label = format!("Instance: {name} of {organization}. Change");
    let trigger = move || {
        view! {
            <Icon glyph=Glyph::Building class="size-4 shrink-0 text-muted" />
            <span class="hidden truncate text-muted xl:inline">{organization.clone()}</span>
            <span class="hidden text-muted xl:inline" aria-hidden="true">"/"</span>
            <span class="max-w-28 truncate font-medium">{name.clone()}</span>
            <Icon glyph=Glyph::ChevronDown class="size-3 shrink-0 text-muted" />
        }
    };
    view! {
        <Menu id="instance" label trigger>
            <span class="block px-2 py-1 text-xs text-muted" role="presentation">"Instances of " {me.organization.clone()}</span>
            {me
                .instances
                .clone()
                .into_iter()
                .map(|instance| {
                    let chosen = instance.instance_id == current.instance_id;
                    let id = instance.instance_id;
                    view! {
                        <MenuButton
                            checked=Signal::stored(chosen)
                            on_click=move |()| {
                                if !chosen {
                                    prefs::set_cookie(prefs::INSTANCE, &id);
                                    let _ = window().location().reload();
                                }
                            }
                        >
                            {instance.name}
                        </MenuButton>
                    }
                })
                .collect_view()}
        </Menu>
    }
    .into_any()
}

/// Where one is, from the registry.
#[component]
fn Breadcrumb() -> impl IntoView {
    let path = use_location().pathname;
    let place = Memo::new(move |_| path.with(|path| nav::find(path).map(|(group, entry)| (group.label, entry.label))));
    view! {
        <nav aria-label="Breadcrumb" class="hidden min-w-0 overflow-hidden md:block">
            <ol class="flex items-center gap-1.5 whitespace-nowrap text-muted">
                {move || {
                    place
                        .get()
                        .map(|(group, page)| {
                            let group = (!group.is_empty()).then_some(group);
                            view! {
                                {group
                                    .map(|group| {
                                        view! {
                                            <li class="flex items-center gap-1.5">
                                                <Icon glyph=Glyph::ChevronRight class="size-3" />
                                                {group}
                                            </li>
                                        }
                                    })}
                                <li class="flex items-center gap-1.5 text-ink" aria-current="page">
                                    <Icon glyph=Glyph::ChevronRight class="size-3 text-muted" />
                                    {page}
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
