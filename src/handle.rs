//! The handle of a running call: JavaScript cancels it, opens its window and answers its questions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openpipe_core::call::Control;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::protocol::Answer;

/// A running call, from JavaScript's side.
#[derive(Default)]
pub(crate) struct Handle {
    /// Cancels it, and opens its stream's window.
    pub(crate) control: Arc<Control>,
    /// Questions to JavaScript that wait for answers.
    pub(crate) asks: Asks,
}

/// The questions of one call that wait for answers.
#[derive(Default)]
pub(crate) struct Asks {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, UnboundedSender<Answer>>>,
}

impl Asks {
    /// Takes an answer of JavaScript's. One that nobody waits for any more is dropped.
    pub(crate) fn answer(&self, ask: u32, answer: Answer) {
        if let Some(sender) = self.lock().get(&ask) {
            // The receiver may have been dropped meanwhile.
            let _ = sender.send(answer);
        }
    }

    /// A new question's number, and its answers. At most as many wait here as JavaScript was asked for.
    pub(crate) fn ask(&self) -> (u32, UnboundedReceiver<Answer>) {
        let (sender, answers) = unbounded_channel();
        let ask = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(ask, sender);
        (ask, answers)
    }

    /// Nobody waits for answers any more.
    pub(crate) fn close(&self, ask: u32) {
        self.lock().remove(&ask);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, UnboundedSender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
