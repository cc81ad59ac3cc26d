//! Reports of calls that OpenPipe did not serve: a queue, and one task that delivers it (contract.md, section 7).
//!
//! Reporting is off everybody's path: what is queued costs its caller a lock and a copy, and whatever becomes of it is only
//! counted. Bounds: 64 MiB of queued reports, 4 on their way at once (64 when one has to wait), 10 s for
//! a try, 30 s for a report.
//!
//! Calls come first also where the machine has no core to spare: a report is a request like the call that it is of, so while
//! calls come thick and fast their reports wait for the first gap, of a few milliseconds. Not for longer than two seconds, not
//! when the queue is half full, and not while somebody flushes it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use reqwest::Url;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::encoding::{ReportEndpoint, encoded};
use super::file::ReportFile;
use super::sinks::Destination;
use crate::boxed::BoxFuture;
use crate::failure::{Failure, Head};
use crate::policy::backoff::{Failed, RetryPolicy, default_pause};

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

/// One report, on its way.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where it goes.
    pub to: Destination,
    /// The number of the host's function that gets a copy first, and says what is sent.
    pub redact: Option<u32>,
    /// What it says, as JSON.
    pub body: Bytes,
    /// The call that it is of.
    pub call: u32,
    /// When it was made.
    pub queued_at: Instant,
}

/// What the caller's function made of a report.
#[derive(Debug)]
pub enum Redacted {
    /// This is sent.
    Send(Bytes),
    /// Nothing is sent, as the function said.
    Withheld,
    /// Nothing is sent, because the function failed.
    Failed,
}

/// Sends a report once.
pub trait Delivery: Send + Sync {
    /// Has the host's function of this number redact a copy of a report.
    fn redact(&self, function: u32, report: Bytes) -> BoxFuture<'_, Redacted> {
        let _ = (function, report);
        Box::pin(async { Redacted::Failed })
    }

    /// The head of the response, whatever its status.
    fn deliver<'a>(
        &'a self,
        url: &'a Url,
        headers: HeaderMap,
        body: Bytes,
        host_transport: Option<u32>,
    ) -> BoxFuture<'a, Result<Head, Failure>>;
}

/// Receives the outcome of each report.
pub trait Listener: Send + Sync {
    /// Every report of a call is delivered or given up, or was waited for long enough.
    fn reported(&self, call: u32);
    /// Reports were given up; told once a minute at most.
    fn warning(&self, message: &str);
}

/// The outcomes of the reports so far.
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

/// The reports of one client and of those made from it, counted apart from others'.
#[derive(Debug, Default)]
pub struct Group {
    counts: Mutex<Counts>,
    /// Nothing of it is pending any more.
    idle: Notify,
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcomes of the group's reports since the last call; pending reports stay pending.
    pub fn take_counts(&self) -> Counts {
        let mut counts = self.lock();
        let taken = *counts;
        *counts = Counts { pending: taken.pending, ..Counts::default() };
        taken
    }

    fn settle(&self, settled: impl FnOnce(&mut Counts)) {
        let mut counts = self.lock();
        counts.pending -= 1;
        settled(&mut counts);
        if counts.pending == 0 {
            self.idle.notify_waiters();
        }
    }
}

/// The queue, for those who report.
#[derive(Clone)]
pub struct Reporter {
    shared: Arc<Shared>,
    group: Arc<Group>,
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
    /// Where reports go that are queued or on their way. Each has a queue of its own, so that none waits for another's.
    lanes: Vec<Lane>,
    /// Whose turn it is.
    turn: usize,
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

/// A report and whose it is.
struct Queued {
    report: Report,
    group: Arc<Group>,
}

/// The reports to one destination.
struct Lane {
    to: Destination,
    queue: VecDeque<Queued>,
    bytes: usize,
    under_way: usize,
}

impl Lane {
    fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.bytes -= queued.report.body.len();
        Some(queued)
    }

    /// When the next report may go; `None` where another one has to arrive first, or there is none.
    fn ready_at(&self, limits: &Limits, rush_over_at: Instant, now: Instant) -> Option<Instant> {
        let queued_at = self.queue.front()?.report.queued_at;
        if self.under_way >= limits.max_concurrency {
            return None;
        }
        let rush = rush_over_at.min(queued_at + limits.rush_wait);
        if now < rush {
            return Some(rush);
        }
        let has_room = self.under_way < limits.concurrency;
        Some(if has_room { now } else { queued_at + limits.long_wait })
    }
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
    /// A reporter, and the task that delivers what it queues: to be run by the reporter's owner, until dropped.
    pub fn new(
        limits: Limits,
        delivery: Arc<dyn Delivery>,
        listener: Arc<dyn Listener>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let shared =
            Arc::new(Shared { limits, listener, state: Mutex::default(), work: Notify::new(), idle: Notify::new() });
        let reporter = Self { shared: Arc::clone(&shared), group: Arc::default() };
        (reporter, async move { shared.run(delivery.as_ref()).await })
    }

    /// The same queue, for the reports of a group.
    #[must_use]
    pub fn of(&self, group: &Arc<Group>) -> Self {
        Self { shared: Arc::clone(&self.shared), group: Arc::clone(group) }
    }

    /// A call starts that may be reported. It is over when the scope is dropped.
    #[must_use]
    pub fn scope(&self, call: u32) -> Scope {
        self.shared.lock().calls.entry(call).or_default().count += 1;
        Scope { reporter: self.clone(), call }
    }

    /// A running call is going to be stopped, and may queue a report when it is: until then it is pending, so that
    /// who flushes at once does not miss it.
    pub fn leave(&self, call: u32) {
        let mut state = self.shared.lock();
        let Some(owed) = state.calls.get_mut(&call).filter(|owed| !owed.left && owed.over_at.is_none()) else { return };
        owed.left = true;
        state.counts.pending += 1;
        self.group.lock().pending += 1;
    }

    /// Queues a report. Never waits: a full queue drops its oldest.
    pub fn queue(&self, report: Report) {
        let Limits { queue_bytes, gap, .. } = self.shared.limits;
        let queued = Queued { report, group: Arc::clone(&self.group) };
        let mut state = self.shared.lock();
        state.counts.pending += 1;
        self.group.lock().pending += 1;
        state.calls.entry(queued.report.call).or_default().count += 1;
        if queued.report.body.len() > queue_bytes {
            drop(state);
            // It would push out every other one and still not fit.
            return self.shared.settle(&queued, Outcome::Dropped(Some("it is larger than the queue")));
        }
        let gap_at = queued.report.queued_at + gap;
        if state.last_gap_at.replace(gap_at).is_some_and(|last| queued.report.queued_at < last) {
            state.rush_over_at = Some(gap_at);
        }
        state.push(queued);
        let mut pushed_out = Vec::new();
        while state.queued_bytes > queue_bytes {
            let Some(oldest) = state.pop_of_longest() else { break };
            pushed_out.push(oldest);
        }
        drop(state);
        for queued in pushed_out {
            self.shared.settle(&queued, Outcome::Dropped(Some("the queue is full")));
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

    /// The outcomes of the reports so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// Waits until no report of the group is pending, or until the time is up. Returns the outcomes since the last call.
    pub async fn flush_within(&self, time: Duration) -> Counts {
        // Whatever is pending then is still delivered if it can be.
        let _ = timeout(time, self.flushed()).await;
        self.group.take_counts()
    }

    async fn flushed(&self) {
        let _flushing = Flushing::of(&self.shared);
        loop {
            let idle = self.group.idle.notified();
            if self.group.lock().pending == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Waits until no report of any group is pending. Returns the outcomes of all reports so far.
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
        let was_left = std::mem::take(&mut owed.left);
        if was_left {
            state.counts.pending -= 1;
        }
        drop(state);
        if was_left {
            self.reporter.group.settle(|_| {});
        }
        shared.release(self.call);
        shared.tell_idle();
    }
}

/// The outcome of a report.
#[derive(Clone, Copy)]
enum Outcome {
    Delivered,
    /// It was given up, for this reason where nobody has said it yet.
    Dropped(Option<&'static str>),
    /// The caller's function said that nothing is to be sent.
    Withheld,
}

/// What to do about the queue.
enum Next {
    /// Deliver this one.
    Report(Queued),
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
                match self.next() {
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

    /// The next report, of one endpoint after the other, if one more may be on its way; else when to ask again.
    fn next(&self) -> Next {
        let mut state = self.lock();
        let state = &mut *state;
        state.lanes.retain(|lane| lane.under_way > 0 || !lane.queue.is_empty());
        let now = Instant::now();
        let presses = state.flushing > 0 || state.queued_bytes >= self.limits.queue_bytes / 2;
        let rush_over_at = state.rush_over_at.filter(|_| !presses).unwrap_or(now);
        let (count, turn) = (state.lanes.len(), state.turn);
        let mut wait = None::<Instant>;
        for index in (turn..count).chain(0..turn.min(count)) {
            let Some(lane) = state.lanes.get_mut(index) else { continue };
            match lane.ready_at(&self.limits, rush_over_at, now) {
                Some(at) if at > now => wait = Some(wait.map_or(at, |wait| wait.min(at))),
                Some(_) => {
                    let Some(queued) = lane.pop() else { continue };
                    lane.under_way += 1;
                    state.queued_bytes -= queued.report.body.len();
                    state.turn = index + 1;
                    return Next::Report(queued);
                }
                None => {}
            }
        }
        wait.map_or(Next::Wait, Next::WaitUntil)
    }

    async fn deliver(&self, queued: Queued, delivery: &dyn Delivery) {
        let outcome = self.outcome(&queued.report, delivery).await;
        if let Some(lane) = self.lock().lane(&queued.report.to) {
            lane.under_way -= 1;
        }
        self.settle(&queued, outcome);
    }

    async fn outcome(&self, report: &Report, delivery: &dyn Delivery) -> Outcome {
        let body = match report.redact {
            None => report.body.clone(),
            Some(function) => match delivery.redact(function, report.body.clone()).await {
                Redacted::Send(body) => body,
                Redacted::Withheld => return Outcome::Withheld,
                // The host has said why.
                Redacted::Failed => return Outcome::Dropped(None),
            },
        };
        let sent = match &report.to {
            Destination::Endpoint(endpoint) => self.post(endpoint, &body, delivery).await,
            Destination::File(file) => self.append(file, terminated(body)).await,
        };
        sent.map_or_else(|why| Outcome::Dropped(Some(why)), |()| Outcome::Delivered)
    }

    /// Appends to a file. A write that fails is tried again like a request.
    async fn append(&self, file: &ReportFile, line: Bytes) -> Result<(), &'static str> {
        let until = Instant::now() + self.limits.retry_time;
        for tries in 1_u32.. {
            let Ok(written) = timeout_at(until, file.append(line.clone())).await else { break };
            if written.is_ok() {
                return Ok(());
            }
            let pause = default_pause(tries, fastrand::f64());
            if Instant::now() + pause >= until {
                break;
            }
            self.lock().counts.retried += 1;
            sleep(pause).await;
        }
        Err("the file cannot be written")
    }

    async fn post(&self, endpoint: &ReportEndpoint, body: &Bytes, delivery: &dyn Delivery) -> Result<(), &'static str> {
        let until = Instant::now() + self.limits.retry_time;
        let policy = RetryPolicy { max_retries: u32::MAX, another_waits: false };
        for tries in 1_u32.. {
            let (headers, body) = encoded(endpoint, body).await;
            let sent = delivery.deliver(&endpoint.url, headers, body, endpoint.host_transport);
            let head = match timeout(self.limits.try_time, sent).await {
                Ok(Ok(head)) => Ok(head),
                // The status alone decides; the rest of the answer is not read.
                Ok(Err(Failure { head: Some(head), .. })) => Ok(*head),
                Ok(Err(failure)) => Err(failure),
                // Another try may find the endpoint awake again, so this counts as a broken connection.
                Err(_elapsed) => Err(Failure::connection("the report endpoint did not answer", None)),
            };
            let failure = match head {
                Ok(head) if (200..300).contains(&head.status) => {
                    endpoint.learn(&head);
                    return Ok(());
                }
                Ok(head) if is_refusal(head.status) => return Err("the report endpoint refuses them"),
                Ok(head) => Failure::status(head, String::new()),
                Err(failure) => failure,
            };
            let (time_left, random) = (until.saturating_duration_since(Instant::now()), fastrand::f64());
            let (now, took) = (SystemTime::now(), Duration::ZERO);
            let failed = Failed { failure: &failure, tries, took, time_left: Some(time_left), now, random };
            // The endpoint may ask for a longer pause, not for a shorter one.
            let pause = policy.pause(&failed).map(|pause| pause.max(default_pause(tries, random)));
            let Some(pause) = pause.filter(|pause| *pause < time_left) else { break };
            self.lock().counts.retried += 1;
            sleep(pause).await;
        }
        Err("the report endpoint is out of reach")
    }

    /// A report is delivered or given up.
    fn settle(&self, queued: &Queued, outcome: Outcome) {
        let warning = {
            let mut state = self.lock();
            state.counts.pending -= 1;
            match outcome {
                Outcome::Delivered => {
                    state.counts.delivered += 1;
                    None
                }
                Outcome::Dropped(why) => {
                    state.counts.dropped += 1;
                    why.and_then(|why| state.warning(why))
                }
                Outcome::Withheld => None,
            }
        };
        if let Some(warning) = warning {
            self.listener.warning(&warning);
        }
        queued.group.settle(|counts| match outcome {
            Outcome::Delivered => counts.delivered += 1,
            Outcome::Dropped(_) => counts.dropped += 1,
            Outcome::Withheld => {}
        });
        self.release(queued.report.call);
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
    fn lane(&mut self, to: &Destination) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.to.is_same_place(to))
    }

    fn push(&mut self, queued: Queued) {
        let bytes = queued.report.body.len();
        self.queued_bytes += bytes;
        if let Some(lane) = self.lane(&queued.report.to) {
            lane.bytes += bytes;
            lane.queue.push_back(queued);
            return;
        }
        let to = queued.report.to.clone();
        self.lanes.push(Lane { to, queue: VecDeque::from([queued]), bytes, under_way: 0 });
    }

    /// The oldest report to the endpoint with the most bytes queued.
    fn pop_of_longest(&mut self) -> Option<Queued> {
        let queued = self.lanes.iter_mut().max_by_key(|lane| lane.bytes)?.pop()?;
        self.queued_bytes -= queued.report.body.len();
        Some(queued)
    }

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

/// A line with its end, which a function that redacts does not write.
fn terminated(line: Bytes) -> Bytes {
    if line.ends_with(b"\n") {
        return line;
    }
    let mut line = Vec::from(line);
    line.push(b'\n');
    Bytes::from(line)
}

/// Whether there is no use in another try: a 4xx that does not ask for one.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 429)
}
