//! Merges the chunks of a stream into one completion, for its report (contract.md, section 7, rules 1 to 7).
//!
//! Only a choice's `delta`, its `logprobs` and its arrays accumulate. Everything else is a snapshot: the last non-empty one counts.
//! People fine-tune on the reports, so the result is what the same provider would have answered without streaming.

mod chunk;
mod completion;
mod delta;
mod nodes;
mod trace;

use super::tree::{Object, inner};
use crate::endpoint::merge;
use crate::events::delta::{Encoding, Event};
use crate::text::json::Members;
pub use chunk::Shape;
use chunk::add_chunk;
use nodes::take_text;
use trace::{TextPath, Trace, at};

/// The most bytes that are kept of a stream. A report much larger than this would be refused anyway.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A completion as far as its chunks have arrived.
#[derive(Debug)]
pub struct Merge {
    shape: Shape,
    completion: Object,
    /// The bytes that may still be kept.
    room: usize,
    is_cut: bool,
    /// The paths to the last event's texts, in their order, if an event of the same shape changes exactly these texts.
    paths: Option<Vec<TextPath>>,
}

impl merge::Merge for Merge {
    /// An event that differs from the last one only in its texts is not parsed: its texts are written to the same places.
    fn add(&mut self, event: &Event) {
        match (&event.encoding, self.paths.take()) {
            (Encoding::Texts(texts), Some(paths)) => {
                for (path, text) in paths.iter().zip(texts.of(&event.data)) {
                    if !self.has_room(text.len()) {
                        break;
                    }
                    if let Some(node) = at(&mut self.completion, &path.steps) {
                        take_text(node, inner(text), path.joins);
                    }
                }
                self.paths = Some(paths);
            }
            (Encoding::Texts(texts), None) => {
                let trace = self.merge(&event.data, true);
                self.paths = trace.paths(texts, &event.data);
            }
            (Encoding::Whole | Encoding::Template(_), _) => {
                self.merge(&event.data, false);
            }
        }
    }

    fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn finish(self: Box<Self>) -> Option<String> {
        self.completion()
    }
}

impl Merge {
    /// An empty completion.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self::within(shape, MAX_BYTES)
    }

    /// An empty completion that keeps at most this many bytes.
    #[must_use]
    pub fn within(shape: Shape, bytes: usize) -> Self {
        Self { shape, completion: Object::default(), room: bytes, is_cut: false, paths: None }
    }

    /// Adds a chunk, given as JSON text. Anything but an object adds nothing.
    pub fn add_chunk(&mut self, chunk: &str) {
        self.paths = None;
        self.merge(chunk, false);
    }

    fn merge(&mut self, chunk: &str, records: bool) -> Trace {
        let is_cut = !self.has_room(chunk.len());
        let (room, steps, strings) = (self.room, Vec::new(), Vec::new());
        let mut trace = Trace { room, is_cut, records, steps, strings, grew: is_cut };
        if let Some(members) = Members::of(chunk).ok().filter(|_| !is_cut) {
            // Anything else is a keep-alive or unknown, and is ignored.
            if members.get("choices").is_some() || members.get_non_null("usage").is_some() {
                add_chunk(&mut self.completion, &members, self.shape, &mut trace);
            }
        }
        self.room = trace.room;
        self.is_cut |= trace.is_cut;
        trace
    }

    fn has_room(&mut self, bytes: usize) -> bool {
        self.is_cut |= bytes > self.room;
        self.room = self.room.saturating_sub(bytes);
        !self.is_cut
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
