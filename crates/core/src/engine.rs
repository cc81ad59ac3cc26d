//! Runs a plan: one target after the other, each under its own deadline, until one answers (contract.md, sections 3, 4).
//!
//! Dropping the future of [`run`] cancels everything that belongs to the call: this is how an abort works.

mod judging;

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use crate::deadline::{Bound, Deadline, Times};
use crate::failure::{Cause, Failure, Kind};
use crate::host::{HostFailure, JudgeRequest};
use crate::options::HoldUntil;
use crate::plan::{Budget, Plan, Target};
use crate::policy::backoff::Failed;
use crate::policy::breaker::{Admission, Breakers, Gate, Permit};
use crate::policy::health::{Health, InFlight};
use crate::record::{Attempt, CIRCUIT_OPEN, Recorder, milliseconds, unix_ms};
use crate::stream::EventStream;
use crate::text::body::RequestBody;
use crate::upstream::{BoxFuture, Completion, Request, Response, Upstreams};

/// How a call ended.
pub enum Outcome {
    /// With a completion.
    Completion(Completion),
    /// With a stream, which is handed over before its end.
    Stream(Box<EventStream>),
    /// Every target failed, or no further target takes the failure. The last failure is returned to the caller.
    Failed,
}

/// Watches a call while it runs.
pub trait Observer: Send + Sync {
    /// Why an answer cannot be returned to the caller; it then counts as a failure of its target. `None` accepts it.
    fn refuse(&self, completion: &Completion) -> Option<&'static str> {
        let _ = completion;
        None
    }

    /// A warning for the caller.
    fn warning(&self, message: &str) {
        let _ = message;
    }

    /// Has a function of `reject` judge an answer. Returns why it is refused; `None` accepts it.
    fn judge<'a>(&'a self, question: JudgeRequest<'a>) -> BoxFuture<'a, Result<Option<String>, HostFailure>> {
        let _ = question;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// A target failed and another one takes over.
    fn moved_on(&self, from: &Attempt, to: &Target);

    /// A background job was started whose answer the caller will not get.
    fn orphaned(&self, target: &Target, id: &str) {
        let _ = (target, id);
    }

    /// A target has ended. Not called for a stream that was handed over, which ends later.
    fn ended(&self, target: &Target, attempt: &Attempt, result: Result<&Completion, &Failure>) {
        let _ = (target, attempt, result);
    }
}

/// State that outlives a call: circuits and health.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// The circuits of the process.
    pub breakers: &'a Breakers,
    /// The recent outcomes of the client's targets, for `upstreams()`.
    pub health: Option<&'a Health>,
}

/// Runs a plan to its end, and keeps the record of it.
pub async fn run(
    plan: &Plan,
    body: &RequestBody,
    upstreams: &dyn Upstreams,
    watch: &Watch<'_>,
    observer: &dyn Observer,
    record: &Recorder,
) -> Outcome {
    let deadline = Deadline::after(Instant::now(), plan.deadline, Bound::Deadline);
    let call = Call { plan, body, upstreams, observer, record, deadline };
    record.lock().skip(plan, 0);
    if let Some((skipped, to)) = record.lock().attempts.first().zip(plan.targets.first()) {
        observer.moved_on(skipped, to);
    }
    let mut next = Some(0);
    // The failure that moved the call on to the current target.
    let mut before = None;
    // The latest refused answer and the index of its target. It was paid for, so it is returned if no other target answers.
    let mut refused = None;
    while let Some((index, target)) = next.and_then(|index| Some((index, plan.targets.get(index)?))) {
        let gate = plan.gate(target, watch.breakers);
        let in_flight =
            watch.health.map(|health| health.enter(&target.upstream, &target.model, plan.endpoint, gate.as_ref()));
        let permit = match plan.admission(target, index, gate, before) {
            Admitted::Go(permit) => permit,
            Admitted::PassedOver { attempt, to, cause } => {
                before.get_or_insert(cause);
                call.pass_over(*attempt, to);
                next = Some(to);
                continue;
            }
        };
        let (attempt, result) = call.target(target, index, permit, in_flight).await;
        let failure = match result {
            TargetResult::Answered(answer) => {
                if let Answer::Completion(completion) = &answer {
                    observer.ended(target, &attempt, Ok(completion));
                }
                record.lock().ended(attempt);
                return answer.outcome();
            }
            TargetResult::Refused(mut answer, rejection) => {
                answer.report_refused(|completion| observer.ended(target, &attempt, Ok(completion)));
                refused = Some((answer, index));
                rejection
            }
            TargetResult::Failed(failure) => {
                observer.ended(target, &attempt, Err(&failure));
                failure
            }
        };
        before = Some(failure.cause());
        next = call.move_on(target, index, attempt, failure).await;
    }
    let Some((answer, index)) = refused else { return Outcome::Failed };
    record.lock().answered_by_refused(index, plan.targets.get(index).is_some_and(|target| target.is_primary));
    answer.outcome()
}

impl Plan {
    /// The next target after `index` that takes this failure.
    fn taker_after(&self, index: usize, failure: Cause) -> Option<usize> {
        // The request may already have been added to the conversation, and must not be added twice.
        let is_open = matches!(failure.kind, Kind::Timeout | Kind::Connection | Kind::Stream);
        let is_added_to = is_open && self.targets.get(index).is_some_and(|target| target.has_conversation);
        let takes = |target: &Target| target.filter.takes(failure) && !(is_added_to && target.has_conversation);
        (index + 1..self.targets.len()).find(|later| self.targets.get(*later).is_some_and(takes))
    }

    /// The circuits that a target's requests have to pass, where the breaker is on.
    fn gate(&self, target: &Target, breakers: &Breakers) -> Option<Gate> {
        let policy = self.breaker?;
        let subject = target.circuit(self.endpoint)?;
        Some(breakers.gate(policy, &subject, target.narrowed))
    }

    /// Whether a target is tried: it is skipped if its circuit is open and a later target takes over. The filter of that target is
    /// matched with the previous failure, or if there was none, with the failure that opened the circuit.
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
        let message = format!("skipped: its circuit is open after a failure ({}), {until}", cause.kind.name());
        let attempt = Box::new(Attempt::without_answer(target, CIRCUIT_OPEN, Some(message)));
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

impl Answer {
    fn outcome(self) -> Outcome {
        match self {
            Self::Completion(completion) => Outcome::Completion(completion),
            Self::Stream(stream) => Outcome::Stream(stream),
        }
    }

    /// Reports a refused answer, whether it is returned to the caller later or not.
    fn report_refused(&mut self, report: impl FnOnce(&Completion)) {
        match self {
            Self::Completion(completion) => report(completion),
            Self::Stream(stream) => {
                stream.set_reported();
                report(&Completion {
                    head: stream.head().clone(),
                    text: stream.merged().unwrap_or_default(),
                    usage: stream.usage().map(str::to_owned),
                    ticket: None,
                });
            }
        }
    }
}

/// The outcome of one target.
enum TargetResult {
    Answered(Answer),
    /// It answered, but `reject` refuses the answer. Holds the answer and the failure that this counts as.
    Refused(Answer, Failure),
    Failed(Failure),
}

/// The attempt of a target with this result.
fn attempt_of(target: &Target, result: &Result<Answer, Failure>) -> Attempt {
    let head = match result {
        Ok(Answer::Completion(completion)) => Some(&completion.head),
        Ok(Answer::Stream(stream)) => Some(stream.head()),
        Err(failure) => failure.head.as_deref(),
    };
    let failure = result.as_ref().err();
    Attempt {
        status: head.map(|head| head.status).filter(|status| *status != 0),
        request_id: head.and_then(|head| head.request_id()).map(str::to_owned),
        because: target.because(),
        ..Attempt::without_answer(
            target,
            failure.map_or("ok", |failure| failure.kind.name()),
            failure.map(|failure| failure.message.clone()),
        )
    }
}

struct Call<'a> {
    plan: &'a Plan,
    body: &'a RequestBody,
    upstreams: &'a dyn Upstreams,
    observer: &'a dyn Observer,
    record: &'a Recorder,
    deadline: Deadline,
}

impl Call<'_> {
    /// Records a target that is skipped because its circuit is open, and the one that takes over.
    fn pass_over(&self, attempt: Attempt, to: usize) {
        if let Some(to) = self.plan.targets.get(to) {
            self.observer.moved_on(&attempt, to);
        }
        let mut record = self.record.lock();
        record.attempts.push(attempt);
        record.skip(self.plan, to);
    }

    /// Records a target's failure. Returns the index of the target that takes over; `None` ends the call.
    async fn move_on(&self, target: &Target, index: usize, attempt: Attempt, failure: Failure) -> Option<usize> {
        if let Some(id) = failure.started.as_deref().filter(|_| target.is_background) {
            self.observer.orphaned(target, id);
            // Lets the cancellation be sent before the host is notified of the call's end, after which it calls no custom client.
            tokio::task::yield_now().await;
        }
        let plan = self.plan;
        // A background job is never started twice without an error.
        let is_over = self.deadline.is_over() || (target.is_background && failure.leaves_job_open());
        let next = if is_over { None } else { plan.taker_after(index, failure.cause()) };
        if let Some(to) = next.and_then(|index| plan.targets.get(index)) {
            self.observer.moved_on(&attempt, to);
        }
        let mut record = self.record.lock();
        record.ended(attempt);
        record.failures.push(failure);
        // The unsupported targets in between.
        record.skip(plan, next.unwrap_or(plan.targets.len()));
        next
    }

    /// Runs one target with its retries. Returns its attempt and its result.
    async fn target(
        &self,
        target: &Target,
        index: usize,
        mut permit: Option<Permit>,
        mut in_flight: Option<InFlight>,
    ) -> (Attempt, TargetResult) {
        let started = Instant::now();
        let started_at = unix_ms();
        self.record.lock().begin(index, target, started, started_at);
        let mut tries = 0;
        let is_probe = permit.as_ref().is_some_and(Permit::is_probe);
        let mut time = Deadline::default();
        let mut result = self.tries(target, index, started, is_probe, &mut tries, &mut time).await;
        if let Some(hint) = result.as_ref().err().and_then(|failure| target.hint(failure)) {
            result = result.map_err(|failure| failure.with_hint(hint));
        }
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
        let first_content = match &result {
            Ok(Answer::Stream(stream)) => stream.first_content_at(),
            _ => None,
        };
        let mut attempt = Attempt {
            tries,
            started_at,
            duration_ms: milliseconds(started.elapsed()),
            first_token_ms: first_content.map(|at| milliseconds(at - started)),
            ..attempt_of(target, &result)
        };
        let mut answer = match result {
            Ok(answer) => answer,
            Err(failure) => return (attempt, TargetResult::Failed(failure)),
        };
        // A target's time stops at a stream's first content.
        let left = shorter(time.left_at(first_content.unwrap_or_else(Instant::now)), self.deadline.left());
        match self.judge(target, &mut answer, left, &mut attempt).await {
            Some(rejection) => (attempt, TargetResult::Refused(answer, rejection)),
            None => (attempt, TargetResult::Answered(answer)),
        }
    }

    async fn tries(
        &self,
        target: &Target,
        index: usize,
        started: Instant,
        is_probe: bool,
        tries: &mut u32,
        time: &mut Deadline,
    ) -> Result<Answer, Failure> {
        let upstream = self.upstreams.upstream(&target.via);
        let mut body = target.body(self.body);
        let mut is_unsealed = false;
        loop {
            let from = if matches!(target.budget, Budget::Total(_)) { started } else { Instant::now() };
            let whole = Deadline::after(from, target.budget.limit(), Bound::Time).or_sooner(self.deadline);
            *time = whole;
            let content = self.until_content(target, from, whole);
            let request = Request {
                endpoint: self.plan.endpoint,
                target,
                body: body.clone(),
                stream: self.plan.stream,
                retries: *tries,
                time: if whole.bound() == Bound::Deadline { whole.left() } else { whole.limit() },
                max_response_bytes: self.plan.max_response_bytes,
                cancels: None,
            };
            *tries += 1;
            self.record.lock().count_try();
            let sent_at = Instant::now();
            let answered = pin!(async {
                let response = content.within(|| target.label(), upstream.send(request)).await?;
                self.accept(response, target, index, whole, content).await
            });
            let failure = match guarded(answered).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            // A probe is one try, which finds out whether the upstream has recovered.
            if is_probe || (target.is_background && failure.leaves_job_open()) {
                return Err(failure);
            }
            // The upstream cannot decrypt items that another upstream, or a revoked key, encrypted: they are left out.
            if !is_unsealed
                && failure.refuses_sealed_items()
                && let Some(unsealed) = target.unsealed_body(self.body)
            {
                (body, is_unsealed) = (unsealed, true);
                continue;
            }
            let failed = Failed {
                failure: &failure,
                tries: *tries,
                took: sent_at.elapsed(),
                time_left: self.time_for_retries(target, content),
                now: SystemTime::now(),
                random: fastrand::f64(),
            };
            let Some(pause) = target.retry.pause(&failed) else { return Err(failure) };
            sleep(pause).await;
        }
    }

    /// The time left for a pause and another try.
    fn time_for_retries(&self, target: &Target, content: Deadline) -> Option<Duration> {
        match target.budget {
            Budget::Total(_) => content.left(),
            // The limit is for each try, so only the call's deadline bounds the next one. But a pause longer than a whole try may take
            // would seem to hang.
            Budget::PerTry(limit) => {
                shorter(self.deadline.left(), limit.map(|limit| limit.max(Duration::from_secs(8))))
            }
        }
    }

    /// Turns a response into an answer: a completion, or a stream once it is committed.
    async fn accept(
        &self,
        response: Response,
        target: &Target,
        index: usize,
        whole: Deadline,
        content: Deadline,
    ) -> Result<Answer, Failure> {
        let (head, source, ticket) = match response {
            Response::Completion(completion) => {
                return match self.observer.refuse(&completion) {
                    None => Ok(Answer::Completion(completion)),
                    Some(why) => Err(Failure::invalid_response(why, completion.head, None)),
                };
            }
            Response::Stream { head, source, ticket } => (head, source, ticket),
        };
        let times = Times {
            content,
            idle: target.idle_timeout,
            idle_at_work: target.idle_timeout_at_work,
            target: target.label(),
        };
        let mut stream = Box::new(EventStream::new(self.plan.endpoint, head, source, ticket, times));
        // A stream that is to be judged is held back, also that of the last target.
        if index + 1 == self.plan.targets.len() && !self.plan.commit_last && target.reject.is_empty() {
            return Ok(Answer::Stream(stream));
        }
        let hold_until = if target.reject.need_whole_answer() { HoldUntil::Finish } else { self.plan.hold_until };
        // The target's own time ends with the first content; the call's runs until the commit.
        // On the heap, so that the memory of a call without a stream has no room for it.
        let held = Box::pin(stream.hold(hold_until, self.plan.max_response_bytes));
        if let Err(failure) = self.deadline.within(|| target.label(), held).await {
            return Err(Failure { started: stream.kept_id().map(Into::into), ..failure });
        }
        stream.content_within(whole);
        Ok(Answer::Stream(stream))
    }

    /// The deadline of a stream's first content, which `firstTokenTimeout` may shorten; for a completion that of the answer.
    fn until_content(&self, target: &Target, from: Instant, whole: Deadline) -> Deadline {
        match target.first_token_timeout.filter(|_| self.plan.stream) {
            Some(wait) => whole.or_sooner(Deadline::after(from, Some(wait), Bound::FirstToken)),
            None => whole,
        }
    }
}

/// Turns a panic in this package into a failure of the target, so that another target may be tried. tokio panics if it can start no thread.
async fn guarded<T>(work: Pin<&mut impl Future<Output = Result<T, Failure>>>) -> Result<T, Failure> {
    let inside = |_panic| Err(Failure::connection("openpipe-native failed inside; please report it", None));
    // The panic hook has printed the message to stderr.
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(inside)
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
