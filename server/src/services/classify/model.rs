//! A model's judgement of what a request is, for requests whose words say too little. It costs a call, so it is off
//! unless the setting `classification` names a model: `{"model": "gpt-4o-mini"}`.

use std::time::Duration;

use super::{Classification, Reason, Rules, TaskType, UNSURE, words};
use crate::{
    providers::{
        ChatInput,
        chat::{ChatRequest, Message, Params, Part},
    },
    services::{
        catalog::Snapshot,
        gateway::{Context, Gateway, Reply},
    },
};

/// The setting that turns it on.
const SETTING: &str = "classification";
/// So much of a request is shown to the model, in characters.
const SHOWN: usize = 4_000;
/// A judgement that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How sure a judgement is: more than a single word, less than three points.
const CONFIDENCE: f64 = 0.8;

/// The model to ask about a request, if one shall be asked: the words alone say too little.
pub fn judge<'a>(snapshot: &'a Snapshot, found: &Classification) -> Option<&'a str> {
    let name = snapshot.settings.get(SETTING)?.get("model")?.as_str()?.trim();
    (found.confidence <= UNSURE && !name.is_empty()).then_some(name)
}

/// Asks the model; where it cannot be asked or names nothing that is known, what the words said stays. The call is the
/// caller's: it counts for their limits and is recorded.
pub async fn refine(
    gateway: &Gateway,
    rules: &Rules,
    model: &str,
    context: Context,
    query: &str,
    found: Classification,
) -> Classification {
    let request = ChatRequest {
        messages: vec![
            Message::System(vec![Part::Text(instruction(rules))]),
            Message::User(vec![Part::Text(query.chars().take(SHOWN).collect())]),
        ],
        params: Params { max_tokens: Some(20), temperature: Some(0.0), ..Params::default() },
        ..ChatRequest::default()
    };
    let input = ChatInput::from_typed(Some(model.to_owned()), false, request);
    let context = Context { surface: "classification", timeout: Some(PATIENCE), ..context };
    let answer = match gateway.chat(context, input).await {
        Ok(Reply::Whole { completion, .. }) => completion.choices.into_iter().next().and_then(|choice| choice.content),
        Ok(Reply::Stream(_)) => None,
        Err(error) => {
            tracing::warn!(%error, model, "the model that classifies cannot be asked");
            None
        }
    };
    match answer.as_deref().and_then(|answer| judgement(rules, answer)) {
        Some((label, task_type)) => judged(found, model, &label, task_type, query),
        None => found,
    }
}

fn instruction(rules: &Rules) -> String {
    let labels: Vec<&str> = rules.labels().map(|(label, _)| label).collect();
    format!(
        "Say what kind of work the next message asks for. Do not do the work. Answer with exactly one of these labels and \
         nothing else: {}.",
        labels.join(", ")
    )
}

/// The label that an answer consists of, or the only one that it mentions.
fn judgement(rules: &Rules, answer: &str) -> Option<(String, TaskType)> {
    let answer = answer.to_lowercase();
    let sign = |c: char| c.is_whitespace() || c.is_ascii_punctuation();
    let bare = answer.trim_matches(sign);
    if let Some((label, task_type)) = rules.labels().find(|(label, _)| *label == bare) {
        return Some((label.to_owned(), task_type));
    }
    let mut mentioned = rules.labels().filter(|(label, _)| answer.split(sign).any(|word| word == *label));
    let first = mentioned.next()?;
    mentioned.next().is_none().then(|| (first.0.to_owned(), first.1))
}

fn judged(found: Classification, model: &str, label: &str, task_type: TaskType, query: &str) -> Classification {
    let mut why = found.why;
    why.push(Reason::plain(task_type, format!("The model {model} calls it “{label}”.")));
    let query = super::looked_at(query);
    let subtask = words::subtask(task_type, &query).map(|(name, _)| name);
    Classification { task_type, subtask, confidence: CONFIDENCE, why }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{services::classify::classify, store::rules::ClassificationRow};

    fn rules() -> Rules {
        let row = ClassificationRow {
            id: "poster".into(),
            pattern: "Poster".into(),
            pattern_type: "ml_label".into(),
            task_type: "image".into(),
            confidence_boost: 0.0,
            priority: 0,
            is_active: true,
            created_us: 0,
        };
        Rules::new(vec![row], Vec::new())
    }

    #[test]
    fn an_answer_is_one_label() {
        let rules = rules();
        let read = |answer: &str| judgement(&rules, answer).map(|(_, task_type)| task_type);
        assert_eq!(read("image"), Some(TaskType::Image));
        assert_eq!(read(" **Video**.\n"), Some(TaskType::Video));
        assert_eq!(read("poster"), Some(TaskType::Image));
        assert_eq!(read("The label is: audio"), Some(TaskType::Audio));
        assert_eq!(read("image or video"), None);
        assert_eq!(read("images"), None);
        assert_eq!(read(""), None);
        assert!(instruction(&rules).contains("text, image, audio, video, context, poster"));
    }

    #[test]
    fn a_model_is_asked_only_where_words_say_too_little() {
        let mut snapshot = Snapshot { rules: rules(), ..Snapshot::default() };
        let unclear = classify(&snapshot.rules, "Hello", None);
        assert_eq!(judge(&snapshot, &unclear), None, "off by default");
        snapshot.settings.insert(SETTING.to_owned(), json!({"model": "gpt-4o-mini"}));
        assert_eq!(judge(&snapshot, &unclear), Some("gpt-4o-mini"));
        let clear = classify(&snapshot.rules, "draw an illustration", None);
        assert_eq!(judge(&snapshot, &clear), None);
        let said = classify(&snapshot.rules, "Hello", Some(TaskType::Video));
        assert_eq!(judge(&snapshot, &said), None);
        let judged = judged(unclear, "m", "poster", TaskType::Image, "a logo for Hello");
        assert_eq!((judged.task_type, judged.subtask), (TaskType::Image, Some("logo")));
    }
}
