//! Reads a `text/event-stream` body as it arrives. Lines may end with LF, CRLF or CR; comments and unknown fields are
//! skipped. A `data:` line that lies inside one network chunk is handed on as a slice of it, without a copy.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use serde::de::IgnoredAny;

use super::{ErrorClass, ProviderError, SseEvent};

/// Most bytes that one event may have.
pub const MAX_EVENT: usize = 4 * 1024 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// An incremental parser; feed it the body chunk by chunk, then call [`SseParser::finish`].
#[derive(Debug)]
pub struct SseParser {
    /// The line that the last chunk broke off in.
    partial: BytesMut,
    event: Option<String>,
    data: Data,
    /// The last chunk ended with CR: an LF that follows belongs to it.
    skip_lf: bool,
    /// No line was read yet: a byte order mark may stand in front.
    at_start: bool,
    limit: usize,
}

#[derive(Debug)]
enum Data {
    None,
    One(Bytes),
    Joined(BytesMut),
}

impl Default for SseParser {
    fn default() -> Self {
        Self::new(MAX_EVENT)
    }
}

impl SseParser {
    /// A parser for events of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { partial: BytesMut::new(), event: None, data: Data::None, skip_lf: false, at_start: true, limit }
    }

    /// Takes the next bytes of the body and appends the events that became complete. `Malformed` when an event is too
    /// large; the parser is of no use after that.
    pub fn feed(&mut self, chunk: Bytes, out: &mut Vec<SseEvent>) -> Result<(), ProviderError> {
        let mut at = 0;
        while at < chunk.len() {
            if std::mem::take(&mut self.skip_lf) && chunk[at] == b'\n' {
                at += 1;
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', &chunk[at..]) else {
                self.partial.extend_from_slice(&chunk[at..]);
                return self.check(self.partial.len());
            };
            let end = at + length;
            let line = if self.partial.is_empty() {
                chunk.slice(at..end)
            } else {
                self.partial.extend_from_slice(&chunk[at..end]);
                self.partial.split().freeze()
            };
            self.line(line, out)?;
            self.skip_lf = chunk[end] == b'\r';
            at = end + 1;
        }
        Ok(())
    }

    /// The body ended. An event that lacks only its blank line counts; a line that was cut in the middle counts only when
    /// it makes sense on its own (`[DONE]` or a whole JSON value), so that a cut stream is not taken for a garbled one.
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) -> Result<(), ProviderError> {
        if !self.partial.is_empty() {
            let line = self.partial.split().freeze();
            let value = field(&line).and_then(|(name, from)| (name == b"data").then(|| &line[from..]));
            if !value.is_some_and(|v| v == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(v).is_ok()) {
                self.data = Data::None;
                return Ok(());
            }
            self.line(line, out)?;
        }
        self.dispatch(out);
        Ok(())
    }

    fn line(&mut self, mut line: Bytes, out: &mut Vec<SseEvent>) -> Result<(), ProviderError> {
        if std::mem::take(&mut self.at_start) && line.starts_with(BOM) {
            line = line.slice(BOM.len()..);
        }
        if line.is_empty() {
            self.dispatch(out);
            return Ok(());
        }
        match field(&line) {
            Some((b"data", from)) => self.push(line.slice(from..)),
            Some((b"event", from)) => {
                self.check(line.len())?;
                self.event = Some(String::from_utf8_lossy(&line[from..]).into_owned()).filter(|name| !name.is_empty());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn push(&mut self, value: Bytes) -> Result<(), ProviderError> {
        let had = match &self.data {
            Data::None => 0,
            Data::One(first) => first.len() + 1,
            Data::Joined(all) => all.len() + 1,
        };
        self.check(had + value.len())?;
        self.data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => Data::One(value),
            Data::One(first) => {
                let mut all = BytesMut::with_capacity(had + value.len());
                all.extend_from_slice(&first);
                Data::Joined(append(all, &value))
            }
            Data::Joined(all) => Data::Joined(append(all, &value)),
        };
        Ok(())
    }

    fn dispatch(&mut self, out: &mut Vec<SseEvent>) {
        let event = self.event.take();
        match std::mem::replace(&mut self.data, Data::None) {
            Data::None => {}
            Data::One(data) => out.push(SseEvent { event, data }),
            Data::Joined(all) => out.push(SseEvent { event, data: all.freeze() }),
        }
    }

    fn check(&self, length: usize) -> Result<(), ProviderError> {
        if length > self.limit {
            return Err(ProviderError::new(
                ErrorClass::Malformed,
                format!("the provider sent an event of more than {} bytes", self.limit),
            ));
        }
        Ok(())
    }
}

fn append(mut all: BytesMut, value: &[u8]) -> BytesMut {
    all.extend_from_slice(b"\n");
    all.extend_from_slice(value);
    all
}

/// The field name of a line and where its value begins; `None` for a comment.
fn field(line: &[u8]) -> Option<(&[u8], usize)> {
    // Nearly every line is `data: …`; its colon need not be searched for.
    let colon = if line.starts_with(b"data:") { Some(4) } else { memchr::memchr(b':', line) };
    match colon {
        Some(0) => None,
        Some(colon) => Some((&line[..colon], colon + 1 + usize::from(line.get(colon + 1) == Some(&b' ')))),
        None => Some((line, line.len())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<(Option<String>, String)> {
        let mut parser = SseParser::default();
        let mut out = Vec::new();
        for chunk in chunks {
            parser.feed(Bytes::copy_from_slice(chunk), &mut out).unwrap();
        }
        parser.finish(&mut out).unwrap();
        out.into_iter().map(|e| (e.event, String::from_utf8(e.data.to_vec()).unwrap())).collect()
    }

    fn data(text: &str) -> Vec<String> {
        events(&[text.as_bytes()]).into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn every_line_end_is_understood() {
        for text in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
            assert_eq!(data(text), ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn names_comments_and_several_data_lines() {
        let text = "\u{feff}: hello\nevent: delta\nid: 7\nretry: 1\nunknown\ndata:one\ndata:  two\ndata\n\n: ping\n\nevent: lost\n\ndata: x\n\n";
        assert_eq!(
            events(&[text.as_bytes()]),
            [(Some("delta".to_owned()), "one\n two\n".to_owned()), (None, "x".to_owned())]
        );
    }

    #[test]
    fn the_last_event_needs_no_blank_line_unless_it_is_cut() {
        assert_eq!(data("data: [DONE]"), ["[DONE]"]);
        assert_eq!(data("data: {\"a\":1}"), ["{\"a\":1}"]);
        assert_eq!(data("data: plain\n"), ["plain"]);
        assert_eq!(data("data: a\n\ndata: {\"a\":"), ["a"]);
        assert_eq!(data("data: {\"a\":\ndat"), Vec::<String>::new());
    }

    #[test]
    fn a_whole_event_in_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"data: {\"a\":1}\n\ndata: {\"b\":2}\n\n");
        let mut out = Vec::new();
        SseParser::default().feed(chunk.clone(), &mut out).unwrap();
        let range = chunk.as_ptr_range();
        assert_eq!(out.len(), 2);
        assert!(out.iter().all(|event| range.contains(&event.data.as_ptr())));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut out = Vec::new();
        let mut one_line = SseParser::new(100);
        let error = (0..20).find_map(|_| one_line.feed(Bytes::from_static(b"data: 1234567"), &mut out).err());
        assert_eq!(error.unwrap().class, ErrorClass::Malformed);
        let mut many_lines = SseParser::new(100);
        let error = (0..20).find_map(|_| many_lines.feed(Bytes::from_static(b"data: 1234567\n"), &mut out).err());
        assert_eq!(error.unwrap().class, ErrorClass::Malformed);
        assert!(out.is_empty());
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("data: ".to_owned()),
            Just("data:".to_owned()),
            Just("event: x".to_owned()),
            Just(": c".to_owned()),
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\r\n".to_owned()),
            Just("\n\n".to_owned()),
            Just("\u{feff}".to_owned()),
            Just("[DONE]".to_owned()),
            "\\PC{0,5}",
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn where_the_network_cuts_makes_no_difference(
            stream in stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
            let bytewise: Vec<&[u8]> = stream.chunks(1).collect();
            let whole = events(&[&stream]);
            prop_assert_eq!(&events(&pieces), &whole);
            prop_assert_eq!(&events(&bytewise), &whole);
        }
    }
}
