//! What the gateway knows of a call, as response headers.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::services::gateway::Facts;

/// Adds the headers that are true at this moment: the cost of a stream is known only at its end.
pub fn add_headers(headers: &mut HeaderMap, facts: &Facts, is_complete: bool) {
    put(headers, "x-de-model", &facts.model);
    put(headers, "x-de-provider", &facts.provider);
    put(headers, "x-de-attempts", &facts.attempts.to_string());
    put(headers, "x-de-simulated", if facts.simulated { "true" } else { "false" });
    put(headers, "x-de-overhead-ms", &format!("{:.3}", facts.overhead.as_secs_f64() * 1_000.0));
    if !facts.dropped.is_empty() {
        put(headers, "x-de-dropped", &facts.dropped.join(", "));
    }
    if is_complete {
        put(headers, "x-de-cost-usd", &usd(facts.cost_micro_usd));
    }
    if let Some((limit, remaining, reset)) = facts.headroom {
        put(headers, "x-ratelimit-limit-requests", &limit.to_string());
        put(headers, "x-ratelimit-remaining-requests", &remaining.to_string());
        put(headers, "x-ratelimit-reset-requests", &format!("{reset}s"));
    }
}

/// Micro-dollars as a decimal number of dollars.
pub fn usd(micro: i64) -> String {
    let mut text = String::new();
    if micro < 0 {
        text.push('-');
    }
    let micro = micro.unsigned_abs();
    let _ = write!(text, "{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    text
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::usd;

    #[test]
    fn money_is_exact() {
        assert_eq!(usd(0), "0.000000");
        assert_eq!(usd(1), "0.000001");
        assert_eq!(usd(12_345_678), "12.345678");
        assert_eq!(usd(-5), "-0.000005");
    }
}
