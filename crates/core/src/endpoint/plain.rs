//! Normalises an event stream: one `data` field for each event, without names, comments and unknown fields.
//!
//! SDKs read fewer forms than servers write: they fail on an event without data, do not see an error outside of `data`, take an empty
//! `error` for an error, and read on after `[DONE]`. If the bytes are normalised first, an SDK reads a stream as the core does.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::carried::empty_error;
use super::tracker::is_done;
use crate::events::sse::{Decoder, SseEvent, TooLarge};

/// Rewrites the bytes of one stream, incrementally.
#[derive(Debug)]
pub struct Rewriter {
    decoder: Decoder,
    is_done: bool,
}

impl Rewriter {
    /// A rewriter that refuses events of more than `max_event_bytes`.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self { decoder: Decoder::new(max_event_bytes), is_done: false }
    }

    /// The events that these bytes complete, normalised.
    ///
    /// # Errors
    /// [`TooLarge`]; then the rewriter must not be used any more.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<String, TooLarge> {
        let mut events = Vec::new();
        self.decoder.feed(bytes, &mut events)?;
        Ok(self.write(&events, bytes.len()))
    }

    /// Notes the clean end of the body. Returns the last event, if it had no blank line after it.
    ///
    /// # Errors
    /// As [`Decoder::finish`].
    pub fn finish(&mut self) -> Result<String, TooLarge> {
        let mut events = Vec::new();
        self.decoder.finish(&mut events)?;
        Ok(self.write(&events, 0))
    }

    /// Whether `[DONE]` has arrived: the stream is over, even if its connection stays open.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    fn write(&mut self, events: &[SseEvent], bytes: usize) -> String {
        let mut text = String::with_capacity(bytes);
        for event in events {
            if self.is_done {
                break;
            }
            if event.is_error {
                write_event(&mut text, &error_of(&event.data));
            } else if is_done(&event.data) {
                self.is_done = true;
                write_event(&mut text, "[DONE]");
            } else if !event.data.trim_ascii().is_empty() {
                write_event(&mut text, &without_empty_error(&event.data));
            }
        }
        text
    }
}

fn write_event(text: &mut String, data: &str) {
    // A CR ends a line for the next reader as well; within JSON text it can only be white space.
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
}

/// An event without its empty `error`: SDKs take any object there for an error.
fn without_empty_error(data: &str) -> Cow<'_, str> {
    let place = || {
        let error = empty_error(data)?.get();
        let start = (error.as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
        Some((data.get(..start)?, data.get(start + error.len()..)?))
    };
    match data.contains("\"error\"").then(place).flatten() {
        Some((before, after)) => Cow::Owned(format!("{before}null{after}")),
        None => Cow::Borrowed(data),
    }
}

/// An error event in a form that SDKs recognise: an object with the member `error`, or the typed event of Responses.
fn error_of(data: &str) -> String {
    let is_known = |value: &Value| {
        value.as_object().is_some_and(|members| {
            members.get("type").is_some_and(|kind| kind == "error")
                || members.get("error").is_some_and(|error| !matches!(error, Value::Null | Value::Bool(false)))
        })
    };
    match serde_json::from_str::<&RawValue>(data) {
        // Deeply nested JSON does not parse, and is passed on as it is.
        Ok(raw) if raw.get().starts_with('{') => match serde_json::from_str::<Value>(data) {
            Ok(value) if is_known(&value) => data.to_owned(),
            _ => format!(r#"{{"error":{}}}"#, raw.get()),
        },
        _ => json!({ "error": { "message": data } }).to_string(),
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
