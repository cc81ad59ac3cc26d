//! The chunks of a stream merged into the completion that they would have been, for its report. Pure.
//!
//! Everything is kept as JSON text and never decoded: a surrogate pair that was split over two events comes together again,
//! numbers stay what they were, and members that nobody here knows of are kept.
//!
//! The rules follow from how the API streams (and how openai-node's `ChatCompletionStream` accumulates):
//! members of a few names are pieces of a text and are joined; objects are merged; of arrays, elements with an `index`
//! are merged by it (choices, tool calls) and others appended (log probabilities); a choice without one is known by its place;
//! of everything else the last value that is not `null` counts.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::stream::delta::{Event, News, Texts};
use crate::text::json::{self, Members};

/// Members whose strings come in pieces.
const PIECES: [&str; 9] =
    ["content", "refusal", "reasoning", "reasoning_content", "thinking", "arguments", "input", "transcript", "data"];
/// Deeper than this a value is taken whole: no API nests its deltas so.
const MAX_DEPTH: usize = 12;
/// So many of an object's names and of an array's indices are searched: more no API has, and a hostile one must not cost the
/// square of its size. What is beyond is kept, but not merged.
const MAX_SEARCHED: usize = 256;
/// What is kept of a stream, in bytes. A report much larger than this would be refused anyway.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A completion as far as it has come.
#[derive(Debug, Default)]
pub struct Merge {
    completion: Object,
    bytes: usize,
    /// Where the texts of the last event went, in their order, if those of another like it would go there and nowhere else.
    ways: Option<Vec<Way>>,
}

/// The way to a text: the places of members and elements, from the completion on.
#[derive(Debug)]
struct Way {
    steps: Vec<usize>,
    /// The text is joined to what is there, and does not take its place.
    joins: bool,
}

/// What merging one chunk did, where somebody asks.
#[derive(Debug, Default)]
struct Trace {
    is_asked_for: bool,
    /// The way to what is merged now.
    steps: Vec<usize>,
    /// The strings that were merged, by the addresses of their text.
    strings: Vec<(*const u8, Way)>,
    /// Something was added, or became a text. What another chunk like it does may be something else.
    grew: bool,
}

/// A member's value.
#[derive(Debug)]
enum Node {
    /// Any value, as text.
    Raw(String),
    /// What is between the quotes of a string.
    Text(String),
    Object(Object),
    Array(Vec<Element>),
}

/// An array's element, by its `index` where it has one.
#[derive(Debug)]
struct Element {
    index: Option<u64>,
    node: Node,
}

/// Members in their order, by their names with quotes.
#[derive(Debug, Default)]
struct Object(Vec<(String, Node)>);

impl Merge {
    /// Adds a chunk, given as JSON text. What is no object adds nothing.
    pub fn add(&mut self, chunk: &str) {
        self.ways = None;
        self.merge(chunk, &mut Trace::default());
    }

    /// Adds a stream's next event. One that is like the last differs from it by its texts alone: where those go is known from
    /// merging the last, and nothing else of it is read.
    pub fn add_event(&mut self, event: &Event) {
        match (&event.news, self.ways.take()) {
            (News::Texts(texts), Some(ways)) => {
                if self.has_room(&event.data) {
                    for (way, text) in ways.iter().zip(texts.of(&event.data)) {
                        if let Some(node) = self.completion.at(&way.steps) {
                            node.take_text(inner(text), way.joins);
                        }
                    }
                }
                self.ways = Some(ways);
            }
            (News::Texts(texts), None) => {
                let mut trace = Trace { is_asked_for: true, ..Trace::default() };
                self.merge(&event.data, &mut trace);
                self.ways = trace.ways(texts, &event.data);
            }
            (News::All | News::Template(_), _) => self.add(&event.data),
        }
    }

    fn merge(&mut self, chunk: &str, trace: &mut Trace) {
        if !self.has_room(chunk) {
            return;
        }
        if let Ok(members) = serde_json::from_str::<Members<'_>>(chunk) {
            self.completion.merge(&members, 0, trace);
        }
    }

    fn has_room(&mut self, chunk: &str) -> bool {
        self.bytes = self.bytes.saturating_add(chunk.len());
        self.bytes <= MAX_BYTES
    }

    /// Whether so much came that the end is missing.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    /// The completion as JSON text, or `None` where nothing came.
    #[must_use]
    pub fn finish(mut self) -> Option<String> {
        if self.completion.0.is_empty() {
            return None;
        }
        self.completion.0.retain(|(name, _)| name != "\"obfuscation\"");
        if let Some(object) = self.completion.get_mut("\"object\"") {
            *object = Node::Text("chat.completion".into());
        }
        if let Some(Node::Array(choices)) = self.completion.get_mut("\"choices\"") {
            choices.sort_by_key(|choice| choice.index);
            for choice in choices {
                if let Node::Object(choice) = &mut choice.node {
                    choice.delta_to_message();
                }
            }
        }
        let mut out = String::with_capacity(self.bytes.min(64 * 1024));
        self.completion.write(&mut out);
        Some(out)
    }
}

impl Trace {
    fn enter(&mut self, place: usize) {
        if self.is_asked_for {
            self.steps.push(place);
        }
    }

    fn leave(&mut self) {
        self.steps.pop();
    }

    fn string(&mut self, text: &str, joins: bool) {
        if self.is_asked_for {
            self.strings.push((text.as_ptr(), Way { steps: self.steps.clone(), joins }));
        }
    }

    /// The ways of an event's texts, if merging another event like it is no more than to take its texts there.
    fn ways(self, texts: &Texts, data: &str) -> Option<Vec<Way>> {
        let is_of = |text: &str, string: *const u8| inner(text).as_ptr() == string;
        let mut strings = self.strings;
        let joins_more =
            strings.iter().any(|(string, way)| way.joins && !texts.of(data).any(|text| is_of(text, *string)));
        if self.grew || joins_more {
            return None;
        }
        let way = |text| Some(strings.swap_remove(strings.iter().position(|(string, _)| is_of(text, *string))?).1);
        texts.of(data).map(way).collect()
    }
}

impl Object {
    /// What a way leads to.
    fn at(&mut self, steps: &[usize]) -> Option<&mut Node> {
        let (first, rest) = steps.split_first()?;
        rest.iter().try_fold(&mut self.0.get_mut(*first)?.1, |node, step| match node {
            Node::Object(object) => Some(&mut object.0.get_mut(*step)?.1),
            Node::Array(array) => Some(&mut array.get_mut(*step)?.node),
            Node::Raw(_) | Node::Text(_) => None,
        })
    }

    fn get_mut(&mut self, quoted: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(name, _)| name == quoted).map(|(_, node)| node)
    }

    fn merge(&mut self, members: &Members<'_>, depth: usize, trace: &mut Trace) {
        for (name, value) in members.iter() {
            let known = self.0.iter().take(MAX_SEARCHED).position(|(known, _)| known == name.get());
            let place = known.unwrap_or_else(|| {
                trace.grew = true;
                self.0.push((name.get().to_owned(), Node::null()));
                self.0.len() - 1
            });
            if let Some((_, node)) = self.0.get_mut(place) {
                trace.enter(place);
                node.merge(name, value, depth, trace);
                trace.leave();
            }
        }
    }

    /// A chunk's choice has a `delta` where a completion's has a `message`.
    fn delta_to_message(&mut self) {
        if let Some((name, message)) = self.0.iter_mut().find(|(name, _)| name == "\"delta\"") {
            "\"message\"".clone_into(name);
            if let Node::Object(message) = message {
                message.strip_tool_indices();
                if message.get_mut("\"role\"").is_none() {
                    message.0.insert(0, ("\"role\"".into(), Node::Text("assistant".into())));
                }
            }
        }
    }

    /// Tool calls are numbered while they are streamed, and only then.
    fn strip_tool_indices(&mut self) {
        if let Some(Node::Array(calls)) = self.get_mut("\"tool_calls\"") {
            calls.sort_by_key(|call| call.index);
            for call in calls {
                if let Node::Object(call) = &mut call.node {
                    call.0.retain(|(name, _)| name != "\"index\"");
                }
            }
        }
    }

    fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (name, node)) in self.0.iter().enumerate() {
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

impl Node {
    fn null() -> Self {
        Self::Raw("null".into())
    }

    fn merge(&mut self, name: &RawValue, value: &RawValue, depth: usize, trace: &mut Trace) {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'n') => {}
            Some(b'{') if depth < MAX_DEPTH => {
                if let Ok(members) = serde_json::from_str::<Members<'_>>(text) {
                    self.as_object().merge(&members, depth + 1, trace);
                }
            }
            Some(b'[') if depth < MAX_DEPTH => {
                if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) {
                    // Tool calls without an index come whole, each once; choices come in every chunk (see chunk.rs).
                    let is_placed = depth == 0 && json::is_quoted(name.get(), "choices");
                    self.append(&elements, is_placed, depth + 1, trace);
                }
            }
            Some(b'"') => {
                let joins = PIECES.iter().any(|piece| json::is_quoted(name.get(), piece));
                trace.grew |= !matches!(self, Self::Text(_));
                trace.string(inner(text), joins);
                self.take_text(inner(text), joins);
            }
            _ => match self {
                Self::Raw(whole) => text.clone_into(whole),
                other => *other = Self::Raw(text.to_owned()),
            },
        }
    }

    fn take_text(&mut self, text: &str, joins: bool) {
        match self {
            // A name or an id is not taken back by an empty one in a later chunk.
            Self::Text(_) if text.is_empty() => {}
            Self::Text(whole) if joins => whole.push_str(text),
            // Most members say the same in every chunk.
            Self::Text(whole) => text.clone_into(whole),
            other => *other = Self::Text(text.to_owned()),
        }
    }

    fn as_object(&mut self) -> &mut Object {
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Object::default());
        }
        let Self::Object(object) = self else { unreachable!("it was just made one") };
        object
    }

    fn append(&mut self, elements: &[&RawValue], is_placed: bool, depth: usize, trace: &mut Trace) {
        if !matches!(self, Self::Array(_)) {
            *self = Self::Array(Vec::new());
        }
        let Self::Array(array) = self else { unreachable!("it was just made one") };
        for (element, place) in elements.iter().zip(0..) {
            let members = serde_json::from_str::<Members<'_>>(element.get()).ok();
            let index = members.as_ref().and_then(|members| members.get("index")?.get().parse::<u64>().ok());
            let index = index.or(is_placed.then_some(place));
            let Some((members, index)) = members.zip(index) else {
                trace.grew = true;
                array.push(Element { index: None, node: Self::Raw(element.get().to_owned()) });
                continue;
            };
            let known = array.iter().take(MAX_SEARCHED).position(|element| element.index == Some(index));
            let known = known.unwrap_or_else(|| {
                trace.grew = true;
                array.push(Element { index: Some(index), node: Self::null() });
                array.len() - 1
            });
            if let Some(element) = array.get_mut(known) {
                trace.enter(known);
                element.node.as_object().merge(&members, depth, trace);
                trace.leave();
            }
        }
    }

    fn write(&self, out: &mut String) {
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

/// What is between the quotes of a JSON string.
fn inner(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
