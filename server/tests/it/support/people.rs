//! Organizations, people, keys and browsers.

use app::types::Role;
use reqwest::{RequestBuilder, header};
use serde_json::{Value, json};
use server::{
    services::{
        catalog::seed::{DEVELOPMENT, ORGANIZATION},
        identity::keys,
    },
    store::{api_keys::ApiKeyRow, instances::InstanceRow, organizations::OrganizationRow, users::UserRow},
};

use super::{Answer, TestApp, chat};

pub const DAY_US: i64 = 86_400_000_000;

/// A browser with the session cookie of a signed-in person.
pub struct Browser {
    pub cookie: String,
}

impl Browser {
    /// The cookie on a request that comes from a page of the server itself.
    pub fn send(&self, request: RequestBuilder, origin: &str) -> RequestBuilder {
        request.header(header::COOKIE, &self.cookie).header(header::ORIGIN, origin)
    }
}

/// The cookie in a `Set-Cookie`.
pub fn cookie_of(answer: &Answer) -> Option<String> {
    let set = answer.headers.get(header::SET_COOKIE)?.to_str().unwrap();
    set.split(';').next().map(str::to_owned)
}

impl TestApp {
    /// A person of the first organization.
    pub async fn user(&self, email: &str, role: Role) -> UserRow {
        let id = self.app().state.identity.create_user(ORGANIZATION, email, "Somebody", role).await.unwrap();
        self.db.user(&id).await.unwrap().unwrap()
    }

    /// Another organization with one instance of the same name as its id.
    pub async fn organization(&self, org_id: &str, instance_id: &str) {
        let now = self.now_us();
        let organization = OrganizationRow {
            org_id: org_id.to_owned(),
            name: org_id.to_owned(),
            billing_email: None,
            created_us: now,
            updated_us: now,
            deleted_us: None,
        };
        self.db.insert_organization(&organization).await.unwrap();
        let like = self.db.instance(DEVELOPMENT).await.unwrap().unwrap();
        let instance = InstanceRow {
            instance_id: instance_id.to_owned(),
            org_id: org_id.to_owned(),
            name: instance_id.to_owned(),
            ..like
        };
        self.db.insert_instance(&instance).await.unwrap();
        self.reload().await;
    }

    /// A key as it is, and its row. `change` makes it expired, another instance's, …
    pub async fn key(&self, change: impl FnOnce(&mut ApiKeyRow)) -> (String, ApiKeyRow) {
        let secret = keys::generate(keys::TEST).reveal().to_owned();
        let mut row = ApiKeyRow {
            key_id: uuid::Uuid::now_v7().to_string(),
            user_id: None,
            project_id: Some("prj_development".to_owned()),
            instance_id: DEVELOPMENT.to_owned(),
            org_id: ORGANIZATION.to_owned(),
            name: "A key".to_owned(),
            key_hash: keys::hash(&secret).to_vec(),
            masked: keys::masked(&secret),
            scopes: Vec::new(),
            allowed_models: None,
            expires_us: None,
            last_used_us: None,
            revoked_us: None,
            created_us: self.now_us(),
            deleted_us: None,
        };
        change(&mut row);
        self.db.insert_api_key(&row).await.unwrap();
        self.reload().await;
        (secret, row)
    }

    /// What was changed in the database is in force.
    pub async fn reload(&self) {
        self.app().state.catalog.refresh().await.unwrap();
    }

    /// Opens the first sign-in link.
    pub async fn browser(&self) -> Browser {
        let answer = chat::answer(self.client.get(&self.sign_in_url)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        Browser { cookie: cookie_of(&answer).expect("a session cookie") }
    }

    /// Calls a server function as a page does.
    pub async fn call(&self, browser: &Browser, function: &str, arguments: &Value) -> Answer {
        let request = self.client.post(self.url(&format!("/_fn/{function}"))).json(arguments);
        chat::answer(browser.send(request, &self.base_url)).await
    }

    /// Posts the sign-in form.
    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        let form = format!("email={email}&password={}", password.replace(' ', "+"));
        let request = self
            .client
            .post(self.url("/_fn/account/sign_in"))
            .header(header::ORIGIN, &self.base_url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        chat::answer(request).await
    }

    /// A chat call with another key.
    pub async fn chat_as(&self, key: &str, model: &str) -> Answer {
        let request = self.client.post(self.url("/v1/chat/completions")).bearer_auth(key).json(&chat::hello(model));
        chat::answer(request).await
    }

    /// A model of one organization: its own name for an OpenAI model.
    pub async fn own_model(
        &self,
        model_id: &str,
        org_id: Option<&str>,
        change: impl FnOnce(&mut server::store::models::ModelRow),
    ) {
        let like = self.db.model("gpt-4o-mini").await.unwrap().unwrap();
        let mut row = server::store::models::ModelRow {
            config_id: format!("cfg_test_{model_id}"),
            model_id: model_id.to_owned(),
            org_id: org_id.map(str::to_owned),
            rate_limits: json!({}),
            ..like
        };
        change(&mut row);
        self.db.insert_model(&row).await.unwrap();
        self.reload().await;
    }
}
