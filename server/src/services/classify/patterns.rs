//! The rows of `task_classifications`, compiled.

use regex::{Regex, RegexBuilder};

use super::{RouteRule, TaskType};
use crate::store::rules::{ClassificationRow, RoutingRuleRow};

/// A pattern may not grow into more than this when it is compiled.
const MOST_BYTES: usize = 1 << 20;

/// What classifies and routes, compiled from active rows.
#[derive(Debug, Default)]
pub struct Rules {
    /// Highest priority first.
    patterns: Vec<Pattern>,
    /// What a model may call a request, and what it then is.
    labels: Vec<(String, TaskType)>,
    pub(super) routes: Vec<RouteRule>,
}

/// A row that looks at words.
#[derive(Debug)]
pub struct Pattern {
    pub id: String,
    /// As it was written.
    pub written: String,
    pub boost: f64,
    priority: i64,
    task_type: TaskType,
    regex: Regex,
}

impl Rules {
    /// A row that cannot be used is left out and logged.
    pub fn new(classifications: Vec<ClassificationRow>, routes: Vec<RoutingRuleRow>) -> Self {
        let mut rules = Self {
            routes: routes.into_iter().filter(|row| row.is_active).map(RouteRule::from).collect(),
            ..Self::default()
        };
        for row in classifications.into_iter().filter(|row| row.is_active) {
            if let Err(problem) = rules.add(&row) {
                tracing::error!(id = row.id, problem, "task classification left out");
            }
        }
        rules.patterns.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id)));
        rules
    }

    fn add(&mut self, row: &ClassificationRow) -> Result<(), String> {
        let task_type = TaskType::parse(&row.task_type)
            .ok_or_else(|| format!("{} is none of the task types {}", row.task_type, TaskType::names()))?;
        if row.pattern_type == "ml_label" {
            self.labels.push((row.pattern.trim().to_lowercase(), task_type));
            return Ok(());
        }
        let regex = compiled(&row.pattern_type, &row.pattern)?;
        self.patterns.push(Pattern {
            id: row.id.clone(),
            written: row.pattern.clone(),
            boost: if row.confidence_boost.is_finite() { row.confidence_boost } else { 0.0 },
            priority: row.priority,
            task_type,
            regex,
        });
        Ok(())
    }

    /// The patterns of a type that match, and what they match.
    pub(super) fn matching<'a>(
        &'a self,
        task_type: TaskType,
        query: &'a str,
    ) -> impl Iterator<Item = (&'a Pattern, &'a str)> {
        let own = self.patterns.iter().filter(move |pattern| pattern.task_type == task_type);
        own.filter_map(move |pattern| Some((pattern, pattern.regex.find(query)?.as_str())))
    }

    /// What a model may call a request: the names of the types, and the labels that people added.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, TaskType)> {
        let own = self.labels.iter().map(|(label, task_type)| (label.as_str(), *task_type));
        TaskType::ALL.into_iter().map(|task_type| (task_type.as_str(), task_type)).chain(own)
    }
}

/// What is wrong with a pattern, if anything.
pub fn check_pattern(kind: &str, pattern: &str) -> Result<(), String> {
    match kind {
        "ml_label" if pattern.trim().is_empty() || pattern.chars().count() > 100 => {
            Err("pattern must be a label of 1 to 100 characters".to_owned())
        }
        "ml_label" => Ok(()),
        kind => compiled(kind, pattern).map(drop),
    }
}

fn compiled(kind: &str, pattern: &str) -> Result<Regex, String> {
    let pattern = match kind {
        "keyword" => {
            let words: Vec<String> =
                pattern.split('|').map(|word| regex::escape(&word.trim().to_lowercase())).collect();
            if words.iter().any(String::is_empty) {
                return Err("pattern must be words separated by |, none of them empty".to_owned());
            }
            // A word ends where no letter follows, even if it ends with a sign itself, as `c++` does.
            format!(r"\b{{start-half}}(?:{})\b{{end-half}}", words.join("|"))
        }
        "regex" => pattern.to_owned(),
        kind => return Err(format!("{kind} is none of the kinds of pattern keyword, regex, ml_label")),
    };
    // What is looked at is in lower case.
    let mut builder = RegexBuilder::new(&pattern);
    builder.case_insensitive(true).dot_matches_new_line(true).size_limit(MOST_BYTES);
    builder.build().map_err(|error| {
        let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
        format!("pattern is not a regular expression: {reason}")
    })
}
