//! What the engine asks of an upstream. Natively over HTTP ([`http`]), or through a client of the host ([`host`]):
//! the engine does not know which it has.

pub mod decoding;
mod dns;
pub mod host;
pub mod host_http;
pub mod http;
mod proxies;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::endpoint::Endpoint;
use crate::failure::{Failure, Head};
use crate::plan::{Target, Via};

pub use crate::boxed::BoxFuture;
pub use crate::events::sse::SseEvent;

/// One try at one target.
#[derive(Debug)]
pub struct Request<'a> {
    /// The endpoint that is called.
    pub endpoint: Endpoint,
    /// The target.
    pub target: &'a Target,
    /// The body's text.
    pub body: Bytes,
    /// The caller asked for a stream.
    pub stream: bool,
    /// Tries made before this one.
    pub retries: u32,
    /// The time that this try has: the target's, or what is left of the call's. `None` is no limit. For a client that wants
    /// to know; the engine enforces it.
    pub time: Option<Duration>,
    /// The bound on the response's decompressed size, in bytes.
    pub max_response_bytes: u64,
    /// The response that it cancels, which its URL names as well; `None` where it asks for an answer.
    pub cancels: Option<&'a str>,
}

/// Somebody who can be asked for a completion.
///
/// Dropping the future of [`Upstream::send`], or a stream, ends the request and closes its connection.
pub trait Upstream: Send + Sync {
    /// Sends one request. A stream is returned at its headers.
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>>;
}

/// The upstreams of a call, by the way a target is called.
pub trait Upstreams: Send + Sync {
    /// The one to ask.
    fn upstream(&self, via: &Via) -> Arc<dyn Upstream>;
}

/// The upstream of a target that cannot be sent: a `bad_request`, before anything leaves.
#[derive(Debug, Clone, Copy)]
pub struct Unsendable;

impl Upstream for Unsendable {
    fn send<'a>(&'a self, _request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(std::future::ready(Err(Failure::unsendable(
            "the model was not sent: its name would be a step within the path of the upstream's URL",
        ))))
    }
}

/// What an upstream answered, and it was a success.
pub enum Response {
    /// An answer that is no stream: checked to be one.
    Completion(Completion),
    /// A stream of events, at its headers.
    Stream {
        /// The response's head.
        head: Head,
        /// Its events.
        source: Box<dyn EventSource>,
        /// The ticket by which the host keeps a custom client's stream.
        ticket: Option<u32>,
    },
}

/// An answer that is no stream.
#[derive(Debug)]
pub struct Completion {
    /// The response's head.
    pub head: Head,
    /// Its text.
    pub text: String,
    /// The usage that it states, as JSON text.
    pub usage: Option<String>,
    /// The ticket by which the host keeps a custom client's object.
    pub ticket: Option<u32>,
}

/// The events of a stream, in batches as they come.
pub trait EventSource: Send {
    /// The next events; `None` at a clean end of the body. Cancel-safe: a dropped future loses no event. A failure needs no head:
    /// the stream adds that of the response.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>>;

    /// A failure without the credentials of the request.
    fn redact(&self, failure: Failure) -> Failure {
        failure
    }

    /// The stream has ended for its reader: reads what little may still come, so that the connection can serve again.
    fn drain(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
