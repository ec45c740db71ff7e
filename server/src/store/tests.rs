//! Tests of what the whole store shares.
