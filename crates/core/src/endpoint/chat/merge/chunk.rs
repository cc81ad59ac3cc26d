//! Adds a chunk to the completion, member by member and choice by choice (rule 1).

use super::super::finish::Finish;
use super::super::members;
use super::super::tree::{Element, Node, Object};
use super::delta::{add_delta, piece};
use super::nodes::{MAX_SEARCHED, append_raw, as_array, as_object, each_member, push, snapshot};
use super::trace::Trace;
use crate::text::json::{self, Members};

/// The member of a chunk's choice that holds its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `delta`, which becomes the `message`.
    Delta,
    /// `text`, joined.
    Text,
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
