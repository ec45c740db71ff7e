use serde::{Deserialize, Serialize};

/// What a person may do everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    /// Everything in the own organization.
    Admin,
    /// Everything everywhere.
    Superadmin,
}

/// Who is signed in and where they are; the one thing the frame of every page needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Me {
    pub user_id: String,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub has_password: bool,
    /// A new password needs the present one.
    pub present_password_needed: bool,
    /// The one they belong to.
    pub organization: String,
    /// The one of the instance that the pages work in; a superadmin may work in another than their own.
    pub place: OrganizationRef,
    /// Instances of that organization that this person may use; the first is the one that the pages work in.
    pub instances: Vec<InstanceRef>,
    /// `development` or `production`.
    pub environment: String,
    /// Whether the built-in simulator answers for providers without a credential.
    pub simulation: bool,
    pub version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrganizationRef {
    pub org_id: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceRef {
    pub instance_id: String,
    pub name: String,
    /// Whether requests and answers are kept, so that history can show them.
    pub stores_contents: bool,
}
