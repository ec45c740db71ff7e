//! The text service: one prompt, one text. It adds the model's prompt template and the service's defaults, and leaves the
//! rest to the gateway.

use serde::{Deserialize, Serialize};

use super::{
    catalog::PromptTemplate,
    gateway::{Gateway, GatewayError},
    identity::Caller,
};
use crate::providers::{
    ChatInput, ChatRequest,
    chat::{Message, Params, Part},
    input::InputError,
};

const DEFAULT_MAX_TOKENS: u32 = 1_000;
const DEFAULT_TEMPERATURE: f64 = 0.7;
const DEFAULT_TOP_P: f64 = 1.0;

/// What a caller asks for. Unknown fields are ignored, as the service always has.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TextRequest {
    pub prompt: Option<String>,
    pub model_id: Option<String>,
    pub model: Option<String>,
    pub instance_id: Option<String>,
    pub project_id: Option<String>,
    /// Answer with a receipt, and do it later.
    #[serde(default, rename = "async")]
    pub is_async: bool,
    #[serde(default)]
    pub options: TextOptions,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct TextOptions {
    pub max_tokens: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u32>,
    pub seed: Option<i64>,
    pub stop: Vec<String>,
    pub stop_sequences: Vec<String>,
    pub system_prompt: Option<String>,
}

/// The request as a chat call, with template and defaults filled in.
pub fn prepare(
    gateway: &Gateway,
    caller: &Caller,
    request: TextRequest,
    stream: bool,
) -> Result<ChatInput, GatewayError> {
    let prompt = request
        .prompt
        .filter(|prompt| !prompt.trim().is_empty())
        .ok_or_else(|| InputError::field("prompt", "Prompt is required"))?;
    let name = name(gateway, caller, request.model_id, request.model);
    let resolved = match name.as_deref() {
        None | Some("auto") => None,
        Some(name) => Some(gateway.model(name, caller)?),
    };
    let template = resolved.as_ref().and_then(|model| model.template.clone()).unwrap_or_default();
    // Its own defaults must not make a model refuse the call.
    let takes_sampling = resolved.as_ref().is_none_or(|model| !model.lacks.iter().any(|f| f == "sampling_params"));
    Ok(ChatInput::from_typed(name, stream, chat(prompt, request.options, &template, takes_sampling)))
}

/// The model that is meant: an unknown `model_id` gives way to `model`.
pub fn name(gateway: &Gateway, caller: &Caller, model_id: Option<String>, model: Option<String>) -> Option<String> {
    let named = |name: Option<String>| name.filter(|name| !name.trim().is_empty());
    match (named(model_id), named(model)) {
        (Some(id), Some(model)) => match gateway.model(&id, caller) {
            Err(GatewayError::UnknownModel { .. }) => Some(model),
            _ => Some(id),
        },
        (id, model) => id.or(model),
    }
}

fn chat(prompt: String, options: TextOptions, template: &PromptTemplate, takes_sampling: bool) -> ChatRequest {
    let text = |text: &str| vec![Part::Text(text.to_owned())];
    let system =
        options.system_prompt.as_deref().or(template.system_prompt.as_deref()).filter(|s| !s.trim().is_empty());
    let prompt = match template.user_prompt_wrapper.as_deref().filter(|wrapper| wrapper.contains("{user_prompt}")) {
        Some(wrapper) => wrapper.replace("{user_prompt}", &prompt),
        None => prompt,
    };
    let mut stop = options.stop;
    stop.extend(options.stop_sequences);
    if stop.is_empty() {
        stop.clone_from(&template.stop_sequences);
    }
    let default = |value: f64| takes_sampling.then_some(value);
    ChatRequest {
        messages: system
            .map(|system| Message::System(text(system)))
            .into_iter()
            .chain([Message::User(text(&prompt))])
            .collect(),
        params: Params {
            max_tokens: Some(options.max_tokens.or(template.default_max_tokens).unwrap_or(DEFAULT_MAX_TOKENS)),
            temperature: options
                .temperature
                .or_else(|| default(template.default_temperature.unwrap_or(DEFAULT_TEMPERATURE))),
            top_p: options.top_p.or_else(|| default(DEFAULT_TOP_P)),
            top_k: options.top_k,
            seed: options.seed,
            stop,
            ..Params::default()
        },
        ..ChatRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fills_what_the_caller_left_open() {
        let template = PromptTemplate {
            system_prompt: Some("Be kind".into()),
            user_prompt_wrapper: Some("{user_prompt}\n\nBe brief.".into()),
            default_temperature: Some(0.1),
            default_max_tokens: Some(50),
            stop_sequences: vec!["END".into()],
        };
        let request = chat("Hi".into(), TextOptions::default(), &template, true);
        assert_eq!(
            request.messages,
            [
                Message::System(vec![Part::Text("Be kind".into())]),
                Message::User(vec![Part::Text("Hi\n\nBe brief.".into())]),
            ]
        );
        assert_eq!((request.params.max_tokens, request.params.temperature), (Some(50), Some(0.1)));
        assert_eq!(request.params.stop, ["END"]);
    }

    #[test]
    fn explicit_options_win() {
        let template = PromptTemplate { system_prompt: Some("A".into()), ..PromptTemplate::default() };
        let options = TextOptions {
            max_tokens: Some(3),
            temperature: Some(1.5),
            system_prompt: Some("B".into()),
            stop: vec!["x".into()],
            ..TextOptions::default()
        };
        let request = chat("Hi".into(), options, &template, false);
        assert_eq!(request.messages[0], Message::System(vec![Part::Text("B".into())]));
        assert_eq!(
            (request.params.max_tokens, request.params.temperature, request.params.top_p),
            (Some(3), Some(1.5), None)
        );
        assert_eq!(request.params.stop, ["x"]);
    }
}
