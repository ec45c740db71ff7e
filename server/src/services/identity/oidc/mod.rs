//! Signing in by an issuer of OpenID Connect: authorization code with PKCE, state and nonce.
//!
//! Nothing is stored while a person is away at the issuer: state, nonce and verifier all come from one random token in a
//! cookie of their browser. Only a sign-in that was finished is remembered, so that it is not finished again.

mod issuer;
mod token;

use std::{collections::BTreeMap, sync::Arc};

use app::types::{Role, SignInIssuer};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

pub use issuer::IssuerError;
pub use token::{Claims, TokenError};

use self::{
    issuer::Issuer,
    token::{Expected, verify},
};
use super::{DAY_US, Identity, IdentityError, Visit, person};
use crate::{
    clock::random_bytes,
    services::catalog::User,
    settings,
    store::{audit::Actor, identities::IdentityRow},
};

/// Cookie that holds the token while a person is away at the issuer.
pub const COOKIE: &str = "de_oidc";
/// How long they may be away.
const AWAY_S: u32 = 600;

/// Why a sign-in by an issuer did not work. The text is for the log; people are told by [`OidcError::code`].
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("no such issuer")]
    Unknown,
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error("the person went back")]
    Cancelled,
    #[error("the issuer refused: {0}")]
    Refused(String),
    #[error("the answer belongs to no sign-in of this browser")]
    Stale,
    #[error("the ID token: {0}")]
    Token(#[from] TokenError),
    #[error("this sign-in was finished before")]
    Used,
    #[error("the issuer tells no e-mail address that it has verified")]
    Unverified,
    #[error("nobody has this e-mail address")]
    NoAccount,
    #[error("the account is inactive")]
    Inactive,
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl OidcError {
    /// The word for the sign-in page, which says it in a sentence.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Issuer(_) | Self::Refused(_) => "issuer",
            Self::Cancelled => "cancelled",
            Self::Stale | Self::Used => "stale",
            Self::Token(_) => "token",
            Self::Unverified => "unverified",
            Self::NoAccount => "no_account",
            Self::Inactive => "inactive",
            Self::Identity(_) => "server",
        }
    }
}

/// The issuers of the settings.
#[derive(Clone)]
pub struct Oidc {
    issuers: Arc<BTreeMap<String, Issuer>>,
}

/// Where a person is sent, and the cookie that goes with them.
pub struct Departure {
    pub location: String,
    pub cookie: String,
}

/// What an issuer sends back in the address.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Return {
    pub code: Option<String>,
    pub state: Option<String>,
    pub error: Option<String>,
}

/// A signed-in person.
pub struct Arrival {
    pub cookies: [String; 2],
    /// Where they wanted to go.
    pub next: String,
}

impl Oidc {
    pub fn new(issuers: &BTreeMap<String, settings::OidcIssuer>) -> Self {
        let issuers = issuers.iter().map(|(name, settings)| (name.clone(), Issuer::new(settings.clone())));
        Self { issuers: Arc::new(issuers.collect()) }
    }

    /// For the buttons of the sign-in page.
    pub fn list(&self) -> Vec<SignInIssuer> {
        let issuers = self.issuers.iter().map(|(name, issuer)| SignInIssuer {
            name: name.clone(),
            label: if issuer.settings.label.is_empty() { name.clone() } else { issuer.settings.label.clone() },
        });
        issuers.collect()
    }

    fn issuer(&self, name: &str) -> Result<&Issuer, OidcError> {
        self.issuers.get(name).ok_or(OidcError::Unknown)
    }
}

impl Identity {
    /// Sends a person to an issuer. `public_url` is where they come back to, `next` where they want to go then.
    pub async fn depart(&self, name: &str, next: &str, public_url: &str) -> Result<Departure, OidcError> {
        let issuer = self.oidc.issuer(name)?;
        let token = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(derived("verifier", &token)));
        let location = issuer
            .authorization_url(&[
                ("response_type", "code"),
                ("client_id", &issuer.settings.client_id),
                ("redirect_uri", &redirect_uri(public_url, name)),
                ("scope", &issuer.settings.scopes.join(" ")),
                ("state", &derived("state", &token)),
                ("nonce", &derived("nonce", &token)),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ])
            .await?;
        let value = format!("{name}.{token}.{}", URL_SAFE_NO_PAD.encode(next));
        Ok(Departure { location, cookie: self.away_cookie(&value, AWAY_S) })
    }

    /// Lets a person in who comes back from an issuer.
    pub async fn arrive(
        &self,
        name: &str,
        back: Return,
        cookies: &str,
        public_url: &str,
        visit: Visit,
    ) -> Result<Arrival, OidcError> {
        let issuer = self.oidc.issuer(name)?;
        let (token, next) = away(cookies, name).ok_or(OidcError::Stale)?;
        if back.state.as_deref() != Some(&derived("state", &token)) {
            return Err(OidcError::Stale);
        }
        match back.error.as_deref() {
            Some("access_denied" | "login_required" | "interaction_required") => return Err(OidcError::Cancelled),
            Some(error) => return Err(OidcError::Refused(error.chars().take(100).collect())),
            None => {}
        }
        let code = back.code.ok_or(OidcError::Stale)?;
        let tokens = issuer.exchange(&code, &redirect_uri(public_url, name), &derived("verifier", &token)).await?;
        let expected = Expected {
            issuer: &issuer.settings.issuer,
            client_id: &issuer.settings.client_id,
            nonce: &derived("nonce", &token),
            now_s: self.clock.now_us().div_euclid(1_000_000),
        };
        let claims = match verify(&tokens.id, &issuer.keys(false).await?, &expected) {
            // The issuer may have changed its keys since they were asked for.
            Err(TokenError::UnknownKey | TokenError::Signature) => {
                verify(&tokens.id, &issuer.keys(true).await?, &expected)?
            }
            done => done?,
        };
        let flow: [u8; 32] = Sha256::digest(derived("flow", &token)).into();
        if !self.db.use_sign_in(&flow, self.clock.now_us() + DAY_US).await.map_err(IdentityError::from)? {
            return Err(OidcError::Used);
        }
        let user = self.person_of(issuer, claims, tokens.access.as_deref(), &visit).await?;
        if !user.is_active {
            self.refused(Some(&user), "inactive", &visit).await?;
            return Err(OidcError::Inactive);
        }
        let session = self.open_session(&user, name, visit).await?;
        Ok(Arrival { cookies: [session, self.away_cookie("", 0)], next })
    }

    /// The person that the issuer speaks of: the one it has spoken of before, else the one with the e-mail address that it
    /// has verified, else a new one, if the settings say so. `access` opens what the issuer says beside the ID token.
    async fn person_of(
        &self,
        issuer: &Issuer,
        mut claims: Claims,
        access: Option<&str>,
        visit: &Visit,
    ) -> Result<Arc<User>, OidcError> {
        let settings = &issuer.settings;
        let known = self.db.user_of_identity(&settings.issuer, &claims.subject).await.map_err(IdentityError::from)?;
        if let Some(user_id) = known {
            return Ok(self.live_user(&user_id).await?);
        }
        if claims.lack_email()
            && let Some(access) = access
            && let Some(more) = issuer.user_info(access, &claims.subject).await?
        {
            claims.complete(more);
        }
        let email = claims.email.as_deref().filter(|_| claims.email_verified == Some(true));
        let email = email.ok_or(OidcError::Unverified)?;
        let user_id = match self.db.find_user_by_email(email).await.map_err(IdentityError::from)? {
            Some(user) => user.user_id,
            None => self.newcomer(settings, &claims, email).await?,
        };
        let row = IdentityRow {
            issuer: settings.issuer.clone(),
            subject: claims.subject.clone(),
            user_id,
            created_us: self.clock.now_us(),
        };
        let user = self.live_user(&row.user_id).await?;
        let details = serde_json::json!({ "issuer": row.issuer, "subject": row.subject });
        let entry = self.about(&user, person(&user, visit), "user.identity_linked", details);
        self.db.link_identity(&row, &entry).await.map_err(IdentityError::from)?;
        Ok(user)
    }

    async fn newcomer(
        &self,
        settings: &settings::OidcIssuer,
        claims: &Claims,
        email: &str,
    ) -> Result<String, OidcError> {
        let domain = email.rsplit_once('@').map(|(_, domain)| domain).unwrap_or_default();
        if !settings.create_for_domains.iter().any(|own| own.eq_ignore_ascii_case(domain)) {
            return Err(OidcError::NoAccount);
        }
        let snapshot = self.catalog.snapshot();
        let organization = if settings.organization.is_empty() {
            snapshot.organizations.values().min_by_key(|organization| organization.id.clone())
        } else {
            snapshot.organizations.get(&settings.organization)
        };
        let organization = organization.ok_or(OidcError::NoAccount)?;
        let name = claims.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let name = name.or_else(|| email.split('@').next()).unwrap_or(email);
        let role = if settings.role == "admin" { Role::Admin } else { Role::User };
        let actor = || Actor::system(&format!("Sign-in by {}", settings.issuer));
        let user_id = self.create_user(&organization.id, email, name, role, actor()).await?;
        for instance in &settings.instances {
            let user = self.live_user(&user_id).await?;
            self.let_in(&user, instance, &settings.level, actor()).await?;
        }
        Ok(user_id)
    }

    fn away_cookie(&self, value: &str, max_age_s: u32) -> String {
        let secure = if self.secure_cookies { "; Secure" } else { "" };
        // Lax: the issuer sends the person back by a plain link.
        format!("{COOKIE}={value}; Path=/auth/oidc; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}")
    }
}

fn redirect_uri(public_url: &str, name: &str) -> String {
    format!("{public_url}/auth/oidc/{name}/callback")
}

/// What is said to others in place of the token: it tells nothing of the token, nor of what else comes from it.
fn derived(purpose: &str, token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{purpose}:{token}")))
}

/// Token and next page of the person's cookie.
fn away(cookies: &str, name: &str) -> Option<(String, String)> {
    let value = cookies.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
    let (issuer, rest) = value.split_once('.')?;
    let (token, next) = rest.split_once('.')?;
    let next = String::from_utf8(URL_SAFE_NO_PAD.decode(next).ok()?).ok()?;
    let is_token = URL_SAFE_NO_PAD.decode(token).is_ok_and(|bytes| bytes.len() == 32);
    (issuer == name && is_token).then(|| (token.to_owned(), next))
}
