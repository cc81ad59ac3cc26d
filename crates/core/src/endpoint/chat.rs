//! What one event of a stream carries. Pure.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::text::json::{self, Members};

/// The members of a delta that are content to a reader (contract.md, section 5): a role alone is not.
pub(crate) const CONTENT_MEMBERS: [&str; 9] = [
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

/// More choices than these are not told of one event: those who watch a stream look each up among all, and no API gives so many.
pub const MAX_CHOICES: usize = 1024;

/// What an event says to those who watch a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// It carries content, a refusal, reasoning, a tool or function call.
    pub content: bool,
    /// The choices that it mentions: index (where it has none its place, as in merge.rs), and whether it gives a finish reason.
    pub choices: Vec<(u64, bool)>,
    /// Its `error` member, as JSON text.
    pub error: Option<String>,
    /// Its `usage` member, as JSON text.
    pub usage: Option<String>,
}

impl Signs {
    /// Some choice has its finish reason.
    #[must_use]
    pub fn finishes(&self) -> bool {
        self.choices.iter().any(|(_, finished)| *finished)
    }
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Strict<Choice<'a>>>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Members<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

/// A struct that is read from an object only: derived code would take an array as well.
struct Strict<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// Reads the signs of an event's data.
///
/// # Errors
/// `Err` where the data is no JSON object: what it held is unknown, so the stream has failed.
pub fn signs(data: &str) -> Result<Signs, serde_json::Error> {
    if let Ok(Strict(chunk)) = serde_json::from_str::<Strict<Chunk<'_>>>(data) {
        return Ok(Signs {
            content: chunk.choices.iter().flatten().filter_map(|choice| choice.0.delta.as_ref()).any(carries_content),
            choices: chunk
                .choices
                .iter()
                .flatten()
                .take(MAX_CHOICES)
                .zip(0..)
                .map(|(Strict(choice), place)| {
                    (choice.index.unwrap_or(place), choice.finish_reason.is_some_and(json::holds_something))
                })
                .collect(),
            error: chunk.error.map(|error| error.get().to_owned()),
            usage: chunk.usage.map(|usage| usage.get().to_owned()),
        });
    }
    // The shape is unusual (a name twice, an index that is no number, …) or the data is no JSON: read it member by member.
    let chunk: Members<'_> = serde_json::from_str(data)?;
    let choices = chunk.get("choices").and_then(|raw| serde_json::from_str::<Vec<Members<'_>>>(raw.get()).ok());
    let choices = choices.unwrap_or_default();
    let text = |name: &str| chunk.get_non_null(name).map(|raw| raw.get().to_owned());
    Ok(Signs {
        content: choices
            .iter()
            .filter_map(|choice| serde_json::from_str::<Members<'_>>(choice.get("delta")?.get()).ok())
            .any(|delta| carries_content(&delta)),
        choices: choices
            .iter()
            .take(MAX_CHOICES)
            .zip(0..)
            .map(|(choice, place)| {
                let index = choice.get("index").and_then(|raw| raw.get().parse().ok()).unwrap_or(place);
                (index, choice.get("finish_reason").is_some_and(json::holds_something))
            })
            .collect(),
        error: text("error"),
        usage: text("usage"),
    })
}

fn carries_content(delta: &Members<'_>) -> bool {
    CONTENT_MEMBERS.iter().any(|name| delta.get(name).is_some_and(json::holds_something))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(delta: &str) -> bool {
        signs(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).unwrap().content
    }

    #[test]
    fn a_role_and_empty_deltas_are_no_content() {
        for delta in [
            r#"{}"#,
            r#"{"role":"assistant"}"#,
            r#"{"role":"assistant","content":""}"#,
            r#"{"content":null,"tool_calls":[]}"#,
            "null",
        ] {
            assert!(!content(delta), "{delta}");
        }
    }

    #[test]
    fn whatever_a_reader_waits_for_is_content() {
        for delta in [
            r#"{"content":" "}"#,
            r#"{"content":"\ud83d"}"#,
            r#"{"refusal":"no"}"#,
            r#"{"reasoning":"hm"}"#,
            r#"{"reasoning_content":"hm"}"#,
            r#"{"tool_calls":[{"index":0}]}"#,
            r#"{"function_call":{"name":"f"}}"#,
            r#"{"content":"","content":"twice"}"#,
        ] {
            assert!(content(delta), "{delta}");
        }
    }

    #[test]
    fn finish_reasons_are_told_by_choice() {
        let signs =
            signs(r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"},{"index":0,"finish_reason":null}]}"#)
                .unwrap();
        assert_eq!(signs.choices, [(1, true), (0, false)]);
        assert!(signs.finishes() && !signs.content);
    }

    #[test]
    fn a_choice_without_an_index_is_known_by_its_place() {
        for choices in
            [r#"{"delta":{}},{"finish_reason":"stop"}"#, r#"{"index":0.0},{"index":-1,"finish_reason":"stop"}"#]
        {
            let signs = signs(&format!(r#"{{"choices":[{choices}]}}"#)).unwrap();
            assert_eq!(signs.choices, [(0, false), (1, true)], "{choices}");
        }
    }

    #[test]
    fn an_error_that_is_not_null_is_told() {
        assert_eq!(signs(r#"{"error":null,"choices":[]}"#).unwrap().error, None);
        assert_eq!(signs(r#"{"error":{"code":"x"}}"#).unwrap().error.as_deref(), Some(r#"{"code":"x"}"#));
    }

    #[test]
    fn odd_shapes_are_read_as_far_as_they_go() {
        for data in [
            r#"{"choices":"none"}"#,
            r#"{"choices":null}"#,
            r#"{"choices":[[0,{"content":"x"},null]]}"#,
            r#"{}"#,
            r#"{"choices":[{"index":"a","delta":5}]}"#,
            r#"{"\ud800":1}"#,
        ] {
            assert!(!signs(data).unwrap().content, "{data}");
        }
        assert!(signs(r#"{"choices":[{"index":-1,"delta":{"content":"x"}}]}"#).unwrap().content);
    }

    #[test]
    fn one_event_tells_of_no_more_choices_than_can_be_watched() {
        let choices: Vec<String> = (0..3000).map(|index| format!(r#"{{"index":{index}}}"#)).collect();
        let signs = signs(&format!(r#"{{"choices":[{}]}}"#, choices.join(","))).unwrap();
        assert_eq!(signs.choices.len(), MAX_CHOICES);
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for data in ["", "[DONE", "{", "[]", "[null,null,null]", "null", "5", r#"{"a":1}x"#] {
            assert!(signs(data).is_err(), "{data}");
        }
    }
}
