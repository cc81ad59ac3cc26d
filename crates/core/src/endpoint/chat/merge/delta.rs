//! Merges a delta: its texts are joined, its objects merged, the elements of its arrays merged by their keys or appended as parts (rules
//! 4, 5 and 6). Objects and arrays contain each other, so their functions call each other, and are in one file.

use serde_json::value::RawValue;

use super::super::members::{self, Key, Role};
use super::super::tree::{Element, Node, Object, inner};
use super::nodes::{
    MAX_SEARCHED, append_raw, append_run, as_array, as_object, each_member, holds, push, snapshot, take_text,
};
use super::trace::Trace;
use crate::text::json::{self, Members};

/// Deeper than this a value is taken whole: no API nests its deltas so.
const MAX_DEPTH: usize = 12;
/// Merges a delta, or the `logprobs` of a choice, whose texts are snapshots (`has_pieces` is false).
pub(super) fn add_delta(object: &mut Object, delta: &Members<'_>, has_pieces: bool, depth: usize, trace: &mut Trace) {
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

/// Adds a text of a delta. Where the content is an array of parts already, it is added as a part (rule 4).
pub(super) fn piece(node: &mut Node, quoted: &str, joins: bool, trace: &mut Trace) {
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

/// Adds an array of a delta: calls and details are merged by their keys, anything else is appended as parts.
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

/// Rule 6: adds a piece to the element that its key identifies, or begins a new one.
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

/// Rule 4: a part that holds only text is joined to the part before it, if that holds only text of the same type.
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

/// Whether a part's member holds its text.
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

/// Whether a part is of the same type as a known one, and adds text or marks such as a signature.
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
