//! Function names for providers that allow fewer characters than the caller used. The spelling can be undone from the
//! name alone, so an answer is read without remembering the request.

use std::borrow::Cow;

use super::{ErrorClass, ProviderError};

/// Begins an escaped character: `_0x2e_` is a dot.
const MARK: &str = "_0x";

/// Which names a provider takes, besides letters, digits, `_` and `-`.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub max: usize,
    /// The first character must be a letter or `_`.
    pub starts_with_letter: bool,
}

/// The name to send. `Invalid` when it has no room even so.
pub fn encode(name: &str, rule: Rule) -> Result<Cow<'_, str>, ProviderError> {
    let kept = |at: usize, c: char| {
        let first = at == 0 && rule.starts_with_letter;
        match c {
            '_' => !name[at..].starts_with(MARK),
            '0'..='9' | '-' => !first,
            c => c.is_ascii_alphabetic(),
        }
    };
    let encoded = if name.char_indices().all(|(at, c)| kept(at, c)) {
        Cow::Borrowed(name)
    } else {
        let mut out = String::with_capacity(name.len() + 16);
        for (at, c) in name.char_indices() {
            if kept(at, c) {
                out.push(c);
            } else {
                out.push_str(&format!("{MARK}{:x}_", u32::from(c)));
            }
        }
        Cow::Owned(out)
    };
    if encoded.is_empty() || encoded.len() > rule.max {
        let message =
            format!("the function name {name:?} is empty or too long for this provider ({} characters)", rule.max);
        return Err(ProviderError { param: Some("tools".into()), ..ProviderError::new(ErrorClass::Invalid, message) });
    }
    Ok(encoded)
}

/// The caller's name.
pub fn decode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let after = &rest[at + MARK.len()..];
        let escaped = after
            .split_once('_')
            .and_then(|(hex, behind)| Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, behind)));
        match escaped {
            Some((c, behind)) => {
                out.push(c);
                rest = behind;
            }
            None => {
                out.push_str(MARK);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule { max: 128, starts_with_letter: true };

    #[test]
    fn usual_names_stay_as_they_are() {
        for name in ["get_weather", "_x", "a-b_c9", "x_0y"] {
            assert_eq!(encode(name, RULE).unwrap(), name);
            assert_eq!(decode(name), name);
        }
        assert_eq!(encode("files.read", RULE).unwrap(), "files_0x2e_read");
        assert_eq!(decode("_0xzz_"), "_0xzz_");
    }

    #[test]
    fn a_name_without_room_is_the_callers_error() {
        assert_eq!(encode(&"é".repeat(30), RULE).unwrap_err().class, ErrorClass::Invalid);
        assert_eq!(encode("", RULE).unwrap_err().class, ErrorClass::Invalid);
    }

    proptest! {
        #[test]
        fn every_spelling_can_be_undone(name in "(\\PC|_|0x|x|[0-9a-f]){1,14}", starts_with_letter in any::<bool>()) {
            let rule = Rule { max: 1_000, starts_with_letter };
            let sent = encode(&name, rule).unwrap();
            prop_assert!(sent.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
            prop_assert!(!starts_with_letter || !sent.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
            prop_assert_eq!(decode(&sent), name);
        }
    }
}
