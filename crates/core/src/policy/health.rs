//! The recent outcomes of a client's targets, for health checks: `openai.upstreams()` (contract.md, section 3).
//!
//! It influences no decision. There is one row for each upstream, endpoint and model; at most 1,000 rows are kept, and the least
//! recently used one is dropped. A call costs a look-up and a few numbers; medians are computed only when the table is read.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::failure::{Failure, Kind};
use crate::policy::breaker::{Breakers, Gate, Watch};
use crate::policy::lru::Lru;

/// The table keeps at most this many rows.
const MAX_ROWS: usize = 1000;
/// The median is taken over this many of the latest times to first content.
const TIMES: usize = 64;

/// The table of one client and of the clients that were made from it.
#[derive(Debug)]
pub struct Health {
    hasher: RandomState,
    /// By the hash of upstream, endpoint and model. If two rows have the same hash, the later one replaces the other.
    rows: Mutex<Lru<u64, Arc<Row>>>,
}

#[derive(Debug)]
struct Row {
    upstream: Arc<str>,
    endpoint: Endpoint,
    model: String,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    in_flight: u32,
    /// The last times to the first content, in milliseconds, as a ring buffer.
    times: Vec<f64>,
    next_time: usize,
    last_failure: Option<LastFailure>,
    circuits: Option<Watch>,
}

/// The last failure of a target.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// Its kind.
    pub kind: Kind,
    /// Its HTTP status, where there was a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When it happened, in Unix milliseconds.
    pub at: u64,
}

/// One row of the table, computed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamState {
    /// The upstream's name, as in an attempt.
    pub upstream: Arc<str>,
    /// The endpoint's name.
    pub endpoint: Endpoint,
    /// The model it was asked for.
    pub model: String,
    /// The circuit's state, `closed`, `open` or `half_open`; `None` where the last call had no breaker.
    pub circuit: Option<&'static str>,
    /// Since when, in Unix milliseconds; `None` where the circuit has no recent outcomes.
    pub since: Option<u64>,
    /// When an open circuit lets a probe through, in Unix milliseconds.
    pub until: Option<u64>,
    /// The target's last failure.
    pub last_failure: Option<LastFailure>,
    /// Requests under way; a stream until its end.
    pub in_flight: u32,
    /// The median of the last 64 times to the first content, in milliseconds: to a stream's first content, or to the answer.
    pub first_content_ms: Option<f64>,
}

impl Default for Health {
    fn default() -> Self {
        Self { hasher: RandomState::new(), rows: Mutex::new(Lru::new(MAX_ROWS)) }
    }
}

impl Health {
    /// Notes the start of a request, which is in flight until the returned guard is dropped.
    pub fn enter(&self, upstream: &Arc<str>, model: &str, endpoint: Endpoint, gate: Option<&Gate>) -> InFlight {
        let key = self.hasher.hash_one((upstream, endpoint, model));
        let row = {
            let mut rows = lock(&self.rows);
            match rows.get(key).filter(|row| row.is_of(upstream, model, endpoint)) {
                Some(row) => Arc::clone(row),
                None => {
                    let row = Arc::new(Row::new(upstream, model, endpoint));
                    rows.insert(key, Arc::clone(&row));
                    row
                }
            }
        };
        let mut known = lock(&row.known);
        known.in_flight += 1;
        known.circuits = gate.map(Gate::watch);
        drop(known);
        InFlight { row, started: Instant::now(), had_content: false }
    }

    /// Every row, sorted by upstream, endpoint and model.
    #[must_use]
    pub fn read(&self, breakers: &Breakers) -> Vec<UpstreamState> {
        let rows: Vec<_> = lock(&self.rows).values().map(Arc::clone).collect();
        let now = SystemTime::now();
        let mut states: Vec<_> = rows.iter().map(|row| row.read(breakers, now)).collect();
        states.sort_by_cached_key(|state| (Arc::clone(&state.upstream), state.endpoint.name(), state.model.clone()));
        states
    }
}

impl Row {
    fn new(upstream: &Arc<str>, model: &str, endpoint: Endpoint) -> Self {
        let known = Known { in_flight: 0, times: Vec::new(), next_time: 0, last_failure: None, circuits: None };
        Self { upstream: Arc::clone(upstream), endpoint, model: model.to_owned(), known: Mutex::new(known) }
    }

    fn is_of(&self, upstream: &Arc<str>, model: &str, endpoint: Endpoint) -> bool {
        self.upstream == *upstream && self.model == model && self.endpoint == endpoint
    }

    fn read(&self, breakers: &Breakers, now: SystemTime) -> UpstreamState {
        let known = lock(&self.known);
        let circuit = known.circuits.map(|circuits| breakers.state(circuits));
        UpstreamState {
            upstream: Arc::clone(&self.upstream),
            endpoint: self.endpoint,
            model: self.model.clone(),
            circuit: circuit.map(|circuit| circuit.name),
            since: circuit.and_then(|circuit| circuit.since).map(unix_ms),
            until: circuit.and_then(|circuit| circuit.left).map(|left| unix_ms(now + left)),
            last_failure: known.last_failure.clone(),
            in_flight: known.in_flight,
            first_content_ms: median(&known.times),
        }
    }
}

fn median(times: &[f64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(((lower + upper) * 500.0).round() / 1000.0)
}

fn unix_ms(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}

/// A request in flight.
#[derive(Debug)]
pub struct InFlight {
    row: Arc<Row>,
    started: Instant,
    had_content: bool,
}

impl InFlight {
    /// Notes the answer, or a stream's first content.
    pub fn first_content(&mut self) {
        if std::mem::replace(&mut self.had_content, true) {
            return;
        }
        let time = self.started.elapsed().as_secs_f64() * 1000.0;
        let mut known = lock(&self.row.known);
        let next = known.next_time;
        match known.times.get_mut(next) {
            Some(oldest) => *oldest = time,
            None => known.times.push(time),
        }
        known.next_time = (next + 1) % TIMES;
    }

    /// Notes a failure.
    pub fn failed(&mut self, failure: &Failure) {
        let last = LastFailure { kind: failure.kind, status: failure.status_code(), at: unix_ms(SystemTime::now()) };
        lock(&self.row.known).last_failure = Some(last);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        lock(&self.row.known).in_flight -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_content_ms(health: &Health) -> Option<f64> {
        health.read(&Breakers::default()).remove(0).first_content_ms
    }

    fn enter(health: &Health) -> InFlight {
        health.enter(&"openai".into(), "m", Endpoint::ChatCompletions, None)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_content_of_a_request_is_counted_once() {
        let health = Health::default();
        let mut request = enter(&health);
        for _ in 0..2 {
            tokio::time::advance(Duration::from_millis(10)).await;
            request.first_content();
        }
        assert_eq!(first_content_ms(&health), Some(10.0));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_last_times_of_the_first_content_count() {
        let health = Health::default();
        for time in [1, 100] {
            for _ in 0..TIMES {
                let mut request = enter(&health);
                tokio::time::advance(Duration::from_millis(time)).await;
                request.first_content();
            }
        }
        assert_eq!(first_content_ms(&health), Some(100.0));
    }

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }
}
