//! Long computations on the runtime's few threads, which also run the timers of all calls (tokio's `block_in_place`).

use tokio::runtime::{Handle, RuntimeFlavor};

/// Parsing a text of this many bytes takes about a millisecond.
pub const LARGE_BYTES: usize = 1024 * 1024;

/// Runs `work`, which processes this many bytes. From [`LARGE_BYTES`] on, another thread takes over this thread's other tasks meanwhile.
pub fn in_place<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    // A single-threaded runtime, as in tests, has no thread to take over.
    let can_move_on =
        || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LARGE_BYTES && can_move_on() && has_thread() { tokio::task::block_in_place(work) } else { work() }
}

/// Whether two more threads can be started (`RLIMIT_NPROC`): one to take over, and one to spare, because the system still counts a
/// thread for a moment after its end. tokio hands over a thread's tasks before it starts the other thread, and panics if it cannot
/// start it: then nothing would run the other calls any more.
#[must_use]
pub fn has_thread() -> bool {
    let thread = || std::thread::Builder::new().stack_size(64 * 1024);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let first = thread().spawn(move || {
        // `recv` returns an error when the sender is dropped, which ends the thread.
        let _ = held.recv();
    });
    let second = thread().spawn(|| {});
    drop(hold);
    let are_there = first.is_ok() && second.is_ok();
    // Neither thread panics.
    [first, second].into_iter().flatten().for_each(|thread| drop(thread.join()));
    are_there
}

/// Must be the first `.await` after [`in_place`]: while this thread was blocked the runtime may have been shut down, and touching a
/// timer would panic. A task that yields is then dropped instead of resumed; so is a call that was cancelled meanwhile.
pub async fn give_way(bytes: usize) {
    if bytes >= LARGE_BYTES {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether a timer fires while the only thread works on this many bytes for this time.
    async fn timers_run(bytes: usize, time: Duration) -> bool {
        let (due, is_due) = std::sync::mpsc::channel();
        let work = async move { in_place(bytes, || is_due.recv_timeout(time).is_ok()) };
        let timer = async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            // The receiver is gone if the work was not waited for.
            let _ = due.send(());
        };
        let timer = Handle::current().spawn(timer);
        let worked = Handle::current().spawn(work).await.unwrap();
        timer.await.unwrap();
        worked
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn timers_fire_while_a_large_text_is_parsed() {
        assert!(timers_run(LARGE_BYTES, Duration::from_secs(30)).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_short_text_is_parsed_without_another_thread() {
        assert!(!timers_run(LARGE_BYTES - 1, Duration::from_millis(100)).await);
    }

    #[test]
    fn a_runtime_may_be_shut_down_during_the_work() {
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
    async fn the_work_is_done_also_on_a_runtime_of_one_thread() {
        assert_eq!(in_place(LARGE_BYTES, || 5), 5);
    }

    #[test]
    fn the_work_is_done_also_without_a_runtime() {
        assert_eq!(in_place(LARGE_BYTES, || 5), 5);
    }
}
