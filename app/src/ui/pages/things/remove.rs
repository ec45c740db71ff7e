use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::names::title;
use crate::{
    api,
    error::AppError,
    types::config::{Dependants, Thing, ThingRow},
    ui::kit::{Button, ButtonVariant, Dialog, ErrorCard, Field, Input, Skeleton, use_toasts},
};

/// Things whose dependants are shown one by one; more are only counted.
const SHOWN: usize = 20;

/// Asks before things are taken away, and says what goes with them. Open while `rows` holds any.
#[component]
pub fn RemoveDialog(
    thing: &'static Thing,
    rows: RwSignal<Vec<ThingRow>>,
    /// The name has to be typed first.
    typed: bool,
    #[prop(into)] on_removed: Callback<Vec<ThingRow>>,
    /// After an undo.
    #[prop(into)]
    on_restored: Callback<()>,
    /// Where an undo leads, from a page that is left by then.
    #[prop(optional, into)]
    back_to: Option<String>,
) -> impl IntoView {
    let toasts = use_toasts();
    let navigate = use_navigate();
    let open = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<AppError>);
    let typed_name = RwSignal::new(String::new());
    let dependants = RwSignal::new(None::<Result<Dependants, AppError>>);
    Effect::new(move |_| {
        let chosen = rows.get();
        open.set(!chosen.is_empty());
        if chosen.is_empty() {
            return;
        }
        error.set(None);
        typed_name.set(String::new());
        dependants.set(None);
        spawn_local(async move {
            let mut all = Dependants { kinds: Vec::new() };
            let mut failure = None;
            for row in chosen.iter().take(SHOWN) {
                match api::thing_dependants(thing.kind.to_owned(), row.id.clone()).await {
                    Ok(some) => add(&mut all, some),
                    Err(error) => failure = Some(error),
                }
            }
            let _ = dependants.try_set(Some(failure.map_or(Ok(all), Err)));
        });
    });
    Effect::new(move |_| {
        if !open.get() && rows.with_untracked(|rows| !rows.is_empty()) {
            rows.set(Vec::new());
        }
    });
    let name = Memo::new(move |_| {
        rows.with(|rows| match rows.as_slice() {
            [] => String::new(),
            [row] => title(thing, row),
            rows => format!("{} {}", rows.len(), thing.many),
        })
    });
    let confirmed = Signal::derive(move || !typed || typed_name.get().trim() == name.get());
    let remove = Callback::new(move |()| {
        let chosen = rows.get_untracked();
        if busy.get_untracked() || chosen.is_empty() || !confirmed.get_untracked() {
            return;
        }
        busy.set(true);
        error.set(None);
        let what = name.get_untracked();
        let (navigate, back_to) = (navigate.clone(), back_to.clone());
        spawn_local(async move {
            let ids: Vec<String> = chosen.iter().map(|row| row.id.clone()).collect();
            let answer = api::delete_things(thing.kind.to_owned(), ids.clone()).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(()) => {
                    let _ = open.try_set(false);
                    let _ = rows.try_set(Vec::new());
                    // The page may go with it: first the dialog closes.
                    let told = move || {
                        let _ = on_removed.try_run(chosen);
                    };
                    set_timeout(told, std::time::Duration::from_millis(50));
                    let undo = Callback::new(move |()| {
                        let ids = ids.clone();
                        let (navigate, back_to) = (navigate.clone(), back_to.clone());
                        spawn_local(async move {
                            match api::restore_things(thing.kind.to_owned(), ids).await {
                                Ok(()) => {
                                    toasts.good("Brought back.");
                                    let _ = on_restored.try_run(());
                                    if let Some(back_to) = back_to {
                                        navigate(&back_to, NavigateOptions::default());
                                    }
                                }
                                Err(error) => toasts.bad(error.to_string()),
                            }
                        });
                    });
                    toasts.undo(format!("Deleted {what}."), undo);
                }
                Err(failure) => {
                    let _ = error.try_set(Some(failure));
                }
            }
        });
    });
    view! {
        <Dialog
            id=format!("remove-{}", thing.kind)
            open
            title=move || {
                if rows.with(Vec::len) > 1 { format!("Delete {}?", name.get()) } else { format!("Delete the {} “{}”?", thing.one, name.get()) }
            }
            footer=ViewFn::from(move || {
                view! {
                    <Button on_click=move |_| open.set(false)>"Cancel"</Button>
                    <Button
                        variant=ButtonVariant::Danger
                        busy
                        disabled=Signal::derive(move || !confirmed.get() || dependants.with(Option::is_none))
                        on_click=move |_| remove.run(())
                    >
                        "Delete"
                    </Button>
                }
            })
        >
            <form
                class="flex flex-col gap-4"
                on:submit=move |event| {
                    event.prevent_default();
                    if dependants.with_untracked(Option::is_some) {
                        remove.run(());
                    }
                }
            >
                {move || match dependants.get() {
                    None => view! { <Skeleton lines=2 /> }.into_any(),
                    Some(Err(error)) => view! { <ErrorCard error /> }.into_any(),
                    Some(Ok(found)) if found.kinds.is_empty() => view! { <p>"Nothing else depends on it."</p> }.into_any(),
                    Some(Ok(found)) => {
                        view! {
                            <div>
                                <p>"This goes with it:"</p>
                                <ul class="mt-1 list-disc ps-6">
                                    {found
                                        .kinds
                                        .into_iter()
                                        .map(|(what, count, first)| {
                                            let more = if (first.len() as u64) < count { ", …" } else { "" };
                                            view! {
                                                <li>
                                                    {format!("{count} {what}")}
                                                    {(!first.is_empty())
                                                        .then(|| view! { <span class="text-muted">": " {first.join(", ")} {more}</span> })}
                                                </li>
                                            }
                                        })
                                        .collect_view()}
                                </ul>
                            </div>
                        }
                            .into_any()
                    }
                }}
                <p class="text-muted">"For 30 days it can be brought back, with all that goes with it."</p>
                {typed
                    .then(|| {
                        view! {
                            <Field id=format!("remove-{}-name", thing.kind) label="Type the name to confirm" hint="It is the same as in the heading above.">
                                <Input value=typed_name autocomplete="off" />
                            </Field>
                        }
                    })}
                {move || error.get().map(|error| view! { <ErrorCard error /> })}
            </form>
        </Dialog>
    }
    .into_any()
}

fn add(all: &mut Dependants, some: Dependants) {
    for (what, count, first) in some.kinds {
        match all.kinds.iter_mut().find(|(known, _, _)| *known == what) {
            Some((_, sum, names)) => {
                *sum += count;
                names.extend(first);
            }
            None => all.kinds.push((what, count, first)),
        }
    }
}
