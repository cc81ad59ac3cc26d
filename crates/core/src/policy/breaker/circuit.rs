//! One circuit: a state machine that admits or refuses each request, and counts its outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::named_time::named_time;
use super::window::Window;
use crate::failure::{Cause, Failure};

/// The longest open time after failed probes, unless `openFor` is longer.
const LONGEST_OPEN: Duration = Duration::from_secs(30);
/// A circuit that was open is dropped if no request arrives for this long afterwards.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// A number from 0 up to 1, for the jitter.
pub(super) type Random = fn() -> f64;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// It opens at this number of failures within the window …
    pub(super) failures: u32,
    /// … if they are at least this share of all outcomes in it.
    pub(super) failure_rate: f64,
    pub(super) window: Duration,
    /// How long it stays open at first.
    pub(super) open_for: Duration,
    /// The open time grows with each failed probe, with a jitter of a fifth; a time that a response names replaces it.
    pub(super) grows: bool,
}

impl Rule {
    fn longest_open(&self) -> Duration {
        if self.grows { self.open_for.max(LONGEST_OPEN) } else { self.open_for }
    }
}

#[derive(Debug)]
pub(super) struct Circuit {
    rule: Rule,
    random: Random,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Counts the changes of state: the outcome of a request that was admitted before a change is ignored after it.
    epoch: u64,
    /// How long the circuit opens next, before jitter.
    open_for: Duration,
    changed_at: SystemTime,
    last_request_at: Instant,
}

#[derive(Debug)]
pub(super) enum State {
    /// Requests are admitted, and their outcomes counted.
    Closed(Box<Window>),
    /// No request is admitted before `until`. `on` and `except` of the next targets match `cause`, the failure that opened it.
    Open { until: Instant, cause: Cause },
    /// One request at a time is admitted, the probe; holds when it began.
    HalfOpen { probe: Option<Instant>, cause: Cause },
}

/// Whether a circuit admits a request.
#[derive(Debug)]
pub(super) enum Admitted {
    Go(Ticket),
    /// It is refused: the failure that opened the circuit, and for how much longer it is open; `None` while a probe is in flight.
    Refused(Cause, Option<Duration>),
}

/// A circuit's state, for health checks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot {
    pub(super) name: &'static str,
    pub(super) since: SystemTime,
    pub(super) left: Option<Duration>,
    pub(super) is_closed: bool,
}

impl Circuit {
    pub(super) fn new(rule: Rule, random: Random) -> Self {
        let inner = Inner {
            state: State::Closed(Box::new(Window::new(rule.window))),
            epoch: 0,
            open_for: rule.open_for,
            changed_at: SystemTime::now(),
            last_request_at: Instant::now(),
        };
        Self { rule, random, inner: Mutex::new(inner) }
    }

    /// Admits or refuses a request.
    pub(super) fn admit(self: &Arc<Self>) -> Admitted {
        let now = Instant::now();
        let mut inner = self.lock();
        inner.last_request_at = now;
        let cause = match &mut inner.state {
            State::Closed(_) => return Admitted::Go(self.ticket(inner.epoch, false)),
            State::Open { until, cause } if now < *until => return Admitted::Refused(*cause, Some(*until - now)),
            State::Open { cause, .. } => *cause,
            // A probe that takes longer than the longest open time is given up: another may be admitted.
            State::HalfOpen { probe: Some(since), cause } if now < *since + self.rule.longest_open() => {
                return Admitted::Refused(*cause, None);
            }
            State::HalfOpen { probe, cause: _ } => {
                *probe = Some(now);
                // The outcome of an earlier probe is ignored from here on.
                inner.epoch += 1;
                return Admitted::Go(self.ticket(inner.epoch, true));
            }
        };
        inner.change(State::HalfOpen { probe: Some(now), cause });
        Admitted::Go(self.ticket(inner.epoch, true))
    }

    /// A ticket for a request that is sent whatever the state is. Its outcome counts as usual.
    pub(super) fn force(self: &Arc<Self>) -> Ticket {
        match self.admit() {
            Admitted::Go(ticket) => ticket,
            Admitted::Refused(..) => self.ticket(self.lock().epoch, false),
        }
    }

    /// Opens the circuit with a single failure, whatever was counted before.
    pub(super) fn open(&self, failure: &Failure) {
        let mut inner = self.lock();
        let until = Instant::now() + self.rule.open_for;
        inner.change(State::Open { until, cause: failure.cause() });
    }

    /// Whether the circuit can be dropped: it is closed and its window is empty, or its open time is over and it got no request for
    /// [`FORGOTTEN_AFTER`].
    pub(super) fn is_at_rest(&self, now: Instant) -> bool {
        let inner = self.lock();
        match &inner.state {
            State::Closed(window) => window.totals(now) == (0, 0),
            State::Open { until, .. } => now >= *until && now >= inner.last_request_at + FORGOTTEN_AFTER,
            State::HalfOpen { .. } => now >= inner.last_request_at + FORGOTTEN_AFTER,
        }
    }

    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        let inner = self.lock();
        let (name, left, is_closed) = match &inner.state {
            State::Closed(_) => ("closed", None, true),
            State::Open { until, .. } if now < *until => ("open", Some(*until - now), false),
            // The open time is over: the next request is the probe.
            State::Open { .. } | State::HalfOpen { .. } => ("half_open", None, false),
        };
        Snapshot { name, since: inner.changed_at, left, is_closed }
    }

    fn ticket(self: &Arc<Self>, epoch: u64, is_probe: bool) -> Ticket {
        Ticket { circuit: Arc::clone(self), epoch, is_probe, succeeded: false }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of the open time that begins now: the time that the failure names, else the current open time.
    fn open_until(&self, inner: &Inner, failure: &Failure) -> Instant {
        let named = failure.head.as_deref().and_then(|head| named_time(head, SystemTime::now()));
        let jittered =
            || if self.rule.grows { inner.open_for.mul_f64(0.8 + 0.4 * (self.random)()) } else { inner.open_for };
        Instant::now() + named.filter(|_| self.rule.grows).unwrap_or_else(jittered)
    }
}

impl Inner {
    fn change(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
        self.changed_at = SystemTime::now();
    }
}

/// A request that a circuit admitted. If it is dropped without an outcome, nothing is counted, and another probe may be admitted.
#[derive(Debug)]
pub(super) struct Ticket {
    circuit: Arc<Circuit>,
    epoch: u64,
    is_probe: bool,
    succeeded: bool,
}

impl Ticket {
    pub(super) fn is_probe(&self) -> bool {
        self.is_probe
    }

    pub(super) fn succeeded(&mut self) {
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
                let mut window = Window::new(circuit.rule.window);
                window.add(Instant::now(), 1, 0);
                inner.change(State::Closed(Box::new(window)));
                inner.open_for = circuit.rule.open_for;
                // A later outcome of this request (its stream fails) counts in the closed circuit.
                self.epoch = inner.epoch;
            }
        }
    }

    /// Counts a failure. If the request is a stream whose first content counted as a success, replaces that success.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let circuit = Arc::clone(&self.circuit);
        let rule = circuit.rule;
        let now = Instant::now();
        let mut inner = circuit.lock();
        if inner.epoch != self.epoch {
            return;
        }
        let opens = match &mut inner.state {
            State::Closed(window) => {
                if std::mem::take(&mut self.succeeded) {
                    window.remove_success();
                }
                window.add(now, 0, 1);
                let (successes, failures) = window.totals(now);
                let share = f64::from(failures) / f64::from(successes.saturating_add(failures));
                failures >= rule.failures && share >= rule.failure_rate
            }
            State::Open { .. } => false,
            State::HalfOpen { .. } => {
                if rule.grows {
                    inner.open_for = inner.open_for.mul_f64(1.5).min(rule.longest_open());
                }
                true
            }
        };
        if opens {
            let until = circuit.open_until(&inner, failure);
            inner.change(State::Open { until, cause: failure.cause() });
        }
    }
}

impl Drop for Ticket {
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
