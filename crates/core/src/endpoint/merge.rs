//! The merge of a stream's events into one answer, for its report.

use crate::events::delta::Event;

/// Merges the events of one stream into an answer.
pub trait Merge: Send {
    /// Adds the next event.
    fn add(&mut self, event: &Event);

    /// Whether the size limit was reached, so that later events are missing.
    fn is_cut(&self) -> bool;

    /// The answer as JSON text; `None` where no event was added.
    fn finish(self: Box<Self>) -> Option<String>;
}
