//! Users, access, sessions, sign-in links and keys.

use super::*;
use crate::store::{
    api_keys::ApiKeyFilter,
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
        db.touch_user("u1", T0 + 2).await.unwrap();
        row.last_sign_in_us = Some(T0 + 2);
        assert_eq!(db.user("u1").await.unwrap(), Some(row.clone()));
        // Its own e-mail in another case is no conflict.
        row.email = "ada.l@example.com".into();
        db.update_user(&row).await.unwrap();
        assert_eq!(db.update_user(&user("nobody", "o1", "x@example.com", T0)).await, Err(StoreError::NotFound));
        assert_eq!(db.touch_user("nobody", T0).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn an_email_is_unique_among_the_living() {
    each_db(|db| async move {
        populate(&db).await;
        conflict(db.insert_user(&user("u2", "o1", "Ada@Example.com", T0)).await, "users.email");
        conflict(db.insert_user(&user("u1", "o1", "other@example.com", T0)).await, "users");
        db.insert_user(&user("u2", "o1", "bob@example.com", T0)).await.unwrap();
        conflict(db.update_user(&user("u2", "o1", "ada@example.com", T0)).await, "users.email");

        db.delete_user("u1", T0 + 1).await.unwrap();
        assert_eq!(db.find_user_by_email("ada@example.com").await.unwrap(), None);
        db.insert_user(&user("u3", "o1", "ada@example.com", T0)).await.unwrap();
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
        open_session(&db, "u1", b"s1", T0 + 100).await;
        db.set_password_hash("u1", Some("$argon2id$secret"), T0 + 1).await.unwrap();
        let hash = db.password_hash("u1").await.unwrap().unwrap();
        assert_eq!(hash.reveal(), "$argon2id$secret");
        assert!(!format!("{hash:?}").contains("secret"));
        // Whoever was signed in with the old one is out.
        assert_eq!(db.session_with_user(b"s1", T0 + 2).await.unwrap(), None);
        db.set_password_hash("u1", None, T0 + 3).await.unwrap();
        assert_eq!(db.password_hash("u1").await.unwrap(), None);
        assert_eq!(db.password_hash("nobody").await.unwrap(), None);
        assert_eq!(db.set_password_hash("nobody", None, T0).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn access_is_granted_changed_and_revoked() {
    each_db(|db| async move {
        populate(&db).await;
        db.insert_user(&user("u2", "o1", "bob@example.com", T0)).await.unwrap();
        let owner =
            AccessRow { user_id: "u1".into(), instance_id: "i1".into(), level: "owner".into(), granted_us: T0 + 9 };
        db.grant_access(&owner).await.unwrap();
        db.grant_access(&AccessRow { user_id: "u2".into(), ..owner.clone() }).await.unwrap();
        assert_eq!(db.access_of_user("u1").await.unwrap().first(), Some(&owner));
        assert_eq!(db.access_of_instance("i1").await.unwrap().len(), 2);
        db.revoke_access("u1", "i1", T0 + 10).await.unwrap();
        assert_eq!(db.revoke_access("u1", "i1", T0 + 10).await, Err(StoreError::NotFound));
        assert_eq!(db.access_of_user("u1").await.unwrap(), []);
        let nobody = db.grant_access(&AccessRow { user_id: "nobody".into(), ..owner }).await.unwrap_err();
        assert!(matches!(nobody, StoreError::ForeignKey { .. }));
    })
    .await;
}

async fn open_session(db: &Db, user_id: &str, hash: &[u8], expires_us: i64) -> SessionRow {
    let row = SessionRow {
        session_hash: hash.into(),
        user_id: user_id.into(),
        created_us: T0,
        expires_us,
        last_seen_us: T0,
        ip: Some("127.0.0.1".into()),
        user_agent: None,
    };
    db.insert_session(&row).await.unwrap();
    row
}

#[tokio::test]
async fn a_session_lasts_until_it_ends() {
    each_db(|db| async move {
        populate(&db).await;
        let ada = db.user("u1").await.unwrap().unwrap();
        let mut row = open_session(&db, "u1", &[0, 255, 1], T0 + 100).await;
        assert_eq!(db.session_with_user(&[0, 255, 1], T0 + 99).await.unwrap(), Some((row.clone(), ada.clone())));
        assert_eq!(db.session_with_user(&[0, 255, 1], T0 + 100).await.unwrap(), None);
        assert_eq!(db.session_with_user(&[0, 255, 2], T0).await.unwrap(), None);

        db.touch_session(&row.session_hash, T0 + 50, T0 + 500).await.unwrap();
        row.last_seen_us = T0 + 50;
        row.expires_us = T0 + 500;
        assert_eq!(db.sessions_of_user("u1", T0 + 200).await.unwrap(), [row]);

        db.update_user(&UserRow { is_active: false, ..ada.clone() }).await.unwrap();
        assert_eq!(db.session_with_user(&[0, 255, 1], T0).await.unwrap(), None);
        db.update_user(&ada).await.unwrap();
        assert!(db.session_with_user(&[0, 255, 1], T0).await.unwrap().is_some());

        assert!(db.end_session(&[0, 255, 1]).await.unwrap());
        assert!(!db.end_session(&[0, 255, 1]).await.unwrap());
        open_session(&db, "u1", b"a", T0 + 100).await;
        open_session(&db, "u1", b"b", T0 + 100).await;
        assert_eq!(db.end_sessions_of_user("u1").await.unwrap(), 2);
        open_session(&db, "u1", b"c", T0 + 100).await;
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
        open_session(&db, "u1", b"old", T0 + 1).await;
        open_session(&db, "u1", b"new", T0 + 9).await;
        db.insert_sign_in_link(&link("u1", b"old", T0 + 5)).await.unwrap();
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
        db.insert_sign_in_link(&link("u1", b"one", T0 + 100)).await.unwrap();
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

        db.insert_sign_in_link(&link("u1", b"two", T0 + 100)).await.unwrap();
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
        db.insert_api_key(&row).await.unwrap();
        assert_eq!(db.api_key("k1").await.unwrap(), Some(row.clone()));
        let same_id = ApiKeyRow { key_hash: b"another hash".to_vec(), ..row.clone() };
        conflict(db.insert_api_key(&same_id).await, "api_keys");
        let twin = ApiKeyRow { key_id: "k2".into(), ..row.clone() };
        conflict(db.insert_api_key(&twin).await, "api_keys.key_hash");

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
            let refused = db.insert_api_key(&odd).await.unwrap_err();
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
            db.insert_api_key(&key(&format!("k{n}"), owner, T0 + n as i64)).await.unwrap();
        }
        let ids = |rows: Vec<ApiKeyRow>| rows.into_iter().map(|r| r.key_id).collect::<Vec<_>>();
        let all = ApiKeyFilter { org_id: Some("o1".into()), instance_id: Some("i1".into()), ..Default::default() };
        let of_user = ApiKeyFilter { user_id: Some("u1".into()), ..Default::default() };
        let of_project = ApiKeyFilter { project_id: Some("p1".into()), ..Default::default() };
        assert_eq!(ids(db.list_api_keys(&all, &Page::first(2)).await.unwrap()), ["k2", "k1"]);
        assert_eq!(ids(db.list_api_keys(&all, &Page::after(T0 + 1, "k1", 2)).await.unwrap()), ["k0"]);
        assert_eq!(ids(db.list_api_keys(&of_user, &Page::first(9)).await.unwrap()), ["k2", "k0"]);
        assert_eq!(ids(db.list_api_keys(&of_project, &Page::first(9)).await.unwrap()), ["k1"]);

        db.revoke_api_key("k0", T0 + 7).await.unwrap();
        assert_eq!(db.revoke_api_key("k0", T0 + 8).await, Err(StoreError::NotFound));
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
