//! Readable prose for simulated answers: it says that it is simulated, speaks about the prompt, and never looks like a
//! refusal or a cut-off text, so that a quality check passes it.

use super::dice::Dice;
use super::tokens;

/// What the prose is about.
pub(crate) struct Subject<'a> {
    pub(crate) model: &'a str,
    pub(crate) system: &'a str,
    pub(crate) prompt: &'a str,
    /// What the tools answered, when the last turn carries tool results.
    pub(crate) tool_result: Option<&'a str>,
    pub(crate) images: u32,
}

const THOUGHTS: &[&str] = &[
    "The first thing to settle is what {k} means here and who will rely on it.",
    "A short example makes {k} easier to judge than any long definition.",
    "Costs, timing and ownership usually decide how far {k} should go.",
    "Where opinions about {k} differ, writing both sides down saves a meeting.",
    "Keep the part about {k} small, measure it, then extend what works.",
    "Readers new to {k} will want plain words before numbers.",
    "Good results with {k} come from steady habits more than from clever tricks.",
    "One open question remains: which step of {k} matters most?",
    "Seen from a distance, {k} connects naturally with everything else mentioned.",
    "A sensible next move is trying {k} on one single case this week.",
    "Older notes describe {k} differently, which explains some confusion.",
    "Nothing in {k} has to be decided today; a café table and half an hour suffice.",
];

const SPARE_WORDS: &[&str] = &["purpose", "detail", "outcome", "audience", "schedule"];

/// An answer of its natural length, or of exactly `length` tokens.
pub(crate) fn prose(subject: &Subject, dice: &mut Dice, length: Option<u32>) -> String {
    let mut text = opening(subject);
    let words = keywords(subject.prompt);
    let mut order: Vec<usize> = (0..THOUGHTS.len()).collect();
    dice.shuffle(&mut order);
    let wanted = length.map_or(2 + dice.below(3), |_| usize::MAX);
    // Counted as it grows: recounting the whole text after each sentence would be quadratic.
    let mut counted = tokens::count(&text);
    for turn in 0..wanted {
        if length.is_some_and(|length| counted >= length) {
            break;
        }
        let word = &words[turn % words.len()];
        let thought = THOUGHTS[order[turn % order.len()]].replace("{k}", word);
        let sentence = match turn / THOUGHTS.len() {
            0 => format!(" {thought}"),
            _ => format!(" Point {}: {thought}", turn + 1),
        };
        counted = counted.saturating_add(tokens::count(&sentence));
        text.push_str(&sentence);
    }
    match length {
        Some(length) => tokens::truncate(&text, length).0.to_owned(),
        None => text,
    }
}

/// Thoughts of exactly `length` tokens, as a reasoning model would show them before its answer.
pub(crate) fn reasoning(subject: &Subject, dice: &mut Dice, length: u32) -> String {
    let words = keywords(subject.prompt);
    let mut text = format!("Simulated reasoning about “{}”.", excerpt(subject.prompt, 8));
    let mut counted = tokens::count(&text);
    let start = dice.below(THOUGHTS.len());
    let mut turn = 0;
    while counted < length {
        let thought = THOUGHTS[(start + turn) % THOUGHTS.len()].replace("{k}", &words[turn % words.len()]);
        let sentence = format!(" Step {}: {thought}", turn + 1);
        counted = counted.saturating_add(tokens::count(&sentence));
        text.push_str(&sentence);
        turn += 1;
    }
    tokens::truncate(&text, length).0.to_owned()
}

/// The first words of a text, tidied so that they can stand in a sentence.
pub(crate) fn excerpt(text: &str, words: usize) -> String {
    let mut out = String::new();
    for word in text.split_whitespace().take(words) {
        let word: String = word.chars().filter(|c| !c.is_control() && !matches!(c, '“' | '”' | '…')).take(40).collect();
        let word = word.trim_end_matches('.');
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

fn opening(subject: &Subject) -> String {
    // These two sentences fill the first hundred characters, where quality checks look for refusals.
    let mut text = format!(
        "This is a simulated answer from {}. It was written by the built-in simulator; no outside provider was called.",
        presentable(subject.model)
    );
    if let Some(result) = subject.tool_result {
        match excerpt(result, 30) {
            said if said.is_empty() => text.push_str(" The tool came back with an empty result."),
            said => text.push_str(&format!(" The tool result says: “{said}”.")),
        }
    }
    match excerpt(subject.prompt, 14) {
        said if said.is_empty() => text.push_str(" The request carried no words."),
        said => text.push_str(&format!(" The request was read as “{said}”.")),
    }
    if !subject.system.trim().is_empty() {
        text.push_str(&format!(" The instructions begin with “{}”.", excerpt(subject.system, 8)));
    }
    match subject.images {
        0 => {}
        1 => text.push_str(" One picture came with it."),
        n => text.push_str(&format!(" It came with {n} pictures.")),
    }
    text
}

/// Model names are free text; one that reads like a failure would make the answer look like one.
fn presentable(model: &str) -> &str {
    let lower = model.to_lowercase();
    let alarming = ["error", "failed", "unable to", "cannot", "sorry"].iter().any(|word| lower.contains(word));
    if alarming || model.is_empty() { "the asked model" } else { model }
}

/// Up to six longer words of the prompt, each once; ordinary words when the prompt has none.
fn keywords(prompt: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in prompt.split(|c: char| !c.is_alphanumeric()).filter(|word| (5..=24).contains(&word.chars().count())) {
        let word = word.to_lowercase();
        if !found.contains(&word) {
            found.push(word);
        }
        if found.len() == 6 {
            break;
        }
    }
    if found.is_empty() {
        found.extend(SPARE_WORDS.iter().map(|word| (*word).to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn subject<'a>(model: &'a str, prompt: &'a str) -> Subject<'a> {
        Subject { model, system: "", prompt, tool_result: None, images: 0 }
    }

    fn passes_quality_check(text: &str) -> Result<(), String> {
        let head: String = text.to_lowercase().chars().take(100).collect();
        for word in ["error", "failed", "unable to", "cannot", "sorry, i"] {
            if head.contains(word) {
                return Err(format!("{word} in {head}"));
            }
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let unique: HashSet<&&str> = words.iter().collect();
        #[expect(clippy::cast_precision_loss, reason = "a ratio of small numbers")]
        let ratio = unique.len() as f64 / words.len() as f64;
        if ratio < 0.5 || text.ends_with("...") || text.ends_with('…') || text.len() < 10 {
            return Err(format!("ratio {ratio}: {text}"));
        }
        Ok(())
    }

    #[test]
    fn says_that_it_is_simulated_and_mentions_the_prompt() {
        let text = prose(&subject("gpt-4o-mini", "Explain gravity waves to a child"), &mut Dice::new(1), None);
        assert!(text.starts_with("This is a simulated answer from gpt-4o-mini."), "{text}");
        assert!(text.contains("Explain gravity waves to a child"), "{text}");
        assert!(text.contains("gravity"), "{text}");
    }

    #[test]
    fn asked_length_is_exact() {
        for length in [1, 5, 27, 300, 4000] {
            assert_eq!(
                tokens::count(&prose(&subject("m", "hello there world"), &mut Dice::new(3), Some(length))),
                length
            );
            assert_eq!(tokens::count(&reasoning(&subject("m", "hello"), &mut Dice::new(3), length)), length);
        }
    }

    proptest! {
        #[test]
        fn any_prompt_gives_acceptable_prose(prompt in any::<String>(), model in "[a-z0-9:/-]{0,30}", seed in any::<u64>()) {
            let text = prose(&subject(&model, &prompt), &mut Dice::new(seed), None);
            prop_assert_eq!(passes_quality_check(&text), Ok(()));
        }

        #[test]
        fn alarming_words_stay_out_of_the_head(prompt in "(error |failed |sorry, I |cannot ){1,9}\\.\\.\\.", seed in any::<u64>()) {
            let text = prose(&subject("error-model", &prompt), &mut Dice::new(seed), None);
            let head: String = text.to_lowercase().chars().take(100).collect();
            prop_assert!(!head.contains("error") && !head.contains("failed") && !head.contains("cannot"), "{}", text);
        }
    }
}
