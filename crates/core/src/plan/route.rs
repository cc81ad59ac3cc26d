//! Where a model is served: the table of contract.md, section 2.

use serde::Serialize;

/// Which service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// OpenPipe's own API.
    OpenPipe,
    /// The client's own `baseURL`.
    OpenAi,
    /// A JavaScript client that the user handed in.
    Client,
}

/// Models with these prefixes are OpenPipe's to serve.
const OPENPIPE_PREFIXES: [&str; 4] = ["openpipe:", "openai:", "anthropic:", "gemini:"];

/// The service of a primary: by its model, or OpenPipe where the call asks for its cache.
#[must_use]
pub fn primary(model: &str, cached: bool) -> Service {
    if cached { Service::OpenPipe } else { by_model(model) }
}

/// The service that has a model of this name.
#[must_use]
pub fn by_model(model: &str) -> Service {
    if OPENPIPE_PREFIXES.iter().any(|prefix| model.starts_with(prefix)) { Service::OpenPipe } else { Service::OpenAi }
}

/// A fallback's JavaScript client: its own, else the constructor's.
#[must_use]
pub fn fallback_client(own: Option<u32>, constructors: Option<u32>) -> Option<u32> {
    own.or(constructors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_table() {
        for (model, cached, service) in [
            ("openpipe:my-ft", false, Service::OpenPipe),
            ("openai:gpt-4o", false, Service::OpenPipe),
            ("anthropic:claude", false, Service::OpenPipe),
            ("gemini:flash", false, Service::OpenPipe),
            ("gpt-4o", false, Service::OpenAi),
            ("gpt-4o", true, Service::OpenPipe),
            ("ft:openpipe:x", false, Service::OpenAi),
            ("OpenPipe:x", false, Service::OpenAi),
        ] {
            assert_eq!(primary(model, cached), service, "{model} {cached}");
        }
    }

    #[test]
    fn a_fallbacks_own_client_comes_before_the_constructors() {
        assert_eq!(fallback_client(Some(1), Some(2)), Some(1));
        assert_eq!(fallback_client(None, Some(2)), Some(2));
        assert_eq!(fallback_client(None, None), None);
    }
}
