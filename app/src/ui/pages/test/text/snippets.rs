//! The same call as code: cURL, Python and TypeScript with OpenAI's SDKs. The key is always a placeholder.

use super::request::{ChatRequest, indented};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Curl,
    Python,
    TypeScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Curl, Self::Python, Self::TypeScript];

    pub fn label(self) -> &'static str {
        match self {
            Self::Curl => "cURL",
            Self::Python => "Python",
            Self::TypeScript => "TypeScript",
        }
    }

    /// The call in this language; `base` is the address of this server (`https://host`).
    pub fn write(self, request: &ChatRequest, base: &str) -> String {
        match self {
            Self::Curl => curl(request, base),
            Self::Python => python(request, base),
            Self::TypeScript => typescript(request, base),
        }
    }
}

fn curl(request: &ChatRequest, base: &str) -> String {
    let unbuffered = if request.stream { " --no-buffer" } else { "" };
    format!(
        "curl{unbuffered} {base}/v1/chat/completions \\\n  -H \"Authorization: Bearer $ELECTRONS_API_KEY\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  --data '{}'\n",
        request.body().replace('\'', r"'\''")
    )
}

fn python(request: &ChatRequest, base: &str) -> String {
    let arguments: String = request
        .fields
        .iter()
        .map(|(name, value)| format!("    {name}={},\n", indented(&python_literal(value), "    ")))
        .collect();
    let (name, show) = if request.stream {
        (
            "stream",
            "for chunk in stream:\n    if chunk.choices and chunk.choices[0].delta.content:\n        print(chunk.choices[0].delta.content, end=\"\", flush=True)\n",
        )
    } else {
        ("completion", "print(completion.choices[0].message.content)\n")
    };
    format!(
        "# pip install openai\nimport os\nfrom openai import OpenAI\n\n\
         client = OpenAI(base_url=\"{base}/v1\", api_key=os.environ[\"ELECTRONS_API_KEY\"])\n\n\
         {name} = client.chat.completions.create(\n{arguments})\n{show}"
    )
}

fn typescript(request: &ChatRequest, base: &str) -> String {
    let arguments: String =
        request.fields.iter().map(|(name, value)| format!("  {name}: {},\n", indented(value, "  "))).collect();
    let (name, show) = if request.stream {
        (
            "stream",
            "for await (const chunk of stream) {\n  process.stdout.write(chunk.choices[0]?.delta?.content ?? \"\");\n}\n",
        )
    } else {
        ("completion", "console.log(completion.choices[0].message.content);\n")
    };
    format!(
        "// npm install openai\nimport OpenAI from \"openai\";\n\n\
         const client = new OpenAI({{ baseURL: \"{base}/v1\", apiKey: process.env.ELECTRONS_API_KEY }});\n\n\
         const {name} = await client.chat.completions.create({{\n{arguments}}});\n{show}"
    )
}

/// JSON as a Python literal: only `true`, `false` and `null` differ, and only outside of strings.
fn python_literal(json: &str) -> String {
    let mut literal = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        literal.push_str(&python_words(&rest[..start]));
        let end = string_end(&rest[start..]);
        literal.push_str(&rest[start..start + end]);
        rest = &rest[start + end..];
    }
    literal.push_str(&python_words(rest));
    literal
}

fn python_words(json: &str) -> String {
    json.replace("true", "True").replace("false", "False").replace("null", "None")
}

/// Length of the JSON string at the start of `json`, quotes included.
fn string_end(json: &str) -> usize {
    let mut escaped = false;
    for (at, c) in json.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            params::{Param, Params},
            request::Message,
        },
        *,
    };

    fn request(text: &str, stream: bool) -> ChatRequest {
        let mut params = Params::default();
        params.set(Param::Temperature, "0.5");
        ChatRequest::new("m", None, "", &[Message::user(text)], &params, stream).unwrap()
    }

    #[test]
    fn curl_survives_a_shell() {
        let text = Language::Curl.write(&request("It's $HOME `x` \"q\"", true), "http://h:1");
        assert!(text.starts_with("curl --no-buffer http://h:1/v1/chat/completions"));
        assert!(text.contains("Bearer $ELECTRONS_API_KEY"));
        let data = text.split_once("--data '").unwrap().1.strip_suffix("'\n").unwrap();
        assert!(!data.replace(r"'\''", "").contains('\''), "no quote ends the argument early");
        assert_eq!(data.replace(r"'\''", "'"), request("It's $HOME `x` \"q\"", true).body());
    }

    #[test]
    fn python_gets_its_own_words_but_not_in_strings() {
        assert_eq!(
            python_literal(r#"{"a": true, "true": [null, false], "b": "null \" true \\"}"#),
            r#"{"a": True, "true": [None, False], "b": "null \" true \\"}"#
        );
        let text = Language::Python.write(&request("true?", true), "http://h");
        assert!(text.contains("    stream=True,\n    stream_options={\"include_usage\": True},\n"));
        assert!(text.contains("\"true?\"") && text.contains("base_url=\"http://h/v1\""));
        assert!(Language::Python.write(&request("a", false), "http://h").ends_with("message.content)\n"));
    }

    #[test]
    fn typescript_names_its_fields() {
        let text = Language::TypeScript.write(&request("a", false), "http://h");
        assert!(text.contains("  model: \"m\",\n") && text.contains("  temperature: 0.5,\n"));
        assert!(text.contains("process.env.ELECTRONS_API_KEY"));
    }
}
