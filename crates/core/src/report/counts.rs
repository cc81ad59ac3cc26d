//! Counts the outcomes of reports, of all and of each client.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

/// The outcomes of the reports so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Delivered.
    pub delivered: u64,
    /// Given up: refused, tried for too long, or pushed out of a full queue.
    pub dropped: u64,
    /// Queued or on their way; and one for each call that is being left and may still report.
    pub pending: u64,
    /// Tries beyond the first.
    pub retried: u64,
}

/// The reports of one client and of those made from it, counted apart from others'.
#[derive(Debug, Default)]
pub struct Group {
    pub(super) counts: Mutex<Counts>,
    /// Nothing of it is pending any more.
    pub(super) idle: Notify,
}

impl Group {
    pub(super) fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcomes of the group's reports since the last call; pending reports stay pending.
    pub fn take_counts(&self) -> Counts {
        let mut counts = self.lock();
        let taken = *counts;
        *counts = Counts { pending: taken.pending, ..Counts::default() };
        taken
    }

    pub(super) fn settle(&self, settled: impl FnOnce(&mut Counts)) {
        let mut counts = self.lock();
        counts.pending -= 1;
        settled(&mut counts);
        if counts.pending == 0 {
            self.idle.notify_waiters();
        }
    }
}
