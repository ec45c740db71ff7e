//! The one navigation registry: sidebar, breadcrumbs, palette, `g` keys, and the page list of the accessibility tests
//! (`end2end/pages.json`) all read it.
//!
//! To add a page: an entry here, a route in `app.rs`, and `end2end/pages.json` (a test names the difference).

use super::kit::Glyph;
use crate::types::Role;

/// A page that can be gone to.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: &'static str,
    pub label: &'static str,
    pub icon: Glyph,
    /// Who may see it.
    pub role: Role,
    /// Further words the palette finds it by.
    pub keywords: &'static str,
    /// The letter after `g` that goes there.
    pub shortcut: Option<char>,
}

/// Pages that belong together. A group without a label stands by itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    pub label: &'static str,
    pub entries: &'static [Entry],
}

const fn entry(path: &'static str, label: &'static str, icon: Glyph, keywords: &'static str, shortcut: char) -> Entry {
    Entry { path, label, icon, role: Role::User, keywords, shortcut: Some(shortcut) }
}

/// A page without a letter of its own, for people of at least this role.
const fn page(path: &'static str, label: &'static str, icon: Glyph, keywords: &'static str, role: Role) -> Entry {
    Entry { path, label, icon, role, keywords, shortcut: None }
}

/// The sidebar from top to bottom.
pub const SIDEBAR: &[Group] = &[
    Group { label: "", entries: &[entry("/", "Home", Glyph::Home, "overview status start dashboard checklist", 'h')] },
    Group {
        label: "Test",
        entries: &[
            entry("/test/text", "Text", Glyph::Chat, "console playground chat prompt completion compare", 't'),
            entry("/test/history", "History", Glyph::History, "runs requests past calls log", 'r'),
        ],
    },
    Group {
        label: "Configure",
        entries: &[
            entry("/configure/models", "Models", Glyph::Sparkle, "catalogue pricing mapping capabilities", 'm'),
            entry("/configure/providers", "Providers", Glyph::Plug, "credentials adapters base url openai", 'p'),
            page("/configure/routing", "Routing rules", Glyph::Route, "auto fallback weight task", Role::User),
            page("/configure/classifications", "Task classes", Glyph::Tag, "patterns keywords regex", Role::User),
            page(
                "/configure/quality",
                "Quality profiles",
                Glyph::Gauge,
                "review score schema approve reject",
                Role::User,
            ),
            entry("/configure/limits", "Limits and budgets", Glyph::Gauge, "rate rpm tpm quota cost", 'l'),
            page("/configure/prompts", "Prompts", Glyph::Book, "templates variables", Role::User),
        ],
    },
    Group {
        label: "Integrate",
        entries: &[
            entry("/integrate/keys", "API keys", Glyph::Key, "tokens secrets access", 'k'),
            page("/integrate/services", "Endpoints", Glyph::Terminal, "services api reference try curl", Role::User),
        ],
    },
    Group {
        label: "Admin",
        entries: &[
            page("/admin/organizations", "Organizations", Glyph::Building, "tenants customers", Role::Admin),
            entry("/admin/instances", "Instances", Glyph::Server, "environments credentials", 'i'),
            page("/admin/projects", "Projects", Glyph::Folder, "applications", Role::User),
            entry("/admin/users", "Users and roles", Glyph::Users, "people members access invite", 'u'),
            page("/admin/settings", "Settings", Glyph::Sliders, "platform values", Role::Superadmin),
            page("/admin/logs", "Logs", Glyph::List, "log lines errors warnings live", Role::Admin),
            page("/admin/audit", "Audit log", Glyph::Shield, "who changed what history verify", Role::Admin),
            page("/admin/system", "System", Glyph::Monitor, "deployment version database health tasks", Role::Admin),
        ],
    },
];

/// Pages behind the user menu.
pub const PERSONAL: &Group = &Group {
    label: "You",
    entries: &[entry("/account", "Account", Glyph::User, "password profile theme settings shortcuts me", 'a')],
};

/// Every group that has pages.
pub fn groups() -> impl Iterator<Item = &'static Group> {
    SIDEBAR.iter().chain(std::iter::once(PERSONAL))
}

/// Every page of the registry.
pub fn pages() -> impl Iterator<Item = &'static Entry> {
    groups().flat_map(|group| group.entries)
}

/// The page that a path belongs to, with its group: the longest entry that the path begins with.
pub fn find(path: &str) -> Option<(&'static Group, &'static Entry)> {
    let within = |entry: &Entry| {
        path == entry.path
            || (entry.path != "/" && path.strip_prefix(entry.path).is_some_and(|rest| rest.starts_with('/')))
    };
    groups()
        .flat_map(|group| group.entries.iter().map(move |entry| (group, entry)))
        .filter(|(_, entry)| within(entry))
        .max_by_key(|(_, entry)| entry.path.len())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_and_letters_are_unique() {
        let mut paths = HashSet::new();
        let mut letters = HashSet::new();
        for entry in pages() {
            assert!(entry.path.starts_with('/') && paths.insert(entry.path), "{}", entry.path);
            assert!(entry.shortcut.is_none_or(|letter| letters.insert(letter)), "{}", entry.label);
        }
    }

    #[test]
    fn a_path_belongs_to_its_longest_entry() {
        let label = |path| find(path).map(|(group, entry)| (group.label, entry.label));
        assert_eq!(label("/"), Some(("", "Home")));
        assert_eq!(label("/test/history"), Some(("Test", "History")));
        assert_eq!(label("/test/text/more"), Some(("Test", "Text")));
        assert_eq!(label("/test/texture"), None);
        assert_eq!(label("/nowhere"), None);
    }

    #[test]
    fn the_browser_tests_know_every_page() {
        let listed: Vec<String> = serde_json::from_str(include_str!("../../../end2end/pages.json")).unwrap();
        assert_eq!(listed, pages().map(|entry| entry.path).collect::<Vec<_>>());
    }
}
