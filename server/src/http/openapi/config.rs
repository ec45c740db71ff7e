//! The configuration service, drawn from the descriptions of what can be configured.

use app::types::config::{Field, FieldKind, FieldRole, Owner, THINGS, Thing};
use serde_json::json;

use super::{
    CONFIG,
    build::{
        Answer, Operation, Schema, any_of, boolean, constant, integer, list, named, number, object, string, words,
    },
    errors::REQUEST_ID,
    shared,
};
use crate::{
    http::config::acts,
    services::{classify::TaskType, config::DEV_TYPES},
};

pub const DESCRIPTION: &str = "\
Everything that can be configured has the same routes: a list, one by its id, creation, change, deletion. Answers are \
`{data, request_id}`; failures are `{error, request_id, status}`, and `fields` names each field that has to be changed. \
Creation answers 200.

Lists show what the caller may see, newest first; any field is a filter (`?org_id=…`; several values are alternatives, \
`null` means not set). Without `limit` they answer everything up to 10,000 rows, with it page by page.

A change takes any of the fields and leaves the others; what cannot be changed may be sent as it is. With `If-Match` it \
is made only if nobody else changed the thing meanwhile. A deletion takes along what hangs on the thing \
(`/dependants` tells it before) and can be undone for 30 days. Every change is in the audit log and in force when it is \
answered.

Reading needs the level `readonly` in the instance, or the organization; changing projects needs `user`, changing the \
rest `admin`, deleting an instance `owner`. What belongs to everyone is changed by superadmins. What belongs to another \
organization is 403; a model or an e-mail address of another organization is 404.";

pub fn operations() -> Vec<Operation> {
    let health = |path: &str, id: &str, about: &str| {
        Operation::get(path, id, CONFIG).about("Is the configuration service alive?", about).public().answers([
            Answer::new(200, "It is.").headers(shared::ALWAYS).json(
                named("Health"),
                &[(
                    "healthy",
                    json!({
                        "status": "healthy", "service": "config-service", "timestamp": "2026-01-01T00:00:00.000000Z",
                    }),
                )],
            ),
        ])
    };
    let mut operations = vec![
        health("/config", "config", "The same as `/config/health`."),
        health("/config/health", "configHealth", "The same as `/health/live`, under the service's own name."),
    ];
    for thing in THINGS {
        operations.extend(of(thing));
    }
    operations.push(
        Operation::get("/config/user/email/{email}", "userByEmail", CONFIG)
            .about("A user by e-mail address", "")
            .parameters(&["email"])
            .answers([one("The user.", "User")])
            .answers(failures(&[401, 403, 404, 500, 503])),
    );
    operations.extend(secrets());
    operations.extend(models());
    operations.push(
        Operation::get("/config/rate-limit/{id}/state", "stateOfRateLimit", CONFIG)
            .about(
                "How far a limit is used",
                "By all servers together. A limit that counts for each instance by itself is told for the instance of \
                 the call.",
            )
            .parameters(&["thing", "instance"])
            .answers([Answer::new(200, "What is used, reserved and left of each of its numbers.")
                .headers(shared::ALWAYS)
                .json(envelope(named("LimitState")), &[])])
            .answers(failures(&[401, 403, 404, 500, 503])),
    );
    operations.extend(transfer());
    operations
}

/// The operations of one thing.
fn of(thing: &Thing) -> Vec<Operation> {
    let all = format!("/config/{}", thing.kind);
    let one_of = format!("{all}/{{id}}");
    let name = pascal(thing.kind);
    let many = if name.ends_with('s') { format!("{name}es") } else { format!("{name}s") };
    let (is_made, is_deleted) = acts(thing);
    let mut parameters = vec!["limit", "after", "search", "sort", "deleted"];
    if thing.kind == "model-config" {
        parameters.push("type");
    }
    let article = if thing.one.starts_with(['a', 'e', 'i', 'o', 'A']) { "an" } else { "a" };
    let rows = match thing.kind {
        "model-config" => object()
            .must("configs", list(named(&name)))
            .must("models", list(named(&name)).about("The same list."))
            .must("total", integer().about("On all pages.")),
        _ => list(named(&name)),
    };
    let listed = Answer::new(200, "They are in `data`.")
        .headers(&["x-request-id", "link", "x-de-warning"])
        .json(envelope(rows), &[]);
    let mut operations = vec![
        Operation::get(all.clone(), &format!("list{many}"), CONFIG)
            .about(&format!("List {}", thing.many), order(thing))
            .parameters(&parameters)
            .answers([listed])
            .answers(failures(&[400, 401, 403, 500, 503])),
        Operation::get(one_of.clone(), &format!("get{name}"), CONFIG)
            .about(&format!("One {}", thing.one), resolved(thing))
            .parameters(&["thing", "ifNoneMatch"])
            .answers([one("It is in `data`.", &name)])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::put(one_of.clone(), &format!("update{name}"), CONFIG)
            .about(&format!("Change {article} {}", thing.one), "Fields that are absent stay as they are.")
            .parameters(&["thing", "ifMatch", "prefer"])
            .takes(input(thing, false), &[])
            .answers([one("What it is now.", &name)])
            .answers(failures(&[400, 401, 403, 404, 409, 412, 413, 500, 503])),
        Operation::get(format!("{one_of}/dependants"), &format!("dependantsOf{name}"), CONFIG)
            .about(&format!("What hangs on {article} {}", thing.one), "What would go with it if it were deleted.")
            .parameters(&["thing"])
            .answers([Answer::new(200, "How many of each, and the first few by name.")
                .headers(shared::ALWAYS)
                .json(envelope(named("Dependants")), &[])])
            .answers(failures(&[401, 403, 404, 500, 503])),
    ];
    if is_made {
        operations.push(
            Operation::post(all, &format!("create{name}"), CONFIG)
                .about(&format!("Make {article} {}", thing.one), "")
                .parameters(&["prefer"])
                .takes(input(thing, true), &[])
                .answers([one("It is made.", &name)])
                .answers(failures(&[400, 401, 403, 404, 409, 413, 500, 503])),
        );
    }
    if is_deleted {
        let mut gone = object().must("deleted", constant(true)).must(thing.id, string());
        if thing.kind == "model-config" {
            gone = gone.must("model_id", string());
        }
        operations.push(
            Operation::delete(one_of.clone(), &format!("delete{name}"), CONFIG)
                .about(&format!("Delete {article} {}", thing.one), undo(thing))
                .parameters(&["thing", "ifMatch"])
                .answers([Answer::new(200, "It is gone.").headers(shared::ALWAYS).json(envelope(gone), &[])])
                .answers(failures(&[401, 403, 404, 409, 412, 500, 503])),
        );
        operations.push(
            Operation::post(format!("{one_of}/restore"), &format!("restore{name}"), CONFIG)
                .about(&format!("Bring {article} {} back", thing.one), "With everything that went with it.")
                .parameters(&["thing"])
                .answers([one("It is back.", &name)])
                .answers(failures(&[401, 403, 404, 409, 500, 503])),
        );
    }
    operations
}

/// Provider keys and developer credentials.
fn secrets() -> Vec<Operation> {
    let key = || {
        object()
            .must("instance_id", string())
            .must("provider", string())
            .must("configured", boolean())
            .must("updated_at", string().about("Empty when there is none."))
    };
    let keys = object().must("instance_id", string()).must(
        "providers",
        list(object().must("provider", string()).must("configured", constant(true)).must("updated_at", string())),
    );
    let tested = object()
        .must("instance_id", string())
        .must("provider", string())
        .must("ok", boolean())
        .must("model", string().about("The cheapest text model of the provider."))
        .must("simulated", boolean().about("The simulator answered: nothing was learned about a real key."))
        .must("latency_ms", integer())
        .must("cost_micro_usd", integer().about("Millionths of a US dollar."))
        .must("error", string().or_null().about("Why it failed."));
    let kinds = || words(&DEV_TYPES);
    let told =
        |schema: Schema, about: &str| Answer::new(200, about).headers(shared::ALWAYS).json(envelope(schema), &[]);
    let of_key: &[&str] = &["instanceOfKey", "provider"];
    vec![
        Operation::post("/config/provider-key", "setProviderKey", CONFIG)
            .about("Store a key for a provider", "In place of the one before. It is sealed, and no answer ever has it.")
            .takes(
                object().must("instance_id", string()).must("provider", string()).must("api_key", string()),
                &[("key", json!({ "instance_id": "production", "provider": "openai", "api_key": "sk-…" }))],
            )
            .answers([told(key(), "It is stored and in force.")])
            .answers(failures(&[400, 401, 403, 404, 413, 500, 503])),
        Operation::get("/config/provider-key/{instance}", "listProviderKeys", CONFIG)
            .about("Which providers an instance has a key for", "")
            .parameters(&["instanceOfKey"])
            .answers([told(keys, "Those with a stored key.")])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::get("/config/provider-key/{instance}/{provider}", "getProviderKey", CONFIG)
            .about("Whether an instance has a key for a provider", "")
            .parameters(of_key)
            .answers([told(key(), "Whether, and since when.")])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::delete("/config/provider-key/{instance}/{provider}", "deleteProviderKey", CONFIG)
            .about("Remove a key", "For good.")
            .parameters(of_key)
            .answers([told(
                object().must("deleted", constant(true)).must("instance_id", string()).must("provider", string()),
                "It is gone.",
            )])
            .answers(failures(&[400, 401, 403, 404, 500, 503])),
        Operation::post("/config/provider-key/{instance}/{provider}/test", "testProviderKey", CONFIG)
            .about(
                "Try a key",
                "Makes the cheapest real call on the way that all calls take; it is limited, priced and recorded like any \
                 other. A failed call is answered with 200 and `ok: false`.",
            )
            .parameters(of_key)
            .answers([told(tested, "How it went.")])
            .answers(failures(&[400, 401, 403, 404, 409, 500, 503])),
        Operation::get("/config/dev-credentials", "listDevCredentials", CONFIG)
            .about("Which developer credentials the organization has", "")
            .answers([told(
                object()
                    .must("credentials", list(object().must("credential_type", kinds()).must("updated_at", string())))
                    .must("supported_types", list(kinds())),
                "Their types and times.",
            )])
            .answers(failures(&[401, 403, 500, 503])),
        Operation::post("/config/dev-credentials", "setDevCredential", CONFIG)
            .about("Store a developer credential", "In place of the one before.")
            .takes(object().must("credential_type", kinds()).must("value", string()), &[])
            .answers([told(
                object()
                    .must("credential_type", kinds())
                    .must("stored", constant(true))
                    .must("updated_at", string()),
                "It is stored.",
            )])
            .answers(failures(&[400, 401, 403, 413, 500, 503])),
        Operation::get("/config/dev-credentials/{credential_type}", "getDevCredential", CONFIG)
            .about("A developer credential itself", "For admins; that it was told is in the audit log.")
            .parameters(&["credentialType"])
            .answers([told(
                object().must("credential_type", kinds()).must("value", string()).must("updated_at", string()),
                "The credential.",
            )])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::delete("/config/dev-credentials/{credential_type}", "deleteDevCredential", CONFIG)
            .about("Remove a developer credential", "For good.")
            .parameters(&["credentialType"])
            .answers([told(object().must("deleted", constant(true)).must("credential_type", kinds()), "It is gone.")])
            .answers(failures(&[401, 403, 404, 500, 503])),
    ]
}

/// The configuration as one document.
fn transfer() -> Vec<Operation> {
    let difference = object()
        .must("kind", string())
        .must("id", string())
        .must("action", words(&["create", "update", "set"]))
        .must("fields", object().about("By name: `before` and `after`."));
    let told = object()
        .must("dry_run", boolean())
        .must("differences", list(difference))
        .must("notes", list(string()).about("What of a LiteLLM list could not be carried over."));
    vec![
        Operation::get("/config/export", "exportConfiguration", CONFIG)
            .about(
                "The configuration as one document",
                "YAML, for superadmins. Secrets are named by an environment variable (`env.…`); API keys are left out.",
            )
            .answers([Answer::new(200, "The document.").headers(shared::ALWAYS).body("application/yaml")])
            .answers(failures(&[401, 403, 500, 503])),
        Operation::post("/config/import", "importConfiguration", CONFIG)
            .about(
                "Make the configuration what a document says",
                "Takes an export, or a LiteLLM proxy's `model_list`, as YAML or JSON, for superadmins. What is so already \
                 is left alone, so it can be repeated; what is not in the document stays. The form of everything is \
                 looked at before anything is written.",
            )
            .parameters(&["dryRun"])
            .takes(object(), &[])
            .answers([Answer::new(200, "What changed.").headers(shared::ALWAYS).json(envelope(told), &[])])
            .answers(failures(&[400, 401, 403, 413, 500, 503])),
    ]
}

/// What models have beyond other things.
fn models() -> Vec<Operation> {
    let version = || {
        object()
            .must("version", integer().least(1))
            .must("actor_name", string().about("Who brought it about."))
            .must("created_at", string().with("format", "date-time"))
    };
    let types = || words(&TaskType::ALL.map(TaskType::as_str));
    let reason = object()
        .must("task_type", types())
        .must("points", number())
        .must("rule", string().or_null().about("The id of the task classification, where it was one."))
        .must("text", string());
    let choice = object().must("provider", string()).must("model", string());
    let problem = object().must("path", string().example("body.messages[0].content")).must("message", string());
    let request = object()
        .must("method", string())
        .must("url", string())
        .must("headers", list(list(string())).about("Pairs of name and value; the key is masked."))
        .must("body", Schema::any())
        .must("dropped", list(string()).about("Parameters that the mapping has no place for."));
    let told =
        |schema: Schema, about: &str| Answer::new(200, about).headers(shared::ALWAYS).json(envelope(schema), &[]);
    vec![
        Operation::get("/config/model-config/{id}/versions", "listModelVersions", CONFIG)
            .about("The states a model was in", "Newest first.")
            .parameters(&["thing"])
            .answers([told(list(version()), "Numbers, people and times.")])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::get("/config/model-config/{id}/versions/{version}", "getModelVersion", CONFIG)
            .about("A model as it was", "")
            .parameters(&["thing", "version"])
            .answers([told(version().must("model", named("ModelConfig")), "The model.")])
            .answers(failures(&[401, 403, 404, 500, 503])),
        Operation::post("/config/model-config/{id}/versions/{version}/restore", "restoreModelVersion", CONFIG)
            .about("Make a model what it was", "That is a new version.")
            .parameters(&["thing", "version"])
            .answers([one("What it is now.", "ModelConfig")])
            .answers(failures(&[400, 401, 403, 404, 409, 500, 503])),
        Operation::post("/config/model-config/{id}/duplicate", "duplicateModel", CONFIG)
            .about("Copy a model", "Under a new model id.")
            .parameters(&["thing"])
            .takes(object().must("model_id", string()), &[])
            .answers([one("The copy.", "ModelConfig")])
            .answers(failures(&[400, 401, 403, 404, 409, 413, 500, 503])),
        Operation::post("/config/mapping-preview", "previewMapping", CONFIG)
            .about(
                "Try a payload mapping",
                "Nobody is called: it answers what would be sent, and what would be read of an answer.",
            )
            .takes(
                object()
                    .may("provider_id", string().about("Its base address is used."))
                    .may("upstream_model", string())
                    .must("payload_mapping", object())
                    .may(
                        "input",
                        object().about("Values of placeholders; with `messages`, what a chat call would offer."),
                    )
                    .may("answer", Schema::any().about("An answer of the provider.")),
                &[],
            )
            .answers([told(
                object()
                    .must("problems", list(problem))
                    .must("request", any_of([request]).or_null())
                    .must("request_error", string().or_null())
                    .must("output", Schema::any())
                    .must("output_error", string().or_null()),
                "What it would do.",
            )])
            .answers(failures(&[400, 401, 403, 413, 500, 503])),
        Operation::post("/config/task-classification/test", "testClassification", CONFIG)
            .about(
                "Try the task classifications and routing rules",
                "Nothing is sent: it answers what a request is, which model would do it, and why. What the caller names \
                 is kept. Between rules of the same rank the likeliest is told.",
            )
            .takes(
                object()
                    .must("query", string().example("Draw a cartoon of a dog"))
                    .may("task_type", types())
                    .may("provider", string())
                    .may("model", string()),
                &[],
            )
            .answers([told(
                object()
                    .must("task_type", types())
                    .must("subtask", string().or_null())
                    .must("confidence", number().about("From 0 to 1."))
                    .must("reasons", list(reason).about("What speaks for the type, and for others."))
                    .must("provider", string().or_null().about("Null when nobody does such work."))
                    .must("model", string().or_null())
                    .must("alternatives", list(choice).about("Who may do it instead, best first."))
                    .must("why", string().about("Why it goes there, or nowhere.")),
                "What would happen.",
            )])
            .answers(failures(&[400, 401, 403, 413, 500, 503])),
    ]
}

fn order(thing: &Thing) -> &'static str {
    match thing.kind {
        "model-config" => "By provider, then name. `total` counts all pages.",
        _ => "Newest first.",
    }
}

fn resolved(thing: &Thing) -> &'static str {
    match thing.kind {
        "instance" => {
            "Beside its own fields, `resolved` says what its configuration comes to: the limits that count its calls, the \
             models it may use, its storage, and the providers it has a credential for."
        }
        _ => "",
    }
}

fn undo(thing: &Thing) -> &'static str {
    match thing.kind {
        "setting" => "For good: a setting cannot be brought back.",
        _ => "With what hangs on it. It can be brought back for 30 days.",
    }
}

fn one(about: &str, name: &str) -> Answer {
    Answer::new(200, about).headers(&["x-request-id", "etag", "x-de-warning"]).json(envelope(named(name)), &[])
}

pub fn envelope(data: Schema) -> Schema {
    object().must("data", data).must("request_id", string().with("format", "uuid"))
}

/// The answers of failed operations.
pub fn failures(statuses: &[u16]) -> Vec<Answer> {
    let about = |status: u16| match status {
        400 => ("Something in the request has to be changed.", "Missing required fields: org_id, name"),
        401 => ("There is no key, or it opens nothing.", "Authorization header required"),
        403 => (
            "The key or the person may not do this, or it belongs to another organization.",
            "To configure this needs at least the role admin",
        ),
        404 => ("It does not exist, or what it refers to does not.", "Instance not found"),
        409 => ("A unique value is taken, or it cannot be done in this state.", "User with this email already exists"),
        412 => (
            "Somebody else changed it meanwhile: `yours` and `current` are both versions.",
            "This instance was changed by somebody else meanwhile",
        ),
        413 => ("The body is too large.", "the body is larger than 33554432 bytes"),
        503 => ("The database is away. Nothing was changed.", "The database is not available; try again in a moment"),
        _ => ("The database failed. Nothing was changed.", "Database error"),
    };
    let answer = |status: &u16| {
        let (about, error) = about(*status);
        let mut headers = vec!["x-request-id"];
        match status {
            401 => headers.push("www-authenticate"),
            412 => headers.push("etag"),
            503 => headers.push("retry-after"),
            _ => {}
        }
        let example = json!({ "error": error, "request_id": REQUEST_ID, "status": status });
        Answer::new(*status, about).headers(&headers).json(named("ConfigError"), &[("failure", example)])
    };
    statuses.iter().map(answer).collect()
}

pub fn schemas() -> Vec<(String, Schema)> {
    let field = object().must("field", string()).must("message", string());
    let dependant = object()
        .must("what", string().example("projects"))
        .must("count", integer())
        .must("names", list(string()).about("The first few."));
    let error = object()
        .must("error", string())
        .must("request_id", string().with("format", "uuid"))
        .must("status", integer())
        .may("fields", list(field).about("Every field that has to be changed."))
        .may("field", string().about("The field whose value is taken."))
        .may("yours", object().about("What was sent with a stale `If-Match`."))
        .may("current", object().about("What the thing is now."));
    let dependants = object().must("dependants", list(dependant)).must("total", integer());
    let cap = object()
        .must("name", string().about("The field of the limit, such as `requests_per_minute`."))
        .must("limit", integer())
        .must("used", integer())
        .must("reserved", integer().about("Held for calls that still run; not part of `used`."))
        .must("left", integer())
        .must("resets_at", string().with("format", "date-time").or_null().about("When all of it is there again."));
    let limit = object()
        .must("limit_id", string())
        .must("instance_id", string().or_null().about("Set where the limit counts for each instance by itself."))
        .must("caps", list(cap).about("One for each number that is set; none where the limit is not active."))
        .must("tokens_today", integer())
        .must("spent_today_micro_usd", integer())
        .must("spent_month_micro_usd", integer())
        .must("warned", boolean().about("A budget is spent beyond its `warn_percent`."));
    let mut schemas = vec![
        ("ConfigError".to_owned(), error),
        ("Dependants".to_owned(), dependants),
        ("LimitState".to_owned(), limit),
    ];
    schemas.extend(THINGS.iter().map(|thing| (pascal(thing.kind), shown(thing))));
    schemas
}

/// A thing as it is answered.
fn shown(thing: &Thing) -> Schema {
    let time = || string().with("format", "date-time");
    let mut schema = object().about(whose(thing)).must(thing.id, string());
    for field in thing.fields {
        schema = schema.must(field.name, value(field).or_null().about(field.help));
    }
    if thing.kind == "instance" {
        let resolved = object()
            .must("limits", list(object()))
            .must("models", list(string()))
            .must("storage", object())
            .must("credentials", list(object()));
        schema = schema.may("resolved", resolved.about("Only in the answer for one instance."));
    }
    schema
        .must("created_at", time())
        .must("updated_at", time())
        .may("deleted_at", time().about("Only in lists of what was deleted."))
}

/// What a creation or a change takes.
fn input(thing: &Thing, is_new: bool) -> Schema {
    let mut schema = object();
    if is_new && thing.named {
        schema = schema.must(thing.id, string().about("Chosen by who makes it."));
    }
    for field in thing.fields {
        let described = || value(field).about(field.help);
        schema = match (field.role, is_new) {
            (FieldRole::Required | FieldRole::Fixed, true) => schema.must(field.name, described()),
            (FieldRole::Optional | FieldRole::FixedOptional, true) | (FieldRole::Optional, false) => {
                schema.may(field.name, described().or_null())
            }
            (FieldRole::Required, false) => schema.may(field.name, described()),
            _ => schema,
        };
    }
    schema
}

fn value(field: &Field) -> Schema {
    match field.kind {
        FieldKind::Line | FieldKind::Text | FieldKind::Ref(_) => string(),
        FieldKind::Email => string().with("format", "email"),
        FieldKind::Url => string().with("format", "uri"),
        FieldKind::Choice(choices) => words(choices),
        FieldKind::Whole(least) => integer().least(least),
        FieldKind::Number => number(),
        FieldKind::Flag => boolean(),
        FieldKind::Money => integer().least(0),
        FieldKind::Time => string().with("format", "date-time"),
        FieldKind::Json => any_of([object(), list(Schema::any())]),
        FieldKind::Words => list(string()),
    }
}

fn whose(thing: &Thing) -> &'static str {
    match thing.owner {
        Owner::Platform => "Everyone reads it, superadmins change it.",
        Owner::Organization => "It belongs to an organization, or to everyone.",
        Owner::Instance => "It belongs to an instance, an organization, or to everyone.",
    }
}

/// `routing-rule` as `RoutingRule`.
pub fn pascal(kind: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    kind.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn names_are_those_of_types() {
        assert_eq!(pascal("routing-rule"), "RoutingRule");
        assert_eq!(Value::from(value(&app::types::config::USER.fields[3]))["enum"][0], "user");
    }
}
