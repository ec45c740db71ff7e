//! A folder per area, a file per screen.

pub mod home;
pub mod test;
