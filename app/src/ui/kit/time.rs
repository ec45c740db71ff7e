use std::time::Duration;

use leptos::prelude::*;

use super::format;

/// What time it is, in microseconds since 1970; unknown until the page is alive, so that both first renders are equal.
#[derive(Clone, Copy)]
pub struct Clock(pub RwSignal<Option<i64>>);

/// Starts the one clock of the page.
pub fn provide_clock() {
    let now = RwSignal::new(None);
    provide_context(Clock(now));
    Effect::new(move |_| {
        let read = move || {
            let _ = now.try_set(Some((js_sys::Date::now() * 1000.0) as i64));
        };
        read();
        if let Ok(timer) = set_interval_with_handle(read, Duration::from_secs(10)) {
            on_cleanup(move || timer.clear());
        }
    });
}

/// A moment: absolute in UTC at first, then how long ago; the title always has the absolute form.
#[component]
pub fn Time(
    /// Microseconds since 1970 UTC.
    #[prop(into)]
    at_us: Signal<i64>,
    /// Never relative.
    #[prop(optional)]
    absolute: bool,
) -> impl IntoView {
    let clock = use_context::<Clock>().filter(|_| !absolute);
    view! {
        <time
            class="whitespace-nowrap"
            datetime=move || format::iso_utc(at_us.get())
            title=move || format::utc(at_us.get())
        >
            {move || match clock.and_then(|clock| clock.0.get()) {
                Some(now) => format::ago(at_us.get(), now),
                None => format::utc(at_us.get()),
            }}
        </time>
    }
}
