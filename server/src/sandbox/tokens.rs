//! The one tokenizer of the simulator: what is counted, what is streamed and what a limit cuts are the same pieces.

/// A word up to this many characters is one token.
const WHOLE_WORD: usize = 6;
/// Longer words fall into parts of this many characters.
const PART: usize = 4;
/// A run of blanks is cut after this many characters.
const BLANKS: usize = 16;

/// Cuts text into tokens, each with the single space before it; joined they give the text back, byte for byte.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

/// Number of tokens in a text.
pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(pieces(text).count()).unwrap_or(u32::MAX)
}

/// The text cut after `limit` tokens, and whether anything was cut off.
pub(crate) fn truncate(text: &str, limit: u32) -> (&str, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let length: usize = pieces(text).take(limit).map(str::len).sum();
    (&text[..length], length < text.len())
}

/// See [`pieces`].
pub(crate) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (piece, rest) = self.rest.split_at(piece_length(self.rest));
        self.rest = rest;
        Some(piece)
    }
}

fn piece_length(text: &str) -> usize {
    let blanks: usize = text.chars().take(BLANKS).take_while(|c| c.is_whitespace()).map(char::len_utf8).sum();
    let lead = match blanks {
        0 => 0,
        1 if text.starts_with(' ') && text.len() > 1 => 1,
        // The last space of a run belongs to the word after it.
        n if n > 1 && text[..n].ends_with(' ') && n < text.len() => return n - 1,
        n => return n,
    };
    let word = &text[lead..];
    let letters = word.chars().take(WHOLE_WORD + 1).take_while(|c| in_word(*c)).count();
    let taken = match letters {
        0 => 1,
        n if n <= WHOLE_WORD => n,
        _ => PART,
    };
    lead + word.chars().take(taken).map(char::len_utf8).sum::<usize>()
}

/// Letters and digits of alphabets; ideographs and emoji are tokens of their own.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() && c.len_utf8() < 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_split_about_every_four_characters() {
        let cut: Vec<&str> = pieces("This is a simulated answer, really.").collect();
        assert_eq!(cut, ["This", " is", " a", " simu", "lated", " answer", ",", " really", "."]);
    }

    #[test]
    fn ideographs_count_one_each() {
        assert_eq!(count("日本語"), 3);
    }

    #[test]
    fn truncation_says_whether_it_cut() {
        assert_eq!(truncate("one two three", 2), ("one two", true));
        assert_eq!(truncate("one two three", 3), ("one two three", false));
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_text(text in any::<String>()) {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }

        #[test]
        fn pieces_of_blanks_join_to_the_text(text in "[ \\n\\ta-z]{0,60}") {
            prop_assert!(pieces(&text).all(|piece| !piece.is_empty()));
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
