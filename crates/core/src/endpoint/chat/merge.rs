//! The chunks of a stream merged into the completion that they would have been, for its report (contract.md, section 7, rules 1 to 7).
//!
//! Only a choice's `delta`, its `logprobs` and its arrays grow. Everything else is a snapshot: the last one that holds something
//! counts. People fine-tune on what comes of it, so it is what the same provider would have answered without streaming.

use serde_json::value::RawValue;

use super::finish::Finish;
use super::members::{self, Key, Role};
use super::tree::{Element, Node, Object, inner, plain_name};
use crate::endpoint;
use crate::events::delta::{Event, News, Texts};
use crate::text::json::{self, Members};

/// Deeper than this a value is taken whole: no API nests its deltas so.
const MAX_DEPTH: usize = 12;
/// So many of an array's elements are searched for the one that a piece belongs to. What is beyond is kept, but not merged.
const MAX_SEARCHED: usize = 256;
/// What is kept of a stream, in bytes. A report much larger than this would be refused anyway.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// What a member or element takes beside its text, in a list that grows.
const NODE_COST: usize = 192;

/// What a choice of a chunk has its text in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `delta`, which becomes the `message`.
    Delta,
    /// `text`, joined.
    Text,
}

/// A completion as far as it has come.
#[derive(Debug)]
pub struct Merge {
    shape: Shape,
    completion: Object,
    /// The bytes that may still be kept.
    room: usize,
    is_cut: bool,
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

/// What merging one chunk does.
#[derive(Debug)]
struct Trace {
    room: usize,
    is_cut: bool,
    /// Somebody wants to know where the texts go.
    is_asked_for: bool,
    /// The way to what is merged now.
    steps: Vec<usize>,
    /// The strings that were merged, by the addresses of their text.
    strings: Vec<(*const u8, Way)>,
    /// Something was added, or became a text. What another chunk like it does may be something else.
    grew: bool,
}

impl endpoint::Merge for Merge {
    /// One that is like the last differs from it by its texts alone: where those go is known from merging the last, and nothing
    /// else of it is read.
    fn add(&mut self, event: &Event) {
        match (&event.news, self.ways.take()) {
            (News::Texts(texts), Some(ways)) => {
                if self.has_room(texts.of(&event.data).map(str::len).sum()) {
                    for (way, text) in ways.iter().zip(texts.of(&event.data)) {
                        if let Some(node) = at(&mut self.completion, &way.steps) {
                            take_text(node, inner(text), way.joins);
                        }
                    }
                }
                self.ways = Some(ways);
            }
            (News::Texts(texts), None) => {
                let trace = self.merge(&event.data, true);
                self.ways = trace.ways(texts, &event.data);
            }
            (News::All | News::Template(_), _) => {
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
    /// Nothing yet.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self::within(shape, MAX_BYTES)
    }

    /// The same, of which no more than so many bytes are kept.
    #[must_use]
    pub fn within(shape: Shape, bytes: usize) -> Self {
        Self { shape, completion: Object::default(), room: bytes, is_cut: false, ways: None }
    }

    /// Adds a chunk, given as JSON text. What is no object adds nothing.
    pub fn add_chunk(&mut self, chunk: &str) {
        self.ways = None;
        self.merge(chunk, false);
    }

    fn merge(&mut self, chunk: &str, is_asked_for: bool) -> Trace {
        let is_cut = !self.has_room(chunk.len());
        let (room, steps, strings) = (self.room, Vec::new(), Vec::new());
        let mut trace = Trace { room, is_cut, is_asked_for, steps, strings, grew: is_cut };
        if let Some(members) = Members::of(chunk).ok().filter(|_| !is_cut) {
            // A ping adds nothing.
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

    /// The completion as JSON text, or `None` where nothing came.
    #[must_use]
    pub fn completion(mut self) -> Option<String> {
        let completion = &mut self.completion;
        if completion.is_empty() {
            return None;
        }
        completion.remove("\"obfuscation\"");
        if self.shape == Shape::Delta && completion.get("\"object\"").is_some() {
            completion.set("\"object\"", Node::Text("chat.completion".into()));
        }
        let mut usage = None;
        if let Some(Node::Array(choices)) = completion.get_mut("\"choices\"") {
            choices.sort_by_key(|choice| choice.index);
            for choice in choices {
                if let Node::Object(choice) = &mut choice.node {
                    if self.shape == Shape::Delta {
                        delta_to_message(choice);
                    }
                    usage =
                        usage.or_else(|| choice.get("\"usage\"").filter(|usage| !usage.is_null()).map(Node::written));
                }
            }
        }
        take_usage(completion, usage);
        let mut out = String::with_capacity(completion.written_len());
        completion.write(&mut out);
        Some(out)
    }
}

/// Rule 7: the usage of a choice or of `x_groq` is the completion's, where it has none.
fn take_usage(completion: &mut Object, of_choice: Option<String>) {
    if completion.get("\"usage\"").is_some_and(|usage| !usage.is_null()) {
        return;
    }
    let groq = completion.get("\"x_groq\"").map(Node::written);
    let groq = groq.as_deref().and_then(|text| serde_json::from_str::<Members<'_>>(text).ok());
    let of_groq = groq.as_ref().and_then(|groq| groq.get_non_null("usage")).map(|usage| usage.get().to_owned());
    let Some(usage) = of_choice.clone().or_else(|| of_groq.clone()) else { return };
    completion.set("\"usage\"", Node::Raw(usage));
    if of_choice.is_some() {
        if let Some(Node::Array(choices)) = completion.get_mut("\"choices\"") {
            for choice in choices {
                if let Node::Object(choice) = &mut choice.node {
                    choice.remove("\"usage\"");
                }
            }
        }
    } else if let Some(groq) = groq {
        let mut rest = Object::default();
        for (name, value) in groq.iter().filter(|(name, _)| !json::is_quoted(name.get(), "usage")) {
            rest.set(&plain_name(name.get()), Node::Raw(value.get().to_owned()));
        }
        completion.set("\"x_groq\"", Node::Object(rest));
    }
}

/// Rule 2: the message is made of the deltas, unless none of them held anything and a chunk had a message of its own.
fn delta_to_message(choice: &mut Object) {
    let Some(delta) = choice.get("\"delta\"") else { return };
    let is_object = matches!(delta, Node::Object(_)) || matches!(delta, Node::Raw(text) if text.starts_with('{'));
    let holds = is_object && (has_text(delta) || members::held_by(&delta.written()).content);
    let has_message = matches!(choice.get("\"message\""), Some(Node::Raw(text)) if text.starts_with('{'));
    if !holds && (has_message || !is_object) {
        choice.remove("\"delta\"");
        return;
    }
    choice.remove("\"message\"");
    choice.remove("\"text\"");
    choice.rename("\"delta\"", "\"message\"");
    if let Some(Node::Object(message)) = choice.get_mut("\"message\"") {
        strip_call_indices(message);
        if message.get("\"role\"").is_none_or(Node::is_null) {
            message.remove("\"role\"");
            message.prepend("\"role\"", Node::Text("assistant".into()));
        }
    }
}

/// Whether a delta has a text of content: most do, and need not be written and read for it.
fn has_text(delta: &Node) -> bool {
    matches!(delta, Node::Object(delta) if delta.get("\"content\"").is_some_and(|content| !content.text().is_empty()))
}

/// Tool calls are numbered while they are streamed, and only then.
fn strip_call_indices(message: &mut Object) {
    if let Some(Node::Array(calls)) = message.get_mut("\"tool_calls\"") {
        calls.sort_by_key(|call| call.index);
        for call in calls {
            if let Node::Object(call) = &mut call.node {
                call.remove("\"index\"");
            }
        }
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

    /// Something is added, if there is room for it.
    fn adds(&mut self) -> bool {
        self.grew = true;
        self.is_cut |= self.room < NODE_COST;
        self.room = self.room.saturating_sub(NODE_COST);
        !self.is_cut
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

/// What a way leads to.
fn at<'a>(object: &'a mut Object, steps: &[usize]) -> Option<&'a mut Node> {
    let (first, rest) = steps.split_first()?;
    rest.iter().try_fold(object.node_at(*first)?, |node, step| match node {
        Node::Object(object) => object.node_at(*step),
        Node::Array(array) => Some(&mut array.get_mut(*step)?.node),
        Node::Raw(_) | Node::Text(_) => None,
    })
}

/// Merges each member into that of the same name.
fn each_member(
    object: &mut Object,
    members: &Members<'_>,
    trace: &mut Trace,
    mut merge: impl FnMut(&str, &mut Node, &RawValue, &mut Trace),
) {
    for (name, value) in members.iter() {
        let escaped;
        let name = if name.get().contains('\\') {
            escaped = plain_name(name.get());
            escaped.as_str()
        } else {
            name.get()
        };
        let place = match object.place(name) {
            Some(place) => place,
            None if trace.adds() => object.push(name.to_owned(), Node::null()),
            None => return,
        };
        if let Some(node) = object.node_at(place) {
            trace.enter(place);
            merge(name, node, value, trace);
            trace.leave();
        }
    }
}

fn add_chunk(completion: &mut Object, chunk: &Members<'_>, shape: Shape, trace: &mut Trace) {
    each_member(completion, chunk, trace, |name, node, value, trace| {
        if name != "\"choices\"" {
            snapshot(node, value.get(), trace);
        } else if json::is_filled_array(value.get()) {
            let mut places = 0..;
            json::each_element(value.get(), |choice| {
                // What is no object is nothing that a completion has.
                if let (Some(place), Ok(choice)) = (places.next(), Members::of(choice.get())) {
                    add_choice(as_array(node), &choice, place, shape, trace);
                }
            });
        } else if value.get().starts_with('[') {
            as_array(node);
        }
    });
}

fn add_choice(known: &mut Vec<Element>, choice: &Members<'_>, place: u64, shape: Shape, trace: &mut Trace) {
    let index = members::index_of(choice).unwrap_or(place);
    let at = known.iter().take(MAX_SEARCHED).position(|element| element.index == Some(index));
    let Some(at) = at.or_else(|| push(known, Some(index), Node::Object(Object::default()), trace)) else { return };
    let Some(Node::Object(object)) = known.get_mut(at).map(|element| &mut element.node) else { return };
    trace.enter(at);
    each_member(object, choice, trace, |name, node, value, trace| match (name, value.get().as_bytes()) {
        ("\"delta\"", [b'{', ..]) | ("\"logprobs\"", [b'{', ..]) => {
            if let Ok(members) = Members::of(value.get()) {
                let is_delta = name == "\"delta\"";
                add_delta(as_object(node), &members, is_delta, 0, trace);
            }
        }
        ("\"text\"", [b'"', ..]) if shape == Shape::Text => piece(node, value.get(), true, trace),
        ("\"finish_reason\"", _) if !Finish::of(Some(value)).is_some() => {}
        (_, [b'[', ..]) => append_raw(node, value, trace),
        _ => snapshot(node, value.get(), trace),
    });
    trace.leave();
}

/// Rule 1: the last value that holds something counts. Nothing takes back what is there by being empty (rule 3).
fn snapshot(node: &mut Node, value: &str, trace: &mut Trace) {
    if value.starts_with('"') {
        trace.grew |= !matches!(node, Node::Text(_));
        trace.string(inner(value), false);
        if node.is_null() || value.len() > 2 {
            take_text(node, inner(value), false);
        }
        return;
    }
    match node {
        Node::Raw(whole) if whole == value => {}
        Node::Raw(whole) if whole == "null" || holds(value) => value.clone_into(whole),
        Node::Raw(_) => {}
        other if holds(value) => *other = Node::Raw(value.to_owned()),
        _ => {}
    }
}

/// Whether a value holds something: a text, a number but 0, `true` or `false`, at any depth.
fn holds(value: &str) -> bool {
    value == "false" || json::any_scalar(value, |_, scalar| scalar == "false" || json::says_something(scalar))
}

/// Merges a delta, or the `logprobs` of a choice, whose texts are no pieces.
fn add_delta(object: &mut Object, delta: &Members<'_>, has_pieces: bool, depth: usize, trace: &mut Trace) {
    each_member(object, delta, trace, |name, node, value, trace| {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'n') => {}
            // Rule 5.
            Some(b'"') => piece(node, text, has_pieces && members::role_of(name) != Role::Mark, trace),
            Some(b'{') if depth < MAX_DEPTH => {
                if let Ok(members) = Members::of(text)
                    && (!members.is_empty() || node.is_null())
                {
                    add_delta(as_object(node), &members, has_pieces, depth + 1, trace);
                }
            }
            Some(b'[') if depth < MAX_DEPTH && has_pieces => append(name, node, text, depth + 1, trace),
            Some(b'[') => append_raw(node, value, trace),
            _ => snapshot(node, text, trace),
        }
    });
}

/// A text of a delta. Of a content that is in parts already it is a part, too (rule 4).
fn piece(node: &mut Node, quoted: &str, joins: bool, trace: &mut Trace) {
    if let Node::Array(parts) = node
        && !parts.is_empty()
    {
        if joins && quoted.len() > 2 {
            trace.grew = true;
            let part = format!(r#"{{"type":"text","text":{quoted}}}"#);
            if let Ok(part) = serde_json::from_str::<Members<'_>>(&part) {
                append_part(parts, &part, MAX_DEPTH, trace);
            }
        }
        return;
    }
    trace.grew |= !matches!(node, Node::Text(_));
    trace.string(inner(quoted), joins);
    take_text(node, inner(quoted), joins);
}

fn take_text(node: &mut Node, text: &str, joins: bool) {
    match node {
        Node::Text(_) if text.is_empty() => {}
        Node::Text(whole) if joins => whole.push_str(text),
        // Most members say the same in every chunk.
        Node::Text(whole) => text.clone_into(whole),
        Node::Raw(whole) if whole != "null" && text.is_empty() => {}
        Node::Object(object) if text.is_empty() && !object.is_empty() => {}
        Node::Array(array) if text.is_empty() && !array.is_empty() => {}
        other => *other = Node::Text(text.to_owned()),
    }
}

/// Adds an array of a delta to what is there: calls and details by what they are known by, anything else as parts.
fn append(name: &str, node: &mut Node, text: &str, depth: usize, trace: &mut Trace) {
    if !json::is_filled_array(text) && !node.is_null() {
        return;
    }
    let role = members::role_of(name);
    if let Node::Text(before) = node {
        let part = (!before.is_empty()).then(|| format!(r#"{{"type":"text","text":"{before}"}}"#));
        *node = Node::Array(Vec::new());
        trace.grew = true;
        if let Some(part) = part.as_deref().and_then(|part| Members::of(part).ok()) {
            append_part(as_array(node), &part, depth, trace);
        }
    }
    let array = as_array(node);
    json::each_element(text, |element| append_element(array, role, element, depth, trace));
}

fn append_element(array: &mut Vec<Element>, role: Role, element: &RawValue, depth: usize, trace: &mut Trace) {
    let Ok(members) = Members::of(element.get()) else { return append_run(array, element.get(), trace) };
    match role {
        Role::Calls => add_keyed(array, &members, Key::of_call(&members), Element::call_key, depth, trace),
        Role::Details => add_keyed(array, &members, Key::of_detail(&members), Element::detail_key, depth, trace),
        Role::Text | Role::Mark => match members::index_of(&members) {
            Some(_) => {
                let key = Key { is_named: false, id: "", ..Key::of_detail(&members) };
                add_keyed(array, &members, key, Element::part_key, depth, trace);
            }
            None => append_part(array, &members, depth, trace),
        },
    }
}

/// Rule 6: a piece belongs to the element that its key names, or begins a new one.
fn add_keyed(
    array: &mut Vec<Element>,
    members: &Members<'_>,
    key: Key<'_>,
    known: impl Fn(&Element) -> Key<'_>,
    depth: usize,
    trace: &mut Trace,
) {
    let keys = array.iter().enumerate().take(MAX_SEARCHED).map(|(place, element)| (place, known(element)));
    let at = key.place_among(keys.collect::<Vec<_>>().into_iter());
    let Some(at) = at.or_else(|| push(array, key.index, Node::Object(Object::default()), trace)) else { return };
    if let Some(Node::Object(object)) = array.get_mut(at).map(|element| &mut element.node) {
        trace.enter(at);
        add_delta(object, members, true, depth, trace);
        trace.leave();
    }
}

impl Element {
    fn call_key(&self) -> Key<'_> {
        let Node::Object(object) = &self.node else { return Key { index: self.index, ..Key::default() } };
        let has_name = |function: &Object| function.get("\"name\"").is_some_and(|name| !name.text().is_empty());
        let is_named = ["\"function\"", "\"custom\""]
            .into_iter()
            .any(|name| matches!(object.get(name), Some(Node::Object(function)) if has_name(function)));
        Key { index: self.index, id: self.member("\"id\""), is_named, kind: "" }
    }

    fn detail_key(&self) -> Key<'_> {
        Key { id: self.member("\"id\""), ..self.part_key() }
    }

    fn part_key(&self) -> Key<'_> {
        Key { index: self.index, id: "", is_named: false, kind: self.member("\"type\"") }
    }

    fn member(&self, quoted: &str) -> &str {
        let Node::Object(object) = &self.node else { return "" };
        object.get(quoted).map_or("", Node::text)
    }
}

/// Rule 4: a part that is nothing but text is joined to one before it that is nothing but text of the same type.
fn append_part(parts: &mut Vec<Element>, part: &Members<'_>, depth: usize, trace: &mut Trace) {
    trace.grew = true;
    let last = parts.len().checked_sub(1);
    let joins = last
        .and_then(|last| parts.get(last))
        .is_some_and(|last| matches!(&last.node, Node::Object(known) if is_bare_text(known) && continues(known, part)));
    let at = if joins { last } else { push(parts, None, Node::Object(Object::default()), trace) };
    if let Some(Node::Object(object)) = at.and_then(|at| parts.get_mut(at)).map(|element| &mut element.node) {
        add_delta(object, part, true, depth.min(MAX_DEPTH), trace);
    }
}

/// The members of a part that is text.
fn is_text_member(quoted: &str) -> bool {
    matches!(quoted, "\"text\"" | "\"thinking\"")
}

/// Whether a part holds a type and a text and nothing else.
fn is_bare_text(part: &Object) -> bool {
    part.iter().any(|(name, _)| is_text_member(name))
        && part.iter().all(|(name, node)| match name.as_str() {
            "\"type\"" => !node.text().is_empty(),
            name => is_text_member(name) || !holds(&node.written()),
        })
}

/// Whether a part is of that type and adds text, or marks such as a signature.
fn continues(known: &Object, part: &Members<'_>) -> bool {
    let kind = known.get("\"type\"").map_or("", Node::text);
    part.iter().all(|(name, value)| {
        let name = name.get();
        match value.get() {
            text if json::is_quoted(name, "type") => inner(text) == kind,
            _ if is_text_member(name) => known.get(name).is_some(),
            text => members::role_of(name) == Role::Mark || !holds(text),
        }
    })
}

/// Adds elements that are never merged.
fn append_raw(node: &mut Node, array: &RawValue, trace: &mut Trace) {
    let inside = array.get().get(1..array.get().len().saturating_sub(1)).unwrap_or_default().trim();
    if inside.is_empty() && !node.is_null() {
        return;
    }
    let array = as_array(node);
    if !inside.is_empty() {
        append_run(array, inside, trace);
    }
}

fn append_run(array: &mut Vec<Element>, elements: &str, trace: &mut Trace) {
    trace.grew = true;
    if let Some(Element { node: Node::Raw(run), .. }) = array.last_mut() {
        run.push(',');
        run.push_str(elements);
        return;
    }
    push(array, None, Node::Raw(elements.to_owned()), trace);
}

fn push(array: &mut Vec<Element>, index: Option<u64>, node: Node, trace: &mut Trace) -> Option<usize> {
    trace.adds().then(|| {
        array.push(Element { index, node });
        array.len() - 1
    })
}

fn as_object(node: &mut Node) -> &mut Object {
    if !matches!(node, Node::Object(_)) {
        *node = Node::Object(Object::default());
    }
    let Node::Object(object) = node else { unreachable!("it was just made one") };
    object
}

fn as_array(node: &mut Node) -> &mut Vec<Element> {
    if !matches!(node, Node::Array(_)) {
        *node = Node::Array(Vec::new());
    }
    let Node::Array(array) = node else { unreachable!("it was just made one") };
    array
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
