//! Writes single members and elements: snapshots, texts, elements that are not merged (rules 1 and 3).

use serde_json::value::RawValue;

use super::super::tree::{Element, Node, Object, inner, plain_name};
use super::trace::Trace;
use crate::text::json::{self, Members};

/// The most elements of an array that are searched for the one that a piece belongs to. Later elements are kept, but not merged.
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
            None if trace.reserve() => object.push(name.to_owned(), Node::null()),
            None => return,
        };
        if let Some(node) = object.node_at(place) {
            trace.enter(place);
            merge(name, node, value, trace);
            trace.leave();
        }
    }
}

/// Rule 1: the last non-empty value counts. An empty value never replaces another (rule 3).
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

/// Whether a value is not empty: it has a non-empty text, a number other than 0, `true` or `false`, at any depth.
pub(super) fn holds(value: &str) -> bool {
    value == "false" || json::any_scalar(value, |_, scalar| scalar == "false" || json::has_truthy_scalar(scalar))
}

pub(super) fn take_text(node: &mut Node, text: &str, joins: bool) {
    match node {
        Node::Text(_) if text.is_empty() => {}
        Node::Text(whole) if joins => whole.push_str(text),
        // Most members are the same in every chunk, so the buffer is used again.
        Node::Text(whole) => text.clone_into(whole),
        Node::Raw(whole) if whole != "null" && text.is_empty() => {}
        Node::Object(object) if text.is_empty() && !object.is_empty() => {}
        Node::Array(array) if text.is_empty() && !array.is_empty() => {}
        other => *other = Node::Text(text.to_owned()),
    }
}

/// Adds elements that are never merged.
pub(super) fn append_raw(node: &mut Node, array: &RawValue, trace: &mut Trace) {
    let inside = array.get().get(1..array.get().len().saturating_sub(1)).unwrap_or_default().trim();
    if inside.is_empty() && !node.is_null() {
        return;
    }
    let array = as_array(node);
    if !inside.is_empty() {
        append_run(array, inside, trace);
    }
}

pub(super) fn append_run(array: &mut Vec<Element>, elements: &str, trace: &mut Trace) {
    trace.grew = true;
    if let Some(Element { node: Node::Raw(run), .. }) = array.last_mut() {
        run.push(',');
        run.push_str(elements);
        return;
    }
    push(array, None, Node::Raw(elements.to_owned()), trace);
}

pub(super) fn push(array: &mut Vec<Element>, index: Option<u64>, node: Node, trace: &mut Trace) -> Option<usize> {
    trace.reserve().then(|| {
        array.push(Element { index, node });
        array.len() - 1
    })
}

pub(super) fn as_object(node: &mut Node) -> &mut Object {
    if !matches!(node, Node::Object(_)) {
        *node = Node::Object(Object::default());
    }
    let Node::Object(object) = node else { unreachable!("it was just made one") };
    object
}

pub(super) fn as_array(node: &mut Node) -> &mut Vec<Element> {
    if !matches!(node, Node::Array(_)) {
        *node = Node::Array(Vec::new());
    }
    let Node::Array(array) = node else { unreachable!("it was just made one") };
    array
}
