//! Organizations, people, keys and browsers.

use app::types::Role;
use reqwest::{RequestBuilder, header};
use serde_json::{Value, json};
use server::{
    services::{
        catalog::seed::{DEVELOPMENT, ORGANIZATION},
        identity::keys,
    },
    store::{
        access::AccessRow,
        api_keys::{ApiKeyRow, KeyExtras},
        audit::{Actor, AuditEntry, AuditFilter, AuditRow},
        instances::InstanceRow,
        organizations::OrganizationRow,
        users::UserRow,
    },
};

use super::{Answer, TestApp, chat};

pub const DAY_US: i64 = 86_400_000_000;

/// An entry of the audit log for what a scenario changes by itself.
pub fn note(org_id: &str) -> AuditEntry {
    AuditEntry {
        org_id: org_id.to_owned(),
        time_us: 0,
        actor: Actor::system("A scenario"),
        action: "thing.changed".to_owned(),
        target: ("thing".to_owned(), String::new(), String::new()),
        instance_id: None,
        outcome: "succeeded",
        details: json!({}),
    }
}

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
        let id = self
            .app()
            .state
            .identity
            .create_user(ORGANIZATION, email, "Somebody", role, note(ORGANIZATION).actor)
            .await
            .unwrap();
        self.db.user(&id).await.unwrap().unwrap()
    }

    /// Lets a person into an instance.
    pub async fn let_in(&self, user_id: &str, instance_id: &str, level: &str) {
        let row = AccessRow {
            user_id: user_id.to_owned(),
            instance_id: instance_id.to_owned(),
            level: level.to_owned(),
            granted_us: self.now_us(),
        };
        self.db.grant_access(&row, &note("")).await.unwrap();
        self.reload().await;
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
        self.db.insert_api_key(&row, &KeyExtras::default(), &note(&row.org_id)).await.unwrap();
        self.reload().await;
        (secret, row)
    }

    /// What was changed in the database is in force.
    pub async fn reload(&self) {
        self.app().state.catalog.refresh().await.unwrap();
    }

    /// Signs in by the first link.
    pub async fn browser(&self) -> Browser {
        let token = self.sign_in_url.split_once("token=").expect("a token").1;
        let answer = self.follow_link(token).await;
        Browser {
            cookie: cookie_of(&answer).unwrap_or_else(|| panic!("no session: {} {}", answer.status, answer.text)),
        }
    }

    /// Presses the button on the page of a sign-in link.
    pub async fn follow_link(&self, token: &str) -> Answer {
        self.post_form(None, "account/sign_in_by_link", &format!("token={token}")).await
    }

    /// A token that signs a person in.
    pub async fn link(&self, user_id: &str) -> String {
        self.app().state.identity.make_link(user_id, note("").actor).await.unwrap().0
    }

    /// The audit log of the first organization, newest first; it is whole.
    pub async fn audited(&self) -> Vec<AuditRow> {
        assert_eq!(self.db.verify_audit(ORGANIZATION).await.unwrap().broken, None);
        let filter = AuditFilter { org_id: ORGANIZATION.to_owned(), limit: 1_000, ..AuditFilter::default() };
        self.db.list_audit(&filter).await.unwrap()
    }

    /// Posts a form of a page, as a browser without scripts does.
    pub async fn post_form(&self, browser: Option<&Browser>, function: &str, form: &str) -> Answer {
        let request = self
            .client
            .post(self.url(&format!("/_fn/{function}")))
            .header(header::ORIGIN, &self.base_url)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let request = match browser {
            Some(browser) => request.header(header::COOKIE, &browser.cookie),
            None => request,
        };
        chat::answer(request).await
    }

    /// Calls a server function as a page does.
    pub async fn call(&self, browser: &Browser, function: &str, arguments: &Value) -> Answer {
        let request = self.client.post(self.url(&format!("/_fn/{function}"))).json(arguments);
        chat::answer(browser.send(request, &self.base_url)).await
    }

    /// Posts the sign-in form.
    pub async fn sign_in(&self, email: &str, password: &str, next: Option<&str>) -> Answer {
        let plain = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let mut form = format!("email={}&password={}", plain(email), plain(password));
        if let Some(next) = next {
            form.push_str(&format!("&next={}", plain(next)));
        }
        self.post_form(None, "account/sign_in", &form).await
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
