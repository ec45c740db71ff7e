//! What a browser remembers in cookies: theme, sidebar, instance. Cookies and not local storage, because the server draws
//! the first page and must draw the same.

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
    #[default]
    System,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::Light, Self::Dark, Self::System];

    /// The value of the cookie and of `data-theme`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::System => "system",
        }
    }

    /// The theme of a name; anything unknown is the system's.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.name() == name).unwrap_or_default()
    }

    /// The theme this browser chose.
    pub fn chosen() -> Self {
        cookie(THEME).map(|name| Self::from_name(&name)).unwrap_or_default()
    }

    /// Remembers the theme and shows it at once (browser only).
    pub fn apply(self) {
        set_cookie(THEME, self.name());
        if let Some(html) = leptos::prelude::document().document_element() {
            let _ = html.set_attribute("data-theme", self.name());
        }
    }
}

const THEME: &str = "theme";
/// `rail` when the sidebar is folded.
pub const SIDEBAR: &str = "sidebar";
/// Id of the instance the pages work in; the server reads it, too.
pub const INSTANCE: &str = "instance";

/// A cookie of this browser, the same on both sides.
pub fn cookie(name: &str) -> Option<String> {
    value_of(&cookies(), name).map(str::to_owned)
}

#[cfg(feature = "ssr")]
fn cookies() -> String {
    leptos::prelude::use_context::<http::request::Parts>()
        .and_then(|parts| Some(parts.headers.get(http::header::COOKIE)?.to_str().ok()?.to_owned()))
        .unwrap_or_default()
}

#[cfg(not(feature = "ssr"))]
fn cookies() -> String {
    use wasm_bindgen::JsCast;
    leptos::prelude::document()
        .dyn_into::<web_sys::HtmlDocument>()
        .ok()
        .and_then(|page| page.cookie().ok())
        .unwrap_or_default()
}

/// Sets a cookie for a year (browser only).
pub fn set_cookie(name: &str, value: &str) {
    use wasm_bindgen::JsCast;
    if let Ok(page) = leptos::prelude::document().dyn_into::<web_sys::HtmlDocument>() {
        let _ = page.set_cookie(&format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax"));
    }
}

fn value_of<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    cookies.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let header = "xtheme=a; theme=dark;sidebar=rail; empty=";
        assert_eq!(value_of(header, "theme"), Some("dark"));
        assert_eq!(value_of(header, "sidebar"), Some("rail"));
        assert_eq!(value_of(header, "empty"), Some(""));
        assert_eq!(value_of(header, "instance"), None);
        assert_eq!(Theme::from_name("dark"), Theme::Dark);
        assert_eq!(Theme::from_name("\"><script>"), Theme::System);
    }
}
