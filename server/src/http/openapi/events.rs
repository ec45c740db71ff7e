//! Events and the activity feed.

use serde_json::json;

use super::{
    CONFIG,
    build::{Answer, Operation, Schema, boolean, integer, list, named, object, string, words},
    config::{envelope, failures},
    shared,
};

const REFUSALS: &[u16] = &[400, 401, 403, 503];

pub fn operations() -> Vec<Operation> {
    let found =
        |about: &str, schema: Schema| Answer::new(200, about).headers(shared::ALWAYS).json(envelope(schema), &[]);
    let event = json!({
        "id": "019b7600-0000-7000-8000-000000000001", "tenant_id": "development", "user_id": null,
        "action": "request.completed", "eventable_type": "request", "eventable_id": "019b7600-0000-7000-8000-000000000002",
        "particulars": { "provider": "openai", "duration": 1_204 }, "ip_address": null, "user_agent": null,
        "created_at": "2026-01-01T00:00:00.000000Z",
    });
    let posted = json!({
        "tenant_id": "development", "action": "request.created", "eventable_type": "request", "eventable_id": "r-1",
        "particulars": { "source": "shop" },
    });
    vec![
        Operation::post("/config/events", "postEvent", CONFIG)
            .about(
                "Tell of an event",
                "The platform tells of its own by itself. Tenant, user and thing may have any names; a tenant that is an \
                 instance needs the level `user` in it. Actions that the feed has a sentence for get a line there.",
            )
            .takes(named("NewEvent"), &[("an event", posted)])
            .answers([found("It is written.", named("Event"))])
            .answers(failures(&[400, 401, 403, 413, 503])),
        Operation::get("/config/events/stats", "countEvents", CONFIG)
            .about("How many events of each action", "Of one tenant, since a time or ever.")
            .parameters(&["tenant", "since"])
            .answers([found("The counts.", named("EventCounts"))])
            .answers(failures(REFUSALS)),
        Operation::get("/config/events/stream", "followEvents", CONFIG)
            .about(
                "Events as they happen",
                "Server-sent events in the order in which they became visible, from now on or after `Last-Event-ID`: none \
                 is left out and none comes twice, however often the stream is interrupted.",
            )
            .parameters(&["tenantFilter", "eventAction", "eventableType", "eventableId", "lastSeq"])
            .answers([Answer::new(200, "Events.").headers(shared::ALWAYS).events(
                named("Event"),
                "Server-sent events of the type `event`. Lines that begin with a colon keep a silent connection alive.",
                &format!("id: 1204\nevent: event\ndata: {event}\n\n"),
            )])
            .answers(failures(REFUSALS)),
        Operation::get("/config/events/{type}/{id}", "eventsOf", CONFIG)
            .about("What happened to one thing", "Newest first.")
            .parameters(&["typeOfPath", "idOfPath", "pageLimit", "offset"])
            .answers([found("Its events.", list(named("Event")))])
            .answers(failures(REFUSALS)),
        Operation::get("/config/activity", "activity", CONFIG)
            .about("The activity feed", "What happened, in sentences, newest first.")
            .parameters(&["tenant", "feedType", "feedUser", "unreadOnly", "pageLimit", "offset"])
            .answers([found("Lines of the feed.", list(named("FeedItem")))])
            .answers(failures(REFUSALS)),
        Operation::post("/config/activity/read", "readActivity", CONFIG)
            .about("Mark lines of the feed as read", "At most 1,000 at once.")
            .takes(
                object().must("tenant_id", string()).must("feed_item_ids", list(string())),
                &[("one", json!({ "tenant_id": "development", "feed_item_ids": ["019b7600-0000-7000-8000-000000000003"] }))],
            )
            .answers([found(
                "They are.",
                object().must("marked_count", integer().about("How many were not read before.")),
            )])
            .answers(failures(&[400, 401, 403, 413, 503])),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let time = || string().with("format", "date-time");
    let subject = |schema: Schema| {
        schema
            .must("tenant_id", string().about("The instance, for the platform's own events."))
            .must("action", string().example("request.completed"))
            .must("eventable_type", string().example("request").about("What kind of thing it happened to."))
            .must("eventable_id", string())
    };
    vec![
        (
            "NewEvent",
            subject(object())
                .may("user_id", string().or_null())
                .may("particulars", object().about("What else there is to say, at most 64 KiB.")),
        ),
        (
            "Event",
            subject(object().must("id", string()))
                .must("user_id", string().or_null())
                .must("particulars", object())
                .must("ip_address", string().or_null())
                .must("user_agent", string().or_null())
                .must("created_at", time()),
        ),
        (
            "EventCounts",
            object().must("total_events", integer()).must("by_action", object().about("The number of each action.")),
        ),
        (
            "FeedItem",
            object()
                .must("id", string())
                .must("tenant_id", string())
                .must("user_id", string().or_null())
                .must("event_id", string())
                .must("feed_type", words(&["user", "global"]))
                .must("title", string())
                .must("description", string())
                .must("icon", string())
                .must("link", string().or_null().about("A page of the console, without the leading slash."))
                .must("metadata", object())
                .must("is_read", boolean())
                .must("created_at", time()),
        ),
    ]
}
