//! The frame around the pages: top bar, sidebar, palette, help, and the one keyboard listener.

mod badges;
mod brand;
mod frame;
mod help;
mod key_dialog;
mod leave;
mod page;
mod palette;
mod shortcuts;
mod side_nav;
mod state;
mod switcher;
mod theme_menu;
mod top_bar;

pub use brand::{Brand, Mark};
pub use frame::Frame;
pub use leave::guard_history;
pub use page::{Page, alive};
pub use shortcuts::{single_keys_allowed, store_single_keys};
pub use state::{FrameState, provide_frame, use_frame};
pub use theme_menu::ThemeChoice;
