//! The configuration as one document, LiteLLM's lists, and price tables.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use server::services::config::{Author, read_document};

use super::{data, delete, failure, get, model, post, put, request};
use crate::support::{Answer, Database, TestApp, answer, hello, on_both};

on_both!(
    an_export_applied_again_changes_nothing,
    a_document_brings_back_what_it_says,
    a_dry_run_only_tells,
    documents_are_checked_before_anything_is_written,
    a_document_is_taken_as_a_whole_or_not_at_all,
    a_list_of_litellm_becomes_models,
    prices_come_from_a_table,
);

async fn export(app: &TestApp) -> String {
    let answer = get(app, "/config/export").await.ok();
    assert_eq!(answer.header("content-type"), "application/yaml");
    answer.text
}

async fn import(app: &TestApp, document: &str, query: &str) -> Answer {
    answer(request(app, Method::POST, &format!("/config/import{query}")).body(document.to_owned())).await
}

async fn an_export_applied_again_changes_nothing(database: Database) {
    let app = TestApp::start(&database).await;
    let document = export(&app).await;
    let read = read_document(&document).unwrap();
    assert_eq!(read["electrons"], 1);
    assert_eq!(read["instance"].as_array().unwrap().len(), 2);
    assert!(read["model-config"].as_array().unwrap().len() > 20);
    let version = app.db.config_version().await.unwrap();
    let told = data(import(&app, &document, "").await);
    assert_eq!(told, json!({"dry_run": false, "differences": [], "notes": []}));
    assert_eq!(app.db.config_version().await.unwrap(), version);
    assert_eq!(export(&app).await, document);
}

async fn a_document_brings_back_what_it_says(database: Database) {
    let app = TestApp::start(&database).await;
    let key = json!({"instance_id": "development", "provider": "openai", "api_key": "sk-secret-of-the-test"});
    data(post(&app, "/config/provider-key", &key).await);
    data(post(&app, "/config/model-config", &model("mine")).await);
    let document = export(&app).await;
    assert!(!document.contains("sk-secret-of-the-test"));
    assert!(document.contains("env.DE_KEY_DEVELOPMENT_OPENAI"), "{document}");

    data(delete(&app, "/config/model-config/mine").await);
    data(put(&app, "/config/instance/production", &json!({"name": "Other"})).await);
    let told = data(import(&app, &document, "").await);
    let done: Vec<_> = told["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["action"].as_str().unwrap(), one["id"].as_str().unwrap()))
        .collect();
    assert_eq!(done, [("update", "production"), ("create", "cfg_openai_mine")]);
    assert_eq!(told["differences"][0]["fields"], json!({"name": {"before": "Other", "after": "Production"}}));
    assert_eq!(data(get(&app, "/config/instance/production").await)["name"], "Production");
    data(get(&app, "/config/model-config/mine").await);
    assert_eq!(data(import(&app, &document, "").await)["differences"], json!([]));

    // Into an empty installation: all but the key, whose variable is not set there.
    let other = TestApp::start(&database).await;
    let refused = failure(import(&other, &document, "").await, 400);
    assert!(refused.contains("the environment variable DE_KEY_DEVELOPMENT_OPENAI is not set"), "{refused}");
    let (without, _) = document.split_once("provider-key:").unwrap();
    let users: Vec<Value> = data(get(&other, "/config/user").await).as_array().unwrap().clone();
    let mut read = read_document(without).unwrap();
    // Its administrator is there already, under another id.
    read["user"] = json!([]);
    data(import(&other, &read.to_string(), "").await);
    assert_eq!(users.len(), 1);
    assert_eq!(data(get(&other, "/config/model-config/mine").await)["config_id"], "cfg_openai_mine");
}

async fn a_dry_run_only_tells(database: Database) {
    let app = TestApp::start(&database).await;
    let document = "provider:\n  - id: newcomer\n    display_name: New\n    base_url: http://new\n\
                    instance:\n  - instance_id: production\n    name: Renamed\n";
    let version = app.db.config_version().await.unwrap();
    let told = data(import(&app, document, "?dry_run=true").await);
    assert_eq!(told["dry_run"], true);
    assert_eq!(told["differences"].as_array().unwrap().len(), 2);
    assert_eq!(app.db.config_version().await.unwrap(), version);
    failure(get(&app, "/config/provider/newcomer").await, 404);
    assert_eq!(data(import(&app, document, "").await)["differences"], told["differences"]);
    data(get(&app, "/config/provider/newcomer").await);
}

async fn documents_are_checked_before_anything_is_written(database: Database) {
    let app = TestApp::start(&database).await;
    let good = "instance:\n  - instance_id: production\n    name: Renamed\n";
    for (bad, error) in [
        ("nothing: []\n", "There is nothing of the kind \"nothing\""),
        ("electrons: 2\n", "This format is another version's; it should be 1"),
        ("prompt: {}\n", "prompt must be a list"),
        ("prompt: [1]\n", "prompt[0] must be an object"),
        ("prompt:\n  - nmae: x\n", "prompt[0]: there is no field \"nmae\""),
        ("routing-rule:\n  - weight: many\n", "routing-rule[0]: weight must be a whole number of at least 0"),
        (
            "provider-key:\n  - instance_id: production\n    provider: openai\n    api_key: sk-plain\n",
            "provider-key[0].api_key must name the environment variable that holds the key: env.OPENAI_API_KEY",
        ),
    ] {
        assert_eq!(failure(import(&app, &format!("{good}{bad}"), "").await, 400), error);
    }
    assert!(failure(import(&app, "a: [", "").await, 400).starts_with("The document cannot be read"));
    assert_eq!(data(get(&app, "/config/instance/production").await)["name"], "Production");
    let (key, _) = app.key(|_| {}).await;
    for path in ["/config/export", "/config/import"] {
        let method = if path.ends_with("export") { Method::GET } else { Method::POST };
        let plain = app.client.request(method, app.url(path)).bearer_auth(&key).body("electrons: 1");
        failure(answer(plain).await, 403);
    }
}

async fn a_document_is_taken_as_a_whole_or_not_at_all(database: Database) {
    let app = TestApp::start(&database).await;
    let caller = app.app().state.identity.by_key(&app.api_key, None).unwrap();
    let author = Author { caller: Arc::new(caller), request_id: "r".into(), ip: None, user_agent: None };
    let config = &app.app().state.config;
    let variables = |name: &str| (name == "NEW_KEY").then(|| "sk-of-the-newcomer".to_owned());
    // Each thing refers to those before it, and none of them is there yet.
    let whole = json!({
        "organization": [{"org_id": "acme", "name": "Acme"}],
        "instance": [{"instance_id": "acme-lab", "org_id": "acme", "name": "Lab"}],
        "project": [{"project_id": "shop", "instance_id": "acme-lab", "name": "Shop"}],
        "user": [{"user_id": "ada", "org_id": "acme", "email": "ada@example.org", "name": "Ada", "role": "user"}],
        "instance-access": [{"user_id": "ada", "instance_id": "acme-lab", "level": "admin"}],
        "provider": [{"id": "newcomer", "display_name": "New", "base_url": "http://new"}],
        "rate-limit": [{"project_id": "shop", "provider": "newcomer", "requests_per_minute": 5}],
        "provider-key": [{"instance_id": "acme-lab", "provider": "newcomer", "api_key": "env.NEW_KEY"}],
    });
    let version = app.db.config_version().await.unwrap();
    let entries = app.count("audit_log").await;
    let dry = config.import(&author, &whole, &variables, true).await.unwrap();
    assert_eq!(dry.len(), 8, "{dry:#?}");

    // Whatever is wrong, and wherever: nothing of it is there, and a dry run has told so before.
    let with = |kind: &str, row: Value| {
        let mut document = whole.clone();
        let rows = document.as_object_mut().unwrap().entry(kind).or_insert(json!([]));
        rows.as_array_mut().unwrap().push(row);
        document
    };
    for (document, told) in [
        (
            with("project", json!({"project_id": "x", "instance_id": "nowhere", "name": "X"})),
            "project[1]: Instance not found",
        ),
        (with("rate-limit", json!({"key_id": "nobody", "requests_per_minute": 1})), "rate-limit[1]: API key not found"),
        (
            with("instance-access", json!({"user_id": "bob", "instance_id": "acme-lab", "level": "user"})),
            "User not found",
        ),
        (
            with("provider-key", json!({"instance_id": "nowhere", "provider": "newcomer", "api_key": "env.NEW_KEY"})),
            "Instance not found",
        ),
    ] {
        for is_dry in [true, false] {
            let refused = config.import(&author, &document, &variables, is_dry).await.unwrap_err().to_string();
            assert!(refused.contains(told), "{told:?}: {refused}");
        }
    }
    // What only the database knows is told at the end.
    let taken = json!({"user_id": "eve", "org_id": "acme", "email": "ADA@example.org", "name": "Eve", "role": "user"});
    let refused = config.import(&author, &with("user", taken), &variables, false).await.unwrap_err();
    assert_eq!(refused.to_string(), "user: User with this email already exists");
    // Of two superadmins one has to stay, also when both go in one document.
    let admin = data(get(&app, "/config/user/email/admin@localhost").await)["user_id"].clone();
    let others = json!({"user": [
        {"user_id": "root", "org_id": super::ORGANIZATION, "email": "root@example.org", "name": "Root", "role": "superadmin"},
        {"user_id": admin, "role": "user"},
        {"user_id": "root", "is_active": false},
    ]});
    let refused = config.import(&author, &others, &variables, false).await.unwrap_err().to_string();
    assert_eq!(refused, "user[2]: This is the last active superadmin; make another one first");
    assert_eq!((app.db.config_version().await.unwrap(), app.count("audit_log").await), (version, entries));

    let done = config.import(&author, &whole, &variables, false).await.unwrap();
    assert_eq!(done.iter().map(|one| one.kind).collect::<Vec<_>>(), dry.iter().map(|one| one.kind).collect::<Vec<_>>());
    assert_eq!(app.db.config_version().await.unwrap(), version + 1, "in one step");
    assert_eq!(app.count("audit_log").await, entries + 8);
    assert_eq!(data(get(&app, "/config/project/shop").await)["name"], "Shop");
    let again = config.import(&author, &whole, &variables, true).await.unwrap();
    let again: Vec<_> = again.iter().map(|one| one.kind).collect();
    assert_eq!(again, ["instance-access", "rate-limit"], "what has no id is another one each time");
}

async fn a_list_of_litellm_becomes_models(database: Database) {
    let app = TestApp::start(&database).await;
    let list = format!(
        "model_list:
  - model_name: our.gpt
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: os.environ/OPENAI_API_KEY
      rpm: 50
    model_info:
      input_cost_per_token: 0.00000015
      output_cost_per_token: 0.0000006
  - model_name: our-own
    litellm_params:
      model: openai/llama-3
      api_base: {}/openai/v1
  - model_name: our.gpt
    litellm_params: {{model: openai/gpt-4o}}
  - model_name: odd
    litellm_params: {{model: nobody/x}}
litellm_settings:
  drop_params: true
",
        app.simulator()
    );
    let told = data(import(&app, &list, "").await);
    assert_eq!(told["notes"].as_array().unwrap().len(), 2, "{told}");
    let model = data(get(&app, "/config/model-config/our.gpt").await);
    assert_eq!(model["pricing"], json!({"input": 0.15, "output": 0.6}));
    assert_eq!((&model["rate_limits"], &model["upstream_model"]), (&json!({"rpm": 50}), &json!("gpt-4o-mini")));
    app.chat(&hello("our.gpt")).await.ok();
    let own = data(get(&app, "/config/model-config/our-own").await);
    let provider = data(get(&app, &format!("/config/provider/{}", own["provider_id"].as_str().unwrap())).await);
    assert_eq!(provider["base_url"], format!("{}/openai/v1", app.simulator()));
    assert_eq!(data(import(&app, &list, "").await)["differences"], json!([]));
}

async fn prices_come_from_a_table(database: Database) {
    let app = TestApp::start(&database).await;
    let caller = app.app().state.identity.by_key(&app.api_key, None).unwrap();
    let author = Author { caller: Arc::new(caller), request_id: "r".into(), ip: None, user_agent: None };
    data(put(&app, "/config/model-config/gpt-4o-mini", &json!({"pricing": {"input": 9, "fixed": true}})).await);
    let table = json!({
        "gpt-4o": {"input_cost_per_token": 2e-6, "output_cost_per_token": 7.5e-6, "litellm_provider": "openai"},
        "gpt-4o-mini": {"input_cost_per_token": 1e-6, "litellm_provider": "openai"},
        "claude-haiku-4-5": {"input_cost_per_token": 1e-6, "litellm_provider": "openai"},
        "nothing-like-it": {"input_cost_per_token": 1e-6},
    });
    let config = &app.app().state.config;
    let dry = config.refresh_prices(&author, &table, true).await.unwrap();
    let done = config.refresh_prices(&author, &table, false).await.unwrap();
    assert_eq!(dry, done);
    let ids: Vec<_> = done.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["cfg_openai_gpt_4o"]);
    let pricing = data(get(&app, "/config/model-config/gpt-4o").await)["pricing"].clone();
    assert_eq!((&pricing["input"], &pricing["output"]), (&json!(2), &json!(7.5)));
    assert_eq!(config.refresh_prices(&author, &table, false).await.unwrap(), []);
}
