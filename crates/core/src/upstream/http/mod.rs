//! The native upstream: HTTP/1.1 over reqwest and rustls.
//!
//! HTTP/1.1, as OpenAI's clients use it: over one HTTP/2 connection, calls beyond the server's stream limit would queue,
//! and use up their time limits in that queue. One pool of connections serves the whole process for the same settings, because
//! some programs make a client per request.

mod answer;
mod errors;
mod events;
mod pool;
mod race;
mod settings;
mod stale;
mod tls;

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

use super::decoding::Bound;
use super::{BoxFuture, Completion, Request, Response, Upstream};
use crate::endpoint::Accepted;
use crate::failure::Failure;
use crate::text::secrets::{Secrets, may_repeat};
use answer::{MAX_ERROR_BODY, completion, error_body, parts, stream};
pub(super) use events::Sent;

pub use pool::HttpPool;
pub use settings::TransportSettings;

/// The header with the number of retries before this request.
const RETRY_COUNT: &str = "x-stainless-retry-count";

/// One HTTP upstream: a URL and headers, over a shared pool.
#[derive(Debug)]
pub struct HttpUpstream {
    /// The pool.
    pub pool: Arc<HttpPool>,
    /// The URL of the endpoint.
    pub url: Arc<Url>,
    /// All headers except those that differ between tries.
    pub headers: Arc<HeaderMap>,
}

impl Upstream for HttpUpstream {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let headers = of_try(&self.headers, request.retries);
            let response = self.pool.exchange(&Method::POST, &self.url, &headers, request.body.clone()).await?;
            receive(response, Sent { headers, url: Arc::clone(&self.url) }, &request).await
        })
    }
}

/// The headers of a try, with the number of tries before it.
pub(super) fn of_try(headers: &Arc<HeaderMap>, retries: u32) -> Arc<HeaderMap> {
    let mut headers = Arc::clone(headers);
    if retries > 0 && headers.contains_key(RETRY_COUNT) {
        Arc::make_mut(&mut headers).insert(RETRY_COUNT, HeaderValue::from(retries));
    }
    headers
}

/// Reads a response as an answer or a failure, and redacts the request's credentials in failures.
pub(super) async fn receive(
    response: reqwest::Response,
    sent: Sent,
    request: &Request<'_>,
) -> Result<Response, Failure> {
    let (headers, url) = (Arc::clone(&sent.headers), Arc::clone(&sent.url));
    let is_good = |status| (200..300).contains(&status);
    let (mut head, mut body) = parts(response, |status| match is_good(status) {
        true => Bound { bytes: request.max_response_bytes, is_since_output: request.stream },
        false => Bound { bytes: MAX_ERROR_BODY, is_since_output: false },
    });
    head.is_redirected = head.url != url.as_str();
    if head.request_id().is_some_and(|id| may_repeat(id, keys(&headers))) {
        head.redact_request_id(&Secrets::of_request(&headers, &url));
    }
    let answered = if !is_good(head.status) {
        // Boxed, like the stream below, so that the future of a completion stays small.
        let text = Box::pin(error_body(Vec::new(), body)).await;
        Err(Failure::status(head, text))
    } else if request.stream {
        Box::pin(stream(head, body, sent, request.max_response_bytes)).await
    } else {
        completion(&head, &mut body, request)
            .await
            .map(|Accepted { text, usage }| Response::Completion(Completion { head, text, usage, ticket: None }))
    };
    answered.map_err(|failure| failure.redacted(&Secrets::of_request(&headers, &url)))
}

/// The values of the headers that hold the keys of known APIs.
fn keys(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    [AUTHORIZATION.as_str(), "api-key", "x-api-key"]
        .into_iter()
        .filter_map(|name| headers.get(name))
        .map(HeaderValue::as_bytes)
}

tokio::task_local! {
    static UNREDIRECTED: ();
}

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 4;

/// Whether a redirect is followed, with body and key: 307 and 308 within the origin, a few times. Any other is a failure.
pub(super) fn is_followed(status: u16, from: &Url, to: &Url, before: usize) -> bool {
    let is_allowed = UNREDIRECTED.try_with(|()| ()).is_err();
    is_allowed && matches!(status, 307 | 308) && from.origin() == to.origin() && before < MAX_REDIRECTS
}

/// An upstream whose redirects are not followed at all.
pub struct Unredirected(pub Arc<dyn Upstream>);

impl Upstream for Unredirected {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(UNREDIRECTED.scope((), self.0.send(request)))
    }
}
