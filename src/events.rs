//! Event streams that an SDK of the host reads: rewritten on their way there (`openpipe_core::endpoint::plain`).

use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result, Status};
use napi_derive::napi;
use openpipe_core::endpoint::plain::Rewriter;

/// One event cannot be longer than a JavaScript string.
const MAX_EVENT_BYTES: usize = 512 * 1024 * 1024;

/// Rewrites the bytes of one event stream in their plainest form.
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

    /// What is left at a clean end.
    ///
    /// # Errors
    /// As for `feed`.
    #[napi(catch_unwind)]
    pub fn finish(&mut self) -> Result<Uint8Array> {
        self.0.finish().map(Into::into).map_err(too_large)
    }

    /// Whether `[DONE]` has come.
    #[napi(getter)]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

fn too_large(_: openpipe_core::events::sse::TooLarge) -> Error {
    Error::new(Status::GenericFailure, "an event is longer than a string can be")
}
