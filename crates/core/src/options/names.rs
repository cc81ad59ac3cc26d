//! The names of upstreams: which names are allowed, and which upstream a name stands for.

use std::sync::Arc;

use super::known::known;
use super::read::ArgumentError;
use super::upstream_id::UpstreamId;
use crate::text::json;

/// The names of the declared upstreams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a>(pub &'a [Arc<str>]);

impl Names<'_> {
    /// The upstream of this name.
    ///
    /// # Errors
    /// Where none is declared; says how to declare one that is known.
    pub(super) fn find(self, option: String, name: &str) -> Result<UpstreamId, ArgumentError> {
        match name {
            "openai" => return Ok(UpstreamId::Own),
            "openpipe" => return Ok(UpstreamId::OpenPipe),
            _ => {}
        }
        if let Some(index) = self.0.iter().position(|declared| **declared == *name) {
            return Ok(UpstreamId::Named(index));
        }
        Err(match known(name) {
            Some(_) => ArgumentError::other(
                option,
                format!("names an upstream that is not declared: add `upstreams: {{ {name}: {{}} }}` to `openpipe`"),
            ),
            None => {
                let names: Vec<_> = self.0.iter().map(|name| format!("{name:?}")).collect();
                let expected = format!("the name of a declared upstream ({})", names.join(", "));
                let expected = if names.is_empty() { "\"openai\" or \"openpipe\"".into() } else { expected };
                ArgumentError::expected(option, expected, shown_name(name))
            }
        })
    }
}

/// A name as an error shows it: a long one may be a key in the wrong place.
pub(super) fn shown_name(name: &str) -> String {
    if name.chars().count() > 16 {
        format!("a string of {} characters", name.chars().count())
    } else {
        json::ascii(&json::string(name))
    }
}

/// Whether an upstream or a custom client may have this name.
#[must_use]
pub(super) fn is_free_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        && !matches!(name, "openai" | "openpipe" | "client" | "request")
}
