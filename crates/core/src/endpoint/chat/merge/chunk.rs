//! Adds the members of a chunk to the completion: snapshots are replaced, texts of a delta joined (rules 1, 3 and 5).

use serde_json::value::RawValue;

use super::super::finish::Finish;
use super::super::members::{self, Role};
use super::super::tree::{Element, Node, Object, inner, plain_name};
use super::Shape;
use super::arrays::{append, append_part, append_raw, as_array, as_object, push};
use super::trace::Trace;
use crate::text::json::{self, Members};

/// Deeper than this a value is taken whole: no API nests its deltas so.
pub(super) const MAX_DEPTH: usize = 12;
/// So many of an array's elements are searched for the one that a piece belongs to. What is beyond is kept, but not merged.
pub(super) const MAX_SEARCHED: usize = 256;

/// Merges each member into that of the same name.
pub(super) fn each_member(
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

pub(super) fn add_chunk(completion: &mut Object, chunk: &Members<'_>, shape: Shape, trace: &mut Trace) {
    each_member(completion, chunk, trace, |name, node, value, trace| {
        if name != "\"choices\"" {
            snapshot(node, value.get(), trace);
        } else if json::is_filled_array(value.get()) {
            let mut places = 0..;
            json::each_element(value.get(), |choice| {
                // A completion has objects as choices only.
                if let (Some(place), Ok(choice)) = (places.next(), Members::of(choice.get())) {
                    add_choice(as_array(node), &choice, place, shape, trace);
                }
            });
        } else if value.get().starts_with('[') {
            as_array(node);
        }
    });
}

pub(super) fn add_choice(known: &mut Vec<Element>, choice: &Members<'_>, place: u64, shape: Shape, trace: &mut Trace) {
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
pub(super) fn snapshot(node: &mut Node, value: &str, trace: &mut Trace) {
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
pub(super) fn holds(value: &str) -> bool {
    value == "false" || json::any_scalar(value, |_, scalar| scalar == "false" || json::says_something(scalar))
}

/// Merges a delta, or the `logprobs` of a choice, whose texts are no pieces.
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

/// A text of a delta. Of a content that is in parts already it is a part, too (rule 4).
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

pub(super) fn take_text(node: &mut Node, text: &str, joins: bool) {
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
