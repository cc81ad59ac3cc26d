//! The configuration of an upstream: URLs, headers, key and timeout.

use std::sync::Arc;

use http::HeaderMap;
use reqwest::Url;
use serde::Deserialize;

use super::upstream_id::UpstreamKind;
use super::urls::{Urls, nowhere};
use super::{Identity, Limit, parse_url};
use crate::endpoint::Endpoint;
use crate::text::headers::{self, HeaderList};

/// Hosted tools that an upstream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// All of them.
    All,
    /// Those of these types.
    Types(Vec<String>),
}

/// The configuration of an upstream.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Its name in attempts and logs.
    pub name: Arc<str>,
    /// The URLs of its endpoints.
    pub urls: Urls,
    /// Every header but those of a call, including the key.
    pub headers: Arc<HeaderMap>,
    /// Its own headers, which replace those of the host's client and the key.
    pub own_headers: HeaderList,
    /// The error message for a missing key, which says how to set it; `None` where there is a key or none is needed.
    pub missing_key: Option<String>,
    /// The error message of a malformed option that keeps it from being called.
    pub invalid: Option<String>,
    /// A function returns the key, so the host gives it for each try; `headers` lacks it.
    pub key_is_function: bool,
    /// The number of the host's client that is called instead of HTTP from the core.
    pub client: Option<u32>,
    /// The identity of that client.
    pub identity: Identity,
    /// The timeout of a target there, if neither the target nor the call has one.
    pub timeout: Option<Limit>,
    /// The endpoints that it serves.
    pub endpoints: Vec<Endpoint>,
    /// The hosted tools that it has.
    pub takes: Takes,
    /// The name of the state that it shares with other upstreams.
    pub state: Option<Arc<str>>,
}

impl UpstreamConfig {
    /// Its base URL with its query; a mark in the path may stand for the model.
    #[must_use]
    pub fn base_url(&self) -> Url {
        self.urls.base()
    }

    /// An upstream that cannot be called: the base for others.
    pub(super) fn unset() -> Self {
        Self {
            name: UpstreamKind::Own.name().into(),
            urls: Urls::Template(Arc::new(nowhere())),
            headers: Arc::default(),
            own_headers: Vec::new(),
            missing_key: Some("this client has no upstream of its own".into()),
            invalid: None,
            key_is_function: false,
            client: None,
            identity: Identity::default(),
            timeout: None,
            endpoints: Endpoint::ALL.to_vec(),
            takes: Takes::All,
            state: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireUpstream {
    /// Its base URL.
    base_url: Option<String>,
    /// The full URL of chat completions, where there is no base URL: calls of other endpoints then have one of their own.
    url: Option<String>,
    headers: HeaderList,
    missing_key: Option<String>,
    invalid: Option<String>,
    #[serde(default)]
    key_is_function: bool,
    client: Option<u32>,
    #[serde(default)]
    identity: Identity,
}

pub(super) fn upstream(option: &str, wire: WireUpstream) -> Result<UpstreamConfig, String> {
    let mut headers = HeaderMap::new();
    headers::overlay(&mut headers, &wire.headers)?;
    let WireUpstream { base_url, url, missing_key, invalid, key_is_function, client, identity, .. } = wire;
    let urls = match (base_url, url) {
        (None, Some(url)) => Urls::same(&parse_url(option, &url)?),
        (base, _) => Urls::below(&parse_url(option, &base.unwrap_or_default())?),
    };
    let headers = Arc::new(headers);
    Ok(UpstreamConfig {
        urls,
        headers,
        missing_key,
        invalid,
        key_is_function,
        client,
        identity,
        ..UpstreamConfig::unset()
    })
}
