//! The first request as code.

/// A language a first request can be copied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Curl,
    Python,
    TypeScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Curl, Self::Python, Self::TypeScript];

    /// Key of its tab.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Python => "python",
            Self::TypeScript => "typescript",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Curl => "cURL",
            Self::Python => "Python",
            Self::TypeScript => "TypeScript",
        }
    }
}

/// What stands where the key belongs while there is none to fill in.
pub const PLACEHOLDER: &str = "YOUR_API_KEY";

/// A first request to `base` (`http://host:port`) in a language. Keys and model names hold no quotes.
pub fn first_request(language: Language, base: &str, key: &str, model: &str) -> String {
    match language {
        Language::Curl => format!(
            "curl {base}/v1/chat/completions \\\n  -H \"Authorization: Bearer {key}\" \\\n  -H \"Content-Type: application/json\" \\\n  \
             -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Say hello\"}}]}}'"
        ),
        Language::Python => format!(
            "# pip install openai\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=\"{base}/v1\", api_key=\"{key}\")\n\
             answer = client.chat.completions.create(\n    model=\"{model}\",\n    messages=[{{\"role\": \"user\", \"content\": \"Say hello\"}}],\n)\n\
             print(answer.choices[0].message.content)"
        ),
        Language::TypeScript => format!(
            "// npm install openai\nimport OpenAI from \"openai\";\n\n\
             const client = new OpenAI({{ baseURL: \"{base}/v1\", apiKey: \"{key}\" }});\n\
             const answer = await client.chat.completions.create({{\n  model: \"{model}\",\n  messages: [{{ role: \"user\", content: \"Say hello\" }}],\n}});\n\
             console.log(answer.choices[0].message.content);"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_carries_address_key_and_model() {
        for language in Language::ALL {
            let text = first_request(language, "http://h:1", "de-key", "m-1");
            for part in ["http://h:1/v1", "de-key", "\"m-1\"", "Say hello"] {
                assert!(text.contains(part), "{language:?} lacks {part}");
            }
        }
        let curl = first_request(Language::Curl, "http://h:1", "k", "m");
        let body = curl.split_once("-d '").unwrap().1.trim_end_matches('\'');
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["messages"][0]["role"], "user");
    }
}
