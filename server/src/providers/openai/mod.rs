//! OpenAI's Chat Completions format, which also Ollama, llama.cpp, vLLM, Mistral, Groq, DeepSeek, xAI and OpenRouter speak.

pub mod body;
