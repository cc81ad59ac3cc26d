//! How an upstream is reached: its URLs, headers, key and time, as the constructor's options give them.

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

/// How an upstream is reached: where, and with what.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Its name, as the caller sees it.
    pub name: Arc<str>,
    /// Where its endpoints are.
    pub urls: Urls,
    /// Every header but those of a call, the key among them.
    pub headers: Arc<HeaderMap>,
    /// Its own headers, which replace those of the host's client and the key.
    pub own_headers: HeaderList,
    /// Says how to give the key, where it is missing.
    pub missing_key: Option<String>,
    /// Says why it cannot be called as it is configured: a malformed argument.
    pub invalid: Option<String>,
    /// The host is asked for the headers at each try, because a function returns the key: the headers here lack it.
    pub asked: bool,
    /// The number of the host's client that is called instead of HTTP from here.
    pub client: Option<u32>,
    /// Who that client is.
    pub identity: Identity,
    /// The time of a target there, where neither the target nor the call says.
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

    /// An upstream of which nothing is known yet.
    pub(super) fn unset() -> Self {
        Self {
            name: UpstreamKind::Own.name().into(),
            urls: Urls::Template(Arc::new(nowhere())),
            headers: Arc::default(),
            own_headers: Vec::new(),
            missing_key: Some("this client has no upstream of its own".into()),
            invalid: None,
            asked: false,
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
    asked: bool,
    client: Option<u32>,
    #[serde(default)]
    identity: Identity,
}

pub(super) fn upstream(option: &str, wire: WireUpstream) -> Result<UpstreamConfig, String> {
    let mut headers = HeaderMap::new();
    headers::overlay(&mut headers, &wire.headers)?;
    let WireUpstream { base_url, url, missing_key, invalid, asked, client, identity, .. } = wire;
    let urls = match (base_url, url) {
        (None, Some(url)) => Urls::same(&parse_url(option, &url)?),
        (base, _) => Urls::below(&parse_url(option, &base.unwrap_or_default())?),
    };
    let headers = Arc::new(headers);
    Ok(UpstreamConfig { urls, headers, missing_key, invalid, asked, client, identity, ..UpstreamConfig::unset() })
}
