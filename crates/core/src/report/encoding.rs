//! An endpoint for reports, and the encoding of bodies: compressed once the endpoint has announced that it accepts gzip.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Url;

use crate::failure::Head;
use crate::in_place::LARGE_BYTES;

/// An endpoint for reports.
#[derive(Debug)]
pub struct ReportEndpoint {
    /// `baseUrl` + `/report`.
    pub url: Url,
    /// Every header, the key among them.
    pub headers: HeaderMap,
    /// The number of the host's transport that sends to it; without one, the core sends over HTTP.
    pub host_transport: Option<u32>,
    /// It accepts compressed bodies (`Accept-Encoding` in a response, RFC 9110, section 12.5.3).
    takes_gzip: AtomicBool,
}

impl ReportEndpoint {
    /// A new endpoint, which gets plain bodies at first.
    #[must_use]
    pub fn new(url: Url, mut headers: HeaderMap, host_transport: Option<u32>) -> Self {
        // Where the host calls the client's own upstream itself, the core does not know the headers of that request.
        headers.entry(http::header::CONTENT_TYPE).or_insert(http::HeaderValue::from_static("application/json"));
        Self { url, headers, host_transport, takes_gzip: AtomicBool::new(false) }
    }
}

/// Bodies above this are worth compressing.
const GZIP_FROM: usize = 16 * 1024;

/// The headers and the encoded body for an endpoint.
pub(super) async fn encoded(endpoint: &ReportEndpoint, body: &Bytes) -> (HeaderMap, Bytes) {
    let mut headers = endpoint.headers.clone();
    if body.len() < GZIP_FROM || !endpoint.takes_gzip.load(Ordering::Relaxed) {
        return (headers, body.clone());
    }
    let plain = body.clone();
    let compress = move || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&plain)?;
        encoder.finish()
    };
    let compressed = if body.len() < LARGE_BYTES {
        compress()
    } else {
        // On a blocking thread: the other reports in flight belong to the same task.
        tokio::task::spawn_blocking(compress).await.unwrap_or_else(|error| Err(error.into()))
    };
    match compressed {
        Ok(compressed) => {
            headers.insert(http::header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
            (headers, Bytes::from(compressed))
        }
        // Compressing into memory does not fail; if it did, the plain body is right as well.
        Err(_) => (headers, body.clone()),
    }
}

impl ReportEndpoint {
    /// Notes from a response whether the endpoint accepts compressed bodies.
    pub(super) fn learn(&self, head: &Head) {
        let takes = head.header("accept-encoding").is_some_and(|codings| codings.contains("gzip"));
        self.takes_gzip.fetch_or(takes, Ordering::Relaxed);
    }

    /// Whether another endpoint has the same URL and transport, so that both share a lane, whatever their keys are.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.url == other.url && self.host_transport == other.host_transport
    }
}
