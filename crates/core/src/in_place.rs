//! Work that takes long, on the runtime's own threads: there are few of them, and the deadlines of all calls are theirs too.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Reading a text of this many bytes takes about a millisecond.
pub const LARGE_BYTES: usize = 1024 * 1024;

/// Works on this many bytes. Where they are many, another thread takes over the other tasks of this one meanwhile.
pub fn in_place<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    // Another kind of runtime, as in tests, has nobody to take over.
    let can_move_on =
        || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LARGE_BYTES && can_move_on() && has_thread() { tokio::task::block_in_place(work) } else { work() }
}

/// Whether another thread is to be had (`RLIMIT_NPROC`), and one to spare: the system counts a thread for a moment after its end.
/// tokio gives away all that a thread has to do before it starts the other, and panics where it cannot: nobody would run the other
/// calls any more.
#[must_use]
pub fn has_thread() -> bool {
    let thread = || std::thread::Builder::new().stack_size(64 * 1024);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let first = thread().spawn(move || {
        // It ends with an error: nothing is sent.
        let _ = held.recv();
    });
    let second = thread().spawn(|| {});
    drop(hold);
    let are_there = first.is_ok() && second.is_ok();
    // Neither panics.
    [first, second].into_iter().flatten().for_each(|thread| drop(thread.join()));
    are_there
}

/// Must be the first `.await` after [`in_place`]: while this thread was blocked the runtime may have been shut down, and
/// its timers panic then; a task that gives way is not run again, but let go of. So is a call that was cancelled meanwhile.
pub async fn give_way(bytes: usize) {
    if bytes >= LARGE_BYTES {
        tokio::task::yield_now().await;
    }
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

    #[test]
    fn a_runtime_may_be_shut_down_meanwhile() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let task = runtime.spawn(async move {
            in_place(LARGE_BYTES, || {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
            });
            give_way(LARGE_BYTES).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
        has_begun.recv().unwrap();
        runtime.shutdown_background();
        // Time for the other thread to shut everything down.
        std::thread::sleep(Duration::from_millis(100));
        go_on.send(()).unwrap();

        let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = waiting.block_on(task).unwrap_err();
        assert!(error.is_cancelled(), "{error}");
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
