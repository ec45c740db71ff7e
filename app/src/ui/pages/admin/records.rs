//! Records in pages: a table whose rows open in a sheet, and more of them on demand. The audit log and the log share it.

use std::pin::Pin;

use leptos::{ev, prelude::*, task::spawn_local};
use serde::Serialize;
use serde_json::{Map, Value};
use wasm_bindgen::JsCast;

use crate::{
    error::AppError,
    types::config::ThingRow,
    ui::{
        kit::{Button, ButtonSize, Col, DataTable, Dialog, DialogSide, DialogSize, EmptyState, Glyph, use_toasts},
        layout::use_frame,
    },
};

/// A record as the table knows rows.
pub fn row(id: String, record: impl Serialize) -> ThingRow {
    let body = match serde_json::to_value(record) {
        Ok(Value::Object(body)) => body,
        _ => Map::new(),
    };
    ThingRow { id, etag: String::new(), editable: false, body }
}

/// A text of a record; empty where there is none.
pub fn word(body: &Map<String, Value>, name: &str) -> String {
    body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Key and label of each choice, as a select wants them.
pub fn choices(list: &[(&str, &str)]) -> Signal<Vec<(String, String)>> {
    Signal::stored(list.iter().map(|(key, label)| ((*key).to_owned(), (*label).to_owned())).collect::<Vec<_>>())
}

/// Rows, and where the next page begins.
pub type Part = (Vec<ThingRow>, Option<String>);

/// Reads the page that begins behind a place.
pub type Reader = Callback<String, Pin<Box<dyn Future<Output = Result<Part, AppError>> + Send>>>;

pub fn reader<F>(read: impl Fn(String) -> F + Send + Sync + 'static) -> Reader
where
    F: Future<Output = Result<Part, AppError>> + Send + 'static,
{
    Callback::new(move |after| Box::pin(read(after)) as Pin<Box<dyn Future<Output = _> + Send>>)
}

/// What is shown, and what of it is not read yet.
#[derive(Clone, Copy)]
pub struct Shown {
    pub rows: RwSignal<Vec<ThingRow>>,
    pub next: RwSignal<Option<String>>,
}

impl Shown {
    pub fn new((rows, next): Part) -> Self {
        Self { rows: RwSignal::new(rows), next: RwSignal::new(next) }
    }
}

#[component]
pub fn Records(
    /// One of them, in addresses and ids: `entry`.
    one: &'static str,
    many: &'static str,
    #[prop(into)] caption: String,
    shown: Shown,
    read: Reader,
    #[prop(into)] columns: Vec<Col>,
    /// The column that opens a row.
    link: &'static str,
    /// Title and text where there are none.
    #[prop(into)]
    nothing: Signal<(&'static str, &'static str)>,
    icon: Glyph,
    /// Title and content of the sheet.
    #[prop(into)]
    title: Callback<ThingRow, String>,
    #[prop(into)] sheet: Callback<ThingRow, AnyView>,
    #[prop(optional)] size: DialogSize,
    /// Beside "Load more".
    #[prop(optional, into)]
    actions: ViewFn,
) -> impl IntoView {
    let Shown { rows, next } = shown;
    let frame = use_frame();
    let toasts = use_toasts();
    let busy = RwSignal::new(false);
    let open = RwSignal::new(false);
    let opened = RwSignal::new(None::<ThingRow>);
    let more = move |_| {
        let Some(after) = next.get_untracked().filter(|_| !busy.get_untracked()) else { return };
        busy.set(true);
        spawn_local(async move {
            match read.run(after).await {
                Ok((more, after)) => {
                    let _ = rows.try_update(|rows| rows.extend(more));
                    let _ = next.try_set(after);
                }
                Err(error) => toasts.bad(error.to_string()),
            }
            let _ = busy.try_set(false);
        });
    };
    // The links of the rows lead nowhere: they open the sheet.
    let press = move |event: ev::MouseEvent| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let link = target.and_then(|target| target.closest("[data-row-link]").ok().flatten());
        let href = link.and_then(|link| link.get_attribute("href"));
        let Some(id) = href.as_deref().and_then(|href| href.strip_prefix('#')?.strip_prefix(one)?.strip_prefix('-'))
        else {
            return;
        };
        event.prevent_default();
        event.stop_propagation();
        opened.set(rows.with_untracked(|rows| rows.iter().find(|row| row.id == id).cloned()));
        open.set(true);
    };
    let empty = Memo::new(move |_| rows.with(Vec::is_empty));
    let columns = StoredValue::new(columns);
    view! {
        {move || {
            if empty.get() {
                let (title, text) = nothing.get();
                return view! { <EmptyState icon title text /> }.into_any();
            }
            view! {
                <div on:click=press>
                    <DataTable
                        caption=caption.clone()
                        columns=Signal::stored(columns.get_value())
                        rows
                        title=link
                        href=move |id: String| format!("#{one}-{id}")
                        keys=frame.single_keys
                        height="md:max-h-[calc(100dvh-16rem)]"
                    />
                </div>
            }
                .into_any()
        }}
        <div class="flex flex-wrap items-center justify-between gap-2 border-t border-line px-4 py-2 text-sm text-muted">
            <span>{move || format!("{} {many}", rows.with(Vec::len))}</span>
            <span class="flex gap-2">
                {actions.run()}
                {move || {
                    next.with(Option::is_some)
                        .then(|| {
                            view! {
                                <Button size=ButtonSize::Small busy on_click=more>
                                    "Load more"
                                </Button>
                            }
                        })
                }}
            </span>
        </div>
        <Dialog
            id=format!("opened-{one}")
            open
            title=move || opened.get().map(|row| title.run(row)).unwrap_or_default()
            side=DialogSide::End
            size
        >
            {move || opened.get().map(|row| sheet.run(row))}
        </Dialog>
    }
    .into_any()
}
