//! The handle of a running call: the host cancels the call, and reports what the reader of its stream has consumed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::record::{Aborted, Recorder};
use crate::report::Reporter;

/// The window: how many bytes of a stream may wait in the host for its reader.
const WINDOW_BYTES: usize = 256 * 1024;

/// A handle by which the host cancels a running call and opens its stream's window.
#[derive(Default)]
pub struct Control {
    stopped: CancellationToken,
    /// On cancellation, counts the call's report as pending: the task ends later, on another thread.
    reporter: OnceLock<(Reporter, u32)>,
    pub(super) window: Window,
    pub(super) record: Recorder,
}

impl Control {
    /// Cancels the call: drops its request, closes its connection, and sends no more events.
    pub fn cancel(&self) {
        if let Some((reporter, call)) = self.reporter.get() {
            reporter.leave(*call);
        }
        self.stopped.cancel();
    }

    /// Returns once the call is cancelled.
    pub async fn cancelled(&self) {
        self.stopped.cancelled().await;
    }

    /// The record of a cancelled call up to now; `None` where no target was tried.
    #[must_use]
    pub fn aborted(&self) -> Option<Aborted> {
        self.record.lock().aborted()
    }

    /// Notes that the reader consumed this many bytes of events, and opens the window by this many.
    pub fn consumed(&self, bytes: usize) {
        self.window.give(bytes);
    }

    pub(super) fn report_to(&self, reporter: &Reporter, call: u32) {
        // Set once: a control has one call.
        let _ = self.reporter.set((reporter.clone(), call));
    }
}

/// The bytes of a stream that its reader has not consumed.
#[derive(Default)]
pub(super) struct Window {
    outstanding: AtomicUsize,
    room: Notify,
}

impl Window {
    fn give(&self, bytes: usize) {
        // Saturating: a host that counts bytes twice must not wrap the counter and open the window for ever.
        let _ =
            self.outstanding.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.saturating_sub(bytes)));
        self.room.notify_one();
    }

    pub(super) fn take(&self, bytes: usize) {
        self.outstanding.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) async fn until_open(&self) {
        while self.outstanding.load(Ordering::Acquire) >= WINDOW_BYTES {
            self.room.notified().await;
        }
    }
}
