//! Passwords: argon2id, checked away from the threads that serve requests, and only so many times.

use std::{collections::HashMap, sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::IdentityError;

pub const MIN_LENGTH: usize = 12;
const MAX_LENGTH: usize = 1_024;
/// Failed tries per e-mail address, and per network address, within the window.
const TRIES: usize = 10;
const WINDOW_US: i64 = 15 * 60 * 1_000_000;

/// The hash of a password that nobody has, with the parameters of `Argon2::default()`: checked when there is no such user,
/// so that the answer takes as long. A constant, because making it would cost every start 19 MiB.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Z2LRs1oiP3PHD812uNKShw$xc3mekuahWrkvTgk51dbv+9sGqOb/Qcjdls+Nl79Ixw";

/// Hashes and checks passwords. Each check costs memory, so few run at a time.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    failures: Arc<Mutex<HashMap<String, Vec<i64>>>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(2)), failures: Arc::default() }
    }
}

impl Passwords {
    /// Checks length, then hashes.
    pub async fn hash(&self, password: &str) -> Result<String, IdentityError> {
        let length = password.chars().count();
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
            return Err(IdentityError::Password(format!("use between {MIN_LENGTH} and {MAX_LENGTH} characters")));
        }
        let password = password.to_owned();
        self.away(move || hash_now(&password)).await?
    }

    /// Whether the password is the one of this hash; without a hash it takes as long and is false.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, IdentityError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(DECOY).to_owned();
        let password: String = password.chars().take(MAX_LENGTH + 1).collect();
        let right = self
            .away(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(known && right)
    }

    /// Counts a try for each of these names; `Err` when one of them has failed too often lately. Counted before the password
    /// is checked, so that tries made at once count, too.
    pub fn begin_try(&self, names: &[&str], now_us: i64) -> Result<(), IdentityError> {
        let mut failures = self.failures.lock();
        failures.retain(|_, times| {
            times.retain(|at| *at > now_us - WINDOW_US);
            !times.is_empty()
        });
        for name in names {
            if let Some(times) = failures.get(*name).filter(|times| times.len() >= TRIES) {
                let wait_us = times.first().map_or(0, |oldest| oldest + WINDOW_US - now_us).unsigned_abs();
                return Err(IdentityError::TooManyTries(Duration::from_micros(wait_us)));
            }
        }
        for name in names {
            failures.entry((*name).to_owned()).or_default().push(now_us);
        }
        Ok(())
    }

    /// The try was right: the person's failures are forgotten. Of the address only this try is, or whoever has an account
    /// could guess at all the others for ever.
    pub fn succeeded(&self, person: &str, address: &str) {
        let mut failures = self.failures.lock();
        failures.remove(person);
        if let Some(times) = failures.get_mut(address) {
            times.pop();
        }
    }

    async fn away<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, IdentityError> {
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| IdentityError::Busy)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        })
        .await
        .map_err(|_| IdentityError::Busy)
    }
}

fn hash_now(password: &str) -> Result<String, IdentityError> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|_| IdentityError::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery").await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse battery", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("a password nobody has", None).await.unwrap());
        assert!(matches!(passwords.hash("short").await, Err(IdentityError::Password(_))));
    }

    #[test]
    fn the_decoy_costs_what_a_real_hash_costs() {
        let real = hash_now("correct horse battery").unwrap();
        let parameters = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(&real), parameters(DECOY));
        let decoy = PasswordHash::new(DECOY).unwrap();
        assert!(Argon2::default().verify_password(b"a password nobody has", &decoy).is_ok());
    }

    #[tokio::test]
    async fn the_eleventh_try_waits() {
        let passwords = Passwords::default();
        for at in 0..10 {
            passwords.begin_try(&["a", "ip"], at).unwrap();
        }
        assert!(matches!(passwords.begin_try(&["a"], 10), Err(IdentityError::TooManyTries(_))));
        assert!(matches!(passwords.begin_try(&["b", "ip"], 10), Err(IdentityError::TooManyTries(_))));
        passwords.begin_try(&["b"], 10).unwrap();
        passwords.begin_try(&["a"], 10 + WINDOW_US).unwrap();
    }

    #[test]
    fn a_success_forgives_a_person_but_not_their_address() {
        let passwords = Passwords::default();
        for at in 0..9 {
            passwords.begin_try(&["victim", "ip"], at).unwrap();
        }
        passwords.begin_try(&["own", "ip"], 9).unwrap();
        passwords.succeeded("own", "ip");
        passwords.begin_try(&["victim", "ip"], 10).unwrap();
        assert!(passwords.begin_try(&["other", "ip"], 11).is_err());
        assert!(passwords.begin_try(&["own", "elsewhere"], 11).is_ok());
    }
}
