//! The native upstream against servers on loopback, whose bytes are written by hand.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "support/planning.rs"]
mod planning;
#[path = "support/server.rs"]
mod server;
#[path = "support/tls.rs"]
mod tls;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use http::{HeaderMap, HeaderValue};
use openpipe_core::deadline::Times;
use openpipe_core::endpoint::Endpoint;
use openpipe_core::failure::{Failure, Fault, Kind, Reason, Surface};
use openpipe_core::options::{MAX_RESPONSE_BYTES, parse_url};
use openpipe_core::stream::EventStream;
use openpipe_core::upstream::http::{HttpPool, HttpUpstream, TransportSettings};
use openpipe_core::upstream::{Completion, EventSource, Request, Response, Upstream};
use planning::planned;
use server::{Server, soon};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

const BODY: &str = r#"{"model":"m","messages":[]}"#;
const COMPLETION: &str = r#"{"id":"c","choices":[{"index":0,"message":{"content":"hi"}}]}"#;
const EVENT: &str = r#"{"choices":[{"index":0,"delta":{"content":"aé😀"}}]}"#;
const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n";

/// An upstream at this URL, over a pool of its own.
fn at(url: &str, settings: TransportSettings) -> HttpUpstream {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer sk-secret"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let (url, headers) = (Arc::new(parse_url("url", url).unwrap()), Arc::new(headers));
    HttpUpstream { pool: Arc::new(HttpPool::new(settings)), url, headers }
}

fn upstream(address: SocketAddr) -> HttpUpstream {
    at(&format!("http://{address}/v1/chat/completions"), TransportSettings::default())
}

/// One try.
async fn send(upstream: &HttpUpstream, stream: bool, max_response_bytes: u64) -> Result<Response, Failure> {
    let (plan, _) = planned("{}", BODY);
    let body = BODY.into();
    let request = Request {
        endpoint: plan.endpoint,
        target: &plan.targets[0],
        body,
        stream,
        retries: 0,
        time: None,
        max_response_bytes,
        cancels: None,
    };
    soon(upstream.send(request)).await
}

async fn ask(upstream: &HttpUpstream) -> Result<Completion, Failure> {
    match send(upstream, false, MAX_RESPONSE_BYTES).await? {
        Response::Completion(completion) => Ok(completion),
        Response::Stream { .. } => panic!("no stream was asked for"),
    }
}

async fn refused(upstream: &HttpUpstream) -> Failure {
    ask(upstream).await.expect_err("a failure")
}

/// What a completion comes to whose server answers with these bytes and closes.
async fn answered(bytes: impl Into<Vec<u8>>) -> Result<Completion, Failure> {
    ask(&upstream(Server::saying(bytes).await.address())).await
}

async fn open(upstream: &HttpUpstream) -> Result<Box<dyn EventSource>, Failure> {
    match send(upstream, true, MAX_RESPONSE_BYTES).await? {
        Response::Stream { source, .. } => Ok(source),
        Response::Completion(_) => panic!("a stream was asked for"),
    }
}

/// Every event of a stream, and how it ended.
async fn read(source: &mut dyn EventSource) -> (Vec<String>, Result<(), Failure>) {
    let mut all = Vec::new();
    loop {
        match soon(source.next()).await {
            Ok(Some(events)) => all.extend(events.into_iter().map(|event| event.data)),
            Ok(None) => return (all, Ok(())),
            Err(failure) => return (all, Err(failure)),
        }
    }
}

async fn streamed(bytes: impl Into<Vec<u8>>) -> (Vec<String>, Result<(), Failure>) {
    let server = Server::saying(bytes).await;
    let mut source = open(&upstream(server.address())).await.expect("a stream");
    read(&mut *source).await
}

/// A whole response with a `content-length`.
fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    response("200 OK", "content-type: application/json\r\nx-request-id: req_1\r\n", body)
}

/// A body in chunks of this size, with its end.
fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = body.chunks(size).flat_map(chunk).collect();
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Bytes in a content encoding: `encoded!(GzipEncoder, bytes)`.
macro_rules! encoded {
    ($encoder:ident, $bytes:expr) => {{
        let mut encoder = $encoder::new(Vec::new());
        encoder.write_all($bytes).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }};
}

/// The start of a body in a content encoding, with one event in it.
macro_rules! flushed {
    ($encoder:ident) => {{
        let mut encoder = $encoder::new(Vec::new());
        encoder.write_all(format!("data: {EVENT}\n\n").as_bytes()).await.unwrap();
        encoder.flush().await.unwrap();
        encoder.into_inner()
    }};
}

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    encoded!(GzipEncoder, bytes)
}

/// A name that no resolver can have, and none is asked for: its first label is longer than DNS allows.
fn unresolvable() -> String {
    format!("{}.invalid", "a".repeat(64))
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn is_connection(failure: &Failure, reason: impl Into<Option<Reason>>) {
    assert_eq!((failure.kind, failure.surface), (Kind::Connection, Surface::Connection), "{failure:?}");
    let (code, fault) = match reason.into() {
        Some(Reason::Code(code)) => (Some(code), None),
        Some(Reason::Fault(fault)) => (None, Some(fault)),
        None => (None, None),
    };
    assert_eq!((failure.code.as_deref(), failure.fault), (code, fault), "{failure:?}");
    assert!(!failure.message.is_empty());
}

#[track_caller]
fn is_invalid(failure: &Failure, says: &str) {
    assert_eq!(failure.kind, Kind::InvalidResponse, "{failure:?}");
    assert!(failure.message.contains(says), "{failure:?}");
}

// === The request ===

#[tokio::test]
async fn a_request_carries_body_and_headers() {
    let server = Server::saying(json(COMPLETION)).await;
    ask(&upstream(server.address())).await.unwrap();
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer sk-secret") && head.contains("content-type: application/json"));
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        let accepted = head.lines().find(|line| line.starts_with("accept-encoding:")).unwrap();
        assert!(accepted.contains(encoding), "{accepted}");
    }
    assert_eq!(body, BODY);
}

#[tokio::test]
async fn the_retry_count_header_is_sent_where_the_sdk_sends_it() {
    let server = Server::repeating(json(COMPLETION)).await;
    let mut upstream = upstream(server.address());
    Arc::make_mut(&mut upstream.headers).insert("x-stainless-retry-count", HeaderValue::from_static("0"));
    let (plan, _) = planned("{}", BODY);
    for retries in [0, 1, 2] {
        let request = Request {
            endpoint: plan.endpoint,
            target: &plan.targets[0],
            body: BODY.into(),
            stream: false,
            retries,
            time: None,
            max_response_bytes: MAX_RESPONSE_BYTES,
            cancels: None,
        };
        soon(upstream.send(request)).await.map(|_| ()).unwrap();
    }
    for (request, count) in server.requests().iter().zip(0..) {
        assert!(request.contains(&format!("x-stainless-retry-count: {count}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn without_the_sdks_header_no_retry_count_is_sent() {
    let server = Server::saying(json(COMPLETION)).await;
    ask(&upstream(server.address())).await.unwrap();
    assert!(!server.requests()[0].contains("x-stainless-retry-count"));
}

// === Completions ===

#[tokio::test]
async fn a_completion_is_text_and_head() {
    let completion = answered(json(COMPLETION)).await.unwrap();
    assert_eq!(completion.text, COMPLETION);
    assert_eq!((completion.head.status, completion.head.request_id()), (200, Some("req_1")));
    assert!(completion.head.url.ends_with("/v1/chat/completions"));
}

#[tokio::test]
async fn a_key_that_the_request_id_of_a_good_answer_repeats_is_redacted() {
    for (id, redacted) in [("req-SK-Secret-1", "req-***-1"), ("sk%2Dsecret", "***"), ("Bearer sk-secret", "***")] {
        let bytes =
            response("200 OK", &format!("content-type: application/json\r\nx-request-id: {id}\r\n"), COMPLETION);
        assert_eq!(answered(bytes).await.unwrap().head.request_id(), Some(redacted), "{id}");
    }
}

#[tokio::test]
async fn a_chunked_completion_is_put_together() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let bytes = [head.as_bytes(), &chunked(COMPLETION.as_bytes(), 3)].concat();
    assert_eq!(answered(bytes).await.unwrap().text, COMPLETION);
}

#[tokio::test]
async fn every_content_encoding_that_is_offered_is_decoded() {
    let completion = COMPLETION.as_bytes();
    for (encoding, body) in [
        ("gzip", encoded!(GzipEncoder, completion)),
        ("br", encoded!(BrotliEncoder, completion)),
        ("zstd", encoded!(ZstdEncoder, completion)),
        ("deflate", encoded!(ZlibEncoder, completion)),
    ] {
        let bytes = response("200 OK", &format!("content-encoding: {encoding}\r\n"), body);
        assert_eq!(answered(bytes).await.expect(encoding).text, COMPLETION, "{encoding}");
    }
}

#[tokio::test]
async fn a_content_encoding_may_have_any_name_and_any_form_that_fetch_reads() {
    let completion = COMPLETION.as_bytes();
    let gzipped = gzip(completion).await;
    let (start, rest) = completion.split_at(9);
    for (encoding, body) in [
        ("GZip", gzipped.clone()),
        ("x-gzip", gzipped.clone()),
        ("BR", encoded!(BrotliEncoder, completion)),
        ("deflate", encoded!(DeflateEncoder, completion)),
        ("gzip, identity", gzipped.clone()),
        ("gzip, br", encoded!(BrotliEncoder, &gzipped)),
        ("deflate , zstd", encoded!(ZstdEncoder, &encoded!(ZlibEncoder, completion))),
        ("gzip, gzip", gzip(&gzipped).await),
        // Of several members; the first may be empty, and what follows the last may be padding.
        ("gzip", [gzip(start).await, gzip(rest).await].concat()),
        ("gzip", [gzip(b"").await, gzipped.clone(), gzip(b"\n").await].concat()),
        ("gzip", [&gzipped[..], &[0; 16]].concat()),
        ("zstd", [encoded!(ZstdEncoder, start), encoded!(ZstdEncoder, rest)].concat()),
    ] {
        let head = format!("content-encoding: {encoding}\r\n");
        let text = |completion: Completion| completion.text.trim_end().to_owned();
        let answer = answered(response("200 OK", &head, &body)).await.map(text);
        assert_eq!(answer.expect(encoding), COMPLETION, "{encoding}");
        let head = format!("HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n");
        let answer = answered([head.as_bytes(), &chunked(&body, 1)].concat()).await.map(text);
        assert_eq!(answer.expect(encoding), COMPLETION, "{encoding}, byte by byte");
    }
}

#[tokio::test]
async fn a_body_in_an_unknown_content_encoding_is_not_decoded() {
    for encoding in ["none", "utf-8", "aws-chunked", "gzip, aws-chunked", "gzip, gzip, gzip"] {
        let bytes = response("200 OK", &format!("content-encoding: {encoding}\r\n"), COMPLETION);
        let completion = answered(bytes).await.expect(encoding);
        assert_eq!(
            (completion.text.as_str(), completion.head.header("content-encoding")),
            (COMPLETION, Some(encoding))
        );
    }
}

#[tokio::test]
async fn a_member_of_a_gzip_that_stops_short_is_an_invalid_response() {
    let mut body = gzip(COMPLETION.as_bytes()).await;
    body.extend_from_slice(&gzip(b"  ").await[..10]);
    is_invalid(&answered(response("200 OK", "content-encoding: gzip\r\n", body)).await.unwrap_err(), "decoded");
}

#[tokio::test]
async fn a_connection_serves_again_after_a_compressed_answer() {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = [head.as_bytes(), &chunk(gzip(COMPLETION.as_bytes()).await)].concat();
    let server = Server::start(move |mut connection| {
        let body = body.clone();
        async move {
            while connection.request().await.is_some() {
                connection.send(&body).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                connection.send("0\r\n\r\n").await;
            }
        }
    })
    .await;
    let upstream = upstream(server.address());
    for _ in 0..3 {
        assert_eq!(ask(&upstream).await.unwrap().text, COMPLETION);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_content_encoding_that_lies_is_an_invalid_response() {
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        let bytes = response("200 OK", &format!("content-encoding: {encoding}\r\n"), COMPLETION);
        let failure = answered(bytes).await.expect_err(encoding);
        is_invalid(&failure, "could not be decoded");
        assert_eq!(failure.status_code(), Some(200), "{encoding}");
    }
}

#[tokio::test]
async fn a_compressed_body_that_stops_short_is_an_invalid_response() {
    let mut body = gzip(COMPLETION.as_bytes()).await;
    body.truncate(body.len() - 12);
    is_invalid(&answered(response("200 OK", "content-encoding: gzip\r\n", body)).await.unwrap_err(), "decoded");
}

#[tokio::test]
async fn a_gzip_bomb_is_given_up_at_the_size_limit() {
    let bomb = gzip(&vec![b' '; 8 * 1024 * 1024]).await;
    assert!(bomb.len() < 64 * 1024);
    let server = Server::saying(response("200 OK", "content-encoding: gzip\r\n", bomb)).await;
    let failure = send(&upstream(server.address()), false, 1024 * 1024).await.map(|_| ()).unwrap_err();
    is_invalid(&failure, "`openpipe.maxResponseBytes` (1048576)");
}

#[tokio::test]
async fn the_size_limit_is_the_largest_size_that_is_accepted() {
    let server = Server::repeating(json(COMPLETION)).await;
    let upstream = upstream(server.address());
    let size = COMPLETION.len() as u64;
    assert!(send(&upstream, false, size).await.is_ok());
    is_invalid(&send(&upstream, false, size - 1).await.map(|_| ()).unwrap_err(), "larger than");
}

#[tokio::test]
async fn a_content_length_of_an_exabyte_reserves_nothing() {
    let bytes = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000000000000000\r\n\r\n{";
    is_connection(&answered(bytes).await.unwrap_err(), Reason::Fault(Fault::Closed));
}

#[tokio::test]
async fn invalid_utf8_is_replaced() {
    let completion = answered(json(b"{\"choices\":[{\"message\":{\"content\":\"a\xff\"}}]}")).await.unwrap();
    assert_eq!(completion.text, "{\"choices\":[{\"message\":{\"content\":\"a\u{fffd}\"}}]}");
}

#[tokio::test]
async fn a_byte_order_mark_is_removed() {
    assert_eq!(answered(json(format!("\u{feff}{COMPLETION}"))).await.unwrap().text, COMPLETION);
}

#[tokio::test]
async fn a_good_status_without_a_completion_is_an_invalid_response() {
    for (bytes, says) in [
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), "empty"),
        (json(""), "empty"),
        (response("200 OK", "content-type: text/html\r\n", "<html>busy</html>"), "not JSON"),
        (json("null"), "no object"),
        (json("[]"), "no object"),
        (json("{}"), "no choices"),
        (json(r#"{"choices":null}"#), "no choices"),
    ] {
        let failure = answered(bytes).await.unwrap_err();
        is_invalid(&failure, says);
        assert_eq!(failure.surface, Surface::Protocol);
        assert!(matches!(failure.status_code(), Some(200 | 204)));
    }
}

#[tokio::test]
async fn an_error_under_a_good_status_is_an_invalid_response_with_its_body() {
    let body = r#"{"error":{"message":"quota","code":"insufficient_quota"}}"#;
    let failure = answered(json(body)).await.unwrap_err();
    is_invalid(&failure, "carries an error");
    assert_eq!(failure.body.as_deref(), Some(body));
}

#[tokio::test]
async fn a_plain_redirect_is_not_followed() {
    let elsewhere = Server::saying(json(COMPLETION)).await;
    let location = format!("location: http://{}/\r\n", elsewhere.address());
    for (status, headers) in [
        ("301 Moved Permanently", location.as_str()),
        ("302 Found", &location),
        ("302 Found", "location: /v2\r\n"),
        ("303 See Other", "location: /v2\r\n"),
        ("304 Not Modified", ""),
        ("307 Temporary Redirect", ""),
    ] {
        let bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\n\r\n");
        let server = Server::saying(bytes).await;
        let failure = refused(&upstream(server.address())).await;
        assert_eq!(failure.kind, Kind::InvalidResponse, "{status}");
        assert_eq!(failure.status_code(), Some(status[..3].parse().unwrap()));
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_with_body_and_key() {
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = Server::start(move |mut connection| async move {
            while let Some(request) = connection.request().await {
                let moved = response(status, "location: /v2/chat/completions?a=1\r\n", "");
                connection.send(if request.starts_with("POST /v1/") { moved } else { json(COMPLETION) }).await;
            }
        })
        .await;
        let completion = ask(&upstream(server.address())).await.unwrap();
        assert!(completion.head.url.ends_with("/v2/chat/completions?a=1"));
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{status}");
        assert!(requests[1].starts_with("POST /v2/chat/completions?a=1 "), "{}", requests[1]);
        assert!(requests[1].contains("authorization: Bearer sk-secret") && requests[1].ends_with(BODY));
    }
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_not_followed_and_no_key_goes_there() {
    let elsewhere = Server::saying(json(COMPLETION)).await;
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("location: http://{}/v1/chat/completions\r\n", elsewhere.address());
        let failure = answered(response(status, &location, "")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::InvalidResponse, "{status}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let server = Server::repeating(response("308 Permanent Redirect", "location: /v1\r\n", "")).await;
    assert_eq!(refused(&upstream(server.address())).await.kind, Kind::InvalidResponse);
    assert!((2..10).contains(&server.requests().len()), "{}", server.requests().len());
}

#[tokio::test]
async fn informational_responses_are_ignored() {
    let early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
    assert_eq!(answered([&early[..], &json(COMPLETION)].concat()).await.unwrap().text, COMPLETION);
}

#[tokio::test]
async fn http_1_0_ends_its_body_with_the_connection() {
    let bytes = format!("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{COMPLETION}");
    assert_eq!(answered(bytes).await.unwrap().text, COMPLETION);
}

#[tokio::test]
async fn a_head_is_read_as_leniently_as_fetch_reads_it() {
    let many: String = (0..400).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (what, headers) in [
        ("many lines", many.as_str()),
        ("a line that goes on", "x-folded: one\r\n two\r\n"),
        ("a blank before the colon", "x-blank : 1\r\n"),
        ("Latin-1", "x-name: caf\u{e9}\r\n"),
    ] {
        let bytes = response("200 OK", &format!("x-request-id: req_1\r\n{headers}"), COMPLETION);
        let completion = answered(bytes).await.unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
        assert_eq!((completion.text.as_str(), completion.head.request_id()), (COMPLETION, Some("req_1")), "{what}");
        if let Some(folded) = completion.head.headers.get("x-folded") {
            assert_eq!(folded.to_str().unwrap().split_whitespace().collect::<Vec<_>>(), ["one", "two"]);
        }
    }
}

// === Broken responses ===

#[tokio::test]
async fn a_response_that_is_not_http_is_a_connection_failure_with_the_code_of_nodes_parser() {
    for garbage in ["SSH-2.0-OpenSSH_9.6\r\n", "{\"choices\":[]}\r\n\r\n", "HTTP/1.1 banana\r\n\r\n", "\0\0\0\0\0\0"] {
        is_connection(&answered(garbage).await.unwrap_err(), Reason::Fault(Fault::NoHttp));
    }
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    is_connection(&answered(chunks).await.unwrap_err(), Reason::Fault(Fault::NoChunk));
}

#[tokio::test]
async fn a_megabyte_of_headers_is_a_connection_failure() {
    let bytes = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "a".repeat(1024 * 1024));
    is_connection(&answered(bytes).await.unwrap_err(), Reason::Fault(Fault::NoHttp));
}

#[tokio::test]
async fn a_connection_that_is_closed_without_a_word_is_a_connection_failure() {
    let server = Server::saying("").await;
    is_connection(&refused(&upstream(server.address())).await, Reason::Fault(Fault::Closed));
    assert_eq!(server.connections(), 1, "it was young, so nothing is sent again");
}

#[tokio::test]
async fn a_young_connection_that_is_reset_is_not_used_again() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        connection.reset();
    })
    .await;
    is_connection(&refused(&upstream(server.address())).await, Reason::Code("ECONNRESET"));
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn half_a_body_is_a_connection_failure() {
    let half = json(COMPLETION)[..90].to_vec();
    is_connection(&answered(half).await.unwrap_err(), Reason::Fault(Fault::Closed));
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for part in [chunk("{\"choices\":"), b"5\r\n{".to_vec(), b"5".to_vec()] {
        let failure = answered([head.as_bytes(), &part].concat()).await.unwrap_err();
        is_connection(&failure, Reason::Fault(Fault::Closed));
    }
}

#[tokio::test]
async fn half_a_compressed_body_is_a_connection_failure() {
    let half = response("200 OK", "content-encoding: gzip\r\n", gzip(COMPLETION.as_bytes()).await)[..90].to_vec();
    is_connection(&answered(half).await.unwrap_err(), Reason::Fault(Fault::Closed));
}

#[tokio::test]
async fn a_reset_within_the_body_is_a_connection_failure() {
    for encoding in ["", "content-encoding: gzip\r\n"] {
        let body = if encoding.is_empty() { COMPLETION.into() } else { gzip(COMPLETION.as_bytes()).await };
        let bytes = response("200 OK", encoding, body);
        let read = Arc::new(Notify::new());
        let was_read = Arc::clone(&read);
        let server = Server::start(move |mut connection| {
            let (bytes, read) = (bytes.clone(), Arc::clone(&was_read));
            async move {
                connection.request().await;
                connection.send(&bytes[..bytes.len() - 20]).await;
                read.notified().await;
                connection.reset();
            }
        })
        .await;
        let upstream = upstream(server.address());
        // The head has arrived by then, and a reset cannot overtake it.
        let later = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            read.notify_one();
        };
        let (failure, ()) = tokio::join!(refused(&upstream), later);
        is_connection(&failure, Reason::Code("ECONNRESET"));
    }
}

#[tokio::test]
async fn a_port_without_a_listener_refuses() {
    let address = nobody().await;
    let failure = refused(&upstream(address)).await;
    is_connection(&failure, Reason::Code("ECONNREFUSED"));
    assert_eq!(failure.message, format!("connect ECONNREFUSED {address}"));
    let system = failure.system.unwrap();
    assert_eq!(
        (system.syscall, system.address.as_deref(), system.port),
        ("connect", Some("127.0.0.1"), Some(address.port()))
    );
    assert!(system.errno.is_some_and(|errno| errno < 0));
}

#[tokio::test]
async fn an_unknown_host_name_is_not_found() {
    let upstream = at(&format!("http://{}/v1", unresolvable()), TransportSettings::default());
    let failure = refused(&upstream).await;
    // Without a network the resolver does not know whether there is such a name.
    let code = ["ENOTFOUND", "EAI_AGAIN"].into_iter().find(|code| failure.code.as_deref() == Some(code));
    let code = code.unwrap_or_else(|| panic!("{failure:?}"));
    is_connection(&failure, Reason::Code(code));
    assert_eq!(failure.message, format!("getaddrinfo {code} {}", unresolvable()));
    let system = failure.system.as_ref().unwrap();
    assert_eq!((system.syscall, system.hostname.clone()), ("getaddrinfo", Some(unresolvable())));
}

#[tokio::test]
async fn no_failure_repeats_the_key_or_the_url() {
    let secret = "http://user:hunter2@127.0.0.1:9/v1?key=hunter3";
    for url in [secret.to_owned(), secret.replace("127.0.0.1", &unresolvable())] {
        let text = serde_json::to_string(&refused(&at(&url, TransportSettings::default())).await).unwrap();
        assert!(!text.contains("hunter") && !text.contains("sk-secret"), "{text}");
    }
}

// === Error statuses ===

#[tokio::test]
async fn a_failed_status_keeps_head_and_body() {
    let body = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;
    for stream in [false, true] {
        let bytes = response("400 Bad Request", "x-request-id: req_9\r\nretry-after: 3\r\n", body);
        let server = Server::saying(bytes).await;
        let failure = send(&upstream(server.address()), stream, MAX_RESPONSE_BYTES).await.map(|_| ()).unwrap_err();
        assert_eq!((failure.kind, failure.surface), (Kind::ContextLength, Surface::Status));
        let head = failure.head.unwrap();
        assert_eq!((head.request_id(), head.header("retry-after")), (Some("req_9"), Some("3")));
        assert_eq!(failure.body.as_deref(), Some(body));
    }
}

#[tokio::test]
async fn a_compressed_error_body_is_decoded() {
    let body = r#"{"error":{"message":"slow down"}}"#;
    let bytes = response("429 Too Many Requests", "content-encoding: gzip\r\n", gzip(body.as_bytes()).await);
    let failure = answered(bytes).await.unwrap_err();
    assert_eq!((failure.kind, failure.body.as_deref()), (Kind::RateLimit, Some(body)));
}

#[tokio::test]
async fn an_error_body_that_stalls_does_not_hold_up_its_status() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\n{\"error\":").await;
        pending().await
    })
    .await;
    let began = Instant::now();
    let failure = refused(&upstream(server.address())).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((failure.status_code(), failure.body.as_deref()), (Some(503), Some("{\"error\":")));
}

#[tokio::test]
async fn an_error_body_without_an_end_is_bounded() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..1024 {
            connection.send(chunk([b'x'; 16 * 1024])).await;
        }
    })
    .await;
    let failure = refused(&upstream(server.address())).await;
    assert_eq!(failure.kind, Kind::ServerError);
    assert!(failure.body.unwrap().len() < 2 * 1024 * 1024);
}

#[tokio::test]
async fn an_error_body_that_breaks_off_leaves_its_status() {
    let failure = answered("HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\npart").await.unwrap_err();
    assert_eq!((failure.kind, failure.body.as_deref()), (Kind::ServerError, Some("part")));
}

// === Streams ===

#[tokio::test]
async fn a_stream_gives_its_events() {
    let (all, end) = streamed(format!("{SSE}\r\n: hello\n\ndata: {EVENT}\n\ndata: [DONE]\n\n")).await;
    end.unwrap();
    assert_eq!(all, [EVENT, "[DONE]"]);
}

#[tokio::test]
async fn events_may_be_split_at_every_byte() {
    let body = format!(": ping\r\n\r\ndata: {EVENT}\r\n\r\nevent: x\rdata: a\rdata: é\r\rdata: [DONE]\n\n");
    let head = format!("{SSE}transfer-encoding: chunked\r\n\r\n");
    let (all, end) = streamed([head.as_bytes(), &chunked(body.as_bytes(), 1)].concat()).await;
    end.unwrap();
    assert_eq!(all, [EVENT, "a\né", "[DONE]"]);
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_is_given_at_a_clean_end_only() {
    let head = format!("{SSE}transfer-encoding: chunked\r\n\r\n");
    let body = format!("data: {EVENT}\n\ndata: last");
    let whole = streamed([head.as_bytes(), &chunked(body.as_bytes(), 9)].concat()).await;
    assert_eq!((whole.0, whole.1.is_ok()), (vec![EVENT.to_owned(), "last".to_owned()], true));
    let (all, end) = streamed([head.as_bytes(), &chunk(body)].concat()).await;
    assert_eq!(all, [EVENT], "a cut may have taken a part of it");
    end.unwrap_err();
}

#[tokio::test]
async fn an_event_arrives_as_soon_as_it_was_sent_compressed_or_not() {
    for (encoding, bytes) in [
        ("identity", format!("data: {EVENT}\n\n").into_bytes()),
        ("gzip", flushed!(GzipEncoder)),
        ("deflate", flushed!(ZlibEncoder)),
        ("deflate", flushed!(DeflateEncoder)),
        ("br", flushed!(BrotliEncoder)),
        ("zstd", flushed!(ZstdEncoder)),
        // A member for each event.
        ("gzip", gzip(format!("data: {EVENT}\n\n").as_bytes()).await),
    ] {
        let server = Server::start(move |mut connection| {
            let bytes = bytes.clone();
            async move {
                connection.request().await;
                connection
                    .send(format!("{SSE}content-encoding: {encoding}\r\ntransfer-encoding: chunked\r\n\r\n"))
                    .await;
                connection.send(chunk(bytes)).await;
                connection.closed().await;
            }
        })
        .await;
        let mut source = open(&upstream(server.address())).await.unwrap();
        let events = soon(source.next()).await.unwrap().unwrap();
        assert_eq!(events[0].data, EVENT, "{encoding}");
    }
}

#[tokio::test]
async fn a_stream_of_a_gzip_member_for_each_event_is_read_to_its_end() {
    let mut body = Vec::new();
    for text in [format!("data: {EVENT}\n\n"), "data: b".to_owned(), "\n\ndata: [DONE]\n\n".to_owned()] {
        body.extend_from_slice(&gzip(text.as_bytes()).await);
    }
    for size in [1, 7, body.len()] {
        let head = format!("{SSE}content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n");
        let (all, end) = streamed([head.as_bytes(), &chunked(&body, size)].concat()).await;
        end.unwrap();
        assert_eq!(all, [EVENT, "b", "[DONE]"]);
    }
}

#[tokio::test]
async fn a_truncated_compressed_stream_yields_its_events_and_then_fails() {
    for (encoding, body) in [("gzip", flushed!(GzipEncoder)), ("br", flushed!(BrotliEncoder))] {
        let head = format!("{SSE}content-encoding: {encoding}\r\ntransfer-encoding: chunked\r\n\r\n");
        let (all, end) = streamed([head.as_bytes(), &chunk(body)].concat()).await;
        let failure = end.unwrap_err();
        assert_eq!(all, [EVENT], "{encoding}");
        assert_eq!((failure.kind, failure.fault), (Kind::Stream, Some(Fault::Closed)), "{encoding}");
    }
}

#[tokio::test]
async fn a_cancelled_wait_for_events_of_a_compressed_stream_loses_none() {
    let go = Arc::new(Notify::new());
    let may_go = Arc::clone(&go);
    let body = gzip(b"data: a\n\ndata: b\n\n").await;
    let server = Server::start(move |mut connection| {
        let (body, go) = (body.clone(), Arc::clone(&may_go));
        async move {
            connection.request().await;
            connection.send(format!("{SSE}content-encoding: gzip\r\n\r\n")).await;
            for byte in body {
                connection.send([byte]).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            go.notified().await;
        }
    })
    .await;
    let mut source = open(&upstream(server.address())).await.unwrap();
    let mut all = Vec::new();
    while all.len() < 2 {
        if let Ok(events) = tokio::time::timeout(Duration::from_millis(1), source.next()).await {
            all.extend(events.unwrap().unwrap().into_iter().map(|event| event.data));
        }
    }
    assert_eq!(all, ["a", "b"]);
    go.notify_one();
}

#[tokio::test]
async fn a_stream_without_a_content_type_is_read() {
    let (all, end) = streamed("HTTP/1.1 200 OK\r\n\r\ndata: a\n\n").await;
    end.unwrap();
    assert_eq!(all, ["a"]);
}

#[tokio::test]
async fn json_or_html_in_place_of_a_stream_is_an_invalid_response() {
    let error = r#"{"error":{"message":"no"}}"#;
    for (media_type, body, kept) in [
        ("application/json", error, Some(error)),
        ("Application/JSON; charset=utf-8", COMPLETION, None),
        ("application/problem+json", error, Some(error)),
        ("text/html", "<html>", None),
        ("text/html", "\u{feff}\r\n <html>", None),
        ("text/html", "Bad gateway", None),
        ("application/json", " \n[1]", None),
        ("application/json", "null", None),
        ("text/html", " \n", None),
        ("text/html", "", None),
    ] {
        let server = Server::saying(response("200 OK", &format!("content-type: {media_type}\r\n"), body)).await;
        let failure = open(&upstream(server.address())).await.map(|_| ()).unwrap_err();
        is_invalid(&failure, "no event stream");
        assert_eq!(failure.body.as_deref(), kept, "{media_type}");
    }
}

#[tokio::test]
async fn an_event_stream_under_another_name_is_read() {
    for media_type in ["text/html; charset=utf-8", "application/json", "application/stream+json", "text/plain"] {
        for start in ["", "\r\n \n", "\u{feff}", ": hello\n\n", "event: x\n", "id: 1\n", "retry: 9\n"] {
            let body = format!("{start}data: {EVENT}\n\ndata: [DONE]\n\n");
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n");
            for size in [1, 1000] {
                let (all, end) = streamed([head.as_bytes(), &chunked(body.as_bytes(), size)].concat()).await;
                end.unwrap();
                assert_eq!(all, [EVENT, "[DONE]"], "{media_type} {start:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_event_stream_under_another_name_is_known_by_its_first_byte() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n\nd").await;
        connection.closed().await;
    })
    .await;
    open(&upstream(server.address())).await.map(|_| ()).unwrap();
}

#[tokio::test]
async fn an_event_over_the_size_limit_is_detected_under_any_field_name() {
    let bytes = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\ndata: a\n\ndata: {}\n\n", "x".repeat(500));
    let server = Server::saying(bytes).await;
    let Ok(Response::Stream { mut source, .. }) = send(&upstream(server.address()), true, 100).await else {
        panic!("a stream")
    };
    let (all, end) = read(&mut *source).await;
    assert_eq!((all.len(), end.unwrap_err().kind), (1, Kind::InvalidResponse));
}

#[tokio::test]
async fn a_response_that_breaks_off_before_it_is_known_to_be_a_stream_is_a_connection_failure() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n \n").await;
    let failure = open(&upstream(server.address())).await.map(|_| ()).unwrap_err();
    is_connection(&failure, Reason::Fault(Fault::Closed));
}

#[tokio::test]
async fn a_truncated_stream_yields_its_events_and_then_fails() {
    let head = format!("{SSE}transfer-encoding: chunked\r\n\r\n");
    let server = Server::saying([head.as_bytes(), &chunk(format!("data: {EVENT}\n\n"))].concat()).await;
    let Ok(Response::Stream { head, source, ticket }) =
        send(&upstream(server.address()), true, MAX_RESPONSE_BYTES).await
    else {
        panic!("a stream")
    };
    let mut stream = EventStream::new(Endpoint::ChatCompletions, head, source, ticket, Times::default());
    let events = soon(stream.next()).await.unwrap().unwrap();
    let failure = soon(stream.next()).await.unwrap_err();
    assert_eq!(events.into_iter().map(|event| event.data).collect::<Vec<_>>(), [EVENT]);
    assert_eq!((failure.kind, failure.surface), (Kind::Stream, Surface::Connection));
    assert_eq!((failure.fault, failure.status_code()), (Some(Fault::Closed), Some(200)));
}

#[tokio::test]
async fn a_reset_stream_yields_its_events_and_then_fails() {
    let read = Arc::new(Notify::new());
    let was_read = Arc::clone(&read);
    let server = Server::start(move |mut connection| {
        let read = Arc::clone(&was_read);
        async move {
            connection.request().await;
            connection.send(format!("{SSE}\r\ndata: {EVENT}\n\n")).await;
            read.notified().await;
            connection.reset();
        }
    })
    .await;
    let mut source = open(&upstream(server.address())).await.unwrap();
    assert_eq!(soon(source.next()).await.unwrap().unwrap()[0].data, EVENT);
    read.notify_one();
    let failure = soon(source.next()).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_deref()), (Kind::Stream, Some("ECONNRESET")));
}

#[tokio::test]
async fn a_stream_that_is_answered_with_nothing_is_an_invalid_response() {
    for nothing in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
        let server = Server::saying(nothing).await;
        let Err(failure) = send(&upstream(server.address()), true, 100).await else { panic!("{nothing}") };
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::InvalidResponse, "the response is empty"));
    }
    let (all, end) = streamed("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()).await;
    assert_eq!((all.len(), end.unwrap_err().kind), (0, Kind::InvalidResponse));
}

#[tokio::test]
async fn a_stream_in_a_content_encoding_that_lies_is_an_invalid_response() {
    let (all, end) = streamed(format!("{SSE}content-encoding: gzip\r\n\r\ndata: {EVENT}\n\n")).await;
    let failure = end.unwrap_err();
    assert_eq!((all.len(), failure.kind, failure.surface), (0, Kind::InvalidResponse, Surface::Protocol));
}

#[tokio::test]
async fn an_event_over_the_size_limit_fails_after_those_before_it() {
    let text = format!("{SSE}\r\ndata: a\n\ndata: {}\n\n", "x".repeat(500));
    let server = Server::saying(text).await;
    let Ok(Response::Stream { mut source, .. }) = send(&upstream(server.address()), true, 100).await else {
        panic!("a stream")
    };
    let (all, end) = read(&mut *source).await;
    assert_eq!(all, ["a"]);
    assert!(end.unwrap_err().message.contains("`openpipe.maxResponseBytes` (100)"));
    assert!(soon(source.next()).await.is_err(), "it stays over");
}

#[tokio::test]
async fn a_cancelled_wait_for_events_loses_none() {
    let go = Arc::new(Notify::new());
    let may_go = Arc::clone(&go);
    let server = Server::start(move |mut connection| {
        let go = Arc::clone(&may_go);
        async move {
            connection.request().await;
            connection.send(format!("{SSE}\r\ndata: a\n\ndata: b")).await;
            go.notified().await;
            connection.send("c\n\n").await;
        }
    })
    .await;
    let mut source = open(&upstream(server.address())).await.unwrap();
    assert_eq!(soon(source.next()).await.unwrap().unwrap()[0].data, "a");
    for _ in 0..5 {
        assert!(tokio::time::timeout(Duration::from_millis(5), source.next()).await.is_err());
    }
    go.notify_one();
    assert_eq!(read(&mut *source).await.0, ["bc"]);
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_upstream() {
    let stalled = Arc::new(Notify::new());
    let has_stalled = Arc::clone(&stalled);
    let server = Server::start(move |mut connection| {
        let stalled = Arc::clone(&has_stalled);
        async move {
            connection.request().await;
            connection.send(format!("{SSE}\r\n")).await;
            // More than all the buffers between here and there can hold.
            let piece = format!("data: {}\n\n", "x".repeat(64 * 1024));
            for _ in 0..1024 {
                let sent = tokio::time::timeout(Duration::from_millis(300), connection.send(&piece)).await;
                if sent.is_err() {
                    stalled.notify_one();
                    return;
                }
            }
        }
    })
    .await;
    let mut source = open(&upstream(server.address())).await.unwrap();
    soon(source.next()).await.unwrap();
    soon(stalled.notified()).await;
}

// === Leaving ===

/// A server that sends this after the request and then waits for the client to leave, and notes that it did.
async fn leaving(answer: String) -> (Server, Arc<Notify>, Arc<Notify>) {
    let (asked, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (was_asked, has_left) = (Arc::clone(&asked), Arc::clone(&left));
    let server = Server::start(move |mut connection| {
        let (answer, asked, left) = (answer.clone(), Arc::clone(&was_asked), Arc::clone(&has_left));
        async move {
            connection.request().await;
            connection.send(answer).await;
            asked.notify_one();
            connection.closed().await;
            left.notify_one();
        }
    })
    .await;
    (server, asked, left)
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let (server, _, left) = leaving(format!("{SSE}\r\ndata: {EVENT}\n\n")).await;
    let mut source = open(&upstream(server.address())).await.unwrap();
    soon(source.next()).await.unwrap();
    drop(source);
    soon(left.notified()).await;
}

#[tokio::test]
async fn dropping_a_request_closes_its_connection() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let (server, asked, left) = leaving(answer.to_owned()).await;
        let upstream = upstream(server.address());
        tokio::select! {
            result = ask(&upstream) => panic!("nothing has come: {result:?}"),
            () = asked.notified() => {}
        }
        soon(left.notified()).await;
    }
}

// === Connections ===

#[tokio::test]
async fn a_connection_serves_again() {
    let server = Server::repeating(json(COMPLETION)).await;
    let upstream = upstream(server.address());
    for _ in 0..3 {
        ask(&upstream).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn upstreams_with_one_pool_share_its_connections() {
    let server = Server::repeating(json(COMPLETION)).await;
    let first = upstream(server.address());
    let second = HttpUpstream { pool: Arc::clone(&first.pool), ..upstream(server.address()) };
    ask(&first).await.unwrap();
    ask(&second).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn calls_at_the_same_time_do_not_wait_for_each_other() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        if connection.number == 0 {
            pending::<()>().await;
        }
        connection.send(json(COMPLETION)).await;
    })
    .await;
    let upstream = upstream(server.address());
    let both = async {
        tokio::select! {
            biased;
            result = ask(&upstream) => result,
            result = async { tokio::time::sleep(Duration::from_millis(100)).await; ask(&upstream).await } => result,
        }
    };
    both.await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn after_done_a_drained_connection_serves_again() {
    let body = format!("data: {EVENT}\n\ndata: [DONE]\n\n");
    let head = format!("{SSE}transfer-encoding: chunked\r\n\r\n");
    let server = Server::start(move |mut connection| {
        let (head, body) = (head.clone(), body.clone());
        async move {
            while connection.request().await.is_some() {
                connection.send([head.as_bytes(), &chunk(&body)].concat()).await;
                // The end of the body comes on its own, as servers do it.
                tokio::time::sleep(Duration::from_millis(20)).await;
                connection.send("0\r\n\r\n").await;
            }
        }
    })
    .await;
    let upstream = upstream(server.address());
    for _ in 0..3 {
        let mut source = open(&upstream).await.unwrap();
        let events = soon(source.next()).await.unwrap().unwrap();
        assert_eq!(events.last().unwrap().data, "[DONE]");
        soon(source.drain()).await;
    }
    assert_eq!(server.connections(), 1);
}

/// What becomes of a second request where the server does this with each connection after its first answer.
async fn asked_twice<F, Work>(after: F) -> (Server, Result<Completion, Failure>)
where
    F: Fn(server::Connection<tokio::net::TcpStream>) -> Work + Clone + Send + 'static,
    Work: Future<Output = ()> + Send + 'static,
{
    let server = Server::start(move |mut connection| {
        let after = after.clone();
        async move {
            connection.request().await;
            connection.send(json(COMPLETION)).await;
            after(connection).await;
        }
    })
    .await;
    let upstream = upstream(server.address());
    ask(&upstream).await.unwrap();
    let second = ask(&upstream).await;
    (server, second)
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let (server, second) = asked_twice(|connection| async move { drop(connection) }).await;
    assert_eq!(second.unwrap().text, COMPLETION);
    assert_eq!((server.connections(), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_connection_that_is_closed_upon_its_second_request_is_replaced() {
    let (server, second) = asked_twice(|mut connection| async move {
        connection.request().await;
    })
    .await;
    assert_eq!(second.unwrap().text, COMPLETION);
    assert_eq!((server.connections(), server.requests().len()), (2, 3), "the lost request was sent again");
}

#[tokio::test]
async fn a_connection_that_is_reset_upon_its_second_request_is_replaced() {
    let (server, second) = asked_twice(|mut connection| async move {
        connection.request().await;
        connection.reset();
    })
    .await;
    assert_eq!(second.unwrap().text, COMPLETION);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_used_connection_that_is_closed_after_a_while_of_work_is_not_replaced() {
    let (server, second) = asked_twice(|mut connection| async move {
        connection.request().await;
        // Longer than any connection is taken for a stale one, also where a busy machine has had few turns.
        tokio::time::sleep(Duration::from_millis(2_100)).await;
    })
    .await;
    is_connection(&second.unwrap_err(), Reason::Fault(Fault::Closed));
    assert_eq!((server.connections(), server.requests().len()), (1, 2), "nothing was sent twice");
}

#[tokio::test]
async fn a_stale_connection_is_replaced_once() {
    let server = Server::start(|mut connection| async move {
        connection.request().await;
        if connection.number == 0 {
            connection.send(json(COMPLETION)).await;
            connection.request().await;
        }
        connection.reset();
    })
    .await;
    let upstream = upstream(server.address());
    ask(&upstream).await.unwrap();
    is_connection(&refused(&upstream).await, Reason::Code("ECONNRESET"));
    assert_eq!(server.connections(), 2, "the fresh one was young");
}

#[tokio::test]
async fn a_used_connection_that_breaks_http_is_not_replaced() {
    let (server, second) = asked_twice(|mut connection| async move {
        connection.request().await;
        connection.send("banana\r\n\r\n").await;
    })
    .await;
    is_connection(&second.unwrap_err(), Reason::Fault(Fault::NoHttp));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_used_connection_that_breaks_off_within_its_answer_is_not_replaced() {
    let (server, second) = asked_twice(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    })
    .await;
    is_connection(&second.unwrap_err(), Reason::Fault(Fault::Closed));
    assert_eq!(server.connections(), 1);
}

// === TLS ===

fn https(server: &Server, settings: TransportSettings) -> HttpUpstream {
    at(&format!("https://localhost:{}/v1/chat/completions", server.address().port()), settings)
}

async fn secure(acceptor: tokio_rustls::TlsAcceptor) -> Server {
    Server::start(move |connection| {
        let acceptor = acceptor.clone();
        async move {
            let Some(mut connection) = connection.secured(&acceptor).await else { return };
            // Each connection serves once and closes upon its second request.
            connection.request().await;
            connection.send(json(COMPLETION)).await;
            connection.request().await;
        }
    })
    .await
}

fn trusting(authority: &tls::Authority) -> TransportSettings {
    TransportSettings { extra_ca_certs: Some(authority.file()), ..TransportSettings::default() }
}

#[tokio::test]
async fn a_self_signed_server_is_refused() {
    let server = secure(tls::self_signed("localhost")).await;
    let settings = TransportSettings { extra_ca_setting: Some("EXTRA".into()), ..TransportSettings::default() };
    let failure = refused(&https(&server, settings)).await;
    is_connection(&failure, Reason::Code("DEPTH_ZERO_SELF_SIGNED_CERT"));
    assert!(failure.message.starts_with("self-signed certificate (`EXTRA` names"), "{}", failure.message);
    assert_eq!(server.requests().len(), 0, "no key went there");
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused_and_of_an_extra_one_accepted() {
    let authority = tls::Authority::new("extra");
    let server = secure(authority.serves("localhost")).await;
    let failure = refused(&https(&server, TransportSettings::default())).await;
    is_connection(&failure, Reason::Code("UNABLE_TO_VERIFY_LEAF_SIGNATURE"));
    assert_eq!(ask(&https(&server, trusting(&authority))).await.unwrap().text, COMPLETION);
}

#[tokio::test]
async fn a_certificate_of_another_name_or_time_is_refused() {
    let authority = tls::Authority::new("invalid");
    for (acceptor, reason) in [
        (authority.serves("example.com"), Reason::Fault(Fault::CertificateName)),
        (authority.served_until_2001("localhost"), Reason::Code("CERT_HAS_EXPIRED")),
    ] {
        let server = secure(acceptor).await;
        is_connection(&refused(&https(&server, trusting(&authority))).await, reason);
    }
}

#[tokio::test]
async fn any_certificate_will_do_where_nothing_is_to_be_rejected() {
    let server = secure(tls::self_signed("example.com")).await;
    let settings = TransportSettings { accept_invalid_certs: true, ..TransportSettings::default() };
    ask(&https(&server, settings)).await.unwrap();
}

#[tokio::test]
async fn a_trusted_self_signed_certificate_is_accepted_for_its_names_and_validity_period() {
    let (acceptor, file) = tls::self_signed_authority("localhost", false);
    let settings = TransportSettings { extra_ca_certs: Some(file.clone()), ..TransportSettings::default() };
    let server = secure(acceptor).await;
    ask(&https(&server, settings.clone())).await.unwrap();
    is_connection(
        &refused(&https(&server, TransportSettings::default())).await,
        Reason::Code("DEPTH_ZERO_SELF_SIGNED_CERT"),
    );
    let other = at(&format!("https://127.0.0.1:{}/", server.address().port()), settings);
    is_connection(&refused(&other).await, Reason::Fault(Fault::CertificateName));

    let (acceptor, old) = tls::self_signed_authority("localhost", true);
    let server = secure(acceptor).await;
    let settings = TransportSettings { extra_ca_certs: Some(old.clone()), ..TransportSettings::default() };
    is_connection(&refused(&https(&server, settings)).await, Reason::Code("CERT_HAS_EXPIRED"));
    for file in [file, old] {
        let _ = std::fs::remove_file(file);
    }
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_ends() {
    let server = Server::start(|mut connection| async move { connection.closed().await }).await;
    let upstream = https(&server, TransportSettings::default());
    let (plan, _) = planned("{}", BODY);
    let request = Request {
        endpoint: plan.endpoint,
        target: &plan.targets[0],
        body: BODY.into(),
        stream: false,
        retries: 0,
        time: None,
        max_response_bytes: MAX_RESPONSE_BYTES,
        cancels: None,
    };
    let sent = tokio::time::timeout(Duration::from_secs(20), upstream.send(request)).await.expect("a limit");
    is_connection(&sent.map(|_| ()).unwrap_err(), Reason::Fault(Fault::ConnectTimeout));
}

#[tokio::test]
async fn a_server_without_tls_is_a_connection_failure() {
    let server = Server::start(|mut connection| async move {
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        connection.closed().await;
    })
    .await;
    let failure = refused(&https(&server, TransportSettings::default())).await;
    is_connection(&failure, Reason::Fault(Fault::NoTls));
    assert!(failure.message.contains("`http:`"), "{}", failure.message);
}

#[tokio::test]
async fn a_server_that_hangs_up_within_the_handshake_is_a_connection_failure() {
    let server = Server::start(|mut connection| async move {
        connection.read_some().await;
    })
    .await;
    is_connection(&refused(&https(&server, TransportSettings::default())).await, Reason::Code("ECONNRESET"));
}

#[tokio::test]
async fn a_stale_connection_is_replaced_under_tls_too() {
    let authority = tls::Authority::new("stale");
    let server = secure(authority.serves("localhost")).await;
    let upstream = https(&server, trusting(&authority));
    for _ in 0..3 {
        ask(&upstream).await.unwrap();
    }
}

#[tokio::test]
async fn an_unreadable_file_of_extra_roots_is_ignored() {
    let server = Server::repeating(json(COMPLETION)).await;
    let pem = |inner: &str| format!("-----BEGIN CERTIFICATE-----\n{inner}\n-----END CERTIFICATE-----\n");
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("unusable.pem");
    for content in [None, Some("no PEM".to_owned()), Some(pem("no base64!")), Some(pem("AAAA"))] {
        let _ = std::fs::remove_file(&file);
        if let Some(content) = &content {
            std::fs::write(&file, content).unwrap();
        }
        let settings = TransportSettings { extra_ca_certs: Some(file.clone()), ..TransportSettings::default() };
        let upstream = at(&format!("http://{}/", server.address()), settings);
        ask(&upstream).await.unwrap_or_else(|failure| panic!("{content:?}: {failure:?}"));
    }
}

// === Proxies ===

#[tokio::test]
async fn a_proxy_is_used_for_its_own_scheme() {
    let proxy = Server::repeating(json(COMPLETION)).await;
    let settings = TransportSettings {
        http_proxy: Some(format!("http://{}", proxy.address())),
        no_proxy: Some("127.0.0.1,localhost".into()),
        ..TransportSettings::default()
    };
    ask(&at("http://upstream.invalid/v1", settings.clone())).await.unwrap();
    assert!(proxy.requests()[0].starts_with("POST http://upstream.invalid/v1 HTTP/1.1\r\n"), "{:?}", proxy.requests());
    let direct = Server::saying(json(COMPLETION)).await;
    ask(&at(&format!("http://{}/v1", direct.address()), settings)).await.unwrap();
    assert_eq!((proxy.requests().len(), direct.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_proxy_is_used_for_hosts_outside_no_proxy() {
    let proxy = Server::repeating(json(COMPLETION)).await;
    let direct = Server::repeating(json(COMPLETION)).await;
    let port = direct.address().port();
    for (no_proxy, is_asked) in [
        ("".to_owned(), true),
        (format!("other.invalid 127.0.0.1:{port}"), false),
        ("127.0.0.1:9".to_owned(), true),
        ("*".to_owned(), false),
    ] {
        let settings = TransportSettings {
            http_proxy: Some(format!("http://{}", proxy.address())),
            no_proxy: Some(no_proxy.clone()),
            ..TransportSettings::default()
        };
        let before = proxy.requests().len();
        ask(&at(&format!("http://127.0.0.1:{port}/v1"), settings)).await.unwrap();
        assert_eq!(proxy.requests().len() - before, usize::from(is_asked), "{no_proxy:?}");
    }
}

#[tokio::test]
async fn a_proxy_may_need_a_password_and_no_scheme() {
    let proxy = Server::repeating(json(COMPLETION)).await;
    for (url, authorization) in [
        (format!("http://user:secret@{}", proxy.address()), Some("proxy-authorization: Basic dXNlcjpzZWNyZXQ=")),
        (proxy.address().to_string(), None),
    ] {
        let settings = TransportSettings { http_proxy: Some(url), ..TransportSettings::default() };
        ask(&at("http://upstream.invalid/v1", settings)).await.unwrap();
        let request = proxy.requests().pop().unwrap();
        assert_eq!(request.lines().find(|line| line.starts_with("proxy-authorization")), authorization);
    }
}

#[tokio::test]
async fn a_proxy_of_another_sort_is_a_connection_failure() {
    let direct = Server::repeating(json(COMPLETION)).await;
    let settings =
        TransportSettings { http_proxy: Some(format!("socks5://{}", nobody().await)), ..TransportSettings::default() };
    let failure = refused(&at(&format!("http://{}/v1", direct.address()), settings)).await;
    assert_eq!((failure.kind, direct.connections()), (Kind::Connection, 0), "{failure:?}");
    assert_eq!(failure.message, "`HTTP_PROXY` must be the URL of an HTTP proxy, got one with the scheme `socks5`");
}

#[tokio::test]
async fn an_invalid_proxy_variable_does_not_affect_other_schemes() {
    let direct = Server::repeating(json(COMPLETION)).await;
    for settings in [
        TransportSettings { https_proxy: Some("gopher://proxy.invalid".into()), ..TransportSettings::default() },
        TransportSettings {
            http_proxy: Some("gopher://proxy.invalid".into()),
            no_proxy: Some("127.0.0.1".into()),
            ..TransportSettings::default()
        },
    ] {
        ask(&at(&format!("http://{}/v1", direct.address()), settings)).await.unwrap();
    }
    assert_eq!(direct.requests().len(), 2);
}

#[tokio::test]
async fn a_proxy_that_is_no_url_is_a_connection_failure_that_does_not_repeat_it() {
    let settings = TransportSettings { http_proxy: Some("http://user:secret@".into()), ..TransportSettings::default() };
    let failure = refused(&at("http://upstream.invalid/v1", settings)).await;
    assert_eq!(failure.message, "`HTTP_PROXY` must be the URL of an HTTP proxy, got no valid URL");
}

#[tokio::test]
async fn a_proxy_that_is_down_is_a_connection_failure() {
    let settings =
        TransportSettings { http_proxy: Some(format!("http://{}", nobody().await)), ..TransportSettings::default() };
    is_connection(&refused(&at("http://upstream.invalid/v1", settings)).await, Reason::Code("ECONNREFUSED"));
}
