//! What a model costs.
