//! Turns the merged chunks into a completion: deltas become messages, and the usage moves to the top level (rules 2 and 7).

use super::super::members;
use super::super::tree::{Node, Object, plain_name};
use super::{Merge, Shape};
use crate::text::json::{self, Members};

impl Merge {
    /// The completion as JSON text, or `None` where no chunk arrived.
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

/// Rule 7: takes the usage of a choice or of `x_groq`, where the completion has none.
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

/// Rule 2: the merged delta becomes the message; if it is empty, a chunk's own `message` is used.
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

/// A shortcut: whether a delta has a text `content`. Most do, which saves writing the delta to JSON to look for any text.
fn has_text(delta: &Node) -> bool {
    matches!(delta, Node::Object(delta) if delta.get("\"content\"").is_some_and(|content| !content.text().is_empty()))
}

/// Removes the `index` of tool calls, which only chunks have.
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
