//! The body of an answer as a script of steps: what to send, when to wait, where to break. Pacing, framing and stream
//! faults live here, once for all providers.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::calls::Guard;
use super::faults::{Break, Faults};

/// The pause between the parts of a split answer: long enough for each to travel in its own TCP segment.
const SPLIT_PAUSE: Duration = Duration::from_millis(1);
/// The pause before a connection is dropped, so that what was sent before has left.
const DROP_PAUSE: Duration = Duration::from_millis(20);
const BROKEN_JSON: &str = "{\"simulated\":\"malformed\",\"choices\":[{\"delta\":";

/// One event of a streamed answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    /// The `event:` line, where the provider has one.
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
    /// Tokens of the answer that it carries.
    pub(crate) tokens: u32,
    /// Whether it reports usage; `dup-usage` sends it twice.
    pub(crate) usage: bool,
}

/// How events become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON array, an element per event.
    JsonArray,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Send { bytes: Bytes, tokens: u32 },
    Wait(Duration),
    End(End),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The body is over.
    Close,
    /// The connection is dropped.
    Abort,
    /// Nothing more comes, the connection stays.
    Hang,
}

/// Builds the script of a streamed answer. `failure` is the provider's in-stream error, `oddity` its event without choices.
pub(crate) fn events(
    mut events: Vec<Event>,
    framing: Framing,
    faults: &Faults,
    per_token: Duration,
    failure: Event,
    oddity: Option<Event>,
) -> VecDeque<Step> {
    if faults.dup_usage {
        events = events
            .into_iter()
            .flat_map(|event| std::iter::repeat_n(event.clone(), if event.usage { 2 } else { 1 }))
            .collect();
    }
    if faults.empty_choices
        && let Some(oddity) = oddity
    {
        events.insert(break_at(&events, 2), oddity);
    }
    let mut writer =
        Writer { framing, newline: if faults.crlf { "\r\n" } else { "\n" }, comments: faults.comments, open: false };
    let broken = faults.broken.map(|(how, after)| (how, break_at(&events, after)));
    let mut steps = VecDeque::with_capacity(events.len() + 2);
    let mut end = End::Close;
    for (place, event) in events.iter().enumerate() {
        if let Some((how, at)) = broken
            && at == place
        {
            match how {
                Break::Malformed => {
                    steps.push_back(writer.event(&Event { data: BROKEN_JSON.to_owned(), ..Event::default() }))
                }
                Break::Error => {
                    steps.push_back(writer.event(&failure));
                    steps.extend(writer.close());
                    steps.push_back(Step::End(End::Close));
                    return finished(steps, faults);
                }
                Break::Cut => end = End::Close,
                Break::Drop => end = End::Abort,
                Break::Stall => end = End::Hang,
            }
            if how != Break::Malformed {
                steps.extend((end == End::Abort).then_some(Step::Wait(DROP_PAUSE)));
                steps.push_back(Step::End(end));
                return finished(steps, faults);
            }
        }
        if event.tokens > 0 && !per_token.is_zero() {
            steps.push_back(Step::Wait(per_token.saturating_mul(event.tokens)));
        }
        steps.push_back(writer.event(event));
    }
    steps.extend(writer.close());
    steps.push_back(Step::End(end));
    finished(steps, faults)
}

/// Builds the script of a buffered answer; its length is announced in full even when the body breaks off.
pub(crate) fn whole(bytes: Vec<u8>, tokens: u32, faults: &Faults) -> (VecDeque<Step>, u64) {
    let mut bytes = Bytes::from(bytes);
    let half = bytes.len() / 2;
    let mut steps = VecDeque::new();
    let announced;
    match faults.broken {
        Some((Break::Malformed, _)) => {
            bytes.truncate(half);
            announced = bytes.len();
            steps.push_back(Step::Send { bytes, tokens });
            steps.push_back(Step::End(End::Close));
        }
        Some((how @ (Break::Cut | Break::Drop | Break::Stall), _)) => {
            announced = bytes.len();
            bytes.truncate(half);
            steps.push_back(Step::Send { bytes, tokens: 0 });
            let end = if how == Break::Stall { End::Hang } else { End::Abort };
            steps.push_back(Step::Wait(DROP_PAUSE));
            steps.push_back(Step::End(end));
        }
        Some((Break::Error, _)) | None => {
            announced = bytes.len();
            steps.push_back(Step::Send { bytes, tokens });
            steps.push_back(Step::End(End::Close));
        }
    }
    (finished(steps, faults), u64::try_from(announced).unwrap_or(u64::MAX))
}

/// The place of the first event after `after` tokens: before the next token, or right after the last one.
fn break_at(events: &[Event], after: u32) -> usize {
    let mut sent = 0_u32;
    let mut last = 0;
    for (place, event) in events.iter().enumerate() {
        if event.tokens > 0 {
            if sent >= after {
                return place;
            }
            sent = sent.saturating_add(event.tokens);
            last = place + 1;
        }
    }
    last
}

fn finished(steps: VecDeque<Step>, faults: &Faults) -> VecDeque<Step> {
    if faults.split { steps.into_iter().flat_map(split).collect() } else { steps }
}

/// Cuts one send into parts at every place that readers get wrong.
fn split(step: Step) -> Vec<Step> {
    let Step::Send { bytes, tokens } = step else { return vec![step] };
    let mut parts = Vec::new();
    let mut rest = bytes;
    let mut tokens = tokens;
    while !rest.is_empty() {
        let part = rest.split_to(part_length(&rest));
        // The tokens count as sent with the last part.
        parts.push(Step::Send { bytes: part, tokens: if rest.is_empty() { std::mem::take(&mut tokens) } else { 0 } });
        parts.push(Step::Wait(SPLIT_PAUSE));
    }
    parts
}

/// Single bytes inside multi-byte characters, around line ends and inside `data:`; pieces of JSON elsewhere.
fn part_length(bytes: &[u8]) -> usize {
    const STRETCH: usize = 48;
    if bytes.starts_with(b"data:") {
        return 3;
    }
    let delicate = |byte: &u8| !byte.is_ascii() || matches!(byte, b'\n' | b'\r');
    match bytes.iter().take(STRETCH).position(delicate) {
        Some(0) => 1,
        Some(place) => place,
        None => STRETCH.min(bytes.len()),
    }
}

struct Writer {
    framing: Framing,
    newline: &'static str,
    comments: bool,
    /// Whether the JSON array was opened.
    open: bool,
}

impl Writer {
    fn event(&mut self, event: &Event) -> Step {
        let mut text = String::with_capacity(event.data.len() + 48);
        match self.framing {
            Framing::Sse => {
                if self.comments {
                    text.extend([": simulated comment", self.newline, self.newline]);
                }
                if let Some(name) = event.name {
                    text.extend(["event: ", name, self.newline]);
                }
                if self.comments {
                    text.extend([":", self.newline]);
                }
                text.extend(["data: ", &event.data, self.newline, self.newline]);
            }
            Framing::JsonArray => {
                text.push_str(if self.open { "," } else { "[" });
                text.push_str(if self.open { self.newline } else { "" });
                text.push_str(&event.data);
                self.open = true;
            }
        }
        Step::Send { bytes: text.into(), tokens: event.tokens }
    }

    fn close(&mut self) -> Option<Step> {
        (self.framing == Framing::JsonArray)
            .then(|| Step::Send { bytes: Bytes::from_static(if self.open { b"]" } else { b"[]" }), tokens: 0 })
    }
}

/// A body that plays a script and keeps the record of its call.
pub(crate) struct Script {
    steps: VecDeque<Step>,
    wait: Option<Pin<Box<Sleep>>>,
    guard: Guard,
    outcome: String,
    /// Bytes still announced by `content-length`; none when the body is chunked.
    announced: Option<u64>,
}

impl Script {
    pub(crate) fn new(steps: VecDeque<Step>, announced: Option<u64>, guard: Guard, outcome: String) -> Self {
        Self { steps, wait: None, guard, outcome, announced }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            if let Some(wait) = &mut this.wait {
                std::task::ready!(wait.as_mut().poll(cx));
                this.wait = None;
            }
            match this.steps.pop_front() {
                Some(Step::Wait(time)) => this.wait = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Send { bytes, tokens }) => {
                    this.guard.sent(tokens);
                    // The connection stops asking once the announced length is out, so the end is noted here.
                    if this.steps.front() == Some(&Step::End(End::Close)) {
                        this.guard.finish(&this.outcome);
                    }
                    if let Some(announced) = &mut this.announced {
                        *announced = announced.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::End(End::Hang)) => {
                    // Nobody wakes this task but the connection: it ends when the client leaves or the server stops.
                    this.steps.push_front(Step::End(End::Hang));
                    return Poll::Pending;
                }
                Some(Step::End(End::Abort)) => {
                    this.guard.finish(&this.outcome);
                    return Poll::Ready(Some(Err("the simulator drops this connection".into())));
                }
                Some(Step::End(End::Close)) | None => {
                    this.guard.finish(&this.outcome);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.announced == Some(0) && self.steps.iter().all(|step| *step == Step::End(End::Close))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map(SizeHint::with_exact).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Event> {
        let token = |text: &str| Event { data: text.to_owned(), tokens: 1, ..Event::default() };
        let plain = |text: &str| Event { data: text.to_owned(), ..Event::default() };
        vec![
            plain("start"),
            token("a"),
            token("é"),
            token("c"),
            Event { usage: true, ..plain("usage") },
            plain("[DONE]"),
        ]
    }

    fn play(spec: &str, framing: Framing) -> (String, Option<End>, usize) {
        let faults = Faults::parse(spec).unwrap();
        let failure = Event { data: "failure".into(), ..Event::default() };
        let oddity = Some(Event { data: "odd".into(), ..Event::default() });
        let steps = events(sample(), framing, &faults, Duration::ZERO, failure, oddity);
        let mut bytes = Vec::new();
        let (mut end, mut sends) = (None, 0);
        for step in steps {
            match step {
                Step::Send { bytes: part, .. } => {
                    bytes.extend_from_slice(&part);
                    sends += 1;
                }
                Step::End(how) => end = Some(how),
                Step::Wait(_) => {}
            }
        }
        (String::from_utf8(bytes).unwrap(), end, sends)
    }

    #[test]
    fn whole_stream() {
        let (text, end, _) = play("", Framing::Sse);
        assert_eq!(text, "data: start\n\ndata: a\n\ndata: é\n\ndata: c\n\ndata: usage\n\ndata: [DONE]\n\n");
        assert_eq!(end, Some(End::Close));
    }

    #[test]
    fn breaks_come_after_the_asked_tokens() {
        assert_eq!(play("cut:2", Framing::Sse), ("data: start\n\ndata: a\n\ndata: é\n\n".into(), Some(End::Close), 3));
        assert_eq!(play("drop:1", Framing::Sse).1, Some(End::Abort));
        assert_eq!(play("stall:0", Framing::Sse), ("data: start\n\n".into(), Some(End::Hang), 1));
        // Beyond the answer: all tokens, but neither usage nor the end marker.
        assert_eq!(play("cut:99", Framing::Sse).0, "data: start\n\ndata: a\n\ndata: é\n\ndata: c\n\n");
        assert_eq!(play("error:1", Framing::Sse).0, "data: start\n\ndata: a\n\ndata: failure\n\n");
        let (text, end, _) = play("malformed:1", Framing::Sse);
        assert!(text.contains("\"delta\":\n\ndata: é") && text.ends_with("[DONE]\n\n"), "{text}");
        assert_eq!(end, Some(End::Close));
    }

    #[test]
    fn framings() {
        assert!(play("crlf", Framing::Sse).0.starts_with("data: start\r\n\r\ndata: a\r\n\r\n"));
        assert!(play("comments", Framing::Sse).0.starts_with(": simulated comment\n\n:\ndata: start\n\n: sim"));
        assert_eq!(play("dup-usage", Framing::Sse).0.matches("usage").count(), 2);
        assert!(play("empty-choices", Framing::Sse).0.contains("data: é\n\ndata: odd\n\ndata: c"));
        assert!(play("", Framing::JsonArray).0.starts_with("[start,\na,\n"));
        assert!(play("", Framing::JsonArray).0.ends_with("]"));
    }

    #[test]
    fn split_keeps_the_bytes_and_cuts_inside_characters() {
        let (text, _, sends) = play("split", Framing::Sse);
        assert_eq!(text, play("", Framing::Sse).0);
        assert!(sends >= 6 * 4, "{sends}");
        let parts = split(Step::Send { bytes: Bytes::from_static("é".as_bytes()), tokens: 1 });
        assert_eq!(parts.len(), 4);
    }
}
