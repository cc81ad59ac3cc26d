//! How the requests to a destination are sent, with which URL and headers.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::builder::Builder;
use super::destinations::To;
use super::via::{Overlay, TIMEOUT_HEADER, Via};
use crate::options::upstream_id::UpstreamKind;
use crate::options::{OpenPipeOptions, UpstreamConfig, parse_url, tags_with_sdk};
use crate::text::headers::{self, HeaderList};
use crate::text::json;

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
                overlay.apply(&mut headers)?;
                Ok(Via::Http { url, headers })
            }
            To::Upstream(upstream) => self.via_upstream(kind, upstream, model, overlay, own),
        }
    }

    /// The headers that a custom client gets.
    fn client_headers(&self, kind: UpstreamKind, own: HeaderList) -> Result<HeaderList, String> {
        // Applied to an empty map only to check them: a header that HTTP forbids is refused before anything is sent.
        headers::overlay(&mut HeaderMap::new(), &own)?;
        let mut own = headers::without_transport_headers(own);
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
        if upstream.key_is_function {
            // The key is not known yet; the upstream's own headers take precedence over it.
            overlay.layers.extend([upstream.own_headers.clone(), own]);
            overlay.apply(&mut Arc::default())?;
            let base = if kind == UpstreamKind::Named { all } else { Arc::default() };
            let (upstream, identity) = (Arc::clone(&upstream.name), upstream.identity.clone());
            return Ok(Via::HttpWithHostHeaders { upstream, url, identity, base, overlay });
        }
        overlay.layers.push(own);
        overlay.apply(&mut all)?;
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
