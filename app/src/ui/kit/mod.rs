//! The component kit: how everything looks and behaves, and nothing about what is shown. No component here reads data.
//!
//! To add one: a file with one component and its plain types, colours only by the tokens of `style/theme.css`, class
//! names only as whole literals (the CSS scanner reads the source), and the same first render on both sides (no clock,
//! no randomness, no locale: read those in an `Effect`).

mod badge;
mod button;
mod card;
mod code;
mod combobox;
mod controls;
mod copy;
mod dialog;
mod dom;
mod empty;
mod error_card;
mod field;
pub mod format;
mod icon;
mod kbd;
mod load;
mod menu;
mod meter;
mod progress;
pub mod search;
mod segmented;
mod select;
mod skeleton;
mod spark;
mod stat;
pub mod table;
mod tabs;
mod time;
mod toast;
mod tooltip;

pub use badge::{Badge, Tone};
pub use button::{Button, ButtonSize, ButtonVariant, IconButton, LinkButton};
pub use card::Card;
pub use code::CodeView;
pub use combobox::{Choice, Combobox};
pub use controls::{Slider, Switch};
pub use copy::CopyButton;
pub use dialog::{Dialog, DialogSide, DialogSize, open_for};
pub use dom::{after_hydration, copy_text, is_typing, with_local_storage};
pub use empty::EmptyState;
pub use error_card::ErrorCard;
pub use field::{Field, FieldWiring, Input, Textarea};
pub use icon::{Glyph, Icon};
pub use kbd::Kbd;
pub use load::Load;
pub use menu::{Menu, MenuButton, MenuLink, MenuSeparator};
pub use meter::Meter;
pub use progress::Progress;
pub use segmented::Segmented;
pub use select::Select;
pub use skeleton::{Skeleton, SkeletonBlock};
pub use spark::Sparkline;
pub use stat::Stat;
pub use table::{Cell, Col, Column, DataTable, Row, Selection, Table, TableSkeleton};
pub use tabs::{Tab, TabPanel, Tabs};
pub use time::{Clock, Time, provide_clock};
pub use toast::{Toaster, Toasts, provide_toasts, use_toasts};
pub use tooltip::Tooltip;
