//! Checks ID tokens: JSON Web Tokens signed with RS256 or ES256. The signatures are `ring`'s business; here is only what is
//! signed, by which key, and whether it is meant for us. Every other algorithm is refused, `none` and the symmetric ones
//! among them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// How far clocks may be apart.
const LEEWAY_S: f64 = 60.0;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("is not a signed JSON Web Token")]
    Malformed,
    #[error("is signed in a way that is not RS256 or ES256")]
    Algorithm,
    #[error("is signed by a key that the issuer does not name")]
    UnknownKey,
    #[error("has a wrong signature")]
    Signature,
    #[error("is of another issuer")]
    Issuer,
    #[error("is meant for another client")]
    Audience,
    #[error("has expired")]
    Expired,
    #[error("is of the future")]
    NotYet,
    #[error("has a wrong nonce")]
    Nonce,
}

/// What a token must say.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now_s: i64,
}

/// What a token that is believed says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub subject: String,
    pub email: Option<String>,
    /// `None`: nothing is said of it.
    pub email_verified: Option<bool>,
    pub name: Option<String>,
}

/// What an issuer says of a person where it is asked for them: the claims that a token may leave out.
#[derive(Deserialize)]
pub struct UserInfo {
    pub sub: String,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
}

impl Claims {
    /// Whether the token leaves open which address is the person's.
    pub fn lack_email(&self) -> bool {
        self.email.is_none() || self.email_verified.is_none()
    }

    /// Takes what the token has left out. An address and whether it is verified are one statement.
    pub fn complete(&mut self, more: UserInfo) {
        if more.email.is_some() {
            self.email_verified = flag(more.email_verified.as_ref());
            self.email = more.email;
        }
        self.name = self.name.take().or(more.name);
    }
}

/// Some issuers write the flag as a text.
fn flag(value: Option<&Value>) -> Option<bool> {
    value.map(|flag| *flag == true || *flag == "true")
}

/// An issuer's public keys.
#[derive(Deserialize)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

/// One of them. What an issuer may add is of no interest.
#[derive(Debug, Clone, Deserialize)]
pub struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What the token says, if it is to be believed.
pub fn verify(token: &str, keys: &[Jwk], expected: &Expected<'_>) -> Result<Claims, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let header: Header = part(header)?;
    let signature = decoded(signature).ok_or(TokenError::Malformed)?;
    let kind = match header.alg.as_str() {
        "RS256" => "RSA",
        "ES256" => "EC",
        _ => return Err(TokenError::Algorithm),
    };
    if header.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    let mut fitting = keys
        .iter()
        .filter(|key| key.kty == kind && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig"))
        .filter(|key| header.kid.is_none() || key.kid == header.kid)
        .peekable();
    if fitting.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    if !fitting.any(|key| key.has_signed(signed.as_bytes(), &signature).unwrap_or(false)) {
        return Err(TokenError::Signature);
    }
    believed(part(payload)?, expected)
}

fn believed(payload: Payload, expected: &Expected<'_>) -> Result<Claims, TokenError> {
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below the limit")]
    let now = expected.now_s as f64;
    if payload.iss != expected.issuer {
        return Err(TokenError::Issuer);
    }
    let (is_ours, is_shared) = match &payload.aud {
        Audience::One(one) => (one == expected.client_id, false),
        Audience::Several(several) => (several.iter().any(|one| one == expected.client_id), several.len() > 1),
    };
    let party = payload.azp.as_deref();
    if !is_ours || (is_shared && party.is_none()) || party.is_some_and(|party| party != expected.client_id) {
        return Err(TokenError::Audience);
    }
    if payload.exp <= now - LEEWAY_S {
        return Err(TokenError::Expired);
    }
    if payload.iat.max(payload.nbf.unwrap_or(payload.iat)) > now + LEEWAY_S {
        return Err(TokenError::NotYet);
    }
    if payload.nonce.as_deref() != Some(expected.nonce) {
        return Err(TokenError::Nonce);
    }
    if payload.sub.is_empty() || payload.sub.len() > 255 {
        return Err(TokenError::Malformed);
    }
    Ok(Claims {
        subject: payload.sub,
        email_verified: flag(payload.email_verified.as_ref()),
        email: payload.email,
        name: payload.name,
    })
}

impl Jwk {
    /// `None` when the key is not whole.
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        let number = |text: &Option<String>| decoded(text.as_deref()?);
        if self.kty == "RSA" {
            let (n, e) = (number(&self.n)?, number(&self.e)?);
            let first = n.iter().position(|byte| *byte != 0)?;
            let key = RsaPublicKeyComponents { n: &n[first..], e: &e };
            return Some(key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok());
        }
        if self.crv.as_deref() != Some("P-256") {
            return None;
        }
        let point = [&[4], &*number(&self.x)?, &*number(&self.y)?].concat();
        let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
        Some(key.verify(message, signature).is_ok())
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    let bytes = decoded(text).ok_or(TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
