//! What a language around the core implements, for its part in requests: [`HostClient`], [`HeaderSource`] and [`ReportSender`].
//! With `CallEvents`, which receives the events of a call, these are the four traits of a host.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Url;

use crate::boxed::BoxFuture;
use crate::failure::ClientError;
pub use crate::report::Delivery as ReportSender;
use crate::text::headers::HeaderList;

/// What upstreams need of a host.
pub trait HostSide: HostClient + HeaderSource {}

impl<T: HostClient + HeaderSource> HostSide for T {}

/// Calls what lives in the host: clients and functions of the caller's. What a client returns or throws stays there under a
/// number, its ticket; the core gets the summary that it needs to decide.
///
/// Time is kept by the core: a client that never settles, or ignores its signal, is dropped like a silent socket. Dropping
/// the future, or the chunks, must stop the client.
pub trait HostClient: Send + Sync {
    /// Calls a client once.
    fn send<'a>(&'a self, request: HostRequest<'a>) -> BoxFuture<'a, Result<HostAnswer, HostFailure>>;

    /// Sends one POST by the host's own HTTP client, which must follow no redirect. Asked only where a call says that its
    /// traffic goes that way ([`crate::options::CallOptions::through_host`]).
    fn exchange<'a>(&'a self, _request: HttpRequest<'a>) -> BoxFuture<'a, Result<HttpAnswer, HostFailure>> {
        let none = HostFailure::Broken("this host has no HTTP client of its own".to_owned());
        Box::pin(std::future::ready(Err(none)))
    }

    /// Asks a function of `reject` about an answer. Says why the answer is refused, if it is. A host without such functions accepts
    /// every answer.
    fn judge<'a>(&'a self, question: JudgeRequest<'a>) -> BoxFuture<'a, Result<Option<String>, HostFailure>> {
        let _ = question;
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A request to be sent by the host's own HTTP client.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// Where to.
    pub url: &'a Url,
    /// With which headers.
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
    /// The id by which the upstream knows the request.
    pub request_id: Option<&'a str>,
    /// The upstream's name.
    pub upstream: &'a str,
    /// The model that it was asked for.
    pub model: &'a str,
}

/// A request to a client of the host.
#[derive(Debug)]
pub struct HostRequest<'a> {
    /// The number of the client.
    pub client: u32,
    /// The body's text.
    pub body: Bytes,
    /// The client is to cancel this response, and the body is empty; `None` where it is to give an answer.
    pub cancels: Option<&'a str>,
    /// The caller asked for a stream.
    pub stream: bool,
    /// The caller's own headers.
    pub headers: &'a HeaderList,
    /// The retries that the client is to make by itself; `None` leaves it its default.
    pub max_retries: Option<u32>,
    /// The time that it has; `None` is no limit.
    pub time: Option<Duration>,
}

/// What a client of the host returned.
pub enum HostAnswer {
    /// A value.
    Completion {
        /// Its number on the host's side.
        ticket: u32,
        /// The value as JSON text; `None` where it is no object.
        text: Option<String>,
        /// The id by which the upstream knows the request.
        request_id: Option<String>,
        /// The client's keys, without which a failure is described.
        secrets: Vec<String>,
    },
    /// Something to iterate.
    Stream {
        /// Its number on the host's side.
        ticket: u32,
        /// The id by which the upstream knows the request.
        request_id: Option<String>,
        /// The client's keys, without which a failure is described.
        secrets: Vec<String>,
        /// Its chunks.
        chunks: Box<dyn HostChunks>,
    },
}

/// The chunks of a stream that a client of the host returned. The host keeps each chunk until
/// [`CallEvents::kept_events`] says that it goes to the reader.
pub trait HostChunks: Send {
    /// The next chunks as JSON texts, `null` for what JSON does not know; `None` at the end. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<String>>, HostFailure>>;
}

/// Why a client of the host has no answer.
#[derive(Debug)]
pub enum HostFailure {
    /// It threw.
    Thrown(ClientError),
    /// The host broke the contract of this trait, or is gone.
    Broken(String),
}

/// Gives the headers of an upstream whose key a function of the caller's gives.
pub trait HeaderSource: Send + Sync {
    /// The headers that carry the key of this upstream; every header for the client's own upstream. Asked once per try, within the
    /// target's time.
    fn headers<'a>(&'a self, upstream: &'a str) -> BoxFuture<'a, Result<HeaderList, HostFailure>>;
}
