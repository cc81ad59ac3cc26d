//! The state that the queue's users and its worker share, and the settling of a report that was delivered or given up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::delivery::{Listener, Outcome};
use super::lanes::{Queued, State};
use super::limits::Limits;

/// The queue's state, limits and notifications.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) listener: Arc<dyn Listener>,
    state: Mutex<State>,
    /// Notified when a report was queued or a flush began.
    pub(super) work: Notify,
    /// Notified when nothing is pending any more.
    pub(super) idle: Notify,
}

impl Shared {
    pub(super) fn new(limits: Limits, listener: Arc<dyn Listener>) -> Self {
        Self { limits, listener, state: Mutex::default(), work: Notify::new(), idle: Notify::new() }
    }

    /// Counts the outcome of a report, and notifies its waiters.
    pub(super) fn settle(&self, queued: &Queued, outcome: Outcome) {
        let warning = {
            let mut state = self.lock();
            state.counts.pending -= 1;
            match outcome {
                Outcome::Delivered => {
                    state.counts.delivered += 1;
                    None
                }
                Outcome::Dropped(why) => {
                    state.counts.dropped += 1;
                    why.and_then(|why| state.warning(why))
                }
                Outcome::Withheld => None,
            }
        };
        if let Some(warning) = warning {
            self.listener.warning(&warning);
        }
        queued.group.settle(|counts| match outcome {
            Outcome::Delivered => counts.delivered += 1,
            Outcome::Dropped(_) => counts.dropped += 1,
            Outcome::Withheld => {}
        });
        self.release(queued.report.call);
        self.notify_idle();
    }

    /// Wakes the flushes that wait until nothing is pending.
    pub(super) fn notify_idle(&self) {
        if self.lock().counts.pending == 0 {
            self.idle.notify_waiters();
        }
    }

    /// Notes that a call itself or one of its reports has ended; the last one notifies the watcher.
    pub(super) fn release(&self, call: u32) {
        let mut state = self.lock();
        let Some(pending) = state.calls.get_mut(&call) else { return };
        pending.count -= 1;
        if pending.count > 0 {
            return;
        }
        let watched = pending.watched;
        state.calls.remove(&call);
        drop(state);
        if watched {
            self.listener.reported(call);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
