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
            key_reads: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/keys", get(keys))
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

    /// How often its keys were read.
    pub fn key_reads(&self) -> usize {
        self.0.key_reads.load(Ordering::SeqCst)
    }
}

async fn description(State(issuer): State<Arc<Shared>>) -> Json<Value> {
    let url = &issuer.url;
    Json(json!({
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
    let tokens = json!({"access_token": "x", "token_type": "Bearer", "id_token": format!("{signed}.{signature}")});
    Json(tokens).into_response()
}

async fn keys(State(issuer): State<Arc<Shared>>) -> Json<Value> {
    issuer.key_reads.fetch_add(1, Ordering::SeqCst);
    let keys: Vec<Value> = issuer.keys.lock().iter().filter_map(|key| key.jwk()).collect();
    Json(json!({"keys": keys}))
}

/// A key of 2048 bits for these tests alone.
const RSA: [&str; 15] = [
    "MIIEowIBAAKCAQEAxyPIwEBV7nYJ6Lt2wuqTm2jhhHA2tn+/ssbFcPuUOReqBo8VU6RDnojCsK16/1llSKMYiWTf59MCSE0J//ppslMXtJ3D",
    "UBoTutdRKgLkuSupctU+ABac/fMLh8RXo/mNeSuRrz7K69nNSFErBGXLt1XvktaCv4AGIo79rTRRmgxzfPaC0c27MeMzXPrYAcvTJS8jsaj4",
    "xfeARPkLwz2y+0//7XIZS2AABtAFO8cPopSYLYwu8UbQuvPuJgPp17BGA3mhhxlj2BuQusmVSfsrmJJLkYQ5+MUt2cGIW0gw2IilCdaKbCwB",
    "+Q2llgwZ7sM1S1G1QKHsHx30KXS9cD4OGwIDAQABAoIBAB7EZxhY+E3a++XyzMMJthuNRUaOhc2FiEspTckKfZiikNjpk2x0VSQx0g61Butb",
    "1vu1gy17IeLx5YjhKjnb6SetkdyMgWgnV0QHT1lzz/3SAqCk1Krz03ai7fWgfr/tZw/BDQWr6HMvF/nj3IcV6TcetmCT9uh6cbg2KnhvvGnV",
    "28c9+eQ9/rqmFDv1WGo7fqpD8vrZRGWizno3LUQMA2ibsSfSN2YsksF97P9QRr/n1RczMvDxRlqn7a3zMJZBtT++8W9lUMf1zBQcIQm3bLti",
    "e4QSf6mINoXYASeoEnxEldVXrnDSeSEzi3HpaeYAuuLd2ALUdXsLSwYuHfyz1G0CgYEA7b49NA9a9nAFEizfprCLGgbvIF8ZIWbqZM5qV37S",
    "MSGvIGOoqQEIRlek+pdJvy6zxHM672edgsV0VUE3rA80v9lymo0YZuurwi6jr64xy0g3MtmcBAF7Ex1S/yvlCSAZoaGDExUHQ9z8hcOBT0Ey",
    "aJ+gAa5ezXm2+686lY9fM20CgYEA1m6lqNyRdmcOnLffUFMdBsrtkpEXp1yk6hXfW0D8sbuDoIiNHwWcwvLe4LFGkB9eZMlXMt4WZFLCWQUj",
    "QDYtPG2nYNKepX0w3VPZ0Uj/1iLXcHxkJ0ArhgwL24bcF2RQ+ZMKcUw5PEdO/MThY8eNkOzawEJEut4q6Oqn4OOeSqcCgYBgysUsPtwv3SeT",
    "YMWlndbkP9J3gYA/wyDG7esJuE5nRmmAbFKsjAkMan52r8WMmr0BzFBATBUquq1EUIsT+BTnzuYD2lIHBQgmxMpLqkYHl10xzLriPqAXBidW",
    "UE6tSm5lCdbNnBAbJwuAgjpRRB/7zJFeXdmnGljPW2YkofyGeQKBgFJ/k2CaK6TAFZEZ9OK0d1BrtmdTRyRuskwVSi+TmyTOHeAfaRvsTtl6",
    "E2GjEqDUUL6578B0TW0fogIZxewoa9L55RGNNtg4iBo+7mhki3lZQkXWtbmcKKKT8+PryLV/NOAwQC5Cwyp7zNnW7Vg0KDT/y1F4rXSvkRa3",
    "YQtWx0m1AoGBALAJEkqQKzN0yQHHaCIBgzxA90TfdLHXgce7uXeiQLAUKIGB9Pde2w7lG7gguur6y9vgZ52CrVx6j+vo/TJYU1Z2PCfbVy9K",
    "heQQlqKbHXmaqVRjJ0aorTpwwrz6nQaJK6mZlGKrzX5E41t4SVAAxK4+nWLtrgBkGQ0+wgfGRrv7",
];
