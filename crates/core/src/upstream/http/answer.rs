//! Reads a response: its head, and its body as a completion, an error or the start of a stream.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::errors::body_failure;
use super::events::{HttpEvents, Sent};
use crate::endpoint::{self, Accepted};
use crate::events::sse::Decoder;
use crate::failure::{Failure, Head};
use crate::in_place::LARGE_BYTES;
use crate::text::json;
use crate::upstream::decoding::{Body, Bound, Broken, Refusal};
use crate::upstream::{Request, Response};

/// The most bytes that are kept of an error's body.
pub(super) const MAX_ERROR_BODY: u64 = 1024 * 1024;
/// How long to wait for an error's body: its status alone decides what happens next.
const ERROR_BODY_TIME: Duration = Duration::from_secs(2);

/// The head of a response, and its body. The bound on the body depends on the status.
pub(super) fn parts(mut response: reqwest::Response, bound: impl FnOnce(u16) -> Bound) -> (Head, Body) {
    let mut headers = std::mem::take(response.headers_mut());
    let (status, url) = (response.status().as_u16(), response.url().to_string());
    let body = Body::of(response, &mut headers, bound(status));
    (Head { status, headers, url, is_redirected: false }, body)
}

/// Copies the headers out of hyper's buffer. Their values are slices of an 8 KB read buffer, and their table is larger than needed; an
/// open stream would keep both in memory.
fn detach(headers: &mut HeaderMap) {
    for value in headers.values_mut() {
        if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = own;
        }
    }
    // A clone has room for what is there.
    *headers = headers.clone();
}

/// A completion. Large arguments are borrowed, because an `async fn` reserves memory for each argument twice.
pub(super) async fn completion(head: &Head, body: &mut Body, request: &Request<'_>) -> Result<Accepted, Failure> {
    let text = read(body, head, request.max_response_bytes).await?;
    let (endpoint, sent) = (request.endpoint, request.body.clone());
    let is_large = text.len() >= LARGE_BYTES;
    let judge = move || endpoint.accept(text, &sent).map_err(|refusal| refusal.failure(None));
    let accepted = if !is_large {
        judge()
    } else {
        // Not `in_place`: if the runtime is shut down meanwhile, the timer of the enclosing deadline would panic. If there is no thread,
        // `spawn_blocking` panics, which becomes a failure of this target (engine.rs).
        let judged = tokio::task::spawn_blocking(judge).await;
        judged.map_err(|_shut_down| Failure::connection("the response could not be read to its end", None))?
    };
    accepted.map_err(|failure| Failure { head: Some(Box::new(head.clone())), ..failure })
}

/// A body's text, within bounds.
pub(super) async fn read(body: &mut Body, head: &Head, max_bytes: u64) -> Result<String, Failure> {
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

/// A stream, at its headers.
pub(super) async fn stream(mut head: Head, mut body: Body, sent: Sent, max_bytes: u64) -> Result<Response, Failure> {
    detach(&mut head.headers);
    let media_type =
        head.header(CONTENT_TYPE.as_str()).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    let mut start = Vec::new();
    // Some web frameworks send these types by default, also for event streams, so the body's first bytes decide.
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

/// Whether a body begins like an event stream, with a field or a comment, and not like JSON, HTML or plain text. The bytes that were
/// read are added to `start`.
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

/// Reads the rest of an error's body, within limits of time and size. `bytes` is its beginning.
pub(super) async fn error_body(mut bytes: Vec<u8>, mut body: Body) -> String {
    let read = async {
        while let Ok(Some(chunk)) = body.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MAX_ERROR_BODY {
                break;
            }
        }
    };
    // After the time limit, the bytes so far are used.
    let _ = tokio::time::timeout(ERROR_BODY_TIME, read).await;
    json::text(bytes)
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
