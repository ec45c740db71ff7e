use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};

use super::{ButtonSize, Glyph, Icon, dom::copy_text, use_toasts};

/// Copies a text and says so.
#[component]
pub fn CopyButton(
    #[prop(into)] text: Signal<String>,
    /// What it copies: `Copy request id`. Shown beside the picture unless `compact`.
    #[prop(default = "Copy".into(), into)]
    label: String,
    #[prop(optional)] compact: bool,
    #[prop(optional)] size: ButtonSize,
    /// Told after a copy that worked.
    #[prop(optional, into)]
    on_copied: Option<Callback<()>>,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let toasts = use_toasts();
    let copy = move |_| {
        let text = text.get_untracked();
        spawn_local(async move {
            if copy_text(&text).await {
                let _ = copied.try_set(true);
                set_timeout(
                    move || {
                        let _ = copied.try_set(false);
                    },
                    Duration::from_secs(2),
                );
                if let Some(on_copied) = on_copied {
                    on_copied.run(());
                }
            } else {
                toasts.bad("The browser did not allow copying. Select the text and copy it by hand.");
            }
        });
    };
    let name = label.clone();
    let height = if size == ButtonSize::Small { "h-7" } else { "h-8" };
    let width = if compact { "w-8" } else { "px-2" };
    view! {
        <button
            type="button"
            class=format!(
                "inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border border-transparent text-sm text-muted \
                 hover:bg-hover hover:text-ink {height} {width}",
            )
            aria-label=compact.then(|| name.clone())
            title=compact.then_some(name)
            on:click=copy
        >
            {move || {
                if copied.get() {
                    view! { <Icon glyph=Glyph::Check class="size-4 text-good" /> }
                } else {
                    view! { <Icon glyph=Glyph::Copy /> }
                }
            }}
            {(!compact).then_some(label)}
            <span class="sr-only" role="status">{move || copied.get().then_some("Copied")}</span>
        </button>
    }
}
