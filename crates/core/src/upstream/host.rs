//! Upstreams that need the host: a custom client ([`HostUpstream`]), or HTTP from the core with headers that only the host
//! knows ([`HostHeadersUpstream`]).

use std::sync::Arc;

use http::HeaderMap;
use reqwest::Url;

use super::host_http::HostHttpUpstream;
use super::http::{HttpPool, HttpUpstream};
use super::{BoxFuture, Completion, EventSource, Request, Response, SseEvent, Upstream};
use crate::endpoint::Endpoint;
use crate::failure::{Failure, Head, Kind, host_errors};
use crate::host::{HostAnswer, HostChunks, HostFailure, HostRequest, HostSide};
use crate::in_place::{give_way, in_place};
use crate::plan::Overlay;
use crate::text::headers::{self, HeaderList};
use crate::text::secrets::{Secrets, may_repeat};

/// A custom client, for one call.
pub struct HostUpstream {
    /// The call's host.
    pub host: Arc<dyn HostSide>,
    /// The client's number in the host.
    pub client: u32,
    /// The caller's own headers.
    pub headers: HeaderList,
    /// How many retries the client makes by itself; `None` leaves it to the client.
    pub max_retries: Option<u32>,
}

impl Upstream for HostUpstream {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let Request { endpoint, body, stream, time, max_response_bytes: max_bytes, cancels, .. } = request;
            let host_request = HostRequest {
                client: self.client,
                body: body.clone(),
                cancels,
                stream,
                headers: &self.headers,
                max_retries: self.max_retries,
                time,
            };
            match self.host.send(host_request).await {
                Ok(HostAnswer::Completion { .. }) if stream => {
                    Err(invalid("the client returned no stream: it cannot be iterated"))
                }
                Ok(HostAnswer::Completion { text: None, .. }) => Err(invalid("the client returned no object")),
                Ok(HostAnswer::Completion { text: Some(text), .. }) if text.len() as u64 > max_bytes => {
                    Err(Failure::too_large("the response", max_bytes, None))
                }
                Ok(HostAnswer::Completion { ticket, text: Some(text), request_id, secrets }) => {
                    let answered = completion(endpoint, &body, ticket, text, head(request_id, &secrets)).await;
                    answered.map_err(|failure| failure.redacted(&host_errors::secrets(&secrets)))
                }
                Ok(HostAnswer::Stream { ticket, request_id, secrets, chunks }) if stream => {
                    let head = head(request_id, &secrets);
                    let source = Box::new(HostEvents {
                        endpoint,
                        chunks,
                        max_bytes,
                        is_too_large: false,
                        secrets: host_errors::secrets(&secrets),
                    });
                    Ok(Response::Stream { head, source, ticket: Some(ticket) })
                }
                Ok(HostAnswer::Stream { .. }) => {
                    Err(invalid("the client returned a stream where a completion was requested"))
                }
                Err(HostFailure::Thrown(error)) => Err(error.classify()),
                Err(HostFailure::Broken(why)) => Err(invalid(&why)),
            }
        })
    }
}

async fn completion(
    endpoint: Endpoint,
    sent: &[u8],
    ticket: u32,
    text: String,
    head: Head,
) -> Result<Response, Failure> {
    let bytes = text.len();
    let accepted = in_place(bytes, || endpoint.accept(text, sent));
    give_way(bytes).await;
    match accepted {
        Ok(answer) => {
            Ok(Response::Completion(Completion { head, text: answer.text, usage: answer.usage, ticket: Some(ticket) }))
        }
        Err(refusal) => Err(refusal.failure(None)),
    }
}

/// A substitute for the head of a successful response that only the host has received. `keys` are the client's.
fn head(request_id: Option<String>, keys: &[String]) -> Head {
    let mut head = Head { status: 200, ..Head::default() };
    let Some(id) = request_id else { return head };
    let may_repeat = may_repeat(&id, keys.iter().map(String::as_bytes));
    if let Ok(id) = id.parse() {
        head.headers.insert("x-request-id", id);
    }
    if may_repeat {
        head.redact_request_id(&host_errors::secrets(keys));
    }
    head
}

fn invalid(message: &str) -> Failure {
    Failure::invalid_response(message, None, None)
}

/// A stream that a client of the host returned.
struct HostEvents {
    endpoint: Endpoint,
    chunks: Box<dyn HostChunks>,
    /// The bound on one event.
    max_bytes: u64,
    /// An event was larger.
    is_too_large: bool,
    /// The client's keys: an error event may repeat them.
    secrets: Secrets,
}

impl EventSource for HostEvents {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>> {
        Box::pin(async move {
            let event = |data| SseEvent { data, is_error: false };
            if self.is_too_large {
                return Err(Failure::too_large("an event", self.max_bytes, None));
            }
            match self.chunks.next().await {
                Ok(None) => Ok(None),
                Ok(Some(mut chunks)) => {
                    let too_large_at = chunks.iter().position(|chunk| chunk.len() as u64 > self.max_bytes);
                    chunks.truncate(too_large_at.unwrap_or(chunks.len()));
                    self.is_too_large = too_large_at.is_some();
                    // The chunks before it are delivered first.
                    if self.is_too_large && chunks.is_empty() {
                        return Err(Failure::too_large("an event", self.max_bytes, None));
                    }
                    Ok(Some(chunks.into_iter().map(event).collect()))
                }
                Err(HostFailure::Thrown(error)) => {
                    let is_body_error = error.is_body_error();
                    let failure = error.classify();
                    // Within a stream every failure is of the kind `stream`, except an error that names a status, one whose code names its kind,
                    // and a body that is no answer. The caller gets the client's own error object.
                    let named = failure.body.as_deref().and_then(|body| self.endpoint.kind_of_error(body));
                    let kind = match named {
                        _ if failure.named_status.is_some() => failure.kind,
                        Some(named) => named,
                        None if is_body_error => failure.kind,
                        None => Kind::Stream,
                    };
                    Err(Failure { kind, ..failure })
                }
                Err(HostFailure::Broken(why)) => Err(invalid(&why)),
            }
        })
    }

    fn redact(&self, failure: Failure) -> Failure {
        failure.redacted(&self.secrets)
    }
}

/// An upstream over HTTP from the core whose key a function of the caller returns: the host calls it for each try, and only the target
/// that needs the key waits for it.
pub struct HostHeadersUpstream {
    /// The call's host.
    pub host: Arc<dyn HostSide>,
    /// Its connections; `None` where requests go through the host's own HTTP client.
    pub pool: Option<Arc<HttpPool>>,
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The URL of the endpoint.
    pub url: Arc<Url>,
    /// All headers but the key.
    pub base: Arc<HeaderMap>,
    /// The call's own headers, applied over those.
    pub overlay: Overlay,
}

impl Upstream for HostHeadersUpstream {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let given = match self.host.headers(&self.upstream).await {
                Ok(given) => given,
                Err(HostFailure::Thrown(error)) => return Err(error.without_key()),
                Err(HostFailure::Broken(why)) => return Err(invalid(&why)),
            };
            let mut headers = HeaderMap::clone(&self.base);
            headers::overlay(&mut headers, &given).map_err(|why| invalid(&why))?;
            let mut headers = Arc::new(headers);
            self.overlay.apply(&mut headers).map_err(|why| invalid(&why))?;
            let url = Arc::clone(&self.url);
            match self.pool.clone() {
                Some(pool) => HttpUpstream { pool, url, headers }.send(request).await,
                None => HostHttpUpstream { host: Arc::clone(&self.host), url, headers }.send(request).await,
            }
        })
    }
}
