use leptos::prelude::*;

/// A thin bar that moves while something is under way; with `share` (0 to 1) it shows how far.
#[component]
pub fn Progress(#[prop(into)] label: String, #[prop(optional, into)] share: Signal<Option<f64>>) -> impl IntoView {
    let percent = move || share.get().map(|share| (share.clamp(0.0, 1.0) * 100.0).round());
    view! {
        <div
            role="progressbar"
            aria-label=label
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=percent
            class="h-0.5 w-full overflow-hidden rounded-full bg-line"
        >
            {move || match percent() {
                Some(percent) => {
                    view! {
                        <svg class="mark block size-full" viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">
                            <rect width=percent height="2" class="fill-accent" />
                        </svg>
                    }
                        .into_any()
                }
                None => view! { <span class="sweep block h-full w-1/3 rounded-full bg-accent"></span> }.into_any(),
            }}
        </div>
    }
}
