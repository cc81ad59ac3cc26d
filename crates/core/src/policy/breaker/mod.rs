//! The circuit breaker, `openpipe.breaker`: a target that keeps failing is skipped for a while, so that calls lose no time on it
//! (contract.md, section 3).
//!
//! Off by default. There is one circuit for each upstream (its base URL and query), endpoint, credential, model and policy, shared by
//! all users of the same [`Breakers`]: all clients and worker threads of a process.
//!
//! ```text
//!              enough failures in the window
//!     Closed ─────────────────────────────────▶ Open ◀──┐
//!       ▲                                        │      │ the probe fails: open for half as long again
//!       │ the probe succeeds       its time is up│      │
//!       └───────────────────────────────────── HalfOpen ┘
//! ```
//!
//! A refused key and a used-up quota have circuits of their own, which open with the first failure: the key's circuit
//! for all models of the credential, the quota's for one model.
//!
//! Only outcomes that the upstream is responsible for count: not aborts, nor requests that it rightly refused, nor limits that the call
//! itself narrowed ([`Failure::counts_against_upstream`], [`Narrowed`]). A circuit never fails a call: if no other target is left, the
//! request is sent in spite of it.
//!
//! Bounds: 10,000 circuits, of which the least recently used one is dropped; the cost of a call does not depend on their number.

mod circuit;
mod named_time;
mod window;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::time::Instant;

use crate::failure::{Bound, Cause, Failure, Kind, Refused};
use crate::policy::lru::Lru;
use circuit::{Admitted, Circuit, Random, Rule, Ticket};

/// At most this many circuits are kept.
const MAX_CIRCUITS: usize = 10_000;
/// Each look-up drops at most this many of the least recently used circuits, if they are at rest.
const MAX_DROPPED_AT_ONCE: usize = 2;

/// The policy of a circuit: when it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BreakerPolicy {
    /// It opens at this number of failures within the window; default 5, at least 1 …
    pub failures: u32,
    /// … if they are at least this share of all outcomes in it; default 0.5, more than 0 and at most 1.
    pub failure_rate: f64,
    /// The window, in milliseconds; default 30 000.
    #[serde(with = "milliseconds")]
    pub window: Duration,
    /// How long it stays open at first, in milliseconds, before a probe is let through; default 10 000. Half as long again
    /// after each probe that fails, up to 30 000 or this, each time give or take a fifth.
    #[serde(with = "milliseconds")]
    pub open_for: Duration,
    /// How long a refused key or a quota that is used up keeps its circuit open, in milliseconds; default 300 000.
    #[serde(with = "milliseconds")]
    pub credential_open_for: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            failure_rate: 0.5,
            window: Duration::from_secs(30),
            open_for: Duration::from_secs(10),
            credential_open_for: Duration::from_secs(300),
        }
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)? / 1000.0).map_err(D::Error::custom)
    }
}

impl BreakerPolicy {
    fn rule(self, kind: CircuitKind) -> Rule {
        let Self { failures, failure_rate, window, open_for, credential_open_for } = self;
        match kind {
            CircuitKind::Service => Rule { failures, failure_rate, window, open_for, grows: true },
            CircuitKind::Key | CircuitKind::Quota => {
                Rule { failures: 1, failure_rate: 0.0, window, open_for: credential_open_for, grows: false }
            }
        }
    }
}

/// The parts of a circuit's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The base URL, and its query.
    pub place: [&'a [u8]; 2],
    /// The endpoint's name.
    pub endpoint: &'a str,
    /// All parts of the credential: values of headers and of the query.
    pub credential: Vec<&'a [u8]>,
    /// The credential is the same for every call: no function returns it.
    pub is_credential_known: bool,
    /// The model.
    pub model: &'a str,
}

/// The limits of a target that the call made narrower than the client's. A failure by such a limit does not count for the circuit,
/// which other calls share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// The target's time is shorter than it would be without the call's options.
    pub time: bool,
    /// The call has a first-token timeout of its own.
    pub first_token: bool,
    /// The call has a shorter idle timeout.
    pub idle: bool,
    /// The call has a bound on the response's size of its own.
    pub size: bool,
}

impl Narrowed {
    /// Whether such a limit ended the request.
    fn ended(self, failure: &Failure) -> bool {
        let bound = failure.ended_by.or((failure.kind == Kind::Timeout).then_some(Bound::Time));
        match bound {
            Some(Bound::Time) => self.time,
            Some(Bound::FirstToken) => self.first_token,
            Some(Bound::Idle) => self.idle,
            Some(Bound::Size) => self.size,
            Some(Bound::Deadline) => true,
            None => false,
        }
    }
}

/// The kinds of circuits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum CircuitKind {
    /// How an upstream serves a model.
    Service,
    /// Whether it accepts a key.
    Key,
    /// Whether the credential has quota left for a model.
    Quota,
}

/// The key of a circuit in the table: a digest, so that no credential is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CircuitKey(u64, u64);

/// The keys of the circuits that a request has to pass.
#[derive(Debug, Clone, Copy)]
struct Keys {
    service: CircuitKey,
    /// The circuits of the key and of the quota; `None` where a function returns the key.
    credential: Option<(CircuitKey, CircuitKey)>,
}

/// The circuits of a process. Clones share them.
#[derive(Debug, Clone)]
pub struct Breakers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hashers: (RandomState, RandomState),
    random: Random,
    circuits: Mutex<Circuits>,
}

#[derive(Debug)]
struct Circuits {
    kept: Lru<CircuitKey, (CircuitKind, Arc<Circuit>)>,
    /// How many of them are for keys and quotas. Usually none, so that a call saves two look-ups.
    refusals: usize,
}

impl Default for Breakers {
    fn default() -> Self {
        Self::with_random(fastrand::f64)
    }
}

impl Breakers {
    /// An empty table. `random` gives numbers from 0 up to 1 for the jitter.
    #[must_use]
    pub fn with_random(random: fn() -> f64) -> Self {
        let circuits = Mutex::new(Circuits { kept: Lru::new(MAX_CIRCUITS), refusals: 0 });
        Self { shared: Arc::new(Shared { hashers: (RandomState::new(), RandomState::new()), random, circuits }) }
    }

    /// The circuits that a request to `subject` has to pass.
    #[must_use]
    pub fn gate(&self, policy: BreakerPolicy, subject: &Subject<'_>, narrowed: Narrowed) -> Gate {
        let keys = self.shared.keys(policy, subject);
        let now = Instant::now();
        let mut circuits = self.shared.lock();
        circuits.drop_idle(now);
        let service = circuits.circuit(keys.service, CircuitKind::Service, policy, self.shared.random, now);
        let refusals = match keys.credential {
            Some((key, quota)) if circuits.refusals > 0 => [circuits.get(key, now), circuits.get(quota, now)],
            _ => [None, None],
        };
        drop(circuits);
        Gate { shared: Arc::clone(&self.shared), policy, keys, narrowed, service, refusals }
    }
}

impl Shared {
    fn keys(&self, policy: BreakerPolicy, subject: &Subject<'_>) -> Keys {
        let BreakerPolicy { failures, failure_rate, window, open_for, credential_open_for } = policy;
        let rule = (failures, failure_rate.to_bits(), window, open_for, credential_open_for);
        let Subject { place, endpoint, credential, is_credential_known, model } = subject;
        let digest = |kind: CircuitKind, endpoint: &str, model: &str| {
            let described = (kind, rule, place, endpoint, credential, model);
            CircuitKey(self.hashers.0.hash_one(described), self.hashers.1.hash_one(described))
        };
        Keys {
            service: digest(CircuitKind::Service, endpoint, model),
            credential: is_credential_known
                .then(|| (digest(CircuitKind::Key, "", ""), digest(CircuitKind::Quota, "", model))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuits> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuits {
    /// Finds a circuit. One at rest is dropped instead.
    fn get(&mut self, key: CircuitKey, now: Instant) -> Option<Arc<Circuit>> {
        let circuit = self.kept.get(key).map(|(_, circuit)| Arc::clone(circuit))?;
        // A circuit with more references has a request in flight.
        if Arc::strong_count(&circuit) > 2 || !circuit.is_at_rest(now) {
            return Some(circuit);
        }
        self.remove(key);
        None
    }

    fn circuit(
        &mut self,
        key: CircuitKey,
        kind: CircuitKind,
        policy: BreakerPolicy,
        random: Random,
        now: Instant,
    ) -> Arc<Circuit> {
        if let Some(circuit) = self.kept.get(key).map(|(_, circuit)| Arc::clone(circuit))
            && (Arc::strong_count(&circuit) > 2 || !circuit.is_at_rest(now))
        {
            return circuit;
        }
        let circuit = Arc::new(Circuit::new(policy.rule(kind), random));
        self.refusals += usize::from(kind != CircuitKind::Service);
        let evicted = self.kept.insert(key, (kind, Arc::clone(&circuit)));
        self.uncount(evicted.as_ref());
        circuit
    }

    fn drop_idle(&mut self, now: Instant) {
        for _ in 0..MAX_DROPPED_AT_ONCE {
            let Some((key, (_, circuit))) = self.kept.oldest() else { return };
            if Arc::strong_count(circuit) > 1 || !circuit.is_at_rest(now) {
                return;
            }
            self.remove(key);
        }
    }

    fn remove(&mut self, key: CircuitKey) {
        let removed = self.kept.remove(key);
        self.uncount(removed.as_ref());
    }

    fn uncount(&mut self, removed: Option<&(CircuitKind, Arc<Circuit>)>) {
        self.refusals -= usize::from(removed.is_some_and(|(kind, _)| *kind != CircuitKind::Service));
    }
}

/// The circuits that a request has to pass.
#[derive(Debug)]
pub struct Gate {
    shared: Arc<Shared>,
    policy: BreakerPolicy,
    keys: Keys,
    narrowed: Narrowed,
    service: Arc<Circuit>,
    /// The circuits of the key and of the quota, where they have failed before.
    refusals: [Option<Arc<Circuit>>; 2],
}

/// Whether a request may go.
#[derive(Debug)]
pub enum Admission {
    /// It may; the permit must be given its outcome.
    Go(Permit),
    /// It may not: the failure that opened the circuit, and for how much longer it is open; `None` while a probe is in flight.
    Refused(Cause, Option<Duration>),
}

impl Gate {
    /// Admits or refuses a request.
    #[must_use]
    pub fn admit(&self) -> Admission {
        let mut refusals = [None, None];
        for (circuit, place) in self.refusals.iter().zip(&mut refusals) {
            match circuit.as_ref().map(Circuit::admit) {
                Some(Admitted::Go(ticket)) => *place = Some(ticket),
                Some(Admitted::Refused(cause, left)) => return Admission::Refused(cause, left),
                None => {}
            }
        }
        match self.service.admit() {
            Admitted::Go(service) => Admission::Go(self.permit(service, refusals)),
            Admitted::Refused(cause, left) => Admission::Refused(cause, left),
        }
    }

    /// Admits a request whatever the state is, because no other target is left. Its outcome counts as usual.
    #[must_use]
    pub fn force(&self) -> Permit {
        let refusals = self.refusals.each_ref().map(|circuit| circuit.as_ref().map(Circuit::force));
        self.permit(self.service.force(), refusals)
    }

    /// The name under which [`Breakers::state`] finds these circuits again.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(self.keys)
    }

    fn permit(&self, service: Ticket, refusals: [Option<Ticket>; 2]) -> Permit {
        let (shared, policy, keys, narrowed) = (Arc::clone(&self.shared), self.policy, self.keys, self.narrowed);
        Permit { shared, policy, keys, narrowed, service, refusals }
    }
}

/// An admitted request. If it is dropped without an outcome, nothing is counted, and another probe may be admitted.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    policy: BreakerPolicy,
    keys: Keys,
    narrowed: Narrowed,
    service: Ticket,
    refusals: [Option<Ticket>; 2],
}

impl Permit {
    /// Whether the request is a probe, which is one try.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.service.is_probe() || self.refusals.iter().flatten().any(Ticket::is_probe)
    }

    /// Counts a success: a completion, or a stream's first content.
    pub fn succeeded(&mut self) {
        self.service.succeeded();
        self.refusals.iter_mut().flatten().for_each(Ticket::succeeded);
    }

    /// Counts a failure. If the request is a stream whose first content counted as a success, replaces that success.
    pub fn failed(&mut self, failure: &Failure) {
        if failure.kind == Kind::Rejected {
            // The upstream did answer; the caller's own rules refuse the answer.
            return self.succeeded();
        }
        if !failure.counts_against_upstream() || self.narrowed.ended(failure) {
            return;
        }
        match (failure.refused(), self.keys.credential) {
            (Some(Refused::Key), Some((key, _))) => self.refuse(CircuitKind::Key, key, failure),
            (Some(Refused::Quota), Some((_, quota))) => self.refuse(CircuitKind::Quota, quota, failure),
            _ => self.service.failed(failure),
        }
    }

    /// Opens the circuit of the key or of the quota. The service's circuit counts nothing, because the service was not used.
    fn refuse(&self, kind: CircuitKind, key: CircuitKey, failure: &Failure) {
        let circuit = self.shared.lock().circuit(key, kind, self.policy, self.shared.random, Instant::now());
        circuit.open(failure);
    }
}

/// The circuits of one target, for health checks.
#[derive(Debug, Clone, Copy)]
pub struct Watch(Keys);

/// The state of a target's circuits: that of the one that blocks it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CircuitState {
    /// `closed`, `open` or `half_open`.
    pub name: &'static str,
    /// Since when; `None` for a circuit at rest, which is not kept.
    pub since: Option<SystemTime>,
    /// For how much longer it is open.
    pub left: Option<Duration>,
}

impl Breakers {
    /// The state of circuits that were passed before.
    #[must_use]
    pub fn state(&self, watch: Watch) -> CircuitState {
        let now = Instant::now();
        let circuits = self.shared.lock();
        let Keys { service, credential } = watch.0;
        let refusals = credential.map(|(key, quota)| [key, quota]).into_iter().flatten();
        let states = refusals.chain([service]).filter_map(|key| {
            let (_, circuit) = circuits.kept.peek(key)?;
            (!circuit.is_at_rest(now)).then(|| circuit.snapshot(now))
        });
        let worst = states.reduce(|worst, next| if worst.is_closed { next } else { worst });
        match worst {
            Some(worst) => CircuitState { name: worst.name, since: Some(worst.since), left: worst.left },
            None => CircuitState { name: "closed", since: None, left: None },
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
