//! Tables: a plain one for a handful of lines, and the one for lists of things.

mod data;
pub mod export;
mod plain;

pub use data::{Col, DataTable, Selection, TableSkeleton};
pub use plain::{Cell, Column, Row, Table};
