//! What kind of work a request is, and who does it. [`classify`] finds the type and the subtask from the words of the
//! request, [`route`] the provider and the model by the routing rules. The gateway's `auto` and the request router use the
//! same code, and both can say why.
//!
//! [`Rules`] are compiled once for each state of the configuration. `words` holds the words that are known without any
//! rule, `patterns` the rows that people edit, `model` the judgement of a model where the words say nothing.

pub mod model;
mod patterns;
mod routing;
#[cfg(test)]
mod tests;
mod words;

use std::{borrow::Cow, fmt};

pub use patterns::{Rules, check_pattern};
pub use routing::{Ask, Choice, NoRoute, Route, RouteRule, route};

/// Of a longer request, so much of its beginning and of its end is looked at, in bytes.
const LOOKED_AT: usize = 16 * 1024;

/// Most reasons that are told.
const MOST_REASONS: usize = 50;

/// Confidence where nothing says what a request is.
const UNSURE: f64 = 0.5;

/// A kind of work. Where two fit equally well, the one that comes first here is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskType {
    Text,
    Image,
    Audio,
    Video,
    Context,
}

impl TaskType {
    pub const ALL: [Self; 5] = [Self::Text, Self::Image, Self::Audio, Self::Video, Self::Context];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Context => "context",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// All names, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// What a model must be able to do for it. Questions about a context are answered in text.
    pub fn capability(self) -> &'static str {
        if self == Self::Context { "text" } else { self.as_str() }
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a request is.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    pub task_type: TaskType,
    pub subtask: Option<&'static str>,
    /// From 0 to 1.
    pub confidence: f64,
    /// What speaks for it, and for others.
    pub why: Vec<Reason>,
}

/// One thing that speaks for a type.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    pub task_type: TaskType,
    pub points: f64,
    /// Id of the row of `task_classifications`, where it was one.
    pub rule: Option<String>,
    /// A sentence.
    pub text: String,
}

impl Reason {
    fn plain(task_type: TaskType, text: impl Into<String>) -> Self {
        Self { task_type, points: 0.0, rule: None, text: text.into() }
    }
}

/// Finds the type of a request, unless the caller said it, and its subtask.
pub fn classify(rules: &Rules, query: &str, explicit: Option<TaskType>) -> Classification {
    let query = looked_at(query);
    let mut why = Vec::new();
    let (task_type, confidence) = match explicit {
        Some(said) => {
            why.push(Reason::plain(said, format!("The caller says that it is {said}.")));
            (said, 1.0)
        }
        None => {
            let mut best = None;
            for task_type in TaskType::ALL {
                let score = score(rules, task_type, &query, &mut why);
                if score > best.map_or(0.0, |(_, most)| most) {
                    best = Some((task_type, score));
                }
            }
            match best {
                Some((task_type, score)) => (task_type, (score / 3.0).min(1.0)),
                None => {
                    why.push(Reason::plain(TaskType::Text, "No word says what it is, so it is text."));
                    (TaskType::Text, UNSURE)
                }
            }
        }
    };
    let subtask = words::subtask(task_type, &query).map(|(name, matched)| {
        why.push(Reason::plain(task_type, format!("“{}” makes it {task_type}:{name}.", short(matched))));
        name
    });
    why.truncate(MOST_REASONS);
    Classification { task_type, subtask, confidence, why }
}

/// One point for the first group or any rule, one for the second group, and what the rules add.
fn score(rules: &Rules, task_type: TaskType, query: &str, why: &mut Vec<Reason>) -> f64 {
    let mut score = 0.0;
    let [first, second] = words::groups(task_type, query);
    let mut has_first = first.is_some();
    if let Some(matched) = first {
        score += 1.0;
        let text = format!("“{}” is a word for {task_type}.", short(matched));
        why.push(Reason { points: 1.0, ..Reason::plain(task_type, text) });
    }
    for (pattern, matched) in rules.matching(task_type, query) {
        let points = if has_first { pattern.boost } else { 1.0 + pattern.boost };
        has_first = true;
        score += points;
        let text = format!("“{}” matches the rule “{}”.", short(matched), short(&pattern.written));
        why.push(Reason { points, rule: Some(pattern.id.clone()), ..Reason::plain(task_type, text) });
    }
    if let Some(matched) = second {
        score += 1.0;
        let text = format!("“{}” often means {task_type}.", short(matched));
        why.push(Reason { points: 1.0, ..Reason::plain(task_type, text) });
    }
    score
}

/// The request as the patterns see it: trimmed, in lower case, and of a very long one its beginning and its end, where it
/// is said what to do.
fn looked_at(query: &str) -> String {
    let query = query.trim();
    let seen = if query.len() <= 2 * LOOKED_AT {
        Cow::Borrowed(query)
    } else {
        let (head, tail) = (query.floor_char_boundary(LOOKED_AT), query.ceil_char_boundary(query.len() - LOOKED_AT));
        Cow::Owned(format!("{}\n{}", &query[..head], &query[tail..]))
    };
    seen.to_lowercase()
}

/// At most 60 characters of a text.
fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
