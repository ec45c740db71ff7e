use leptos::prelude::*;

use super::{Glyph, Icon};

/// The state something is in. Never alone: a word or a picture stands beside the colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Neutral,
    Accent,
    Good,
    Warn,
    Bad,
}

impl Tone {
    /// Ground and text.
    pub const fn soft(self) -> &'static str {
        match self {
            Self::Neutral => "border-line bg-sunken text-muted",
            Self::Accent => "border-transparent bg-accent-soft text-link",
            Self::Good => "border-transparent bg-good-soft text-good",
            Self::Warn => "border-transparent bg-warn-soft text-warn",
            Self::Bad => "border-transparent bg-bad-soft text-bad",
        }
    }

    /// Text alone.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Neutral => "text-muted",
            Self::Accent => "text-link",
            Self::Good => "text-good",
            Self::Warn => "text-warn",
            Self::Bad => "text-bad",
        }
    }
}

/// A small word that tells a state or a kind.
#[component]
pub fn Badge(
    children: Children,
    #[prop(optional)] tone: Tone,
    #[prop(optional, into)] icon: Option<Glyph>,
) -> impl IntoView {
    view! {
        <span class=format!(
            "inline-flex h-5 shrink-0 items-center gap-1 rounded-sm border px-1.5 text-xs font-medium whitespace-nowrap {}",
            tone.soft(),
        )>
            {icon.map(|glyph| view! { <Icon glyph class="size-3" /> })}
            {children()}
        </span>
    }
}
