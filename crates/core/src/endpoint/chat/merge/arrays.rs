//! Adds the elements of a delta's arrays: calls and details to the element of their key, text to the part before it (rules 4 and 6).

use serde_json::value::RawValue;

use super::super::members::{self, Key, Role};
use super::super::tree::{Element, Node, Object, inner};
use super::chunk::{MAX_DEPTH, MAX_SEARCHED, add_delta, holds};
use super::trace::Trace;
use crate::text::json::{self, Members};

/// Adds an array of a delta to what is there: calls and details by what they are known by, anything else as parts.
pub(super) fn append(name: &str, node: &mut Node, text: &str, depth: usize, trace: &mut Trace) {
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
pub(super) fn append_part(parts: &mut Vec<Element>, part: &Members<'_>, depth: usize, trace: &mut Trace) {
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

fn append_run(array: &mut Vec<Element>, elements: &str, trace: &mut Trace) {
    trace.grew = true;
    if let Some(Element { node: Node::Raw(run), .. }) = array.last_mut() {
        run.push(',');
        run.push_str(elements);
        return;
    }
    push(array, None, Node::Raw(elements.to_owned()), trace);
}

pub(super) fn push(array: &mut Vec<Element>, index: Option<u64>, node: Node, trace: &mut Trace) -> Option<usize> {
    trace.adds().then(|| {
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
