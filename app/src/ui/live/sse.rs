//! Reads an event stream (`text/event-stream`) from pieces of text that break anywhere.

/// One event: its name, if it has one, and its data lines joined by line feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    pub name: Option<String>,
    pub data: String,
}

/// An incremental parser. Lines end with LF, CR or CRLF; comments and unknown fields are skipped. An event counts when
/// its blank line has arrived, as the standard has it: what a cut stream leaves behind is not an event.
#[derive(Debug, Default)]
pub struct SseParser {
    line: String,
    name: Option<String>,
    data: Option<String>,
    /// The last piece ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    started: bool,
}

impl SseParser {
    /// Takes the next piece and answers the events that became complete.
    pub fn push(&mut self, piece: &str) -> Vec<SseEvent> {
        let mut events = Vec::new();
        let mut rest = piece;
        if !self.started && !rest.is_empty() {
            self.started = true;
            rest = rest.strip_prefix('\u{feff}').unwrap_or(rest);
        }
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(after) = rest.strip_prefix('\n')
            {
                rest = after;
                continue;
            }
            let Some(end) = rest.find(['\n', '\r']) else {
                self.line.push_str(rest);
                break;
            };
            self.line.push_str(&rest[..end]);
            self.after_cr = rest.as_bytes()[end] == b'\r';
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            events.extend(self.take_line(&line));
        }
        events
    }

    fn take_line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let name = self.name.take();
            return self.data.take().map(|data| SseEvent { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "event" => self.name = Some(value.to_owned()).filter(|name| !name.is_empty()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datas(pieces: &[&str]) -> Vec<String> {
        let mut parser = SseParser::default();
        pieces.iter().flat_map(|piece| parser.push(piece)).map(|event| event.data).collect()
    }

    #[test]
    fn every_split_gives_the_same_events() {
        for text in [
            "data: {\"a\":1}\n\ndata: héllo\ndata:two\n\n: ping\n\nevent: x\ndata:  y\n\ndata: [DONE]\n\n",
            "data: {\"a\":1}\r\n\r\ndata: héllo\r\ndata:two\r\n\r\n: ping\r\n\r\nevent: x\r\ndata:  y\r\n\r\ndata: [DONE]\r\n\r\n",
            "data: {\"a\":1}\r\rdata: héllo\rdata:two\r\r: ping\r\revent: x\rdata:  y\r\rdata: [DONE]\r\r",
        ] {
            let whole = datas(&[text]);
            assert_eq!(whole, ["{\"a\":1}", "héllo\ntwo", " y", "[DONE]"]);
            let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            for &first in &cuts {
                for &second in cuts.iter().filter(|&&second| second >= first) {
                    assert_eq!(
                        datas(&[&text[..first], &text[first..second], &text[second..]]),
                        whole,
                        "{first},{second}"
                    );
                }
            }
        }
    }

    #[test]
    fn names_comments_and_other_fields() {
        let mut parser = SseParser::default();
        let events = parser
            .push("\u{feff}id: 1\nretry: 5\n: hello\nevent: error\ndata: x\n\ndata\n\nevent: gone\n\ndata: z\n\n");
        let expected = [(Some("error"), "x"), (None, ""), (None, "z")]
            .map(|(name, data)| SseEvent { name: name.map(str::to_owned), data: data.to_owned() });
        assert_eq!(events, expected);
    }

    #[test]
    fn an_event_without_its_blank_line_does_not_count() {
        assert_eq!(datas(&["data: a\n\ndata: cut"]), ["a"]);
        assert_eq!(datas(&["data: a\n\ndata: cut\n"]), ["a"]);
    }
}
