//! Work that takes long, on the runtime's own threads: there are few of them, and the deadlines of all calls are theirs too.

use tokio::runtime::{Handle, RuntimeFlavor};

/// From here on a text takes a millisecond or more to be read.
const LARGE_BYTES: usize = 1024 * 1024;

/// Does some work on so many bytes. Where they are many, another thread meanwhile takes over what else this one has to do.
pub fn in_place<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    // Another kind of runtime, as in tests, has nobody to take over.
    let can_move_on =
        || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LARGE_BYTES && can_move_on() { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether a timer of the only thread is due while that thread works on so many bytes, for so long at most.
    async fn timers_run(bytes: usize, time: Duration) -> bool {
        let (due, is_due) = std::sync::mpsc::channel();
        let work = async move { in_place(bytes, || is_due.recv_timeout(time).is_ok()) };
        let timer = async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            // Nobody listens any more where the work was not waited for.
            let _ = due.send(());
        };
        let timer = Handle::current().spawn(timer);
        let worked = Handle::current().spawn(work).await.unwrap();
        timer.await.unwrap();
        worked
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn timers_run_while_a_large_text_is_read() {
        assert!(timers_run(LARGE_BYTES, Duration::from_secs(30)).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_quickly_done_is_done_at_once() {
        assert!(!timers_run(LARGE_BYTES - 1, Duration::from_millis(100)).await);
    }

    #[tokio::test]
    async fn where_nobody_can_take_over_the_work_is_done_all_the_same() {
        assert_eq!(in_place(LARGE_BYTES, || 5), 5);
    }

    #[test]
    fn so_it_is_without_a_runtime() {
        assert_eq!(in_place(LARGE_BYTES, || 5), 5);
    }
}
