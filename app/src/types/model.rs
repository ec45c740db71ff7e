use serde::{Deserialize, Serialize};

/// A model as the pickers show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    pub id: String,
    pub display_name: String,
    pub provider: String,
    pub provider_name: String,
    pub description: String,
    /// `text`, `image`, `audio`, `video`, …
    pub capabilities: Vec<String>,
    /// `active`, `beta` or `deprecated`.
    pub status: String,
    pub aliases: Vec<String>,
    /// Longest prompt and longest answer, in tokens.
    pub context: Option<u64>,
    pub max_output: Option<u64>,
    /// USD per million tokens.
    pub input_price: Option<f64>,
    pub output_price: Option<f64>,
    /// Features it has (`vision`, `function_calling`, `reasoning`, …) and parameters it refuses (`sampling_params`, …).
    pub supports: Vec<String>,
    pub lacks: Vec<String>,
    /// Whether a call would be answered by the simulator.
    pub simulated: bool,
    /// Why it cannot be called now, if so.
    pub unavailable: Option<String>,
}
