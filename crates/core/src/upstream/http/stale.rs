//! Stale connections: those that a server closed while they were idle, just before a request was written to them.
//!
//! The error of a stale connection arrives a round trip after the request was written, but a busy runtime reads it later: after 0.7 s
//! in a burst of 2,000 calls on two cores. So time is not measured by the clock but by the turns of the runtime. One task of the pool
//! counts them in ticks. A late tick counts as one, because a late timer and an unread socket have waited equally long. A timer for
//! each request would cost more than the rest of this file.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// The most that one turn of the runtime counts.
const TICK: Duration = Duration::from_millis(50);
/// About one second: a round trip around the world, and time for a server that is busy when it closes connections (0.7 s under a burst
/// of 2,000 calls). After that the server may have worked on the request, which must not be sent twice.
const STALE_WITHIN_TICKS: u64 = 20;
/// However busy the runtime is, a request is not sent again after this.
const AT_MOST: Duration = Duration::from_secs(2);

/// The ticks in which the runtime had turns, counted while requests are young enough to need them.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    ticks: u64,
    /// The tick in which the latest request began.
    latest: u64,
    counting: Option<JoinHandle<()>>,
}

/// When a request began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    tick: u64,
    at: Instant,
}

impl Turns {
    /// Notes that a request begins.
    pub(super) fn begin(&self) -> Begun {
        let mut state = lock(&self.0);
        state.latest = state.ticks;
        if state.counting.as_ref().is_none_or(JoinHandle::is_finished) {
            #[expect(clippy::disallowed_methods, reason = "ends a second after the latest request began")]
            let counting = tokio::spawn(count(Arc::clone(&self.0)));
            state.counting = Some(counting);
        }
        Begun { tick: state.ticks, at: Instant::now() }
    }

    /// Whether a request took so little time until now that its failure may be that of a stale connection.
    pub(super) fn may_be_stale(&self, begun: Begun) -> bool {
        lock(&self.0).ticks - begun.tick < STALE_WITHIN_TICKS && begun.at.elapsed() < AT_MOST
    }
}

async fn count(state: Arc<Mutex<State>>) {
    loop {
        sleep(TICK).await;
        let mut state = lock(&state);
        state.ticks += 1;
        if state.ticks - state.latest >= STALE_WITHIN_TICKS {
            state.counting = None;
            return;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    async fn after(milliseconds: u32) -> bool {
        let turns = Turns::default();
        let begun = turns.begin();
        sleep(milliseconds * MILLISECOND).await;
        turns.may_be_stale(begun)
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_after_a_round_trip_may_be_of_a_stale_connection() {
        assert!(after(0).await);
        assert!(after(300).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_a_server_that_worked_is_none() {
        for milliseconds in [1001, 1200, 60_000] {
            assert!(!after(milliseconds).await, "{milliseconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_is_judged_by_its_own_beginning() {
        let turns = Turns::default();
        let first = turns.begin();
        sleep(700 * MILLISECOND).await;
        let second = turns.begin();
        sleep(700 * MILLISECOND).await;
        assert_eq!((turns.may_be_stale(first), turns.may_be_stale(second)), (false, true));
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_are_counted_again_after_a_pause() {
        let turns = Turns::default();
        turns.begin();
        sleep(60_000 * MILLISECOND).await;
        assert!(lock(&turns.0).counting.is_none(), "nothing ticks while no request is young");
        let begun = turns.begin();
        sleep(1001 * MILLISECOND).await;
        assert!(!turns.may_be_stale(begun));
    }

    #[test]
    fn ticks_are_counted_by_the_next_runtime_where_one_ended() {
        let turns = Turns::default();
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime().block_on(async { turns.begin() });
        runtime().block_on(async {
            let begun = turns.begin();
            sleep(1001 * MILLISECOND).await;
            assert!(!turns.may_be_stale(begun));
        });
    }

    /// An error that is there at once and seen by the third turn of a runtime whose turns take so long.
    async fn seen_late(turn: Duration) -> bool {
        let turns = Turns::default();
        let begun = turns.begin();
        for _ in 0..3 {
            advance(turn).await;
        }
        turns.may_be_stale(begun)
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_a_busy_runtime_takes_does_not_count() {
        assert!(seen_late(20 * MILLISECOND).await);
        assert!(seen_late(300 * MILLISECOND).await);
        assert!(!seen_late(900 * MILLISECOND).await, "at most two seconds");
    }
}
