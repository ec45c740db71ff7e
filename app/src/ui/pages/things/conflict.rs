use leptos::prelude::*;
use serde_json::Value;

use super::{form::Entry, values::to_text};
use crate::{
    types::config::ThingRow,
    ui::kit::{Button, ButtonVariant, Glyph, Icon},
};

/// What somebody else changed while the form was open, beside what is in the form.
#[component]
pub fn Conflict(
    entries: Vec<Entry>,
    row: ThingRow,
    #[prop(into)] on_mine: Callback<()>,
    #[prop(into)] on_theirs: Callback<()>,
) -> impl IntoView {
    let lines: Vec<(&'static str, String, String, bool)> = entries
        .iter()
        .filter_map(|entry| {
            let theirs = to_text(entry.field.kind, row.body.get(entry.field.name).unwrap_or(&Value::Null));
            let (base, mine) = (entry.base.get_untracked(), entry.raw.get_untracked());
            (theirs != base || (mine != base && mine != theirs))
                .then(|| (entry.field.label, mine.clone(), theirs.clone(), mine != base && theirs != base))
        })
        .collect();
    let value = |text: String| {
        let empty = text.is_empty();
        view! {
            <pre class="max-h-40 overflow-auto whitespace-pre-wrap wrap-anywhere" tabindex="0">
                {if empty { "empty".to_owned() } else { text }}
            </pre>
        }
    };
    view! {
        <section role="alert" aria-label="Changed meanwhile" class="rounded-lg border border-warn/40 bg-warn-soft p-4">
            <h3 class="flex items-center gap-2 font-semibold text-warn">
                <Icon glyph=Glyph::Warning />
                "Somebody else changed this while you were editing"
            </h3>
            <p class="mt-1">"Nothing is lost yet. Choose whose version is saved for the fields that differ."</p>
            <div class="mt-3 flex flex-col gap-2">
                {lines
                    .into_iter()
                    .map(|(label, mine, theirs, both)| {
                        view! {
                            <div class="rounded-md border border-line bg-surface p-3">
                                <p class="text-sm font-medium">
                                    {label} {both.then(|| view! { <span class="text-bad">" (changed by both)"</span> })}
                                </p>
                                <div class="mt-1 grid gap-3 sm:grid-cols-2">
                                    <div class="min-w-0">
                                        <p class="text-sm text-muted">"Yours"</p>
                                        {value(mine)}
                                    </div>
                                    <div class="min-w-0">
                                        <p class="text-sm text-muted">"Theirs"</p>
                                        {value(theirs)}
                                    </div>
                                </div>
                            </div>
                        }
                    })
                    .collect_view()}
            </div>
            <div class="mt-3 flex flex-wrap justify-end gap-2">
                <Button on_click=move |_| on_theirs.run(())>"Take theirs"</Button>
                <Button variant=ButtonVariant::Primary on_click=move |_| on_mine.run(())>"Keep mine"</Button>
            </div>
        </section>
    }
}
