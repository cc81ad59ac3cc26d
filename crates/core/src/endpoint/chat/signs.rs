//! Reads one event of a stream: content, finish reasons, errors, usage. Pure.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{Choices, Envelope};
use super::finish::Finish;
use super::members::{self, Holds};
use crate::endpoint::carried;
use crate::text::json::Members;

/// The most choices of one event that are read: each is looked up among all of the stream's, and no API sends so many.
pub const MAX_CHOICES: usize = 1024;

/// The properties of one event that decide about its stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// It carries content, a refusal, reasoning, a tool or function call.
    pub content: bool,
    /// It has pieces of a tool or function call.
    pub calls: bool,
    /// The choices in it: the index (or the place, where it has no index, as in merge.rs), and whether the choice has a finish reason.
    pub choices: Vec<(u64, bool)>,
    /// A finish reason that means that the answer failed.
    pub failed_finish: Option<String>,
    /// The error in it: `{ "error": … }`, or the event itself.
    pub error: Option<String>,
    /// The `usage` of the event, of a choice or of `x_groq`, as JSON text.
    pub usage: Option<String>,
}

impl Signs {
    /// Whether some choice has a finish reason.
    #[must_use]
    pub fn finishes(&self) -> bool {
        self.choices.iter().any(|(_, finished)| *finished)
    }
}

type Chunk<'a> = Envelope<'a, ChoiceSigns<'a>>;

/// The signs of all choices of an event.
#[derive(Default)]
struct ChoiceSigns<'a> {
    count: usize,
    /// Some element of `choices` is not an object.
    is_mixed: bool,
    holds: Holds,
    /// As in [`Signs::choices`].
    choices: Vec<(u64, bool)>,
    failed_finish: Option<String>,
    error: Option<&'a RawValue>,
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    delta: Option<Holds>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Reads the signs of an event's data.
///
/// # Errors
/// Where the data is not a JSON object: then the stream has failed.
pub fn signs(data: &str) -> Result<Signs, serde_json::Error> {
    if let Ok(chunk) = Chunk::in_one_pass(data) {
        return Ok(chunk.signs(data));
    }
    // Either the shape is unusual (a name twice, an index that is not a number), which is read member by member, or it is not JSON.
    let members = Members::of(data)?;
    Ok(Chunk::of(&members).signs(data))
}

impl Chunk<'_> {
    fn signs(self, data: &str) -> Signs {
        let choices = self.choices.filter(|choices| !choices.is_mixed);
        let is_something = choices.is_some() || self.usage.is_some();
        let choices = choices.unwrap_or_default();
        let x_groq = self.x_groq.and_then(|raw| Members::of(raw.get()).ok()).unwrap_or_default();
        let has_choices = choices.count > 0;
        let error = if carried::is_error(self.error, has_choices, is_something) {
            Some(data.to_owned())
        } else if carried::is_error(x_groq.get("error"), true, true) {
            x_groq.get("error").map(carried::body_of)
        } else if !has_choices && Members::of(data).is_ok_and(|members| carried::is_marked(&members)) {
            Some(data.to_owned())
        } else {
            choices.error.map(carried::body_of)
        };
        let usage = self.usage.or(choices.usage).or_else(|| x_groq.get_non_null("usage"));
        Signs {
            content: choices.holds.content,
            calls: choices.holds.calls,
            choices: choices.choices,
            failed_finish: choices.failed_finish,
            error,
            usage: usage.map(|usage| usage.get().to_owned()),
        }
    }
}

impl<'a> Choices<'a> for ChoiceSigns<'a> {
    type Choice = Choice<'a>;

    fn choice(members: &Members<'a>) -> Choice<'a> {
        let [delta, finish_reason, error, message, text, usage] =
            ["delta", "finish_reason", "error", "message", "text", "usage"].map(|name| members.get_non_null(name));
        Choice {
            index: members::index_of(members),
            delta: delta.and_then(|raw| serde_json::from_str(raw.get()).ok()),
            finish_reason,
            error,
            message,
            text,
            usage,
        }
    }

    fn add(&mut self, choice: Choice<'a>) {
        let place = self.count;
        self.count += 1;
        self.usage = self.usage.or(choice.usage);
        if place >= MAX_CHOICES {
            return;
        }
        let Holds { content, calls } = choice.holds();
        self.holds.content |= content;
        self.holds.calls |= calls;
        let finish = Finish::of(choice.finish_reason);
        if place == 0 {
            // Most events have one choice.
            self.choices.reserve_exact(1);
        }
        self.choices.push((choice.index.unwrap_or(place as u64), finish.is_some()));
        if let Finish::Failed(reason) = finish {
            self.failed_finish.get_or_insert(reason);
        }
        self.error = self.error.or(choice.error.filter(|error| carried::is_error(Some(error), true, true)));
    }

    fn add_other(&mut self) {
        self.is_mixed = true;
    }
}

impl Choice<'_> {
    /// What its delta holds, or the `message` or `text` that some providers send instead.
    fn holds(&self) -> Holds {
        match (self.delta, self.message, self.text) {
            (Some(delta), ..) => delta,
            (None, Some(message), _) => members::held_by(message.get()),
            (None, None, Some(text)) => Holds { content: members::is_content(text.get()), calls: false },
            (None, None, None) => Holds::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(delta: &str) -> bool {
        signs(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).unwrap().content
    }

    #[test]
    fn a_role_and_empty_deltas_are_not_content() {
        for delta in [
            r#""""#,
            r#"{}"#,
            r#"{"role":"assistant"}"#,
            r#"{"role":"assistant","content":""}"#,
            r#"{"content":null,"tool_calls":[]}"#,
            r#"{"function_call":{"name":"","arguments":""},"tool_calls":null}"#,
            r#"{"content":[{"type":"text","text":""}]}"#,
            r#"{"audio":{"id":"au","data":"","expires_at":7,"transcript":""}}"#,
            r#"{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"","arguments":""}}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"","format":"f","index":0}]}"#,
            r#"{"name":"bot","token_id":17,"final":false,"message_id":"m"}"#,
            "null",
        ] {
            assert!(!content(delta), "{delta}");
        }
    }

    #[test]
    fn any_text_of_a_delta_is_content() {
        for delta in [
            r#"{"content":" "}"#,
            r#"{"content":"\ud83d"}"#,
            r#"{"refusal":"no"}"#,
            r#"{"reasoning":"hm"}"#,
            r#"{"reasoning_content":"hm"}"#,
            r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"custom":{"input":"x"}}]}"#,
            r#"{"reasoning_text":"hm"}"#,
            r#"{"anything":[{"deep":[{"er":"x"}]}]}"#,
            r#"{"images":[{"type":"image_url","image_url":{"url":"data:,"}}]}"#,
            r#"{"function_call":{"name":"f"}}"#,
            r#"{"content":"","content":"twice"}"#,
            r#""a text in the place of an object""#,
        ] {
            assert!(content(delta), "{delta}");
        }
    }

    #[test]
    fn finish_reasons_are_found_for_each_choice() {
        let signs =
            signs(r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"},{"index":0,"finish_reason":null}]}"#)
                .unwrap();
        assert_eq!(signs.choices, [(1, true), (0, false)]);
        assert!(signs.finishes() && !signs.content);
    }

    #[test]
    fn a_choice_without_an_index_is_identified_by_its_place() {
        for choices in
            [r#"{"delta":{}},{"finish_reason":"stop"}"#, r#"{"index":0.0},{"index":-1,"finish_reason":"stop"}"#]
        {
            let signs = signs(&format!(r#"{{"choices":[{choices}]}}"#)).unwrap();
            assert_eq!(signs.choices, [(0, false), (1, true)], "{choices}");
        }
    }

    #[test]
    fn an_error_that_is_not_null_is_found() {
        assert_eq!(signs(r#"{"error":null,"choices":[]}"#).unwrap().error, None);
        let body = r#"{"error":{"code":"x"}}"#;
        assert_eq!(signs(body).unwrap().error.as_deref(), Some(body));
    }

    #[test]
    fn an_error_is_found_in_a_choice_and_in_x_groq() {
        for data in [
            r#"{"choices":[{"index":0,"delta":{},"error":{"code":502}}]}"#,
            r#"{"choices":[{"delta":{}}],"x_groq":{"id":"r","error":{"code":502}}}"#,
        ] {
            assert_eq!(signs(data).unwrap().error.as_deref(), Some(r#"{"error":{"code":502}}"#), "{data}");
        }
        for data in [
            r#"{"choices":[{"index":0,"delta":{},"error":{"message":"","code":null}}],"x_groq":{"error":null}}"#,
            r#"{"choices":[{"delta":{}}],"error":{"message":"","type":""}}"#,
            r#"{"choices":[],"usage":{"total_tokens":1},"error":""}"#,
            r#"{"choices":[{"delta":{}}],"code":500,"message":"beside choices"}"#,
            r#"{"choices":[{"delta":{}}],"success":false}"#,
        ] {
            assert_eq!(signs(data).unwrap().error, None, "{data}");
        }
    }

    #[test]
    fn a_providers_mark_of_an_error_is_one_where_no_choices_are() {
        for data in [
            r#"{"object":"error","message":"x"}"#,
            r#"{"type":"error","message":"x"}"#,
            r#"{"error_code":50001,"text":"x"}"#,
            r#"{"code":"InternalError","message":"x"}"#,
            r#"{"choices":[],"code":500,"message":"x"}"#,
            r#"{"choices":null,"base_resp":{"status_code":1013}}"#,
            r#"{"success":false}"#,
            r#"{"error":{}}"#,
            r#"{"choices":"none","error":{}}"#,
        ] {
            assert_eq!(signs(data).unwrap().error.as_deref(), Some(data));
        }
        for data in [
            r#"{"code":0,"message":"success"}"#,
            r#"{"code":200,"message":"ok"}"#,
            r#"{"code":"x"}"#,
            r#"{"base_resp":{"status_code":0,"status_msg":"success"}}"#,
            r#"{"error_code":0}"#,
            r#"{"success":true}"#,
            r#"{"type":"ping"}"#,
            r#"{"error":null}"#,
        ] {
            assert_eq!(signs(data).unwrap().error, None, "{data}");
        }
    }

    #[test]
    fn usage_is_found_in_a_choice_and_in_x_groq() {
        for data in [
            r#"{"choices":[],"usage":{"t":1}}"#,
            r#"{"choices":[{"usage":{"t":1}}],"usage":null}"#,
            r#"{"choices":[{"delta":{}}],"x_groq":{"id":"r","usage":{"t":1}}}"#,
        ] {
            assert_eq!(signs(data).unwrap().usage.as_deref(), Some(r#"{"t":1}"#), "{data}");
        }
    }

    #[test]
    fn a_message_or_a_text_instead_of_a_delta_is_content() {
        for choice in [
            r#""message":{"role":"assistant","content":"x"}"#,
            r#""delta":null,"message":{"content":"x"}"#,
            r#""text":"x""#,
        ] {
            assert!(signs(&format!(r#"{{"choices":[{{{choice}}}]}}"#)).unwrap().content, "{choice}");
        }
        assert!(
            !signs(r#"{"choices":[{"delta":{"content":""},"text":"x","message":{"content":"x"}}]}"#).unwrap().content
        );
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
    fn further_choices_of_one_event_are_ignored() {
        let choices: Vec<String> = (0..3000).map(|index| format!(r#"{{"index":{index}}}"#)).collect();
        let signs = signs(&format!(r#"{{"choices":[{}]}}"#, choices.join(","))).unwrap();
        assert_eq!(signs.choices.len(), MAX_CHOICES);
    }

    #[test]
    fn data_that_is_not_a_json_object_is_an_error() {
        for data in ["", "[DONE", "{", "[]", "[null,null,null]", "null", "5", r#"{"a":1}x"#] {
            assert!(signs(data).is_err(), "{data}");
        }
    }
}
