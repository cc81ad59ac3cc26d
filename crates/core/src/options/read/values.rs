//! Reads single values: times, numbers, sizes, texts, choices, functions and custom clients.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::super::Limit;
use super::super::argument_error::{ArgumentError, shown};
use super::super::spec::Kind;
use super::{ClientRef, Given, Read, Section};

impl<'a> Section<'a> {
    /// A time limit.
    ///
    /// # Errors
    /// As for every member: where it is malformed.
    pub fn time(&self, name: &str) -> Read<Option<Limit>> {
        if self.odd(name) == Some("Infinity") {
            return Ok(Some(Limit(None)));
        }
        self.read(name, |raw| {
            let milliseconds = raw.parse::<f64>().ok().filter(|milliseconds| *milliseconds > 0.0)?;
            // A number that does not fit into a `Duration` means no limit.
            Some(Limit(Duration::try_from_secs_f64(milliseconds / 1000.0).ok()))
        })
    }

    /// A member of the breaker's policy, which takes no `null`.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn number(&self, name: &str) -> Read<Option<f64>> {
        let kind = self.kind(name);
        let fits = |number: f64| match kind {
            Kind::Count { most } => number >= 1.0 && number <= most && number.fract() == 0.0,
            Kind::Share => number > 0.0 && number <= 1.0,
            Kind::BoundedTime { most } => number > 0.0 && number <= most,
            _ => false,
        };
        if self.odd(name).is_none() && self.raw(name) == Some("null") {
            return Err(self.refuse(name, "null"));
        }
        self.read(name, |raw| raw.parse::<f64>().ok().filter(|number| fits(*number)))
    }

    /// A size.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn bytes(&self, name: &str) -> Read<Option<u64>> {
        if self.odd(name) == Some("Infinity") {
            return Ok(Some(u64::MAX));
        }
        self.read(name, |raw| {
            let number = raw.parse::<f64>().ok()?;
            let fits = number >= 1.0 && number.fract() == 0.0 && number <= 9_007_199_254_740_991.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number within bounds")]
            fits.then_some(number as u64)
        })
    }

    /// A number of retries.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn retries(&self, name: &str) -> Read<Option<u32>> {
        self.read(name, |raw| {
            let number = raw.parse::<f64>().ok().filter(|number| *number >= 0.0 && number.fract() == 0.0)?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number within bounds")]
            let whole = number.min(f64::from(u32::MAX)) as u32;
            Some(whole)
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn flag(&self, name: &str) -> Read<Option<bool>> {
        self.read(name, |raw| raw.parse().ok())
    }

    /// A non-empty text.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn text(&self, name: &str) -> Read<Option<String>> {
        self.read(name, |raw| serde_json::from_str(raw).ok().filter(|text: &String| !text.is_empty()))
    }

    /// A text that may be a key: an error says no more than the type of the value. An empty one counts as not given.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn secret_text(&self, name: &str) -> Read<Option<String>> {
        let refuse = |got: &str| {
            let got = if got.starts_with("an ") || got.starts_with("a ") { got.to_owned() } else { "a value".into() };
            ArgumentError::expected(self.path(name), "a string", got)
        };
        match self.given(name) {
            Given::Nothing => Ok(None),
            Given::Odd(odd) => Err(refuse(&odd)),
            Given::Json(raw) if raw.starts_with('"') => {
                Ok(serde_json::from_str(raw).ok().filter(|text: &String| !text.is_empty()))
            }
            Given::Json(raw) => Err(refuse(match raw.as_bytes().first() {
                Some(b'[') => "an array",
                Some(b'{') => "an object",
                Some(b't' | b'f') => "a boolean",
                _ => "a number",
            })),
        }
    }

    /// A non-empty text that must be given.
    ///
    /// # Errors
    /// Where it is missing or malformed.
    pub fn required_text(&self, name: &str) -> Read<String> {
        let got = if self.raw(name) == Some("null") { "null" } else { "undefined" };
        self.text(name)?.ok_or_else(|| self.refuse(name, got))
    }

    /// One of the spec's choices.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn choice<T: DeserializeOwned>(&self, name: &str) -> Read<Option<T>> {
        let Kind::Choice(choices) = self.kind(name) else { return Ok(None) };
        self.read(name, |raw| {
            let text: String = serde_json::from_str(raw).ok()?;
            choices.contains(&text.as_str()).then(|| serde_json::from_str(raw).ok()).flatten()
        })
    }

    /// Any value that deserializes to `T`; `null` counts as not given.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Read<Option<T>> {
        self.read(name, |raw| serde_json::from_str(raw).ok())
    }

    /// Whether the host has a function for this member.
    ///
    /// # Errors
    /// Where it has another value.
    pub fn function(&self, name: &str) -> Read<bool> {
        match self.given(name) {
            Given::Nothing => Ok(false),
            Given::Odd(odd) if odd == "a function" => Ok(true),
            Given::Odd(odd) => Err(self.refuse(name, odd)),
            Given::Json(raw) => Err(self.refuse(name, shown(raw))),
        }
    }

    /// A custom client.
    ///
    /// # Errors
    /// If the value is not a custom client.
    pub fn client(&self, name: &str) -> Read<Option<ClientRef>> {
        if let Some(client) = self.aside.clients.get(&self.path(name)) {
            return Ok(Some(client.clone()));
        }
        self.read(name, |_| None)
    }
}
