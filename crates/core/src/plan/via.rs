//! How a target's requests are sent: over HTTP with a URL and headers, with headers that the host gives for each try, or by a custom
//! client.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use reqwest::Url;

use crate::options::Identity;
use crate::text::headers::{self, HeaderList};

/// How a target's requests are sent.
#[derive(Debug, Clone)]
pub enum Via {
    /// HTTP from the core.
    Http {
        /// The URL of the endpoint.
        url: Arc<Url>,
        /// All headers.
        headers: Arc<HeaderMap>,
    },
    /// HTTP from the core, with headers that the host gives for each try, within the target's time.
    HttpWithHostHeaders {
        /// The upstream's name.
        upstream: Arc<str>,
        /// The URL of the endpoint.
        url: Arc<Url>,
        /// Identifies the account, as the key may differ each time.
        identity: Identity,
        /// The headers that those of the host are applied over.
        base: Arc<HeaderMap>,
        /// The headers that are applied over those of the host.
        overlay: Overlay,
    },
    /// A custom client, which gets the caller's headers without credentials and framing.
    Client {
        /// Its number in the host.
        client: u32,
        /// The identity of its upstream.
        identity: Identity,
        /// The caller's own headers.
        headers: HeaderList,
        /// How many retries the client makes by itself, within the target's time; `None` is its own default.
        max_retries: Option<u32>,
    },
    /// Cannot be sent: the model's name would be a dot segment (RFC 3986) of the URL, such as `..`.
    Unsendable,
}

impl Via {
    /// The URL of a request whose headers are known; `None` for any other.
    pub(super) fn url(&self) -> Option<&Arc<Url>> {
        match self {
            Self::Http { url, .. } => Some(url),
            Self::HttpWithHostHeaders { .. } | Self::Client { .. } | Self::Unsendable => None,
        }
    }
}

/// Headers that are applied over those that the host gives.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// The value of `x-stainless-timeout`, in seconds.
    pub(super) timeout: Option<u64>,
    /// Each takes precedence over those before it; the call's are the last.
    pub(super) layers: Vec<HeaderList>,
}

/// The header of OpenAI's clients with the request's timeout, in whole seconds.
pub(super) const TIMEOUT_HEADER: &str = "x-stainless-timeout";

impl Overlay {
    /// Applies the changes; copies the headers only where there is one (copy-on-write).
    ///
    /// # Errors
    /// Says which header is not allowed in HTTP.
    pub fn apply(&self, over: &mut Arc<HeaderMap>) -> Result<(), String> {
        if let Some(timeout) = self.timeout {
            Arc::make_mut(over).insert(TIMEOUT_HEADER, HeaderValue::from(timeout));
        }
        for layer in self.layers.iter().filter(|layer| !layer.is_empty()) {
            headers::overlay(Arc::make_mut(over), layer)?;
        }
        Ok(())
    }
}
