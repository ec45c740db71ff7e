//! Users, their access to instances, and API keys.

use serde_json::{Value, json};

use super::{ORGANIZATION, data, delete, failure, get, post, put};
use crate::support::{Database, TestApp, on_both};

on_both!(
    users_have_the_shape_of_the_contract,
    an_address_is_one_persons,
    somebody_is_left_who_may_do_everything,
    access_has_the_names_of_both_as_its_id,
    keys_are_changed_but_not_made_here,
);

async fn make(app: &TestApp, email: &str) -> Value {
    data(post(app, "/config/user", &json!({"org_id": ORGANIZATION, "email": email, "name": "Ada"})).await)
}

async fn users_have_the_shape_of_the_contract(database: Database) {
    let app = TestApp::start(&database).await;
    assert_eq!(
        failure(post(&app, "/config/user", &json!({})).await, 400),
        "Missing required fields: org_id, email, name"
    );
    let made = make(&app, "ada+x@example.com").await;
    assert_eq!((&made["role"], &made["is_active"]), (&json!("user"), &json!(true)));
    assert!(!made.to_string().contains("password"));
    let id = made["user_id"].as_str().unwrap().to_owned();
    let path = format!("/config/user/{id}");
    assert_eq!(data(get(&app, &path).await), made);
    for address in ["ada%2Bx%40example.com", "ADA%2Bx@Example.com"] {
        assert_eq!(data(get(&app, &format!("/config/user/email/{address}")).await), made);
    }
    assert_eq!(failure(get(&app, "/config/user/email/nobody%40example.com").await, 404), "User not found");
    assert_eq!(failure(get(&app, "/config/user/nobody").await, 404), "User not found");
    let changed = data(put(&app, &path, &json!({"name": "Lovelace", "role": "admin"})).await);
    assert_eq!((&changed["name"], &changed["role"]), (&json!("Lovelace"), &json!("admin")));
    assert_eq!(app.app().state.catalog.snapshot().users[&id].name, "Lovelace");
    for (body, error) in [
        (json!({"role": "king"}), "role must be one of: user, admin, superadmin"),
        (json!({"email": "nobody"}), "email must be an e-mail address"),
        (json!({"is_active": "no"}), "is_active must be true or false"),
    ] {
        assert_eq!(failure(put(&app, &path, &body).await, 400), error);
    }
    assert_eq!(data(get(&app, "/config/user?role=admin").await), json!([changed]));
    assert_eq!(data(delete(&app, &path).await), json!({"deleted": true, "user_id": id}));
    assert_eq!(failure(delete(&app, &path).await, 404), "User not found");
}

async fn an_address_is_one_persons(database: Database) {
    let app = TestApp::start(&database).await;
    let ada = make(&app, "ada@example.com").await;
    let bob = make(&app, "bob@example.com").await;
    let twin = json!({"org_id": ORGANIZATION, "email": "ADA@example.com", "name": "Twin"});
    assert_eq!(failure(post(&app, "/config/user", &twin).await, 409), "User with this email already exists");
    let path = |user: &Value| format!("/config/user/{}", user["user_id"].as_str().unwrap());
    let taken = put(&app, &path(&bob), &json!({"email": "Ada@example.com"})).await;
    assert_eq!(taken.body["field"], "email");
    assert_eq!(failure(taken, 409), "Email already in use by another user");
    assert_eq!(data(put(&app, &path(&ada), &json!({"email": "ada@example.com"})).await)["email"], "ada@example.com");
    data(delete(&app, &path(&ada)).await);
    data(put(&app, &path(&bob), &json!({"email": "ada@example.com"})).await);
    let back = post(&app, &format!("{}/restore", path(&ada)), &json!({})).await;
    assert_eq!(failure(back, 409), "Email already in use by another user");
}

async fn somebody_is_left_who_may_do_everything(database: Database) {
    let app = TestApp::start(&database).await;
    let listed = data(get(&app, "/config/user?role=superadmin").await);
    let path = format!("/config/user/{}", listed[0]["user_id"].as_str().unwrap());
    let last = "This is the last active superadmin; make another one first";
    for body in [json!({"role": "user"}), json!({"is_active": false})] {
        assert_eq!(failure(put(&app, &path, &body).await, 409), last);
    }
    assert_eq!(failure(delete(&app, &path).await, 409), last);
    let other = json!({"org_id": ORGANIZATION, "email": "b@example.com", "name": "B", "role": "superadmin"});
    data(post(&app, "/config/user", &other).await);
    data(put(&app, &path, &json!({"name": "First"})).await);
    data(delete(&app, &path).await);
    // Their key ends with them.
    get(&app, "/config/user").await.failed(401);
}

async fn access_has_the_names_of_both_as_its_id(database: Database) {
    let app = TestApp::start(&database).await;
    let user = make(&app, "ada@example.com").await["user_id"].as_str().unwrap().to_owned();
    let body = json!({"user_id": user, "instance_id": "development", "level": "readonly"});
    let made = data(post(&app, "/config/instance-access", &body).await);
    assert_eq!(made["id"], format!("{user}:development"));
    assert!(made["granted_at"].is_string());
    assert_eq!(
        failure(post(&app, "/config/instance-access", &body).await, 409),
        "This user has access to the instance already"
    );
    let path = format!("/config/instance-access/{user}:development");
    assert_eq!(data(put(&app, &path, &json!({"level": "owner"})).await)["level"], "owner");
    let listed = data(get(&app, &format!("/config/instance-access?user_id={user}")).await);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    for (body, status, error) in [
        (json!({"user_id": "nobody", "instance_id": "development", "level": "user"}), 404, "User not found"),
        (json!({"user_id": user, "instance_id": "nowhere", "level": "user"}), 404, "Instance not found"),
        (
            json!({"user_id": user, "instance_id": "production", "level": "god"}),
            400,
            "level must be one of: readonly, user, admin, owner",
        ),
    ] {
        assert_eq!(failure(post(&app, "/config/instance-access", &body).await, status), error);
    }
    data(delete(&app, &path).await);
    data(post(&app, &format!("{path}/restore"), &json!({})).await);
    data(delete(&app, &path).await);
    data(post(&app, "/config/instance-access", &body).await);
}

async fn keys_are_changed_but_not_made_here(database: Database) {
    let app = TestApp::start(&database).await;
    let (secret, row) = app.key(|_| {}).await;
    let path = format!("/config/api-key/{}", row.key_id);
    let found = data(get(&app, &path).await);
    assert_eq!(found["masked"], row.masked.as_str());
    assert!(!found.to_string().contains(&secret));
    assert!(found.get("key_hash").is_none());
    let change = json!({"name": "Other", "scopes": ["read"], "allowed_models": ["gpt-4o"], "expires_at": "2030-01-31T12:00:00Z"});
    let changed = data(put(&app, &path, &change).await);
    assert_eq!(changed["expires_at"], "2030-01-31T12:00:00.000000Z");
    app.chat_as(&secret, "gpt-4o-mini").await.failed(403);
    let unlimited = data(put(&app, &path, &json!({"scopes": null, "allowed_models": null, "expires_at": null})).await);
    assert_eq!((&unlimited["scopes"], &unlimited["allowed_models"]), (&json!([]), &Value::Null));
    app.chat_as(&secret, "gpt-4o-mini").await.ok();
    for (body, error) in [
        (json!({"scopes": ["fly"]}), "\"fly\" is no scope; there are: generate, jobs, read, admin"),
        (json!({"allowed_models": ["nothing-like-it"]}), "there is no model \"nothing-like-it\""),
        (json!({"expires_at": "tomorrow"}), "expires_at must be a time like 2030-01-31T12:00:00Z"),
    ] {
        assert_eq!(failure(put(&app, &path, &body).await, 400), error);
    }
}
