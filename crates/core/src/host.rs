//! Three of the four traits that a host implements: [`HostClient`], [`HeaderSource`] and [`ReportSender`]. The fourth,
//! [`CallEvents`](crate::call::CallEvents), receives the events of a call.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Url;

use crate::boxed::BoxFuture;
use crate::failure::ClientError;
pub use crate::report::Delivery as ReportSender;
use crate::text::headers::HeaderList;

/// The host traits that upstreams need.
pub trait HostSide: HostClient + HeaderSource {}

impl<T: HostClient + HeaderSource> HostSide for T {}

/// Calls custom clients and the caller's functions, which live in the host. The values that they return or throw stay there under a
/// number, the ticket; the core gets the summary that it needs to decide.
///
/// The core enforces time limits: a client that never settles, or ignores its signal, is dropped like a silent socket. Dropping the future,
/// or the chunks, must stop the client.
pub trait HostClient: Send + Sync {
    /// Calls a custom client once.
    fn send<'a>(&'a self, request: HostRequest<'a>) -> BoxFuture<'a, Result<HostAnswer, HostFailure>>;

    /// Sends one POST by the host's own HTTP client, which must not follow redirects. Called only for calls with
    /// [`crate::options::CallOptions::through_host`].
    fn exchange<'a>(&'a self, _request: HttpRequest<'a>) -> BoxFuture<'a, Result<HttpAnswer, HostFailure>> {
        let none = HostFailure::Broken("this host has no HTTP client of its own".to_owned());
        Box::pin(std::future::ready(Err(none)))
    }

    /// Has a function of `reject` judge an answer. Returns why the answer is refused; `None` accepts it. A host without such functions
    /// accepts every answer.
    fn judge<'a>(&'a self, question: JudgeRequest<'a>) -> BoxFuture<'a, Result<Option<String>, HostFailure>> {
        let _ = question;
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A request to be sent by the host's own HTTP client.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// The URL.
    pub url: &'a Url,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The body's text.
    pub body: Bytes,
}

/// A response at its headers.
pub struct HttpAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderList,
    /// The text of its body, decoded by the host.
    pub body: Box<dyn HostChunks>,
}

/// An answer that a function of `reject` judges.
#[derive(Debug, Clone)]
pub struct JudgeRequest<'a> {
    /// The number of the function.
    pub function: u32,
    /// The ticket of a custom client's own object, which the caller would get.
    pub ticket: Option<u32>,
    /// The answer as JSON text; empty where there is a ticket.
    pub answer: String,
    /// The upstream's request id.
    pub request_id: Option<&'a str>,
    /// The upstream's name.
    pub upstream: &'a str,
    /// The model that it was asked for.
    pub model: &'a str,
}

/// A request to a custom client.
#[derive(Debug)]
pub struct HostRequest<'a> {
    /// The number of the client.
    pub client: u32,
    /// The body's text.
    pub body: Bytes,
    /// The id of a response to cancel, with an empty body; `None` for a request for an answer.
    pub cancels: Option<&'a str>,
    /// The caller asked for a stream.
    pub stream: bool,
    /// The caller's own headers.
    pub headers: &'a HeaderList,
    /// How many retries the client makes by itself; `None` is its own default.
    pub max_retries: Option<u32>,
    /// The time that it has; `None` is no limit.
    pub time: Option<Duration>,
}

/// The value that a custom client returned.
pub enum HostAnswer {
    /// A value.
    Completion {
        /// Its number in the host.
        ticket: u32,
        /// The value as JSON text; `None` where it is not an object.
        text: Option<String>,
        /// The upstream's request id.
        request_id: Option<String>,
        /// The client's keys, to be redacted in failures.
        secrets: Vec<String>,
    },
    /// A stream.
    Stream {
        /// Its number in the host.
        ticket: u32,
        /// The upstream's request id.
        request_id: Option<String>,
        /// The client's keys, to be redacted in failures.
        secrets: Vec<String>,
        /// Its chunks.
        chunks: Box<dyn HostChunks>,
    },
}

/// The chunks of a custom client's stream. The host keeps each chunk until [`CallEvents::kept_events`] passes it on to the reader.
pub trait HostChunks: Send {
    /// The next chunks as JSON texts, `null` for what JSON does not know; `None` at the end. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<String>>, HostFailure>>;
}

/// Why a custom client gave no answer.
#[derive(Debug)]
pub enum HostFailure {
    /// It threw.
    Thrown(ClientError),
    /// The host broke the contract of this trait, or is gone.
    Broken(String),
}

/// Gives the headers of an upstream whose key a function of the caller returns.
pub trait HeaderSource: Send + Sync {
    /// The headers with the key of this upstream; for the client's own upstream all headers. Called once for each try, within the target's
    /// time.
    fn headers<'a>(&'a self, upstream: &'a str) -> BoxFuture<'a, Result<HeaderList, HostFailure>>;
}
