use app::types::Role;
use proptest::prelude::*;

use super::*;
use crate::{
    services::{
        catalog::{Instance, Level, Snapshot},
        identity::Caller,
    },
    store::rules::{ClassificationRow, RoutingRuleRow},
};

fn row(id: &str, kind: &str, pattern: &str, task_type: &str, priority: i64, boost: f64) -> ClassificationRow {
    ClassificationRow {
        id: id.into(),
        pattern: pattern.into(),
        pattern_type: kind.into(),
        task_type: task_type.into(),
        confidence_boost: boost,
        priority,
        is_active: true,
        created_us: 0,
    }
}

fn found(rules: &Rules, query: &str) -> (TaskType, Option<&'static str>, f64) {
    let found = classify(rules, query, None);
    (found.task_type, found.subtask, (found.confidence * 100.0).round() / 100.0)
}

#[test]
fn the_words_decide_without_any_rule() {
    use super::TaskType::{Audio, Context, Image, Text, Video};
    let rules = Rules::default();
    for (query, task_type, subtask, confidence) in [
        ("Draw a cartoon of a dog", Image, Some("illustration"), 0.33),
        ("Give me a quick answer", Text, Some("fast"), 0.33),
        ("Hello", Text, None, 0.5),
        ("", Text, None, 0.5),
        ("   ", Text, None, 0.5),
        ("DRAW A VISUAL", Image, None, 0.67),
        ("Summarize and review this thorough paper", Text, Some("detailed"), 0.67),
        ("Narrate this and convert it to audio", Audio, None, 0.67),
        ("Create a video clip", Video, None, 0.67),
        ("Look it up and query the cache", Context, None, 0.67),
        // One point each: the earlier type.
        ("Write a description of the image", Text, None, 0.33),
        ("Render the image", Image, None, 0.67),
        ("a picture or a movie", Image, None, 0.33),
        // Whole words only.
        ("withdrawing funds from watts", Text, None, 0.5),
    ] {
        assert_eq!(found(&rules, query), (task_type, subtask, confidence), "{query}");
    }
}

#[test]
fn what_the_caller_says_is_kept() {
    let said = classify(&Rules::default(), "Draw a photo of a logo", Some(TaskType::Video));
    assert_eq!((said.task_type, said.subtask, said.confidence), (TaskType::Video, None, 1.0));
    let said = classify(&Rules::default(), "Draw a realistic logo", Some(TaskType::Image));
    assert_eq!((said.subtask, said.confidence), (Some("photo-realistic"), 1.0));
}

#[test]
fn rules_count_as_the_first_group_and_add_their_boost() {
    let rules = Rules::new(
        vec![
            row("low", "keyword", "poster| Flyer |c++", "image", 1, 0.0),
            row("high", "regex", r"A\d+ POSTER", "image", 9, 0.5),
            row("clip", "keyword", "trailer", "video", 0, 2.0),
            row("broken", "regex", "(open", "audio", 99, 9.0),
            row("alien", "keyword", "poster", "sculpture", 99, 9.0),
            ClassificationRow { is_active: false, ..row("off", "keyword", "poster", "audio", 99, 9.0) },
        ],
        Vec::new(),
    );
    assert_eq!(found(&rules, "a flyer"), (TaskType::Image, None, 0.33));
    assert_eq!(found(&rules, "write c++ now").0, TaskType::Text, "a tie goes to the earlier type");
    assert_eq!(found(&rules, "c++"), (TaskType::Image, None, 0.33));
    assert_eq!(found(&rules, "c++x").0, TaskType::Text);
    assert_eq!(found(&rules, "flyers").2, 0.5, "whole words");
    // The built-in words and several rules make one point, and each boost counts.
    assert_eq!(found(&rules, "draw an a4 poster"), (TaskType::Image, None, 0.5));
    assert_eq!(found(&rules, "write about the trailer"), (TaskType::Video, None, 1.0));
    let why = classify(&rules, "an A4 poster", None).why;
    let ids: Vec<_> = why.iter().map(|reason| reason.rule.as_deref().unwrap()).collect();
    assert_eq!(ids, ["high", "low"], "in the order of priority");
    assert_eq!(why.iter().map(|reason| reason.points).sum::<f64>(), 1.5);
}

#[test]
fn a_rule_can_take_a_word_away() {
    let rules = Rules::new(vec![row("no", "keyword", "voice", "audio", 0, -1.0)], Vec::new());
    assert_eq!(found(&rules, "the voice of reason"), (TaskType::Text, None, 0.5));
}

#[test]
fn patterns_are_checked() {
    for (kind, pattern, problem) in [
        ("keyword", "a|b", None),
        ("keyword", "a||b", Some("words separated by |")),
        ("keyword", "(open", None),
        ("regex", "(open", Some("not a regular expression")),
        ("regex", r"(\w{1000}){1000}", Some("not a regular expression")),
        ("ml_label", "poster", None),
        ("ml_label", " ", Some("a label of")),
        ("glob", "*", Some("none of the kinds")),
    ] {
        match (check_pattern(kind, pattern), problem) {
            (Ok(()), None) => {}
            (Err(told), Some(problem)) => assert!(told.contains(problem), "{told}"),
            (told, _) => panic!("{kind} {pattern}: {told:?}"),
        }
    }
}

/// Somebody who may use everything.
fn caller() -> Caller {
    let instance = Instance {
        id: "here".into(),
        org_id: "org".into(),
        name: "Here".into(),
        store_contents: false,
        content_retention_days: 1,
        created_us: 0,
        config: serde_json::Value::Null,
    };
    Caller {
        org_id: "org".into(),
        level: Level::User,
        instance: instance.into(),
        user_id: None,
        user: None,
        project_id: None,
        key_id: None,
        key_name: None,
        role: Role::User,
        scopes: None,
        allowed_models: None,
    }
}

fn rule(subtask: Option<&str>, provider: &str, weight: i64, is_default: bool) -> RoutingRuleRow {
    RoutingRuleRow {
        id: String::new(),
        task_type: "text".into(),
        subtask: subtask.map(Into::into),
        provider: provider.into(),
        model: format!("{provider}-model"),
        weight,
        cost_tier: None,
        quality_tier: None,
        is_default,
        is_active: true,
        created_us: 0,
        updated_us: 0,
    }
}

fn decide(rows: Vec<RoutingRuleRow>, ask: &Ask<'_>, fraction: f64) -> Result<Route, NoRoute> {
    let snapshot = Snapshot { rules: Rules::new(Vec::new(), rows), ..Snapshot::default() };
    route(&snapshot, &caller(), ask, fraction)
}

#[test]
fn rules_of_the_subtask_come_first_then_defaults_then_the_others() {
    let rows = || vec![rule(None, "a", 100, true), rule(Some("fast"), "b", 100, false), rule(None, "c", 50, false)];
    let of = |subtask| {
        let route = decide(rows(), &Ask::new(TaskType::Text, subtask), 0.5).unwrap();
        let rest: Vec<String> = route.alternatives.into_iter().map(|choice| choice.provider).collect();
        (route.provider, rest.join(" "))
    };
    assert_eq!(of(Some("fast")), ("b".into(), "a c".into()));
    assert_eq!(of(Some("code")), ("a".into(), "c".into()));
    assert_eq!(of(None), ("a".into(), "c".into()));
    let only = decide(vec![rule(None, "c", 50, false)], &Ask::new(TaskType::Text, None), 0.5).unwrap();
    assert_eq!(only.provider, "c", "better than nobody");
    let off = RoutingRuleRow { is_active: false, ..rule(None, "a", 1, true) };
    for rows in [vec![], vec![off]] {
        let nobody = decide(rows, &Ask::new(TaskType::Text, None), 0.5).unwrap_err();
        assert_eq!(nobody.to_string(), "no active routing rule says who does text");
    }
    assert!(decide(rows(), &Ask::new(TaskType::Image, None), 0.5).is_err());
}

#[test]
fn weights_decide_between_equals() {
    let rows = || vec![rule(None, "a", 1, true), rule(None, "b", 3, true), rule(None, "z", 0, true)];
    let at = |fraction| decide(rows(), &Ask::new(TaskType::Text, None), fraction).unwrap();
    for (fraction, provider) in [(0.0, "b"), (0.74, "b"), (0.76, "a"), (0.999, "a")] {
        assert_eq!(at(fraction).provider, provider, "{fraction}");
    }
    assert!(at(0.0).why.contains("by weight among 3 (75 %)"), "{}", at(0.0).why);
    assert_eq!(at(0.9).alternatives.len(), 2);
    assert_eq!(decide(vec![rule(None, "z", 0, true)], &Ask::new(TaskType::Text, None), 0.5).unwrap().provider, "z");
}

#[test]
fn tiers_are_preferred_where_there_are_any() {
    let tiered = |row: RoutingRuleRow, cost: &str, quality: &str| RoutingRuleRow {
        cost_tier: Some(cost.into()),
        quality_tier: Some(quality.into()),
        ..row
    };
    let rows = || {
        vec![
            tiered(rule(None, "a", 100, true), "medium", "premium"),
            tiered(rule(Some("fast"), "b", 100, false), "low", "standard"),
            tiered(rule(None, "c", 50, false), "high", "premium"),
        ]
    };
    let wish = |cost, quality| {
        let ask = Ask { cost_tier: cost, quality_tier: quality, ..Ask::new(TaskType::Text, None) };
        decide(rows(), &ask, 0.5).unwrap()
    };
    assert_eq!(wish(Some("low"), None).provider, "b");
    assert_eq!(wish(Some("high"), Some("premium")).provider, "c");
    assert_eq!(wish(None, Some("premium")).provider, "a");
    let none = wish(Some("low"), Some("premium"));
    assert_eq!(none.provider, "a");
    assert!(none.why.ends_with("no rule has low cost and premium quality."), "{}", none.why);
}

#[test]
fn what_the_caller_names_is_kept_in_routing() {
    let rows = || vec![rule(None, "a", 100, true), rule(Some("fast"), "b", 100, false), rule(None, "b", 50, false)];
    let name = |provider, model| {
        let ask = Ask { provider, model, ..Ask::new(TaskType::Text, None) };
        decide(rows(), &ask, 0.5).map(|route| (route.provider, route.model, route.alternatives.len()))
    };
    assert_eq!(name(Some("x"), Some("y")).unwrap(), ("x".into(), "y".into(), 0));
    assert_eq!(name(Some("b"), None).unwrap(), ("b".into(), "b-model".into(), 0));
    assert_eq!(name(Some("acme-worker"), None).unwrap(), ("acme-worker".into(), "default".into(), 0));
    assert_eq!(name(None, Some("a-model")).unwrap(), ("a".into(), "a-model".into(), 0));
    assert!(matches!(name(None, Some("nothing")), Err(NoRoute::Model(_))));
}

proptest! {
    #[test]
    fn no_request_panics_and_an_explicit_type_is_kept(
        query in "(\\PC|\n|draw|photo|find|in|tts|create|video){0,40}",
        times in 1usize..2_000,
        pattern in "\\PC{0,12}",
        boost in any::<f64>(),
        said in prop::option::of(prop::sample::select(TaskType::ALL.to_vec())),
    ) {
        let kinds = ["keyword", "regex", "ml_label"].map(|kind| row(kind, kind, &pattern, "audio", 0, boost));
        let rules = Rules::new(kinds.to_vec(), Vec::new());
        let found = classify(&rules, &query.repeat(times), said);
        prop_assert!((0.0..=1.0).contains(&found.confidence));
        prop_assert!(!found.why.is_empty());
        if let Some(said) = said {
            prop_assert_eq!((found.task_type, found.confidence), (said, 1.0));
        }
    }

    #[test]
    fn a_route_keeps_what_is_named_and_lists_others_once(
        rows in prop::collection::vec(
            (prop::option::of(prop::sample::select(vec!["fast", "code"])), 0usize..4, -5i64..200, any::<bool>()), 0..8),
        subtask in prop::option::of(prop::sample::select(vec!["fast", "code", "creative"])),
        provider in prop::option::of(prop::sample::select(vec!["p0", "p1", "p9"])),
        model in prop::option::of(prop::sample::select(vec!["p0-model", "p1-model"])),
        tier in prop::option::of(prop::sample::select(vec!["low", "high"])),
        fraction in 0.0f64..1.0,
    ) {
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(subtask, place, weight, is_default)| rule(subtask, &format!("p{place}"), weight, is_default))
            .collect();
        let some = rows.iter().any(|row| row.subtask.is_none() || row.is_default);
        let ask = Ask { provider, model, cost_tier: tier, ..Ask::new(TaskType::Text, subtask) };
        match decide(rows, &ask, fraction) {
            Ok(route) => {
                prop_assert!(provider.is_none_or(|name| route.provider == name));
                prop_assert!(model.is_none_or(|name| route.model == name));
                prop_assert!(!route.why.is_empty());
                let mut all: Vec<_> =
                    route.alternatives.iter().map(|choice| (choice.provider.clone(), choice.model.clone())).collect();
                all.push((route.provider, route.model));
                let count = all.len();
                all.sort();
                all.dedup();
                prop_assert_eq!(all.len(), count, "each once");
            }
            Err(NoRoute::NoRule(_)) => prop_assert!(!some && provider.is_none() && model.is_none()),
            Err(NoRoute::Model(_)) => prop_assert!(provider.is_none() && model.is_some()),
        }
    }
}
