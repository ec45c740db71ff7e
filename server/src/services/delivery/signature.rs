//! Signatures of messages: those that we make (Standard Webhooks), and those that providers make.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use ring::hmac;
use subtle::ConstantTimeEq;

/// How far a signed time may be from now, either way.
const TOLERANCE_S: i64 = 300;

/// `v1,…`: the signature of a message by Standard Webhooks.
pub fn sign(key: &[u8], id: &str, timestamp_s: i64, body: &str) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in [id, ".", &timestamp_s.to_string(), ".", body] {
        context.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

/// A secret as receivers know it.
pub fn whsec(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

/// The bytes of a secret: `whsec_…` in base64, or the text itself.
fn bytes(secret: &str) -> Vec<u8> {
    let encoded = secret.strip_prefix("whsec_").map(|encoded| STANDARD.decode(encoded));
    match encoded {
        Some(Ok(bytes)) => bytes,
        _ => secret.as_bytes().to_vec(),
    }
}

/// Whether a message shows its sender's secret; `None` when it shows nothing of the kind.
pub fn fits(secret: &str, headers: &HeaderMap, body: &[u8], now_us: i64) -> Option<bool> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let is_recent = |at_s: i64| (now_us / 1_000_000 - at_s).abs() <= TOLERANCE_S;
    let same = |a: &str, b: &str| bool::from(a.as_bytes().ct_eq(b.as_bytes()));
    if let Some(shown) = text("x-webhook-secret") {
        return Some(same(shown, secret));
    }
    if let Some(signatures) = text("webhook-signature") {
        let at_s = text("webhook-timestamp").and_then(|at| at.parse().ok()).filter(|at_s| is_recent(*at_s));
        let (Some(at_s), Some(id), Ok(body)) = (at_s, text("webhook-id"), std::str::from_utf8(body)) else {
            return Some(false);
        };
        let expected = sign(&bytes(secret), id, at_s, body);
        return Some(signatures.split(' ').any(|signature| same(signature, &expected)));
    }
    // `t=1700000000,v0=<hex of HMAC-SHA256 over "t.body">`.
    let signed = text("elevenlabs-signature")?;
    let part = |name: &str| signed.split(',').find_map(|part| part.trim().strip_prefix(name));
    let (Some(at), Some(shown)) = (part("t="), part("v0=")) else { return Some(false) };
    if !at.parse().is_ok_and(is_recent) {
        return Some(false);
    }
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(at.as_bytes());
    context.update(b".");
    context.update(body);
    let expected: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(same(shown, &expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    const BODY: &str = r#"{"type":"job.completed","timestamp":"2026-11-20T00:00:00Z","data":{"id":"job_1"}}"#;
    const AT: i64 = 1_795_132_800;
    const SIGNATURE: &str = "v1,7F5fQG8O6XxjHTSYo7IIwXuaPiWiGryxLH36uceJwcA=";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        assert_eq!(sign(&bytes(SECRET), "msg_1", AT, BODY), SIGNATURE);
        assert_eq!(whsec(&bytes(SECRET)), SECRET);
        assert_eq!(bytes("plain"), b"plain");
    }

    #[test]
    fn a_message_has_to_be_signed_lately_and_as_it_is() {
        let at = AT.to_string();
        let standard = |signature: &str| {
            headers(&[("webhook-id", "msg_1"), ("webhook-timestamp", &at), ("webhook-signature", signature)])
        };
        let check =
            |headers: &HeaderMap, body: &str, now_s: i64| fits(SECRET, headers, body.as_bytes(), now_s * 1_000_000);
        assert_eq!(check(&standard(SIGNATURE), BODY, AT), Some(true));
        assert_eq!(check(&standard(&format!("v1,AAAA {SIGNATURE}")), BODY, AT + 299), Some(true));
        assert_eq!(check(&standard(SIGNATURE), BODY, AT + 301), Some(false));
        assert_eq!(check(&standard(SIGNATURE), BODY, AT - 301), Some(false));
        assert_eq!(check(&standard(SIGNATURE), "{}", AT), Some(false));
        assert_eq!(check(&standard("v1,"), BODY, AT), Some(false));
        assert_eq!(check(&headers(&[("webhook-signature", SIGNATURE)]), BODY, AT), Some(false));
        assert_eq!(check(&headers(&[]), BODY, AT), None);
        assert_eq!(check(&headers(&[("x-webhook-secret", SECRET)]), BODY, AT), Some(true));
        assert_eq!(check(&headers(&[("x-webhook-secret", "whsec_")]), BODY, AT), Some(false));
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"plain");
        let tag = hmac::sign(&key, format!("{AT}.{BODY}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let eleven = headers(&[("elevenlabs-signature", &format!("t={AT},v0={hex}"))]);
        assert_eq!(fits("plain", &eleven, BODY.as_bytes(), AT * 1_000_000), Some(true));
        assert_eq!(fits("plain", &eleven, b"{}", AT * 1_000_000), Some(false));
        assert_eq!(fits("other", &eleven, BODY.as_bytes(), AT * 1_000_000), Some(false));
        assert_eq!(fits("plain", &headers(&[("elevenlabs-signature", "v0=")]), b"", 0), Some(false));
    }
}
