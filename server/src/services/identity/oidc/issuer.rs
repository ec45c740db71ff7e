//! What is asked of an issuer itself: where its pages are, its keys, the tokens for a code, and more of a person.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::byte_serialize;
use parking_lot::Mutex;
use reqwest::{Client, Url, header};
use serde::{Deserialize, de::DeserializeOwned};

use super::token::{Jwk, JwkSet, UserInfo};
use crate::{
    providers::transport::is_local,
    settings::{OidcIssuer, is_safe},
};

/// How long an issuer may take, how much it may say, and how long it is believed.
const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_BYTES: usize = 1 << 20;
const FRESH: Duration = Duration::from_secs(3600);

/// An issuer that could not be asked, or has not answered as it should. No text holds a code, a token or a secret.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("{what} of {issuer}: {reason}")]
    Asked { issuer: String, what: &'static str, reason: String },
}

/// One issuer of the settings.
pub struct Issuer {
    pub settings: OidcIssuer,
    client: OnceLock<Client>,
    discovery: Mutex<Option<(Instant, Discovery)>>,
    keys: Mutex<Option<(Instant, Vec<Jwk>)>>,
}

/// What an issuer tells of itself.
#[derive(Debug, Clone, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    access_token: Option<String>,
}

/// What a code is exchanged for.
pub struct Tokens {
    pub id: String,
    /// Opens the place where the issuer says more of the person.
    pub access: Option<String>,
}

impl Issuer {
    pub fn new(settings: OidcIssuer) -> Self {
        Self { settings, client: OnceLock::new(), discovery: Mutex::default(), keys: Mutex::default() }
    }

    /// The address of the issuer's sign-in page with these parameters.
    pub async fn authorization_url(&self, parameters: &[(&str, &str)]) -> Result<String, IssuerError> {
        let discovery = self.discovery().await?;
        let mut url = Url::parse(&discovery.authorization_endpoint).map_err(|error| self.wrong("the page", error))?;
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url.into())
    }

    /// The tokens for a code.
    pub async fn exchange(&self, code: &str, redirect_uri: &str, verifier: &str) -> Result<Tokens, IssuerError> {
        const WHAT: &str = "the ID token";
        let discovery = self.discovery().await?;
        let (id, secret) = (&self.settings.client_id, self.settings.client_secret.reveal());
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let methods = discovery.token_endpoint_auth_methods_supported;
        let takes_basic = methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        let mut request = self.client(&discovery.token_endpoint, WHAT)?.post(&discovery.token_endpoint);
        if secret.is_empty() {
            fields.push(("client_id", id));
        } else if takes_basic {
            let plain: String =
                byte_serialize(id.as_bytes()).chain([":"]).chain(byte_serialize(secret.as_bytes())).collect();
            let credentials = STANDARD.encode(plain);
            request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
        } else {
            fields.extend([("client_id", id.as_str()), ("client_secret", secret)]);
        }
        let request = request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form(&fields));
        let answer: Answer = self.ask(WHAT, request).await?;
        let id = answer.id_token.ok_or_else(|| self.wrong(WHAT, "there is none in the answer"))?;
        Ok(Tokens { id, access: answer.access_token })
    }

    /// What the issuer says of the person beside the ID token; `None` where it has no place for that.
    pub async fn user_info(&self, access_token: &str, subject: &str) -> Result<Option<UserInfo>, IssuerError> {
        const WHAT: &str = "what it knows of a person";
        let Some(url) = self.discovery().await?.userinfo_endpoint else { return Ok(None) };
        let request = self.client(&url, WHAT)?.get(&url).bearer_auth(access_token);
        let info: UserInfo = self.ask(WHAT, request).await?;
        // Nothing else ties it to the ID token.
        if info.sub != subject {
            return Err(self.wrong(WHAT, "it is about somebody else"));
        }
        Ok(Some(info))
    }

    /// The issuer's keys; `anew` when one was used that is not among those kept.
    pub async fn keys(&self, anew: bool) -> Result<Vec<Jwk>, IssuerError> {
        if !anew && let Some(keys) = fresh(&self.keys) {
            return Ok(keys);
        }
        const WHAT: &str = "the keys";
        let discovery = self.discovery().await?;
        let request = self.client(&discovery.jwks_uri, WHAT)?.get(&discovery.jwks_uri);
        let set: JwkSet = self.ask(WHAT, request).await?;
        *self.keys.lock() = Some((Instant::now(), set.keys.clone()));
        Ok(set.keys)
    }

    async fn discovery(&self) -> Result<Discovery, IssuerError> {
        if let Some(discovery) = fresh(&self.discovery) {
            return Ok(discovery);
        }
        const WHAT: &str = "the description";
        let url = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let request = self.client(&url, WHAT)?.get(&url);
        let discovery: Discovery = self.ask(WHAT, request).await?;
        if discovery.issuer != self.settings.issuer {
            return Err(self.wrong(WHAT, format!("it calls itself \"{}\"", discovery.issuer)));
        }
        let needed = [&discovery.authorization_endpoint, &discovery.token_endpoint, &discovery.jwks_uri];
        for url in needed.into_iter().chain(&discovery.userinfo_endpoint) {
            if !is_safe(url) {
                return Err(self.wrong(WHAT, "it names an address without https"));
            }
        }
        *self.discovery.lock() = Some((Instant::now(), discovery.clone()));
        Ok(discovery)
    }

    /// Made when it is needed: most servers have no issuer.
    fn client(&self, url: &str, what: &'static str) -> Result<&Client, IssuerError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("distributed-electrons/", env!("CARGO_PKG_VERSION")));
        let builder = if is_local(url) { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| self.wrong(what, error))?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, IssuerError> {
        let mut answer = request.send().await.map_err(|error| self.wrong(what, error.without_url()))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.wrong(what, format!("it answered {status}")));
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.wrong(what, error.without_url()))? {
            body.extend_from_slice(&piece);
            if body.len() > MOST_BYTES {
                return Err(self.wrong(what, "the answer is too long"));
            }
        }
        // What it said is not repeated: it may be a token.
        serde_json::from_slice(&body).map_err(|_| self.wrong(what, "the answer is not the JSON it should be"))
    }

    fn wrong(&self, what: &'static str, reason: impl ToString) -> IssuerError {
        IssuerError::Asked { issuer: self.settings.issuer.clone(), what, reason: reason.to_string() }
    }
}

fn fresh<T: Clone>(kept: &Mutex<Option<(Instant, T)>>) -> Option<T> {
    kept.lock().as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, value)| value.clone())
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}
