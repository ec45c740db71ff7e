//! What becomes of results: they are assessed, approved, rejected or shown to a person, and told to who asked for them.

mod assess;
mod conclude;
mod profile;

pub use assess::{Assessment, assess};
pub use conclude::{Conclusion, Output, Report, Verdict, conclude};
pub use profile::{OnReject, Profile};
