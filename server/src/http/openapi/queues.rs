//! The queue surfaces of others: fal's and Replicate's.

use serde_json::json;

use super::{
    QUEUES,
    build::{Answer, Operation, Schema, list, named, number, object, string, words},
    shared,
};

const ID: &str = "019b7600-0000-7000-8000-000000000002";

pub fn operations() -> Vec<Operation> {
    let answer =
        |status, about: &str, schema: Schema| Answer::new(status, about).headers(shared::ALWAYS).json(schema, &[]);
    let fal = |operation: Operation| {
        let failed = |status, about: &str, detail: &str| {
            let example = json!({ "detail": detail });
            Answer::new(status, about).headers(shared::ALWAYS).json(named("FalError"), &[("detail", example)])
        };
        operation.parameters(&["app"]).answers([
            failed(400, "The request has to change, or is not over yet.", "Request is still in progress"),
            failed(401, "No key, or not a good one.", "Invalid API key"),
            failed(404, "There is no such model or request.", "Request not found"),
            failed(422, "The request failed.", "Quality check failed"),
        ])
    };
    let replicate = |operation: Operation| {
        let failed = |status: u16, about: &str, title: &str, detail: &str| {
            let example = json!({ "title": title, "detail": detail, "status": status });
            Answer::new(status, about).headers(shared::ALWAYS).json(named("ReplicateError"), &[("detail", example)])
        };
        operation.answers([
            failed(400, "The request has to change.", "Bad Request", "version is required"),
            failed(401, "No key, or not a good one.", "Unauthorized", "Invalid API key"),
            failed(404, "There is no such model or prediction.", "Not Found", "Request not found"),
        ])
    };
    let created = |operation: Operation| {
        replicate(operation.takes(named("PredictionRequest"), &[("a prediction", prediction_request())]).answers([
            answer(201, "It is taken in, or over already (with `Prefer: wait`).", named("Prediction")),
            answer(202, "It is not over after the wait.", named("Prediction")),
        ]))
    };
    vec![
        fal(Operation::post("/queue/{app}", "falSubmit", QUEUES)
            .about(
                "fal: hand a request over",
                "The path is the model's name; the body is its input. `fal_webhook` in the query is told the end. \
                 `X-Fal-Queue-Priority: low`, `X-Fal-Request-Timeout` and `Idempotency-Key` are kept.",
            )
            .takes(object().must("prompt", string()), &[("a prompt", json!({ "prompt": "A line about tin." }))])
            .answers([answer(200, "It is taken in.", named("FalTicket"))])),
        fal(Operation::get("/queue/{app}", "falAsk", QUEUES)
            .about(
                "fal: status and result",
                "`{app}/requests/{id}/status` answers 202 until the request is over, then 200; `?logs=1` adds what was \
                 done. `{app}/requests/{id}` is the result.",
            )
            .answers([answer(200, "The result, or the status of what is over.", Schema::any())])
            .answers([answer(202, "It is not over.", named("FalTicket"))])),
        fal(Operation::put("/queue/{app}", "falCancel", QUEUES)
            .about("fal: cancel", "`{app}/requests/{id}/cancel`; also stops what runs.")
            .answers([answer(202, "It will stop.", object().must("status", words(&["CANCELLATION_REQUESTED"])))])),
        created(Operation::post("/replicate/v1/predictions", "createPrediction", QUEUES).about(
            "Replicate: make a prediction",
            "With the model in `version` or `model`. `Prefer: wait=n` answers when it is over, or after n seconds.",
        )),
        created(
            Operation::post("/replicate/v1/models/{owner}/{name}/predictions", "createModelPrediction", QUEUES)
                .about("Replicate: make a prediction", "With the model in the path.")
                .parameters(&["owner", "modelName"]),
        ),
        replicate(
            Operation::get("/replicate/v1/predictions", "listPredictions", QUEUES)
                .about("Replicate: predictions", "Newest first, a hundred at a time; `next` is the next page.")
                .answers([answer(200, "A page.", object().must("results", list(named("Prediction"))))]),
        ),
        replicate(
            Operation::get("/replicate/v1/predictions/{id}", "getPrediction", QUEUES)
                .about("Replicate: one prediction", "As it is now.")
                .parameters(&["idOfPath"])
                .answers([answer(200, "The prediction.", named("Prediction"))]),
        ),
        replicate(
            Operation::post("/replicate/v1/predictions/{id}/cancel", "cancelPrediction", QUEUES)
                .about("Replicate: cancel", "Also stops what runs. What is over stays as it is.")
                .parameters(&["idOfPath"])
                .answers([answer(200, "The prediction.", named("Prediction"))]),
        ),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    let time = || string().with("format", "date-time").or_null();
    vec![
        (
            "FalTicket",
            object()
                .must("request_id", string())
                .must("status", words(&["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]))
                .must("status_url", string())
                .must("response_url", string())
                .must("cancel_url", string())
                .may("queue_position", super::build::integer().about("0 is the next.")),
        ),
        ("FalError", object().must("detail", string())),
        (
            "PredictionRequest",
            object()
                .may("version", string())
                .may("model", string())
                .must("input", object())
                .may("webhook", string().about("Is told the end.")),
        ),
        (
            "Prediction",
            object()
                .must("id", string().example(ID))
                .must("model", string())
                .must("version", string())
                .may("input", object())
                .may("output", Schema::any())
                .may("error", string().or_null())
                .may("logs", string())
                .must("status", words(&["starting", "processing", "succeeded", "failed", "canceled", "aborted"]))
                .must("created_at", time())
                .may("started_at", time())
                .may("completed_at", time())
                .may("metrics", object().may("predict_time", number().or_null()))
                .must("urls", object().must("get", string()).must("cancel", string())),
        ),
        (
            "ReplicateError",
            object().must("title", string()).must("detail", string()).must("status", super::build::integer()),
        ),
    ]
}

fn prediction_request() -> serde_json::Value {
    json!({ "version": "openai/gpt-4o-mini", "input": { "prompt": "A line about tin." } })
}
