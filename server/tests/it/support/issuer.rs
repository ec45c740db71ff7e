//! An issuer of OpenID Connect: real endpoints, real signatures, and lies on demand.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use parking_lot::Mutex;
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const CLIENT: &str = "the client";
const ACCESS: &str = "an access token";
pub const SECRET: &str = "a secret: 100%";

/// Signs and says what tests want it to.
#[derive(Clone)]
pub struct Issuer(Arc<Shared>);

struct Shared {
    url: String,
    now_s: i64,
    /// Tokens are signed by the last one.
    keys: Mutex<Vec<Arc<Signer>>>,
    /// Codes that were given out: nonce, challenge, redirect URI. They work as often as they are shown.
    codes: Mutex<HashMap<String, [String; 3]>>,
    lie: Mutex<Lie>,
    /// What is said of the person beside the token; nowhere, when it is null.
    info: Mutex<Value>,
    key_reads: AtomicUsize,
}

type Lie = Arc<dyn Fn(&mut Value, &mut Value) + Send + Sync>;

pub enum Signer {
    Rsa(&'static str, RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    /// Signs, but is not among the keys that the issuer names.
    Hidden(&'static str, EcdsaKeyPair),
}

impl Signer {
    pub fn rsa(kid: &'static str) -> Self {
        let der = STANDARD.decode(RSA.concat()).unwrap();
        Self::Rsa(kid, RsaKeyPair::from_pkcs8(&der).unwrap())
    }

    pub fn ec(kid: &'static str) -> Self {
        Self::Ec(kid, ec_pair())
    }

    pub fn hidden(kid: &'static str) -> Self {
        Self::Hidden(kid, ec_pair())
    }

    fn jwk(&self) -> Option<Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(kid, pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                Some(json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": text(&n), "e": text(&e)}))
            }
            Self::Ec(kid, pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (text(&point[1..33]), text(&point[33..]));
                Some(json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y}))
            }
            Self::Hidden(..) => None,
        }
    }

    fn header(&self) -> Value {
        match self {
            Self::Rsa(kid, _) => json!({"alg": "RS256", "typ": "JWT", "kid": kid}),
            Self::Ec(kid, _) | Self::Hidden(kid, _) => json!({"alg": "ES256", "typ": "JWT", "kid": kid}),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(_, pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(_, pair) | Self::Hidden(_, pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
        }
    }
}

fn ec_pair() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap()
}

impl Issuer {
    /// Listens until the test ends.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            url: format!("http://{}", listener.local_addr().unwrap()),
            now_s: server::clock::Clock::system().now_us() / 1_000_000,
            keys: Mutex::new(vec![Arc::new(Signer::rsa("first"))]),
            codes: Mutex::default(),
            lie: Mutex::new(Arc::new(|_, _| ())),
            info: Mutex::default(),
            key_reads: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/keys", get(keys))
            .route("/userinfo", get(user_info))
            .with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(shared)
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// When it was started; what it says of time is relative to this.
    pub fn now_s(&self) -> i64 {
        self.0.now_s
    }

    /// From now on these are its keys.
    pub fn rotate(&self, keys: Vec<Signer>) {
        *self.0.keys.lock() = keys.into_iter().map(Arc::new).collect();
    }

    /// Changes header and claims of every token from now on.
    pub fn lie(&self, lie: impl Fn(&mut Value, &mut Value) + Send + Sync + 'static) {
        *self.0.lie.lock() = Arc::new(lie);
    }

    /// From now on it says this of the person beside the token.
    pub fn say(&self, info: Value) {
        *self.0.info.lock() = info;
    }

    /// How often its keys were read.
    pub fn key_reads(&self) -> usize {
        self.0.key_reads.load(Ordering::SeqCst)
    }
}

async fn description(State(issuer): State<Arc<Shared>>) -> Json<Value> {
    let url = &issuer.url;
    let has_info = !issuer.info.lock().is_null();
    Json(json!({
        "userinfo_endpoint": has_info.then(|| format!("{url}/userinfo")),
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize?audience=people"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
    }))
}

/// Everybody agrees at once.
async fn authorize(
    State(issuer): State<Arc<Shared>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Result<Redirect, String> {
    let needed =
        [("client_id", CLIENT), ("response_type", "code"), ("code_challenge_method", "S256"), ("audience", "people")];
    for (name, value) in needed {
        if asked[name] != value {
            return Err(format!("{name} is {}", asked[name]));
        }
    }
    let code = uuid::Uuid::now_v7().to_string();
    let kept = ["nonce", "code_challenge", "redirect_uri"].map(|name| asked[name].clone());
    issuer.codes.lock().insert(code.clone(), kept);
    Ok(Redirect::to(&format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"])))
}

async fn token(
    State(issuer): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(asked): Form<HashMap<String, String>>,
) -> Response {
    // Both halves are escaped before they are joined.
    let known = format!("Basic {}", STANDARD.encode("the+client:a+secret%3A+100%25"));
    if headers.get(header::AUTHORIZATION).is_none_or(|shown| shown.as_bytes() != known.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"}))).into_response();
    }
    let wrong = || (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    let Some([nonce, challenge, redirect_uri]) = issuer.codes.lock().get(&asked["code"]).cloned() else {
        return wrong();
    };
    let shown = URL_SAFE_NO_PAD.encode(Sha256::digest(&asked["code_verifier"]));
    if shown != challenge || asked["redirect_uri"] != redirect_uri || asked["grant_type"] != "authorization_code" {
        return wrong();
    }
    let signer = issuer.keys.lock().last().unwrap().clone();
    let mut header = signer.header();
    let mut claims = json!({
        "iss": issuer.url, "aud": CLIENT, "sub": "subject-1", "nonce": nonce,
        "iat": issuer.now_s, "exp": issuer.now_s + 3600,
        "email": "ada@example.org", "email_verified": true, "name": "Ada",
    });
    let lie = issuer.lie.lock().clone();
    lie(&mut header, &mut claims);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(signed.as_bytes()));
    let tokens = json!({"access_token": ACCESS, "token_type": "Bearer", "id_token": format!("{signed}.{signature}")});
    Json(tokens).into_response()
}

async fn user_info(State(issuer): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|shown| shown.to_str().ok());
    if shown != Some(&format!("Bearer {ACCESS}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(issuer.info.lock().clone()).into_response()
}

async fn keys(State(issuer): State<Arc<Shared>>) -> Json<Value> {
    issuer.key_reads.fetch_add(1, Ordering::SeqCst);
    let keys: Vec<Value> = issuer.keys.lock().iter().filter_map(|key| key.jwk()).collect();
    Json(json!({"keys": keys}))
}

/// A key of 2048 bits for these tests alone.
const RSA: [&str; 16] = [
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDHI8jAQFXudgnou3bC6pObaOGEcDa2f7+yxsVw+5Q5F6oGjxVTpEOeiMKw",
    "rXr/WWVIoxiJZN/n0wJITQn/+mmyUxe0ncNQGhO611EqAuS5K6ly1T4AFpz98wuHxFej+Y15K5GvPsrr2c1IUSsEZcu3Ve+S1oK/gAYijv2t",
    "NFGaDHN89oLRzbsx4zNc+tgBy9MlLyOxqPjF94BE+QvDPbL7T//tchlLYAAG0AU7xw+ilJgtjC7xRtC68+4mA+nXsEYDeaGHGWPYG5C6yZVJ",
    "+yuYkkuRhDn4xS3ZwYhbSDDYiKUJ1opsLAH5DaWWDBnuwzVLUbVAoewfHfQpdL1wPg4bAgMBAAECggEAHsRnGFj4Tdr75fLMwwm2G41FRo6F",
    "zYWISylNyQp9mKKQ2OmTbHRVJDHSDrUG61vW+7WDLXsh4vHliOEqOdvpJ62R3IyBaCdXRAdPWXPP/dICoKTUqvPTdqLt9aB+v+1nD8ENBavo",
    "cy8X+ePchxXpNx62YJP26HpxuDYqeG+8adXbxz355D3+uqYUO/VYajt+qkPy+tlEZaLOejctRAwDaJuxJ9I3ZiySwX3s/1BGv+fVFzMy8PFG",
    "WqftrfMwlkG1P77xb2VQx/XMFBwhCbdsu2J7hBJ/qYg2hdgBJ6gSfESV1VeucNJ5ITOLcelp5gC64t3YAtR1ewtLBi4d/LPUbQKBgQDtvj00",
    "D1r2cAUSLN+msIsaBu8gXxkhZupkzmpXftIxIa8gY6ipAQhGV6T6l0m/LrPEczrvZ52CxXRVQTesDzS/2XKajRhm66vCLqOvrjHLSDcy2ZwE",
    "AXsTHVL/K+UJIBmhoYMTFQdD3PyFw4FPQTJon6ABrl7Nebb7rzqVj18zbQKBgQDWbqWo3JF2Zw6ct99QUx0Gyu2SkRenXKTqFd9bQPyxu4Og",
    "iI0fBZzC8t7gsUaQH15kyVcy3hZkUsJZBSNANi08badg0p6lfTDdU9nRSP/WItdwfGQnQCuGDAvbhtwXZFD5kwpxTDk8R078xOFjx42Q7NrA",
    "QkS63iro6qfg455KpwKBgGDKxSw+3C/dJ5NgxaWd1uQ/0neBgD/DIMbt6wm4TmdGaYBsUqyMCQxqfnavxYyavQHMUEBMFSq6rURQixP4FOfO",
    "5gPaUgcFCCbEykuqRgeXXTHMuuI+oBcGJ1ZQTq1KbmUJ1s2cEBsnC4CCOlFEH/vMkV5d2acaWM9bZiSh/IZ5AoGAUn+TYJorpMAVkRn04rR3",
    "UGu2Z1NHJG6yTBVKL5ObJM4d4B9pG+xO2XoTYaMSoNRQvrnvwHRNbR+iAhnF7Chr0vnlEY022DiIGj7uaGSLeVlCRda1uZwoopPz4+vItX80",
    "4DBALkLDKnvM2dbtWDQoNP/LUXitdK+RFrdhC1bHSbUCgYEAsAkSSpArM3TJAcdoIgGDPED3RN90sdeBx7u5d6JAsBQogYH0917bDuUbuCC6",
    "6vrL2+BnnYKtXHqP6+j9MlhTVnY8J9tXL0qF5BCWopsdeZqpVGMnRqitOnDCvPqdBokrqZmUYqvNfkTjW3hJUADErj6dYu2uAGQZDT7CB8ZG",
    "u/s=",
];
