//! Whether a response with choices is an answer: an object whose choices each hold something, and no error.
//!
//! It is read in a single pass, which takes half the time of one pass for each level. One of an unusual shape (a name twice, a
//! choice that is no object) is read member by member.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::finish::Finish;
use super::signs::Strict;
use crate::endpoint::{self, Refusal, carried};
use crate::text::json::{self, Members};

/// What each choice must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::endpoint) enum Shape {
    /// A `message` that is an object.
    Message,
    /// A `text` that is a string.
    Text,
}

impl Shape {
    /// What an answer of this shape is called in messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Message => "chat completion",
            Self::Text => "completion",
        }
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    choices: Option<Choices<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<&'a RawValue>,
}

/// What the choices hold, taken together as each is read: no list of them is made, however many there are.
#[derive(Default)]
struct Choices<'a> {
    count: usize,
    /// How many have a `message` that is an object.
    with_message: usize,
    /// How many have a `text` that is a string.
    with_text: usize,
    /// Not every one is an object.
    is_mixed: bool,
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
/// Why it is no answer.
pub(in crate::endpoint) fn judge(text: &str, shape: Shape) -> Result<Option<String>, Refusal> {
    if let Ok(Strict(answer)) = serde_json::from_str::<Strict<Answer<'_>>>(text) {
        return answer.judge(text, shape);
    }
    Answer::of(&endpoint::object(text)?).judge(text, shape)
}

impl<'a> Answer<'a> {
    fn of(members: &Members<'a>) -> Self {
        let choices = members.get("choices").and_then(|raw| Choices::of(raw.get()));
        let [error, usage, x_groq] = ["error", "usage", "x_groq"].map(|name| members.get_non_null(name));
        Self { choices, error, usage, x_groq }
    }

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

impl<'a> Choices<'a> {
    /// Reads each choice member by member; `None` where it is no array.
    fn of(array: &'a str) -> Option<Self> {
        let mut choices = Self::default();
        let is_array = json::each_element(array, |choice| match Members::of(choice.get()) {
            Ok(members) => choices.add(&Choice::of(&members)),
            Err(_) => {
                choices.count += 1;
                choices.is_mixed = true;
            }
        });
        is_array.then_some(choices)
    }

    fn add(&mut self, choice: &Choice<'a>) {
        self.count += 1;
        self.with_message += usize::from(choice.message.is_some_and(|raw| raw.get().starts_with('{')));
        self.with_text += usize::from(choice.text.is_some_and(|raw| raw.get().starts_with('"')));
        self.error = self.error.or(choice.error.filter(|error| carried::is_error(Some(error), true, true)));
        self.usage = self.usage.or(choice.usage);
        if let Finish::Failed(reason) = Finish::of(choice.finish_reason) {
            self.failed_finish.get_or_insert(reason);
        }
    }

    /// Judges them. Returns the usage that one of them states.
    fn judge(self, shape: Shape) -> Result<Option<&'a RawValue>, Refusal> {
        let what = shape.name();
        if let Some(error) = self.error {
            return Err(Refusal::error(carried::body_of(error)));
        }
        if let Some(reason) = self.failed_finish {
            return Err(Refusal::because(format!("the response ended with the finish reason {reason:?}")));
        }
        if self.is_mixed {
            return Err(Refusal::because(format!("the response is no {what}: a choice is no object")));
        }
        let filled = if shape == Shape::Message { self.with_message } else { self.with_text };
        if filled < self.count {
            return Err(Refusal::because(format!("the response is no {what}: a choice has nothing in it")));
        }
        Ok(self.usage)
    }
}

impl<'a> Choice<'a> {
    fn of(members: &Members<'a>) -> Self {
        let [message, text, finish_reason, error, usage] =
            ["message", "text", "finish_reason", "error", "usage"].map(|name| members.get_non_null(name));
        Self { message, text, finish_reason, error, usage }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoicesVisitor;
        impl<'de> Visitor<'de> for ChoicesVisitor {
            type Value = Choices<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut choices = Choices::default();
                while let Some(Strict(choice)) = array.next_element::<Strict<Choice<'de>>>()? {
                    choices.add(&choice);
                }
                Ok(choices)
            }
        }
        deserializer.deserialize_seq(ChoicesVisitor)
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
