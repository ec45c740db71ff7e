//! `GET /v1/models` and `GET /v1/models/{id}`.

use serde_json::{Value, json};

use super::{
    OPENAI,
    build::{Answer, Operation, Schema, constant, integer, list, named, object, string, words},
    errors, shared,
};

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/models", "listModels", OPENAI)
            .about(
                "List models",
                "Every model that the caller sees and may use, of all kinds, by provider and id. There are no pages: \
                 the list is whole.",
            )
            .parameters(&["instance"])
            .answers([Answer::new(200, "The models.")
                .headers(shared::ALWAYS)
                .json(named("ModelList"), &[("models", json!({ "object": "list", "data": [card()] }))])])
            .answers(errors::openai(&[401, 403, 404, 503])),
        Operation::get("/v1/models/{id}", "getModel", OPENAI)
            .about(
                "Get a model",
                "One model by any of its names; `id` in the answer is the name that was asked for. A name that only \
                 its provider knows (`openai/some-model`) is found, too: whether it exists shows when it is called.",
            )
            .parameters(&["model", "instance"])
            .answers([Answer::new(200, "The model.")
                .headers(shared::ALWAYS)
                .json(named("Model"), &[("model", card())])])
            .answers(errors::openai(&[401, 403, 404, 503])),
    ]
}

pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        (
            "Model",
            object()
                .must("id", string().about("What to put into `model`."))
                .must("object", constant("model"))
                .must(
                    "created",
                    integer().about(
                        "When the model was added to this server, in Unix seconds; 0 if it is not in the catalogue.",
                    ),
                )
                .must("owned_by", string().about("Id of the provider."))
                .must("display_name", string().about("For people."))
                .must(
                    "capabilities",
                    list(string()).about("What it makes: `text`, `image`, `audio`, `video`, `embedding`, …"),
                )
                .must("status", words(&["active", "beta", "deprecated"])),
        ),
        ("ModelList", object().must("object", constant("list")).must("data", list(named("Model")))),
    ]
}

fn card() -> Value {
    json!({
        "id": "gpt-4o-mini", "object": "model", "created": 1_767_225_600, "owned_by": "openai",
        "display_name": "GPT-4o mini", "capabilities": ["text"], "status": "active",
    })
}
