use serde::{Deserialize, Serialize};

/// An open session of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    pub session_id: String,
    pub ip: Option<String>,
    /// What the browser says it is.
    pub user_agent: Option<String>,
    /// `password`, `link`, or the name of an issuer.
    pub method: String,
    pub created_us: i64,
    /// Within a minute.
    pub last_seen_us: i64,
    pub expires_us: i64,
    /// The one that asks.
    pub is_current: bool,
}

/// An address that signs somebody in once.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SignInLink {
    pub url: String,
    pub expires_us: i64,
}

impl std::fmt::Debug for SignInLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInLink").field("expires_us", &self.expires_us).finish_non_exhaustive()
    }
}

/// Somebody else who can sign people in: an issuer of OpenID Connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignInIssuer {
    /// Part of its address: `/auth/oidc/<name>/start`.
    pub name: String,
    pub label: String,
}
