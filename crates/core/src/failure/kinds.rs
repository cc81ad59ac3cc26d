//! The kinds of failure that a caller knows (contract.md, section 3). Their statuses and codes are in [`super::codes`].

use serde::{Deserialize, Serialize};

/// The kinds of failure that `on` and `except` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The target's timeout, or the first-token timeout, has passed.
    Timeout,
    /// DNS, refused, reset, TLS, proxy, a response that ends early or is not HTTP.
    Connection,
    /// 429.
    RateLimit,
    /// 402; 429 or 403 with a code that says that money or quota is used up. Never retried.
    Quota,
    /// 5xx, 408, 409.
    ServerError,
    /// 401, 403.
    Auth,
    /// 404.
    NotFound,
    /// Any other 4xx.
    BadRequest,
    /// 4xx whose error says that the input is too long for the model.
    ContextLength,
    /// 4xx with an error code of a content filter.
    ContentFilter,
    /// A 2xx that is not a valid answer, a 3xx, a broken content encoding, a response over the size limit.
    InvalidResponse,
    /// A stream that breaks, stalls, or carries an error.
    Stream,
    /// An answer that the caller's own rules refuse.
    Rejected,
}

impl Kind {
    /// Every kind, in the order of the contract's table.
    pub const ALL: [Self; 13] = [
        Self::Timeout,
        Self::Connection,
        Self::RateLimit,
        Self::Quota,
        Self::ServerError,
        Self::Auth,
        Self::NotFound,
        Self::BadRequest,
        Self::ContextLength,
        Self::ContentFilter,
        Self::InvalidResponse,
        Self::Stream,
        Self::Rejected,
    ];

    /// Whether a retry may succeed, by the rules of OpenAI's clients. A response's own `x-should-retry` takes precedence.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Timeout | Self::Connection | Self::RateLimit | Self::ServerError)
    }

    /// The name of the kind in options, attempts and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::ServerError => "server_error",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::BadRequest => "bad_request",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::InvalidResponse => "invalid_response",
            Self::Stream => "stream",
            Self::Rejected => "rejected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_as_it_is_serialized() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }
}
