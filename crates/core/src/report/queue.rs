//! The queue of reports, and the task that delivers it (contract.md, section 7).
//!
//! Reporting does not delay the caller: queueing costs a lock and a copy, and the outcome is only counted. Bounds: 64 MiB of queued
//! reports, 4 in flight to a destination (64 when one has waited for long), 10 s for a try, 30 s for a report.
//!
//! Calls have priority on a busy machine: a report costs as much as its call, so during a burst of calls the reports wait for a gap of
//! a few milliseconds. They wait for at most two seconds, and not if the queue is half full or being flushed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::counts::{Counts, Group};
use super::delivery::{Delivery, Listener, Outcome, Report};
use super::lanes::Queued;
use super::limits::Limits;
use super::shared::Shared;
use super::worker;

/// Queues reports and waits for them.
#[derive(Clone)]
pub struct Reporter {
    shared: Arc<Shared>,
    group: Arc<Group>,
}

impl Reporter {
    /// A reporter, and the future that delivers what it queues, which the owner must poll; it never ends by itself.
    pub fn new(
        limits: Limits,
        delivery: Arc<dyn Delivery>,
        listener: Arc<dyn Listener>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let shared = Arc::new(Shared::new(limits, listener));
        let reporter = Self { shared: Arc::clone(&shared), group: Arc::default() };
        (reporter, async move { worker::run(&shared, delivery.as_ref()).await })
    }

    /// A reporter of the same queue whose reports are counted for this group.
    #[must_use]
    pub fn of(&self, group: &Arc<Group>) -> Self {
        Self { shared: Arc::clone(&self.shared), group: Arc::clone(group) }
    }

    /// Notes the start of a call that may be reported. The call ends when the scope is dropped.
    #[must_use]
    pub fn scope(&self, call: u32) -> Scope {
        self.shared.lock().calls.entry(call).or_default().count += 1;
        Scope { reporter: self.clone(), call }
    }

    /// Notes that a call was cancelled. Its task may still queue a report, so it counts as pending until it ends: a flush right after
    /// does not miss that report.
    pub fn leave(&self, call: u32) {
        let mut state = self.shared.lock();
        let Some(pending) =
            state.calls.get_mut(&call).filter(|pending| !pending.was_cancelled && pending.over_at.is_none())
        else {
            return;
        };
        pending.was_cancelled = true;
        state.counts.pending += 1;
        self.group.lock().pending += 1;
    }

    /// Queues a report. Never waits: a full queue drops its oldest reports.
    pub fn queue(&self, report: Report) {
        let Limits { queue_bytes, gap, .. } = self.shared.limits;
        let queued = Queued { report, group: Arc::clone(&self.group) };
        let mut state = self.shared.lock();
        state.counts.pending += 1;
        self.group.lock().pending += 1;
        state.calls.entry(queued.report.call).or_default().count += 1;
        if queued.report.body.len() > queue_bytes {
            drop(state);
            // It would displace every other report and still not fit.
            return self.shared.settle(&queued, Outcome::Dropped(Some("it is larger than the queue")));
        }
        let gap_at = queued.report.queued_at + gap;
        if state.last_gap_at.replace(gap_at).is_some_and(|last| queued.report.queued_at < last) {
            state.burst_ends_at = Some(gap_at);
        }
        state.push(queued);
        let mut pushed_out = Vec::new();
        while state.queued_bytes > queue_bytes {
            let Some(oldest) = state.pop_of_longest() else { break };
            pushed_out.push(oldest);
        }
        drop(state);
        for queued in pushed_out {
            self.shared.settle(&queued, Outcome::Dropped(Some("the queue is full")));
        }
        self.shared.work.notify_one();
    }

    /// Notifies the listener once the reports of a call are settled, at the latest when `patience` ends.
    /// The caller must poll the future, which ends with the notification.
    pub fn watch(&self, call: u32) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let mut waited = false;
            loop {
                let until = {
                    let mut state = shared.lock();
                    let Some(pending) = state.calls.get_mut(&call) else { break };
                    // While `watched` is set `release` notifies the listener; it has done so where the flag is gone.
                    if waited && !pending.watched {
                        return;
                    }
                    let until = pending.over_at.map(|over| over + shared.limits.patience);
                    pending.watched = until.is_none_or(|until| Instant::now() < until);
                    until
                };
                waited = true;
                // `patience` begins with the end of the call; `release` notifies when the call is over and settled.
                match until {
                    None => sleep(shared.limits.patience).await,
                    Some(until) if Instant::now() >= until => return shared.listener.reported(call),
                    Some(until) => tokio::time::sleep_until(until).await,
                }
            }
            if !waited {
                shared.listener.reported(call);
            }
        }
    }

    /// The outcomes of the reports so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// Waits until no report of the group is pending, or until the time is up. Returns the outcomes since the last call.
    pub async fn flush_within(&self, time: Duration) -> Counts {
        // After the time is up, delivery of what is pending goes on.
        let _ = timeout(time, self.flushed()).await;
        self.group.take_counts()
    }

    async fn flushed(&self) {
        let _flushing = Flushing::of(&self.shared);
        loop {
            let idle = self.group.idle.notified();
            if self.group.lock().pending == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Waits until no report of any group is pending. Returns the outcomes of all reports so far.
    pub async fn flush(&self) -> Counts {
        let _flushing = Flushing::of(&self.shared);
        loop {
            let idle = self.shared.idle.notified();
            let counts = self.counts();
            if counts.pending == 0 {
                return counts;
            }
            idle.await;
        }
    }
}

/// Exists during a flush, in which reports do not wait for a gap between calls.
struct Flushing<'a>(&'a Shared);

impl<'a> Flushing<'a> {
    fn of(shared: &'a Shared) -> Self {
        shared.lock().flushing += 1;
        shared.work.notify_one();
        Self(shared)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.lock().flushing -= 1;
    }
}

/// Represents a running call; dropped when the call ends.
pub struct Scope {
    reporter: Reporter,
    call: u32,
}

impl Drop for Scope {
    fn drop(&mut self) {
        let shared = &self.reporter.shared;
        let mut state = shared.lock();
        let pending = state.calls.entry(self.call).or_default();
        pending.over_at = Some(Instant::now());
        // Its reports are queued by now, and counted as pending themselves.
        let was_cancelled = std::mem::take(&mut pending.was_cancelled);
        if was_cancelled {
            state.counts.pending -= 1;
        }
        drop(state);
        if was_cancelled {
            self.reporter.group.settle(|_| {});
        }
        shared.release(self.call);
        shared.notify_idle();
    }
}
