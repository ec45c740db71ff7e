//! What the sandbox remembers between calls, all of it bounded: prompts seen, failures still owed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use parking_lot::Mutex;

use super::dice::fingerprint;
use super::tokens;

/// Shortest prefix that a provider caches, in tokens.
const SHORTEST: usize = 1024;
/// Cached prefixes grow in steps of this many tokens.
const STEP: usize = 128;
/// Steps looked at per prompt.
const STEPS: usize = 256;
const REMEMBERED: usize = 16_384;

/// A set that forgets its oldest members.
#[derive(Debug)]
struct Recent<T> {
    members: HashSet<T>,
    order: VecDeque<T>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { members: HashSet::new(), order: VecDeque::new() }
    }
}

impl<T: Hash + Eq + Copy> Recent<T> {
    /// Whether it was there already; it is afterwards.
    fn meet(&mut self, member: T) -> bool {
        if !self.members.insert(member) {
            return true;
        }
        self.order.push_back(member);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
        false
    }
}

/// Prompt prefixes seen, by fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Prompts(Mutex<Recent<u64>>);

impl Prompts {
    /// Tokens of the longest prefix that an earlier prompt of the same scope had too; this prompt is remembered.
    pub(crate) fn longest_known_prefix(&self, scope: &[&str], transcript: &str) -> u32 {
        // A token is at least one byte, so a shorter text cannot reach the shortest prefix.
        if transcript.len() < SHORTEST {
            return 0;
        }
        let mut hash = fingerprint(scope);
        let mut marks = Vec::new();
        for (place, piece) in tokens::pieces(transcript).enumerate() {
            hash = fingerprint(&[&hash.to_string(), piece]);
            let count = place + 1;
            if count >= SHORTEST && (count - SHORTEST).is_multiple_of(STEP) {
                marks.push((count, hash));
                if marks.len() == STEPS {
                    break;
                }
            }
        }
        let mut seen = self.0.lock();
        let known = marks.into_iter().filter(|(_, hash)| seen.meet(*hash)).map(|(count, _)| count).max();
        known.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
    }

    /// Tokens of a prefix marked for caching, 0 when it is too short, and whether it was known before.
    pub(crate) fn marked(&self, scope: &[&str], prefix: &str) -> (u32, bool) {
        let count = tokens::count(prefix);
        if usize::try_from(count).is_ok_and(|count| count < SHORTEST) {
            return (0, false);
        }
        let hash = fingerprint(&[&fingerprint(scope).to_string(), prefix]);
        (count, self.0.lock().meet(hash))
    }
}

/// Failures still owed to a caller that asked for a flaky provider.
#[derive(Debug, Default)]
pub(crate) struct Flaky(Mutex<HashMap<u64, u32>>);

impl Flaky {
    /// Whether this attempt is one of the first `times` of its key; after a success the count starts again.
    pub(crate) fn fails(&self, key: u64, times: u32) -> bool {
        let mut attempts = self.0.lock();
        if attempts.len() >= REMEMBERED {
            attempts.clear();
        }
        let failed = attempts.entry(key).or_insert(0);
        if *failed < times {
            *failed += 1;
            return true;
        }
        attempts.remove(&key);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prefixes_are_known_the_second_time() {
        let prompts = Prompts::default();
        let long = "word ".repeat(1500);
        assert_eq!(prompts.longest_known_prefix(&["openai", "m"], &long), 0);
        assert_eq!(prompts.longest_known_prefix(&["openai", "m"], &long), 1024 + 3 * 128);
        assert_eq!(prompts.longest_known_prefix(&["openai", "other"], &long), 0);
        let changed_end = format!("{}end of another kind", "word ".repeat(1200));
        assert_eq!(prompts.longest_known_prefix(&["openai", "m"], &changed_end), 1024 + 128);
        assert_eq!(prompts.longest_known_prefix(&["openai", "m"], "short"), 0);
    }

    #[test]
    fn marked_prefixes_are_written_then_read() {
        let prompts = Prompts::default();
        let long = "word ".repeat(1100);
        assert_eq!(prompts.marked(&["anthropic", "m"], &long), (1101, false));
        assert_eq!(prompts.marked(&["anthropic", "m"], &long), (1101, true));
        assert_eq!(prompts.marked(&["anthropic", "m"], "short"), (0, false));
    }

    #[test]
    fn flaky_fails_the_first_times() {
        let flaky = Flaky::default();
        let run: Vec<bool> = (0..6).map(|_| flaky.fails(1, 2)).collect();
        assert_eq!(run, [true, true, false, true, true, false]);
        assert!(flaky.fails(2, 1));
    }
}
