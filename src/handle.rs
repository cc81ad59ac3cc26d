//! The handle of a running call, with which JavaScript cancels it, opens its window and answers its questions.

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
    /// Passes on an answer of JavaScript. It is dropped if its question is closed.
    pub(crate) fn answer(&self, ask: u32, answer: Answer) {
        if let Some(sender) = self.lock().get(&ask) {
            // The receiver may have been dropped meanwhile.
            let _ = sender.send(answer);
        }
    }

    /// The number of a new question, and the channel of its answers. The channel is bounded by what JavaScript was allowed to send.
    pub(crate) fn ask(&self) -> (u32, UnboundedReceiver<Answer>) {
        let (sender, answers) = unbounded_channel();
        let ask = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(ask, sender);
        (ask, answers)
    }

    /// Closes a question: later answers are dropped.
    pub(crate) fn close(&self, ask: u32) {
        self.lock().remove(&ask);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, UnboundedSender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
