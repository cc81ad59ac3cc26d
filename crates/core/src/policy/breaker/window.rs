//! A sliding window of outcomes, counted in buckets that expire one by one.

use std::time::Duration;

use tokio::time::Instant;

/// The number of buckets; each expires as a whole.
const PARTS: usize = 10;

/// A sliding window of outcomes, counted in buckets.
#[derive(Debug)]
pub(super) struct Window {
    began: Instant,
    part: Duration,
    /// For each bucket its number, and its successes and failures.
    parts: [(u128, u32, u32); PARTS],
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let part = (length / PARTS as u32).max(Duration::from_nanos(1));
        Self { began: Instant::now(), part, parts: [(0, 0, 0); PARTS] }
    }

    /// The number of the present bucket.
    fn number(&self, now: Instant) -> u128 {
        now.saturating_duration_since(self.began).as_nanos() / self.part.as_nanos()
    }

    pub(super) fn add(&mut self, now: Instant, successes: u32, failures: u32) {
        let number = self.number(now);
        // The remainder is less than the length of the array.
        let Some(part) = self.parts.get_mut((number % PARTS as u128) as usize) else { return };
        if part.0 != number {
            *part = (number, 0, 0);
        }
        part.1 = part.1.saturating_add(successes);
        part.2 = part.2.saturating_add(failures);
    }

    pub(super) fn remove_success(&mut self) {
        if let Some(part) = self.parts.iter_mut().filter(|part| part.1 > 0).max_by_key(|part| part.0) {
            part.1 -= 1;
        }
    }

    /// Successes and failures in the window.
    pub(super) fn totals(&self, now: Instant) -> (u32, u32) {
        let number = self.number(now);
        let current = self.parts.iter().filter(|part| number - part.0.min(number) < PARTS as u128);
        current.fold((0, 0), |(successes, failures), part| {
            (successes.saturating_add(part.1), failures.saturating_add(part.2))
        })
    }
}
