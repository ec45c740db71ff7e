//! Instances, projects and organizations.

use serde_json::{Value, json};

use super::{ORGANIZATION, data, delete, failure, get, instance, post, put};
use crate::support::{Database, TestApp, client, on_both};

on_both!(
    health_needs_no_key,
    instances_have_the_shape_of_the_contract,
    instances_are_checked,
    free_json_comes_back_and_keys_in_it_are_masked,
    an_instance_says_what_its_configuration_comes_to,
    projects_have_the_shape_of_the_contract,
    a_deletion_takes_along_what_hangs_on_it,
    organizations_are_made_by_superadmins,
    unknown_routes_are_told_as_the_contract_says,
);

async fn health_needs_no_key(database: Database) {
    let app = TestApp::start(&database).await;
    for path in ["/config", "/config/", "/config/health"] {
        let answer = crate::support::answer(client().get(app.url(path))).await.ok();
        assert_eq!(answer.body["status"], "healthy", "{path}");
        assert_eq!(answer.body["service"], "config-service", "{path}");
        assert!(answer.body["timestamp"].as_str().unwrap().ends_with('Z'), "{path}");
    }
}

async fn instances_have_the_shape_of_the_contract(database: Database) {
    let app = TestApp::start(&database).await;
    let made = instance(&app, "Lab").await;
    let id = made["instance_id"].as_str().unwrap().to_owned();
    assert_eq!(made["org_id"], ORGANIZATION);
    assert_eq!(made["name"], "Lab");
    assert_eq!(made["api_keys"], json!([]));
    assert_eq!(made["rate_limits"], json!({"requests_per_minute": 100, "requests_per_day": 10000}));
    assert_eq!(made["worker_urls"], json!({}));
    assert_eq!(made["r2_bucket"], format!("instance-{id}"));
    assert_eq!(made["created_at"], made["updated_at"]);
    assert!(uuid::Uuid::parse_str(&id).is_ok());

    let mut found = data(get(&app, &format!("/config/instance/{id}")).await);
    found.as_object_mut().unwrap().remove("resolved").unwrap();
    assert_eq!(found, made);
    let listed = data(get(&app, &format!("/config/instance?org_id={ORGANIZATION}")).await);
    assert_eq!(listed[0], made, "newest first");
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(data(get(&app, "/config/instance?org_id=nobody").await), json!([]));

    let change = json!({"name": "Laboratory", "r2_bucket": "b", "worker_urls": {"text": "https://x"}, "rate_limits": {"z": 1, "a": [true]}});
    let changed = data(put(&app, &format!("/config/instance/{id}"), &change).await);
    for (name, value) in change.as_object().unwrap() {
        assert_eq!(changed[name], *value);
    }
    assert_eq!(changed["created_at"], made["created_at"]);
    assert_ne!(changed["updated_at"], made["updated_at"]);
    // A change is in force when it is answered.
    let snapshot = app.app().state.catalog.snapshot();
    assert_eq!(snapshot.instances[&id].name, "Laboratory");

    let gone = data(delete(&app, &format!("/config/instance/{id}")).await);
    assert_eq!(gone, json!({"deleted": true, "instance_id": id}));
    assert_eq!(failure(get(&app, &format!("/config/instance/{id}")).await, 404), "Instance not found");
    assert_eq!(failure(delete(&app, &format!("/config/instance/{id}")).await, 404), "Instance not found");
}

async fn instances_are_checked(database: Database) {
    let app = TestApp::start(&database).await;
    for (body, error) in [
        (json!({}), "Missing required fields: org_id, name"),
        (json!({"org_id": ORGANIZATION}), "Missing required fields: name"),
        (json!({"org_id": "", "name": "  "}), "Missing required fields: org_id, name"),
        (json!({"org_id": null, "name": false}), "Missing required fields: org_id, name"),
        (json!({"org_id": ORGANIZATION, "name": 5}), "name must be a text"),
        (json!({"org_id": ORGANIZATION, "name": "a\u{0}b"}), "name must not contain the character NUL"),
        (json!({"org_id": ORGANIZATION, "name": "a", "worker_urls": 3}), "worker_urls must be an object or a list"),
        (
            json!({"org_id": ORGANIZATION, "name": "a", "content_retention_days": 0}),
            "content_retention_days must be a whole number of at least 1",
        ),
    ] {
        assert_eq!(failure(post(&app, "/config/instance", &body).await, 400), error);
    }
    let unknown = json!({"org_id": "nobody", "name": "x"});
    assert_eq!(failure(post(&app, "/config/instance", &unknown).await, 404), "Organization not found");
    // All errors at once, by field.
    let bad = json!({"org_id": ORGANIZATION, "name": 1, "store_contents": "yes"});
    let answer = post(&app, "/config/instance", &bad).await.failed(400);
    let fields: Vec<_> = answer.body["fields"].as_array().unwrap().iter().map(|field| &field["field"]).collect();
    assert_eq!(fields, ["name", "store_contents"]);

    let path = "/config/instance/development";
    for body in [json!({}), json!({"nothing": 1}), json!({"org_id": "other"})] {
        assert_eq!(failure(put(&app, path, &body).await, 400), "No fields to update");
    }
    let moved = json!({"name": "x", "org_id": "other"});
    assert_eq!(failure(put(&app, path, &moved).await, 400), "org_id cannot be changed");
    assert_eq!(failure(put(&app, path, &json!({"name": ""})).await, 400), "name must not be empty");
    // What stays may be sent as it is.
    let mut same = data(get(&app, path).await);
    same["name"] = "Same".into();
    assert_eq!(data(put(&app, path, &same).await)["name"], "Same");
}

async fn free_json_comes_back_and_keys_in_it_are_masked(database: Database) {
    let app = TestApp::start(&database).await;
    let free = json!({"deep": {"z": [1.5, null, "ü"], "a": -1}, "1": "x"});
    let body = json!({"org_id": ORGANIZATION, "name": "n", "rate_limits": free, "worker_urls": free,
        "api_keys": [{"provider": "openai", "key": "sk-secret-secret-secret"}]});
    let made = data(post(&app, "/config/instance", &body).await);
    assert_eq!((&made["rate_limits"], &made["worker_urls"]), (&free, &free));
    assert_eq!(made["api_keys"], json!([{"provider": "openai", "key": "sk-****cret"}]));
    let id = made["instance_id"].as_str().unwrap();
    // Neither the row nor the audit log has it.
    let row = app.db.instance(id).await.unwrap().unwrap();
    assert!(!row.api_keys.to_string().contains("secret-secret"));
    assert!(!app.audit_details("instance.created").await.contains("secret-secret"));
    let masked =
        data(put(&app, &format!("/config/instance/{id}"), &json!({"api_keys": made["api_keys"], "name": "m"})).await);
    assert_eq!(masked["api_keys"], made["api_keys"]);
}

async fn an_instance_says_what_its_configuration_comes_to(database: Database) {
    let app = TestApp::start(&database).await;
    let limit = json!({"instance_id": "development", "provider": "openai", "model": "gpt-4o", "tokens_per_day": 1000});
    data(post(&app, "/config/rate-limit", &limit).await);
    let resolved = data(get(&app, "/config/instance/development").await)["resolved"].clone();
    let limits = resolved["limits"].as_array().unwrap();
    let own = limits.iter().find(|limit| limit["tokens_per_day"] == 1000).unwrap();
    assert_eq!((&own["provider"], &own["model"]), (&json!("openai"), &json!("gpt-4o")));
    assert!(limits.iter().any(|limit| limit["provider"] == "ideogram" && limit["requests_per_minute"] == 50));
    assert!(resolved["models"].as_array().unwrap().iter().any(|model| model == "gpt-4o-mini"));
    assert_eq!(resolved["storage"]["bucket"], "instance-development");
    assert_eq!(resolved["storage"]["store_contents"], true);
    assert_eq!(resolved["credentials"], json!([]));
}

async fn projects_have_the_shape_of_the_contract(database: Database) {
    let app = TestApp::start(&database).await;
    assert_eq!(
        failure(post(&app, "/config/project", &json!({})).await, 400),
        "Missing required fields: instance_id, name"
    );
    let unknown = json!({"instance_id": "nowhere", "name": "x"});
    assert_eq!(failure(post(&app, "/config/project", &unknown).await, 404), "Instance not found");
    let made = data(post(&app, "/config/project", &json!({"instance_id": "development", "name": "Site"})).await);
    let id = made["project_id"].as_str().unwrap().to_owned();
    assert_eq!((&made["description"], &made["config"]), (&Value::Null, &json!({})));
    let names: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["project_id", "instance_id", "name", "description", "config", "created_at", "updated_at"]);

    let path = format!("/config/project/{id}");
    let changed = data(put(&app, &path, &json!({"description": "About", "config": {"a": 1}})).await);
    assert_eq!((&changed["description"], &changed["config"]), (&json!("About"), &json!({"a": 1})));
    let emptied = data(put(&app, &path, &json!({"description": null, "config": null})).await);
    assert_eq!((&emptied["description"], &emptied["config"]), (&Value::Null, &json!({})));
    assert_eq!(failure(put(&app, &path, &json!({"config": []})).await, 400), "config must be an object");
    let listed = data(get(&app, "/config/project?instance_id=development").await);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["project_id"], id.as_str());
    assert_eq!(data(delete(&app, &path).await), json!({"deleted": true, "project_id": id}));
    assert_eq!(failure(get(&app, &path).await, 404), "Project not found");
    assert_eq!(failure(put(&app, &path, &json!({"name": "x"})).await, 404), "Project not found");
}

async fn a_deletion_takes_along_what_hangs_on_it(database: Database) {
    let app = TestApp::start(&database).await;
    let made = instance(&app, "Lab").await;
    let id = made["instance_id"].as_str().unwrap().to_owned();
    let project = data(post(&app, "/config/project", &json!({"instance_id": id, "name": "Site"})).await);
    let project = project["project_id"].as_str().unwrap().to_owned();
    let (key, _) = app
        .key(|key| {
            key.instance_id = id.clone();
            key.project_id = Some(project.clone());
        })
        .await;
    app.chat_as(&key, "gpt-4o-mini").await.ok();
    let below = data(get(&app, &format!("/config/instance/{id}/dependants")).await);
    assert_eq!(below["total"], 2);
    assert_eq!(below["dependants"][0], json!({"what": "projects", "count": 1, "names": ["Site"]}));

    data(delete(&app, &format!("/config/instance/{id}")).await);
    app.chat_as(&key, "gpt-4o-mini").await.failed(401);
    assert_eq!(failure(get(&app, &format!("/config/project/{project}")).await, 404), "Project not found");
    let restored = failure(post(&app, &format!("/config/project/{project}/restore"), &json!({})).await, 409);
    assert_eq!(restored, "Its instance is deleted; bring that back first");
    let deleted = data(get(&app, "/config/instance?deleted=true").await);
    assert_eq!(deleted[0]["instance_id"], id.as_str());
    assert!(deleted[0]["deleted_at"].is_string());

    let back = data(post(&app, &format!("/config/instance/{id}/restore"), &json!({})).await);
    assert_eq!(back["instance_id"], id.as_str());
    app.chat_as(&key, "gpt-4o-mini").await.ok();
    data(get(&app, &format!("/config/project/{project}")).await);
    assert_eq!(
        failure(post(&app, &format!("/config/instance/{id}/restore"), &json!({})).await, 404),
        "Instance not found"
    );
}

async fn organizations_are_made_by_superadmins(database: Database) {
    let app = TestApp::start(&database).await;
    let made = data(post(&app, "/config/organization", &json!({"name": "Two", "billing_email": "a@b.org"})).await);
    let id = made["org_id"].as_str().unwrap().to_owned();
    let changed = data(put(&app, &format!("/config/organization/{id}"), &json!({"billing_email": null})).await);
    assert_eq!((&changed["name"], &changed["billing_email"]), (&json!("Two"), &Value::Null));
    let bad = put(&app, &format!("/config/organization/{id}"), &json!({"billing_email": "nobody"})).await;
    assert_eq!(failure(bad, 400), "billing_email must be an e-mail address");
    data(post(&app, "/config/instance", &json!({"org_id": id, "name": "x"})).await);
    let below = data(get(&app, &format!("/config/organization/{id}/dependants")).await);
    assert_eq!(below["dependants"], json!([{"what": "instances", "count": 1, "names": ["x"]}]));
    assert_eq!(data(delete(&app, &format!("/config/organization/{id}")).await), json!({"deleted": true, "org_id": id}));
    assert_eq!(data(get(&app, &format!("/config/instance?org_id={id}")).await), json!([]));
}

async fn unknown_routes_are_told_as_the_contract_says(database: Database) {
    let app = TestApp::start(&database).await;
    for (method, path) in [
        ("PATCH", "/config/instance/development"),
        ("PATCH", "/config/instance"),
        ("DELETE", "/config/instance"),
        ("POST", "/config/instance/development"),
        ("GET", "/config/nothing"),
        ("GET", "/config/nothing/here/at/all"),
    ] {
        let request = super::request(&app, method.parse().unwrap(), path).json(&json!({"name": "x"}));
        assert_eq!(failure(crate::support::answer(request).await, 404), "Route not found", "{method} {path}");
    }
    for body in ["", "{", "[]", "\"x\"", "null", "{\"name\": }"] {
        let request = super::request(&app, "POST".parse().unwrap(), "/config/instance").body(body);
        assert_eq!(failure(crate::support::answer(request).await, 400), "Invalid JSON body", "{body}");
    }
    // What does not exist is said before the body is looked at.
    let request = super::request(&app, "PUT".parse().unwrap(), "/config/instance/nowhere").body("{");
    assert_eq!(failure(crate::support::answer(request).await, 404), "Instance not found");
    let preflight = client().request("OPTIONS".parse().unwrap(), app.url("/config/instance/x"));
    let preflight = crate::support::answer(preflight).await.ok();
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, POST, PUT, DELETE, OPTIONS");
    assert!(preflight.header("access-control-allow-headers").contains("If-Match"));
    let elsewhere = client().request("OPTIONS".parse().unwrap(), app.url("/text/generate"));
    let methods = crate::support::answer(elsewhere).await.ok();
    assert_eq!(methods.header("access-control-allow-methods"), "GET, POST, OPTIONS");
}
