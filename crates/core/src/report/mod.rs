//! Reports of calls that OpenPipe did not serve: a queue, and one task that delivers it (contract.md, section 7).
//!
//! Reporting is off everybody's path: what is queued costs its caller a lock and a copy, and whatever becomes of it is only
//! counted. Bounds: 64 MiB of queued reports, 4 on their way at once (64 when one has to wait), 10 s for
//! a try, 30 s for a report.
//!
//! Calls come first also where the machine has no core to spare: a report is a request like the call that it is of, so while
//! calls come thick and fast their reports wait for the first gap, of a few milliseconds. Not for longer than two seconds, not
//! when the queue is half full, and not while somebody flushes it.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use reqwest::Url;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::engine::Attempt;
use crate::failure::{Failure, Head};
use crate::in_place::LARGE_BYTES;
use crate::policy::backoff::{Failed, RetryPolicy};
use crate::text::json::{self, Members};
use crate::upstream::BoxFuture;

/// The bounds of a reporter.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Queued reports, in bytes; a report beyond drops the oldest.
    pub queue_bytes: usize,
    /// Reports on their way at once while none waits for long: calls come first.
    pub concurrency: usize,
    /// And when they do: an endpoint that takes its time needs more of them at once.
    pub max_concurrency: usize,
    /// How long a report may wait in the queue until there are more.
    pub long_wait: Duration,
    /// Reports that follow each other within so short a time wait for the end of the rush …
    pub gap: Duration,
    /// … for so long at most.
    pub rush_wait: Duration,
    /// The time of one try.
    pub try_time: Duration,
    /// From the first try on, how long a report is tried again.
    pub retry_time: Duration,
    /// From when a call is over, how long its report is waited for.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_bytes: 64 * 1024 * 1024,
            concurrency: 4,
            max_concurrency: 64,
            long_wait: Duration::from_millis(250),
            gap: Duration::from_millis(3),
            rush_wait: Duration::from_secs(2),
            try_time: Duration::from_secs(10),
            retry_time: Duration::from_secs(30),
            patience: Duration::from_secs(5),
        }
    }
}

/// Where reports go.
#[derive(Debug)]
pub struct ReportEndpoint {
    /// `baseUrl` + `/report`.
    pub url: Url,
    /// Every header, the key among them.
    pub headers: HeaderMap,
    /// It is reached through JavaScript's `fetch` instead of from here.
    pub through_fetch: bool,
    /// It has said that it takes compressed bodies (`Accept-Encoding` in a response, RFC 9110, section 12.5.3).
    takes_gzip: AtomicBool,
}

impl ReportEndpoint {
    /// An endpoint of which nothing is known yet.
    #[must_use]
    pub fn new(url: Url, mut headers: HeaderMap, through_fetch: bool) -> Self {
        // Where the client's own upstream is called through the SDK, the core knows none of the SDK's headers.
        headers.entry(http::header::CONTENT_TYPE).or_insert(http::HeaderValue::from_static("application/json"));
        Self { url, headers, through_fetch, takes_gzip: AtomicBool::new(false) }
    }
}

/// One report, on its way.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where it goes.
    pub endpoint: Arc<ReportEndpoint>,
    /// What it says, as JSON.
    pub body: Bytes,
    /// The call that it is of.
    pub call: u32,
    /// When it was made.
    pub queued_at: Instant,
}

/// Sends a report once.
pub trait Delivery: Send + Sync {
    /// The head of the response, whatever its status.
    fn deliver<'a>(
        &'a self,
        url: &'a Url,
        headers: HeaderMap,
        body: Bytes,
        through_fetch: bool,
    ) -> BoxFuture<'a, Result<Head, Failure>>;
}

/// Who is told of what becomes of reports.
pub trait Listener: Send + Sync {
    /// Every report of a call is delivered or given up, or was waited for long enough.
    fn reported(&self, call: u32);
    /// Reports were given up; told once a minute at most.
    fn warning(&self, message: &str);
}

/// What became of the reports so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Delivered.
    pub delivered: u64,
    /// Given up: refused, tried for too long, or pushed out of a full queue.
    pub dropped: u64,
    /// Queued or on their way; and one for each call that is being left and may still report.
    pub pending: u64,
    /// Tries beyond the first.
    pub retried: u64,
}

/// The queue, for those who report.
#[derive(Clone)]
pub struct Reporter {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    listener: Arc<dyn Listener>,
    state: Mutex<State>,
    /// Something was queued, or closed.
    work: Notify,
    /// Nothing is pending any more.
    idle: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Report>,
    queued_bytes: usize,
    counts: Counts,
    /// Calls that are running or whose reports are pending, and how many of these there are.
    calls: HashMap<u32, Owed>,
    /// A report that comes before then is one of a rush …
    last_gap_at: Option<Instant>,
    /// … which is over then, if none comes.
    rush_over_at: Option<Instant>,
    /// How many wait for the queue to be delivered.
    flushing: usize,
    dropped_since_warning: u64,
    warned_at: Option<Instant>,
}

#[derive(Default)]
struct Owed {
    /// The call itself, while it runs, and each of its reports.
    count: usize,
    /// Somebody waits to be told.
    watched: bool,
    /// It is to end before its end, and is pending until then.
    left: bool,
    /// The call is over.
    over_at: Option<Instant>,
}

impl Reporter {
    /// A reporter, and the task that delivers what it queues: to be run by whoever owns the reporter, until dropped.
    pub fn new(
        limits: Limits,
        delivery: Arc<dyn Delivery>,
        listener: Arc<dyn Listener>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let shared =
            Arc::new(Shared { limits, listener, state: Mutex::default(), work: Notify::new(), idle: Notify::new() });
        let reporter = Self { shared: Arc::clone(&shared) };
        (reporter, async move { shared.run(delivery.as_ref()).await })
    }

    /// A call starts that may be reported. It is over when the scope is dropped.
    #[must_use]
    pub fn scope(&self, call: u32) -> Scope {
        self.shared.lock().calls.entry(call).or_default().count += 1;
        Scope { reporter: self.clone(), call }
    }

    /// A running call is going to be stopped, and may report what came of it when it is: until then it is pending, so that
    /// who flushes at once does not miss it.
    pub fn leave(&self, call: u32) {
        let mut state = self.shared.lock();
        let Some(owed) = state.calls.get_mut(&call).filter(|owed| !owed.left && owed.over_at.is_none()) else { return };
        owed.left = true;
        state.counts.pending += 1;
    }

    /// Queues a report. Never waits: a full queue drops its oldest.
    pub fn queue(&self, report: Report) {
        let mut state = self.shared.lock();
        state.counts.pending += 1;
        state.calls.entry(report.call).or_default().count += 1;
        if report.body.len() > self.shared.limits.queue_bytes {
            drop(state);
            // It would push out every other one and still not fit.
            return self.shared.settle(report.call, Err("it is larger than the queue"));
        }
        state.queued_bytes += report.body.len();
        let gap_at = report.queued_at + self.shared.limits.gap;
        if state.last_gap_at.replace(gap_at).is_some_and(|last| report.queued_at < last) {
            state.rush_over_at = Some(gap_at);
        }
        state.queue.push_back(report);
        let mut pushed_out = Vec::new();
        while state.queued_bytes > self.shared.limits.queue_bytes {
            let Some(oldest) = state.queue.pop_front() else { break };
            state.queued_bytes -= oldest.body.len();
            pushed_out.push(oldest.call);
        }
        drop(state);
        for call in pushed_out {
            self.shared.settle(call, Err("the queue is full"));
        }
        self.shared.work.notify_one();
    }

    /// Tells the listener once the reports of a call are settled, at the latest when patience ends.
    /// The future is to be run by the caller; it ends with the telling.
    pub fn watch(&self, call: u32) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let mut waited = false;
            loop {
                let until = {
                    let mut state = shared.lock();
                    let Some(owed) = state.calls.get_mut(&call) else { break };
                    // `release` tells while somebody watches, and has told where nobody does any more.
                    if waited && !owed.watched {
                        return;
                    }
                    let until = owed.over_at.map(|over| over + shared.limits.patience);
                    owed.watched = until.is_none_or(|until| Instant::now() < until);
                    until
                };
                waited = true;
                // While the call runs there is nothing to be patient with; `release` tells when it is over and settled.
                match until {
                    None => sleep(shared.limits.patience).await,
                    Some(until) if Instant::now() >= until => return shared.listener.reported(call),
                    Some(until) => tokio::time::sleep_until(until).await,
                }
            }
            if !waited {
                shared.listener.reported(call);
            }
        }
    }

    /// What became of the reports so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// Waits until nothing is pending, and tells what became of the reports.
    pub async fn flush(&self) -> Counts {
        let _flushing = Flushing::of(&self.shared);
        loop {
            let idle = self.shared.idle.notified();
            let counts = self.counts();
            if counts.pending == 0 {
                return counts;
            }
            idle.await;
        }
    }
}

/// Somebody waits for the queue to be delivered: it does not wait for calls then.
struct Flushing<'a>(&'a Shared);

impl<'a> Flushing<'a> {
    fn of(shared: &'a Shared) -> Self {
        shared.lock().flushing += 1;
        shared.work.notify_one();
        Self(shared)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.lock().flushing -= 1;
    }
}

/// A running call, for as long as it runs.
pub struct Scope {
    reporter: Reporter,
    call: u32,
}

impl Drop for Scope {
    fn drop(&mut self) {
        let shared = &self.reporter.shared;
        let mut state = shared.lock();
        let owed = state.calls.entry(self.call).or_default();
        owed.over_at = Some(Instant::now());
        // What it reports is queued by now, and pending by itself.
        if std::mem::take(&mut owed.left) {
            state.counts.pending -= 1;
        }
        drop(state);
        shared.release(self.call);
        shared.tell_idle();
    }
}

/// What to do about the queue.
enum Next {
    /// Deliver this one.
    Report(Report),
    /// Nothing, until then; or until one that is on its way has arrived.
    WaitUntil(Instant),
    /// Nothing, until something happens.
    Wait,
}

impl Shared {
    async fn run(&self, delivery: &dyn Delivery) {
        let mut under_way = FuturesUnordered::new();
        loop {
            let wait = loop {
                match self.next(under_way.len()) {
                    Next::Report(report) => under_way.push(self.deliver(report, delivery)),
                    Next::WaitUntil(at) => break Some(at),
                    Next::Wait => break None,
                }
            };
            tokio::select! {
                Some(()) = under_way.next() => {}
                // While it waits for a moment in time, which is never far, one report more makes no difference.
                () = self.work.notified(), if wait.is_none() => {}
                () = sleep_until(wait.unwrap_or_else(Instant::now)), if wait.is_some() => {}
            }
        }
    }

    /// The next report, if one more may be on its way; else when to ask again.
    fn next(&self, under_way: usize) -> Next {
        let mut state = self.lock();
        let Some(first) = state.queue.front() else { return Next::Wait };
        let now = Instant::now();
        let Limits { concurrency, max_concurrency, long_wait, rush_wait, queue_bytes, .. } = self.limits;
        let queued_at = first.queued_at;
        let over_at = state.rush_over_at.unwrap_or(now).min(queued_at + rush_wait);
        if now < over_at && state.flushing == 0 && state.queued_bytes < queue_bytes / 2 {
            return Next::WaitUntil(over_at);
        }
        if under_way >= max_concurrency {
            return Next::Wait;
        }
        if under_way >= concurrency && now < queued_at + long_wait {
            return Next::WaitUntil(queued_at + long_wait);
        }
        let Some(report) = state.queue.pop_front() else { return Next::Wait };
        state.queued_bytes -= report.body.len();
        Next::Report(report)
    }

    async fn deliver(&self, report: Report, delivery: &dyn Delivery) {
        let outcome = self.tries(&report, delivery).await;
        self.settle(report.call, outcome);
    }

    async fn tries(&self, report: &Report, delivery: &dyn Delivery) -> Result<(), &'static str> {
        let endpoint = &report.endpoint;
        let until = Instant::now() + self.limits.retry_time;
        let policy = RetryPolicy { max_retries: u32::MAX, another_waits: false };
        for tries in 1_u32.. {
            let (headers, body) = encoded(endpoint, &report.body).await;
            let sent = delivery.deliver(&endpoint.url, headers, body, endpoint.through_fetch);
            let head = match timeout(self.limits.try_time, sent).await {
                Ok(Ok(head)) => Ok(head),
                // The status says it all; what became of the rest of the answer changes nothing.
                Ok(Err(Failure { head: Some(head), .. })) => Ok(*head),
                Ok(Err(failure)) => Err(failure),
                // Another try may find the endpoint awake again, so this counts as a broken connection.
                Err(_elapsed) => Err(Failure::connection("the report endpoint did not answer", None)),
            };
            let failure = match head {
                Ok(head) if (200..300).contains(&head.status) => {
                    let takes = head.header("accept-encoding").is_some_and(|codings| codings.contains("gzip"));
                    endpoint.takes_gzip.fetch_or(takes, Ordering::Relaxed);
                    return Ok(());
                }
                Ok(head) if is_refusal(head.status) => return Err("the report endpoint refuses them"),
                Ok(head) => Failure::status(head, String::new()),
                Err(failure) => failure,
            };
            let pause = policy.pause(&Failed {
                failure: &failure,
                tries,
                time_left: Some(until.saturating_duration_since(Instant::now())),
                now: SystemTime::now(),
                random: fastrand::f64(),
            });
            let Some(pause) = pause else { break };
            self.lock().counts.retried += 1;
            sleep(pause).await;
        }
        Err("the report endpoint is out of reach")
    }

    /// A report is delivered or given up.
    fn settle(&self, call: u32, outcome: Result<(), &'static str>) {
        let warning = {
            let mut state = self.lock();
            state.counts.pending -= 1;
            match outcome {
                Ok(()) => {
                    state.counts.delivered += 1;
                    None
                }
                Err(why) => {
                    state.counts.dropped += 1;
                    state.warning(why)
                }
            }
        };
        if let Some(warning) = warning {
            self.listener.warning(&warning);
        }
        self.release(call);
        self.tell_idle();
    }

    fn tell_idle(&self) {
        if self.lock().counts.pending == 0 {
            self.idle.notify_waiters();
        }
    }

    /// One of those that a call's report waits for is done: the call itself, or a report.
    fn release(&self, call: u32) {
        let mut state = self.lock();
        let Some(owed) = state.calls.get_mut(&call) else { return };
        owed.count -= 1;
        if owed.count > 0 {
            return;
        }
        let watched = owed.watched;
        state.calls.remove(&call);
        drop(state);
        if watched {
            self.listener.reported(call);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn warning(&mut self, why: &str) -> Option<String> {
        const EVERY: Duration = Duration::from_secs(60);
        self.dropped_since_warning += 1;
        let now = Instant::now();
        if self.warned_at.is_some_and(|at| now - at < EVERY) {
            return None;
        }
        self.warned_at = Some(now);
        let count = std::mem::take(&mut self.dropped_since_warning);
        Some(format!("{count} report(s) of calls were given up: {why}"))
    }
}

/// Whether there is no use in another try: a 4xx that does not ask for one.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 429)
}

/// Bodies above this are worth compressing.
const GZIP_FROM: usize = 16 * 1024;

/// The body as the endpoint takes it, and its headers.
async fn encoded(endpoint: &ReportEndpoint, body: &Bytes) -> (HeaderMap, Bytes) {
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
        // Not in place: the other reports that are on their way are of the same task.
        tokio::task::spawn_blocking(compress).await.unwrap_or_else(|error| Err(error.into()))
    };
    match compressed {
        Ok(compressed) => {
            headers.insert(http::header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
            (headers, Bytes::from(compressed))
        }
        // Into memory this does not fail; the plain body is right in any case.
        Err(_) => (headers, body.clone()),
    }
}

/// What one target came to, for its report.
#[derive(Debug)]
pub enum Came<'a> {
    /// To a completion, as JSON text; of a stream, merged.
    Completion(&'a str),
    /// To a failure; with what had come of a stream before, as JSON text.
    Failure(&'a Failure, Option<&'a str>),
    /// To a stream that ended well, but is too long to be reported whole: as much as was kept of it.
    Cut(&'a str),
    /// The caller left; with what had come of a stream before.
    Left(Option<&'a str>),
}

/// The body of `POST /report` for one target.
#[must_use]
pub fn body(attempt: &Attempt, request: &[u8], came: &Came<'_>, received_at: u64, tags: &str) -> Bytes {
    let request = std::str::from_utf8(request).unwrap_or("null");
    let (payload, message) = match came {
        Came::Completion(text) => (Some(Cow::Borrowed(*text)), None),
        Came::Cut(so_far) => (Some(Cow::Borrowed(*so_far)), Some("the stream is too long to be reported whole".into())),
        Came::Left(so_far) => (so_far.map(Cow::Borrowed), Some("the caller left before the end".into())),
        Came::Failure(failure, so_far) => {
            let error = failure.body.as_deref().and_then(error_member);
            let message = error.as_deref().and_then(error_message).unwrap_or_else(|| failure.message.clone());
            (so_far.map(Cow::Borrowed).or(error.map(Cow::Owned)), Some(message))
        }
    };
    let mut out = String::with_capacity(request.len() + payload.as_deref().map_or(0, str::len) + tags.len() + 512);
    out.push_str(&format!(
        "{{\"requestedAt\":{},\"receivedAt\":{received_at},\"reqPayload\":{request}",
        attempt.started_at
    ));
    let mut member = |name: &str, value: &str| {
        for part in [",\"", name, "\":", value] {
            out.push_str(part);
        }
    };
    if let Some(payload) = payload {
        member("respPayload", &payload);
    }
    if let Some(status) = attempt.status.or(message.is_none().then_some(200)) {
        member("statusCode", &status.to_string());
    }
    if let Some(message) = message {
        member("errorMessage", &json::string(&message));
    }
    member("tags", tags);
    out.push('}');
    Bytes::from(out)
}

fn error_member(body: &str) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(body).ok()?;
    members.get_non_null("error").map(|error| error.get().to_owned())
}

fn error_message(error: &str) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(error).ok()?;
    json::decoded(members.get("message")?)
}
