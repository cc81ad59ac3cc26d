//! How a target's requests are sent: over HTTP with a URL and headers, with headers that the host gives for each try, or by a custom
//! client.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;

use super::builder::Builder;
use super::destinations::To;
use crate::options::upstream_id::UpstreamKind;
use crate::options::{Identity, OpenPipeOptions, UpstreamConfig, parse_url, tags_with_sdk};
use crate::text::headers::{self, HeaderList};
use crate::text::json;

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
    Asked {
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
    /// Cannot be sent: the model's name would be a path segment such as `..`.
    Unsendable,
}

impl Via {
    /// The URL of a request whose headers are known; `None` for any other.
    pub(super) fn url(&self) -> Option<&Arc<Url>> {
        match self {
            Self::Http { url, .. } => Some(url),
            Self::Asked { .. } | Self::Client { .. } | Self::Unsendable => None,
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
const TIMEOUT_HEADER: &str = "x-stainless-timeout";

impl Overlay {
    /// Applies the changes; copies the headers only where there is one (copy-on-write).
    ///
    /// # Errors
    /// Says which header is not allowed in HTTP.
    pub fn lay(&self, over: &mut Arc<HeaderMap>) -> Result<(), String> {
        if let Some(timeout) = self.timeout {
            Arc::make_mut(over).insert(TIMEOUT_HEADER, HeaderValue::from(timeout));
        }
        for layer in self.layers.iter().filter(|layer| !layer.is_empty()) {
            headers::overlay(Arc::make_mut(over), layer)?;
        }
        Ok(())
    }
}

impl Builder<'_> {
    /// How requests to this destination are sent.
    ///
    /// # Errors
    /// Says which URL or header is malformed.
    pub(super) fn via(
        &self,
        is_primary: bool,
        kind: UpstreamKind,
        to: To<'_>,
        model: &str,
        mut overlay: Overlay,
        client_retries: Option<u32>,
    ) -> Result<Via, String> {
        let own = if is_primary { self.call.headers.clone() } else { headers::without_credentials(&self.call.headers) };
        match to {
            To::Client(client, identity) => {
                let max_retries = if kind == UpstreamKind::HostClient { client_retries } else { Some(0) };
                Ok(Via::Client { client, identity, headers: self.client_headers(kind, own)?, max_retries })
            }
            To::Request(request) => {
                let (url, mut headers) = request.target(is_primary);
                overlay.layers.push(own);
                overlay.lay(&mut headers)?;
                Ok(Via::Http { url, headers })
            }
            To::Upstream(upstream) => self.via_upstream(kind, upstream, model, overlay, own),
        }
    }

    /// The headers that a custom client gets.
    fn client_headers(&self, kind: UpstreamKind, own: HeaderList) -> Result<HeaderList, String> {
        // Applied to an empty map only to check them: a header that HTTP forbids is refused before anything is sent.
        headers::overlay(&mut HeaderMap::new(), &own)?;
        let mut own = headers::without_transports(own);
        if kind == UpstreamKind::OpenPipe {
            let openpipes = openpipe_headers(self.options).into_iter();
            own.splice(0..0, openpipes.map(|(name, value)| (name.to_owned(), Some(value))));
        }
        Ok(own)
    }

    fn via_upstream(
        &self,
        kind: UpstreamKind,
        upstream: &UpstreamConfig,
        model: &str,
        mut overlay: Overlay,
        own: HeaderList,
    ) -> Result<Via, String> {
        let url = match &self.call.url {
            Some(url) if kind == UpstreamKind::Own => Arc::new(parse_url("options.path", url)?),
            _ => match upstream.urls.of(self.call.endpoint, model) {
                Some(url) => url,
                None => return Ok(Via::Unsendable),
            },
        };
        let mut all = Arc::clone(&upstream.headers);
        if kind == UpstreamKind::OpenPipe {
            for (name, value) in openpipe_headers(self.options) {
                let value = HeaderValue::from_str(&value).map_err(|_| format!("{name}: not a valid header value"))?;
                Arc::make_mut(&mut all).insert(HeaderName::from_static(name), value);
            }
        }
        if upstream.asked {
            // The key is not known yet; the upstream's own headers take precedence over it.
            overlay.layers.extend([upstream.own_headers.clone(), own]);
            overlay.lay(&mut Arc::default())?;
            let base = if kind == UpstreamKind::Named { all } else { Arc::default() };
            let (upstream, identity) = (Arc::clone(&upstream.name), upstream.identity.clone());
            return Ok(Via::Asked { upstream, url, identity, base, overlay });
        }
        overlay.layers.push(own);
        overlay.lay(&mut all)?;
        Ok(Via::Http { url, headers: all })
    }

    /// Whether the caller's headers for an upstream, defaults of the client or the upstream's own, set or remove `x-stainless-timeout`.
    pub(super) fn keeps_timeout(&self, kind: UpstreamKind, own: Option<&UpstreamConfig>) -> bool {
        match kind {
            UpstreamKind::Own | UpstreamKind::OpenPipe => self.client.keeps_timeout,
            _ => {
                own.is_some_and(|own| own.own_headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(TIMEOUT_HEADER)))
            }
        }
    }
}

/// The headers for OpenPipe's log and cache: `op-log-request`, `op-cache`, `op-tags`, `op-criteria`, in ASCII.
fn openpipe_headers(options: &OpenPipeOptions) -> Vec<(&'static str, String)> {
    let log = options.log_request.unwrap_or(true).to_string();
    let mut headers = vec![("op-log-request", log), ("op-tags", json::ascii(&tags_with_sdk(options.tags.as_ref())))];
    if let Some(cache) = &options.cache {
        headers.push(("op-cache", cache.clone()));
    }
    if let Some(criteria) = &options.criteria {
        headers.push(("op-criteria", json::ascii(criteria.get())));
    }
    headers
}
