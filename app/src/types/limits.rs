use serde::{Deserialize, Serialize};

/// How far a limit is used, in one of the places where it counts separately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitState {
    pub limit_id: String,
    /// Set where the limit counts for each instance by itself.
    pub instance_id: Option<String>,
    /// One for each number that is set.
    pub caps: Vec<CapState>,
    pub tokens_today: i64,
    pub spent_today_micro_usd: i64,
    pub spent_month_micro_usd: i64,
    /// A budget is spent beyond the share at which its owner wants to know.
    pub warned: bool,
}

/// How far one number of a limit is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapState {
    /// The field of the limit: `requests_per_minute`, `budget_day_micro_usd`, …
    pub name: String,
    pub limit: i64,
    pub used: i64,
    /// Held for calls that still run; not part of `used`.
    pub reserved: i64,
    pub left: i64,
    /// When all of it is there again, if nothing more is used; none for calls at a time.
    pub resets_us: Option<i64>,
}
