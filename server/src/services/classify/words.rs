//! The words that tell types and subtasks apart without any rule. Three dots stand for whatever is between two words.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::TaskType;

/// Words of each type, in the order of [`TaskType::ALL`]: one point for each of the two groups.
const GROUPS: [[&str; 2]; 5] = [
    [
        "write|compose|draft|create...text|explain|describe|summarize|generate...text",
        "answer|respond|tell|help...with|analyze|review",
    ],
    [
        "draw|paint|sketch|illustrate|picture|image|photo|photograph|generate...image|create...image|make...image",
        "visual|illustration|artwork|graphic|render...image",
    ],
    ["speak|say|narrate|voice|read...aloud|text.to.speech|tts|audio", "synthesize...speech|convert...to...audio"],
    ["render|video|animation|animate|movie|clip", "create...video|make...video|generate...video"],
    ["from...context|in...codebase|search...docs|look...up|find...in", "query...cache|context...query|rag"],
];

/// Words of the subtasks; the first that matches within the type is taken.
const SUBTASKS: [(TaskType, &str, &str); 7] = [
    (TaskType::Image, "illustration", "cartoon|illustration|sketch|drawing|anime|artistic"),
    (TaskType::Image, "photo-realistic", "photo|realistic|photograph|real|life-like"),
    (TaskType::Image, "logo", "logo|icon|brand|emblem"),
    (TaskType::Text, "fast", "quick|fast|brief|short|simple"),
    (TaskType::Text, "detailed", "detailed|comprehensive|thorough|in-depth|long"),
    (TaskType::Text, "creative", "creative|story|poem|fiction|imaginative"),
    (TaskType::Text, "code", "code|program|function|script|developer"),
];

static GROUP_PATTERNS: LazyLock<Vec<[Option<Regex>; 2]>> = LazyLock::new(|| GROUPS.map(|own| own.map(bounded)).into());

static SUBTASK_PATTERNS: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| SUBTASKS.iter().map(|(_, _, words)| bounded(words)).collect());

/// Alternatives as whole words, over line ends.
fn bounded(words: &str) -> Option<Regex> {
    let pattern = format!(r"\b(?:{})\b", words.replace("...", ".*?"));
    RegexBuilder::new(&pattern).dot_matches_new_line(true).build().ok()
}

/// What each of the two groups of a type matches.
pub fn groups(task_type: TaskType, query: &str) -> [Option<&str>; 2] {
    let place = TaskType::ALL.iter().position(|own| *own == task_type);
    let Some([first, second]) = place.and_then(|place| GROUP_PATTERNS.get(place)) else { return [None, None] };
    let find = |pattern: &Option<Regex>| Some(pattern.as_ref()?.find(query)?.as_str());
    [find(first), find(second)]
}

/// The subtask and what matched.
pub fn subtask(task_type: TaskType, query: &str) -> Option<(&'static str, &str)> {
    let own = SUBTASKS.iter().zip(SUBTASK_PATTERNS.iter()).filter(|((of, ..), _)| *of == task_type);
    own.into_iter().find_map(|((_, name, _), pattern)| Some((*name, pattern.as_ref()?.find(query)?.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every alternative, with something between its parts.
    fn examples(words: &str) -> impl Iterator<Item = String> {
        words.split('|').map(|word| word.replace("...", " some nice ").replace('.', " "))
    }

    #[test]
    fn every_word_of_every_group_and_subtask_matches() {
        for (task_type, own) in TaskType::ALL.into_iter().zip(GROUPS) {
            for (place, words) in own.into_iter().enumerate() {
                for example in examples(words) {
                    let query = format!("please {example}, thanks");
                    assert!(groups(task_type, &query)[place].is_some(), "{task_type}, group {place}: {query}");
                    let part = format!("x{example}x");
                    assert!(groups(task_type, &part)[place].is_none(), "{task_type}, group {place}: {part}");
                }
            }
        }
        for (task_type, name, words) in SUBTASKS {
            for example in examples(words) {
                let found = SUBTASK_PATTERNS.iter().zip(SUBTASKS).any(|(pattern, (of, own, _))| {
                    of == task_type && own == name && pattern.as_ref().unwrap().is_match(&format!("a {example} one"))
                });
                assert!(found, "{task_type}:{name}: {example}");
            }
        }
    }

    #[test]
    fn the_first_subtask_wins() {
        assert_eq!(subtask(TaskType::Text, "a thorough, quick review"), Some(("fast", "quick")));
        assert_eq!(subtask(TaskType::Image, "a photo of a cartoon"), Some(("illustration", "cartoon")));
        assert_eq!(subtask(TaskType::Text, "decode this"), None);
        assert_eq!(subtask(TaskType::Audio, "a quick photo"), None);
    }

    #[test]
    fn what_belongs_together_may_be_far_apart() {
        assert_eq!(groups(TaskType::Text, "create\na nice\ntext")[0], Some("create\na nice\ntext"));
        assert_eq!(groups(TaskType::Context, "find the bug in main")[0], Some("find the bug in"));
        assert_eq!(groups(TaskType::Context, "finding joy"), [None, None]);
    }
}
