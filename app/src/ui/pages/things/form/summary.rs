use leptos::{html, prelude::*};

use super::Entry;
use crate::{
    error::AppError,
    ui::kit::{ErrorCard, Glyph, Icon},
};

/// What has to be changed, with links to the fields; takes the focus when it appears.
#[component]
pub fn Summary(
    entries: StoredValue<Vec<Entry>>,
    failure: RwSignal<Option<AppError>>,
    prefix: String,
    node: NodeRef<html::Div>,
) -> impl IntoView {
    let faults = move || {
        entries.with_value(|entries| {
            entries.iter().filter_map(|entry| Some((entry.field, entry.error.get()?))).collect::<Vec<_>>()
        })
    };
    view! {
        <div node_ref=node tabindex="-1" class="rounded-lg empty:hidden">
            {move || failure.get().map(|error| view! { <ErrorCard error /> })}
            {move || {
                let faults = faults();
                (!faults.is_empty())
                    .then(|| {
                        view! {
                            <div role="alert" class="rounded-lg border border-bad/40 bg-bad-soft p-3">
                                <p class="flex items-center gap-2 font-medium text-bad">
                                    <Icon glyph=Glyph::Warning />
                                    {match faults.len() {
                                        1 => "One field has to be changed".to_owned(),
                                        count => format!("{count} fields have to be changed"),
                                    }}
                                </p>
                                <ul class="mt-1 list-disc ps-6">
                                    {faults
                                        .into_iter()
                                        .map(|(field, message)| {
                                            view! {
                                                <li>
                                                    <a class="text-link underline" href=format!("#{prefix}-{}", field.name)>
                                                        {field.label}
                                                    </a>
                                                    ": "
                                                    {message}
                                                </li>
                                            }
                                        })
                                        .collect_view()}
                                </ul>
                            </div>
                        }
                    })
            }}
        </div>
    }
}
