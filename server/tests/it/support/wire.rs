//! HTTP by hand, for clients that behave badly.

use std::net::TcpListener;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::TestApp;

/// A connection that sends one request and reads only as much as it is told to.
pub struct Raw {
    pub stream: TcpStream,
    pub received: Vec<u8>,
}

impl Raw {
    /// Sends a chat call.
    pub async fn chat(app: &TestApp, body: &Value) -> Self {
        let body = body.to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            host = app.app().address,
            key = app.api_key,
            length = body.len(),
        );
        Self::send(app, &format!("{head}{body}")).await
    }

    pub async fn send(app: &TestApp, text: &str) -> Self {
        // Of a size of its own, so that the system does not take in everything for a client that does not read.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        let mut stream = socket.connect(app.app().address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Reads until the text has been seen.
    pub async fn until(&mut self, text: &str) {
        let mut buffer = vec![0; 64 * 1024];
        let mut from = 0;
        while memchr::memmem::find(&self.received[from..], text.as_bytes()).is_none() {
            from = self.received.len().saturating_sub(text.len());
            let length = tokio::time::timeout(super::PATIENCE, self.stream.read(&mut buffer)).await;
            let length = length.unwrap_or_else(|_| panic!("no {text:?} in {}", self.text())).unwrap();
            assert!(length > 0, "the connection ended before {text:?}: {}", self.text());
            self.received.extend_from_slice(&buffer[..length]);
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Hangs up at once, without the usual farewell.
    pub fn hang_up(self) {
        drop(self.stream);
    }
}

/// A port of this machine where nobody listens.
pub fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
