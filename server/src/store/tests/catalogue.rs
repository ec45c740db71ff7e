//! Providers, credentials, models, aliases, rules and prompts.

use super::*;
use crate::store::{
    Hidden,
    limits::LimitRow,
    models::{AliasRow, ModelFilter},
    prompts::PromptRow,
    providers::CredentialRow,
    rules::{ClassificationRow, RoutingRuleRow},
    things::{Change, Write},
};

#[tokio::test]
async fn providers_come_back_as_written() {
    each_db(|db| async move {
        let mut row = provider("vllm", 20);
        db.insert_provider(&row).await.unwrap();
        db.insert_provider(&ProviderRow { adapter: None, ..provider("acme", 10) }).await.unwrap();
        conflict(db.insert_provider(&row).await, "providers");
        row.base_url = "http://gpu:8000/v1".into();
        row.credential = json!({});
        row.is_active = false;
        row.updated_us = T0 + 1;
        db.update_provider(&row).await.unwrap();
        assert_eq!(db.provider("vllm").await.unwrap(), Some(row.clone()));
        let ids: Vec<String> = db.list_providers().await.unwrap().into_iter().map(|p| p.id).collect();
        assert_eq!(ids, ["acme", "vllm"]);
        db.delete_provider("acme", T0 + 2).await.unwrap();
        assert_eq!(db.delete_provider("acme", T0 + 2).await, Err(StoreError::NotFound));
        assert_eq!(db.update_provider(&provider("acme", 1)).await, Err(StoreError::NotFound));
    })
    .await;
}

/// Stores a credential, or removes it.
async fn write_credential(db: &Db, row: &CredentialRow, is_there: bool) -> Result<(), StoreError> {
    let change = Change::Credential {
        instance_id: row.instance_id.clone(),
        provider_id: row.provider_id.clone(),
        sealed: is_there.then(|| (row.sealed.clone(), row.masked.clone())),
        now_us: row.updated_us,
    };
    db.write_things(&[Write { change, audit: None }], row.updated_us).await
}

#[tokio::test]
async fn credentials_are_replaced_and_go_with_their_provider() {
    each_db(|db| async move {
        populate(&db).await;
        for id in ["openai", "anthropic"] {
            db.insert_provider(&provider(id, 1)).await.unwrap();
        }
        let mut row = CredentialRow {
            instance_id: "i1".into(),
            provider_id: "openai".into(),
            sealed: Hidden::new("bm9uY2U=:c2VjcmV0"),
            masked: "sk-****abcd".into(),
            updated_us: T0,
        };
        write_credential(&db, &row, true).await.unwrap();
        row.sealed = Hidden::new("bm9uY2U=:bmV3");
        row.updated_us = T0 + 1;
        write_credential(&db, &row, true).await.unwrap();
        let other = CredentialRow { provider_id: "anthropic".into(), ..row.clone() };
        write_credential(&db, &other, true).await.unwrap();
        assert_eq!(db.credentials_of_instance("i1").await.unwrap(), [other.clone(), row.clone()]);
        assert_eq!(db.load_configuration().await.unwrap().credentials.len(), 2);
        assert!(!format!("{row:?}").contains("bmV3"));

        write_credential(&db, &other, false).await.unwrap();
        assert_eq!(write_credential(&db, &other, false).await, Err(StoreError::NotFound));
        let unknown = CredentialRow { provider_id: "nobody".into(), ..row.clone() };
        let refused = write_credential(&db, &unknown, true).await.unwrap_err();
        assert!(matches!(refused, StoreError::ForeignKey { .. }), "{refused:?}");

        db.delete_instance("i1", T0 + 3).await.unwrap();
        assert!(db.load_configuration().await.unwrap().credentials.is_empty());
        db.restore_instance("i1", T0 + 4).await.unwrap();
        assert_eq!(db.load_configuration().await.unwrap().credentials, [row]);
        db.delete_provider("openai", T0 + 5).await.unwrap();
        assert!(db.credentials_of_instance("i1").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn models_come_back_as_written() {
    each_db(|db| async move {
        populate(&db).await;
        let mut row = model("gpt-x", "openai");
        db.insert_model(&row).await.unwrap();
        assert_eq!(db.model("gpt-x").await.unwrap(), Some(row.clone()));
        assert_eq!(db.model("cfg_openai_gpt_x").await.unwrap(), Some(row.clone()));
        row.adapter = Some("mapped".into());
        row.description = Some("d".into());
        row.pricing = json!({"input": 2.5});
        row.payload_mapping = json!({"endpoint": "/v1/x", "body": {"n": "{n:int}"}});
        row.prompt_template = None;
        row.status = "deprecated".into();
        row.updated_us = T0 + 1;
        db.update_model(&row).await.unwrap();
        assert_eq!(db.model("gpt-x").await.unwrap(), Some(row.clone()));

        let twin = ModelRow { config_id: "cfg_other".into(), ..row.clone() };
        conflict(db.insert_model(&twin).await, "model_configs.model_id");
        let same_config = ModelRow { model_id: "other".into(), ..row.clone() };
        conflict(db.insert_model(&same_config).await, "model_configs");
        assert_eq!(db.update_model(&model("nothing", "x")).await, Err(StoreError::NotFound));
        assert_eq!(db.model("nothing").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_model_can_be_undone_or_made_again() {
    each_db(|db| async move {
        let row = model("gpt-x", "openai");
        db.insert_model(&row).await.unwrap();
        db.delete_model(&row.config_id, T0 + 1).await.unwrap();
        assert_eq!(db.model("gpt-x").await.unwrap(), None);
        assert_eq!(db.delete_model(&row.config_id, T0 + 1).await, Err(StoreError::NotFound));
        db.restore_model(&row.config_id, T0 + 2).await.unwrap();
        assert_eq!(db.model("gpt-x").await.unwrap().unwrap().updated_us, T0 + 2);
        assert_eq!(db.restore_model(&row.config_id, T0 + 2).await, Err(StoreError::NotFound));

        db.delete_model(&row.config_id, T0 + 3).await.unwrap();
        db.insert_model(&row).await.unwrap();
        assert_eq!(db.model("gpt-x").await.unwrap(), Some(row.clone()));

        db.delete_model(&row.config_id, T0 + 4).await.unwrap();
        db.insert_model(&ModelRow { config_id: "cfg_b".into(), ..row.clone() }).await.unwrap();
        conflict(db.restore_model(&row.config_id, T0 + 5).await, "model_configs.model_id");
    })
    .await;
}

#[tokio::test]
async fn models_are_listed_in_one_order_for_all_and_by_who_may_see_them() {
    each_db(|db| async move {
        populate(&db).await;
        db.insert_organization(&organization("o2", T0)).await.unwrap();
        let rows = [
            ModelRow { display_name: "b".into(), ..model("m1", "openai") },
            ModelRow { display_name: "B".into(), ..model("m2", "openai") },
            ModelRow { display_name: "a".into(), status: "beta".into(), ..model("m3", "openai") },
            ModelRow { org_id: Some("o1".into()), ..model("m4", "anthropic") },
            ModelRow { org_id: Some("o2".into()), ..model("m5", "zeta") },
        ];
        for row in &rows {
            db.insert_model(row).await.unwrap();
        }
        let list = |filter: ModelFilter| {
            let db = db.clone();
            async move {
                let rows = db.list_models(&filter).await.unwrap();
                rows.into_iter().map(|m| m.model_id).collect::<Vec<_>>()
            }
        };
        assert_eq!(list(ModelFilter::default()).await, ["m4", "m2", "m3", "m1", "m5"]);
        let by = ModelFilter { provider_id: Some("openai".into()), status: Some("beta".into()), visible_to: None };
        assert_eq!(list(by).await, ["m3"]);
        let visible = ModelFilter { visible_to: Some("o1".into()), ..Default::default() };
        assert_eq!(list(visible).await, ["m4", "m2", "m3", "m1"]);
    })
    .await;
}

#[tokio::test]
async fn an_alias_means_one_model() {
    each_db(|db| async move {
        let row =
            |alias: &str, model_id: &str| AliasRow { alias: alias.into(), model_id: model_id.into(), created_us: T0 };
        db.put_alias(&row("smart", "gpt-x")).await.unwrap();
        db.put_alias(&row("fast", "gpt-y")).await.unwrap();
        db.put_alias(&row("smart", "gpt-z")).await.unwrap();
        assert_eq!(db.list_aliases().await.unwrap(), [row("fast", "gpt-y"), row("smart", "gpt-z")]);
        db.delete_alias("fast", T0).await.unwrap();
        assert_eq!(db.delete_alias("fast", T0).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn rules_and_prompts_come_back_as_written() {
    each_db(|db| async move {
        let mut limit = LimitRow {
            id: "l1".into(),
            provider: Some("openai".into()),
            requests_per_minute: Some(60),
            tokens_per_minute: Some(90_000),
            concurrent_requests: Some(10),
            cooldown_seconds: 60,
            warn_percent: 80,
            is_active: true,
            created_us: T0,
            updated_us: T0,
            ..LimitRow::default()
        };
        db.insert_limit(&limit).await.unwrap();
        let twin = LimitRow { id: "l2".into(), created_us: T0 + 1, ..limit.clone() };
        conflict(db.insert_limit(&twin).await, "limits.scope");
        let narrower = LimitRow { model: Some("gpt-4o".into()), ..twin };
        db.insert_limit(&narrower).await.unwrap();
        limit.tokens_per_minute = None;
        limit.burst_limit = Some(5);
        limit.is_active = false;
        limit.updated_us = T0 + 1;
        db.update_limit(&limit).await.unwrap();
        assert_eq!(db.list_limits().await.unwrap(), [limit.clone(), narrower]);
        db.delete_limit("l2", T0 + 2).await.unwrap();
        assert_eq!(db.list_limits().await.unwrap(), [limit]);
        assert_eq!(db.delete_limit("l2", T0 + 2).await, Err(StoreError::NotFound));

        let mut class = ClassificationRow {
            id: "c1".into(),
            pattern: "draw|paint".into(),
            pattern_type: "keyword".into(),
            task_type: "image".into(),
            confidence_boost: 0.1,
            priority: 10,
            is_active: true,
            created_us: T0,
        };
        db.insert_classification(&class).await.unwrap();
        class.pattern = r"\bdraw\b".into();
        class.confidence_boost = 2.0;
        db.update_classification(&class, T0 + 1).await.unwrap();
        assert_eq!(db.list_classifications().await.unwrap(), [class.clone()]);
        db.delete_classification("c1", T0).await.unwrap();
        assert_eq!(db.update_classification(&class, T0).await, Err(StoreError::NotFound));

        let mut rule = RoutingRuleRow {
            id: "r1".into(),
            task_type: "text".into(),
            subtask: Some("fast".into()),
            provider: "anthropic".into(),
            model: "claude".into(),
            weight: 100,
            cost_tier: Some("low".into()),
            quality_tier: None,
            is_default: true,
            is_active: true,
            created_us: T0,
            updated_us: T0,
        };
        db.insert_routing_rule(&rule).await.unwrap();
        rule.subtask = None;
        rule.weight = 50;
        rule.updated_us = T0 + 1;
        db.update_routing_rule(&rule).await.unwrap();
        assert_eq!(db.list_routing_rules().await.unwrap(), [rule.clone()]);
        db.delete_routing_rule("r1", T0).await.unwrap();
        assert_eq!(db.update_routing_rule(&rule).await, Err(StoreError::NotFound));

        let mut prompt = PromptRow {
            id: "p1".into(),
            task_type: "text".into(),
            name: "Blog".into(),
            description: None,
            template: "Write: {user_query}".into(),
            variables: json!({"type": "object"}),
            provider: None,
            model: None,
            is_default: false,
            is_active: true,
            created_us: T0,
            updated_us: T0,
        };
        db.insert_prompt(&prompt).await.unwrap();
        prompt.description = Some("d".into());
        prompt.model = Some("gpt-4o".into());
        prompt.updated_us = T0 + 1;
        db.update_prompt(&prompt).await.unwrap();
        assert_eq!(db.list_prompts().await.unwrap(), [prompt.clone()]);
        db.delete_prompt("p1", T0).await.unwrap();
        assert_eq!(db.update_prompt(&prompt).await, Err(StoreError::NotFound));
        // What changed counts, what was refused does not.
        assert_eq!(db.config_version().await.unwrap(), 1 + 13);
    })
    .await;
}
