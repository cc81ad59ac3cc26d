//! Counts the outcomes of reports, in total and for each family of clients.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

/// The outcomes of the reports so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Delivered.
    pub delivered: u64,
    /// Given up: refused, retried for too long, or dropped from a full queue.
    pub dropped: u64,
    /// Queued or in flight; plus one for each cancelled call that may still report.
    pub pending: u64,
    /// Tries after the first.
    pub retried: u64,
}

/// The counts of one client and of the clients made from it.
#[derive(Debug, Default)]
pub struct Group {
    pub(super) counts: Mutex<Counts>,
    /// Notified when nothing of the group is pending any more.
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
