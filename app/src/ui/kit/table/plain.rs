use leptos::prelude::*;

/// A column: its name, and whether it holds numbers (aligned at the right).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub label: String,
    pub numeric: bool,
}

impl Column {
    pub fn text(label: impl Into<String>) -> Self {
        Self { label: label.into(), numeric: false }
    }

    pub fn number(label: impl Into<String>) -> Self {
        Self { label: label.into(), numeric: true }
    }
}

/// A real table with a head that stays. In a narrow frame each row becomes a card whose lines carry the names of the
/// columns. Rows are `Row`s with one `Cell` per column.
#[component]
pub fn Table(
    /// What the table lists, for readers.
    #[prop(into)]
    caption: String,
    columns: Vec<Column>,
    /// Longest height before the body scrolls under the head.
    #[prop(optional)]
    height: &'static str,
    children: Children,
) -> impl IntoView {
    let name = caption.clone();
    view! {
        <div
            class=format!("@container relative min-w-0 overflow-auto -outline-offset-2 {height}")
            role="region"
            tabindex="0"
            aria-label=name
        >
            <table role="table" class="table-cards w-full border-collapse text-start">
                <caption class="sr-only">{caption}</caption>
                <thead role="rowgroup" class="sticky top-0 z-10 bg-surface">
                    <tr role="row" class="border-b border-line">
                        {columns
                            .into_iter()
                            .map(|column| {
                                let side = if column.numeric { "text-end" } else { "text-start" };
                                view! {
                                    <th
                                        role="columnheader"
                                        scope="col"
                                        class=format!("h-9 px-3 text-sm font-medium whitespace-nowrap text-muted first:ps-4 last:pe-4 {side}")
                                    >
                                        {column.label}
                                    </th>
                                }
                            })
                            .collect_view()}
                    </tr>
                </thead>
                <tbody role="rowgroup" class="divide-y divide-line">{children()}</tbody>
            </table>
        </div>
    }
}

#[component]
pub fn Row(children: Children) -> impl IntoView {
    view! { <tr role="row" class="relative hover:bg-hover/60">{children()}</tr> }
}

/// One cell. `label` repeats the name of the column for the card form.
#[component]
pub fn Cell(
    #[prop(optional, into)] label: Option<String>,
    #[prop(optional)] numeric: bool,
    children: Children,
) -> impl IntoView {
    view! {
        <td
            role="cell"
            data-label=label
            class=if numeric {
                "h-10 px-3 text-end whitespace-nowrap tabular-nums first:ps-4 last:pe-4"
            } else {
                "h-10 px-3 text-start first:ps-4 last:pe-4"
            }
        >
            {children()}
        </td>
    }
}
