//! Finding by a few typed letters.

/// How well `text` answers `query`; `None` when some word of the query is not in it. Lower is better: a beginning of the
/// text, then a beginning of a word, then anywhere.
pub fn score(query: &str, text: &str) -> Option<u32> {
    let text = text.to_lowercase();
    let mut total = 0;
    for word in query.to_lowercase().split_whitespace() {
        let at = text.find(word)?;
        let starts_word =
            text.get(..at).and_then(|before| before.chars().next_back()).is_none_or(|c| !c.is_alphanumeric());
        total += match (at, starts_word) {
            (0, _) => 0,
            (_, true) => 10,
            _ => 100,
        };
    }
    Some(total)
}

/// The items that answer, best first; equal ones keep their order.
pub fn rank<T>(query: &str, items: impl IntoIterator<Item = T>, text: impl Fn(&T) -> String) -> Vec<T> {
    let mut found: Vec<(u32, T)> =
        items.into_iter().filter_map(|item| score(query, &text(&item)).map(|score| (score, item))).collect();
    found.sort_by_key(|(score, _)| *score);
    found.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_counts_and_beginnings_come_first() {
        assert_eq!(score("", "anything"), Some(0));
        assert_eq!(score("mini xx", "gpt-5-mini"), None);
        let names = ["o4-mini", "mini-max", "minimal", "gemini-3", "claude"];
        assert_eq!(rank("MINI", names, |name| (*name).to_owned()), ["mini-max", "minimal", "o4-mini", "gemini-3"]);
        assert_eq!(rank("", names, |name| (*name).to_owned()), names);
    }
}
