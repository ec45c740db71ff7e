//! Where the pages work: the instance, and for superadmins the organization.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use crate::{
    api,
    error::AppError,
    types::{
        Me, OrganizationRef, Role,
        config::{INSTANCE, ORGANIZATION, ThingFilter},
    },
    ui::{
        kit::{Glyph, Icon, Menu, MenuButton, MenuLink, MenuSeparator, use_toasts},
        prefs,
    },
};

/// Most organizations that the menu shows; their page has all of them, and a search.
const MOST: u32 = 20;

/// A choice only where there is one. It is remembered by cookie and everything is read anew.
#[component]
pub fn Switcher(me: Me) -> impl IntoView {
    let chooses_organization = me.role == Role::Superadmin;
    let organization = me.place.name.clone();
    let Some(current) = me.instances.first().cloned() else {
        return view! { <span class="truncate px-1.5 font-medium">{organization}</span> }.into_any();
    };
    let name = current.name.clone();
    if me.instances.len() < 2 && !chooses_organization {
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
    let trigger = {
        let organization = organization.clone();
        move || {
            view! {
                <Icon glyph=Glyph::Building class="size-4 shrink-0 text-muted" />
                <span class="hidden max-w-40 truncate text-muted xl:inline">{organization.clone()}</span>
                <span class="hidden text-muted xl:inline" aria-hidden="true">"/"</span>
                <span class="max-w-28 truncate font-medium">{name.clone()}</span>
                <Icon glyph=Glyph::ChevronDown class="size-3 shrink-0 text-muted" />
            }
        }
    };
    view! {
        <Menu id="instance" label trigger>
            <Heading text=format!("Instances of {organization}") />
            {me
                .instances
                .clone()
                .into_iter()
                .map(|instance| {
                    let chosen = instance.instance_id == current.instance_id;
                    let id = instance.instance_id;
                    view! {
                        <MenuButton checked=Signal::stored(chosen) on_click=move |()| if !chosen { work_in(&id) }>
                            {instance.name}
                        </MenuButton>
                    }
                })
                .collect_view()}
            {chooses_organization.then(|| view! { <Organizations current=me.place.org_id.clone() /> })}
        </Menu>
    }
    .into_any()
}

fn work_in(instance_id: &str) {
    prefs::set_cookie(prefs::INSTANCE, instance_id);
    let _ = window().location().reload();
}

#[component]
fn Heading(#[prop(into)] text: String) -> impl IntoView {
    view! { <span class="block max-w-72 truncate px-2 py-1 text-xs text-muted" role="presentation">{text}</span> }
}

/// The other organizations, asked for when the menu opens: no page waits for them.
#[component]
fn Organizations(current: String) -> impl IntoView {
    let toasts = use_toasts();
    let navigate = use_navigate();
    let found = RwSignal::new(None::<Result<Vec<OrganizationRef>, AppError>>);
    Effect::new(move |_| {
        spawn_local(async move {
            let filter = ThingFilter { sort: ORGANIZATION.title.to_owned(), limit: MOST, ..ThingFilter::default() };
            let page = api::things(ORGANIZATION.kind.to_owned(), filter).await;
            let all = page.map(|page| {
                let name = |body: &serde_json::Map<String, serde_json::Value>| {
                    body.get(ORGANIZATION.title).and_then(|name| name.as_str()).unwrap_or_default().to_owned()
                };
                page.rows.into_iter().map(|row| OrganizationRef { name: name(&row.body), org_id: row.id }).collect()
            });
            let _ = found.try_set(Some(all));
        });
    });
    // Its first instance; without one there is nothing to work in, and its page is where one is made.
    let choose = Callback::new(move |organization: OrganizationRef| {
        let navigate = navigate.clone();
        spawn_local(async move {
            let filter = ThingFilter {
                equal: vec![("org_id".to_owned(), organization.org_id.clone())],
                sort: INSTANCE.title.to_owned(),
                limit: 1,
                ..ThingFilter::default()
            };
            match api::things(INSTANCE.kind.to_owned(), filter).await {
                Ok(page) => match page.rows.first() {
                    Some(row) => work_in(&row.id),
                    None => {
                        toasts.info(format!("{} has no instance yet.", organization.name));
                        let page = format!("/admin/organizations/{}?tab=instance", organization.org_id);
                        navigate(&page, NavigateOptions::default());
                    }
                },
                Err(error) => toasts.bad(error.to_string()),
            }
        });
    });
    let current = StoredValue::new(current);
    let button = move |organization: OrganizationRef| {
        let chosen = current.with_value(|current| *current == organization.org_id);
        let name = organization.name.clone();
        view! {
            <MenuButton
                checked=Signal::stored(chosen)
                on_click=move |()| if !chosen { choose.run(organization.clone()) }
            >
                <span class="block max-w-64 truncate">{name}</span>
            </MenuButton>
        }
    };
    view! {
        <MenuSeparator />
        <Heading text="Organizations" />
        {move || match found.get() {
            None => view! { <span class="block px-2 py-1 text-muted" role="presentation">"Looking…"</span> }.into_any(),
            Some(Ok(all)) => all.into_iter().map(button).collect_view().into_any(),
            Some(Err(error)) => {
                view! { <span class="block px-2 py-1 text-sm text-bad" role="presentation">{error.to_string()}</span> }.into_any()
            }
        }}
        <MenuLink href="/admin/organizations" icon=Glyph::Building>
            "All organizations"
        </MenuLink>
    }
}
