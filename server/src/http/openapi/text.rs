//! The text service.

use serde_json::{Value, json};

use super::{
    TEXT,
    build::{Answer, Operation, Schema, any_of, boolean, constant, integer, list, named, number, object, string},
    errors, shared,
};

const STATUSES: &[u16] = &[400, 401, 402, 403, 404, 413, 429, 500, 503, 504];
const PARAMETERS: &[&str] = &["instance", "callerRequestId", "timeout"];

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/text/generate", "generateText", TEXT)
            .about("Generate a text", "Answers when the whole text is there.")
            .parameters(PARAMETERS)
            .takes(named("TextRequest"), &[("prompt", prompt()), ("with options", with_options())])
            .answers([Answer::new(200, "The text.").headers(&[shared::WHOLE, shared::SERVICE_LIMITS].concat()).json(
                named("TextAnswer"),
                &[(
                    "text",
                    json!({
                        "success": true,
                        "text": "Hello! How can I help you today?",
                        "metadata": {
                            "provider": "openai", "model": "gpt-4o-mini", "tokens_used": 19, "input_tokens": 10,
                            "output_tokens": 9, "cost_usd": "0.000007", "simulated": false, "generation_time_ms": 912,
                        },
                        "request_id": errors::REQUEST_ID,
                        "timestamp": "2026-01-01T00:00:00.912345Z",
                    }),
                )],
            )])
            .answers(errors::service(STATUSES, |code| code)),
        Operation::post("/text/generate/stream", "streamText", TEXT)
            .about(
                "Stream a text",
                "The same request, answered piece by piece. Each event is one `data:` line; the last one has \
                 `done: true`. A stream that breaks ends with an event that has `error`, and with nothing after it. A \
                 failure before the first piece is an error answer with its own status; what would be \
                 `GENERATION_ERROR` is `STREAMING_ERROR` here.",
            )
            .parameters(PARAMETERS)
            .takes(named("TextRequest"), &[("prompt", prompt())])
            .answers([Answer::new(200, "The text in pieces.")
                .headers(&[shared::STREAM, shared::SERVICE_LIMITS].concat())
                .events(
                    any_of([named("TextStreamEvent"), named("TextStreamError")]),
                    "Server-sent events. Lines that begin with a colon keep a silent connection alive.",
                    &format!(
                        "data: {{\"text\":\"Hello\",\"done\":false,\"request_id\":\"{id}\"}}\n\n\
                     data: {{\"text\":\"\",\"done\":true,\"request_id\":\"{id}\"}}\n\n",
                        id = errors::REQUEST_ID
                    ),
                )])
            .answers(errors::service(STATUSES, crate::http::text::stream_code)),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let options = object()
        .may("max_tokens", integer().least(1).with("default", 1000).about("Longest answer, in tokens."))
        .may("temperature", number().with("default", 0.7))
        .may("top_p", number().with("default", 1.0))
        .may("top_k", integer().least(1))
        .may("seed", integer())
        .may("stop", list(string()).about("Texts that end the answer."))
        .may("stop_sequences", list(string()).about("The same; both lists are joined."))
        .may("system_prompt", string().about("Takes the place of the template's."))
        .about(
            "What is given here wins over the model's prompt template, and the template over the defaults. Models that \
             refuse sampling parameters are not sent the default ones.",
        );
    let metadata = object()
        .must("provider", string())
        .must("model", string())
        .must("tokens_used", integer().about("Input and output."))
        .must("input_tokens", integer())
        .must("output_tokens", integer())
        .must("cost_usd", string().about("US dollars, with six decimals."))
        .must("simulated", boolean().about("Whether the built-in simulator answered."))
        .must("generation_time_ms", integer().about("How long the whole call took."));
    vec![
        (
            "TextRequest",
            object()
                .must("prompt", string().with("minLength", 1).about("What to write about. Must not be blank."))
                .may(
                    "model_id",
                    string().about("Name of the model. If it is unknown and `model` is given, `model` is used."),
                )
                .may(
                    "model",
                    string().about(
                        "Name of the model, also `provider:model` or `provider/model`. Without either name, or with \
                         `auto`, the prompt is classified and the routing rules choose.",
                    ),
                )
                .may("instance_id", string().about("Wins over `X-Instance-ID`."))
                .may("project_id", string().about("The project to record the call for, if it is one of the instance."))
                .may("options", options),
        ),
        (
            "TextAnswer",
            object()
                .must("success", constant(true))
                .must("text", string())
                .must("metadata", metadata)
                .must("request_id", string().with("format", "uuid").about("The same as in `x-request-id`."))
                .must("timestamp", string().with("format", "date-time")),
        ),
        (
            "TextStreamEvent",
            object()
                .must("text", string().about("The next piece; empty in the last event."))
                .must("done", boolean().about("True in the last event."))
                .must("request_id", string().with("format", "uuid")),
        ),
    ]
}

fn prompt() -> Value {
    json!({ "prompt": "Say hello.", "model": "gpt-4o-mini" })
}

fn with_options() -> Value {
    json!({
        "prompt": "Name three uses of tin.",
        "model": "openai:gpt-4o-mini",
        "options": { "system_prompt": "You are a chemist.", "max_tokens": 200, "temperature": 0.2 },
    })
}
