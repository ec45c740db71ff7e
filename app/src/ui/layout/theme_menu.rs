use leptos::prelude::*;

use super::use_frame;
use crate::ui::{
    kit::{Glyph, Segmented},
    prefs::Theme,
};

/// Light, dark or the system's. `name` is unique on the page.
#[component]
pub fn ThemeChoice(name: &'static str, #[prop(optional)] compact: bool) -> impl IntoView {
    let frame = use_frame();
    view! {
        <Segmented
            name=name
            label="Theme"
            compact=compact
            options=vec![
                (Theme::Light.name(), "Light", Some(Glyph::Sun)),
                (Theme::Dark.name(), "Dark", Some(Glyph::Moon)),
                (Theme::System.name(), "System", Some(Glyph::Monitor)),
            ]
            value=move || frame.theme.get().name().to_owned()
            on_change=move |name: String| frame.set_theme(Theme::from_name(&name))
        />
    }
}
