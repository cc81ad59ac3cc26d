//! Runs a plan: one target after the other, each under its own deadline, until one answers (contract.md, sections 3, 4).
//!
//! Dropping the future of [`run`] ends everything that belongs to the call; that is how an abort works.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::failure::{Bound, Cause, Failure};
use crate::plan::{Budget, Plan, Target};
use crate::policy::backoff::Failed;
use crate::policy::breaker::{Admission, Breakers, Gate, Permit};
use crate::policy::health::{Health, InFlight};
use crate::stopped;
use crate::stream::{EventStream, Times};
use crate::text::body::RequestBody;
use crate::upstream::{Completion, Request, Response, Upstreams};

/// The outcome of a target that was not asked, because its circuit breaker said so.
pub const CIRCUIT_OPEN: &str = "circuit_open";

/// What happened with one target: contract.md, section 6.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The model it was asked for.
    pub model: String,
    /// `ok`, the kind of its failure, or [`CIRCUIT_OPEN`].
    pub outcome: &'static str,
    /// Requests that were sent.
    pub tries: u32,
    /// The HTTP status, where there was a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The id by which the upstream knows the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Unix time in milliseconds.
    pub started_at: u64,
    /// Milliseconds until its end; of a stream until it was handed over, then until its end.
    pub duration_ms: f64,
    /// Milliseconds until a stream's first content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<f64>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Attempt {
    /// The first target is the primary, every other one a fallback.
    #[must_use]
    pub fn served_by(index: usize) -> &'static str {
        if index == 0 { "primary" } else { "fallback" }
    }
}

/// A call as it went.
#[derive(Debug, Default)]
pub struct Trail {
    /// One for each target that was tried, in order; the last one is that which answered, if one did.
    pub attempts: Vec<Attempt>,
    /// What each of the failed ones failed with, in order.
    pub failures: Vec<Failure>,
    /// The plan's number of the target that was tried last.
    pub last: usize,
    /// When the last target was started: its durations count from here.
    pub last_started: Option<Instant>,
}

/// How a call ended.
pub enum Outcome {
    /// With a completion.
    Completion(Completion, Trail),
    /// With a stream, handed over: what becomes of it is its reader's to see.
    Stream(Box<EventStream>, Trail),
    /// Every target failed, or none took the failure. The last failure is the answer.
    Failed(Trail),
}

/// Who is told of a call while it runs.
pub trait Observer: Send + Sync {
    /// A target failed and another one takes over.
    fn moved_on(&self, from: &Attempt, to: &Target);

    /// A target has come to its end; one whose stream was handed over has not yet, and is its reader's to tell of.
    fn ended(&self, target: &Target, attempt: &Attempt, result: Result<&Completion, &Failure>) {
        let _ = (target, attempt, result);
    }
}

/// What is known of upstreams beyond one call.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// The circuits of the process.
    pub breakers: &'a Breakers,
    /// How the client's targets have done, for those who want to know.
    pub health: Option<&'a Health>,
}

/// Runs a plan to its end.
pub async fn run(
    plan: &Plan,
    body: &RequestBody,
    upstreams: &dyn Upstreams,
    watch: &Watch<'_>,
    observer: &dyn Observer,
) -> Outcome {
    let deadline = plan.deadline.and_then(|limit| Instant::now().checked_add(limit));
    let call = Call { plan, body, upstreams, deadline };
    let mut trail = Trail::default();
    let mut next = Some(0);
    // What moved the call on to the target at hand.
    let mut before = None;
    while let Some((index, target)) = next.and_then(|index| Some((index, plan.targets.get(index)?))) {
        let gate = plan.gate(target, watch.breakers);
        let in_flight = watch.health.map(|health| health.enter(target, plan.endpoint, gate.as_ref()));
        let permit = match plan.admission(target, index, gate, before) {
            Admitted::Go(permit) => permit,
            Admitted::PassedOver { attempt, to, cause } => {
                before.get_or_insert(cause);
                if let Some(to) = plan.targets.get(to) {
                    observer.moved_on(&attempt, to);
                }
                trail.attempts.push(*attempt);
                next = Some(to);
                continue;
            }
        };
        let run = call.target(target, index, permit, in_flight).await;
        trail.last = index;
        trail.last_started = Some(run.started);
        match &run.result {
            Ok(Answer::Completion(completion)) => observer.ended(target, &run.attempt, Ok(completion)),
            Err(failure) => observer.ended(target, &run.attempt, Err(failure)),
            Ok(Answer::Stream(_)) => {}
        }
        trail.attempts.push(run.attempt);
        let failure = match run.result {
            Ok(Answer::Completion(completion)) => return Outcome::Completion(completion, trail),
            Ok(Answer::Stream(stream)) => return Outcome::Stream(stream, trail),
            Err(failure) => failure,
        };
        before = Some(failure.cause());
        next = if call.is_over() { None } else { plan.taker_after(index, failure.cause()) };
        trail.failures.push(failure);
        if let (Some(to), Some(from)) = (next.and_then(|index| plan.targets.get(index)), trail.attempts.last()) {
            observer.moved_on(from, to);
        }
    }
    Outcome::Failed(trail)
}

impl Plan {
    /// The next target after `index` that takes this failure.
    fn taker_after(&self, index: usize, failure: Cause) -> Option<usize> {
        (index + 1..self.targets.len())
            .find(|later| self.targets.get(*later).is_some_and(|target| target.filter.takes(failure)))
    }

    /// The circuits that a target's requests have to pass, where the breaker is on.
    fn gate(&self, target: &Target, breakers: &Breakers) -> Option<Gate> {
        let policy = self.breaker?;
        let subject = target.circuit(self.endpoint)?;
        Some(breakers.gate(policy, &subject, target.narrowed))
    }

    /// Whether a target is asked: unless its circuit is open, and somebody after it takes over. The next target is judged by
    /// the failure before this one; where there was none, by what opened the circuit.
    fn admission(&self, target: &Target, index: usize, gate: Option<Gate>, before: Option<Cause>) -> Admitted {
        let Some(gate) = gate else { return Admitted::Go(None) };
        let (cause, left) = match gate.admit() {
            Admission::Go(permit) => return Admitted::Go(Some(permit)),
            Admission::Refused(cause, left) => (cause, left),
        };
        let Some(to) = self.taker_after(index, before.unwrap_or(cause)) else {
            return Admitted::Go(Some(gate.force()));
        };
        let until = match left {
            Some(left) => format!("for another {} ms", left.as_millis()),
            None => "while a probe is under way".to_owned(),
        };
        let attempt = Box::new(Attempt {
            upstream: Arc::clone(&target.upstream),
            model: target.model.clone(),
            outcome: CIRCUIT_OPEN,
            tries: 0,
            status: None,
            request_id: None,
            started_at: unix_ms(),
            duration_ms: 0.0,
            first_token_ms: None,
            message: Some(format!("not asked: its circuit is open after a failure ({}), {until}", cause.kind.name())),
        });
        Admitted::PassedOver { attempt, to, cause }
    }
}

enum Admitted {
    Go(Option<Permit>),
    PassedOver { attempt: Box<Attempt>, to: usize, cause: Cause },
}

enum Answer {
    Completion(Completion),
    Stream(Box<EventStream>),
}

struct TargetRun {
    started: Instant,
    attempt: Attempt,
    result: Result<Answer, Failure>,
}

struct Call<'a> {
    plan: &'a Plan,
    body: &'a RequestBody,
    upstreams: &'a dyn Upstreams,
    deadline: Option<Instant>,
}

impl Call<'_> {
    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Runs one target, with its retries, and keeps the record of it.
    async fn target(
        &self,
        target: &Target,
        index: usize,
        mut permit: Option<Permit>,
        mut in_flight: Option<InFlight>,
    ) -> TargetRun {
        let started = Instant::now();
        let started_at = unix_ms();
        let mut tries = 0;
        let is_probe = permit.as_ref().is_some_and(Permit::is_probe);
        let mut result = self.tries(target, index, started, is_probe, &mut tries).await;
        match &mut result {
            Ok(Answer::Completion(_)) => {
                permit.iter_mut().for_each(Permit::succeeded);
                in_flight.iter_mut().for_each(InFlight::first_content);
            }
            Err(failure) => {
                permit.iter_mut().for_each(|permit| permit.failed(failure));
                in_flight.iter_mut().for_each(|in_flight| in_flight.failed(failure));
            }
            Ok(Answer::Stream(stream)) => stream.watch(permit, in_flight),
        }
        let head = match &result {
            Ok(Answer::Completion(completion)) => Some(&completion.head),
            Ok(Answer::Stream(stream)) => Some(stream.head()),
            Err(failure) => failure.head.as_deref(),
        };
        let first_content = match &result {
            Ok(Answer::Stream(stream)) => stream.first_content_at(),
            _ => None,
        };
        let attempt = Attempt {
            upstream: Arc::clone(&target.upstream),
            model: target.model.clone(),
            outcome: result.as_ref().err().map_or("ok", |failure| failure.kind.name()),
            tries,
            status: head.map(|head| head.status).filter(|status| *status != 0),
            request_id: head.and_then(|head| head.request_id()).map(str::to_owned),
            started_at,
            duration_ms: milliseconds(started.elapsed()),
            first_token_ms: first_content.map(|at| milliseconds(at - started)),
            message: result.as_ref().err().map(|failure| failure.message.clone()),
        };
        TargetRun { started, attempt, result }
    }

    async fn tries(
        &self,
        target: &Target,
        index: usize,
        started: Instant,
        is_probe: bool,
        tries: &mut u32,
    ) -> Result<Answer, Failure> {
        let upstream = self.upstreams.upstream(&target.via);
        let body = target.body(self.body);
        loop {
            let from = if matches!(target.budget, Budget::Total(_)) { started } else { Instant::now() };
            let clock = self.clock(target, from);
            let to_content = self.clock_to_content(target, from, clock);
            let request = Request {
                endpoint: self.plan.endpoint,
                target,
                body: body.clone(),
                stream: self.plan.stream,
                retries: *tries,
                time: match clock.bound {
                    Bound::Deadline => clock.until.map(left),
                    _ => clock.limit,
                },
                max_response_bytes: self.plan.max_response_bytes,
            };
            *tries += 1;
            let sent_at = Instant::now();
            let answered = guarded(async {
                let response = to_content.bound(upstream.send(request)).await?;
                self.accept(response, target, index, clock, to_content).await
            });
            let failure = match answered.await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            // A probe is one try: whether the upstream is back is what it finds out.
            if is_probe {
                return Err(failure);
            }
            // The call's own deadline leaves no time for another try; that of a try does, where nothing follows.
            let over = match target.budget {
                Budget::Total(_) => to_content.until,
                Budget::PerTry(_) => self.deadline,
            };
            let failed = Failed {
                failure: &failure,
                tries: *tries,
                took: sent_at.elapsed(),
                time_left: match target.budget {
                    Budget::Total(_) => over.map(left),
                    // A pause longer than a whole try may take would be a hang to the caller.
                    Budget::PerTry(limit) => {
                        shorter(over.map(left), limit.map(|limit| limit.max(Duration::from_secs(8))))
                    }
                },
                now: SystemTime::now(),
                random: fastrand::f64(),
            };
            let Some(pause) = target.retry.pause(&failed) else { return Err(failure) };
            sleep(pause).await;
        }
    }

    /// A response is an answer when it is a completion, or a stream that may be handed over.
    async fn accept(
        &self,
        response: Response,
        target: &Target,
        index: usize,
        clock: Clock,
        to_content: Clock,
    ) -> Result<Answer, Failure> {
        let (head, source, ticket) = match response {
            Response::Completion(completion) => return Ok(Answer::Completion(completion)),
            Response::Stream { head, source, ticket } => (head, source, ticket),
        };
        let times = |clock: Clock| Times {
            content_by: clock.until,
            content_wait: clock.limit,
            idle: target.idle_timeout,
            content_bound: Some(clock.bound),
            idle_at_work: target.idle_timeout_at_work,
        };
        let mut stream = Box::new(EventStream::new(self.plan.endpoint, head, source, ticket, times(to_content)));
        if index + 1 == self.plan.targets.len() && !self.plan.commit_last {
            return Ok(Answer::Stream(stream));
        }
        // The target's own time ends with the first content; the call's runs until the commit.
        self.deadline_clock().bound(stream.hold(self.plan.hold_until, self.plan.max_response_bytes)).await?;
        stream.set_times(times(clock));
        Ok(Answer::Stream(stream))
    }

    /// The time of a try: its target's, or what is left of the call's.
    fn clock(&self, target: &Target, from: Instant) -> Clock {
        let limit = target.budget.limit();
        let own = Clock { until: limit.and_then(|limit| from.checked_add(limit)), limit, bound: Bound::Time };
        own.or_sooner(self.deadline_clock())
    }

    /// The time to the first content, which may be shorter where another target could give one.
    fn clock_to_content(&self, target: &Target, from: Instant, clock: Clock) -> Clock {
        let Some(wait) = target.first_token_timeout.filter(|_| self.plan.stream) else { return clock };
        clock.or_sooner(Clock { until: from.checked_add(wait), limit: Some(wait), bound: Bound::FirstToken })
    }

    fn deadline_clock(&self) -> Clock {
        Clock { until: self.deadline, limit: self.plan.deadline, bound: Bound::Deadline }
    }
}

/// What fails inside, a panic or no thread to be had, is a failure of its target: another one may be asked.
async fn guarded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let inside = |_panic| Err(Failure::connection("openpipe-native failed inside; please report it", None));
    // A panic's message went to stderr, and what it broke is dropped.
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(inside)
}

/// A time and what it is the end of.
#[derive(Clone, Copy)]
struct Clock {
    until: Option<Instant>,
    limit: Option<Duration>,
    bound: Bound,
}

impl Clock {
    fn or_sooner(self, other: Self) -> Self {
        match (self.until, other.until) {
            (None, Some(_)) => other,
            (Some(mine), Some(others)) if others < mine => other,
            _ => self,
        }
    }

    async fn bound<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match self.until {
            Some(until) => stopped::by(until, &mut None, work).await.unwrap_or_else(|| Err(self.failure())),
            None => work.await,
        }
    }

    fn failure(&self) -> Failure {
        let limit = self.limit.unwrap_or_default().as_millis();
        let failure = Failure::timeout(match self.bound {
            Bound::FirstToken => format!("the stream's first content did not come within {limit} ms"),
            Bound::Deadline => format!("the call's deadline of {limit} ms was up"),
            Bound::Time | Bound::Idle | Bound::Size => format!("no answer within {limit} ms"),
        });
        failure.by(self.bound)
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A duration in milliseconds, to the microsecond.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// The wall clock as Unix time in milliseconds.
#[must_use]
pub fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The stream that was handed over has ended: what its attempt says now.
pub fn conclude(trail: &mut Trail, first_content: Option<Instant>, failure: Option<Failure>) {
    let Some((attempt, started)) = trail.attempts.last_mut().zip(trail.last_started) else { return };
    attempt.duration_ms = milliseconds(started.elapsed());
    attempt.first_token_ms = first_content.map(|at| milliseconds(at - started));
    if let Some(failure) = failure {
        attempt.outcome = failure.kind.name();
        attempt.message = Some(failure.message.clone());
        trail.failures.push(failure);
    }
}
