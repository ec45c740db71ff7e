//! The catalogue of providers and models: what a new database starts with and what its prices mean.

pub mod pricing;
pub mod seed;
