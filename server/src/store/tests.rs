//! Every function of the store, on both databases.

mod audit;
mod catalogue;
mod database;
mod events;
mod operations;
mod people;
pub(crate) mod requests;
mod shares;
mod tenants;

use serde_json::json;

pub(super) use requests::record_of;

use super::{
    Db, Page, StoreError,
    access::AccessRow,
    api_keys::{ApiKeyRow, KeyExtras},
    audit::{Actor, AuditEntry},
    instances::InstanceRow,
    models::ModelRow,
    organizations::OrganizationRow,
    projects::ProjectRow,
    providers::ProviderRow,
    testing::each_db,
    users::UserRow,
};

const T0: i64 = 1_790_000_000_000_000;

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>, what: &str) {
    assert_eq!(result.unwrap_err(), StoreError::Conflict { what: what.into() });
}

/// An entry of the audit log.
fn note() -> AuditEntry {
    AuditEntry {
        org_id: "o1".into(),
        time_us: T0,
        actor: Actor::system("test"),
        action: "thing.changed".into(),
        target: ("thing".into(), "t1".into(), "A thing".into()),
        instance_id: None,
        outcome: "succeeded",
        details: json!({"after": {"name": "ü \" \\"}}),
    }
}

fn organization(id: &str, created_us: i64) -> OrganizationRow {
    OrganizationRow {
        org_id: id.into(),
        name: format!("Organization {id}"),
        billing_email: Some("bills@example.com".into()),
        created_us,
        updated_us: created_us,
        deleted_us: None,
    }
}

fn instance(id: &str, org_id: &str, created_us: i64) -> InstanceRow {
    InstanceRow {
        instance_id: id.into(),
        org_id: org_id.into(),
        name: "Lab".into(),
        api_keys: json!([]),
        rate_limits: json!({"requests_per_minute": 100, "b": [1.5, "x", null], "a": true}),
        worker_urls: json!({"text": "https://text.example.com"}),
        r2_bucket: format!("instance-{id}"),
        config: json!({}),
        store_contents: true,
        content_retention_days: 7,
        created_us,
        updated_us: created_us,
        deleted_us: None,
    }
}

fn project(id: &str, instance_id: &str, created_us: i64) -> ProjectRow {
    ProjectRow {
        project_id: id.into(),
        instance_id: instance_id.into(),
        name: "Site".into(),
        description: None,
        config: json!({"a": {"b": 1}}),
        created_us,
        updated_us: created_us,
        deleted_us: None,
    }
}

fn user(id: &str, org_id: &str, email: &str, created_us: i64) -> UserRow {
    UserRow {
        user_id: id.into(),
        org_id: org_id.into(),
        email: email.into(),
        name: "Ada".into(),
        role: "user".into(),
        is_active: true,
        last_sign_in_us: None,
        created_us,
        updated_us: created_us,
        deleted_us: None,
    }
}

fn key(id: &str, owner: &str, created_us: i64) -> ApiKeyRow {
    let (user_id, project_id) = match owner.starts_with('p') {
        true => (None, Some(owner.to_owned())),
        false => (Some(owner.to_owned()), None),
    };
    ApiKeyRow {
        key_id: id.into(),
        user_id,
        project_id,
        instance_id: "i1".into(),
        org_id: "o1".into(),
        name: "Key".into(),
        key_hash: format!("hash of {id} ................").into_bytes(),
        masked: "sk_live_...beef".into(),
        scopes: vec!["text".into(), "images".into()],
        allowed_models: None,
        expires_us: None,
        last_used_us: None,
        revoked_us: None,
        created_us,
        deleted_us: None,
    }
}

fn provider(id: &str, sort: i64) -> ProviderRow {
    ProviderRow {
        id: id.into(),
        display_name: id.to_uppercase(),
        adapter: Some("openai".into()),
        base_url: "https://api.example.com/v1".into(),
        credential: json!({"header": "authorization", "prefix": "Bearer "}),
        config: json!({}),
        is_active: true,
        sort,
        created_us: T0,
        updated_us: T0,
    }
}

fn model(model_id: &str, provider_id: &str) -> ModelRow {
    ModelRow {
        config_id: format!("cfg_{provider_id}_{}", model_id.replace('-', "_")),
        model_id: model_id.into(),
        provider_id: provider_id.into(),
        adapter: None,
        upstream_model: model_id.into(),
        display_name: model_id.to_uppercase(),
        description: None,
        capabilities: json!({"text": true}),
        pricing: json!({"input": 0.0375, "output": 1.5e-5}),
        rate_limits: json!({}),
        payload_mapping: json!({}),
        prompt_template: Some(json!({"system_prompt": "ü \" \\ {x}"})),
        parameters: json!({"supports": ["vision"]}),
        status: "active".into(),
        org_id: None,
        created_us: T0,
        updated_us: T0,
        deleted_us: None,
    }
}

/// Organization `o1` with instance `i1`, project `p1` and user `u1`.
async fn populate(db: &Db) {
    db.insert_organization(&organization("o1", T0)).await.unwrap();
    db.insert_instance(&instance("i1", "o1", T0)).await.unwrap();
    db.insert_project(&project("p1", "i1", T0)).await.unwrap();
    db.insert_user(&user("u1", "o1", "ada@example.com", T0), &note()).await.unwrap();
    let access = AccessRow { user_id: "u1".into(), instance_id: "i1".into(), level: "user".into(), granted_us: T0 };
    db.grant_access(&access, &note()).await.unwrap();
}
