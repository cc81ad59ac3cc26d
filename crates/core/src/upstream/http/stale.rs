//! Stale connections: those that a server closed while they were idle, just before a request was written to them.
//!
//! The error of a stale connection is there a round trip after the request was written, but is seen only when the runtime gets round
//! to it: in a burst of 2,000 calls on two busy cores that took 0.7 s. So what counts is not the time on the clock but the time in
//! which the runtime had turns: a tick that comes late counts as one tick, since a late timer and an unread socket have waited alike.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// The most that one turn of the runtime counts.
const TICK: Duration = Duration::from_millis(50);
/// A round trip to the other side of the world, and as much again for a server that is busy itself when it closes connections:
/// one that did so under a burst of 2,000 calls took 0.7 s. An error that takes longer may be of a server that has worked on the
/// request, which must not be sent twice.
const STALE_WITHIN: Duration = Duration::from_secs(1);
/// However busy the runtime is, a request is not sent again after this.
const AT_MOST: Duration = Duration::from_secs(2);

/// Does the work, and says whether it took so little time that its failure may be that of a stale connection.
pub(super) async fn watched<T>(mut work: Pin<&mut impl Future<Output = T>>) -> (T, bool) {
    let begun = Instant::now();
    let (mut counted, mut tick) = (Duration::ZERO, begun);
    while counted < STALE_WITHIN {
        // The work is polled before the timer: what is there after a late turn is read first.
        if let Ok(done) = timeout(TICK, &mut work).await {
            let counted = counted + tick.elapsed().min(TICK);
            return (done, counted < STALE_WITHIN && begun.elapsed() < AT_MOST);
        }
        counted += TICK;
        tick = Instant::now();
    }
    (work.await, false)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::sync::oneshot;
    use tokio::time::{advance, sleep};

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn an_error_after_a_round_trip_may_be_of_a_stale_connection() {
        assert!(watched(pin!(async {})).await.1);
        assert!(watched(pin!(sleep(300 * MILLISECOND))).await.1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_a_server_that_worked_is_none() {
        for milliseconds in [1001, 1200, 60_000] {
            assert!(!watched(pin!(sleep(milliseconds * MILLISECOND))).await.1, "{milliseconds}");
        }
    }

    /// An error that is there at once and seen by the third turn of a runtime whose turns take so long.
    async fn seen_late(turn: Duration) -> bool {
        let (error, seen) = oneshot::channel::<()>();
        let busy = async {
            for _ in 0..3 {
                advance(turn).await;
            }
            drop(error);
        };
        let seen = pin!(seen);
        tokio::join!(watched(seen), busy).0.1
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_a_busy_runtime_takes_does_not_count() {
        assert!(seen_late(20 * MILLISECOND).await);
        assert!(seen_late(300 * MILLISECOND).await);
        assert!(!seen_late(900 * MILLISECOND).await, "at most two seconds");
    }
}
