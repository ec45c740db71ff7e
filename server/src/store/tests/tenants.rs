//! Organizations, instances, projects, and what goes and comes back with them.

use super::*;
use crate::store::api_keys::ApiKeyFilter;

#[tokio::test]
async fn organizations_come_back_as_written() {
    each_db(|db| async move {
        let mut row = organization("o1", T0);
        db.insert_organization(&row).await.unwrap();
        assert_eq!(db.organization("o1").await.unwrap(), Some(row.clone()));
        conflict(db.insert_organization(&row).await, "organizations");

        row.name = "New".into();
        row.billing_email = None;
        row.updated_us = T0 + 5;
        db.update_organization(&row).await.unwrap();
        assert_eq!(db.organization("o1").await.unwrap(), Some(row.clone()));
        row.org_id = "unknown".into();
        assert_eq!(db.update_organization(&row).await, Err(StoreError::NotFound));
        assert_eq!(db.organization("unknown").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn lists_are_newest_first_and_paged_by_key() {
    each_db(|db| async move {
        // Two of the same microsecond.
        for (id, created_us) in [("a", T0), ("b", T0 + 1), ("c", T0 + 1), ("d", T0 + 2)] {
            db.insert_organization(&organization(id, created_us)).await.unwrap();
            db.insert_instance(&instance(&format!("i{id}"), id, created_us)).await.unwrap();
            db.insert_project(&project(&format!("p{id}"), &format!("i{id}"), created_us)).await.unwrap();
            db.insert_user(&user(&format!("u{id}"), id, &format!("{id}@example.com"), created_us), &note())
                .await
                .unwrap();
        }
        let mut seen = Vec::new();
        let mut page = Page::first(3);
        loop {
            let rows = db.list_organizations(&page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page = Page::after(last.created_us, &last.org_id, 3);
            seen.extend(rows.into_iter().map(|r| r.org_id));
        }
        assert_eq!(seen, ["d", "c", "b", "a"]);

        let after_c = Page::after(T0 + 1, "ic", 10);
        let ids: Vec<String> =
            db.list_instances(None, &after_c).await.unwrap().into_iter().map(|r| r.instance_id).collect();
        assert_eq!(ids, ["ib", "ia"]);
        let of_b: Vec<String> =
            db.list_instances(Some("b"), &Page::first(10)).await.unwrap().into_iter().map(|r| r.instance_id).collect();
        assert_eq!(of_b, ["ib"]);
        let ids = |rows: Vec<ProjectRow>| rows.into_iter().map(|r| r.project_id).collect::<Vec<_>>();
        assert_eq!(ids(db.list_projects(None, None, &Page::after(T0 + 1, "pc", 1)).await.unwrap()), ["pb"]);
        assert_eq!(ids(db.list_projects(Some("ia"), None, &Page::first(9)).await.unwrap()), ["pa"]);
        assert_eq!(ids(db.list_projects(None, Some("d"), &Page::first(9)).await.unwrap()), ["pd"]);
        assert!(db.list_projects(Some("ia"), Some("d"), &Page::first(9)).await.unwrap().is_empty());
        let ids = |rows: Vec<UserRow>| rows.into_iter().map(|r| r.user_id).collect::<Vec<_>>();
        assert_eq!(ids(db.list_users(None, &Page::after(T0 + 1, "ub", 9)).await.unwrap()), ["ua"]);
        assert_eq!(ids(db.list_users(Some("d"), &Page::first(9)).await.unwrap()), ["ud"]);
    })
    .await;
}

#[tokio::test]
async fn instances_and_projects_come_back_as_written() {
    each_db(|db| async move {
        populate(&db).await;
        let mut row = instance("i1", "o1", T0);
        assert_eq!(db.instance("i1").await.unwrap(), Some(row.clone()));
        row.name = "Other".into();
        row.api_keys = json!([{"provider": "openai"}]);
        row.rate_limits = json!({});
        row.config = json!({"deep": {"er": [{"x": "\u{1f600}"}]}});
        row.store_contents = false;
        row.content_retention_days = 30;
        row.updated_us = T0 + 1;
        db.update_instance(&row).await.unwrap();
        assert_eq!(db.instance("i1").await.unwrap(), Some(row));

        let mut row = project("p1", "i1", T0);
        assert_eq!(db.project("p1").await.unwrap(), Some(row.clone()));
        row.description = Some("text".into());
        row.config = json!({});
        row.updated_us = T0 + 1;
        db.update_project(&row).await.unwrap();
        assert_eq!(db.project("p1").await.unwrap(), Some(row.clone()));
        row.project_id = "unknown".into();
        assert_eq!(db.update_project(&row).await, Err(StoreError::NotFound));
        assert_eq!(db.update_instance(&instance("unknown", "o1", T0)).await, Err(StoreError::NotFound));

        let orphan = db.insert_project(&project("p2", "nowhere", T0)).await.unwrap_err();
        assert!(matches!(orphan, StoreError::ForeignKey { .. }), "{orphan:?}");
        let orphan = db.insert_instance(&instance("i2", "nowhere", T0)).await.unwrap_err();
        assert!(matches!(orphan, StoreError::ForeignKey { .. }), "{orphan:?}");
    })
    .await;
}

#[tokio::test]
async fn a_nul_character_is_refused_or_kept_but_never_breaks_the_store() {
    each_db(|db| async move {
        let row = OrganizationRow { name: "a\0b".into(), ..organization("o1", T0) };
        match db.insert_organization(&row).await {
            Ok(()) => assert_eq!(db.organization("o1").await.unwrap(), Some(row)),
            Err(error) => assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}"),
        }
    })
    .await;
}

/// Which of o1, i1, p1, u1, the user's key and the project's key can be seen.
async fn visible(db: &Db) -> Vec<String> {
    let configuration = db.load_configuration().await.unwrap();
    let mut seen = Vec::new();
    seen.extend(configuration.organizations.into_iter().map(|r| r.org_id));
    seen.extend(configuration.instances.into_iter().map(|r| r.instance_id));
    seen.extend(configuration.projects.into_iter().map(|r| r.project_id));
    seen.extend(configuration.users.into_iter().map(|r| r.user_id));
    seen.extend(configuration.access.into_iter().map(|r| format!("{}@{}", r.user_id, r.instance_id)));
    seen.extend(configuration.api_keys.into_iter().map(|r| r.key_id));
    seen.extend(configuration.models.into_iter().map(|r| r.model_id));
    seen.sort();
    seen
}

const EVERYTHING: [&str; 8] = ["i1", "ku", "kp", "mo", "o1", "p1", "u1", "u1@i1"];

async fn populate_all(db: &Db) -> Vec<String> {
    populate(db).await;
    db.insert_api_key(&key("ku", "u1", T0), &KeyExtras::default(), &note()).await.unwrap();
    db.insert_api_key(&key("kp", "p1", T0), &KeyExtras::default(), &note()).await.unwrap();
    db.insert_model(&ModelRow { org_id: Some("o1".into()), ..model("mo", "acme") }).await.unwrap();
    let mut everything: Vec<String> = EVERYTHING.map(str::to_owned).into();
    everything.sort();
    assert_eq!(visible(db).await, everything);
    everything
}

#[tokio::test]
async fn an_organization_goes_and_comes_back_as_a_whole() {
    each_db(|db| async move {
        let everything = populate_all(&db).await;
        db.insert_project(&project("p2", "i1", T0)).await.unwrap();
        db.delete_project("p2", T0 + 1).await.unwrap();

        db.delete_organization("o1", T0 + 2).await.unwrap();
        assert!(visible(&db).await.is_empty());
        assert_eq!(db.api_key("ku").await.unwrap(), None);
        assert!(db.list_api_keys(&ApiKeyFilter::default(), &Page::first(9)).await.unwrap().is_empty());
        assert_eq!(db.delete_organization("o1", T0 + 3).await, Err(StoreError::NotFound));
        assert_eq!(db.restore_instance("i1", T0 + 3).await, Err(StoreError::NotFound));
        assert_eq!(db.restore_user("u1", T0 + 3).await, Err(StoreError::NotFound));

        db.restore_organization("o1", T0 + 4).await.unwrap();
        // p2 was gone before: it stays gone.
        assert_eq!(visible(&db).await, everything);
        assert_eq!(db.organization("o1").await.unwrap().unwrap().updated_us, T0 + 4);
        assert_eq!(db.restore_organization("o1", T0 + 5).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn an_instance_takes_projects_and_keys_along() {
    each_db(|db| async move {
        let everything = populate_all(&db).await;
        db.delete_instance("i1", T0 + 1).await.unwrap();
        assert_eq!(visible(&db).await, ["mo", "o1", "u1"]);
        assert_eq!(db.delete_instance("i1", T0 + 2).await, Err(StoreError::NotFound));
        assert_eq!(db.restore_project("p1", T0 + 2).await, Err(StoreError::NotFound));
        db.restore_instance("i1", T0 + 3).await.unwrap();
        assert_eq!(visible(&db).await, everything);
    })
    .await;
}

#[tokio::test]
async fn a_project_and_a_user_take_their_keys_along() {
    each_db(|db| async move {
        let everything = populate_all(&db).await;
        db.delete_project("p1", T0 + 1).await.unwrap();
        assert_eq!(visible(&db).await, ["i1", "ku", "mo", "o1", "u1", "u1@i1"]);
        db.delete_user("u1", T0 + 2).await.unwrap();
        assert_eq!(visible(&db).await, ["i1", "mo", "o1"]);
        db.restore_user("u1", T0 + 3).await.unwrap();
        db.restore_project("p1", T0 + 3).await.unwrap();
        assert_eq!(visible(&db).await, everything);
        assert_eq!(db.restore_project("p1", T0 + 4).await, Err(StoreError::NotFound));
        assert_eq!(db.restore_user("u1", T0 + 4).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn a_key_opens_nothing_while_any_of_its_owners_is_gone() {
    each_db(|db| async move {
        populate_all(&db).await;
        db.delete_user("u1", T0 + 1).await.unwrap();
        db.delete_instance("i1", T0 + 2).await.unwrap();
        // The user's key comes back with its user, but its instance is still gone.
        db.restore_user("u1", T0 + 3).await.unwrap();
        assert_eq!(visible(&db).await, ["mo", "o1", "u1"]);
    })
    .await;
}
