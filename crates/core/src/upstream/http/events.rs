//! The events of a stream over HTTP.

use std::sync::Arc;

use reqwest::Url;
use reqwest::header::HeaderMap;

use super::errors::stream_failure;
use crate::events::sse::{Decoder, TooLarge};
use crate::failure::Failure;
use crate::text::secrets::Secrets;
use crate::upstream::decoding::Body;
use crate::upstream::{BoxFuture, EventSource, SseEvent};

/// The URL and headers of the request: their credentials are redacted in every failure of the stream.
#[derive(Debug)]
pub(in crate::upstream) struct Sent {
    pub(in crate::upstream) headers: Arc<HeaderMap>,
    pub(in crate::upstream) url: Arc<Url>,
}

/// The events of a response. The reader has the response's head, and adds it to failures.
pub(super) struct HttpEvents {
    pub(super) body: Body,
    pub(super) decoder: Decoder,
    pub(super) sent: Sent,
    pub(super) max_bytes: u64,
    /// The body is not empty, or its content type is that of an event stream.
    pub(super) is_something: bool,
    /// Events that have arrived and are not returned yet.
    pub(super) ready: Vec<SseEvent>,
    /// Set when nothing more is read: the body has ended, or an event was too large.
    pub(super) end: Option<Result<(), TooLarge>>,
}

impl HttpEvents {
    fn too_large(&self) -> Failure {
        Failure::too_large("an event", self.max_bytes, None)
    }
}

impl EventSource for HttpEvents {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>> {
        Box::pin(async move {
            let mut events = std::mem::take(&mut self.ready);
            // Events that arrived before the end are returned first.
            while events.is_empty() {
                match self.end {
                    Some(Ok(())) => return Ok(None),
                    Some(Err(TooLarge)) => return Err(self.too_large()),
                    None => {}
                }
                // Cancel-safe: `chunk` holds no bytes of its own, and what it returned is decoded before the next await.
                let decoded = match self.body.chunk().await {
                    Ok(Some(chunk)) => {
                        self.is_something |= !chunk.is_empty();
                        self.decoder.feed(&chunk, &mut events)
                    }
                    Ok(None) if !self.is_something => {
                        return Err(Failure::invalid_response("the response is empty", None, None));
                    }
                    Ok(None) => {
                        self.end = Some(Ok(()));
                        self.decoder.finish(&mut events)
                    }
                    Err(error) => return Err(stream_failure(&error, self.max_bytes)),
                };
                if let Err(too_large) = decoded {
                    self.end = Some(Err(too_large));
                }
            }
            Ok(Some(events))
        })
    }

    fn redact(&self, failure: Failure) -> Failure {
        failure.redacted(&Secrets::of_request(&self.sent.headers, &self.sent.url))
    }

    fn drain(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut left: usize = 64 * 1024;
            while let Ok(Some(chunk)) = self.body.chunk().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    return;
                }
            }
        })
    }
}
