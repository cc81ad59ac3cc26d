//! Deadlines in a process that may have been stopped: by SIGSTOP, as a frozen function, or without CPU time.
//!
//! When a stopped process continues, its timers fire at once, although answers may have arrived in time and wait in socket buffers.
//! So after a late timer these are read before the deadline is enforced (contract.md, section 4).

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// A timer that fires this late means that the process was stopped.
const LATE: Duration = Duration::from_millis(100);
/// The time to read buffered data: several turns of the scheduler for a head, a body and its decoding.
const GRACE: Duration = Duration::from_millis(200);

/// The end of the grace period, once one has begun. Shared by the waits for one answer, so that there is only one.
pub(crate) type Grace = Option<Instant>;

/// The work's result, or `None` where it is not ready by the deadline. Cancel-safe if the work is. Pass large work pinned: an
/// `async fn` reserves memory for an argument twice.
pub(crate) async fn by<T>(deadline: Instant, grace: &mut Grace, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let began = Instant::now();
    if let Ok(result) = timeout_at(deadline, &mut work).await {
        return Some(result);
    }
    let now = Instant::now();
    if began < deadline && now > deadline + LATE {
        *grace = Some(now + GRACE);
    }
    let until = grace.filter(|until| now < *until)?;
    timeout_at(until, work).await.ok()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::task::yield_now;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn data_that_arrived_while_the_process_was_stopped_is_read() {
        let (sender, receiver) = oneshot::channel();
        let stopped = async {
            advance(10 * SECOND).await;
            yield_now().await;
            sender.send("arrived").unwrap();
        };
        let mut grace = None;
        let (read, ()) = tokio::join!(by(Instant::now() + SECOND, &mut grace, receiver), stopped);
        assert_eq!(read, Some(Ok("arrived")));
    }

    #[tokio::test(start_paused = true)]
    async fn data_that_has_not_arrived_by_then_is_late() {
        let (begun, mut grace) = (Instant::now(), None);
        let waited = by(begun + SECOND, &mut grace, std::future::pending::<()>());
        let (read, ()) = tokio::join!(waited, advance(10 * SECOND));
        assert_eq!((read, begun.elapsed()), (None, 10 * SECOND + GRACE));
        // The grace period is given once, however long the work goes on.
        assert_eq!(by(begun + SECOND, &mut grace, std::future::pending::<()>()).await, None);
        assert_eq!(begun.elapsed(), 10 * SECOND + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_fires_on_time_ends_the_wait() {
        let begun = Instant::now();
        assert_eq!(by(begun + SECOND, &mut None, std::future::pending::<()>()).await, None);
        assert_eq!(begun.elapsed(), SECOND);
    }
}
