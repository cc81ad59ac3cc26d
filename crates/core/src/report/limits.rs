//! The bounds of the queue of reports, in bytes, number and time.

use std::time::Duration;

/// The bounds of a reporter.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Queued reports, in bytes; a report beyond drops the oldest.
    pub queue_bytes: usize,
    /// Reports on their way at once while none waits for long: calls come first.
    pub concurrency: usize,
    /// Reports on their way at once when one has waited for long: a slow endpoint needs more of them.
    pub max_concurrency: usize,
    /// How long a report may wait in the queue until there are more.
    pub long_wait: Duration,
    /// Reports that follow each other within this time wait for the end of the rush …
    pub gap: Duration,
    /// … for this long at most.
    pub rush_wait: Duration,
    /// The time of one try.
    pub try_time: Duration,
    /// From the first try on, how long a report is tried again.
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
            rush_wait: Duration::from_secs(2),
            try_time: Duration::from_secs(10),
            retry_time: Duration::from_secs(30),
            patience: Duration::from_secs(5),
        }
    }
}
