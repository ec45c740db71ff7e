//! Signing in by an issuer of OpenID Connect.

use app::types::Role;
use reqwest::header;
use serde_json::{Value, json};
use server::settings::OidcIssuer;

use crate::support::{
    Answer, Browser, Database, TestApp, answer, closed_port, hello,
    issuer::{CLIENT, Issuer, SECRET, Signer},
    on_both,
};

on_both!(
    an_issuer_signs_people_in,
    newcomers_get_an_account_where_the_settings_say_so,
    what_a_token_leaves_out_is_asked_for,
    tokens_that_are_not_believed,
    a_sign_in_is_one_browsers_and_happens_once,
    an_issuer_may_change_its_keys,
    an_issuer_that_is_away_is_told_plainly,
);

async fn start(database: &Database, issuer: &Issuer, change: impl FnOnce(&mut OidcIssuer)) -> TestApp {
    let mut settings = OidcIssuer {
        label: "Test & Co".to_owned(),
        issuer: issuer.url().to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: server::providers::Secret::new(SECRET),
        scopes: vec!["openid".to_owned(), "email".to_owned()],
        ..OidcIssuer::default()
    };
    change(&mut settings);
    TestApp::with(database, |all| drop(all.oidc.insert("test".to_owned(), settings))).await
}

/// The cookies of an answer by name.
fn cookies(answer: &Answer) -> Vec<(String, String)> {
    let set = answer.headers.get_all(header::SET_COOKIE).iter();
    let pairs = set.filter_map(|value| value.to_str().unwrap().split(';').next()?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A person on the way: their cookie, and the address that the issuer has sent them back to.
struct Way {
    cookie: String,
    back: String,
}

/// Goes to the issuer and as far as its answer.
async fn to_the_issuer(app: &TestApp, next: &str) -> Way {
    let departure = answer(app.client.get(app.url(&format!("/auth/oidc/test/start?next={next}")))).await.failed(303);
    let set = departure.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/auth/oidc", "Max-Age=600"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = set.split(';').next().unwrap().to_owned();
    let location = departure.header("location");
    assert!(location.contains("scope=openid+email"), "{location}");
    let page = answer(app.client.get(location)).await.failed(303);
    Way { cookie, back: page.header("location").to_owned() }
}

async fn come_back(app: &TestApp, cookie: &str, back: &str) -> Answer {
    answer(app.client.get(back).header(header::COOKIE, cookie)).await
}

async fn sign_in(app: &TestApp) -> Answer {
    let way = to_the_issuer(app, "/account").await;
    come_back(app, &way.cookie, &way.back).await
}

/// The session that an answer has opened.
fn session(answer: &Answer) -> Option<Browser> {
    let found = cookies(answer).into_iter().find(|(name, value)| name == "de_session" && !value.is_empty())?;
    Some(Browser { cookie: format!("de_session={}", found.1) })
}

/// The sign-in page says this and nobody is signed in.
#[track_caller]
fn refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, &*format!("/sign-in?refused={code}")));
    assert!(session(answer).is_none());
}

async fn an_issuer_signs_people_in(database: Database) {
    let issuer = Issuer::start().await;
    let app = start(&database, &issuer, |_| ()).await;
    let page = answer(app.client.get(app.url("/sign-in?next=/test/text%3Frun=1"))).await.ok();
    assert!(page.text.contains("Continue with Test &amp; Co"), "{}", page.text);
    assert!(page.text.contains("/auth/oidc/test/start?next=/test/text%3Frun%3D1"), "{}", page.text);

    refused(&sign_in(&app).await, "no_account");
    let page = answer(app.client.get(app.url("/sign-in?refused=no_account"))).await.ok();
    assert!(page.text.contains("Ask an admin to invite you"), "{}", page.text);

    let ada = app.user("Ada@example.org", Role::User).await;
    let arrival = sign_in(&app).await;
    assert_eq!((arrival.status.as_u16(), arrival.header("location")), (303, "/account"), "{}", arrival.text);
    assert_eq!(arrival.header("cache-control"), "no-store");
    assert!(cookies(&arrival).contains(&("de_oidc".to_owned(), String::new())), "the way is over: {arrival:?}");
    let browser = session(&arrival).unwrap();
    let me = app.call(&browser, "account/who_am_i", &json!({})).await.ok();
    assert_eq!(me.body["user_id"], ada.user_id.as_str());
    let sessions = app.call(&browser, "sessions/list", &json!({})).await.ok();
    assert_eq!(sessions.body[0]["method"], "test", "{}", sessions.text);

    // From now on the subject counts, not the address.
    issuer.lie(|_, claims| {
        claims["email"] = "somebody.else@example.org".into();
        claims["email_verified"] = false.into();
    });
    let again = session(&sign_in(&app).await).expect("known by the subject");
    assert_eq!(app.call(&again, "account/who_am_i", &json!({})).await.body["user_id"], ada.user_id.as_str());

    let mut ada = app.db.user(&ada.user_id).await.unwrap().unwrap();
    ada.is_active = false;
    app.db.update_user(&ada).await.unwrap();
    app.reload().await;
    refused(&sign_in(&app).await, "inactive");

    let mut seen = app.audited().await;
    seen.retain(|entry| entry.target_id == ada.user_id);
    let seen: Vec<&str> = seen.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(
        seen,
        ["user.sign_in_refused", "user.signed_in", "user.signed_in", "user.identity_linked", "user.created"]
    );
}

async fn newcomers_get_an_account_where_the_settings_say_so(database: Database) {
    let issuer = Issuer::start().await;
    let app = start(&database, &issuer, |settings| {
        settings.create_for_domains = vec!["Example.org".to_owned()];
        settings.instances = vec!["development".to_owned()];
        settings.level = "readonly".to_owned();
    })
    .await;
    issuer.lie(|_, claims| claims["email_verified"] = json!(false));
    refused(&sign_in(&app).await, "unverified");
    issuer.lie(|_, claims| drop(claims.as_object_mut().unwrap().remove("email_verified")));
    refused(&sign_in(&app).await, "unverified");
    issuer.lie(|_, claims| claims["email"] = "ada@example.org.evil.example".into());
    refused(&sign_in(&app).await, "no_account");
    assert_eq!(app.count("users").await, 1);
    issuer.lie(|_, claims| claims["email_verified"] = json!("true"));
    let browser = session(&sign_in(&app).await).expect("a session");
    let me = app.call(&browser, "account/who_am_i", &json!({})).await.ok();
    assert_eq!((&me.body["name"], &me.body["role"]), (&json!("Ada"), &json!("user")), "{}", me.text);
    assert_eq!(me.body["instances"].as_array().unwrap().len(), 1, "{}", me.text);
    let chat = app.client.post(app.url("/v1/chat/completions")).json(&hello("gpt-4o-mini"));
    answer(browser.send(chat, &app.base_url)).await.failed(403);
}

async fn what_a_token_leaves_out_is_asked_for(database: Database) {
    let issuer = Issuer::start().await;
    let ada = "ada@example.org";
    issuer.say(json!({"sub": "subject-1", "email": ada, "email_verified": true}));
    let app = start(&database, &issuer, |_| ()).await;
    let user = app.user(ada, Role::User).await;
    issuer.lie(|_, claims| claims["email_verified"] = false.into());
    refused(&sign_in(&app).await, "unverified");
    issuer.lie(|_, claims| {
        for name in ["email", "email_verified"] {
            claims.as_object_mut().unwrap().remove(name);
        }
    });
    for (said, code) in [
        (json!({"sub": "subject-2", "email": ada, "email_verified": true}), "issuer"),
        (json!({"email": ada, "email_verified": true}), "issuer"),
        (json!("ada"), "issuer"),
        (json!({"sub": "subject-1"}), "unverified"),
        (json!({"sub": "subject-1", "email": ada}), "unverified"),
        (json!({"sub": "subject-1", "email": ada, "email_verified": "false"}), "unverified"),
        (json!({"sub": "subject-1", "email": "bob@example.org", "email_verified": true}), "no_account"),
    ] {
        issuer.say(said);
        refused(&sign_in(&app).await, code);
    }
    issuer.say(json!({"sub": "subject-1", "email": ada, "email_verified": true}));
    let browser = session(&sign_in(&app).await).expect("a session");
    assert_eq!(app.call(&browser, "account/who_am_i", &json!({})).await.body["user_id"], user.user_id.as_str());
    // Who is known by the subject needs no more.
    issuer.say(json!("nothing"));
    assert!(session(&sign_in(&app).await).is_some());
}

async fn tokens_that_are_not_believed(database: Database) {
    type Lie = Box<dyn Fn(&mut Value, &mut Value) + Send + Sync>;
    let issuer = Issuer::start().await;
    let app = start(&database, &issuer, |_| ()).await;
    app.user("ada@example.org", Role::User).await;
    let now = issuer.now_s();
    let claim = |name: &'static str, value: Value| -> (&'static str, Lie) {
        (name, Box::new(move |_, claims| claims[name] = value.clone()))
    };
    let lies: Vec<(&str, Lie)> = vec![
        claim("nonce", json!("another")),
        claim("nonce", Value::Null),
        claim("exp", json!(now - 120)),
        claim("exp", json!("later")),
        claim("iat", json!(now + 600)),
        claim("nbf", json!(now + 600)),
        claim("iss", json!("https://accounts.example.org")),
        claim("aud", json!("another client")),
        claim("aud", json!([CLIENT, "another client"])),
        claim("azp", json!("another client")),
        claim("sub", json!("")),
        ("alg none", Box::new(|header, _| header["alg"] = "none".into())),
        ("alg HS256", Box::new(|header, _| header["alg"] = "HS256".into())),
        ("another kind of key", Box::new(|header, _| header["alg"] = "ES256".into())),
        ("an unknown key", Box::new(|header, _| header["kid"] = "unheard-of".into())),
        ("an extension", Box::new(|header, _| header["crit"] = json!(["exp"]))),
    ];
    for (what, lie) in lies {
        issuer.lie(lie);
        let answer = sign_in(&app).await;
        assert_eq!(answer.header("location"), "/sign-in?refused=token", "{what}");
        assert!(session(&answer).is_none(), "{what}");
    }
    // A signature by a key that only pretends to be the one of this name.
    issuer.lie(|_, _| ());
    issuer.rotate(vec![Signer::ec("same"), Signer::hidden("same")]);
    refused(&sign_in(&app).await, "token");
    // The truth is believed, in several forms.
    issuer.rotate(vec![Signer::ec("second")]);
    issuer.lie(|_, claims| {
        claims["aud"] = json!([CLIENT]);
        claims["azp"] = CLIENT.into();
        claims["exp"] = json!(claims["exp"].as_f64().unwrap() + 0.5);
    });
    assert!(session(&sign_in(&app).await).is_some());
    issuer.lie(|header, _| drop(header.as_object_mut().unwrap().remove("kid")));
    assert!(session(&sign_in(&app).await).is_some(), "without the name of a key, those that are known are tried");
}

async fn a_sign_in_is_one_browsers_and_happens_once(database: Database) {
    let issuer = Issuer::start().await;
    let app = start(&database, &issuer, |_| ()).await;
    app.user("ada@example.org", Role::User).await;
    let way = to_the_issuer(&app, "//evil.example").await;
    let other = to_the_issuer(&app, "/").await;
    // Somebody else's way in one's own browser; no cookie at all; nonsense.
    for cookie in [&other.cookie, "a=b", &way.cookie.replace("test.", "test.x"), &way.cookie.replace("test.", "other.")]
    {
        refused(&come_back(&app, cookie, &way.back).await, "stale");
    }
    let (address, state) = way.back.split_once("&state=").unwrap();
    for wrong in ["", "&state=", "&state=x", &format!("&state={state}x")] {
        refused(&come_back(&app, &way.cookie, &format!("{address}{wrong}")).await, "stale");
    }
    let arrival = come_back(&app, &way.cookie, &way.back).await;
    assert!(session(&arrival).is_some(), "the others have used nothing up");
    assert_eq!(arrival.header("location"), "/", "not to another site");
    refused(&come_back(&app, &way.cookie, &way.back).await, "stale");

    let state = other.back.split_once("state=").unwrap().1;
    for (told, code) in
        [("error=access_denied", "cancelled"), ("error=server_error", "issuer"), ("code=made-up", "issuer")]
    {
        let back = app.url(&format!("/auth/oidc/test/callback?{told}&state={state}"));
        refused(&come_back(&app, &other.cookie, &back).await, code);
    }
    refused(&answer(app.client.get(app.url("/auth/oidc/nobody/start"))).await, "unknown");
}

async fn an_issuer_may_change_its_keys(database: Database) {
    let issuer = Issuer::start().await;
    let app = start(&database, &issuer, |_| ()).await;
    app.user("ada@example.org", Role::User).await;
    assert!(session(&sign_in(&app).await).is_some());
    assert!(session(&sign_in(&app).await).is_some());
    assert_eq!(issuer.key_reads(), 1, "keys are kept");
    issuer.rotate(vec![Signer::rsa("first"), Signer::ec("second")]);
    assert!(session(&sign_in(&app).await).is_some());
    issuer.rotate(vec![Signer::ec("third")]);
    assert!(session(&sign_in(&app).await).is_some());
    assert_eq!(issuer.key_reads(), 3);
}

async fn an_issuer_that_is_away_is_told_plainly(database: Database) {
    let issuer = Issuer::start().await;
    let nobody = format!("http://127.0.0.1:{}", closed_port());
    let app = start(&database, &issuer, |settings| settings.issuer = nobody).await;
    refused(&answer(app.client.get(app.url("/auth/oidc/test/start"))).await, "issuer");
    // One that calls itself something else is another one.
    let app = start(&database, &issuer, |settings| settings.issuer.push('/')).await;
    refused(&answer(app.client.get(app.url("/auth/oidc/test/start"))).await, "issuer");
    let page = answer(app.client.get(app.url("/sign-in?refused=issuer"))).await.ok();
    assert!(page.text.contains("could not be reached"), "{}", page.text);
}
