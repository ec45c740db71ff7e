//! API keys: `sk_live_` or `sk_test_` and 64 hexadecimal digits. Only their SHA-256 is kept.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::{clock::random_bytes, providers::Secret};

pub const LIVE: &str = "sk_live_";
pub const TEST: &str = "sk_test_";

/// A new key with `prefix`.
pub fn generate(prefix: &str) -> Secret {
    let mut key = prefix.to_owned();
    for byte in random_bytes::<32>() {
        let _ = write!(key, "{byte:02x}");
    }
    Secret::new(&key)
}

/// What is kept of a key, and what finds it again. A lookup by hash tells an attacker nothing by its time.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// How a key is shown and logged: its first 8 and last 4 characters.
pub fn masked(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    match characters.len() {
        0..=12 => "***".to_owned(),
        length => {
            let head: String = characters[..8].iter().collect();
            let tail: String = characters[length - 4..].iter().collect();
            format!("{head}...{tail}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_that_clients_know() {
        let key = generate(LIVE);
        let rest = key.reveal().strip_prefix(LIVE).unwrap();
        assert_eq!(rest.len(), 64);
        assert!(rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        assert_ne!(hash(key.reveal()), hash(generate(LIVE).reveal()));
    }

    #[test]
    fn a_mask_does_not_tell_the_key() {
        assert_eq!(masked("sk_live_0123456789abcdef"), "sk_live_...cdef");
        assert_eq!(masked("short"), "***");
        assert_eq!(masked("sk_lïve_0123456789äbcdéf"), "sk_lïve_...cdéf");
    }
}
