//! The queue's state: one lane (queue) per destination, and the calls whose reports are pending.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::counts::{Counts, Group};
use super::delivery::Report;
use super::limits::Limits;
use super::sinks::Destination;

/// The state of the queue, behind its lock.
#[derive(Default)]
pub(super) struct State {
    /// The destinations of reports that are queued or in flight. Each has a queue of its own, so that a slow one delays no other.
    pub(super) lanes: Vec<Lane>,
    /// The lane that is served next.
    pub(super) turn: usize,
    pub(super) queued_bytes: usize,
    pub(super) counts: Counts,
    /// Calls that are running or whose reports are pending, by number.
    pub(super) calls: HashMap<u32, PendingCall>,
    /// A report that is queued before this time is part of a burst …
    pub(super) last_gap_at: Option<Instant>,
    /// … which ends at this time, unless another report is queued.
    pub(super) burst_ends_at: Option<Instant>,
    /// How many flushes are waiting.
    pub(super) flushing: usize,
    pub(super) dropped_since_warning: u64,
    pub(super) warned_at: Option<Instant>,
}

/// A queued report, and the group that counts it.
pub(super) struct Queued {
    pub(super) report: Report,
    pub(super) group: Arc<Group>,
}

/// The reports to one destination.
pub(super) struct Lane {
    pub(super) to: Destination,
    pub(super) queue: VecDeque<Queued>,
    pub(super) bytes: usize,
    pub(super) under_way: usize,
}

impl Lane {
    pub(super) fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.bytes -= queued.report.body.len();
        Some(queued)
    }

    /// When the next report may be sent; `None` where one in flight has to finish first, or there is none.
    pub(super) fn ready_at(&self, limits: &Limits, burst_ends_at: Instant, now: Instant) -> Option<Instant> {
        let queued_at = self.queue.front()?.report.queued_at;
        if self.under_way >= limits.max_concurrency {
            return None;
        }
        let rush = burst_ends_at.min(queued_at + limits.burst_wait);
        if now < rush {
            return Some(rush);
        }
        let has_room = self.under_way < limits.concurrency;
        Some(if has_room { now } else { queued_at + limits.long_wait })
    }
}

/// A call whose reports are pending.
#[derive(Default)]
pub(super) struct PendingCall {
    /// The call itself, while it runs, and each of its reports.
    pub(super) count: usize,
    /// [`super::queue::Reporter::watch`] waits for its reports.
    pub(super) watched: bool,
    /// It was cancelled, and counts as pending until its task has ended.
    pub(super) was_cancelled: bool,
    /// When the call ended.
    pub(super) over_at: Option<Instant>,
}

impl State {
    pub(super) fn lane(&mut self, to: &Destination) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.to.is_same_place(to))
    }

    pub(super) fn push(&mut self, queued: Queued) {
        let bytes = queued.report.body.len();
        self.queued_bytes += bytes;
        if let Some(lane) = self.lane(&queued.report.to) {
            lane.bytes += bytes;
            lane.queue.push_back(queued);
            return;
        }
        let to = queued.report.to.clone();
        self.lanes.push(Lane { to, queue: VecDeque::from([queued]), bytes, under_way: 0 });
    }

    /// Removes the oldest report of the lane with the most bytes.
    pub(super) fn pop_of_longest(&mut self) -> Option<Queued> {
        let queued = self.lanes.iter_mut().max_by_key(|lane| lane.bytes)?.pop()?;
        self.queued_bytes -= queued.report.body.len();
        Some(queued)
    }

    pub(super) fn warning(&mut self, why: &str) -> Option<String> {
        const EVERY: Duration = Duration::from_secs(60);
        self.dropped_since_warning += 1;
        let now = Instant::now();
        if self.warned_at.is_some_and(|at| now - at < EVERY) {
            return None;
        }
        self.warned_at = Some(now);
        let count = std::mem::take(&mut self.dropped_since_warning);
        Some(format!("{count} report(s) of calls were given up: {why}"))
    }
}
