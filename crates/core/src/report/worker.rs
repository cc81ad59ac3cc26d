//! The task that delivers the queue: round-robin over the destinations, with calls having priority.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::delivery::Delivery;
use super::lanes::Queued;
use super::shared::Shared;
use super::tries;

/// The worker's next step.
enum Next {
    /// Deliver this report.
    Report(Queued),
    /// Wait until then, or until a report in flight has been delivered.
    WaitUntil(Instant),
    /// Wait until a report is queued or one in flight has been delivered.
    Wait,
}

/// Delivers the queued reports. Never ends by itself.
pub(super) async fn run(shared: &Shared, delivery: &dyn Delivery) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let wait = loop {
            match next(shared) {
                Next::Report(report) => under_way.push(deliver(shared, report, delivery)),
                Next::WaitUntil(at) => break Some(at),
                Next::Wait => break None,
            }
        };
        tokio::select! {
            Some(()) = under_way.next() => {}
            // A timed wait is short, and a new report does not shorten it.
            () = shared.work.notified(), if wait.is_none() => {}
            () = sleep_until(wait.unwrap_or_else(Instant::now)), if wait.is_some() => {}
        }
    }
}

/// The next report to send, round-robin over the lanes; else when to look again.
fn next(shared: &Shared) -> Next {
    let mut state = shared.lock();
    let state = &mut *state;
    state.lanes.retain(|lane| lane.under_way > 0 || !lane.queue.is_empty());
    let now = Instant::now();
    let presses = state.flushing > 0 || state.queued_bytes >= shared.limits.queue_bytes / 2;
    let burst_ends_at = state.burst_ends_at.filter(|_| !presses).unwrap_or(now);
    let (count, turn) = (state.lanes.len(), state.turn);
    let mut wait = None::<Instant>;
    for index in (turn..count).chain(0..turn.min(count)) {
        let Some(lane) = state.lanes.get_mut(index) else { continue };
        match lane.ready_at(&shared.limits, burst_ends_at, now) {
            Some(at) if at > now => wait = Some(wait.map_or(at, |wait| wait.min(at))),
            Some(_) => {
                let Some(queued) = lane.pop() else { continue };
                lane.under_way += 1;
                state.queued_bytes -= queued.report.body.len();
                state.turn = index + 1;
                return Next::Report(queued);
            }
            None => {}
        }
    }
    wait.map_or(Next::Wait, Next::WaitUntil)
}

async fn deliver(shared: &Shared, queued: Queued, delivery: &dyn Delivery) {
    let outcome = tries::outcome(shared, &queued.report, delivery).await;
    if let Some(lane) = shared.lock().lane(&queued.report.to) {
        lane.under_way -= 1;
    }
    shared.settle(&queued, outcome);
}
