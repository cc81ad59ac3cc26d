//! The native upstream: HTTP/1.1 over reqwest and rustls.
//!
//! HTTP/1.1 as the SDK's own transport: over one HTTP/2 connection, calls beyond the server's stream limit would queue,
//! and the queue would eat their time. One pool of connections serves the whole process for the same settings, because
//! people make a client per request.

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, Url, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::decoding::{self, Body, Bound, Broken, Refusal};
use super::dns::{DnsError, Resolver};
use super::proxies::Proxies;
use super::{BoxFuture, Completion, EventSource, Request, Response, SseEvent, Upstream};
use crate::endpoint::{self, Accepted, Endpoint};
use crate::failure::{self, Failure, Head};
use crate::in_place::LARGE_BYTES;
use crate::stream::sse::{Decoder, TooLarge};
use crate::text::json;
use crate::text::secrets::Secrets;

/// What is kept of an error's body.
const MAX_ERROR_BODY: u64 = 1024 * 1024;
/// How long an error's body may take once its status is known: the status alone tells what to do next.
const ERROR_BODY_TIME: Duration = Duration::from_secs(2);
/// Where the SDK tells a server which try a request is.
const RETRY_COUNT: &str = "x-stainless-retry-count";
/// Redirects within the origin that are followed.
const MAX_REDIRECTS: usize = 4;
/// Idle connections are given up after this; most servers and balancers keep theirs for 60 s or more.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);
/// The lines of a response's head. `fetch` bounds their bytes instead, to 16 KiB.
const MAX_HEADERS: usize = 512;
/// A connection that has died idle says so about a round trip after something was sent on it, also where the server is on the
/// other side of the world. One that fails later has worked on the request, which must not be sent twice.
const STALE_WITHIN: Duration = Duration::from_millis(500);
/// A peer that vanished without a word is noticed after about a minute.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// How connections are made. Equal settings share one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TransportSettings {
    /// Proxy for `http:` URLs.
    pub http_proxy: Option<String>,
    /// Proxy for `https:` URLs.
    pub https_proxy: Option<String>,
    /// Hosts that are reached without a proxy, separated by commas or blanks.
    pub no_proxy: Option<String>,
    /// `NODE_EXTRA_CA_CERTS`: a PEM file of further roots.
    pub extra_ca_certs: Option<PathBuf>,
    /// `NODE_TLS_REJECT_UNAUTHORIZED=0`: any certificate will do.
    pub accept_invalid_certs: bool,
}

/// A pool of connections, made when it is first needed.
#[derive(Debug)]
pub struct HttpPool {
    settings: TransportSettings,
    clients: OnceCell<Clients>,
    /// Connections, by their two ends, that have served a response: only such a one can have died idle.
    served: Mutex<HashSet<(SocketAddr, SocketAddr)>>,
}

#[derive(Debug)]
struct Clients {
    settings: TransportSettings,
    proxies: Proxies,
    pooled: Client,
    /// Never reuses a connection. Rarely needed, and as dear to make as the other one.
    fresh: OnceCell<Client>,
}

impl Clients {
    async fn fresh(&self) -> Result<&Client, Failure> {
        self.fresh.get_or_try_init(|| made(&self.settings, false)).await
    }
}

/// Makes a client where it holds nobody up: reading the system's certificates takes milliseconds of disk and CPU.
async fn made(settings: &TransportSettings, reuse: bool) -> Result<Client, Failure> {
    let settings = settings.clone();
    let made = tokio::task::spawn_blocking(move || client(&settings, reuse)).await;
    made.map_err(|error| error.to_string()).and_then(|made| made).map_err(|message| Failure::connection(message, None))
}

impl HttpPool {
    /// A pool with these settings. Nothing is opened yet.
    #[must_use]
    pub fn new(settings: TransportSettings) -> Self {
        Self { settings, clients: OnceCell::new(), served: Mutex::new(HashSet::new()) }
    }

    async fn clients(&self) -> Result<&Clients, Failure> {
        self.clients
            .get_or_try_init(|| async {
                let pooled = made(&self.settings, true).await?;
                let proxies = Proxies::of(&self.settings);
                Ok(Clients { settings: self.settings.clone(), proxies, pooled, fresh: OnceCell::new() })
            })
            .await
    }

    /// Gets ready for the first request, which would otherwise wait for the certificates.
    pub async fn warm(&self) {
        // What is wrong is told to whoever sends a request.
        let _ = self.clients().await;
    }

    /// Sends any request of the API and reads its answer, whatever its status.
    ///
    /// # Errors
    /// [`Failure`] where there is no answer, or one larger than `max_bytes`.
    pub async fn request(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: bytes::Bytes,
        max_bytes: u64,
    ) -> Result<(Head, String), Failure> {
        let bound = Bound { bytes: max_bytes, is_since_output: false };
        let (head, body) = parts(self.exchange(&method, url, &headers, body).await?, |_| bound);
        let text = read(body, &head, max_bytes).await?;
        let is_failure = !(200..300).contains(&head.status);
        Ok((head, if is_failure { Secrets::of_request(&headers, url).redact(text) } else { text }))
    }

    /// Sends a request. One that went to a connection which had died idle, and of which no byte came back, is sent again
    /// on a fresh connection: the caller's try has not begun before. That it had died idle is known by how soon it fails.
    async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: bytes::Bytes,
    ) -> Result<reqwest::Response, Failure> {
        let clients = self.clients().await?;
        if let Some(why) = clients.proxies.refusal(url) {
            return Err(Failure::connection(why, None));
        }
        let request = || {
            let mut request = reqwest::Request::new(method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(decoding::ACCEPTED));
            if !body.is_empty() {
                *request.body_mut() = Some(body.clone().into());
            }
            request
        };
        let sent_at = Instant::now();
        let result = match clients.pooled.execute(request()).await {
            Err(error) if self.had_served(&error) && sent_at.elapsed() < STALE_WITHIN => {
                clients.fresh().await?.execute(request()).await
            }
            result => result,
        };
        let response = result.map_err(|error| failure(&error))?;
        if let Some(ends) = response.extensions().get::<HttpInfo>().map(ends) {
            self.lock_served().insert(ends);
        }
        Ok(response)
    }

    /// Whether a request failed because its connection, which had served before, was closed without a byte of an answer.
    fn had_served(&self, error: &reqwest::Error) -> bool {
        let Some(client_error) = find::<hyper_util::client::legacy::Error>(error) else { return false };
        if client_error.is_connect() || find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
            return false;
        }
        let Some(connected) = client_error.connect_info() else { return false };
        let mut extras = http::Extensions::new();
        connected.get_extras(&mut extras);
        extras.get::<HttpInfo>().is_some_and(|info| self.lock_served().remove(&ends(info)))
    }

    fn lock_served(&self) -> std::sync::MutexGuard<'_, HashSet<(SocketAddr, SocketAddr)>> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        // Ends of connections long gone: at worst a reset on a young connection is not seen as such, and counts as a try.
        if served.len() > 10_000 {
            served.clear();
        }
        served
    }
}

fn ends(info: &HttpInfo) -> (SocketAddr, SocketAddr) {
    (info.local_addr(), info.remote_addr())
}

fn client(settings: &TransportSettings, reuse: bool) -> Result<Client, String> {
    // The only provider that is compiled in; it is set once for the process, so a second time is no failure.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .http1_only()
        // What proxies in front of an API make of a head is read as `fetch` reads it. Lines that are no headers are not passed over:
        // one of them may have been the length.
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .redirect(redirect::Policy::custom(follow))
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .tcp_keepalive(TCP_KEEPALIVE)
        .tcp_keepalive_interval(TCP_KEEPALIVE)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .dns_resolver(Resolver::default())
        .no_proxy();
    if !reuse {
        builder = builder.pool_max_idle_per_host(0);
    }
    for proxy in Proxies::of(settings).all() {
        builder = builder.proxy(proxy);
    }
    if settings.accept_invalid_certs {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else {
        // Slim images have no certificate store of their own, so Mozilla's roots come with the addon.
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok());
        builder = builder.tls_certs_merge(bundled.chain(extra_roots(settings)));
    }
    builder.build().map_err(|error| format!("no HTTP client could be made: {}", innermost(&error)))
}

/// Node.js warns of a file that it cannot read or make sense of, and goes on without it; the warning is Node's.
fn extra_roots(settings: &TransportSettings) -> Vec<Certificate> {
    let pem = settings.extra_ca_certs.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        // One that rustls cannot read would spoil every connection, also those that do not need it.
        .filter(|der| rustls::RootCertStore::empty().add(der.clone()).is_ok())
        .filter_map(|der| Certificate::from_der(&der).ok())
        .collect()
}

/// 307 and 308 within the origin are followed, with body and key; whatever else is returned as it is, a failure.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same_origin = attempt.previous().last().is_some_and(|previous| previous.origin() == attempt.url().origin());
    if matches!(attempt.status().as_u16(), 307 | 308) && same_origin && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// One HTTP upstream: a URL and headers, over a shared pool.
#[derive(Debug)]
pub struct HttpUpstream {
    /// The pool.
    pub pool: Arc<HttpPool>,
    /// Where to.
    pub url: Arc<Url>,
    /// Every header but those of a try.
    pub headers: Arc<HeaderMap>,
}

impl Upstream for HttpUpstream {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let mut headers = Arc::clone(&self.headers);
            if request.retries > 0 && headers.contains_key(RETRY_COUNT) {
                Arc::make_mut(&mut headers).insert(RETRY_COUNT, HeaderValue::from(request.retries));
            }
            let sent = request.body.clone();
            let response = self.pool.exchange(&Method::POST, &self.url, &headers, request.body).await?;
            let is_good = |status| (200..300).contains(&status);
            let (head, body) = parts(response, |status| match is_good(status) {
                true => Bound { bytes: request.max_response_bytes, is_since_output: request.stream },
                false => Bound { bytes: MAX_ERROR_BODY, is_since_output: false },
            });
            let answered = if !is_good(head.status) {
                Err(Failure::status(head, error_body(Vec::new(), body).await))
            } else if request.stream {
                stream(head, body, headers, request.max_response_bytes).await
            } else {
                completion(head, body, request.max_response_bytes, request.endpoint, sent).await
            };
            answered.map_err(|failure| failure.redacted(&Secrets::of_request(&self.headers, &self.url)))
        })
    }
}

/// The head of a response, and its body, of which the status decides how much may be decoded.
fn parts(mut response: reqwest::Response, bound: impl FnOnce(u16) -> Bound) -> (Head, Body) {
    let mut headers = std::mem::take(response.headers_mut());
    let (status, url) = (response.status().as_u16(), response.url().to_string());
    let body = Body::of(response, &mut headers, bound(status));
    (Head { status, headers, url }, body)
}

/// The values of headers are slices of the buffer that they were read into, and their table is that of the request, which hyper
/// uses again. A stream that kept them so would hold the whole buffer, 8 KB, and twice the table that it needs for as long as it lasts.
fn detach(headers: &mut HeaderMap) {
    for value in headers.values_mut() {
        if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = own;
        }
    }
    // A clone has room for what is there.
    *headers = headers.clone();
}

async fn completion(
    head: Head,
    body: Body,
    max_bytes: u64,
    endpoint: Endpoint,
    sent: Bytes,
) -> Result<Response, Failure> {
    let text = read(body, &head, max_bytes).await?;
    let accepted = if text.len() < LARGE_BYTES {
        endpoint.accept(text, &sent)
    } else {
        // Not in place: where the runtime is shut down meanwhile, the timer of the target around this would panic.
        let judged = tokio::task::spawn_blocking(move || endpoint.accept(text, &sent)).await;
        judged.map_err(|_shut_down| Failure::connection("the response could not be read to its end", None))?
    };
    match accepted {
        Ok(Accepted { text, usage }) => Ok(Response::Completion(Completion { head, text, usage, ticket: None })),
        Err(refusal) => Err(refusal.failure(head)),
    }
}

/// A body's text, within bounds.
async fn read(mut body: Body, head: &Head, max_bytes: u64) -> Result<String, Failure> {
    let capacity = body.length().unwrap_or(0).min(64 * 1024);
    let mut bytes = Vec::with_capacity(usize::try_from(capacity).unwrap_or(0));
    loop {
        match body.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(broken) => return Err(body_failure(&broken, head.clone(), max_bytes)),
        }
        if bytes.len() as u64 > max_bytes {
            return Err(body_failure(&Broken::Coding(Refusal::TooLarge), head.clone(), max_bytes));
        }
    }
    Ok(json::text(bytes))
}

async fn stream(mut head: Head, mut body: Body, sent: Arc<HeaderMap>, max_bytes: u64) -> Result<Response, Failure> {
    detach(&mut head.headers);
    let media_type =
        head.header(CONTENT_TYPE.as_str()).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    let mut start = Vec::new();
    // What a framework says where nobody told it better, also of an event stream; so it is judged by what it is.
    if (media_type == "application/json" || media_type.ends_with("+json") || media_type == "text/html")
        && !is_event_stream(&mut body, &mut start)
            .await
            .map_err(|broken| body_failure(&broken, head.clone(), max_bytes))?
    {
        let body = error_body(start, body).await;
        return Err(endpoint::no_stream(format!("the response is no event stream, but {media_type}"), head, body));
    }
    if matches!(head.status, 204 | 205) || body.length() == Some(0) {
        return Err(Failure::invalid_response("the response is empty", head, None));
    }
    let mut decoder = Decoder::new(usize::try_from(max_bytes).unwrap_or(usize::MAX));
    let mut ready = Vec::new();
    let end = decoder.feed(&start, &mut ready).err().map(Err);
    let is_something = media_type == "text/event-stream" || !start.is_empty();
    let source = HttpEvents { body, decoder, sent, max_bytes, is_something, ready, end };
    Ok(Response::Stream { head, source: Box::new(source), ticket: None })
}

/// Whether a body begins as an event stream does, with a field or a comment, and not as JSON, HTML or words do. What was read for
/// that, up to the first byte that is not blank, is added to `start`.
async fn is_event_stream(body: &mut Body, start: &mut Vec<u8>) -> Result<bool, Broken> {
    /// Blanks, and the bytes of a byte order mark.
    const BLANK: &[u8] = b" \t\r\n\xef\xbb\xbf";
    while let Some(chunk) = body.chunk().await? {
        start.extend_from_slice(&chunk);
        if let Some(first) = chunk.iter().find(|byte| !BLANK.contains(byte)) {
            // A comment, or `data`, `event`, `id`, `retry`.
            return Ok(b":deir".contains(first));
        }
        if start.len() as u64 > MAX_ERROR_BODY {
            break;
        }
    }
    Ok(false)
}

/// The body of an error, of which this has come, as far as it comes in time and within bounds.
async fn error_body(mut bytes: Vec<u8>, mut body: Body) -> String {
    let read = async {
        while let Ok(Some(chunk)) = body.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MAX_ERROR_BODY {
                break;
            }
        }
    };
    // What has come by then is what there is.
    let _ = tokio::time::timeout(ERROR_BODY_TIME, read).await;
    json::text(bytes)
}

/// The events of a response. Who reads them has its head, and adds it to what fails.
struct HttpEvents {
    body: Body,
    decoder: Decoder,
    /// The request's headers.
    sent: Arc<HeaderMap>,
    max_bytes: u64,
    /// It was said to be an event stream, or something has come.
    is_something: bool,
    /// Events that were there before anybody asked.
    ready: Vec<SseEvent>,
    /// Nothing more is read: the body has ended, or an event was too large.
    end: Option<Result<(), TooLarge>>,
}

impl HttpEvents {
    fn too_large(&self) -> Failure {
        let message = format!("an event is larger than `openpipe.maxResponseBytes` ({})", self.max_bytes);
        Failure::invalid_response(message, None, None).by(failure::Bound::Size)
    }
}

impl EventSource for HttpEvents {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>> {
        Box::pin(async move {
            let mut events = std::mem::take(&mut self.ready);
            // What came before the end is told first.
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
        failure.redacted(&Secrets::of(&self.sent))
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

/// A failure while a request was sent or its head awaited.
fn failure(error: &reqwest::Error) -> Failure {
    Failure::connection(innermost(error), code(error).as_deref())
}

/// A failure within a body: the connection's, or that of a content encoding which lies or gives out too much.
fn body_failure(broken: &Broken, head: Head, max_bytes: u64) -> Failure {
    match broken {
        Broken::Connection(error) => {
            Failure::connection(format!("the response broke off: {}", innermost(error)), code(error).as_deref())
        }
        Broken::Coding(Refusal::TooLarge) => {
            let message = format!("the response is larger than `openpipe.maxResponseBytes` ({max_bytes})");
            Failure::invalid_response(message, head, None).by(failure::Bound::Size)
        }
        Broken::Coding(Refusal::Malformed(error)) => {
            Failure::invalid_response(format!("the response could not be decoded: {error}"), head, None)
        }
    }
}

fn stream_failure(broken: &Broken, max_bytes: u64) -> Failure {
    let why = match broken {
        Broken::Connection(error) => {
            return Failure::broken_stream(format!("the stream broke off: {}", innermost(error)), code(error));
        }
        Broken::Coding(Refusal::TooLarge) => {
            format!(
                "the stream's content encodings give out more than `openpipe.maxResponseBytes` ({max_bytes}) without an event"
            )
        }
        Broken::Coding(Refusal::Malformed(error)) => format!("the stream could not be decoded: {error}"),
    };
    Failure::invalid_response(why, None, None)
}

/// The low-level reason by the name that Node.js gives it.
fn code(error: &(dyn Error + 'static)) -> Option<String> {
    use std::io::ErrorKind as Io;
    if let Some(error) = find::<DnsError>(error) {
        return Some(error.code().into());
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return Some(tls_code(tls).into());
    }
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message) {
        return Some("UND_ERR_SOCKET".into());
    }
    // The first of them may be one that only wraps the reason.
    let name =
        chain(error).filter_map(|link| link.downcast_ref::<std::io::Error>()).find_map(|io| match io.kind() {
            Io::ConnectionRefused => Some("ECONNREFUSED"),
            Io::ConnectionReset => Some("ECONNRESET"),
            Io::ConnectionAborted => Some("ECONNABORTED"),
            Io::BrokenPipe => Some("EPIPE"),
            Io::TimedOut => Some("ETIMEDOUT"),
            Io::HostUnreachable => Some("EHOSTUNREACH"),
            Io::NetworkUnreachable => Some("ENETUNREACH"),
            Io::AddrNotAvailable => Some("EADDRNOTAVAIL"),
            // Within a handshake Node.js calls it a reset; later, when a body is cut, undici names it so.
            Io::UnexpectedEof if find::<reqwest::Error>(error).is_some_and(reqwest::Error::is_connect) => {
                Some("ECONNRESET")
            }
            Io::UnexpectedEof => Some("UND_ERR_SOCKET"),
            _ => None,
        })?;
    Some(name.into())
}

fn tls_code(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Cert;
    match error {
        rustls::Error::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. }) => "CERT_HAS_EXPIRED",
        rustls::Error::InvalidCertificate(Cert::NotValidForName | Cert::NotValidForNameContext { .. }) => {
            "ERR_TLS_CERT_ALTNAME_INVALID"
        }
        rustls::Error::InvalidCertificate(_) => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        _ => "EPROTO",
    }
}

/// What an error says at the bottom of its chain, where the reason is. The URL, which may hold secrets, is further up.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|link| link.downcast_ref())
}

/// An error and its sources. `io::Error` hides the error that it wraps from `source`, so it is looked into.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| {
        let link: &'a (dyn Error + 'static) = *link;
        match link.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => link.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detached_headers_hold_nothing_of_the_buffer_that_they_were_read_into() {
        let buffer = bytes::Bytes::from(vec![b'v'; 8192]);
        let mut headers = HeaderMap::new();
        for name in ["x-a", "x-b"] {
            headers.append(name, HeaderValue::from_maybe_shared(buffer.slice(..4)).unwrap());
        }
        detach(&mut headers);
        assert!(headers.values().all(|value| value == "vvvv"));
        assert!(buffer.is_unique());
    }
}
