//! Decisions: validation, permissions, ids, times and limits. A room is a struct, its functions and its error enum.

pub mod catalog;
