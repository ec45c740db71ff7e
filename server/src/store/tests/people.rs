//! Users, access, sessions, sign-in links and keys.

use super::*;
use crate::store::{
    api_keys::{ApiKeyFilter, RetiredSecretRow},
    identities::IdentityRow,
    limits::LimitRow,
    sessions::{SessionRow, SignInLinkRow},
};

#[tokio::test]
async fn users_come_back_as_written() {
    each_db(|db| async move {
        populate(&db).await;
        let mut row = user("u1", "o1", "ada@example.com", T0);
        assert_eq!(db.user("u1").await.unwrap(), Some(row.clone()));
        assert_eq!(db.find_user_by_email("ADA@example.com").await.unwrap(), Some(row.clone()));
        assert_eq!(db.find_user_by_email("ada@example.co").await.unwrap(), None);
        row.email = "Ada.L@example.com".into();
        row.name = "Ada L.".into();
        row.role = "admin".into();
        row.is_active = false;
        row.updated_us = T0 + 1;
        db.update_user(&row).await.unwrap();
        open_session(&db, "u1", b"s", T0 + 2, T0 + 100).await;
        row.last_sign_in_us = Some(T0 + 2);
        assert_eq!(db.user("u1").await.unwrap(), Some(row.clone()));
        // Its own e-mail in another case is no conflict.
        row.email = "ada.l@example.com".into();
        db.update_user(&row).await.unwrap();
        assert_eq!(db.update_user(&user("nobody", "o1", "x@example.com", T0)).await, Err(StoreError::NotFound));
        let nobody = session("nobody", b"n", T0, T0 + 1);
        assert_eq!(db.open_session(&nobody, &note()).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn an_email_is_unique_among_the_living() {
    each_db(|db| async move {
        populate(&db).await;
        conflict(db.insert_user(&user("u2", "o1", "Ada@Example.com", T0), &note()).await, "users.email");
        conflict(db.insert_user(&user("u1", "o1", "other@example.com", T0), &note()).await, "users");
        db.insert_user(&user("u2", "o1", "bob@example.com", T0), &note()).await.unwrap();
        conflict(db.update_user(&user("u2", "o1", "ada@example.com", T0)).await, "users.email");

        db.delete_user("u1", T0 + 1).await.unwrap();
        assert_eq!(db.find_user_by_email("ada@example.com").await.unwrap(), None);
        db.insert_user(&user("u3", "o1", "ada@example.com", T0), &note()).await.unwrap();
        conflict(db.restore_user("u1", T0 + 2).await, "users.email");
        assert_eq!(db.user("u1").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_password_hash_is_kept_apart_and_never_printed() {
    each_db(|db| async move {
        populate(&db).await;
        assert_eq!(db.password_hash("u1").await.unwrap(), None);
        open_session(&db, "u1", b"s1", T0, T0 + 100).await;
        db.set_password_hash("u1", Some("$argon2id$secret"), T0 + 1, &note()).await.unwrap();
        let hash = db.password_hash("u1").await.unwrap().unwrap();
        assert_eq!(hash.reveal(), "$argon2id$secret");
        assert!(!format!("{hash:?}").contains("secret"));
        // Whoever was signed in with the old one is out.
        assert_eq!(db.session_with_user(b"s1", T0 + 2).await.unwrap(), None);
        db.set_password_hash("u1", None, T0 + 3, &note()).await.unwrap();
        assert_eq!(db.password_hash("u1").await.unwrap(), None);
        assert_eq!(db.password_hash("nobody").await.unwrap(), None);
        assert_eq!(db.set_password_hash("nobody", None, T0, &note()).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn access_is_granted_changed_and_revoked() {
    each_db(|db| async move {
        populate(&db).await;
        db.insert_user(&user("u2", "o1", "bob@example.com", T0), &note()).await.unwrap();
        let owner =
            AccessRow { user_id: "u1".into(), instance_id: "i1".into(), level: "owner".into(), granted_us: T0 + 9 };
        db.grant_access(&owner, &note()).await.unwrap();
        db.grant_access(&AccessRow { user_id: "u2".into(), ..owner.clone() }, &note()).await.unwrap();
        assert_eq!(db.access_of_user("u1").await.unwrap().first(), Some(&owner));
        assert_eq!(db.access_of_instance("i1").await.unwrap().len(), 2);
        db.revoke_access("u1", "i1", T0 + 10).await.unwrap();
        assert_eq!(db.revoke_access("u1", "i1", T0 + 10).await, Err(StoreError::NotFound));
        assert_eq!(db.access_of_user("u1").await.unwrap(), []);
        let nobody = db.grant_access(&AccessRow { user_id: "nobody".into(), ..owner }, &note()).await.unwrap_err();
        assert!(matches!(nobody, StoreError::ForeignKey { .. }));
    })
    .await;
}

fn session(user_id: &str, hash: &[u8], created_us: i64, expires_us: i64) -> SessionRow {
    SessionRow {
        session_hash: hash.into(),
        user_id: user_id.into(),
        created_us,
        expires_us,
        last_seen_us: created_us,
        ip: Some("127.0.0.1".into()),
        user_agent: None,
        method: "link".into(),
    }
}

async fn open_session(db: &Db, user_id: &str, hash: &[u8], created_us: i64, expires_us: i64) -> SessionRow {
    let row = session(user_id, hash, created_us, expires_us);
    db.open_session(&row, &note()).await.unwrap();
    row
}

#[tokio::test]
async fn a_session_lasts_until_it_ends() {
    each_db(|db| async move {
        populate(&db).await;
        let mut row = open_session(&db, "u1", &[0, 255, 1], T0, T0 + 100).await;
        let ada = db.user("u1").await.unwrap().unwrap();
        assert_eq!(db.session_with_user(&[0, 255, 1], T0 + 99).await.unwrap(), Some((row.clone(), ada.clone())));
        assert_eq!(db.session_with_user(&[0, 255, 1], T0 + 100).await.unwrap(), None);
        assert_eq!(db.session_with_user(&[0, 255, 2], T0).await.unwrap(), None);

        db.touch_session(&row.session_hash, T0 + 50).await.unwrap();
        db.touch_session(&row.session_hash, T0 + 40).await.unwrap();
        row.last_seen_us = T0 + 50;
        assert_eq!(db.sessions_of_user("u1", T0 + 99).await.unwrap(), [row]);

        db.update_user(&UserRow { is_active: false, ..ada.clone() }).await.unwrap();
        assert_eq!(db.session_with_user(&[0, 255, 1], T0).await.unwrap(), None);
        db.update_user(&ada).await.unwrap();
        assert!(db.session_with_user(&[0, 255, 1], T0).await.unwrap().is_some());

        assert!(!db.end_session(&[0, 255, 1], "somebody else", &note()).await.unwrap());
        assert!(db.end_session(&[0, 255, 1], "u1", &note()).await.unwrap());
        assert!(!db.end_session(&[0, 255, 1], "u1", &note()).await.unwrap());
        open_session(&db, "u1", b"a", T0, T0 + 100).await;
        open_session(&db, "u1", b"b", T0, T0 + 100).await;
        assert_eq!(db.end_sessions_of_user("u1", Some(b"b"), &note()).await.unwrap(), 1);
        assert_eq!(db.end_sessions_of_user("u1", Some(b"b"), &note()).await.unwrap(), 0);
        assert_eq!(db.end_sessions_of_user("u1", None, &note()).await.unwrap(), 1);
        open_session(&db, "u1", b"c", T0, T0 + 100).await;
        db.delete_user("u1", T0 + 1).await.unwrap();
        db.restore_user("u1", T0 + 2).await.unwrap();
        assert_eq!(db.session_with_user(b"c", T0 + 3).await.unwrap(), None);
        assert_eq!(db.config_version().await.unwrap(), 1 + 5 + 2 + 2);
    })
    .await;
}

#[tokio::test]
async fn expired_sessions_and_links_are_removed() {
    each_db(|db| async move {
        populate(&db).await;
        open_session(&db, "u1", b"old", T0, T0 + 1).await;
        open_session(&db, "u1", b"new", T0, T0 + 9).await;
        db.insert_sign_in_link(&link("u1", b"old", T0 + 5), &note()).await.unwrap();
        assert_eq!(db.delete_expired_sign_ins(T0 + 5).await.unwrap(), 2);
        assert!(db.session_with_user(b"new", T0 + 5).await.unwrap().is_some());
    })
    .await;
}

fn link(user_id: &str, hash: &[u8], expires_us: i64) -> SignInLinkRow {
    SignInLinkRow { link_hash: hash.into(), user_id: user_id.into(), created_us: T0, expires_us, used_us: None }
}

#[tokio::test]
async fn a_sign_in_link_works_once() {
    each_db(|db| async move {
        populate(&db).await;
        db.insert_sign_in_link(&link("u1", b"one", T0 + 100), &note()).await.unwrap();
        assert_eq!(db.redeem_sign_in_link(b"other", T0).await.unwrap(), None);
        assert_eq!(db.redeem_sign_in_link(b"one", T0 + 100).await.unwrap(), None);

        let tries = (0..8).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.redeem_sign_in_link(b"one", T0 + 1).await.unwrap() })
        });
        let mut winners = Vec::new();
        for attempt in tries.collect::<Vec<_>>() {
            winners.extend(attempt.await.unwrap());
        }
        assert_eq!(winners, ["u1"]);

        db.insert_sign_in_link(&link("u1", b"two", T0 + 100), &note()).await.unwrap();
        db.update_user(&UserRow { is_active: false, ..user("u1", "o1", "ada@example.com", T0) }).await.unwrap();
        assert_eq!(db.redeem_sign_in_link(b"two", T0 + 1).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn keys_come_back_as_written() {
    each_db(|db| async move {
        populate(&db).await;
        let mut row = key("k1", "u1", T0);
        row.allowed_models = Some(vec!["gpt-4o".into()]);
        row.expires_us = Some(T0 + 1000);
        db.insert_api_key(&row, &KeyExtras::default(), &note()).await.unwrap();
        assert_eq!(db.api_key("k1").await.unwrap(), Some(row.clone()));
        let same_id = ApiKeyRow { key_hash: b"another hash".to_vec(), ..row.clone() };
        conflict(db.insert_api_key(&same_id, &KeyExtras::default(), &note()).await, "api_keys");
        let twin = ApiKeyRow { key_id: "k2".into(), ..row.clone() };
        conflict(db.insert_api_key(&twin, &KeyExtras::default(), &note()).await, "api_keys.key_hash");

        row.name = "Renamed".into();
        row.scopes = vec![];
        row.allowed_models = None;
        row.expires_us = None;
        db.update_api_key(&row, T0 + 1).await.unwrap();
        assert_eq!(db.api_key("k1").await.unwrap(), Some(row.clone()));
        assert_eq!(db.update_api_key(&key("nobody", "u1", T0), T0).await, Err(StoreError::NotFound));

        for (user_id, project_id) in [(None, None), (Some("u1"), Some("p1"))] {
            let odd = ApiKeyRow {
                user_id: user_id.map(str::to_owned),
                project_id: project_id.map(str::to_owned),
                ..key("k3", "u1", T0)
            };
            let refused = db.insert_api_key(&odd, &KeyExtras::default(), &note()).await.unwrap_err();
            assert!(matches!(refused, StoreError::Invalid { .. }), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_are_listed_by_owner_and_revoked() {
    each_db(|db| async move {
        populate(&db).await;
        for (n, owner) in ["u1", "p1", "u1"].into_iter().enumerate() {
            db.insert_api_key(&key(&format!("k{n}"), owner, T0 + n as i64), &KeyExtras::default(), &note())
                .await
                .unwrap();
        }
        let ids = |rows: Vec<ApiKeyRow>| rows.into_iter().map(|r| r.key_id).collect::<Vec<_>>();
        let all = ApiKeyFilter { org_id: Some("o1".into()), instance_id: Some("i1".into()), ..Default::default() };
        let of_user = ApiKeyFilter { user_id: Some("u1".into()), ..Default::default() };
        let of_project = ApiKeyFilter { project_id: Some("p1".into()), ..Default::default() };
        assert_eq!(ids(db.list_api_keys(&all, &Page::first(2)).await.unwrap()), ["k2", "k1"]);
        assert_eq!(ids(db.list_api_keys(&all, &Page::after(T0 + 1, "k1", 2)).await.unwrap()), ["k0"]);
        assert_eq!(ids(db.list_api_keys(&of_user, &Page::first(9)).await.unwrap()), ["k2", "k0"]);
        assert_eq!(ids(db.list_api_keys(&of_project, &Page::first(9)).await.unwrap()), ["k1"]);

        db.revoke_api_key("k0", T0 + 7, &note()).await.unwrap();
        assert_eq!(db.revoke_api_key("k0", T0 + 8, &note()).await, Err(StoreError::NotFound));
        assert_eq!(db.api_key("k0").await.unwrap().unwrap().revoked_us, Some(T0 + 7));
        assert_eq!(db.load_configuration().await.unwrap().api_keys.len(), 2);

        // A later use is kept, an earlier one that arrives late is not, and none of it is a change of configuration.
        let before = db.config_version().await.unwrap();
        db.touch_api_keys(vec![("k2".into(), T0 + 50), ("k1".into(), T0 + 40), ("gone".into(), T0)]).await.unwrap();
        db.touch_api_keys(vec![("k2".into(), T0 + 30)]).await.unwrap();
        db.touch_api_keys(vec![]).await.unwrap();
        assert_eq!(db.api_key("k2").await.unwrap().unwrap().last_used_us, Some(T0 + 50));
        assert_eq!(db.api_key("k1").await.unwrap().unwrap().last_used_us, Some(T0 + 40));
        assert_eq!(db.config_version().await.unwrap(), before);
    })
    .await;
}

#[tokio::test]
async fn a_key_brings_its_access_and_its_limit() {
    each_db(|db| async move {
        populate(&db).await;
        db.insert_user(&user("u2", "o1", "bob@example.com", T0), &note()).await.unwrap();
        let access = |user_id: &str| {
            let level = "user".to_owned();
            Some(AccessRow { user_id: user_id.into(), instance_id: "i1".into(), level, granted_us: T0 + 1 })
        };
        let limit = LimitRow {
            id: "l1".into(),
            key_id: Some("k1".into()),
            requests_per_minute: Some(5),
            cooldown_seconds: 60,
            warn_percent: 80,
            is_active: true,
            created_us: T0,
            updated_us: T0,
            ..LimitRow::default()
        };
        let extras = KeyExtras { access: access("u2"), limit: Some(limit.clone()) };
        db.insert_api_key(&key("k1", "u2", T0), &extras, &note()).await.unwrap();
        assert_eq!(db.access_of_user("u2").await.unwrap(), [access("u2").unwrap()]);
        assert!(db.list_limits().await.unwrap().contains(&limit));
        // Who has a level keeps it.
        db.grant_access(&AccessRow { level: "owner".into(), ..access("u1").unwrap() }, &note()).await.unwrap();
        let extras = KeyExtras { access: access("u1"), limit: None };
        db.insert_api_key(&key("k2", "u1", T0), &extras, &note()).await.unwrap();
        assert_eq!(db.access_of_user("u1").await.unwrap()[0].level, "owner");
        // All of it, or nothing.
        let extras = KeyExtras { access: None, limit: Some(limit.clone()) };
        assert!(db.insert_api_key(&key("k3", "u1", T0), &extras, &note()).await.is_err());
        assert_eq!(db.api_key("k3").await.unwrap(), None);
        db.delete_api_key("k1", T0 + 9, &note()).await.unwrap();
        assert_eq!(db.api_key("k1").await.unwrap(), None);
        assert!(!db.list_limits().await.unwrap().contains(&limit));
        assert_eq!(db.delete_api_key("k1", T0 + 9, &note()).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn a_rotated_key_has_one_secret_before() {
    each_db(|db| async move {
        populate(&db).await;
        db.insert_api_key(&key("k1", "u1", T0), &KeyExtras::default(), &note()).await.unwrap();
        let first = key("k1", "u1", T0).key_hash;
        let with = |secret: &str| ApiKeyRow {
            key_hash: secret.as_bytes().into(),
            masked: secret.into(),
            ..key("k1", "u1", T0)
        };
        let retired = async || db.load_configuration().await.unwrap().retired_secrets;
        let secret = |key_hash: &[u8], expires_us| RetiredSecretRow {
            key_hash: key_hash.into(),
            key_id: "k1".into(),
            expires_us,
        };
        let version = db.config_version().await.unwrap();
        db.rotate_api_key(&with("second"), T0 + 100, T0 + 1, &note()).await.unwrap();
        assert!(db.config_version().await.unwrap() > version);
        assert_eq!(db.api_key("k1").await.unwrap().unwrap().masked, "second");
        assert_eq!(retired().await, [secret(&first, T0 + 100)]);
        db.rotate_api_key(&with("third"), T0 + 200, T0 + 2, &note()).await.unwrap();
        assert_eq!(retired().await, [secret(b"second", T0 + 200)]);
        assert_eq!(db.delete_expired_sign_ins(T0 + 199).await.unwrap(), 0);
        assert_eq!(db.delete_expired_sign_ins(T0 + 200).await.unwrap(), 1);
        db.rotate_api_key(&with("fourth"), T0 + 3, T0 + 3, &note()).await.unwrap();
        assert_eq!(retired().await, [], "no grace");
        db.revoke_api_key("k1", T0 + 4, &note()).await.unwrap();
        assert_eq!(db.rotate_api_key(&with("fifth"), T0 + 9, T0 + 5, &note()).await, Err(StoreError::NotFound));
        assert_eq!(retired().await, []);
        assert_eq!(db.api_key("k1").await.unwrap().unwrap().masked, "fourth");
    })
    .await;
}

#[tokio::test]
async fn an_issuer_knows_a_person_by_a_subject() {
    each_db(|db| async move {
        populate(&db).await;
        db.insert_user(&user("u2", "o1", "bob@example.com", T0), &note()).await.unwrap();
        let row = |user_id: &str| IdentityRow {
            issuer: "https://issuer".into(),
            subject: "42".into(),
            user_id: user_id.into(),
            created_us: T0,
        };
        let found = async |subject: &str| db.user_of_identity("https://issuer", subject).await.unwrap();
        assert_eq!(found("42").await, None);
        db.link_identity(&row("u1"), &note()).await.unwrap();
        assert_eq!((found("42").await.as_deref(), found("43").await), (Some("u1"), None));
        assert_eq!(db.user_of_identity("https://other", "42").await.unwrap(), None);
        db.delete_user("u1", T0 + 1).await.unwrap();
        assert_eq!(found("42").await, None);
        db.link_identity(&row("u2"), &note()).await.unwrap();
        assert_eq!(found("42").await.as_deref(), Some("u2"));

        assert!(db.use_sign_in(b"flow", T0 + 10).await.unwrap());
        assert!(!db.use_sign_in(b"flow", T0 + 10).await.unwrap());
        db.delete_expired_sign_ins(T0 + 10).await.unwrap();
        assert!(db.use_sign_in(b"flow", T0 + 20).await.unwrap());
    })
    .await;
}
