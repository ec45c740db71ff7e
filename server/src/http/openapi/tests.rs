use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::{
    http::facts,
    services::{
        gateway::Facts,
        limits::{Period, Room, Standing, Warning},
    },
};

fn operations(document: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    })
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let served: BTreeSet<_> =
        routes::listed().into_iter().map(|(method, path)| format!("{method} {}", path.replace("{*", "{"))).collect();
    let described: BTreeSet<_> =
        described().into_iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect();
    assert_eq!(served, described);
    let document: BTreeSet<_> = operations(&DOCUMENT).map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(document, described);
}

#[test]
fn references_lead_somewhere_and_everything_is_used() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(&DOCUMENT, &mut found);
    for reference in &found {
        assert!(DOCUMENT.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
    for kind in ["schemas", "parameters", "headers"] {
        for name in DOCUMENT["components"][kind].as_object().unwrap().keys() {
            assert!(found.contains(format!("#/components/{kind}/{name}").as_str()), "{kind}/{name} is used nowhere");
        }
    }
}

#[test]
fn an_operation_says_everything() {
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&DOCUMENT) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}: its id is taken");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
        // What needs a key says what happens without one.
        assert_eq!(operation["security"].is_null(), answers.contains_key("401"), "{method} {path}");
        let written = path.matches('{').count();
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let resolved = parameters.iter().map(|p| DOCUMENT.pointer(&p["$ref"].as_str().unwrap()[1..]).unwrap());
        assert_eq!(resolved.filter(|parameter| parameter["in"] == "path").count(), written, "{method} {path}");
    }
}

#[test]
fn errors_of_every_status_have_an_example() {
    for (method, path, operation) in operations(&DOCUMENT) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let has_examples = answer["content"]["application/json"]["examples"].is_object();
            // Only a provider makes these two, out of what it answered itself.
            let is_passed_on = matches!(status.as_str(), "409" | "422");
            assert!(status.starts_with('2') || has_examples || is_passed_on, "{method} {path} {status}");
        }
    }
}

#[test]
fn the_headers_of_an_answer_are_those_that_are_sent() {
    let room = Room { limit: 3, left: 2, next_s: 1 };
    let facts = Facts {
        model: "m".into(),
        provider: "p".into(),
        simulated: true,
        attempts: 1,
        overhead: std::time::Duration::from_micros(5),
        cost_micro_usd: 7,
        usage: Default::default(),
        dropped: vec!["seed"],
        standing: Box::new(Standing {
            requests: Some(room),
            tokens: Some(room),
            warning: Some(Warning {
                limit_id: "l".into(),
                period: Period::Day,
                spent_micro_usd: 1,
                budget_micro_usd: 1,
            }),
        }),
    };
    for (names, is_complete) in [(shared::WHOLE, true), (shared::STREAM, false)] {
        let mut headers = HeaderMap::new();
        facts::add_headers(&mut headers, &facts, is_complete);
        let added = headers.len();
        facts::add_openai_limits(&mut headers, &facts.standing);
        assert_eq!(headers.len() - added, shared::OPENAI_LIMITS.len());
        assert!(shared::OPENAI_LIMITS.iter().all(|name| headers.remove(*name).is_some()));
        facts::add_service_limits(&mut headers, &facts.standing, 0, 1);
        assert!(shared::SERVICE_LIMITS.iter().all(|name| headers.remove(*name).is_some()));
        let sent: BTreeSet<_> = headers.keys().map(|name| name.as_str()).chain(["x-request-id"]).collect();
        assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), sent);
    }
}

#[test]
fn the_document_is_as_it_was() {
    let mut document = DOCUMENT.clone();
    // What can be configured is drawn from one description each: one of them stands for all.
    let paths = document["paths"].as_object_mut().unwrap();
    paths.retain(|path, _| !path.starts_with("/config/") || path.starts_with("/config/project"));
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for thing in app::types::config::THINGS.iter().filter(|thing| thing.kind != "project") {
        schemas.remove(&config::pascal(thing.kind)).unwrap();
    }
    insta::assert_json_snapshot!(document, { ".info.version" => "[version]" });
}

#[test]
fn the_page_shows_all_of_it() {
    let page = page::page(&DOCUMENT, "https://ai.example.org", page::theme("a=b; theme=dark"));
    assert!(page.contains("<html lang=\"en\" data-theme=\"dark\">"), "the theme of the cookie");
    let values = |before: &str| -> BTreeSet<String> {
        page.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    let (ids, links) = (values("id=\""), values("href=\"#"));
    for (method, path, operation) in operations(&DOCUMENT) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.contains(id) && links.contains(id), "{method} {path}");
        for status in operation["responses"].as_object().unwrap().keys() {
            assert!(ids.contains(&format!("{id}-{status}")), "{method} {path} {status}");
        }
    }
    for name in DOCUMENT["components"]["schemas"].as_object().unwrap().keys() {
        assert!(ids.contains(&format!("schema-{name}")), "{name}");
    }
    assert!(page.contains("curl https://ai.example.org/v1/chat/completions"));
    // Nothing from elsewhere, and every link within the page leads somewhere.
    assert!(!page.contains("src=\"http") && !page.contains("@import") && !page.contains("url("));
    for target in &links {
        assert!(ids.contains(target), "#{target} leads nowhere");
    }
}

#[test]
fn a_theme_is_one_of_three() {
    for (cookies, theme) in
        [("theme=dark", "dark"), ("x=1; theme=light", "light"), ("theme=\"><script>", "system"), ("", "system")]
    {
        assert_eq!(page::theme(cookies), theme);
    }
}
