//! The question every text provider asks, in one shape, and the decision what to answer: text, JSON or tool calls,
//! where it ends, and what it counts.

use serde_json::{Value, json};

use super::dice::{Dice, fingerprint};
use super::{schema, text, tokens};

/// Tokens that each message costs besides its text.
const MESSAGE_OVERHEAD: u32 = 4;
/// Words in tool names too common to count as a mention.
const COMMON: &[&str] =
    &["with", "from", "this", "that", "make", "call", "tool", "find", "into", "your", "send", "what", "have"];

/// A chat request, whoever's wire format it came in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// The model without any fault it carries.
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) system: String,
    /// The text of the last user turn.
    pub(crate) prompt: String,
    /// What the tools answered, when the last turn is a tool result.
    pub(crate) tool_result: Option<String>,
    pub(crate) images: u32,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    /// At most one tool call per answer.
    pub(crate) one_call: bool,
    pub(crate) format: Format,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) stops: Vec<String>,
    /// Answers wanted; 0 counts as 1.
    pub(crate) choices: u32,
    pub(crate) seed: i64,
    /// Reasoning tokens to spend before the answer; 0 is none.
    pub(crate) reasoning: u32,
    /// Usage asked for in the stream (OpenAI's `include_usage`).
    pub(crate) stream_usage: bool,
    /// Reasoning shown to the caller (Gemini's `includeThoughts`).
    pub(crate) show_reasoning: bool,
    pub(crate) cache: CacheWish,
    /// Exact length of the answer in tokens (`x-sim-tokens`).
    pub(crate) length: Option<u32>,
    meter: Meter,
}

/// What the provider may cache of the prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CacheWish {
    /// Long prefixes are remembered without being asked.
    #[default]
    Automatic,
    /// Nothing is marked for caching.
    Unmarked,
    /// The first `bytes` of the transcript are marked.
    Marked { bytes: usize, hour: bool },
}

#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    /// Only these.
    Named(Vec<String>),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Schema(Value),
}

#[derive(Debug, Clone, Default)]
struct Meter {
    /// Everything the model reads, in order: what is counted, cached and hashed.
    transcript: String,
    extra_tokens: u32,
}

impl Ask {
    /// Opens a turn; its texts follow.
    pub(crate) fn turn(&mut self, role: &str) {
        self.meter.transcript.push_str(role);
        self.meter.transcript.push('\n');
        self.meter.extra_tokens += MESSAGE_OVERHEAD;
    }

    /// Counts a text the model reads.
    pub(crate) fn read(&mut self, text: &str) {
        self.meter.transcript.push_str(text);
        self.meter.transcript.push('\n');
    }

    /// Offers a tool; the model reads its name and schema.
    pub(crate) fn offer(&mut self, name: &str, schema: Value) {
        self.read(name);
        self.read(&schema.to_string());
        self.tools.push(Tool { name: name.to_owned(), schema });
    }

    /// Counts a picture worth this many tokens.
    pub(crate) fn see(&mut self, tokens: u32) {
        self.images += 1;
        self.attach(tokens);
    }

    /// Counts an attachment that is no picture.
    pub(crate) fn attach(&mut self, tokens: u32) {
        self.meter.extra_tokens = self.meter.extra_tokens.saturating_add(tokens);
    }

    /// Bytes of transcript so far, for marking what to cache.
    pub(crate) fn position(&self) -> usize {
        self.meter.transcript.len()
    }

    pub(crate) fn transcript(&self) -> &str {
        &self.meter.transcript
    }

    /// Tokens of the whole input.
    pub(crate) fn input_tokens(&self) -> u32 {
        tokens::count(&self.meter.transcript).saturating_add(self.meter.extra_tokens)
    }

    fn dice(&self, index: u32) -> Dice {
        Dice::new(fingerprint(&[&self.model, &self.meter.transcript, &self.seed.to_string(), &index.to_string()]))
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Names this answer: the same for the same question.
    pub(crate) key: String,
    pub(crate) choices: Vec<Choice>,
    /// Absent when a fault withholds it.
    pub(crate) usage: Option<Usage>,
}

#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) reasoning: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) finish: Finish,
}

#[derive(Debug, Clone)]
pub(crate) struct ToolCall {
    /// Letters and digits; providers put their own prefix before it.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    /// Ended before this stop sequence.
    Sequence(String),
    Length,
    Calls,
    /// Withheld by the content filter.
    Filtered,
}

/// Token counts. `input` is everything read, cached or not; `output` is everything written, reasoning included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u32,
    pub(crate) cache_read: u32,
    pub(crate) cache_write: u32,
    /// The written prefix lives for an hour instead of five minutes.
    pub(crate) cache_hour: bool,
    pub(crate) output: u32,
    pub(crate) reasoning: u32,
}

impl Usage {
    pub(crate) fn total(&self) -> u32 {
        self.input.saturating_add(self.output)
    }
}

impl Answer {
    /// Tokens written in all choices.
    pub(crate) fn tokens(&self) -> u32 {
        self.choices.iter().map(Choice::tokens).sum()
    }
}

impl Choice {
    fn tokens(&self) -> u32 {
        let calls: u32 =
            self.calls.iter().map(|call| tokens::count(&call.name) + tokens::count(&call.arguments.to_string())).sum();
        tokens::count(&self.reasoning) + tokens::count(&self.text) + calls
    }
}

/// Decides the answer. `usage` holds the input side; the output side is filled in.
pub(crate) fn answer(ask: &Ask, mut usage: Usage, filtered: bool) -> Answer {
    let choices: Vec<Choice> = (0..ask.choices.max(1)).map(|index| choice(ask, index, filtered)).collect();
    let mut answer = Answer { key: ask.dice(0).word(20), choices, usage: None };
    usage.output = answer.tokens();
    usage.reasoning = answer.choices.iter().map(|choice| tokens::count(&choice.reasoning)).sum();
    answer.usage = Some(usage);
    answer
}

fn choice(ask: &Ask, index: u32, filtered: bool) -> Choice {
    let mut dice = ask.dice(index);
    let subject = text::Subject {
        model: &ask.model,
        system: &ask.system,
        prompt: &ask.prompt,
        tool_result: ask.tool_result.as_deref(),
        images: ask.images,
    };
    if filtered {
        return Choice { reasoning: String::new(), text: String::new(), calls: Vec::new(), finish: Finish::Filtered };
    }
    let budget = ask.max_tokens.unwrap_or(u32::MAX);
    let thinking = ask.reasoning.min(budget);
    let reasoning = if thinking > 0 { text::reasoning(&subject, &mut dice, thinking) } else { String::new() };
    let calls: Vec<ToolCall> = chosen_tools(ask)
        .into_iter()
        .map(|tool| ToolCall {
            id: dice.word(20),
            name: tool.name.clone(),
            arguments: schema::instance(&tool.schema, &ask.prompt, &mut dice),
        })
        .collect();
    if !calls.is_empty() {
        return Choice { reasoning, text: String::new(), calls, finish: Finish::Calls };
    }
    let mut written = match &ask.format {
        Format::Text => text::prose(&subject, &mut dice, ask.length),
        Format::Json => {
            json!({"simulated": true, "model": ask.model, "answer": text::prose(&subject, &mut dice, ask.length)})
                .to_string()
        }
        Format::Schema(schema) => schema::instance(schema, &ask.prompt, &mut dice).to_string(),
    };
    let mut finish = Finish::Stop;
    let stop = ask
        .stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| Some((written.find(stop.as_str())?, stop)))
        .min();
    if let Some((place, stop)) = stop {
        written.truncate(place);
        finish = Finish::Sequence(stop.clone());
    }
    let (kept, cut) = tokens::truncate(&written, budget - thinking);
    if cut {
        finish = Finish::Length;
        written.truncate(kept.len());
    }
    Choice { reasoning, text: written, calls, finish }
}

/// The tools to call: all that the last user turn mentions, or the first one when a call is required.
fn chosen_tools(ask: &Ask) -> Vec<&Tool> {
    let (allowed, required): (Vec<&Tool>, bool) = match &ask.tool_choice {
        ToolChoice::None => return Vec::new(),
        ToolChoice::Auto if ask.tool_result.is_some() => return Vec::new(),
        ToolChoice::Auto => (ask.tools.iter().collect(), false),
        ToolChoice::Required => (ask.tools.iter().collect(), true),
        ToolChoice::Named(names) => (ask.tools.iter().filter(|tool| names.contains(&tool.name)).collect(), true),
    };
    let prompt = ask.prompt.to_lowercase();
    let mut chosen: Vec<&Tool> = allowed.iter().copied().filter(|tool| mentioned(&tool.name, &prompt)).collect();
    if chosen.is_empty() && required {
        chosen.extend(allowed.first().copied());
    }
    if ask.one_call {
        chosen.truncate(1);
    }
    chosen
}

/// Whether a text in lower case names a tool, or uses one of the longer words in its name.
fn mentioned(name: &str, prompt: &str) -> bool {
    if prompt.contains(&name.to_lowercase()) {
        return true;
    }
    let mut spaced = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            spaced.push(' ');
        }
        spaced.extend(c.to_lowercase());
    }
    spaced.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 4 && !COMMON.contains(word)).any(
        |word| {
            prompt
                .split(|c: char| !c.is_alphanumeric())
                .any(|said| said == word || said.strip_suffix('s') == Some(word))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(prompt: &str) -> Ask {
        let mut ask = Ask { model: "m".into(), prompt: prompt.into(), ..Ask::default() };
        ask.turn("user");
        ask.read(prompt);
        ask
    }

    fn tool(name: &str) -> Tool {
        Tool {
            name: name.into(),
            schema: json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
        }
    }

    fn names(ask: &Ask) -> Vec<String> {
        answer(ask, Usage::default(), false).choices[0].calls.iter().map(|call| call.name.clone()).collect()
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        let text = |ask: &Ask| answer(ask, Usage::default(), false).choices[0].text.clone();
        assert_eq!(text(&ask("Tell me about rivers")), text(&ask("Tell me about rivers")));
        assert_ne!(text(&Ask { seed: 5, ..ask("Tell me about rivers") }), text(&ask("Tell me about rivers")));
        let two = answer(&Ask { choices: 2, ..ask("Tell me about rivers") }, Usage::default(), false);
        assert_ne!(two.choices[0].text, two.choices[1].text);
    }

    #[test]
    fn limits_and_stops_end_the_text() {
        let short = answer(&Ask { max_tokens: Some(5), ..ask("Rivers") }, Usage::default(), false);
        assert_eq!(short.choices[0].finish, Finish::Length);
        assert_eq!(short.usage.unwrap().output, 5);
        let stopped =
            answer(&Ask { stops: vec!["zzz".into(), " simulated".into()], ..ask("Rivers") }, Usage::default(), false);
        assert_eq!(stopped.choices[0].text, "This is a");
        assert_eq!(stopped.choices[0].finish, Finish::Sequence(" simulated".into()));
    }

    #[test]
    fn reasoning_spends_the_budget_first() {
        let all = answer(&Ask { reasoning: 64, max_tokens: Some(50), ..ask("Rivers") }, Usage::default(), false);
        assert_eq!((all.usage.unwrap().reasoning, all.choices[0].text.as_str()), (50, ""));
        assert_eq!(all.choices[0].finish, Finish::Length);
        let part = answer(&Ask { reasoning: 64, ..ask("Rivers") }, Usage::default(), false);
        assert_eq!(part.usage.unwrap().reasoning, 64);
        assert!(part.usage.unwrap().output > 70);
    }

    #[test]
    fn tools_are_called_when_mentioned_or_required() {
        let tools = vec![tool("get_weather"), tool("bookFlight")];
        let with = |prompt: &str| Ask { tools: tools.clone(), ..ask(prompt) };
        assert_eq!(names(&with("How is the weather in Oslo?")), ["get_weather"]);
        assert_eq!(names(&with("Weather in Oslo, and a flight there")), ["get_weather", "bookFlight"]);
        assert_eq!(names(&Ask { one_call: true, ..with("Weather in Oslo, and a flight there") }), ["get_weather"]);
        assert!(names(&with("Hello")).is_empty());
        assert_eq!(names(&Ask { tool_choice: ToolChoice::Required, ..with("Hello") }), ["get_weather"]);
        assert_eq!(
            names(&Ask { tool_choice: ToolChoice::Named(vec!["bookFlight".into()]), ..with("weather") }),
            ["bookFlight"]
        );
        assert!(names(&Ask { tool_choice: ToolChoice::None, ..with("weather") }).is_empty());
        let after = Ask { tool_result: Some("14 degrees and rain".into()), ..with("How is the weather?") };
        let said = answer(&after, Usage::default(), false);
        assert!(said.choices[0].calls.is_empty());
        assert!(said.choices[0].text.contains("14 degrees and rain"), "{}", said.choices[0].text);
    }

    #[test]
    fn json_mode_answers_json() {
        let json = answer(&Ask { format: Format::Json, ..ask("Give json") }, Usage::default(), false);
        let value: Value = serde_json::from_str(&json.choices[0].text).unwrap();
        assert_eq!(value["simulated"], true);
    }
}
