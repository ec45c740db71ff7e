//! What kind of text a prompt asks for, and which of the routing rules serves it.

use std::sync::LazyLock;

use regex::Regex;

use crate::services::catalog::Route;

/// Words of each kind of text; the first kind that matches wins.
static TEXT_SUBTASKS: LazyLock<Vec<(&str, Option<Regex>)>> = LazyLock::new(|| {
    [
        ("fast", r"\b(quick|fast|brief|short|simple)\b"),
        ("detailed", r"\b(detailed|comprehensive|thorough|in-depth|long)\b"),
        ("creative", r"\b(creative|story|poem|fiction|imaginative)\b"),
        ("code", r"\b(code|program|function|script|developer)\b"),
    ]
    .into_iter()
    .map(|(name, pattern)| (name, Regex::new(pattern).ok()))
    .collect()
});

/// `fast`, `detailed`, `creative` or `code`, when the prompt says so.
pub fn text_subtask(prompt: &str) -> Option<&'static str> {
    let prompt = prompt.trim().to_lowercase();
    TEXT_SUBTASKS
        .iter()
        .find(|(_, pattern)| pattern.as_ref().is_some_and(|pattern| pattern.is_match(&prompt)))
        .map(|(name, _)| *name)
}

/// The rules of the subtask, else the default rules of the type.
pub fn routes<'a>(all: &'a [Route], task_type: &str, subtask: Option<&str>) -> Vec<&'a Route> {
    let of_type = || all.iter().filter(|route| route.task_type == task_type);
    let special: Vec<_> = of_type().filter(|route| subtask.is_some() && route.subtask.as_deref() == subtask).collect();
    if special.is_empty() { of_type().filter(|route| route.is_default).collect() } else { special }
}

/// One of them at random by weight; `fraction` in 0..1 is the dice.
pub fn choose<'a>(routes: &[&'a Route], fraction: f64) -> Option<&'a Route> {
    let total: u64 = routes.iter().map(|route| u64::from(route.weight)).sum();
    let mut left = fraction * total as f64;
    routes
        .iter()
        .find(|route| {
            left -= f64::from(route.weight);
            left < 0.0
        })
        .or(routes.first())
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(subtask: Option<&str>, model: &str, weight: u32, is_default: bool) -> Route {
        Route {
            task_type: "text".into(),
            subtask: subtask.map(Into::into),
            provider: "p".into(),
            model: model.into(),
            weight,
            is_default,
        }
    }

    #[test]
    fn subtasks_are_found_by_whole_words() {
        assert_eq!(text_subtask("Give me a quick answer"), Some("fast"));
        assert_eq!(text_subtask("A thorough, quick review"), Some("fast"));
        assert_eq!(text_subtask(" An IN-DEPTH look"), Some("detailed"));
        assert_eq!(text_subtask("tell a story"), Some("creative"));
        assert_eq!(text_subtask("decode this"), None);
        assert_eq!(text_subtask("Hello"), None);
    }

    #[test]
    fn a_subtask_without_rules_uses_the_defaults() {
        let all = [route(None, "a", 100, true), route(Some("fast"), "b", 100, false), route(None, "c", 50, false)];
        let names = |subtask| routes(&all, "text", subtask).iter().map(|r| r.model.as_str()).collect::<Vec<_>>();
        assert_eq!(names(Some("fast")), ["b"]);
        assert_eq!(names(Some("code")), ["a"]);
        assert_eq!(names(None), ["a"]);
        assert!(routes(&all, "image", None).is_empty());
    }

    #[test]
    fn weights_decide() {
        let (a, b) = (route(None, "a", 1, true), route(None, "b", 3, true));
        let pick = |fraction| choose(&[&a, &b], fraction).map(|r| r.model.as_str());
        assert_eq!(pick(0.0), Some("a"));
        assert_eq!(pick(0.24), Some("a"));
        assert_eq!(pick(0.26), Some("b"));
        assert_eq!(pick(0.999), Some("b"));
        assert_eq!(choose(&[], 0.5).map(|r| &r.model), None);
    }
}
