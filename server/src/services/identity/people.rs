//! Making people, and letting them into instances.

use std::sync::Arc;

use app::types::Role;
use serde_json::json;

use super::{Identity, IdentityError, level};
use crate::{
    services::catalog::User,
    store::{
        access::AccessRow,
        audit::{Actor, AuditEntry},
        users::UserRow,
    },
};

impl Identity {
    /// Makes a person. The e-mail address must be free.
    pub async fn create_user(
        &self,
        org_id: &str,
        email: &str,
        name: &str,
        role: Role,
        by: Actor,
    ) -> Result<String, IdentityError> {
        let email = email.trim().to_lowercase();
        let plausible = email.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        if !plausible || email.len() > 254 || email.chars().any(char::is_whitespace) {
            return Err(IdentityError::Invalid {
                field: "email",
                message: format!("\"{email}\" is not an e-mail address"),
            });
        }
        let name = name.trim();
        if name.is_empty() {
            return Err(IdentityError::Invalid { field: "name", message: "a name is needed".to_owned() });
        }
        let now = self.clock.now_us();
        let user_id = self.clock.new_id().to_string();
        let role = match role {
            Role::User => "user",
            Role::Admin => "admin",
            Role::Superadmin => "superadmin",
        };
        let entry = AuditEntry {
            org_id: org_id.to_owned(),
            time_us: now,
            actor: by,
            action: "user.created".to_owned(),
            target: ("user".to_owned(), user_id.clone(), email.clone()),
            instance_id: None,
            outcome: "succeeded",
            details: json!({ "after": { "email": email, "name": name, "role": role } }),
        };
        let row = UserRow {
            user_id: user_id.clone(),
            org_id: org_id.to_owned(),
            email,
            name: name.to_owned(),
            role: role.to_owned(),
            is_active: true,
            last_sign_in_us: None,
            created_us: now,
            updated_us: now,
            deleted_us: None,
        };
        self.db.insert_user(&row, &entry).await?;
        self.catalog.refresh().await?;
        Ok(user_id)
    }

    /// The person, who has at least this level in the instance afterwards. Only for those who may grant it.
    pub async fn let_in(
        &self,
        user: &Arc<User>,
        instance: &str,
        at_least: &str,
        by: Actor,
    ) -> Result<Arc<User>, IdentityError> {
        let snapshot = self.catalog.snapshot();
        let found = snapshot.instance(instance, Some(&user.org_id)).filter(|found| found.org_id == user.org_id);
        let Some(found) = found.filter(|found| level(user, &found.id, &found.org_id).is_none()) else {
            return Ok(user.clone());
        };
        let row = AccessRow {
            user_id: user.id.clone(),
            instance_id: found.id.clone(),
            level: at_least.to_owned(),
            granted_us: self.clock.now_us(),
        };
        let details = json!({ "after": { "level": at_least } });
        let entry = AuditEntry {
            target: ("instance_access".to_owned(), format!("{}:{}", user.id, found.id), user.email.clone()),
            instance_id: Some(found.id.clone()),
            ..self.about(user, by, "instance_access.created", details)
        };
        self.db.grant_access(&row, &entry).await?;
        self.catalog.refresh().await?;
        Ok(self.catalog.snapshot().users.get(&user.id).unwrap_or(user).clone())
    }
}
