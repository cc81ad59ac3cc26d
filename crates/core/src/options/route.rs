//! Routes a model to its upstream by its prefix: the table of contract.md, section 2.

use std::sync::Arc;

use super::upstream_id::UpstreamId;
use crate::options::known;

/// The upstream of a model.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// This upstream, which gets this name of the model.
    To(UpstreamId, &'a str),
    /// A known upstream that is not declared.
    Undeclared(&'a str),
}

/// The prefixes of models that OpenPipe serves.
pub(crate) const OPENPIPE_PREFIXES: [&str; 4] = ["openpipe", "openai", "anthropic", "gemini"];

/// Routes a model that is no alias.
#[must_use]
pub fn by_model<'a>(model: &'a str, declared: &[Arc<str>]) -> Route<'a> {
    let Some((prefix, rest)) = model.split_once(':') else { return Route::To(UpstreamId::Own, model) };
    if let Some(index) = declared.iter().position(|name| **name == *prefix) {
        return Route::To(UpstreamId::Named(index), rest);
    }
    if OPENPIPE_PREFIXES.contains(&prefix) {
        return Route::To(UpstreamId::OpenPipe, model);
    }
    if known::known(prefix).is_some() {
        return Route::Undeclared(prefix);
    }
    Route::To(UpstreamId::Own, model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_table() {
        let declared: [Arc<str>; 2] = ["groq".into(), "anthropic".into()];
        for (model, expected) in [
            ("openpipe:my-ft", Route::To(UpstreamId::OpenPipe, "openpipe:my-ft")),
            ("openai:gpt-4o", Route::To(UpstreamId::OpenPipe, "openai:gpt-4o")),
            ("gemini:flash", Route::To(UpstreamId::OpenPipe, "gemini:flash")),
            ("gpt-4o", Route::To(UpstreamId::Own, "gpt-4o")),
            ("ft:openpipe:x", Route::To(UpstreamId::Own, "ft:openpipe:x")),
            ("OpenPipe:x", Route::To(UpstreamId::Own, "OpenPipe:x")),
            ("groq:llama:70b", Route::To(UpstreamId::Named(0), "llama:70b")),
            ("Groq:llama", Route::To(UpstreamId::Own, "Groq:llama")),
            ("anthropic:claude", Route::To(UpstreamId::Named(1), "claude")),
            ("mistral:small", Route::Undeclared("mistral")),
        ] {
            assert_eq!(by_model(model, &declared), expected, "{model}");
        }
        assert_eq!(by_model("anthropic:claude", &[]), Route::To(UpstreamId::OpenPipe, "anthropic:claude"));
    }
}
