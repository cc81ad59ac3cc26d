//! Calls from their text to their end, with a scripted host: the core runs them without any language around it.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]
#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use openpipe_core::call::{Call, CallEvents, Client, Control, Form, Meta, MovedOn, Refusal, Warned};
use openpipe_core::events::delta::Event;
use openpipe_core::failure::{ClientError, Failure, Head};
use openpipe_core::host::{HeaderSource, HostAnswer, HostChunks, HostClient, HostFailure, HostRequest};
use openpipe_core::options::{ClientConfig, RecentOptions};
use openpipe_core::policy::breaker::Breakers;
use openpipe_core::policy::health::Health;
use openpipe_core::policy::homes::Homes;
use openpipe_core::report::{Delivery, Limits, Listener, Reporter, Sink};
use openpipe_core::text::headers::HeaderList;
use openpipe_core::upstream::http::{HttpPool, TransportSettings};
use openpipe_core::upstream::{BoxFuture, Completion};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

static BREAKERS: LazyLock<Breakers> = LazyLock::new(Breakers::default);
static HOMES: LazyLock<Homes> = LazyLock::new(Homes::default);

const GOOD: &str = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
const A: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// The key of each client of the host.
const SECRET: &str = "sk-of-the-client";

/// What a client of the host does when it is called.
enum Act {
    Answers(&'static str),
    Throws(&'static str),
    Streams(Vec<&'static str>),
    IsSilent,
}

/// A host whose clients play a script, and which notes what the core says to it.
#[derive(Default)]
struct Host {
    script: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<(u32, Value)>>,
    events: Mutex<Vec<Value>>,
    chunks_read: Arc<Mutex<usize>>,
}

impl Host {
    fn note(&self, event: Value) {
        lock(&self.events).push(event);
    }

    fn events(&self) -> Vec<Value> {
        lock(&self.events).clone()
    }

    /// The names of the events, in their order.
    fn names(&self) -> Vec<String> {
        self.events().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    fn last(&self) -> Value {
        self.events().pop().expect("the core said something")
    }
}

impl CallEvents for Host {
    fn refused(&self, why: Refusal, message: &str) {
        self.note(json!({"event": "refused", "why": why, "message": message}));
    }

    fn warning(&self, message: &str) {
        self.note(json!({"event": "warning", "message": message}));
    }

    fn moved_on(&self, moved: &MovedOn<'_>) {
        self.note(json!({"event": "moved_on", "moved": moved}));
    }

    fn completion(&self, completion: Completion, meta: &Meta<'_>) {
        self.note(json!({"event": "completion", "ticket": completion.ticket, "text": completion.text, "meta": meta}));
    }

    fn stream(&self, ticket: Option<u32>, meta: &Meta<'_>) {
        self.note(json!({"event": "stream", "ticket": ticket, "meta": meta}));
    }

    fn events(&self, _form: Form, _bytes: usize, events: &[Event]) {
        self.note(json!({"event": "events", "count": events.len()}));
    }

    fn kept_events(&self, bytes: usize, count: usize) {
        self.note(json!({"event": "kept_events", "bytes": bytes, "count": count}));
    }

    fn end(&self, meta: &Meta<'_>) {
        self.note(json!({"event": "end", "meta": meta}));
    }

    fn failed(&self, failures: &[Failure], meta: &Meta<'_>) {
        self.note(json!({"event": "failed", "failures": failures.len(), "meta": meta}));
    }
}

impl HostClient for Host {
    fn send<'a>(&'a self, request: HostRequest<'a>) -> BoxFuture<'a, Result<HostAnswer, HostFailure>> {
        let body = serde_json::from_slice(&request.body).expect("the body is JSON");
        lock(&self.asked).push((request.client, body));
        let act = lock(&self.script).pop_front().expect("the script goes on");
        Box::pin(async move {
            match act {
                Act::Answers(text) => {
                    let (text, request_id) = (Some(text.to_owned()), Some(format!("id-{SECRET}")));
                    Ok(HostAnswer::Completion { ticket: 7, text, request_id, secrets: vec![SECRET.to_owned()] })
                }
                Act::Throws(message) => Err(HostFailure::Thrown(thrown(message))),
                Act::Streams(chunks) => {
                    let chunks = Chunks { left: chunks.into(), read: Arc::clone(&self.chunks_read) };
                    Ok(HostAnswer::Stream {
                        ticket: 8,
                        request_id: Some(format!("id-{SECRET}")),
                        secrets: vec![SECRET.to_owned()],
                        chunks: Box::new(chunks),
                    })
                }
                Act::IsSilent => std::future::pending().await,
            }
        })
    }
}

fn thrown(message: &str) -> ClientError {
    serde_json::from_value(json!({
        "status": 500, "codes": [], "names": ["Error"], "message": message,
        "body": null, "headers": [], "secrets": [], "ticket": 9,
    }))
    .expect("an error of a client")
}

impl HeaderSource for Host {
    fn headers<'a>(&'a self, upstream: &'a str) -> BoxFuture<'a, Result<HeaderList, HostFailure>> {
        self.note(json!({"event": "headers", "upstream": upstream}));
        Box::pin(async { Ok(serde_json::from_value(json!([["authorization", "Bearer fresh"]])).expect("headers")) })
    }
}

struct Chunks {
    left: VecDeque<&'static str>,
    read: Arc<Mutex<usize>>,
}

impl HostChunks for Chunks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<String>>, HostFailure>> {
        Box::pin(async {
            let next = self.left.pop_front();
            *lock(&self.read) += usize::from(next.is_some());
            Ok(next.map(|chunk| vec![chunk.to_owned()]))
        })
    }
}

/// A report endpoint that takes everything, and keeps it.
#[derive(Default)]
struct Reports(Mutex<Vec<Value>>);

impl Delivery for Reports {
    fn deliver<'a>(
        &'a self,
        _url: &'a Url,
        _headers: HeaderMap,
        body: Bytes,
        _host_transport: Option<u32>,
    ) -> BoxFuture<'a, Result<Head, Failure>> {
        lock(&self.0).push(serde_json::from_slice(&body).expect("a report is JSON"));
        Box::pin(async { Ok(Head { status: 200, ..Head::default() }) })
    }
}

impl Listener for Reports {
    fn reported(&self, _call: u32) {}

    fn warning(&self, message: &str) {
        panic!("no report fails here: {message}");
    }
}

/// A call on its way.
struct Running {
    host: Arc<Host>,
    control: Arc<Control>,
    reports: Arc<Reports>,
    reporter: Reporter,
    call: tokio::task::JoinHandle<()>,
}

impl Running {
    /// A call of `alias`, whose two targets are clients 1 and 2 of the host.
    fn of_clients(script: impl Into<VecDeque<Act>>, call: &str, body: &str) -> Self {
        let config = r#"{
            "openai": {"baseUrl": "http://openai.test/v1", "headers": []},
            "openpipeUrl": "http://openpipe.test", "reportUrl": "http://openpipe.test/report", "openpipeKey": "opk",
            "options": {
                "openpipe": {"aliases": {"alias": [{"model": "one", "timeout": 1000}, {"model": "two"}]}},
                "clients": {"openpipe.aliases.alias[0].client": {"number": 1}, "openpipe.aliases.alias[1].client": {"number": 2}}
            }
        }"#;
        Self::new(config, script, call, body)
    }

    fn new(config: &str, script: impl Into<VecDeque<Act>>, call: &str, body: &str) -> Self {
        let config = ClientConfig::from_json(config).expect("the configuration is valid");
        let host = Arc::new(Host { script: Mutex::new(script.into()), ..Host::default() });
        let (reports, control) = (Arc::new(Reports::default()), Arc::new(Control::default()));
        let (reporter, work) =
            Reporter::new(Limits::default(), Arc::<Reports>::clone(&reports), Arc::<Reports>::clone(&reports));
        tokio::spawn(work);
        let client = Client {
            sinks: Sink::of(&config),
            config,
            breakers: &BREAKERS,
            homes: &HOMES,
            health: Arc::new(Health::default()),
            warned: Warned::default(),
            recent: RecentOptions::default(),
            reporter: reporter.clone(),
        };
        let call_host: Arc<dyn openpipe_core::call::Host> = Arc::<Host>::clone(&host);
        let pool = Arc::new(HttpPool::new(TransportSettings::default()));
        let running =
            Call { number: 1, client: Arc::new(client), pool, host: call_host, control: Arc::clone(&control) };
        let (body, options) = (body.to_owned(), call.to_owned());
        let call = tokio::spawn(running.run(body, Some(options), || {}));
        Self { host, control, reports, reporter, call }
    }

    async fn ended(self) -> (Arc<Host>, Vec<Value>) {
        self.call.await.expect("the call does not panic");
        self.reporter.flush().await;
        let reports = lock(&self.reports.0).clone();
        (self.host, reports)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const ASKED: &str = r#"{"model":"alias","messages":[]}"#;
const ASKED_STREAM: &str = r#"{"model":"alias","messages":[],"stream":true}"#;

#[tokio::test(start_paused = true)]
async fn a_client_of_the_host_answers_and_keeps_its_own_object() {
    let (host, _) = Running::of_clients([Act::Answers(GOOD)], "{}", ASKED).ended().await;

    assert_eq!(*lock(&host.asked), [(1, json!({"model": "one", "messages": []}))]);
    let last = host.last();
    assert_eq!((last["event"].as_str(), last["ticket"].as_u64()), (Some("completion"), Some(7)));
    assert_eq!((last["meta"]["servedBy"].as_str(), last["meta"]["alias"].as_str()), (Some("primary"), Some("alias")));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_throws_is_followed_by_the_next_target() {
    let (host, _) = Running::of_clients([Act::Throws("no"), Act::Answers(GOOD)], "{}", ASKED).ended().await;

    assert_eq!(host.names(), ["moved_on", "completion"]);
    let meta = &host.last()["meta"];
    assert_eq!((meta["servedBy"].as_str(), meta["model"].as_str()), (Some("fallback"), Some("two")));
    assert_eq!(meta["attempts"][0]["outcome"], "server_error");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_settles_is_left_at_its_targets_time() {
    let (host, _) = Running::of_clients([Act::IsSilent, Act::Answers(GOOD)], "{}", ASKED).ended().await;

    let meta = &host.last()["meta"];
    assert_eq!(meta["attempts"][0]["outcome"], "timeout");
    assert_eq!(meta["attempts"][1]["outcome"], "ok");
}

#[tokio::test(start_paused = true)]
async fn where_every_target_fails_the_host_gets_each_failure() {
    let (host, _) = Running::of_clients([Act::Throws("one"), Act::Throws("two")], "{}", ASKED).ended().await;

    let last = host.last();
    assert_eq!((last["event"].as_str(), last["failures"].as_u64()), (Some("failed"), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn each_target_that_was_tried_is_reported_once() {
    let (_, reports) = Running::of_clients([Act::Throws("no"), Act::Answers(GOOD)], "{}", ASKED).ended().await;

    let told: Vec<_> = reports.iter().map(|report| (&report["reqPayload"]["model"], &report["statusCode"])).collect();
    assert_eq!(told, [(&json!("one"), &json!(500)), (&json!("two"), &json!(200))]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_client_crosses_as_counts_of_what_the_host_kept() {
    let script = [Act::Streams(vec![A, A, STOP])];
    let (host, reports) = Running::of_clients(script, "{}", ASKED_STREAM).ended().await;

    let events = host.events();
    assert_eq!((events[0]["event"].as_str(), events[0]["ticket"].as_u64()), (Some("stream"), Some(8)));
    let kept: u64 = events.iter().filter_map(|event| event["count"].as_u64()).sum();
    assert_eq!((kept, host.last()["event"].as_str()), (3, Some("end")));
    assert_eq!(reports[0]["respPayload"]["choices"][0]["message"]["content"], "aa");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_before_its_commit_is_never_seen() {
    let script = [Act::Streams(vec![r#"{"error":{"message":"overloaded"}}"#]), Act::Streams(vec![A, STOP])];
    let (host, _) = Running::of_clients(script, "{}", ASKED_STREAM).ended().await;

    let names = host.names();
    assert_eq!(names.first().map(String::as_str), Some("moved_on"));
    assert_eq!(names.iter().filter(|name| *name == "stream").count(), 1);
    assert_eq!(host.last()["meta"]["servedBy"], "fallback");
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_client_is_redacted_in_what_its_answer_or_its_stream_says() {
    const SAYS_IT: &str = r#"{"error":{"message":"the key sk-of-the-client is not valid"}}"#;
    for (script, body) in [
        ([Act::Answers(SAYS_IT), Act::Answers(GOOD)], ASKED),
        ([Act::Streams(vec![SAYS_IT]), Act::Streams(vec![A, STOP])], ASKED_STREAM),
    ] {
        let (host, reports) = Running::of_clients(script, "{}", body).ended().await;
        assert_eq!(host.last()["meta"]["servedBy"], "fallback", "{body}");
        assert_eq!(host.last()["meta"]["attempts"][1]["requestId"], "id-***", "{body}");
        assert!(reports[0]["errorMessage"].as_str().unwrap().contains("the key *** is not valid"), "{}", reports[0]);
        assert!(!format!("{:?}{reports:?}", host.events()).contains(SECRET), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_client_where_a_completion_was_requested_is_a_failure_that_says_so() {
    let script = [Act::Streams(vec![A, STOP]), Act::Answers(GOOD)];
    let (host, reports) = Running::of_clients(script, "{}", ASKED).ended().await;
    assert_eq!(host.last()["meta"]["attempts"][0]["outcome"], "invalid_response");
    let message = "the client returned a stream where a completion was requested";
    assert_eq!(reports[0]["errorMessage"], message);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_stops_the_stream_until_it_does() {
    let long = r#"{"choices":[{"index":0,"delta":{"content":"0123456789012345678901234567890123456789"}}]}"#;
    let chunks: Vec<_> = std::iter::repeat_n(long, 20_000).chain([STOP]).collect();
    let running = Running::of_clients([Act::Streams(chunks)], "{}", ASKED_STREAM);
    sleep(Duration::from_secs(1)).await;
    let read = *lock(&running.host.chunks_read);
    assert!(read < 2_000, "{read} chunks were read ahead of a reader that takes none");

    while !running.call.is_finished() {
        running.control.consumed(256 * 1024);
        sleep(Duration::from_millis(1)).await;
    }
    let (host, _) = running.ended().await;
    assert_eq!(host.last()["event"], "end");
}

/// How often the first client is called by six calls, of which five get an answer that is larger than 60 bytes allow: `client`
/// are the constructor's options, `call` the options of these five. The sixth is made without options.
async fn asked_of_six(identity: &str, client: &str, call: &str, body: &str) -> usize {
    const SMALL: &str = r#"{"choices":[{"message":{"content":"hi"}}]}"#;
    const LONG: &str = r#"{"choices":[{"index":0,"delta":{"content":"more than sixty bytes"}}]}"#;
    const SHORT: [&str; 2] = [r#"{"choices":[{"delta":{"content":"a"}}]}"#, "[DONE]"];
    let config = format!(
        r#"{{
            "openai": {{"baseUrl": "http://openai.test/v1", "headers": []}}, "openpipeUrl": "http://openpipe.test",
            "options": {{
                "openpipe": {{"breaker": true, "aliases": {{"alias": [{{"model": "one"}}, {{"model": "two"}}]}}{client}}},
                "clients": {{
                    "openpipe.aliases.alias[0].client": {{"number": 1, "identity": "{identity}"}},
                    "openpipe.aliases.alias[1].client": {{"number": 2, "identity": "{identity} too"}}
                }}
            }}
        }}"#
    );
    let mut asked = 0;
    for number in 1..=6 {
        let script = match body {
            ASKED => [Act::Answers(GOOD), Act::Answers(SMALL)],
            _ => [Act::Streams(vec![LONG, "[DONE]"]), Act::Streams(SHORT.into())],
        };
        let (host, _) = Running::new(&config, script, if number == 6 { "{}" } else { call }, body).ended().await;
        assert_ne!(host.last()["event"], "refused", "{}", host.last());
        asked += lock(&host.asked).iter().filter(|(client, _)| *client == 1).count();
    }
    asked
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_the_call_allows_does_not_open_the_circuit_of_a_client() {
    let narrow = r#"{"openpipe":{"maxResponseBytes":60}}"#;
    assert_eq!(asked_of_six("narrowed", "", narrow, ASKED).await, 6);
    assert_eq!(asked_of_six("narrowed", "", narrow, ASKED_STREAM).await, 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_its_constructor_allows_opens_the_circuit_of_a_client() {
    let bound = r#","maxResponseBytes":60"#;
    assert_eq!(asked_of_six("bounded", bound, "{}", ASKED).await, 5);
    assert_eq!(asked_of_six("bounded streams", bound, "{}", ASKED_STREAM).await, 5);
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_the_cancellation_of_a_call() {
    let running = Running::of_clients([Act::IsSilent], "{}", ASKED);
    sleep(Duration::from_millis(10)).await;
    running.control.cancel();
    assert!(running.control.aborted().is_some());
    let (host, _) = running.ended().await;
    assert_eq!(host.names(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_request_is_refused_before_any_target() {
    let (host, _) = Running::of_clients([], "{}", "[]").ended().await;
    let last = host.last();
    assert_eq!((last["event"].as_str(), last["why"].as_str()), (Some("refused"), Some("body")));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_option_is_refused_as_an_argument() {
    let (host, _) = Running::of_clients([], r#"{"openpipe":{"deadline":-1}}"#, ASKED).ended().await;
    let last = host.last();
    assert_eq!((last["event"].as_str(), last["why"].as_str()), (Some("refused"), Some("argument")));
    assert!(last["message"].as_str().unwrap().contains("deadline"), "{last}");
}

#[tokio::test]
async fn headers_on_demand_are_sent_with_the_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            assert!(connection.read_buf(&mut head).await.unwrap() > 0, "the request ends early");
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{GOOD}",
            GOOD.len()
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
        // Until the client has read it: a socket closed over unread bytes resets the connection.
        let _ = connection.read_to_end(&mut head).await;
        String::from_utf8_lossy(&head).to_lowercase()
    });
    let config = format!(
        r#"{{"openai": {{"baseUrl": "http://{address}/v1", "headers": [], "keyIsFunction": true, "identity": "me"}}, "openpipeUrl": "http://openpipe.test"}}"#
    );
    let (host, _) = Running::new(&config, [], "{}", r#"{"model":"gpt","messages":[]}"#).ended().await;

    assert_eq!(host.names(), ["headers", "completion"]);
    assert!(server.await.unwrap().contains("authorization: bearer fresh"));
}
