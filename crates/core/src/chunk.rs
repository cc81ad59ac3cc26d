//! What one event of a stream carries. Pure.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, Members};

/// The members of a delta that are content to a reader (contract.md, section 5): a role alone is not.
const CONTENT_MEMBERS: [&str; 9] = [
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
const MAX_CHOICES: usize = 1024;

/// What an event says to those who watch a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// It carries content, a refusal, reasoning, a tool or function call.
    pub content: bool,
    /// The choices that it mentions: index, and whether it gives a finish reason.
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
    choices: Option<Vec<Members<'a>>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Reads the signs of an event's data.
///
/// # Errors
/// `Err` where the data is no JSON object: what it held is unknown, so the stream has failed.
pub fn signs(data: &str) -> Result<Signs, serde_json::Error> {
    let chunk = Chunk::read(data)?;
    let choices = chunk.choices.unwrap_or_default();
    Ok(Signs {
        content: choices.iter().any(carries_content),
        choices: choices.iter().take(MAX_CHOICES).map(index_and_finish).collect(),
        error: chunk.error.map(|error| error.get().to_owned()),
        usage: chunk.usage.map(|usage| usage.get().to_owned()),
    })
}

impl<'a> Chunk<'a> {
    fn read(data: &'a str) -> Result<Self, serde_json::Error> {
        // serde would take an array for a struct.
        if data.trim_ascii_start().starts_with('{')
            && let Ok(chunk) = serde_json::from_str(data)
        {
            return Ok(chunk);
        }
        // The shape is unusual (a name twice, a choice that is no object, …) or the data is no JSON object: read it member by member.
        let chunk: Members<'_> = serde_json::from_str(data)?;
        Ok(Self {
            choices: chunk.get("choices").and_then(|raw| serde_json::from_str(raw.get()).ok()),
            error: chunk.get_non_null("error"),
            usage: chunk.get_non_null("usage"),
        })
    }
}

fn index_and_finish(choice: &Members<'_>) -> (u64, bool) {
    let index = choice.get("index").and_then(|raw| raw.get().parse().ok()).unwrap_or(0);
    (index, choice.get("finish_reason").is_some_and(json::holds_something))
}

fn carries_content(choice: &Members<'_>) -> bool {
    let delta = choice.get("delta").and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
    let Some(delta) = delta else { return false };
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
