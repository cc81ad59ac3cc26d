//! The record of a call: what happened with each target. Written by the engine; read by the host, the report, and an abort.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::plan::{Because, Plan, Target, Unsupported};

/// The outcome of a target that was skipped because its circuit is open.
pub const CIRCUIT_OPEN: &str = "circuit_open";
/// The outcome of a target that was skipped because it cannot take the request.
pub const UNSUPPORTED: &str = "unsupported";
/// The outcome of the target that was being tried when the caller aborted.
pub const ABORTED: &str = "aborted";

/// What happened with one target: contract.md, section 6.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The host that it is on, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<str>>,
    /// The model that was requested.
    pub model: String,
    /// `ok`, the kind of its failure, [`CIRCUIT_OPEN`], [`UNSUPPORTED`] or [`ABORTED`].
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
    /// Milliseconds until its end; for a stream that is still open, until it was handed over.
    pub duration_ms: f64,
    /// Milliseconds until a stream's first content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<f64>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The rule of `reject` that refused its answer, or `function`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_by: Option<&'static str>,
    /// The `usage` of a refused answer, which was paid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Box<RawValue>>,
    /// The part of the request that it cannot take, or that was left out for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
}

impl Attempt {
    /// A target that cannot take the request.
    #[must_use]
    pub fn unsupported(target: &Unsupported) -> Self {
        Self {
            upstream: Arc::clone(&target.upstream),
            host: None,
            model: target.model.clone(),
            outcome: UNSUPPORTED,
            tries: 0,
            status: None,
            request_id: None,
            started_at: unix_ms(),
            duration_ms: 0.0,
            first_token_ms: None,
            message: Some(target.message()),
            rejected_by: None,
            usage: None,
            because: Some(target.because.clone()),
        }
    }

    /// A target that was skipped, or has not answered yet.
    #[must_use]
    pub fn without_answer(target: &Target, outcome: &'static str, message: Option<String>) -> Self {
        Self {
            upstream: Arc::clone(&target.upstream),
            host: target.host.clone(),
            model: target.model.clone(),
            outcome,
            tries: 0,
            status: None,
            request_id: None,
            started_at: unix_ms(),
            duration_ms: 0.0,
            first_token_ms: None,
            message,
            rejected_by: None,
            usage: None,
            because: None,
        }
    }
}

/// The record of a call up to now.
#[derive(Debug, Default)]
pub struct CallRecord {
    /// One for each target that was tried, in order; if a target answered, it is the last.
    pub attempts: Vec<Attempt>,
    /// The failures of those that failed, in order.
    pub failures: Vec<Failure>,
    /// The index in the plan of the target that was tried last, or is being tried.
    pub last: usize,
    /// That target is the primary; every other one is a fallback.
    pub is_primary: bool,
    /// When the last target was started; its durations count from then.
    pub last_started: Option<Instant>,
    /// The caller gets an answer that was refused, whose attempt is complete already.
    is_answered_by_refused: bool,
    /// The attempt at the target that is being tried, as it would be recorded if the caller aborted now.
    under_way: Option<Attempt>,
    /// How many of the targets that cannot take the request are recorded already.
    skipped: usize,
}

/// The record that a caller gets of a call that it aborted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Aborted {
    /// `primary` or `fallback`, for the target that was being tried.
    pub served_by: &'static str,
    /// Its upstream's name.
    pub upstream: Arc<str>,
    /// The model that was requested.
    pub model: String,
    /// One for each target that was tried; the last one has the outcome [`ABORTED`].
    pub attempts: Vec<Attempt>,
    /// The failures of the targets that failed.
    pub failures: Vec<Failure>,
}

impl CallRecord {
    /// Adds attempts for the targets before `to` that cannot take the request.
    pub fn skip(&mut self, plan: &Plan, to: usize) {
        let rest = plan.unsupported.get(self.skipped..).unwrap_or_default();
        let passed = rest.iter().take_while(|target| target.before <= to);
        self.attempts.extend(passed.map(Attempt::unsupported));
        self.skipped = plan.unsupported.partition_point(|target| target.before <= to);
    }

    /// Begins the attempt at a target.
    pub fn begin(&mut self, index: usize, target: &Target, started: Instant, started_at: u64) {
        self.last = index;
        self.is_primary = target.is_primary;
        self.last_started = Some(started);
        let because = target.because();
        self.under_way = Some(Attempt { because, started_at, ..Attempt::without_answer(target, ABORTED, None) });
    }

    /// Whether the target that was tried last is the primary or a fallback.
    #[must_use]
    pub fn served_by(&self) -> &'static str {
        if self.is_primary { "primary" } else { "fallback" }
    }

    /// Counts another request to the target.
    pub fn count_try(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.tries += 1;
        }
    }

    /// Adds the attempt of a target that has ended, or whose stream is handed over.
    pub fn ended(&mut self, attempt: Attempt) {
        self.under_way = None;
        // Most calls have one attempt, and an open stream keeps the list: `push` would reserve room for four.
        self.attempts.reserve_exact(1);
        self.attempts.push(attempt);
    }

    /// Notes that the caller gets the refused answer of this target, because no other target answered.
    pub fn answered_by_refused(&mut self, index: usize, is_primary: bool) {
        (self.last, self.is_primary) = (index, is_primary);
        self.is_answered_by_refused = true;
    }

    /// Completes the attempt of a stream that was handed over and has ended.
    pub fn conclude(&mut self, first_content: Option<Instant>, failure: Option<Failure>) {
        if self.is_answered_by_refused {
            self.failures.extend(failure);
            return;
        }
        let Some((attempt, started)) = self.attempts.last_mut().zip(self.last_started) else { return };
        attempt.duration_ms = milliseconds(started.elapsed());
        attempt.first_token_ms = first_content.map(|at| milliseconds(at - started));
        if let Some(failure) = failure {
            attempt.outcome = failure.kind.name();
            attempt.message = Some(failure.message.clone());
            self.failures.push(failure);
        }
    }

    /// The record of a call that its caller aborts; `None` if no target was tried.
    #[must_use]
    pub fn aborted(&mut self) -> Option<Aborted> {
        let started = self.last_started?;
        if let Some(mut attempt) = self.under_way.take() {
            attempt.duration_ms = milliseconds(started.elapsed());
            self.attempts.push(attempt);
        }
        Some(Aborted {
            served_by: self.served_by(),
            upstream: self.attempts.last().map_or_else(|| "".into(), |attempt| Arc::clone(&attempt.upstream)),
            model: self.attempts.last().map(|attempt| attempt.model.clone()).unwrap_or_default(),
            attempts: self.attempts.clone(),
            failures: self.failures.clone(),
        })
    }
}

/// The record of a call that is running, shared with the code that may abort it.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<CallRecord>);

impl Recorder {
    /// The record as it is now.
    pub fn lock(&self) -> MutexGuard<'_, CallRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the record of a call that is over.
    #[must_use]
    pub fn take(&self) -> CallRecord {
        std::mem::take(&mut self.lock())
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
