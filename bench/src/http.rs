//! One keep-alive connection: prepared request bytes out, one answer in, with the moment of its first token.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub type Result<T> = std::io::Result<T>;

/// When an answer came, counted from the first byte of the request.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Until the first piece of text; of a buffered answer: until its end.
    pub first_token: Duration,
    pub total: Duration,
}

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Received and not yet decoded.
    raw: Vec<u8>,
    /// Body of the last answer, without chunk framing.
    pub body: Vec<u8>,
    pub status: u16,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, raw: Vec::with_capacity(64 << 10), body: Vec::with_capacity(64 << 10), status: 0 })
    }

    /// Sends one request and reads its whole answer into `status` and `body`.
    pub async fn call(&mut self, request: &[u8]) -> Result<Timing> {
        self.raw.clear();
        self.body.clear();
        let began = Instant::now();
        self.stream.write_all(request).await?;
        let framing = self.head().await?;
        let mut first_token = None;
        let mut scanned = 0;
        loop {
            let done = match framing {
                Framing::Length(length) => {
                    self.body.append(&mut self.raw);
                    self.body.len() >= length
                }
                Framing::Chunked => self.decode()?,
            };
            if first_token.is_none() {
                if has_text(&self.body[scanned..]) {
                    first_token = Some(began.elapsed());
                }
                // The mark may lie across two reads.
                scanned = self.body.len().saturating_sub(TEXT.len() + 3);
            }
            if done {
                break;
            }
            self.receive().await?;
        }
        let total = began.elapsed();
        Ok(Timing { first_token: first_token.unwrap_or(total), total })
    }

    async fn receive(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.raw).await? {
            0 => Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended inside an answer")),
            _ => Ok(()),
        }
    }

    async fn head(&mut self) -> Result<Framing> {
        loop {
            self.receive().await?;
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.raw).map_err(|error| bad(&error.to_string()))?;
            let httparse::Status::Complete(length) = parsed else { continue };
            self.status = response.code.unwrap_or_default();
            let mut framing = Framing::Length(0);
            for header in response.headers.iter() {
                if header.name.eq_ignore_ascii_case("content-length") {
                    let value = std::str::from_utf8(header.value).ok().and_then(|value| value.parse().ok());
                    framing = Framing::Length(value.ok_or_else(|| bad("content-length is no number"))?);
                } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                    framing = Framing::Chunked;
                }
            }
            self.raw.drain(..length);
            return Ok(framing);
        }
    }

    /// Moves the complete chunks from `raw` to `body`; true after the last one.
    fn decode(&mut self) -> Result<bool> {
        let mut at = 0;
        let mut done = false;
        while let Some(line) = memchr::memmem::find(&self.raw[at..], b"\r\n") {
            let size = std::str::from_utf8(&self.raw[at..at + line]).unwrap_or_default();
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| bad("a chunk without a size"))?;
            let data = at + line + 2;
            if self.raw.len() < data + size + 2 {
                break;
            }
            self.body.extend_from_slice(&self.raw[data..data + size]);
            at = data + size + 2;
            if size == 0 {
                done = true;
                break;
            }
        }
        self.raw.drain(..at);
        Ok(done)
    }
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what.to_owned())
}

const TEXT: &[u8] = b"\"content\":";

/// Whether a non-empty `"content":"…"` is in there.
fn has_text(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, TEXT).any(|at| {
        let rest = bytes[at + TEXT.len()..].trim_ascii_start();
        rest.len() > 1 && rest[0] == b'"' && rest[1] != b'"'
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that answers one request with these pieces, each in a segment of its own.
    async fn answered(pieces: &'static [&'static str]) -> (Result<Timing>, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.read_exact(&mut [0; 18]).await.unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let client = async {
            let mut connection = Connection::open(address).await.unwrap();
            let timing = connection.call(b"GET / HTTP/1.1\r\n\r\n").await;
            (timing, connection)
        };
        tokio::join!(server, client).1
    }

    #[tokio::test]
    async fn reads_a_body_of_known_length() {
        let (timing, connection) = answered(&["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 5\r\n\r\nhe", "llo"]).await;
        assert!(timing.is_ok());
        assert_eq!((connection.status, connection.body.as_slice()), (200, b"hello".as_slice()));
    }

    #[tokio::test]
    async fn reads_chunks_wherever_they_are_split() {
        let (timing, connection) = answered(&[
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1",
            "\r\na\r",
            "\n13;x=y\r\n{\"content\":\"hallo\"}\r\n0\r\n",
            "\r\n",
        ])
        .await;
        let timing = timing.unwrap();
        assert_eq!(connection.body, b"a{\"content\":\"hallo\"}");
        assert!(timing.first_token <= timing.total);
    }

    #[tokio::test]
    async fn a_cut_answer_is_an_error() {
        let (timing, _) = answered(&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel"]).await;
        assert_eq!(timing.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_empty_content_is_no_token() {
        assert!(!has_text(br#"{"delta":{"role":"assistant","content":""}}"#));
        assert!(has_text(br#"{"delta":{"role":"assistant","content":""}} {"delta":{"content": "a"}}"#));
    }
}
