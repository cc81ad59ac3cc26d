//! The text of a request body, and what a target changes in it.
//!
//! The body was written once, by the caller's `JSON.stringify`, and its text is sacred: large numbers, key order,
//! escapes and nesting survive, because nothing is parsed into a tree and written again. Only the spans of the
//! top-level members are found; an edit copies the text around the members it changes (contract.md, section 2).

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::json::{self, Members};

/// A chat completion request, as the caller wrote it.
#[derive(Debug, Clone)]
pub struct RequestBody {
    text: Bytes,
    members: Vec<Member>,
    model: String,
    stream: bool,
}

/// Where one top-level member stands in the text; both spans include their quotes.
#[derive(Debug, Clone)]
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

/// What one target changes in the body.
#[derive(Debug, Default)]
pub struct Edit<'a> {
    /// The target's model, where it is not the body's own.
    pub model: Option<&'a str>,
    /// A JSON object that is merged over the body's top-level members.
    pub params: Option<&'a RawValue>,
    /// Members that this target does not take.
    pub omit: &'a [String],
    /// Take `metadata` out unless `store` is `true`: OpenAI rejects the one without the other.
    pub drop_unstored_metadata: bool,
}

/// Why a text is no usable request body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The text is not a JSON object.
    NotAnObject,
    /// `model` is missing, not a string, or empty; holds what stands there.
    Model(Option<String>),
}

impl RequestBody {
    /// Finds the members of a request in its text.
    ///
    /// # Errors
    /// [`BodyError`] where the text is no JSON object, or has no model.
    pub fn parse(text: String) -> Result<Self, BodyError> {
        let parsed: Members<'_> = serde_json::from_str(&text).map_err(|_| BodyError::NotAnObject)?;
        let members = parsed
            .iter()
            .map(|(key, value)| Member { key: span_in(&text, key.get()), value: span_in(&text, value.get()) })
            .collect();
        let model = match parsed.get("model") {
            None => return Err(BodyError::Model(None)),
            Some(value) => serde_json::from_str::<String>(value.get())
                .ok()
                .filter(|model| !model.is_empty())
                .ok_or_else(|| BodyError::Model(Some(value.get().to_owned())))?,
        };
        let stream = parsed.get("stream").is_some_and(|value| value.get() == "true");
        Ok(Self { text: Bytes::from(text), members, model, stream })
    }

    /// The caller's model.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the caller asked for a stream.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// The text that goes to one target. Without a change it is the caller's own, not copied.
    #[must_use]
    pub fn edited(&self, edit: &Edit<'_>) -> Bytes {
        let params =
            edit.params.and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok()).unwrap_or_default();
        let model = edit.model.map(json::string);
        let drop_metadata = edit.drop_unstored_metadata && self.value_of("store") != Some("true");

        let replacement = |key: &str| -> Option<&str> {
            if key == "\"model\"" {
                return model.as_deref();
            }
            params.get_quoted(key).map(RawValue::get)
        };
        let dropped = |key: &str| {
            (drop_metadata && key == "\"metadata\"") || edit.omit.iter().any(|name| json::is_quoted(key, name))
        };

        let mut out = String::with_capacity(self.text.len() + 64);
        let mut changed = false;
        for member in &self.members {
            let key = self.slice(&member.key);
            // What `params` sets is meant for this target, so it outlives `omit`.
            let replacement = replacement(key);
            if replacement.is_none() && dropped(key) {
                changed = true;
                continue;
            }
            changed |= replacement.is_some();
            push_member(&mut out, key, replacement.unwrap_or_else(|| self.slice(&member.value)));
        }
        for (key, value) in params.iter() {
            if key.get() != "\"model\"" && !self.members.iter().any(|member| self.slice(&member.key) == key.get()) {
                changed = true;
                push_member(&mut out, key.get(), value.get());
            }
        }
        if !changed {
            return self.text.clone();
        }
        out.push(if out.is_empty() { '{' } else { '}' });
        if out.len() == 1 {
            out.push('}');
        }
        Bytes::from(out)
    }

    fn value_of(&self, name: &str) -> Option<&str> {
        let member = self.members.iter().rev().find(|member| json::is_quoted(self.slice(&member.key), name))?;
        Some(self.slice(&member.value))
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        // The spans were taken from this very text, which was a `String`.
        self.text.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

fn push_member(out: &mut String, key: &str, value: &str) {
    out.push(if out.is_empty() { '{' } else { ',' });
    out.push_str(key);
    out.push(':');
    out.push_str(value);
}

/// Where `part`, a slice of `whole`, stands in it.
fn span_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> RequestBody {
        RequestBody::parse(text.to_owned()).unwrap()
    }

    fn edited(text: &str, edit: &Edit<'_>) -> String {
        String::from_utf8(body(text).edited(edit).to_vec()).unwrap()
    }

    #[test]
    fn model_and_stream_are_found() {
        let found = body(r#"{"messages":[{"model":"not this"}],"model":"gpt-4","stream":true}"#);
        assert_eq!((found.model(), found.stream()), ("gpt-4", true));
        assert!(!body(r#"{"model":"m","stream":false}"#).stream());
        assert!(!body(r#"{"model":"m","stream":null}"#).stream());
    }

    #[test]
    fn an_unchanged_body_keeps_its_text_and_its_buffer() {
        let original = body("{ \"model\" : \"m\",\n \"n\": 1e400 }");
        let same = original.edited(&Edit::default());
        assert_eq!(same.as_ptr(), original.text.as_ptr());
    }

    #[test]
    fn another_model_leaves_every_other_character_alone() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let text = format!(
            r#"{{"a":12345678901234567890.0001e400,"model":"old","z":{{"model":"inner"}},"s":"\ud800 \u00e9 é","__proto__":{{}},"-0":-0,"deep":{deep}}}"#
        );
        let expected = text.replacen("\"old\"", "\"new \\\"quoted\\\"\"", 1);
        assert_eq!(edited(&text, &Edit { model: Some("new \"quoted\""), ..Edit::default() }), expected);
    }

    #[test]
    fn params_replace_in_place_and_append() {
        let params: Box<RawValue> = serde_json::from_str(r#"{"temperature":0,"top_k":5,"model":"ignored"}"#).unwrap();
        let edit = Edit { model: Some("b"), params: Some(&params), ..Edit::default() };
        assert_eq!(
            edited(r#"{"model":"a","temperature":1,"n":1}"#, &edit),
            r#"{"model":"b","temperature":0,"n":1,"top_k":5}"#
        );
    }

    #[test]
    fn omit_takes_members_out_unless_params_set_them() {
        let params: Box<RawValue> = serde_json::from_str(r#"{"seed":2}"#).unwrap();
        let omit = ["logprobs".to_owned(), "seed".to_owned(), "absent".to_owned()];
        let edit = Edit { params: Some(&params), omit: &omit, ..Edit::default() };
        assert_eq!(edited(r#"{"logprobs":true,"model":"a","seed":1}"#, &edit), r#"{"model":"a","seed":2}"#);
    }

    #[test]
    fn metadata_goes_only_where_it_is_stored() {
        let edit = Edit { drop_unstored_metadata: true, ..Edit::default() };
        assert_eq!(edited(r#"{"model":"a","metadata":{"k":"v"}}"#, &edit), r#"{"model":"a"}"#);
        assert_eq!(
            edited(r#"{"model":"a","metadata":{"k":"v"},"store":false}"#, &edit),
            r#"{"model":"a","store":false}"#
        );
        let stored = r#"{"model":"a","metadata":{"k":"v"},"store":true}"#;
        assert_eq!(edited(stored, &edit), stored);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (text, error) in [
            ("[]", BodyError::NotAnObject),
            ("null", BodyError::NotAnObject),
            ("{", BodyError::NotAnObject),
            ("{}", BodyError::Model(None)),
            (r#"{"model":5}"#, BodyError::Model(Some("5".into()))),
            (r#"{"model":""}"#, BodyError::Model(Some("\"\"".into()))),
        ] {
            assert_eq!(RequestBody::parse(text.to_owned()).unwrap_err(), error, "{text}");
        }
    }
}
