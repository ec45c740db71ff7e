use std::{collections::BTreeSet, sync::Arc};

use leptos::{ev, html, prelude::*};
use serde_json::Value;
use wasm_bindgen::JsCast;

use super::super::{Glyph, Icon, SkeletonBlock, dom::all};
use crate::types::config::ThingRow;

/// Draws one cell.
pub type Draw = Arc<dyn Fn(&ThingRow) -> AnyView + Send + Sync>;

/// A column of a `DataTable`. It knows rows as JSON, so the table's code is in the browser's half once and not per type.
#[derive(Clone)]
pub struct Col {
    /// The name of the field, by which the list can be sorted.
    pub key: &'static str,
    pub label: &'static str,
    /// Aligned at the right.
    pub numeric: bool,
    pub sortable: bool,
    pub draw: Draw,
}

impl Col {
    /// A column that shows a text of the row.
    pub fn text(key: &'static str, label: &'static str) -> Self {
        let draw: Draw = Arc::new(move |row: &ThingRow| {
            row.body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned().into_any()
        });
        Self { key, label, numeric: false, sortable: false, draw }
    }

    pub fn drawn(
        key: &'static str,
        label: &'static str,
        draw: impl Fn(&ThingRow) -> AnyView + Send + Sync + 'static,
    ) -> Self {
        Self { key, label, numeric: false, sortable: false, draw: Arc::new(draw) }
    }

    #[must_use]
    pub fn numeric(mut self) -> Self {
        self.numeric = true;
        self
    }
}

/// Which rows are chosen, by id.
#[derive(Clone, Copy)]
pub struct Selection {
    pub ids: RwSignal<BTreeSet<String>>,
    /// Where a range begins that a press with Shift ends.
    anchor: StoredValue<usize>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { ids: RwSignal::new(BTreeSet::new()), anchor: StoredValue::new(0) }
    }
}

impl Selection {
    pub fn clear(&self) {
        if !self.ids.with_untracked(BTreeSet::is_empty) {
            self.ids.set(BTreeSet::new());
        }
    }

    /// Chooses a row or lets it go; with `range` all from the last one that was pressed.
    fn pick(&self, rows: &[ThingRow], index: usize, on: bool, range: bool) {
        let from = if range { self.anchor.get_value().min(rows.len().saturating_sub(1)) } else { index };
        self.anchor.set_value(index);
        self.ids.update(|ids| {
            for row in rows.iter().skip(from.min(index)).take(from.abs_diff(index) + 1) {
                if on {
                    ids.insert(row.id.clone());
                } else {
                    ids.remove(&row.id);
                }
            }
        });
    }
}

/// The table of all lists: a head that stays, sorting, selection with ranges, rows as links, `j` `k` `x` on the keyboard,
/// cards where it is narrow.
#[component]
pub fn DataTable(
    /// What the table lists, for readers.
    #[prop(into)]
    caption: String,
    #[prop(into)] columns: Signal<Vec<Col>>,
    rows: RwSignal<Vec<ThingRow>>,
    /// The field that names a row to readers.
    #[prop(default = "name")]
    title: &'static str,
    /// Where a row leads, by its id; the first column holds the link.
    #[prop(optional, into)]
    href: Option<Callback<String, String>>,
    #[prop(optional)] selection: Option<Selection>,
    /// The field the list is sorted by, and whether downwards.
    #[prop(optional, into)]
    sort: Signal<Option<(String, bool)>>,
    #[prop(optional, into)] on_sort: Option<Callback<String>>,
    /// The row that was just made.
    #[prop(optional, into)]
    fresh: Signal<Option<String>>,
    /// Whether `j`, `k` and `x` work here: one table of a page, and where single keys are allowed.
    #[prop(optional, into)]
    keys: Signal<bool>,
    /// The heading that a row stands under; rows of one heading follow each other. The empty text is none.
    #[prop(optional_no_strip)]
    group: Option<Callback<ThingRow, String>>,
    /// Longest height before the body scrolls under the head.
    #[prop(default = "")]
    height: &'static str,
) -> impl IntoView {
    let root = NodeRef::<html::Div>::new();
    let pick = move |event: ev::MouseEvent| {
        let box_ = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
        let Some((selection, box_)) = selection.zip(box_) else { return };
        let on = box_.checked();
        match box_.get_attribute("data-pick").map(|index| index.parse::<usize>()) {
            Some(Ok(index)) => rows.with_untracked(|rows| selection.pick(rows, index, on, event.shift_key())),
            // The box in the head.
            Some(Err(_)) if on => {
                selection.ids.set(rows.with_untracked(|rows| rows.iter().map(|row| row.id.clone()).collect()));
            }
            Some(Err(_)) => selection.clear(),
            None => {}
        }
    };
    listen(root, keys, selection);
    let head = move |column: Col| {
        let side = if column.numeric { "text-end" } else { "text-start" };
        let key = column.key;
        let direction =
            Memo::new(move |_| sort.with(|sort| sort.as_ref().and_then(|(by, down)| (by == key).then_some(*down))));
        let label = match on_sort.filter(|_| column.sortable) {
            Some(on_sort) => view! {
                <button
                    type="button"
                    class="inline-flex min-h-6 items-center gap-1 rounded-sm hover:text-ink"
                    on:click=move |_| on_sort.run(key.to_owned())
                >
                    {column.label}
                    <span class=move || if direction.get().is_some() { "" } else { "invisible" }>
                        {move || {
                            let glyph = if direction.get() == Some(true) { Glyph::ArrowDown } else { Glyph::ArrowUp };
                            view! { <Icon glyph class="size-3" /> }
                        }}
                    </span>
                </button>
            }
            .into_any(),
            None => column.label.into_any(),
        };
        view! {
            <th
                role="columnheader"
                scope="col"
                aria-sort=move || direction.get().map(|down| if down { "descending" } else { "ascending" })
                class=format!("h-9 px-3 py-1 text-sm font-medium text-muted first:ps-4 last:pe-4 {side}")
            >
                {label}
            </th>
        }
    };
    let line = move |index: usize, row: ThingRow, columns: &[Col]| {
        let name = row.body.get(title).and_then(Value::as_str).unwrap_or(&row.id).to_owned();
        let (own, chosen) = (row.id.clone(), row.id.clone());
        let link = href.map(|href| href.run(row.id.clone()));
        let heading = group.and_then(|group| {
            let own = group.run(row.clone());
            let before = rows.with_untracked(|rows| index.checked_sub(1).and_then(|at| rows.get(at).cloned()));
            let is_first = before.is_none_or(|before| group.run(before) != own);
            (is_first && !own.is_empty()).then_some(own)
        });
        let span = columns.len() + usize::from(selection.is_some());
        view! {
            {heading
                .map(|heading| {
                    view! {
                        <tr role="row" class="bg-sunken">
                            <th role="rowheader" scope="rowgroup" colspan=span.to_string() class="h-8 px-4 text-start text-sm font-semibold">
                                {heading}
                            </th>
                        </tr>
                    }
                })}
            <tr
                role="row"
                data-fresh=move || fresh.with(|fresh| fresh.as_ref() == Some(&own)).then_some("true")
                class="relative transition-colors duration-700 hover:bg-hover/60 has-[:checked]:bg-selected data-fresh:bg-good-soft"
            >
                {selection
                    .map(|selection| {
                        view! {
                            <td role="cell" class="table-pick w-10 ps-4">
                                <input
                                    type="checkbox"
                                    data-pick=index.to_string()
                                    aria-label=format!("Select {name}")
                                    class="relative z-10 block size-4 cursor-pointer before:absolute before:-inset-2"
                                    prop:checked=move || selection.ids.with(|ids| ids.contains(&chosen))
                                />
                            </td>
                        }
                    })}
                {columns
                    .iter()
                    .enumerate()
                    .map(|(place, column)| {
                        let cell = (column.draw)(&row);
                        let side = if column.numeric { "h-10 px-3 text-end whitespace-nowrap tabular-nums first:ps-4 last:pe-4" } else { "h-10 max-w-96 px-3 py-1.5 text-start first:ps-4 last:pe-4" };
                        match (place, &link) {
                            (0, Some(link)) => {
                                view! {
                                    <td role="cell" data-label=column.label class=format!("table-lead {side}")>
                                        <a
                                            href=link.clone()
                                            data-row-link
                                            class="block min-w-36 font-medium wrap-anywhere after:absolute after:inset-0 focus-visible:outline-none \
                                                   focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-focus"
                                        >
                                            {cell}
                                        </a>
                                    </td>
                                }
                                    .into_any()
                            }
                            _ => view! { <td role="cell" data-label=column.label class=side>{cell}</td> }.into_any(),
                        }
                    })
                    .collect_view()}
            </tr>
        }
    };
    let name = caption.clone();
    view! {
        <div
            node_ref=root
            class=format!("@container relative min-w-0 overflow-auto -outline-offset-2 {height}")
            role="region"
            tabindex="0"
            aria-label=name
            on:click=pick
        >
            <table role="table" class="table-cards w-full border-collapse text-start">
                <caption class="sr-only">{caption}</caption>
                <thead role="rowgroup" class="sticky top-0 z-20 bg-surface shadow-[inset_0_-1px_0_var(--color-line)]">
                    <tr role="row">
                        {selection
                            .map(|selection| {
                                let all = move || {
                                    let count = rows.with(Vec::len);
                                    count > 0 && selection.ids.with(|ids| ids.len() >= count)
                                };
                                view! {
                                    <th role="columnheader" scope="col" class="w-10 ps-4 text-start">
                                        <input
                                            type="checkbox"
                                            data-pick="all"
                                            aria-label="Select all that are shown"
                                            class="relative block size-4 cursor-pointer before:absolute before:-inset-2"
                                            prop:checked=all
                                            prop:indeterminate=move || !selection.ids.with(BTreeSet::is_empty) && !all()
                                        />
                                    </th>
                                }
                            })}
                        {move || columns.get().into_iter().map(head).collect_view()}
                    </tr>
                </thead>
                {move || {
                    let columns = StoredValue::new(columns.get());
                    view! {
                        <tbody role="rowgroup" class="divide-y divide-line">
                            <For
                                each=move || rows.get().into_iter().enumerate()
                                key=|(index, row)| (*index, row.id.clone(), row.etag.clone())
                                children=move |(index, row)| columns.with_value(|columns| line(index, row, columns))
                            />
                        </tbody>
                    }
                }}
            </table>
        </div>
    }
    .into_any()
}

/// `j` and `k` walk the rows, `x` chooses the one with the focus, Esc lets all go.
fn listen(root: NodeRef<html::Div>, keys: Signal<bool>, selection: Option<Selection>) {
    Effect::new(move |_| {
        let handle = window_event_listener(ev::keydown, move |event| {
            if !keys.get_untracked()
                || event.default_prevented()
                || event.ctrl_key()
                || event.meta_key()
                || event.alt_key()
            {
                return;
            }
            let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
            let types = |element: &web_sys::Element| {
                element.matches("input:not([type=checkbox]), textarea, select, [contenteditable]").unwrap_or(false)
            };
            let covered = document().query_selector("dialog[open]").ok().flatten().is_some();
            if covered || target.as_ref().is_some_and(types) {
                return;
            }
            let Some(root) = root.get_untracked() else { return };
            let links = all(&root, "[data-row-link]");
            let active = document().active_element();
            let row = active.and_then(|element| element.closest("tr").ok().flatten());
            let at = row.and_then(|row| links.iter().position(|link| row.contains(Some(link))));
            match event.key().as_str() {
                "j" | "k" => {
                    let to = match (event.key() == "j", at) {
                        (true, Some(at)) => (at + 1).min(links.len().saturating_sub(1)),
                        (false, Some(at)) => at.saturating_sub(1),
                        _ => 0,
                    };
                    if let Some(link) = links.get(to) {
                        event.prevent_default();
                        let _ = link.focus();
                    }
                }
                "x" => {
                    let boxes = all(&root, "[data-pick]:not([data-pick=all])");
                    if let Some(box_) = at.and_then(|at| boxes.get(at)) {
                        event.prevent_default();
                        box_.click();
                    }
                }
                "Escape" => {
                    if let Some(selection) = selection {
                        selection.clear();
                    }
                }
                _ => {}
            }
        });
        on_cleanup(move || handle.remove());
    });
}

/// Grey rows while a list loads.
#[component]
pub fn TableSkeleton(#[prop(default = 6)] rows: u8) -> impl IntoView {
    view! {
        <SkeletonBlock>
            <div class="divide-y divide-line">
                {(0..rows)
                    .map(|row| {
                        let width = if row % 2 == 0 { "w-1/4" } else { "w-1/3" };
                        view! {
                            <div class="flex h-10 items-center gap-4 px-4">
                                <div class=format!("pulse h-3.5 rounded-sm bg-hover {width}")></div>
                                <div class="pulse h-3.5 w-1/5 rounded-sm bg-hover"></div>
                                <div class="pulse ms-auto h-3.5 w-16 rounded-sm bg-hover"></div>
                            </div>
                        }
                    })
                    .collect_view()}
            </div>
        </SkeletonBlock>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_with_shift_takes_all_between() {
        let owner = Owner::new();
        owner.with(|| {
            let rows: Vec<ThingRow> = ["a", "b", "c", "d"]
                .map(|id| ThingRow { id: id.into(), etag: String::new(), editable: true, body: Default::default() })
                .into();
            let selection = Selection::default();
            let chosen = || selection.ids.get_untracked().into_iter().collect::<String>();
            selection.pick(&rows, 3, true, false);
            selection.pick(&rows, 1, true, true);
            assert_eq!(chosen(), "bcd");
            selection.pick(&rows, 2, false, false);
            assert_eq!(chosen(), "bd");
            selection.clear();
            assert_eq!(chosen(), "");
        });
    }
}
