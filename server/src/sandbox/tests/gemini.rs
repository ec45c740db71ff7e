use super::*;
use serde_json::json;

const MODEL: &str = "/models/gemini-2.5-flash";

fn ask(prompt: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": prompt}]}]})
}

fn config(prompt: &str, config: Value) -> Value {
    with(ask(prompt), json!({"generationConfig": config}))
}

async fn generate(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    told(sandbox.post("gemini", &format!("{MODEL}:generateContent"), body)).await
}

fn said(chunks: &[Value], thought: bool) -> String {
    let parts =
        chunks.iter().flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().into_iter().flatten());
    parts
        .filter(|part| part["thought"].as_bool().unwrap_or(false) == thought)
        .filter_map(|part| part["text"].as_str())
        .collect()
}

#[tokio::test]
async fn stream_and_buffer_agree() {
    let sandbox = Sandbox::start().await;
    let bodies = [
        ask("Tell me about rivers"),
        config("Rivers", json!({"maxOutputTokens": 9})),
        config("Rivers", json!({"thinkingConfig": {"thinkingLevel": "LOW"}})),
        config("Rivers", json!({"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true}})),
    ];
    for body in bodies {
        let (status, whole) = generate(&sandbox, &body).await;
        assert_eq!(status, 200, "{whole}");
        let sse = streamed(sandbox.post("gemini", &format!("{MODEL}:streamGenerateContent?alt=sse"), &body)).await;
        let array = streamed(sandbox.post("gemini", &format!("{MODEL}:streamGenerateContent"), &body)).await;
        let array: Vec<Value> = serde_json::from_str(&array).unwrap();
        let chunks = json_events(&sse);
        assert_eq!(array, chunks);
        for thought in [true, false] {
            assert_eq!(said(&chunks, thought), said(std::slice::from_ref(&whole), thought));
        }
        let last = chunks.last().unwrap();
        assert_eq!(
            (&last["usageMetadata"], &last["candidates"][0]["finishReason"]),
            (&whole["usageMetadata"], &whole["candidates"][0]["finishReason"])
        );
        let totals: Vec<u64> =
            chunks.iter().map(|chunk| chunk["usageMetadata"]["totalTokenCount"].as_u64().unwrap()).collect();
        assert!(totals.is_sorted());
        let usage = &whole["usageMetadata"];
        let number = |name: &str| usage[name].as_u64().unwrap_or(0);
        assert_eq!(
            number("totalTokenCount"),
            number("promptTokenCount") + number("candidatesTokenCount") + number("thoughtsTokenCount")
        );
    }
}

#[tokio::test]
async fn functions_and_formats() {
    let sandbox = Sandbox::start().await;
    let declared = json!([{"function_declarations": [{"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}}]}]);
    let mut body = with(ask("The weather in Oslo?"), json!({"tools": declared}));
    let (_, whole) = generate(&sandbox, &body).await;
    let call = &whole["candidates"][0]["content"]["parts"][0]["functionCall"];
    assert_eq!(
        (&call["name"], &call["args"], &whole["candidates"][0]["finishReason"]),
        (&json!("get_weather"), &json!({"city": "Oslo"}), &json!("STOP"))
    );
    let chunks =
        json_events(&streamed(sandbox.post("gemini", &format!("{MODEL}:streamGenerateContent?alt=sse"), &body)).await);
    assert_eq!(&chunks[0]["candidates"][0]["content"]["parts"][0]["functionCall"], call);
    assert_eq!(chunks.last().unwrap()["usageMetadata"], whole["usageMetadata"]);
    let turns = body["contents"].as_array_mut().unwrap();
    turns.push(whole["candidates"][0]["content"].clone());
    turns.push(json!({"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"result": "14 degrees"}}}]}));
    let (_, after) = generate(&sandbox, &body).await;
    assert!(said(&[after], false).contains("14 degrees"));
    body["contents"].as_array_mut().unwrap().pop();
    body["contents"].as_array_mut().unwrap().push(ask("And?")["contents"][0].clone());
    assert_eq!(generate(&sandbox, &body).await.0, 400);

    let schema = json!({"type": "OBJECT", "properties": {"name": {"type": "STRING"}, "length": {"type": "INTEGER"}}, "required": ["name", "length"]});
    let (_, made) = generate(
        &sandbox,
        &config("A river", json!({"response_mime_type": "application/json", "response_schema": schema})),
    )
    .await;
    let made: Value = serde_json::from_str(&said(&[made], false)).unwrap();
    assert!(made["name"].is_string() && made["length"].is_i64(), "{made}");
}

#[tokio::test]
async fn refuses_what_the_provider_refuses() {
    let sandbox = Sandbox::start().await;
    let refused = [
        (json!({}), "contents is not specified"),
        (json!({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}), "valid role: user, model"),
        (json!({"contents": [{"role": "user", "parts": []}]}), "parts must not be empty"),
        (json!({"contents": [{"role": "user", "parts": [{}]}]}), "must have one initialized field"),
        (with(ask("x"), json!({"messages": []})), "Unknown name \"messages\""),
        (config("x", json!({"max_tokens": 5})), "Unknown name \"maxTokens\""),
        (config("x", json!({"temperature": 3})), "temperature"),
        (config("x", json!({"thinkingConfig": {"thinkingBudget": 5, "thinkingLevel": "LOW"}})), "only one of"),
        (config("x", json!({"responseSchema": {}})), "mimetypes"),
    ];
    for (body, words) in refused {
        let (status, told) = generate(&sandbox, &body).await;
        assert_eq!(
            (status, told["error"]["code"].as_u64(), told["error"]["status"].as_str()),
            (400, Some(400), Some("INVALID_ARGUMENT")),
            "{body}"
        );
        assert!(told["error"]["message"].as_str().unwrap().contains(words), "{told} lacks {words}");
    }
    let url = sandbox.url("gemini", &format!("{MODEL}:generateContent"));
    assert_eq!(told(sandbox.client.post(&url).json(&ask("x"))).await.0, 403);
    assert_eq!(told(sandbox.client.post(format!("{url}?key=k")).json(&ask("x"))).await.0, 200);
    let (status, body) = told(sandbox.client.post(format!("{url}?key=invalid")).json(&ask("x"))).await;
    assert_eq!((status, body["error"]["details"][0]["reason"].as_str()), (400, Some("API_KEY_INVALID")));
}

#[tokio::test]
async fn faults_in_its_own_form() {
    let sandbox = Sandbox::start().await;
    let post = |path: &str| sandbox.post("gemini", path, &ask("Rivers"));
    let (status, body) = told(post("/models/gemini-2.5-flash@429:2:generateContent")).await;
    assert_eq!((status, body["error"]["status"].as_str()), (429, Some("RESOURCE_EXHAUSTED")));
    assert_eq!(body["error"]["details"][1]["retryDelay"], "2s");
    let stream = streamed(post("/models/gemini-2.5-flash@error:2:streamGenerateContent?alt=sse")).await;
    assert_eq!(json_events(&stream).last().unwrap()["error"]["status"], "UNAVAILABLE");
    let array = streamed(post("/models/gemini-2.5-flash@error:2:streamGenerateContent")).await;
    let array: Vec<Value> = serde_json::from_str(&array).unwrap();
    assert_eq!((array.len(), array[2]["error"]["code"].as_u64()), (3, Some(503)));
    let (status, blocked) = told(post("/models/gemini-2.5-flash@safety:generateContent")).await;
    assert_eq!(
        (status, blocked["promptFeedback"]["blockReason"].as_str(), blocked.get("candidates")),
        (200, Some("SAFETY"), None)
    );
    assert_eq!(sandbox.ended_call().await["model"], "gemini-2.5-flash@safety");
}

#[tokio::test]
async fn counts_and_models() {
    let sandbox = Sandbox::start().await;
    let (_, count) = told(sandbox.post("gemini", &format!("{MODEL}:countTokens"), &ask("Tell me about rivers"))).await;
    let (_, whole) = generate(&sandbox, &ask("Tell me about rivers")).await;
    assert_eq!(count["totalTokens"], whole["usageMetadata"]["promptTokenCount"]);
    let get = |path: &str| sandbox.client.get(sandbox.url("gemini", path)).header("x-goog-api-key", "k");
    let (_, page) = told(get("/models?pageSize=5")).await;
    let (_, rest) =
        told(get(&format!("/models?pageSize=5&pageToken={}", page["nextPageToken"].as_str().unwrap()))).await;
    assert_eq!((page["models"].as_array().unwrap().len(), rest["models"].as_array().unwrap().len()), (5, 3));
    assert!(rest.get("nextPageToken").is_none());
    assert_eq!(told(get(MODEL)).await.1["name"], "models/gemini-2.5-flash");
    assert_eq!(told(get("/models/nothing")).await.0, 404);
}
