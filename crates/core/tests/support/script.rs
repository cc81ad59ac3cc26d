//! Upstreams that play a script, by the model they are asked for, and that note what they were asked.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openpipe_core::engine::{self, Observer, Watch};
use openpipe_core::failure::{Failure, Head, Kind, Surface};
use openpipe_core::plan::{Plan, Target, Via};
use openpipe_core::policy::breaker::Breakers;
use openpipe_core::policy::health::Health;
pub(crate) use openpipe_core::record::CallRecord as Trail;
use openpipe_core::record::{Attempt, Recorder};
use openpipe_core::stream::EventStream;
use openpipe_core::text::body::RequestBody;
use openpipe_core::upstream::{BoxFuture, Completion, EventSource, Request, Response, SseEvent, Upstream, Upstreams};
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
pub(crate) const A: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
pub(crate) const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
pub(crate) const DONE: &str = "[DONE]";

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// How a call ended, with the record of it.
pub(crate) enum Outcome {
    Completion(Trail),
    Stream(Box<EventStream>, Trail),
    Failed(Trail),
}

/// Runs the engine.
pub(crate) async fn run_engine(plan: &Plan, body: &RequestBody, world: &World) -> Outcome {
    let record = Recorder::default();
    let outcome = engine::run(plan, body, world, &world.watch(), world, &record).await;
    let trail = record.take();
    match outcome {
        engine::Outcome::Completion(_) => Outcome::Completion(trail),
        engine::Outcome::Stream(stream) => Outcome::Stream(stream, trail),
        engine::Outcome::Failed => Outcome::Failed(trail),
    }
}

/// What one try comes to, after so many milliseconds.
#[derive(Clone)]
pub(crate) struct Reply {
    after: u64,
    comes: Comes,
}

#[derive(Clone)]
enum Comes {
    Completion,
    Text(&'static str),
    Failure(Failure),
    Stream(VecDeque<(u64, Act)>),
    Nothing,
    Panic,
}

/// What a stream does at a millisecond after its headers; after the last act it is silent.
#[derive(Clone)]
pub(crate) enum Act {
    Event(&'static str),
    Break,
    Panic,
}

/// A chat completion.
pub(crate) fn answers(after: u64) -> Reply {
    Reply { after, comes: Comes::Completion }
}

/// A chat completion with this text.
pub(crate) fn answers_with(after: u64, text: &'static str) -> Reply {
    Reply { after, comes: Comes::Text(text) }
}

/// Something inside is broken: it panics instead of an answer.
pub(crate) fn panics(after: u64) -> Reply {
    Reply { after, comes: Comes::Panic }
}

pub(crate) fn fails(after: u64, failure: Failure) -> Reply {
    Reply { after, comes: Comes::Failure(failure) }
}

/// Headers, and then these acts.
pub(crate) fn streams(after: u64, acts: impl Into<VecDeque<(u64, Act)>>) -> Reply {
    Reply { after, comes: Comes::Stream(acts.into()) }
}

/// A stream that ends well.
pub(crate) fn streams_well(after: u64) -> Reply {
    streams(after, [(0, Act::Event(ROLE)), (10, Act::Event(A)), (20, Act::Event(STOP)), (20, Act::Event(DONE))])
}

pub(crate) fn silent() -> Reply {
    Reply { after: 0, comes: Comes::Nothing }
}

pub(crate) fn status(status: u16, headers: &[(&'static str, &'static str)]) -> Failure {
    let mut head = Head { status, ..Head::default() };
    for (name, value) in headers {
        head.headers.insert(*name, value.parse().expect("a header's value"));
    }
    Failure::status(head, "{}".into())
}

/// How a target fails with a kind, when its time is longer than `after`.
pub(crate) fn failing(kind: Kind, after: u64, stream: bool) -> Reply {
    let coded = |code: &str| {
        let head = Head { status: 400, ..Head::default() };
        Failure::status(head, format!(r#"{{"error":{{"code":"{code}"}}}}"#))
    };
    let failure = match kind {
        Kind::Timeout => return silent(),
        Kind::Stream if stream => return streams(after, [(0, Act::Event(ROLE)), (0, Act::Break)]),
        Kind::Stream => Failure::bad_stream("the client's stream was bad", None),
        Kind::Connection => Failure { is_unconnected: true, ..Failure::connection("refused", Some("ECONNREFUSED")) },
        Kind::RateLimit => status(429, &[]),
        Kind::Quota => status(402, &[]),
        Kind::Rejected => Failure::new(Kind::Rejected, Surface::Protocol, "an answer that is no good"),
        Kind::ServerError => status(500, &[]),
        Kind::Auth => status(401, &[]),
        Kind::NotFound => status(404, &[]),
        Kind::BadRequest => status(400, &[]),
        Kind::ContextLength => coded("context_length_exceeded"),
        Kind::ContentFilter => coded("content_filter"),
        Kind::InvalidResponse => Failure::invalid_response("not JSON", Head { status: 200, ..Head::default() }, None),
    };
    fails(after, failure)
}

/// A request that an upstream got.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) model: String,
    /// Milliseconds since the world began.
    pub(crate) at: u128,
    pub(crate) retries: u32,
    pub(crate) time: Option<Duration>,
    pub(crate) body: String,
    /// Other requests and streams that were open then.
    pub(crate) others: usize,
}

/// Every upstream of a call, and what they saw.
pub(crate) struct World(Arc<State>);

struct State {
    began: Instant,
    replies: Mutex<HashMap<&'static str, VecDeque<Reply>>>,
    sent: Mutex<Vec<Sent>>,
    moves: Mutex<Vec<(String, &'static str, String)>>,
    live: AtomicUsize,
    breakers: Breakers,
    health: Health,
}

impl World {
    /// Upstreams by model. The last reply of each stands for all further tries.
    pub(crate) fn new<const N: usize>(replies: [(&'static str, Vec<Reply>); N]) -> Self {
        let replies = replies.into_iter().map(|(model, replies)| (model, replies.into())).collect();
        Self(Arc::new(State {
            began: Instant::now(),
            replies: Mutex::new(replies),
            sent: Mutex::default(),
            moves: Mutex::default(),
            live: AtomicUsize::new(0),
            breakers: Breakers::with_random(|| 0.5),
            health: Health::default(),
        }))
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        lock(&self.0.sent).clone()
    }

    /// Each move that was told: the model it came from, with its outcome, and the one it went to.
    pub(crate) fn moves(&self) -> Vec<(String, &'static str, String)> {
        lock(&self.0.moves).clone()
    }

    /// The circuits of its process, without jitter, and how its targets have done.
    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch { breakers: &self.0.breakers, health: Some(&self.0.health) }
    }

    /// Requests and streams that are open now.
    pub(crate) fn live(&self) -> usize {
        self.0.live.load(Ordering::Relaxed)
    }
}

impl Upstreams for World {
    fn upstream(&self, _via: &Via) -> Arc<dyn Upstream> {
        Arc::new(Scripted(Arc::clone(&self.0)))
    }
}

impl Observer for World {
    fn moved_on(&self, from: &Attempt, to: &Target) {
        lock(&self.0.moves).push((from.model.clone(), from.outcome, to.model.clone()));
    }
}

struct Scripted(Arc<State>);

impl Upstream for Scripted {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let model = request.target.model.as_str();
            let reply = {
                let mut replies = lock(&self.0.replies);
                let queue = replies.get_mut(model).expect("nobody expects this target to be asked");
                let next = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
                next.expect("a reply")
            };
            lock(&self.0.sent).push(Sent {
                model: model.to_owned(),
                at: self.0.began.elapsed().as_millis(),
                retries: request.retries,
                time: request.time,
                body: String::from_utf8_lossy(&request.body).into_owned(),
                others: self.0.live.load(Ordering::Relaxed),
            });
            let open = Open::new(&self.0);
            sleep(ms(reply.after)).await;
            let mut head = Head { status: 200, ..Head::default() };
            head.headers.insert("x-request-id", format!("req_{model}").parse().expect("a header's value"));
            match reply.comes {
                Comes::Nothing => std::future::pending().await,
                Comes::Failure(failure) => Err(failure),
                Comes::Text(text) => Ok(Response::Completion(Completion {
                    head,
                    text: format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}],"usage":{{"t":1}}}}"#),
                    usage: Some(r#"{"t":1}"#.into()),
                    ticket: None,
                })),
                Comes::Completion => Ok(Response::Completion(Completion {
                    head,
                    text: r#"{"choices":[]}"#.into(),
                    usage: None,
                    ticket: None,
                })),
                Comes::Panic => std::panic::resume_unwind(Box::new("something inside is broken")),
                Comes::Stream(acts) => {
                    let source = Box::new(Script { began: Instant::now(), acts, _open: open });
                    Ok(Response::Stream { head, source, ticket: None })
                }
            }
        })
    }
}

struct Script {
    began: Instant,
    acts: VecDeque<(u64, Act)>,
    _open: Open,
}

impl EventSource for Script {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>> {
        Box::pin(async move {
            let Some((at, _)) = self.acts.front() else { return std::future::pending().await };
            sleep_until(self.began + ms(*at)).await;
            match self.acts.pop_front() {
                Some((_, Act::Panic)) => std::panic::resume_unwind(Box::new("decoding is broken")),
                Some((_, Act::Event(data))) => Ok(Some(vec![SseEvent { data: data.into(), is_error: false }])),
                _ => Err(Failure::broken_stream("the stream broke off", Some("ECONNRESET"))),
            }
        })
    }
}

/// Counts what is open: a request that was not dropped and has no answer, or a stream that was not dropped.
struct Open(Arc<State>);

impl Open {
    fn new(state: &Arc<State>) -> Self {
        state.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
