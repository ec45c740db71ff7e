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
    /// How many forms of the page have changes that are not saved.
    pub dirty: RwSignal<u32>,
    /// Where somebody wants to go who has not saved; asks.
    pub leave_to: RwSignal<Option<Leave>>,
    /// Where the page is, with its query.
    pub(super) here: StoredValue<String>,
    /// The next step of the browser's history was asked about, and is taken.
    pub(super) agreed: StoredValue<bool>,
    /// Whether a page was drawn before: only later ones take the focus.
    pub(super) arrived: StoredValue<bool>,
}

/// A way out of a page with unsaved changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    To(String),
    /// By the browser's Back or Forward: to where its history stood when they were stopped.
    History,
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
            dirty: RwSignal::new(0),
            leave_to: RwSignal::new(None),
            here: StoredValue::new(String::new()),
            agreed: StoredValue::new(false),
            arrived: StoredValue::new(false),
        }
    }

    /// Whether leaving would lose something.
    pub fn is_dirty(&self) -> bool {
        self.dirty.get_untracked() > 0
    }

    /// Goes to a page, unless a form has unsaved changes: then it asks first.
    pub fn go(&self, path: &str, navigate: &impl Fn(&str, leptos_router::NavigateOptions)) {
        if self.is_dirty() {
            self.leave_to.set(Some(Leave::To(path.to_owned())));
        } else {
            navigate(path, leptos_router::NavigateOptions::default());
        }
    }

    /// Counts a form in as long as it has unsaved changes.
    pub fn watch(self, dirty: Signal<bool>) {
        let counted = StoredValue::new(false);
        let count = move |now: bool| {
            if counted.try_get_value().is_some_and(|before| before != now) {
                counted.set_value(now);
                let _ = self.dirty.try_update(|dirty| *dirty = if now { *dirty + 1 } else { dirty.saturating_sub(1) });
            }
        };
        Effect::new(move |_| count(dirty.get()));
        on_cleanup(move || count(false));
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
