//! What differs between the endpoints of the API: the path, what a good answer is, what content is, how a stream ends
//! (contract.md, section 9).

use serde::{Deserialize, Serialize};

pub mod chat;

/// An endpoint of the API that calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Endpoint {
    /// `/chat/completions`
    #[default]
    #[serde(rename = "chat")]
    ChatCompletions,
    /// `/completions`
    #[serde(rename = "completions")]
    Completions,
    /// `/responses`
    #[serde(rename = "responses")]
    Responses,
    /// `/embeddings`
    #[serde(rename = "embeddings")]
    Embeddings,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 4] = [Self::ChatCompletions, Self::Completions, Self::Responses, Self::Embeddings];

    /// The path below an upstream's base URL.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
        }
    }

    /// The name by which options and circuits know it, as in `endpoints: ["chat"]`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
        }
    }

    /// The endpoint with exactly this path.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_known_by_its_exact_path_and_serialized_by_its_name() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::of_path(endpoint.path()), Some(endpoint));
            assert_eq!(serde_json::to_string(&endpoint).unwrap(), format!("\"{}\"", endpoint.name()));
        }
        assert_eq!(Endpoint::of_path("/chat/completions/"), None);
    }
}
