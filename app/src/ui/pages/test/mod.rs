//! Consoles to try a model by hand.

mod failure_card;
mod history;
mod markdown;
mod run_view;
mod text;

pub use history::HistoryPage;
pub use text::TextConsolePage;
