//! The circuit breaker, `openpipe.breaker`: a target that keeps failing is not asked for a while, so that calls lose no
//! time on it.
//!
//! Off unless it is asked for. There is one circuit for each upstream, credential, model and policy, shared by everybody
//! who has the same [`Breakers`]: all clients and worker threads of a process.
//!
//! ```text
//!              enough failures in the window
//!     Closed ─────────────────────────────────▶ Open ◀──┐
//!       ▲                                        │      │ the probe fails
//!       │ the probe succeeds       `openFor` is up│      │
//!       └───────────────────────────────────── HalfOpen ┘
//! ```
//!
//! What counts is how the upstream served: aborts, requests that it rightly refused and the caller's own deadline say
//! nothing about it ([`Failure::counts_against_upstream`]). A circuit never fails a call: where nobody else takes over, the
//! target is asked all the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::failure::{Cause, Failure};

/// The window of outcomes is kept in so many parts, each forgotten as a whole.
const PARTS: usize = 10;
/// From so many circuits on, those that say nothing any more are forgotten.
const MANY_CIRCUITS: usize = 1024;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BreakerPolicy {
    /// It opens with so many failures within the window; default 5, at least 1 …
    pub failures: u32,
    /// … if they are at least this share of all outcomes in it; default 0.5, more than 0 and at most 1.
    pub failure_rate: f64,
    /// The window, in milliseconds; default 30 000.
    #[serde(with = "milliseconds")]
    pub window: Duration,
    /// How long it stays open, in milliseconds, before a probe is let through; default 30 000.
    #[serde(with = "milliseconds")]
    pub open_for: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self { failures: 5, failure_rate: 0.5, window: half_a_minute, open_for: half_a_minute }
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)? / 1000.0).map_err(D::Error::custom)
    }
}

/// What a circuit is for. A digest, so that no credential is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CircuitKey(u64, u64);

/// The circuits of a process.
#[derive(Debug, Default)]
pub struct Breakers {
    hashers: (RandomState, RandomState),
    circuits: Mutex<HashMap<CircuitKey, Arc<Circuit>>>,
}

impl Breakers {
    /// The circuit of what `parts` name, under a policy.
    pub fn circuit(&self, policy: BreakerPolicy, parts: &[&[u8]]) -> Arc<Circuit> {
        let BreakerPolicy { failures, failure_rate, window, open_for } = policy;
        let described = (parts, failures, failure_rate.to_bits(), window, open_for);
        let key = CircuitKey(self.hashers.0.hash_one(described), self.hashers.1.hash_one(described));
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        if circuits.len() >= MANY_CIRCUITS && !circuits.contains_key(&key) {
            // One that somebody holds has a request under way.
            circuits.retain(|_, circuit| Arc::strong_count(circuit) > 1 || !circuit.is_at_rest());
        }
        Arc::clone(circuits.entry(key).or_insert_with(|| Arc::new(Circuit::new(policy))))
    }
}

/// One circuit.
#[derive(Debug)]
pub struct Circuit {
    policy: BreakerPolicy,
    state: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Counts the changes of state: an outcome of a request that was let go before a change says nothing after it.
    epoch: u64,
}

#[derive(Debug)]
enum State {
    /// Requests go; their outcomes are counted.
    Closed(Box<Window>),
    /// None go, until then. The cause is the failure with which it opened: the filter of the next target is asked of it.
    Open { until: Instant, cause: Cause },
    /// One at a time goes; since when it does.
    HalfOpen { probe: Option<Instant>, cause: Cause },
}

/// Whether a request may go.
#[derive(Debug)]
pub enum Admission {
    /// It may; its outcome is to be told.
    Go(Permit),
    /// It should not.
    Refused(Cause),
}

impl Circuit {
    fn new(policy: BreakerPolicy) -> Self {
        let state = State::Closed(Box::new(Window::new(policy.window)));
        Self { policy, state: Mutex::new(Inner { state, epoch: 0 }) }
    }

    /// Asks for a request to go.
    pub fn admit(self: &Arc<Self>) -> Admission {
        let now = Instant::now();
        let mut inner = self.lock();
        let cause = match &mut inner.state {
            State::Closed(_) => return Admission::Go(self.permit(inner.epoch, false)),
            State::Open { until, cause } if now < *until => return Admission::Refused(*cause),
            State::Open { cause, .. } => *cause,
            // A probe that takes longer than the circuit was open holds up nobody any more.
            State::HalfOpen { probe: Some(since), cause } if now < *since + self.policy.open_for => {
                return Admission::Refused(*cause);
            }
            State::HalfOpen { probe, cause: _ } => {
                *probe = Some(now);
                // What becomes of a probe before it says nothing any more.
                inner.epoch += 1;
                return Admission::Go(self.permit(inner.epoch, true));
            }
        };
        inner.change(State::HalfOpen { probe: Some(now), cause });
        Admission::Go(self.permit(inner.epoch, true))
    }

    /// Lets a request go whatever the state is, because there is nobody else to ask. Its outcome counts all the same.
    #[must_use]
    pub fn force(self: &Arc<Self>) -> Permit {
        match self.admit() {
            Admission::Go(permit) => permit,
            Admission::Refused(_) => self.permit(self.lock().epoch, false),
        }
    }

    /// The time until the next request may go, where it is known.
    #[must_use]
    pub fn open_for(&self) -> Option<Duration> {
        match &self.lock().state {
            State::Open { until, .. } => Some(until.saturating_duration_since(Instant::now())),
            State::Closed(_) | State::HalfOpen { .. } => None,
        }
    }

    fn permit(self: &Arc<Self>, epoch: u64, is_probe: bool) -> Permit {
        Permit { circuit: Arc::clone(self), epoch, is_probe, succeeded: false }
    }

    /// Nothing would be lost if it were forgotten.
    fn is_at_rest(&self) -> bool {
        match &mut self.lock().state {
            State::Closed(window) => window.totals(Instant::now()) == (0, 0),
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn change(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

/// A request that was let go. Dropped without an outcome, it counts for nothing, and another probe may go.
#[derive(Debug)]
pub struct Permit {
    circuit: Arc<Circuit>,
    epoch: u64,
    is_probe: bool,
    succeeded: bool,
}

impl Permit {
    /// The upstream has served it: a completion, or a stream's first content.
    pub fn succeeded(&mut self) {
        if std::mem::replace(&mut self.succeeded, true) {
            return;
        }
        let circuit = Arc::clone(&self.circuit);
        let mut inner = circuit.lock();
        if inner.epoch != self.epoch {
            return;
        }
        match &mut inner.state {
            State::Closed(window) => window.add(Instant::now(), 1, 0),
            State::Open { .. } | State::HalfOpen { .. } => {
                inner.change(State::Closed(Box::new(Window::new(circuit.policy.window))));
                // What becomes of this one later is told to the closed circuit.
                self.epoch = inner.epoch;
            }
        }
    }

    /// It failed; also a stream that had begun well, which then was no success.
    pub fn failed(&mut self, failure: &Failure) {
        if !failure.counts_against_upstream() {
            return;
        }
        let circuit = Arc::clone(&self.circuit);
        let policy = circuit.policy;
        let now = Instant::now();
        let mut inner = circuit.lock();
        if inner.epoch != self.epoch {
            return;
        }
        let opens = match &mut inner.state {
            State::Closed(window) => {
                if std::mem::take(&mut self.succeeded) {
                    window.take_back_success();
                }
                window.add(now, 0, 1);
                let (successes, failures) = window.totals(now);
                let share = f64::from(failures) / f64::from(successes.saturating_add(failures));
                failures >= policy.failures && share >= policy.failure_rate
            }
            State::Open { .. } => false,
            State::HalfOpen { .. } => true,
        };
        if opens {
            inner.change(State::Open { until: now + policy.open_for, cause: failure.cause() });
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_probe {
            return;
        }
        let mut inner = self.circuit.lock();
        if inner.epoch != self.epoch {
            return;
        }
        if let State::HalfOpen { probe, .. } = &mut inner.state {
            *probe = None;
        }
    }
}

/// The outcomes of the last while, counted in parts of it.
#[derive(Debug)]
struct Window {
    began: Instant,
    part: Duration,
    /// Of each part its number, and the successes and failures in it.
    parts: [(u128, u32, u32); PARTS],
}

impl Window {
    fn new(length: Duration) -> Self {
        let part = (length / PARTS as u32).max(Duration::from_nanos(1));
        Self { began: Instant::now(), part, parts: [(0, 0, 0); PARTS] }
    }

    /// The number of the part that is now.
    fn number(&self, now: Instant) -> u128 {
        now.saturating_duration_since(self.began).as_nanos() / self.part.as_nanos()
    }

    fn add(&mut self, now: Instant, successes: u32, failures: u32) {
        let number = self.number(now);
        // The remainder is less than the length of the array.
        let Some(part) = self.parts.get_mut((number % PARTS as u128) as usize) else { return };
        if part.0 != number {
            *part = (number, 0, 0);
        }
        part.1 = part.1.saturating_add(successes);
        part.2 = part.2.saturating_add(failures);
    }

    fn take_back_success(&mut self) {
        if let Some(part) = self.parts.iter_mut().filter(|part| part.1 > 0).max_by_key(|part| part.0) {
            part.1 -= 1;
        }
    }

    /// Successes and failures in the window.
    fn totals(&self, now: Instant) -> (u32, u32) {
        let number = self.number(now);
        let current = self.parts.iter().filter(|part| number - part.0.min(number) < PARTS as u128);
        current.fold((0, 0), |(successes, failures), part| {
            (successes.saturating_add(part.1), failures.saturating_add(part.2))
        })
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
