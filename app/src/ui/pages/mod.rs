//! A folder per area, a file per screen.

pub mod account;
pub mod admin;
pub mod home;
pub mod not_found;
pub mod sign_in;
pub mod test;
pub mod things;
