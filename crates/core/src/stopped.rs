//! Deadlines in a process that may have been stopped: by SIGSTOP, as a frozen function, or for want of CPU time.
//!
//! A process that goes on after its deadlines finds its timers due at once, and what arrived meanwhile in the buffers of its
//! sockets. That is not late: it is read before anything is called silent (contract.md, section 4).

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// A timer that is due by so much too late was not the only thing that stood still.
const LATE: Duration = Duration::from_millis(100);
/// What it takes to read what has arrived: several turns of the scheduler for a head, a body and its decoding.
const GRACE: Duration = Duration::from_millis(200);

/// The time up to which what had arrived may still be read. Kept between the waits for one answer.
pub(crate) type Grace = Option<Instant>;

/// The work's result, or `None` where it does not come by the deadline. Cancel-safe if the work is.
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
    async fn what_arrived_while_the_process_was_stopped_is_read() {
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
    async fn what_has_not_arrived_by_then_is_late() {
        let (begun, mut grace) = (Instant::now(), None);
        let waited = by(begun + SECOND, &mut grace, std::future::pending::<()>());
        let (read, ()) = tokio::join!(waited, advance(10 * SECOND));
        assert_eq!((read, begun.elapsed()), (None, 10 * SECOND + GRACE));
        // It is given once, however long the work goes on.
        assert_eq!(by(begun + SECOND, &mut grace, std::future::pending::<()>()).await, None);
        assert_eq!(begun.elapsed(), 10 * SECOND + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_due_in_time_is_the_end() {
        let begun = Instant::now();
        assert_eq!(by(begun + SECOND, &mut None, std::future::pending::<()>()).await, None);
        assert_eq!(begun.elapsed(), SECOND);
    }
}
