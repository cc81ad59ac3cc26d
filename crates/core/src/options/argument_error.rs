//! The error of a malformed option, and how a caller's value is shown in it.

use std::fmt;

use crate::text::json;

/// A malformed argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError {
    /// The option, by its path.
    pub option: String,
    /// What it must be; without `got`, what is wrong with it.
    pub expected: String,
    /// A description of the given value; never a text that may be a key.
    pub got: Option<String>,
}

impl ArgumentError {
    /// An option that must be something else.
    pub fn expected(option: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { option: option.into(), expected: expected.into(), got: Some(got.into()) }
    }

    /// Any other mistake in an option; `what` goes on after its name.
    pub fn other(option: impl Into<String>, what: impl Into<String>) -> Self {
        Self { option: option.into(), expected: what.into(), got: None }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.got {
            Some(got) => write!(f, "`{}` must be {}, got {got}", self.option, self.expected),
            None => write!(f, "`{}` {}", self.option, self.expected),
        }
    }
}

/// A string that is longer may be a key, and is not repeated.
const MAX_SHOWN: usize = 16;
/// In characters. A longer name is cut, and not compared with others.
pub(super) const MAX_NAME: usize = 64;

/// The description of a JSON value for a message.
pub(super) fn shown(raw: &str) -> String {
    match raw.as_bytes().first() {
        Some(b'[') => "an array".into(),
        Some(b'{') => "an object".into(),
        Some(b'"') => match serde_json::from_str::<String>(raw) {
            Ok(text) if text.encode_utf16().count() <= MAX_SHOWN => json::ascii(&json::string(&text)),
            Ok(text) => format!("a string of {} characters", text.encode_utf16().count()),
            Err(_) => "a string".into(),
        },
        _ => raw.chars().take(32).collect(),
    }
}

/// A name from outside for a message: cut, and in quotes if it has other characters than names have.
#[must_use]
pub fn quoted(name: &str) -> String {
    let cut = cut(name);
    let is_plain = cut.chars().all(|character| character.is_ascii_alphanumeric() || "_-$.…".contains(character));
    if is_plain { cut } else { json::ascii(&json::string(&cut)) }
}

/// A name from outside for a message, always in quotes: cut, and escaped so that it forges no line.
#[must_use]
pub fn in_quotes(name: &str) -> String {
    json::ascii(&json::string(&cut(name)))
}

fn cut(name: &str) -> String {
    let cut: String = name.chars().take(MAX_NAME).collect();
    if cut.len() < name.len() { cut + "…" } else { cut }
}
