//! From what happened to the event and its line in the activity feed.

use serde_json::{Value, json};

use crate::{
    clock::Clock,
    store::{
        events::{EventRow, FeedRow, NewEvent},
        rows::without_nul,
    },
};

/// Longest text that a variable of a sentence takes.
const LONGEST: usize = 300;

/// What happened, to whom.
pub struct Draft<'a> {
    /// `request.created`, …; others are kept without a line in the feed.
    pub action: &'a str,
    pub org_id: &'a str,
    /// The instance, for the platform's own events.
    pub tenant_id: &'a str,
    pub user_id: Option<&'a str>,
    /// Type and id of what it happened to.
    pub eventable: (&'a str, &'a str),
    /// An object; its members are the variables of the feed's sentence.
    pub particulars: Value,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

/// The event of this moment, with its line in the feed if its action has one.
pub fn build(clock: &Clock, draft: Draft<'_>) -> NewEvent {
    let text = |text: &str| without_nul(text).into_owned();
    let event = EventRow {
        id: clock.new_id().to_string(),
        seq: None,
        org_id: text(draft.org_id),
        tenant_id: text(draft.tenant_id),
        user_id: draft.user_id.map(text),
        action: text(draft.action),
        eventable_type: text(draft.eventable.0),
        eventable_id: text(draft.eventable.1),
        particulars: storable(draft.particulars),
        ip_address: draft.ip_address.as_deref().map(text),
        user_agent: draft.user_agent.as_deref().map(text),
        created_us: clock.now_us(),
    };
    let feed = sentence(&event.action).map(|(title, icon, description)| FeedRow {
        id: clock.new_id().to_string(),
        org_id: event.org_id.clone(),
        tenant_id: event.tenant_id.clone(),
        user_id: event.user_id.clone(),
        event_id: event.id.clone(),
        feed_type: if event.user_id.is_some() { "user" } else { "global" }.to_owned(),
        title: title.to_owned(),
        description: filled(description, &event),
        icon: icon.to_owned(),
        link: page(&event.eventable_type).map(|page| format!("admin/{page}/{}", event.eventable_id)),
        metadata: json!({ "action": event.action, "eventable_type": event.eventable_type }),
        is_read: false,
        created_us: event.created_us,
    });
    NewEvent { event, feed }
}

/// JSON as both databases can keep it: Postgres takes no NUL.
pub fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(without_nul(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(name, value)| (without_nul(&name).into_owned(), storable(value))).collect(),
        ),
        value => value,
    }
}

/// Title, icon and description of an action's line.
fn sentence(action: &str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match action {
        "request.created" => ("New request submitted", "plus-circle", "A new {eventable_type} request was created"),
        "request.queued" => ("Request queued", "clock", "Request was added to the queue"),
        "request.processing" => ("Processing started", "loader", "Request is being processed"),
        "request.completed" => ("Request completed", "check-circle", "Request was successfully completed"),
        "request.failed" => ("Request failed", "x-circle", "Request failed: {error}"),
        "request.cancelled" => ("Request cancelled", "slash", "Request was cancelled"),
        "deliverable.created" => ("Deliverable created", "package", "A new deliverable was created"),
        "deliverable.approved" => ("Deliverable approved", "check", "Deliverable was approved"),
        "deliverable.rejected" => ("Deliverable rejected", "x", "Deliverable was rejected"),
        "deliverable.delivered" => ("Deliverable delivered", "send", "Deliverable was delivered"),
        "generation.started" => ("Generation started", "play", "{provider} {task_type} generation started"),
        "generation.completed" => {
            ("Generation completed", "check-circle", "{provider} generation completed in {duration}ms")
        }
        "generation.failed" => ("Generation failed", "alert-circle", "{provider} generation failed: {error}"),
        "model_config.created" => ("Model added", "plus", "A new model was added: {model_name}"),
        "model_config.updated" => ("Model updated", "edit", "A model was updated: {model_name}"),
        "model_config.deleted" => ("Model removed", "trash", "A model was removed: {model_name}"),
        "model_config.activated" => ("Model activated", "toggle-right", "A model was activated: {model_name}"),
        "model_config.deprecated" => ("Model deprecated", "alert-triangle", "A model was deprecated: {model_name}"),
        "user.login" => ("User logged in", "log-in", "User signed in from {ip_address}"),
        "user.logout" => ("User logged out", "log-out", "User signed out"),
        "api_key.created" => ("API key created", "key", "A new API key was created"),
        "api_key.revoked" => ("API key revoked", "key", "An API key was revoked"),
        "system.rate_limit_hit" => ("Rate limit reached", "alert-octagon", "Rate limit hit for {provider}"),
        "system.error" => ("System error", "alert-triangle", "An error occurred: {error}"),
        _ => return None,
    })
}

/// The console's page of a type of thing.
fn page(eventable_type: &str) -> Option<&'static str> {
    Some(match eventable_type {
        "request" => "requests",
        "deliverable" => "deliverables",
        "model_config" => "models",
        "user" => "users",
        "instance" => "instances",
        _ => return None,
    })
}

/// `{name}` becomes what the event or its particulars say; what they do not say stays.
fn filled(template: &str, event: &EventRow) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = &rest[before.len()..];
            break;
        };
        match variable(name, event) {
            Some(value) => out.push_str(&value),
            None => out.extend(["{", name, "}"]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn variable(name: &str, event: &EventRow) -> Option<String> {
    let own = match name {
        "id" => Some(event.id.as_str()),
        "tenant_id" => Some(event.tenant_id.as_str()),
        "user_id" => event.user_id.as_deref(),
        "action" => Some(event.action.as_str()),
        "eventable_type" => Some(event.eventable_type.as_str()),
        "eventable_id" => Some(event.eventable_id.as_str()),
        "ip_address" => event.ip_address.as_deref(),
        "user_agent" => event.user_agent.as_deref(),
        _ => None,
    };
    let value = match (own, event.particulars.get(name)) {
        (Some(own), _) => own.to_owned(),
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(Value::Null) | None) => return None,
        (None, Some(other)) => other.to_string(),
    };
    Some(match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(action: &str, eventable: (&str, &str), particulars: Value) -> NewEvent {
        let draft = Draft {
            action,
            org_id: "org",
            tenant_id: "production",
            user_id: None,
            eventable,
            particulars,
            ip_address: Some("192.0.2.1".to_owned()),
            user_agent: None,
        };
        build(&Clock::fixed(1_795_132_800_000_000), draft)
    }

    fn line(action: &str, particulars: Value) -> (String, String, String) {
        let feed = made(action, ("request", "r1"), particulars).feed.unwrap();
        (feed.title, feed.icon, feed.description)
    }

    #[test]
    fn the_feed_speaks_in_sentences() {
        let cases = [
            ("request.created", json!({}), "New request submitted|plus-circle|A new request request was created"),
            ("request.failed", json!({ "error": "no" }), "Request failed|x-circle|Request failed: no"),
            (
                "generation.completed",
                json!({ "provider": "openai", "duration": 12 }),
                "Generation completed|check-circle|openai generation completed in 12ms",
            ),
            (
                "generation.started",
                json!({ "provider": "fal", "task_type": "image" }),
                "Generation started|play|fal image generation started",
            ),
            ("user.login", json!({}), "User logged in|log-in|User signed in from 192.0.2.1"),
            (
                "system.rate_limit_hit",
                json!({ "provider": null }),
                "Rate limit reached|alert-octagon|Rate limit hit for {provider}",
            ),
            ("system.error", json!({}), "System error|alert-triangle|An error occurred: {error}"),
            (
                "model_config.deprecated",
                json!({ "model_name": "m" }),
                "Model deprecated|alert-triangle|A model was deprecated: m",
            ),
        ];
        for (action, particulars, expected) in cases {
            let (title, icon, description) = line(action, particulars);
            assert_eq!(format!("{title}|{icon}|{description}"), expected);
        }
    }

    #[test]
    fn every_action_of_the_contract_has_its_line_or_none() {
        let with = [
            ("request", "created queued processing completed failed cancelled"),
            ("deliverable", "created approved rejected delivered"),
            ("generation", "started completed failed"),
            ("model_config", "created updated deleted activated deprecated"),
            ("user", "login logout"),
            ("api_key", "created revoked"),
            ("system", "rate_limit_hit error"),
        ];
        for (subject, verbs) in with {
            for verb in verbs.split(' ') {
                assert!(
                    made(&format!("{subject}.{verb}"), ("request", "1"), json!({})).feed.is_some(),
                    "{subject}.{verb}"
                );
            }
        }
        for action in ["user.created", "user.updated", "user.deleted", "system.health_check", "invoice.paid"] {
            assert_eq!(made(action, ("user", "1"), json!({})).feed, None);
        }
    }

    #[test]
    fn links_lead_to_the_pages_of_five_types() {
        let link = |kind| made("request.created", (kind, "7"), json!({})).feed.unwrap().link;
        assert_eq!(link("model_config").as_deref(), Some("admin/models/7"));
        assert_eq!(link("request").as_deref(), Some("admin/requests/7"));
        assert_eq!(link("deliverable").as_deref(), Some("admin/deliverables/7"));
        assert_eq!(link("user").as_deref(), Some("admin/users/7"));
        assert_eq!(link("instance").as_deref(), Some("admin/instances/7"));
        assert_eq!(link("project"), None);
    }

    #[test]
    fn what_cannot_be_stored_is_replaced_and_long_variables_are_cut() {
        let new =
            made("request.failed", ("request", "a\0b"), json!({ "error": "x\0".repeat(400), "n\0": [{ "k": "\0" }] }));
        assert!(!json!(new.event).to_string().contains("\\u0000"));
        let description = new.feed.unwrap().description;
        assert!(description.ends_with('…') && description.chars().count() < 330, "{description}");
        assert_eq!(filled("a {b", &new.event), "a {b");
    }
}
