use leptos::prelude::*;

use crate::{
    types::NewApiKey,
    ui::prefs::{self, Theme},
};

/// What the parts of the frame share. Pages use it to open the key dialog or the palette.
#[derive(Clone, Copy)]
pub struct FrameState {
    pub palette: RwSignal<bool>,
    pub help: RwSignal<bool>,
    /// The sidebar as an overlay, on small screens.
    pub overlay: RwSignal<bool>,
    /// The sidebar folded to its pictures.
    pub rail: RwSignal<bool>,
    pub theme: RwSignal<Theme>,
    /// Whether keys without a modifier are shortcuts (WCAG 2.1.4).
    pub single_keys: RwSignal<bool>,
    /// The dialog that makes an API key.
    pub key_dialog: RwSignal<bool>,
    /// The key made last, with its secret, until the page is left or reloaded.
    pub new_key: RwSignal<Option<NewApiKey>>,
    /// Read out when it changes: the page that was gone to.
    pub announcement: RwSignal<String>,
    /// Whether a page was drawn before: only later ones take the focus.
    pub(super) arrived: StoredValue<bool>,
}

impl FrameState {
    fn new() -> Self {
        Self {
            palette: RwSignal::new(false),
            help: RwSignal::new(false),
            overlay: RwSignal::new(false),
            rail: RwSignal::new(prefs::cookie(prefs::SIDEBAR).as_deref() == Some("rail")),
            theme: RwSignal::new(Theme::chosen()),
            single_keys: RwSignal::new(true),
            key_dialog: RwSignal::new(false),
            new_key: RwSignal::new(None),
            announcement: RwSignal::new(String::new()),
            arrived: StoredValue::new(false),
        }
    }

    /// Shows a theme and remembers it.
    pub fn set_theme(&self, theme: Theme) {
        self.theme.set(theme);
        theme.apply();
    }

    /// Folds or unfolds the sidebar and remembers it.
    pub fn toggle_rail(&self) {
        self.rail.update(|rail| *rail = !*rail);
        prefs::set_cookie(prefs::SIDEBAR, if self.rail.get_untracked() { "rail" } else { "wide" });
    }
}

pub fn provide_frame() {
    provide_context(FrameState::new());
}

/// The state of the frame.
pub fn use_frame() -> FrameState {
    use_context().unwrap_or_else(FrameState::new)
}
