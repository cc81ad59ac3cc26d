//! A JSON tree whose texts can grow, into which chunks are merged. Nothing is decoded, so a surrogate pair that was split over two
//! events is joined again, numbers stay as they were written, and unknown members are kept.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::text::json;

/// An object with more members than this has a hash table of them, so that merging stays linear.
const SEARCHED: usize = 32;

/// A value.
#[derive(Debug)]
pub(super) enum Node {
    /// Any value, as text.
    Raw(String),
    /// A string, without its quotes and with its escapes.
    Text(String),
    Object(Object),
    Array(Vec<Element>),
}

/// A part of an array.
#[derive(Debug)]
pub(super) struct Element {
    /// Its `index`, where it has one.
    pub(super) index: Option<u64>,
    /// Its value. A run of elements that are never merged is one `Raw`, with commas, so that it takes no more memory than its text.
    pub(super) node: Node,
}

/// Members in their order, by their names with quotes. Names are unique.
#[derive(Debug, Default)]
pub(super) struct Object {
    members: Vec<(String, Node)>,
    places: HashMap<String, usize>,
}

impl Node {
    pub(super) fn null() -> Self {
        Self::Raw("null".into())
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Raw(text) if text == "null")
    }

    /// The text of a string without its quotes; empty for any other value.
    pub(super) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// The bytes that [`Node::write`] adds.
    pub(super) fn written_len(&self) -> usize {
        match self {
            Self::Raw(text) => text.len(),
            Self::Text(inner) => inner.len() + 2,
            Self::Object(object) => object.written_len(),
            Self::Array(elements) => {
                1 + elements.iter().map(|element| element.node.written_len() + 1).sum::<usize>().max(1)
            }
        }
    }

    /// Its JSON text, in a buffer of exactly that size.
    pub(super) fn written(&self) -> String {
        let mut out = String::with_capacity(self.written_len());
        self.write(&mut out);
        out
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::Text(inner) => {
                out.push('"');
                out.push_str(inner);
                out.push('"');
            }
            Self::Object(object) => object.write(out),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.node.write(out);
                }
                out.push(']');
            }
        }
    }
}

impl Object {
    /// The bytes that [`Object::write`] adds.
    pub(super) fn written_len(&self) -> usize {
        1 + self.members.iter().map(|(name, node)| name.len() + node.written_len() + 2).sum::<usize>().max(1)
    }

    /// The position of a member. Its name has quotes, and no needless escapes.
    pub(super) fn place(&self, quoted: &str) -> Option<usize> {
        if self.members.len() > SEARCHED {
            return self.places.get(quoted).copied();
        }
        self.members.iter().position(|(name, _)| name == quoted)
    }

    /// Adds a new member. Returns its position.
    pub(super) fn push(&mut self, quoted: String, node: Node) -> usize {
        let place = self.members.len();
        self.members.push((quoted, node));
        if place == SEARCHED {
            self.note_places();
        } else if let Some((name, _)) = self.members.last().filter(|_| place > SEARCHED) {
            self.places.insert(name.clone(), place);
        }
        place
    }

    pub(super) fn node_at(&mut self, place: usize) -> Option<&mut Node> {
        self.members.get_mut(place).map(|(_, node)| node)
    }

    pub(super) fn get(&self, quoted: &str) -> Option<&Node> {
        self.members.get(self.place(quoted)?).map(|(_, node)| node)
    }

    pub(super) fn get_mut(&mut self, quoted: &str) -> Option<&mut Node> {
        self.place(quoted).and_then(|place| self.node_at(place))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, Node)> {
        self.members.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Removes a member.
    pub(super) fn remove(&mut self, quoted: &str) -> Option<Node> {
        let place = self.place(quoted)?;
        let (_, node) = self.members.remove(place);
        self.note_places();
        Some(node)
    }

    /// Rebuilds the hash table, if there is one.
    fn note_places(&mut self) {
        if self.members.len() > SEARCHED {
            self.places = self.members.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        }
    }

    /// Sets a member, in its place or, if it is new, before all others.
    pub(super) fn set(&mut self, quoted: &str, node: Node) {
        match self.get_mut(quoted) {
            Some(known) => *known = node,
            None => {
                self.push(quoted.to_owned(), node);
            }
        }
    }

    /// Inserts a member before all others.
    pub(super) fn prepend(&mut self, quoted: &str, node: Node) {
        self.members.insert(0, (quoted.to_owned(), node));
        self.note_places();
    }

    /// Gives a member another name, in its place.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(place) = self.place(from)
            && let Some((name, _)) = self.members.get_mut(place)
        {
            to.clone_into(name);
            self.note_places();
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (name, node)) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            // Writing to a `String` cannot fail.
            let _ = write!(out, "{name}:");
            node.write(out);
        }
        out.push('}');
    }
}

/// A member's name with quotes and without needless escapes, so that equal names are equal texts.
pub(super) fn plain_name(quoted: &str) -> String {
    if quoted.contains('\\') {
        return json::canonical(quoted).unwrap_or_else(|| quoted.to_owned());
    }
    quoted.to_owned()
}

/// A JSON string without its quotes.
pub(super) fn inner(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}
