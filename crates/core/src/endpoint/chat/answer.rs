//! Checks that a response with choices is a valid answer: each choice has a message or text, and there is no error.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{Choices, Envelope};
use super::finish::Finish;
use crate::endpoint::accepted::{self, Refusal};
use crate::endpoint::carried;
use crate::text::json::Members;

/// The member that each choice must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::endpoint) enum Shape {
    /// A `message` that is an object.
    Message,
    /// A `text` that is a string.
    Text,
}

impl Shape {
    /// The name of an answer of this shape in messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Message => "chat completion",
            Self::Text => "completion",
        }
    }
}

type Answer<'a> = Envelope<'a, Filled<'a>>;

/// How many choices there are, and what they hold.
#[derive(Default)]
struct Filled<'a> {
    count: usize,
    /// How many have a `message` that is an object.
    with_message: usize,
    /// How many have a `text` that is a string.
    with_text: usize,
    error: Option<&'a RawValue>,
    failed_finish: Option<String>,
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Judges a response, each of whose choices must be of this shape. Returns the usage that it states, as JSON text.
///
/// # Errors
/// Why it is not a valid answer.
pub(in crate::endpoint) fn judge(text: &str, shape: Shape) -> Result<Option<String>, Refusal> {
    if let Ok(answer) = Answer::in_one_pass(text) {
        return answer.judge(text, shape);
    }
    Answer::of(&accepted::object(text)?).judge(text, shape)
}

impl Answer<'_> {
    fn judge(self, text: &str, shape: Shape) -> Result<Option<String>, Refusal> {
        let choices = self.choices.filter(|choices| choices.count > 0);
        if carried::is_error(self.error, choices.is_some(), false)
            || (choices.is_none() && Members::of(text).is_ok_and(|members| carried::is_marked(&members)))
        {
            return Err(Refusal::error(text.to_owned()));
        }
        let x_groq = self.x_groq.and_then(|raw| Members::of(raw.get()).ok()).unwrap_or_default();
        if let Some(error) = x_groq.get("error").filter(|raw| carried::is_error(Some(raw), true, true)) {
            return Err(Refusal::error(carried::body_of(error)));
        }
        let what = shape.name();
        let Some(choices) = choices else {
            return Err(Refusal::saying(&format!("the response is no {what}: it has no choices"), text));
        };
        let of_choices = choices.judge(shape)?;
        let usage = self.usage.or(of_choices).or_else(|| x_groq.get_non_null("usage"));
        Ok(usage.map(|usage| usage.get().to_owned()))
    }
}

impl<'a> Choices<'a> for Filled<'a> {
    type Choice = Choice<'a>;

    fn choice(members: &Members<'a>) -> Choice<'a> {
        let [message, text, finish_reason, error, usage] =
            ["message", "text", "finish_reason", "error", "usage"].map(|name| members.get_non_null(name));
        Choice { message, text, finish_reason, error, usage }
    }

    fn add(&mut self, choice: Choice<'a>) {
        self.count += 1;
        self.with_message += usize::from(choice.message.is_some_and(|raw| raw.get().starts_with('{')));
        self.with_text += usize::from(choice.text.is_some_and(|raw| raw.get().starts_with('"')));
        self.error = self.error.or(choice.error.filter(|error| carried::is_error(Some(error), true, true)));
        self.usage = self.usage.or(choice.usage);
        if let Finish::Failed(reason) = Finish::of(choice.finish_reason) {
            self.failed_finish.get_or_insert(reason);
        }
    }

    fn add_other(&mut self) {
        self.count += 1;
    }
}

impl<'a> Filled<'a> {
    /// Judges them. Returns the usage that one of them states.
    fn judge(self, shape: Shape) -> Result<Option<&'a RawValue>, Refusal> {
        let what = shape.name();
        if let Some(error) = self.error {
            return Err(Refusal::error(carried::body_of(error)));
        }
        if let Some(reason) = self.failed_finish {
            return Err(Refusal::because(format!("the response ended with the finish reason {reason:?}")));
        }
        let filled = if shape == Shape::Message { self.with_message } else { self.with_text };
        if filled < self.count {
            return Err(Refusal::because(format!("the response is no {what}: a choice has nothing in it")));
        }
        Ok(self.usage)
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
