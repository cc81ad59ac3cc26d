//! Records where a chunk's texts were written, so that a chunk of the same shape can be merged without parsing it.

use super::super::tree::{Node, Object, inner};
use crate::events::delta::Texts;

/// The memory that a member or element takes beside its text, in bytes.
const NODE_COST: usize = 192;

/// The path to a text: the places of members and elements, starting from the completion.
#[derive(Debug)]
pub(super) struct TextPath {
    pub(super) steps: Vec<usize>,
    /// The text is joined to the one that is there; else it replaces it.
    pub(super) joins: bool,
}

/// The trace of one chunk's merge.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) room: usize,
    pub(super) is_cut: bool,
    /// Whether the paths of the texts are recorded.
    pub(super) records: bool,
    /// The path to the value that is being merged.
    pub(super) steps: Vec<usize>,
    /// The paths of the strings that were merged, by the addresses of their text in the chunk.
    pub(super) strings: Vec<(*const u8, TextPath)>,
    /// A member was added, or became a text: a chunk of the same shape would be merged differently.
    pub(super) grew: bool,
}

impl Trace {
    pub(super) fn enter(&mut self, place: usize) {
        if self.records {
            self.steps.push(place);
        }
    }

    pub(super) fn leave(&mut self) {
        self.steps.pop();
    }

    pub(super) fn string(&mut self, text: &str, joins: bool) {
        if self.records {
            self.strings.push((text.as_ptr(), TextPath { steps: self.steps.clone(), joins }));
        }
    }

    /// Reserves room for a new member or element. Returns whether there was room.
    pub(super) fn reserve(&mut self) -> bool {
        self.grew = true;
        self.is_cut |= self.room < NODE_COST;
        self.room = self.room.saturating_sub(NODE_COST);
        !self.is_cut
    }

    /// The paths of an event's texts; `None` unless merging an event of the same shape would write these texts and nothing else.
    pub(super) fn paths(self, texts: &Texts, data: &str) -> Option<Vec<TextPath>> {
        let is_of = |text: &str, string: *const u8| inner(text).as_ptr() == string;
        let mut strings = self.strings;
        let joins_more =
            strings.iter().any(|(string, path)| path.joins && !texts.of(data).any(|text| is_of(text, *string)));
        if self.grew || joins_more {
            return None;
        }
        let path = |text| Some(strings.swap_remove(strings.iter().position(|(string, _)| is_of(text, *string))?).1);
        texts.of(data).map(path).collect()
    }
}

/// The node at the end of a path.
pub(super) fn at<'a>(object: &'a mut Object, steps: &[usize]) -> Option<&'a mut Node> {
    let (first, rest) = steps.split_first()?;
    rest.iter().try_fold(object.node_at(*first)?, |node, step| match node {
        Node::Object(object) => object.node_at(*step),
        Node::Array(array) => Some(&mut array.get_mut(*step)?.node),
        Node::Raw(_) | Node::Text(_) => None,
    })
}
