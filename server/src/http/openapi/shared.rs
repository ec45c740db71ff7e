//! What several operations share: keys, parameters, headers, and the words at the beginning of each part.

use serde_json::{Value, json};

use super::build::{Schema, boolean, integer, number, string, words};

pub const DESCRIPTION: &str = "\
Every request but those for health and this reference needs an API key, or the session of a signed-in person. A key \
belongs to one instance; limits, provider credentials and records are the instance's.

Every answer carries `x-request-id`, which also names the call in the history. A generated answer says in `x-de-…` \
headers which model and provider made it, in how many attempts, whether it was simulated, how long the gateway itself \
took and, when it came whole, what it cost.

Errors have the shape of their surface, and say whose fault they are. `OPTIONS` on any path answers the browser's \
cross-origin question; every answer allows all origins, and none allows cookies from them.";

pub const OPENAI: &str = "\
Any OpenAI SDK works with the base URL `/v1` of this server and one of its keys. The body of a request is passed on as \
it came where the provider speaks this format: only the model's name is replaced and, in streams, usage is asked for. \
Where the provider speaks another format the request is translated.

Errors have OpenAI's shape, so the SDKs raise their own typed exceptions. `source` is `caller`, `gateway` or `provider`: \
whoever has to change something. An error of a provider also has `provider`, `provider_status` and `provider_code`.

A field with the value `null` counts as absent.";

pub const TEXT: &str = "\
One prompt in, one text out, with the defaults and the prompt template of the model. Fields that are not named here are \
ignored. Errors have the shape `{error, error_code, request_id, details?}`; unknown paths and wrong methods are both 404.";

pub const INTAKE: &str = "\
Work that is handed over and done later. It is classified and routed by the rules, waits in its provider's queue, is done by \
whichever server has room, assessed, and delivered: by callback, by event, or for whoever asks. Errors have the shape \
`{error, error_code, request_id, details?}`; unknown paths and wrong methods are both 404.";

pub const QUEUES: &str = "\
The same work in the shapes of fal's queue and of Replicate's predictions, so that their own clients work with another base \
address. An application or version is a model's name.";

pub const PLATFORM: &str = "\
The state of the platform itself, for those who administer it: a superadmin sees everything, the admin of an organization \
what belongs to its instances. A key needs the scope `admin`, if it has scopes. Errors have the shape of the configuration service.";

pub const OPERATIONS: &str = "\
For load balancers, service managers and people. Nothing here needs a key.";

/// Any one of them is enough.
pub fn security() -> Value {
    json!([{ "bearer": [] }, { "xApiKey": [] }, { "xGoogApiKey": [] }, { "queryKey": [] }, { "session": [] }])
}

pub fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "`Authorization: Bearer <key>`. `Authorization: Key <key>` and the bare key are understood, too.",
        },
        "xApiKey": { "type": "apiKey", "in": "header", "name": "x-api-key", "description": "As Anthropic's SDKs send it." },
        "xGoogApiKey": {
            "type": "apiKey", "in": "header", "name": "x-goog-api-key", "description": "As Google's SDKs send it.",
        },
        "queryKey": {
            "type": "apiKey", "in": "query", "name": "key",
            "description": "Only for callers that cannot send headers: addresses end up in the logs of proxies.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": "de_session",
            "description": "The cookie of a signed-in person. A `POST` with it must come from a page of this very host \
                            (`Origin` or `Sec-Fetch-Site`).",
        },
    })
}

/// Parameters by the name that operations refer to.
pub fn parameters() -> Value {
    let header = |name: &str, schema: Schema, about: &str| json!({ "name": name, "in": "header", "required": false, "description": about, "schema": Value::from(schema) });
    let path = |name: &str, about: &str| json!({ "name": name, "in": "path", "required": true, "description": about, "schema": { "type": "string" } });
    let query = |name: &str, schema: Schema, about: &str| json!({ "name": name, "in": "query", "required": false, "description": about, "schema": Value::from(schema) });
    json!({
        "instance": header(
            "X-Instance-ID", string().example("default"),
            "Id or name of the instance the call is made in. Needed only by sessions, because a key belongs to one \
             instance: naming another one is 403 `instance_access_denied`. `default` and absence mean the key's own.",
        ),
        "callerRequestId": header(
            "X-Request-ID", string(),
            "The caller's own name for the call, at most 300 characters. It is kept in the record beside ours; the \
             answer's `x-request-id` is always ours.",
        ),
        "timeout": header(
            "X-DE-Timeout-Ms", integer().least(1),
            "The longest the whole call may take, retries included, in milliseconds. Cannot exceed \
             `gateway.total_timeout_ms` of the settings.",
        ),
        "instanceOfKey": path("instance", "The id of the instance."),
        "provider": path("provider", "The id of the provider, or another name of it, in any case."),
        "credentialType": path("credential_type", "`cloudflare_api_token`, `cloudflare_account_id` or `github_token`."),
        "dryRun": query("dry_run", boolean(), "`true` only tells what would change."),
        "version": path("version", "Its number."),
        "logLevel": query("level", string().example("WARN,ERROR"), "Levels, separated by commas: `DEBUG`, `INFO`, `WARN`, `ERROR`."),
        "logComponent": query("component", string().example("gateway"), "The part of the product that speaks."),
        "logInstance": query("instance_id", string(), "Lines of this instance (id or name). Needs the level `admin` in it."),
        "logRequest": query("request_id", string(), "Lines of this request."),
        "logText": query("q", string(), "Part of the message, whatever its case."),
        "start": query("start", string().example("2026-01-31T12:00:00Z"), "From this time on; a day means its beginning in UTC."),
        "end": query("end", string().example("2026-02-01"), "Before this time."),
        "logLimit": query("limit", integer().least(1).with("maximum", 1_000).with("default", 50), "Most items of one page."),
        "logAfter": query("after", string(), "The `next` of the page before."),
        "olderThanDays": {
            "name": "older_than_days", "in": "query", "required": true,
            "description": "Age in days, at least 1.", "schema": Value::from(integer().least(1)),
        },
        "lastEventId": header("Last-Event-ID", string(), "The last line that was seen: the view goes on after it. Browsers send it by themselves when they come back."),
        "thing": {
            "name": "id", "in": "path", "required": true,
            "description": "The id. A model answers to its `config_id` and to its `model_id`.",
            "schema": { "type": "string" },
        },
        "email": {
            "name": "email", "in": "path", "required": true, "description": "Percent-encoded; its case does not matter.",
            "schema": { "type": "string" }, "example": "ada%40example.com",
        },
        "limit": query("limit", integer().least(1).with("maximum", 1000), "Rows of a page. Without it everything comes, up to 10,000 rows."),
        "after": query("after", string(), "Where the page begins: taken from the `Link` header of the page before."),
        "search": query("search", string(), "A text that the id or any text of the thing contains, whatever the case."),
        "sort": query("sort", string().example("-created_at"), "A field to sort by; `-` before it turns the order round."),
        "deleted": query("deleted", boolean(), "`true` lists what was deleted in the last 30 days, in place of what is live."),
        "type": query("type", string().example("image"), "Only models with this capability."),
        "org": query("org_id", string(), "Whose log; without it, the caller's organization. Empty: the platform's own, for superadmins."),
        "actor": query("actor_id", string(), "Only what this person or key did."),
        "action": query("action", string().example("api_key."), "Only actions that begin like this."),
        "targetType": query("target_type", string().example("api_key"), "Only what was done to things of this kind."),
        "targetId": query("target_id", string(), "Only what was done to this thing."),
        "since": query("since", string().with("format", "date-time"), "Only from this time on."),
        "until": query("until", string().with("format", "date-time"), "Only before this time."),
        "format": query("format", words(&["json", "jsonl", "csv"]), "`jsonl` and `csv` write everything, one entry in a line."),
        "webhookProvider": header("X-Provider", string().example("ideogram"), "Who speaks; `provider` in the query says the same. Without it, the provider of the request."),
        "webhookRequest": query("request_id", string(), "The request, in its callback address."),
        "webhookToken": query("token", string(), "The secret of the request, in its callback address; in place of a key."),
        "callbackRequest": { "name": "request_id", "in": "query", "required": true, "description": "The request.", "schema": { "type": "string" } },
        "deliverableId": { "name": "id", "in": "query", "required": true, "description": "Its id.", "schema": { "type": "string" } },
        "tenant": { "name": "tenant_id", "in": "query", "required": true, "description": "Whose: the id of an instance, or any name that events were posted under.", "schema": Value::from(string().example("development")) },
        "tenantFilter": query("tenant_id", string(), "Only what is this tenant's; `instance_id` says the same."),
        "eventAction": query("action", string().example("request.completed,request.failed"), "Only these actions, separated by commas."),
        "eventableType": query("eventable_type", string().example("request"), "Only what happened to things of this type."),
        "eventableId": query("eventable_id", string(), "Only what happened to this thing."),
        "typeOfPath": path("type", "The type of the thing: `request`."),
        "idOfPath": path("id", "Its id."),
        "pageLimit": query("limit", integer().least(1).with("maximum", 1_000).with("default", 50), "Most rows."),
        "offset": query("offset", integer().least(0).with("default", 0), "Rows to leave out."),
        "feedType": query("feed_type", words(&["user", "global"]), "Lines of people, or of nobody."),
        "feedUser": query("user_id", string(), "This person's lines, and those that are nobody's."),
        "unreadOnly": query("unread_only", boolean(), "`true` leaves out what was read."),
        "app": path("app", "The model's name, such as `openai/gpt-4o-mini`; slashes need no escape. Behind it, for a request that was handed over, `/requests/{id}` and what is asked of it."),
        "owner": path("owner", "The provider."),
        "modelName": path("name", "The model of that provider."),
        "requestId": query("request_id", string().with("format", "uuid"), "The request."),
        "appId": header("X-App-ID", string(), "The caller's application, where the body names none."),
        "idempotencyKey": header("Idempotency-Key", string(), "The caller's name for this very call, at most 255 characters long: it is carried out once, however often it is sent. It holds for the caller and the route, for a day."),
        "preferWait": header("Prefer", string().example("wait=10"), "`wait=n`: answer when the work is over, or after n seconds."),
        "lastSeq": header("Last-Event-ID", integer(), "The last event that was seen: the stream goes on after it. Browsers send it by themselves when they come back; `after` in the query says the same."),
        "ifMatch": header("If-Match", string(), "The `ETag` of the version to change. If the thing is another one meanwhile, nothing is changed and the answer is 412."),
        "ifNoneMatch": header("If-None-Match", string(), "The `ETag` of the version the caller has. If it is the current one, the answer is 304 without a body."),
        "prefer": header("Prefer", words(&["handling=strict"]), "Refuses fields that nothing is known of, which are otherwise ignored and named in `x-de-warning`."),
        "model": {
            "name": "id", "in": "path", "required": true,
            "description": "The model's id or an alias, `provider/model`, `provider:model`, or a name whose beginning \
                            tells the provider (`gpt-…`). Slashes need no escape.",
            "schema": { "type": "string" },
            "example": "gpt-4o-mini",
        },
    })
}

/// Response headers by their names.
pub fn headers() -> Value {
    let header = |schema: Schema, about: &str| json!({ "description": about, "schema": Value::from(schema) });
    let seconds = |about: &str| header(integer().least(1), about);
    json!({
        "etag": header(string().example("\"65b0c2e9f3a40\""), "The version of the thing, for `If-Match` and `If-None-Match`."),
        "link": header(string(), "`<…>; rel=\"next\"`: the next page. Absent on the last one."),
        "x-de-warning": header(string(), "What of the request was ignored. Absent when nothing was."),
        "x-request-id": header(string().with("format", "uuid"), "Our id of the request, a UUIDv7."),
        "x-de-model": header(string(), "The model that answered."),
        "x-de-provider": header(string(), "The provider that answered."),
        "x-de-attempts": header(integer().least(0), "How often the provider was asked. In a stream: until the headers were sent, which is 0 when the provider had not answered within `gateway.keep_alive_ms`."),
        "x-de-simulated": header(words(&["true", "false"]), "Whether the built-in simulator stood in for the provider."),
        "x-de-overhead-ms": header(number().least(0), "Milliseconds that were the gateway's own, with three decimals."),
        "x-de-dropped": header(
            string().example("seed, top_k"),
            "Parameters of the request that the provider does not take and that were left out. Absent when none were.",
        ),
        "x-de-cost-usd": header(string().with("pattern", r"^-?\d+\.\d{6}$"), "What the call cost, in US dollars. Absent from streams, whose cost is known only at their end; the record has it."),
        "x-ratelimit-limit-requests": header(integer().least(0), "Requests per minute of the tightest limit that applies. Absent where none does."),
        "x-ratelimit-remaining-requests": header(integer().least(0), "What is left of it."),
        "x-ratelimit-reset-requests": header(string().example("1m0s"), "When it is whole again."),
        "x-ratelimit-limit-tokens": header(integer().least(0), "Tokens per minute of the tightest limit that applies. Absent where none does."),
        "x-ratelimit-remaining-tokens": header(integer().least(0), "What is left of it. In a stream: what was left when the call began, with its longest answer reserved."),
        "x-ratelimit-reset-tokens": header(string().example("1m0s"), "When it is whole again."),
        "x-ratelimit-remaining": header(integer().least(0), "Requests that were left of the tightest limit per minute when this one came. Absent where none applies."),
        "x-ratelimit-reset": header(integer(), "When the oldest request leaves its window, in Unix seconds."),
        "x-de-budget-warning": header(
            string().example("day; spent=8.120000; budget=10.000000; limit=lim_1"),
            "A budget is spent beyond the share at which its owner wants to know. Absent otherwise.",
        ),
        "link": header(string().example("</config/logs?after=1767225600000000.0199>; rel=\"next\""), "Address of the next page. Absent at the end."),
        "retry-after": seconds("Seconds to wait before the next try. Sent when that is known."),
        "retry-after-ms": header(integer().least(0), "The same in milliseconds."),
        "x-should-retry": header(words(&["false"]), "`false` when trying again cannot help, because the provider's account is empty or a quota of this server is used up: the official SDKs then do not try again."),
        "www-authenticate": header(words(&["Bearer"]), "How to authenticate."),
    })
}

/// Headers of every answer.
pub const ALWAYS: &[&str] = &["x-request-id"];

/// Headers of a generated answer that came whole.
pub const WHOLE: &[&str] = &[
    "x-request-id",
    "x-de-model",
    "x-de-provider",
    "x-de-attempts",
    "x-de-simulated",
    "x-de-overhead-ms",
    "x-de-dropped",
    "x-de-cost-usd",
    "x-de-budget-warning",
];

/// Headers of a stream.
pub const STREAM: &[&str] = &[
    "x-request-id",
    "x-de-model",
    "x-de-provider",
    "x-de-attempts",
    "x-de-simulated",
    "x-de-overhead-ms",
    "x-de-dropped",
    "x-de-budget-warning",
];

/// What is left, by OpenAI's names.
pub const OPENAI_LIMITS: &[&str] = &[
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

/// What is left, by the services' names.
pub const SERVICE_LIMITS: &[&str] = &["x-ratelimit-remaining", "x-ratelimit-reset"];
