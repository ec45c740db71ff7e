//! Time and randomness, passed in so that tests can hold them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

/// Tells the time in microseconds since 1970, UTC, and makes ids.
#[derive(Clone, Default)]
pub struct Clock {
    /// Set by tests; `None` is the system's clock.
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    pub fn system() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands still until it is moved.
    pub fn fixed(now_us: i64) -> Self {
        Self { fixed: Some(Arc::new(AtomicI64::new(now_us))) }
    }

    /// Moves a fixed clock; the system's clock is not ours to move.
    pub fn advance_us(&self, by: i64) {
        if let Some(fixed) = &self.fixed {
            fixed.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Whether it is the system's.
    pub fn is_system(&self) -> bool {
        self.fixed.is_none()
    }

    pub fn now_us(&self) -> i64 {
        match &self.fixed {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        }
    }

    /// A random number in 0..1; a fixed clock always says one half.
    pub fn fraction(&self) -> f64 {
        if self.fixed.is_some() { 0.5 } else { rand::random() }
    }

    /// A UUIDv7 of this moment.
    pub fn new_id(&self) -> Uuid {
        let now = self.now_us().unsigned_abs();
        let nanos = u32::try_from(now % 1_000_000 * 1_000).unwrap_or(0);
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, now / 1_000_000, nanos))
    }
}

/// RFC 3339 in UTC with six fractional digits, as every surface of the product writes times.
pub fn rfc3339(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| String::new(), |at| format!("{at:.6}"))
}

/// Fills `bytes` from the operating system's generator, for keys and tokens.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_and_a_z() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_763_600_000_120_000), "2025-11-20T00:53:20.120000Z");
    }

    #[test]
    fn ids_carry_the_clock() {
        let clock = Clock::fixed(1_763_600_000_120_000);
        let id = clock.new_id();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_timestamp().map(|t| t.to_unix().0), Some(1_763_600_000));
        assert_ne!(id, clock.new_id());
    }
}
