//! Placeholders in texts: `{name}`, with an optional transformation and an optional type (`{name|upper}`, `{seed:int}`).
//! Braces around anything else are ordinary text.

use serde_json::Value;

/// The types that a placeholder can force.
const KINDS: &[&str] = &["int", "float", "bool", "array", "string"];

/// The transformations that a placeholder can name.
const TRANSFORMS: &[&str] = &["aspectToSize", "upper", "lower", "path"];

/// One placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole<'a> {
    pub name: &'a str,
    pub transforms: Vec<&'a str>,
    pub kind: Option<&'a str>,
}

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Hole(Hole<'a>),
}

impl<'a> Hole<'a> {
    fn parse(inner: &'a str) -> Option<Self> {
        let (names, kind) = match inner.split_once(':') {
            Some((names, kind)) => (names, Some(kind)),
            None => (inner, None),
        };
        let mut names = names.split('|');
        let hole = Self { name: names.next()?, transforms: names.collect(), kind };
        let mut words = hole.transforms.iter().copied().chain(kind).chain([hole.name]);
        words.all(is_word).then_some(hole)
    }

    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        if let Some(kind) = self.kind.filter(|kind| !KINDS.contains(kind)) {
            return Some(format!("{{{}:{kind}}}: the types are {}", self.name, KINDS.join(", ")));
        }
        let unknown = self.transforms.iter().find(|name| !TRANSFORMS.contains(name))?;
        Some(format!("{{{}|{unknown}}}: the transformations are {}", self.name, TRANSFORMS.join(", ")))
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Splits a text at its placeholders.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(open) = text[at..].find('{').map(|open| at + open) {
        at = open + 1;
        let Some(close) = text[at..].find(['{', '}']).map(|close| at + close) else { break };
        if text.as_bytes()[close] == b'}'
            && let Some(hole) = Hole::parse(&text[at..close])
        {
            if from < open {
                pieces.push(Piece::Text(&text[from..open]));
            }
            pieces.push(Piece::Hole(hole));
            at = close + 1;
            from = at;
        }
    }
    if from < text.len() {
        pieces.push(Piece::Text(&text[from..]));
    }
    pieces
}

/// The placeholders of a text.
pub fn holes(text: &str) -> impl Iterator<Item = Hole<'_>> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Hole(hole) => Some(hole),
        Piece::Text(_) => None,
    })
}

/// Whether a placeholder of that name is anywhere in a template.
pub fn mentions(template: &Value, name: &str) -> bool {
    match template {
        Value::String(text) => holes(text).any(|hole| hole.name == name),
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(map) => map.values().any(|value| mentions(value, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_are_told_from_other_braces() {
        let hole =
            |name, transforms: &[&'static str], kind| Piece::Hole(Hole { name, transforms: transforms.to_vec(), kind });
        assert_eq!(pieces("a {b} c"), [Piece::Text("a "), hole("b", &[], None), Piece::Text(" c")]);
        assert_eq!(pieces("{a|upper:int}{b}"), [hole("a", &["upper"], Some("int")), hole("b", &[], None)]);
        for text in ["{", "}", "{}", "{ a }", "{\"a\":1}", "{a b}", "{1}", "{a: int}", "{a|}", "a{"] {
            assert_eq!(pieces(text), [Piece::Text(text)], "{text}");
        }
        assert_eq!(pieces("{{a}}"), [Piece::Text("{"), hole("a", &[], None), Piece::Text("}")]);
        assert!(pieces("").is_empty());
    }

    proptest! {
        #[test]
        fn the_pieces_make_up_the_text(text in "(\\{|\\}|a|:|\\||int|\\PC){0,12}") {
            let length: usize = pieces(&text).iter().map(|piece| match piece {
                Piece::Text(text) => text.len(),
                Piece::Hole(hole) => {
                    2 + hole.name.len() + hole.transforms.iter().map(|t| t.len() + 1).sum::<usize>() + hole.kind.map_or(0, |k| k.len() + 1)
                }
            }).sum();
            prop_assert_eq!(length, text.len());
        }
    }
}
