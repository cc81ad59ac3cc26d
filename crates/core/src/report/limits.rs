//! The bounds of the report queue, in bytes, number and time.

use std::time::Duration;

/// The bounds of a reporter.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Queued reports, in bytes; beyond it the oldest report of the longest lane is dropped.
    pub queue_bytes: usize,
    /// The most reports in flight to one destination, usually: calls have priority.
    pub concurrency: usize,
    /// The most reports in flight to one destination when one has waited for `long_wait`: a slow endpoint needs more.
    pub max_concurrency: usize,
    /// How long a report waits in the queue before more may be in flight.
    pub long_wait: Duration,
    /// Reports that are queued within this time of each other are a burst, and wait for its end …
    pub gap: Duration,
    /// … for at most this long.
    pub burst_wait: Duration,
    /// The time of one try.
    pub try_time: Duration,
    /// How long after its first try a report is retried.
    pub retry_time: Duration,
    /// How long `reportingFinished` waits for a report after the end of its call.
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
            burst_wait: Duration::from_secs(2),
            try_time: Duration::from_secs(10),
            retry_time: Duration::from_secs(30),
            patience: Duration::from_secs(5),
        }
    }
}
