use leptos::prelude::*;

/// A small line of numbers over time, for a cell. `text` says the same in words.
#[component]
pub fn Sparkline(values: Vec<u64>, #[prop(into)] text: String) -> impl IntoView {
    let most = values.iter().copied().max().unwrap_or_default().max(1) as f64;
    let step = 96.0 / (values.len().max(2) - 1) as f64;
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("{:.1},{:.1}", 2.0 + index as f64 * step, 22.0 - *value as f64 / most * 20.0))
        .collect();
    let title = text.clone();
    view! {
        <span title=title>
            <svg class="mark inline-block h-6 w-24 align-middle text-accent" viewBox="0 0 100 24" role="img" aria-label=text>
                <polyline points=points.join(" ") fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" />
            </svg>
        </span>
    }
}
