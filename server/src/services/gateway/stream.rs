//! A streamed answer on its way to the caller. Dropping it ends the upstream call and records it as cancelled.

use futures::future::BoxFuture;

use super::{
    GatewayError,
    attempt::OpenStream,
    call::{Call, Facts},
};
use crate::providers::{ChatChunk, ProviderError};

/// Chunks of an answer, in order.
pub struct ChatStream {
    call: Call,
    state: State,
}

enum State {
    /// Still before the first byte: tries may be going on.
    Opening(BoxFuture<'static, Result<Box<OpenStream>, GatewayError>>),
    Open(Box<OpenStream>),
    /// The chunks before an error were handed out, the error was not yet.
    Failing(GatewayError),
    Over,
}

impl ChatStream {
    pub(super) fn new(call: Call, opening: BoxFuture<'static, Result<Box<OpenStream>, GatewayError>>) -> Self {
        Self { call, state: State::Opening(opening) }
    }

    /// What is known of the call so far.
    pub fn facts(&self) -> Facts {
        self.call.facts()
    }

    /// The caller's answer begins, with or without a first byte of the provider's.
    pub fn begin(&mut self) {
        self.call.begin();
    }

    /// Waits for the first byte. After an error the stream is over. May be dropped and called again.
    pub async fn opened(&mut self) -> Result<(), GatewayError> {
        if let State::Opening(opening) = &mut self.state {
            match opening.await {
                Ok(open) => self.state = State::Open(open),
                Err(error) => {
                    self.state = State::Over;
                    self.call.fail(&error);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The chunks that came together, at least one; `None` when the answer is complete. May be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Vec<ChatChunk>>, GatewayError> {
        self.opened().await?;
        loop {
            match &mut self.state {
                State::Open(open) => {
                    if !open.pending.is_empty() {
                        let chunks: Vec<ChatChunk> = open.pending.drain(..).collect();
                        self.call.saw(&chunks);
                        return Ok(Some(chunks));
                    }
                    if open.ended {
                        self.state = State::Over;
                        self.call.complete_stream();
                        return Ok(None);
                    }
                    if let Err(error) = open.read_ready().await {
                        let error = self.call.provider_error(error);
                        let pending = std::mem::take(&mut open.pending);
                        self.state = State::Failing(error);
                        if !pending.is_empty() {
                            let chunks: Vec<ChatChunk> = pending.into();
                            self.call.saw(&chunks);
                            return Ok(Some(chunks));
                        }
                    }
                }
                State::Failing(error) => {
                    let error = error.clone();
                    self.state = State::Over;
                    self.call.fail(&error);
                    return Err(error);
                }
                State::Opening(_) | State::Over => return Ok(None),
            }
        }
    }
}

impl Call {
    fn provider_error(&self, error: ProviderError) -> GatewayError {
        GatewayError::Provider { provider: self.provider().unwrap_or_default(), error: error.into() }
    }
}
