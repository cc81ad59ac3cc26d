//! Compares `Members` and the signs of a chunk with those of a parsed tree.
//!
//! Input: a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openpipe_core::endpoint::chat;
use openpipe_core::endpoint::chat::members::{self, Role};
use openpipe_core::text::json::{self, Members};
use serde_json::Value;
use serde_json::value::RawValue;

/// Whether a value has a text that counts, by the table of members.
fn has_content(value: &Value, name: &str, is_call: bool) -> bool {
    let counts = |name: &str| members::role_of(&json::string(name)) != Role::Mark || (is_call && name == "name");
    match value {
        Value::String(text) => !text.is_empty() && counts(name),
        Value::Array(array) => array.iter().any(|value| has_content(value, name, is_call)),
        Value::Object(object) => object.iter().any(|(name, value)| has_content(value, name, is_call)),
        _ => false,
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
    assert!(signs.usage.is_some() || object.get("usage").is_none_or(Value::is_null));
    for text in signs.error.iter().chain(&signs.usage) {
        assert!(serde_json::from_str::<&RawValue>(text).is_ok());
    }
    // If an element is not an object, the other choices are ignored.
    let none = Vec::new();
    let choices = object.get("choices").and_then(Value::as_array);
    let choices = choices.filter(|choices| choices.iter().all(Value::is_object)).unwrap_or(&none);
    let indices: Vec<u64> = signs.choices.iter().map(|(index, _)| *index).collect();
    // A choice without an index has its position as its index.
    let index_of = |(choice, place): (&Value, u64)| choice.get("index").and_then(Value::as_u64).unwrap_or(place);
    let of_tree: Vec<u64> = choices.iter().zip(0..).map(index_of).collect();
    assert_eq!(indices, of_tree);
    let deltas = choices.iter().filter_map(|choice| choice.get("delta")?.as_object());
    let has = |(name, value): (&String, &Value)| match members::role_of(&json::string(name)) {
        Role::Mark => false,
        role => has_content(value, name, role == Role::Calls),
    };
    // Each occurrence of a duplicate name counts.
    assert!(signs.content || !deltas.flatten().any(has), "{text}");
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
