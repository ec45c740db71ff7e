//! The counting against a simple model, and replicas that share one database.
