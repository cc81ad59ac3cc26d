//! The upstream of the benchmarks. What it answers is said by the first part of the path, so that no body is parsed:
//!
//! | path | answer |
//! | --- | --- |
//! | `/completion-BYTES-DELAY/…` | a chat completion whose content has so many bytes, after so many milliseconds |
//! | `/stream-EVENTS-PACE/…` | a stream of so many events, one each `PACE` milliseconds (0: at full speed) |
//! | `/typed-EVENTS-PACE/…` | the same of a response, whose events are typed |
//! | `/500/…` | 500 with an error in the API's form |
//! | `/silence/…` | nothing, ever |
//! | `/arrivals` | when the last requests came: `[[path, Unix milliseconds], …]`; the list starts anew |
//!
//! Prints its address as the first line of its output, and ends when its standard input does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior, interval};

type Arrivals = Arc<Mutex<Vec<(String, f64)>>>;

/// Requests that are remembered.
const MAX_ARRIVALS: usize = 10_000;

fn main() -> std::io::Result<()> {
    // The client needs the other half of the cores.
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?.block_on(serve())
}

async fn serve() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    std::thread::spawn(|| {
        // Ends with the benchmark that started it, however that one ends.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let arrivals = Arrivals::default();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let arrivals = Arc::clone(&arrivals);
        let serve = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(socket), service_fn(move |request| answer(request, Arc::clone(&arrivals))));
        #[expect(clippy::disallowed_methods, reason = "a server's connection ends with its peer")]
        // A connection that breaks is the client's affair.
        tokio::spawn(async { drop(serve.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
    arrivals: Arrivals,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let mut parts = path.split('/').nth(1).unwrap_or_default().split('-');
    let kind = parts.next().unwrap_or_default().to_owned();
    let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok()).unwrap_or(0);
    let (first, second) = (number(), number());
    if kind == "arrivals" {
        let list = std::mem::take(&mut *arrivals.lock().unwrap_or_else(PoisonError::into_inner));
        return Ok(json(StatusCode::OK, serde_json::json!(list).to_string().into()));
    }
    remember(&arrivals, &path);
    // The whole request is read, as a real upstream would.
    drop(request.into_body().collect().await);
    Ok(match kind.as_str() {
        "completion" => {
            if second > 0 {
                tokio::time::sleep(Duration::from_millis(second as u64)).await;
            }
            json(StatusCode::OK, made_once(&COMPLETIONS, first, || Bytes::from(completion(first))))
        }
        "stream" => event_stream(made_once(&STREAMS, first, || events(first).into()), second),
        "typed" => event_stream(made_once(&TYPED, first, || typed_events(first).into()), second),
        "silence" => std::future::pending().await,
        _ => json(
            StatusCode::INTERNAL_SERVER_ERROR,
            Bytes::from_static(
                br#"{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}"#,
            ),
        ),
    })
}

fn remember(arrivals: &Arrivals, path: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0;
    let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    if arrivals.len() < MAX_ARRIVALS {
        arrivals.push((path.to_owned(), now));
    }
}

fn json(status: StatusCode, text: Bytes) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::new(text).boxed());
    *response.status_mut() = status;
    typed(&mut response, "application/json");
    response
}

fn typed(response: &mut Response<BoxBody<Bytes, Infallible>>, media_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    headers.insert("x-request-id", header::HeaderValue::from_static("req_0123456789abcdef0123456789abcdef"));
    headers.insert("openai-processing-ms", header::HeaderValue::from_static("12"));
    headers.insert("openai-version", header::HeaderValue::from_static("2020-10-01"));
}

/// What is answered is made once, so that the upstream is never what is measured.
type Made<T> = LazyLock<Mutex<HashMap<usize, T>>>;
static COMPLETIONS: Made<Bytes> = LazyLock::new(Mutex::default);
static STREAMS: Made<Arc<[Bytes]>> = LazyLock::new(Mutex::default);
static TYPED: Made<Arc<[Bytes]>> = LazyLock::new(Mutex::default);

fn made_once<T: Clone>(made: &Made<T>, size: usize, make: impl FnOnce() -> T) -> T {
    made.lock().unwrap_or_else(PoisonError::into_inner).entry(size).or_insert_with(make).clone()
}

/// Words that fill so many bytes.
fn words(bytes: usize) -> String {
    "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(bytes).collect()
}

fn completion(bytes: usize) -> String {
    format!(
        r#"{{"id":"chatcmpl-0123456789","object":"chat.completion","created":1760000000,"model":"gpt-4-turbo","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":12,"completion_tokens":{},"total_tokens":{}}},"system_fingerprint":null}}"#,
        words(bytes),
        bytes / 4,
        12 + bytes / 4
    )
}

/// The events of a stream, and its end.
fn events(count: usize) -> Vec<Bytes> {
    let event = |index| {
        let (delta, finish) = match index {
            0 => (r#"{"role":"assistant","content":""}"#.to_owned(), "null"),
            last if last + 1 >= count => ("{}".to_owned(), "\"stop\""),
            _ => (format!(r#"{{"content":" word{index}"}}"#), "null"),
        };
        Bytes::from(format!(
            "data: {{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4-turbo\",\"system_fingerprint\":null,\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
        ))
    };
    (0..count).map(event).chain([Bytes::from_static(b"data: [DONE]\n\n")]).collect()
}

/// The events of a streamed response, as OpenAI numbers and pads them.
fn typed_events(count: usize) -> Vec<Bytes> {
    let response = |status: &str, output: &str| {
        format!(
            r#"{{"id":"resp_0123456789","object":"response","created_at":1760000000,"status":"{status}","error":null,"incomplete_details":null,"model":"gpt-4-turbo","output":[{output}],"usage":null}}"#
        )
    };
    let event = |index: usize| {
        let (kind, rest) = match index {
            0 => ("response.created", format!("\"response\":{}", response("in_progress", ""))),
            last if last + 1 >= count => {
                let message = r#"{"id":"msg_0123456789","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"word","annotations":[]}]}"#;
                ("response.completed", format!("\"response\":{}", response("completed", message)))
            }
            _ => (
                "response.output_text.delta",
                format!(
                    r#""item_id":"msg_0123456789","output_index":0,"content_index":0,"delta":" word{index}","logprobs":[],"obfuscation":"{index:012}""#
                ),
            ),
        };
        Bytes::from(format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{index},{rest}}}\n\n"))
    };
    (0..count).map(event).collect()
}

fn event_stream(events: Arc<[Bytes]>, pace: usize) -> Response<BoxBody<Bytes, Infallible>> {
    let pace = (pace > 0).then(|| {
        let mut ticks = interval(Duration::from_millis(pace as u64));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        ticks
    });
    let mut response = Response::new(Events { events, next: 0, pace }.boxed());
    typed(&mut response, "text/event-stream");
    response
}

/// The body of a stream: an event for each frame.
struct Events {
    events: Arc<[Bytes]>,
    next: usize,
    pace: Option<Interval>,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next == self.events.len() {
            return Poll::Ready(None);
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(context));
        }
        let event = self.events.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(event.map(|event| Ok(Frame::data(event))))
    }
}
