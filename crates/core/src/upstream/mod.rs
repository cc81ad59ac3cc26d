//! The trait with which the engine sends requests: over HTTP from the core ([`http`]), or through the host ([`host`]). The engine does
//! not know which it uses.

pub mod decoding;
mod dns;
pub mod host;
pub mod host_http;
pub mod http;
mod peer;
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
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The target.
    pub target: &'a Target,
    /// The text of the body.
    pub body: Bytes,
    /// The caller asked for a stream.
    pub stream: bool,
    /// Tries made before this one.
    pub retries: u32,
    /// The time of this try: the target's, or the rest of the call's. `None` is no limit. Upstreams pass it on (`x-stainless-timeout`, a
    /// custom client's `timeout`); the engine enforces it.
    pub time: Option<Duration>,
    /// The bound on the response's decompressed size, in bytes.
    pub max_response_bytes: u64,
    /// The id of the response that the request cancels, which its URL has as well; `None` for a request for an answer.
    pub cancels: Option<&'a str>,
}

/// An upstream that requests can be sent to.
///
/// Dropping the future of [`Upstream::send`], or a stream, ends the request and closes its connection.
pub trait Upstream: Send + Sync {
    /// Sends one request. A stream is returned when its headers have arrived, a completion when its body has.
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>>;
}

/// Gives the upstream of each target of a call.
pub trait Upstreams: Send + Sync {
    /// The upstream for a way of sending.
    fn upstream(&self, via: &Via) -> Arc<dyn Upstream>;
}

/// The upstream of a target whose URL cannot be made: fails with `bad_request`, and sends nothing.
#[derive(Debug, Clone, Copy)]
pub struct Unsendable;

impl Upstream for Unsendable {
    fn send<'a>(&'a self, _request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(std::future::ready(Err(Failure::unsendable(
            "the request was not sent: the model's name would be a dot segment (such as `..`) in the path of the upstream's URL",
        ))))
    }
}

/// The successful response of an upstream.
pub enum Response {
    /// A whole answer, which the endpoint has accepted.
    Completion(Completion),
    /// A stream of events, none of which has been read.
    Stream {
        /// The response's head.
        head: Head,
        /// Its events.
        source: Box<dyn EventSource>,
        /// The ticket by which the host keeps a custom client's stream.
        ticket: Option<u32>,
    },
}

/// A whole answer.
#[derive(Debug)]
pub struct Completion {
    /// The response's head.
    pub head: Head,
    /// Its text.
    pub text: String,
    /// Its `usage`, as JSON text.
    pub usage: Option<String>,
    /// The ticket by which the host keeps a custom client's object.
    pub ticket: Option<u32>,
}

/// The events of a stream, in batches as they arrive.
pub trait EventSource: Send {
    /// The next events; `None` at a clean end of the body. Cancel-safe: a dropped future loses no event. A failure need not have a head:
    /// the reader adds that of the response.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>>;

    /// Redacts the credentials of the request in a failure.
    fn redact(&self, failure: Failure) -> Failure {
        failure
    }

    /// Reads the rest of a body whose last event has been read, so that the connection can be used again.
    fn drain(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
