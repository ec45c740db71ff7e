use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::{
    services::catalog::pricing::{Pricing, TokenCounts},
    store::{
        models::{ModelFilter, ModelRow},
        testing::each_db,
    },
};

const T0: i64 = 1_790_000_000_000_000;

fn shipped() -> SeedRows {
    seed_rows(&[(PRODUCTION, "prj_production"), (DEVELOPMENT, "prj_development")], T0).unwrap()
}

fn model(id: &str) -> ModelRow {
    shipped().catalogue.models.into_iter().find(|m| m.model_id == id).unwrap()
}

#[tokio::test]
async fn a_new_database_is_filled_once() {
    each_db(|db| async move {
        let made = first_start(&db, T0).await.unwrap().unwrap();
        assert_eq!(made.org_id, "org_default");
        assert_eq!(made.instances, [("production", "prj_production"), ("development", "prj_development")]);

        let configuration = db.load_configuration().await.unwrap();
        let rows = shipped();
        assert_eq!(configuration.organizations.first(), Some(&rows.organization));
        assert_eq!(configuration.instances.len(), 2);
        let production = db.instance(PRODUCTION).await.unwrap().unwrap();
        assert!(!production.store_contents);
        assert_eq!(production.config["rate_limits"]["openai"], json!({"rpm": 500, "tpm": 150_000}));
        let development = db.instance(DEVELOPMENT).await.unwrap().unwrap();
        assert!(development.store_contents);
        assert_eq!(development.content_retention_days, 7);
        assert_eq!(development.config["rate_limits"]["ideogram"], json!({"rpm": 50, "tpm": 25_000}));
        assert_eq!(db.project("prj_development").await.unwrap().unwrap().instance_id, "development");
        assert!(configuration.users.is_empty());

        // Every row came back as it was written.
        let mut expected = rows.catalogue.models.clone();
        expected.sort_by(|a, b| (&a.provider_id, &a.display_name).cmp(&(&b.provider_id, &b.display_name)));
        assert_eq!(configuration.models, expected);
        assert_eq!(configuration.providers, rows.catalogue.providers);
        assert_eq!(configuration.aliases.len(), rows.catalogue.aliases.len());
        assert_eq!(configuration.limits.len(), 7);
        assert_eq!(configuration.classifications.len(), rows.classifications.len());
        assert_eq!(configuration.routing_rules.len(), 10);
        assert_eq!(configuration.prompts.len(), 5);

        let before = db.config_version().await.unwrap();
        assert_eq!(extend_catalogue(&db, T0 + 1).await.unwrap(), 0);
        assert_eq!(db.config_version().await.unwrap(), before);
        assert_eq!(first_start(&db, T0 + 1).await.unwrap(), None);
        assert_eq!(db.config_version().await.unwrap(), before);
        assert_eq!(db.organization(ORGANIZATION).await.unwrap(), Some(rows.organization));
    })
    .await;
}

#[tokio::test]
async fn a_database_that_lost_its_organization_is_not_new() {
    each_db(|db| async move {
        first_start(&db, T0).await.unwrap().unwrap();
        db.delete_organization(ORGANIZATION, T0 + 5).await.unwrap();
        assert_eq!(first_start(&db, T0 + 9).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn servers_that_start_together_fill_it_once() {
    each_db(|db| async move {
        let starts = (0..4).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { first_start(&db, T0).await.unwrap().is_some() })
        });
        let mut made = 0;
        for start in starts.collect::<Vec<_>>() {
            made += usize::from(start.await.unwrap());
        }
        assert_eq!(made, 1);
    })
    .await;
}

#[tokio::test]
async fn a_newer_catalogue_adds_what_is_new_and_nothing_else() {
    each_db(|db| async move {
        first_start(&db, T0).await.unwrap();
        // As if the database came from a version without these, and a person had been at work since.
        let mut offered = db.setting(catalogue::SETTING).await.unwrap().unwrap().value;
        let new = ["gpt-4.1", "o3", "grok-4.7"];
        let models = offered["models"].as_array_mut().unwrap();
        models.retain(|name| !new.contains(&name.as_str().unwrap()));
        models.push(json!("a-model-of-an-old-version"));
        db.put_setting(catalogue::SETTING, &offered, T0 + 1).await.unwrap();
        for id in ["cfg_openai_gpt_4.1", "cfg_openai_o3", "cfg_xai_grok_4.7", "cfg_openai_gpt_4o_mini"] {
            db.delete_model(id, T0 + 2).await.unwrap();
        }
        // "o3" is somebody's own model now.
        let own = ModelRow { config_id: "cfg_acme_o3".into(), display_name: "Ours".into(), ..model("o3") };
        db.insert_model(&own).await.unwrap();
        let mut edited = db.model("gpt-4o").await.unwrap().unwrap();
        edited.pricing = json!({"input": 1});
        edited.updated_us = T0 + 3;
        db.update_model(&edited).await.unwrap();

        assert_eq!(extend_catalogue(&db, T0 + 4).await.unwrap(), 3);

        // Deleted by a person before or after it was offered: it stays away.
        assert_eq!(db.model("gpt-4o-mini").await.unwrap(), None);
        assert_eq!(db.model("gpt-4.1").await.unwrap(), None);
        assert_eq!(db.model("o3").await.unwrap().unwrap().display_name, "Ours");
        assert_eq!(db.model("gpt-4o").await.unwrap().unwrap(), edited);
        let remembered = db.setting(catalogue::SETTING).await.unwrap().unwrap().value;
        let remembered: BTreeSet<&str> =
            remembered["models"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(remembered.contains("gpt-4.1") && remembered.contains("a-model-of-an-old-version"));
        assert_eq!(extend_catalogue(&db, T0 + 5).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_model_that_was_never_there_is_added() {
    each_db(|db| async move {
        let mut rows = shipped();
        rows.catalogue.models.retain(|m| m.model_id != "grok-4.7");
        rows.catalogue.providers.retain(|p| p.id != "xai");
        rows.catalogue.aliases.retain(|a| a.alias != "gemini-context");
        rows.catalogue.setting.1 = json!({
            "version": 0,
            "providers": rows.catalogue.providers.iter().map(|p| &p.id).collect::<Vec<_>>(),
            "models": rows.catalogue.models.iter().map(|m| &m.model_id).collect::<Vec<_>>(),
            "aliases": rows.catalogue.aliases.iter().map(|a| &a.alias).collect::<Vec<_>>(),
        });
        assert!(db.seed(&rows, T0).await.unwrap());
        assert_eq!(db.model("grok-4.7").await.unwrap(), None);

        assert_eq!(extend_catalogue(&db, T0 + 1).await.unwrap(), 3);
        assert_eq!(db.model("grok-4.7").await.unwrap().unwrap().provider_id, "xai");
        assert!(db.provider("xai").await.unwrap().is_some());
        assert!(db.list_aliases().await.unwrap().iter().any(|a| a.alias == "gemini-context"));
        assert_eq!(db.list_models(&ModelFilter::default()).await.unwrap().len(), shipped().catalogue.models.len());
    })
    .await;
}

#[test]
fn names_are_unique_and_lead_somewhere() {
    let catalogue = shipped().catalogue;
    let ids: BTreeSet<&str> = catalogue.models.iter().map(|m| m.model_id.as_str()).collect();
    assert_eq!(ids.len(), catalogue.models.len());
    let configs: BTreeSet<&str> = catalogue.models.iter().map(|m| m.config_id.as_str()).collect();
    assert_eq!(configs.len(), catalogue.models.len());
    for alias in &catalogue.aliases {
        assert!(ids.contains(alias.model_id.as_str()), "{} leads nowhere", alias.alias);
        assert!(!ids.contains(alias.alias.as_str()), "{} is a model itself", alias.alias);
    }
    for model in &catalogue.models {
        assert!(model.adapter.is_some(), "{} names no known provider", model.model_id);
        assert!(["active", "beta", "deprecated"].contains(&model.status.as_str()));
        assert!(model.capabilities.as_object().is_some_and(|c| !c.is_empty()));
    }
}

#[test]
fn rules_and_defaults_name_models_that_exist() {
    let rows = shipped();
    let ids: BTreeSet<&str> = rows.catalogue.models.iter().map(|m| m.model_id.as_str()).collect();
    let aliases: BTreeMap<&str, &str> =
        rows.catalogue.aliases.iter().map(|a| (a.alias.as_str(), a.model_id.as_str())).collect();
    let known = |provider: &str, name: &str| {
        let qualified = format!("{provider}/{name}");
        let of_provider = |m: &&ModelRow| m.provider_id == provider && m.upstream_model == name;
        ids.contains(name)
            || aliases.contains_key(name)
            || aliases.contains_key(qualified.as_str())
            || rows.catalogue.models.iter().any(|m| of_provider(&m))
    };
    for rule in &rows.routing_rules {
        assert!(known(&rule.provider, &rule.model), "{}/{}", rule.provider, rule.model);
    }
    for limit in &rows.limits {
        let provider = limit.provider.as_deref().unwrap();
        assert!(limit.model.as_deref().is_none_or(|m| known(provider, m)), "{limit:?}");
    }
    for name in [
        "ideogram-v2",
        "gemini-veo-3.1",
        "gemini-2.5-flash-nano-banana",
        "dall-e-3",
        "dall-e-2",
        "gpt-4o",
        "gpt-4o-mini",
        "claude-3-5-sonnet",
        "claude-3-5-haiku",
        "claude-3-5-haiku-20241022",
        "claude-3-haiku",
        "claude-sonnet-4-20250514",
        "eleven_multilingual_v2",
        "eleven_monolingual_v1",
        "gemini-nano-banana",
        "gemini-context",
    ] {
        assert!(known("", name), "{name}");
    }
    for task_type in ["text", "image", "audio", "video", "context"] {
        assert!(rows.routing_rules.iter().any(|r| r.task_type == task_type && r.is_default), "{task_type}");
    }
}

#[test]
fn every_price_can_be_computed() {
    for model in shipped().catalogue.models {
        let pricing: Pricing = serde_json::from_value(model.pricing.clone()).unwrap();
        let mut back = serde_json::to_value(&pricing).unwrap();
        back["currency"] = json!("USD");
        let as_float = |v: &Value| -> BTreeMap<String, String> {
            let flat = |v: &Value| v.to_string().replace(".0,", ",").replace(".0}", "}").replace(".0]", "]");
            v.as_object().unwrap().iter().map(|(k, v)| (k.clone(), flat(&json!([sorted(v)])))).collect()
        };
        assert_eq!(as_float(&back), as_float(&model.pricing), "{}", model.model_id);
    }
    let price = |id: &str, usage| serde_json::from_value::<Pricing>(model(id).pricing).unwrap().cost_micro_usd(&usage);
    // gpt-4o: 2.5 and 10 per million, 1.25 cached.
    let usage = TokenCounts { input: 1_000, cached: 400, cache_write: 0, output: 200 };
    assert_eq!(price("gpt-4o", usage), 1_500 + 500 + 2_000);
    // claude-haiku-5-5 above 100,000 tokens: 0.5 and 2.5.
    let long = TokenCounts { input: 100_002, cached: 0, cache_write: 0, output: 4 };
    assert_eq!(price("claude-haiku-5-5", long), 50_001 + 10);
}

/// Maps in one order, so that they compare as text.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            json!(fields.iter().map(|(k, v)| (k, sorted(v))).collect::<BTreeMap<_, _>>())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[test]
fn mappings_are_complete() {
    let mut seen = 0;
    for model in shipped().catalogue.models {
        let mapping = &model.payload_mapping;
        if *mapping == json!({}) {
            continue;
        }
        seen += 1;
        for part in ["endpoint", "method", "headers", "body", "response_mapping"] {
            assert!(!mapping[part].is_null(), "{} has no {part}", model.model_id);
        }
        let text = mapping.to_string();
        assert!(!text.contains("{model}"), "{}", model.model_id);
        assert!(text.contains(&model.upstream_model) || model.provider_id == "shotstack", "{}", model.model_id);
        for path in mapping["response_mapping"].as_object().unwrap().values() {
            assert!(path.as_str().unwrap().starts_with('$'), "{}", model.model_id);
        }
    }
    assert!(seen > 60);
    assert_eq!(model("dall-e-2").payload_mapping["defaults"]["size"], "512x512");
    assert_eq!(
        model("gpt-4o").payload_mapping["body"]["messages"],
        json!([{"role": "user", "content": "{user_prompt}"}])
    );
    assert_eq!(model("claude-3-haiku").payload_mapping["response_mapping"]["text"], "$.content[0].text");
}

#[test]
fn classifications_can_be_used_and_spell_out_the_first_group() {
    use crate::services::classify::{Rules, TaskType, check_pattern, classify};
    let rows = shipped().classifications;
    for row in &rows {
        assert_eq!(check_pattern(&row.pattern_type, &row.pattern), Ok(()), "{}", row.id);
    }
    let rules = Rules::new(rows, Vec::new());
    let matched = |task_type: TaskType, query: &str| {
        let why = classify(&rules, query, None).why;
        why.iter().any(|reason| reason.task_type == task_type && reason.rule.is_some())
    };
    for (task_type, words) in [
        (TaskType::Text, "write, compose, draft, create a text, explain, describe, summarize, generate some text"),
        (
            TaskType::Image,
            "draw, paint, sketch, illustrate, picture, image, photo, photograph, generate an image, create an image, make an image",
        ),
        (TaskType::Audio, "speak, say, narrate, voice, read this aloud, text-to-speech, tts, audio"),
        (TaskType::Video, "render, video, animation, animate, movie, clip"),
        (TaskType::Context, "from the context, in the codebase, search the docs, look it up, find it in"),
    ] {
        for word in words.split(", ") {
            assert!(matched(task_type, &format!("please {word}")), "{task_type}: {word}");
        }
    }
    assert!(!matched(TaskType::Context, "finding joy"));
    assert!(!matched(TaskType::Audio, "how many watts"));
}

#[test]
fn credential_rules_say_how_and_where() {
    for provider in shipped().catalogue.providers {
        assert!(!provider.base_url.ends_with('/'));
        if provider.credential == json!({}) {
            assert!(provider.base_url.starts_with("http://localhost:"), "{}", provider.id);
            continue;
        }
        assert!(provider.credential["header"].is_string());
        assert!(provider.credential["prefix"].is_string());
        assert!(provider.credential["env"].as_array().is_some_and(|names| !names.is_empty()));
        assert!(provider.base_url.starts_with("https://"));
    }
}
