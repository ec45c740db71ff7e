//! Lists: pages, order, search, filters.

use serde_json::{Value, json};

use super::{data, failure, get, post};
use crate::support::{Database, TestApp, on_both};

on_both!(pages_follow_each_other, lists_are_narrowed, what_means_nothing_is_said);

fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// The address in a `Link` header.
fn next(answer: &crate::support::Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    let address = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(address.to_owned())
}

async fn pages_follow_each_other(database: Database) {
    let app = TestApp::start(&database).await;
    for name in ["delta", "Alpha", "charlie", "bravo"] {
        data(post(&app, "/config/project", &json!({"instance_id": "production", "name": name})).await);
    }
    for (query, expected) in [
        ("", vec!["bravo", "charlie", "Alpha", "delta", "Default"]),
        ("sort=name&", vec!["Alpha", "Default", "bravo", "charlie", "delta"]),
        ("sort=-name&", vec!["delta", "charlie", "bravo", "Default", "Alpha"]),
        ("sort=created_at&", vec!["Default", "delta", "Alpha", "charlie", "bravo"]),
    ] {
        let whole = data(get(&app, &format!("/config/project?{query}instance_id=production")).await);
        let mut found = Vec::new();
        let mut path = Some(format!("/config/project?{query}instance_id=production&limit=2"));
        while let Some(page) = path {
            let answer = get(&app, &page).await.ok();
            found.extend(answer.body["data"].as_array().unwrap().clone());
            path = next(&answer);
        }
        assert_eq!(json!(found), whole, "{query}");
        let rest: Vec<_> =
            names(&whole).into_iter().filter(|name| expected.contains(name)).map(str::to_owned).collect();
        assert_eq!(rest.len(), whole.as_array().unwrap().len(), "{query}: {rest:?}");
        assert_eq!(rest, expected, "{query}");
    }
    let bad = get(&app, "/config/project?limit=2&after=nonsense").await;
    assert_eq!(failure(bad, 400), "after is not the end of a page of this list");
    for limit in ["0", "-1", "many", "1001"] {
        let answer = get(&app, &format!("/config/project?limit={limit}")).await;
        assert_eq!(failure(answer, 400), "limit must be a number from 1 to 1000");
    }
}

async fn lists_are_narrowed(database: Database) {
    let app = TestApp::start(&database).await;
    for name in ["100% wool", "Wool_mix", "cotton"] {
        data(post(&app, "/config/project", &json!({"instance_id": "production", "name": name})).await);
    }
    for (query, found) in [
        ("search=WOOL", vec!["Wool_mix", "100% wool"]),
        ("search=0%25", vec!["100% wool"]),
        ("search=l_m", vec!["Wool_mix"]),
        ("name=cotton&name=Wool_mix", vec!["cotton", "Wool_mix"]),
        ("name=cotton&instance_id=development", vec![]),
        ("search='%20OR%201=1%20--", vec![]),
    ] {
        assert_eq!(names(&data(get(&app, &format!("/config/project?{query}")).await)), found, "{query}");
    }
    assert_eq!(data(get(&app, "/config/project?description=null&name=cotton").await).as_array().unwrap().len(), 1);
    assert_eq!(failure(get(&app, "/config/project?sort=config").await, 400), "cannot sort by \"config\"");
    assert_eq!(failure(get(&app, "/config/user?is_active=maybe").await, 400), "\"maybe\" is not a value of is_active");
}

async fn what_means_nothing_is_said(database: Database) {
    let app = TestApp::start(&database).await;
    let answer = get(&app, "/config/project?organisation=x").await.ok();
    assert_eq!(answer.header("x-de-warning"), "unknown parameters were ignored: organisation");
    let body = json!({"instance_id": "production", "name": "x", "colour": 1, "größe": 2});
    let answer = post(&app, "/config/project", &body).await.ok();
    assert_eq!(answer.header("x-de-warning"), "unknown fields were ignored: colour, gr\\u{f6}\\u{df}e");
    let strict = super::request(&app, "POST".parse().unwrap(), "/config/project")
        .header("prefer", "respond-async, handling=strict")
        .json(&body);
    assert_eq!(failure(crate::support::answer(strict).await, 400), "Unknown fields: colour, größe");
}
