use leptos::{ev, html, prelude::*, task::spawn_local};
use leptos_router::hooks::use_navigate;

use super::{FrameState, use_frame};
use crate::{
    api,
    types::{Me, ModelCard, config::FoundThing},
    ui::{
        kit::{Dialog, DialogSide, Glyph, Icon, Kbd, Toasts, copy_text, search, use_toasts, with_local_storage},
        nav,
        pages::things::{page_of as href, spec},
        prefs::Theme,
    },
};

const RECENT: &str = "palette-recent";
const RECENT_SHOWN: usize = 4;
/// More rows than anybody reads; typing narrows.
const MOST: usize = 60;

#[derive(Debug, Clone, PartialEq)]
enum Act {
    Go(String),
    Theme(Theme),
    CreateKey,
    CopyBaseUrl,
    Help,
    Fold,
    SignOut,
}

#[derive(Debug, Clone, PartialEq)]
struct Item {
    /// Remembered among the recent ones.
    id: String,
    group: &'static str,
    label: String,
    note: String,
    keywords: String,
    icon: Glyph,
    keys: Option<String>,
    act: Act,
}

fn fixed(me: &Me) -> Vec<Item> {
    let pages = nav::groups().flat_map(|group| group.entries.iter().map(move |entry| (group, entry)));
    let mut items: Vec<Item> = pages
        .filter(|(_, entry)| entry.role <= me.role)
        .map(|(group, entry)| Item {
            id: entry.path.to_owned(),
            group: "Go to",
            label: entry.label.to_owned(),
            note: group.label.to_owned(),
            keywords: entry.keywords.to_owned(),
            icon: entry.icon,
            keys: entry.shortcut.map(|letter| format!("g {letter}")),
            act: Act::Go(entry.path.to_owned()),
        })
        .collect();
    let action = |id: &str, label: &str, keywords: &str, icon, keys: Option<&str>, act| Item {
        id: id.to_owned(),
        group: "Actions",
        label: label.to_owned(),
        note: String::new(),
        keywords: keywords.to_owned(),
        icon,
        keys: keys.map(str::to_owned),
        act,
    };
    items.extend([
        action("key", "Create API key", "token secret credential new", Glyph::Key, None, Act::CreateKey),
        action("base-url", "Copy base URL", "address endpoint sdk openai", Glyph::Copy, None, Act::CopyBaseUrl),
        action("light", "Theme: light", "bright appearance colour", Glyph::Sun, None, Act::Theme(Theme::Light)),
        action("dark", "Theme: dark", "night appearance colour", Glyph::Moon, None, Act::Theme(Theme::Dark)),
        action(
            "system",
            "Theme: as the system",
            "auto appearance colour",
            Glyph::Monitor,
            None,
            Act::Theme(Theme::System),
        ),
        action("fold", "Fold or unfold the sidebar", "rail collapse", Glyph::Panel, Some("Ctrl B"), Act::Fold),
        action("help", "Keyboard shortcuts", "help keys", Glyph::Keyboard, Some("?"), Act::Help),
        action("sign-out", "Sign out", "leave log out", Glyph::SignOut, None, Act::SignOut),
    ]);
    items
}

fn of_model(model: &ModelCard) -> Item {
    Item {
        id: format!("model:{}", model.id),
        group: "Try a model",
        label: model.display_name.clone(),
        note: model.provider_name.clone(),
        keywords: format!("{} {} {} model", model.id, model.provider, model.aliases.join(" ")),
        icon: Glyph::Sparkle,
        keys: None,
        act: Act::Go(format!("/test/text?model={}", js_sys::encode_uri_component(&model.id))),
    }
}

/// Things that the server found for `query`.
fn of_thing(found: FoundThing, query: &str) -> Option<Item> {
    let spec = spec(&found.kind)?;
    let icon = nav::pages().find(|page| page.path == spec.path).map_or(Glyph::List, |page| page.icon);
    Some(Item {
        id: format!("{}:{}", found.kind, found.id),
        group: spec.heading,
        label: found.name,
        note: found.id.clone(),
        // The server found it, by whatever field.
        keywords: query.to_owned(),
        icon,
        keys: None,
        act: Act::Go(href(&found.kind, &found.id)?),
    })
}

fn recent() -> Vec<String> {
    with_local_storage(|storage| storage.get_item(RECENT).ok().flatten())
        .map(|ids| ids.lines().map(str::to_owned).collect())
        .unwrap_or_default()
}

fn remember(id: &str) {
    let mut ids = recent();
    ids.retain(|other| other != id);
    ids.insert(0, id.to_owned());
    ids.truncate(RECENT_SHOWN);
    with_local_storage(|storage| storage.set_item(RECENT, &ids.join("\n")).ok());
}

/// What is shown for a query: without one the recent ones first, then pages and actions, models at the end; with one the
/// best answers, kept in their groups.
fn shown(query: &str, items: &[Item], recent: &[String]) -> Vec<Item> {
    if query.trim().is_empty() {
        let again = recent
            .iter()
            .filter_map(|id| items.iter().find(|item| item.id == *id))
            .map(|item| Item { group: "Recent", ..item.clone() });
        let rest = items.iter().filter(|item| !recent.contains(&item.id)).cloned();
        return again.chain(rest).take(MOST).collect();
    }
    let text = |item: &&Item| format!("{} {} {}", item.label, item.note, item.keywords);
    let ranked = search::rank(query, items, text);
    let mut groups: Vec<&str> = Vec::new();
    for item in &ranked {
        if !groups.contains(&item.group) {
            groups.push(item.group);
        }
    }
    let place = |item: &&Item| groups.iter().position(|group| *group == item.group);
    let mut found: Vec<&Item> = ranked.into_iter().take(MOST).collect();
    found.sort_by_key(place);
    found.into_iter().cloned().collect()
}

fn perform(act: Act, frame: FrameState, toasts: Toasts, navigate: &impl Fn(&str, leptos_router::NavigateOptions)) {
    match act {
        Act::Go(path) => frame.go(&path, navigate),
        Act::Theme(theme) => frame.set_theme(theme),
        Act::CreateKey => frame.key_dialog.set(true),
        Act::Help => frame.help.set(true),
        Act::Fold => frame.toggle_rail(),
        Act::CopyBaseUrl => {
            let base = format!("{}/v1", window().location().origin().unwrap_or_default());
            spawn_local(async move {
                if copy_text(&base).await {
                    toasts.good(format!("Copied {base}"));
                } else {
                    toasts.bad(format!("The browser did not allow copying. The base URL is {base}"));
                }
            });
        }
        Act::SignOut => spawn_local(async move {
            if let Err(error) = api::sign_out().await {
                toasts.bad(error.to_string());
            }
        }),
    }
}

/// The command palette: everything that can be gone to or done, by a few letters.
#[component]
pub fn Palette(me: Me) -> impl IntoView {
    let frame = use_frame();
    let toasts = use_toasts();
    let navigate = use_navigate();
    let query = RwSignal::new(String::new());
    let active = RwSignal::new(0usize);
    let models = RwSignal::new(None::<Vec<Item>>);
    let things = RwSignal::new(Vec::<Item>::new());
    let recent_ids = RwSignal::new(Vec::new());
    let list = NodeRef::<html::Div>::new();

    let fixed = StoredValue::new(fixed(&me));
    let found = Memo::new(move |_| {
        let mut items = fixed.get_value();
        models.with(|models| items.extend(models.iter().flatten().cloned()));
        things.with(|things| items.extend(things.iter().cloned()));
        query.with(|query| recent_ids.with(|recent| shown(query, &items, recent)))
    });

    Effect::new(move |_| {
        if !frame.palette.get() {
            return;
        }
        query.set(String::new());
        active.set(0);
        recent_ids.set(recent());
        // Read anew at each opening; what was there is shown meanwhile.
        spawn_local(async move {
            if let Ok(cards) = api::models(Some("text".to_owned())).await {
                let _ = models.try_set(Some(cards.iter().map(of_model).collect()));
            }
        });
    });

    // Names are searched on the server, once the typing rests.
    let asked = StoredValue::new(0u32);
    Effect::new(move |_| {
        let text = query.get().trim().to_owned();
        asked.update_value(|asked| *asked += 1);
        let mine = asked.get_value();
        if text.len() < 2 {
            return things.set(Vec::new());
        }
        let search = move || {
            if asked.try_get_value() != Some(mine) {
                return;
            }
            spawn_local(async move {
                let found = api::find_things(text.clone()).await.unwrap_or_default();
                if asked.try_get_value() == Some(mine) {
                    let _ = things.try_set(found.into_iter().filter_map(|one| of_thing(one, &text)).collect());
                }
            });
        };
        set_timeout(search, std::time::Duration::from_millis(150));
    });

    let pick = Callback::new(move |index: usize| {
        if let Some(item) = found.with_untracked(|found| found.get(index).cloned()) {
            remember(&item.id);
            frame.palette.set(false);
            perform(item.act, frame, toasts, &navigate);
        }
    });
    let step = move |by: isize| {
        let count = found.with_untracked(Vec::len);
        if count > 0 {
            // Around the ends, as in any palette.
            active.update(|at| *at = (*at as isize + by).rem_euclid(count as isize) as usize);
            request_animation_frame(move || {
                if let Some(row) =
                    list.get_untracked().and_then(|list| list.query_selector("[data-active]").ok().flatten())
                {
                    let how = web_sys::ScrollIntoViewOptions::new();
                    how.set_block(web_sys::ScrollLogicalPosition::Nearest);
                    row.scroll_into_view_with_scroll_into_view_options(&how);
                }
            });
        }
    };
    let keys = move |event: ev::KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => step(1),
            "ArrowUp" => step(-1),
            "Enter" => pick.run(active.get_untracked()),
            _ => return,
        }
        event.prevent_default();
    };

    view! {
        <Dialog id="palette" open=frame.palette title="Search pages, models and actions" side=DialogSide::Top>
            <div class="flex items-center gap-2 border-b border-line px-4">
                <Icon glyph=Glyph::Search class="size-4 shrink-0 text-muted" />
                <input
                    type="text"
                    role="combobox"
                    autofocus
                    class="h-12 min-w-0 flex-1 bg-transparent text-lg outline-none"
                    placeholder="Search pages, models, actions"
                    autocomplete="off"
                    spellcheck="false"
                    aria-label="Search pages, models and actions"
                    aria-autocomplete="list"
                    aria-expanded="true"
                    aria-controls="palette-list"
                    aria-activedescendant=move || {
                        found.with(|found| active.get() < found.len()).then(|| format!("palette-{}", active.get()))
                    }
                    prop:value=move || query.get()
                    on:input:target=move |event| {
                        query.set(event.target().value());
                        active.set(0);
                    }
                    on:keydown=keys
                />
                <Kbd keys="Esc" />
            </div>
            <div node_ref=list role="listbox" id="palette-list" aria-label="Results" tabindex="-1" class="min-h-0 flex-1 overflow-y-auto p-2">
                {move || {
                    let mut group = "";
                    found
                        .get()
                        .into_iter()
                        .enumerate()
                        .map(|(index, item)| {
                            let heading = (item.group != group).then_some(item.group);
                            group = item.group;
                            view! {
                                {heading
                                    .map(|heading| {
                                        view! { <div role="presentation" class="px-2 pt-2 pb-1 text-xs font-medium text-muted">{heading}</div> }
                                    })}
                                <div
                                    role="option"
                                    id=format!("palette-{index}")
                                    data-active=move || (active.get() == index).then_some("true")
                                    aria-selected=move || (active.get() == index).to_string()
                                    class="flex min-h-9 cursor-pointer items-center gap-2.5 rounded-md px-2 aria-selected:bg-selected"
                                    on:mousemove=move |_| {
                                        if active.get_untracked() != index {
                                            active.set(index);
                                        }
                                    }
                                    on:mousedown=move |event| event.prevent_default()
                                    on:click=move |_| pick.run(index)
                                >
                                    <Icon glyph=item.icon class="size-4 shrink-0 text-muted" />
                                    <span class="truncate">{item.label}</span>
                                    <span class="min-w-0 flex-1 truncate text-sm text-muted">{item.note}</span>
                                    {item.keys.map(|keys| view! { <Kbd keys /> })}
                                </div>
                            }
                        })
                        .collect_view()
                }}
            </div>
            <p role="status" class="px-4 pb-4 text-center text-muted empty:hidden">
                {move || found.with(Vec::is_empty).then(|| format!("Nothing matches “{}”.", query.get()))}
            </p>
        </Dialog>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, group: &'static str, label: &str) -> Item {
        Item {
            id: id.into(),
            group,
            label: label.into(),
            note: String::new(),
            keywords: String::new(),
            icon: Glyph::Home,
            keys: None,
            act: Act::Help,
        }
    }

    #[test]
    fn recent_ones_lead_and_groups_stay_together() {
        let items = [
            item("/", "Go to", "Home"),
            item("dark", "Actions", "Theme: dark"),
            item("m", "Try a model", "Dark horse"),
        ];
        let ids = |items: Vec<Item>| items.into_iter().map(|item| (item.group, item.id)).collect::<Vec<_>>();
        assert_eq!(
            ids(shown("", &items, &["dark".into()])),
            [("Recent", "dark".into()), ("Go to", "/".into()), ("Try a model", "m".to_owned())]
        );
        assert_eq!(ids(shown("dark", &items, &[])), [("Try a model", "m".into()), ("Actions", "dark".to_owned())]);
        assert!(shown("xyz", &items, &[]).is_empty());
    }
}
