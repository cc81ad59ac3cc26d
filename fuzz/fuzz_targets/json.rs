//! Members by their raw text, and the signs of a chunk, against the same read from a tree.
//!
//! Input: a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openpipe_core::endpoint::chat;
use openpipe_core::text::json::{self, Members};
use serde_json::Value;
use serde_json::value::RawValue;

const CONTENT: [&str; 9] = [
    "content",
    "refusal",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "thinking",
    "tool_calls",
    "function_call",
    "audio",
];

/// Whether a value holds something. An array or object that is empty but for blanks may count either way: no server sends one.
fn holds_something(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::String(text) => Some(!text.is_empty()),
        Value::Array(array) if array.is_empty() => None,
        Value::Object(object) if object.is_empty() => None,
        _ => Some(true),
    }
}

fn members_are_those_of_the_tree(text: &str, tree: &Value) {
    let members = serde_json::from_str::<Members<'_>>(text);
    assert_eq!(members.is_ok(), tree.is_object());
    let (Ok(members), Some(object)) = (members, tree.as_object()) else { return };
    assert_eq!(members.get("\u{0}no such name").is_some(), object.contains_key("\u{0}no such name"));
    for (name, value) in object {
        let raw = members.get(name).expect("a member of the tree");
        assert_eq!(serde_json::from_str::<Value>(raw.get()).ok().as_ref(), Some(value));
        assert_eq!(members.get_non_null(name).is_some(), !value.is_null());
        assert_eq!(json::decoded(raw).as_deref(), value.as_str());
    }
    for (name, _) in members.iter() {
        assert!(object.keys().any(|known| json::is_quoted(name.get(), known)));
        assert!(members.get_quoted(name.get()).is_some());
    }
}

fn signs_are_those_of_the_tree(text: &str, tree: &Value) {
    let signs = chat::signs(text);
    assert_eq!(signs.is_ok(), tree.is_object(), "{signs:?}");
    let (Ok(signs), Some(object)) = (signs, tree.as_object()) else { return };
    assert_eq!(signs.error.is_some(), object.get("error").is_some_and(|error| !error.is_null()));
    assert_eq!(signs.usage.is_some(), object.get("usage").is_some_and(|usage| !usage.is_null()));
    for text in signs.error.iter().chain(&signs.usage) {
        assert!(serde_json::from_str::<&RawValue>(text).is_ok());
    }
    // Where an element is no choice, nothing is known of the others.
    let none = Vec::new();
    let choices = object.get("choices").and_then(Value::as_array);
    let choices = choices.filter(|choices| choices.iter().all(Value::is_object)).unwrap_or(&none);
    let indices: Vec<u64> = signs.choices.iter().map(|(index, _)| *index).collect();
    // One without an index has that of its place.
    let index_of = |(choice, place): (&Value, u64)| choice.get("index").and_then(Value::as_u64).unwrap_or(place);
    let of_tree: Vec<u64> = choices.iter().zip(0..).map(index_of).collect();
    assert_eq!(indices, of_tree);
    for ((_, finished), choice) in signs.choices.iter().zip(choices) {
        let expected = choice.get("finish_reason").map_or(Some(false), holds_something);
        assert!(expected.is_none_or(|expected| expected == *finished));
    }
    let values = choices.iter().filter_map(|choice| choice.get("delta")?.as_object());
    let values: Vec<_> =
        values.flat_map(|delta| CONTENT.iter().filter_map(|name| delta.get(*name))).map(holds_something).collect();
    if values.contains(&Some(true)) {
        assert!(signs.content);
    } else if !values.contains(&None) {
        assert!(!signs.content);
    }
}

fuzz_target!(|input: &str| {
    let _ = chat::signs(input);
    if let Ok(tree) = serde_json::from_str::<Value>(input) {
        members_are_those_of_the_tree(input, &tree);
        signs_are_those_of_the_tree(input, &tree);
    } else if serde_json::from_str::<&RawValue>(input).is_err() {
        assert!(serde_json::from_str::<Members<'_>>(input).is_err());
        assert!(chat::signs(input).is_err());
    }
});
