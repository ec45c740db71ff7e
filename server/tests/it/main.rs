//! The product from outside: real HTTP against the real server, on SQLite and, when `TEST_POSTGRES_URL` names a server, on
//! Postgres. Every scenario looks at the answer and at what was written down of it.

#[cfg(test)]
mod budgets;
#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod classify;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod config;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod events;
#[cfg(test)]
mod identity;
#[cfg(test)]
pub mod intake;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod models;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod system;
#[cfg(test)]
mod text;
#[cfg(test)]
mod walk;
