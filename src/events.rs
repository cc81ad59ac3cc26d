//! Normalises event streams that an SDK reads (`openpipe_core::endpoint::plain`).

use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result, Status};
use napi_derive::napi;
use openpipe_core::endpoint::plain::Rewriter;

/// One event cannot be longer than a JavaScript string.
const MAX_EVENT_BYTES: usize = 512 * 1024 * 1024;

/// Normalises the bytes of one event stream.
#[napi]
pub struct EventRewriter(Rewriter);

#[napi]
impl EventRewriter {
    /// For one stream, from its first byte.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self(Rewriter::new(MAX_EVENT_BYTES))
    }

    /// The events that these bytes complete.
    ///
    /// # Errors
    /// An event that is too large.
    #[napi(catch_unwind)]
    pub fn feed(&mut self, bytes: Uint8Array) -> Result<Uint8Array> {
        self.0.feed(&bytes).map(Into::into).map_err(too_large)
    }

    /// The last event at a clean end of the body, if it had no blank line after it.
    ///
    /// # Errors
    /// As for `feed`.
    #[napi(catch_unwind)]
    pub fn finish(&mut self) -> Result<Uint8Array> {
        self.0.finish().map(Into::into).map_err(too_large)
    }

    /// Whether `[DONE]` has arrived.
    #[napi(getter)]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

fn too_large(_: openpipe_core::events::sse::TooLarge) -> Error {
    Error::new(Status::GenericFailure, "an event is longer than a string can be")
}
