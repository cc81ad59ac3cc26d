//! The configuration of one client, which a host writes as JSON when the client is made.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use reqwest::Url;
use serde::Deserialize;

use super::aliases::Alias;
use super::constructor::ClientOptions;
use super::read::ClientRef;
use super::upstream_config::{UpstreamConfig, WireUpstream, upstream};
use super::upstream_id::UpstreamKind;
use super::urls::Urls;
use super::{Identity, Limit, OpenPipeOptions, parse_url};
use crate::text::credentials::is_credential;
use crate::text::headers;

/// One sink of `openpipe.reports`.
#[derive(Debug, Clone, Deserialize)]
pub struct SinkOption {
    /// The absolute path of a file; without one, reports go to OpenPipe.
    pub file: Option<String>,
    /// The number of the host's function that redacts reports.
    pub redact: Option<u32>,
}

/// Where reports go.
#[derive(Debug, Clone)]
pub struct ReportTarget {
    /// The full URL.
    pub url: Url,
    /// Every header, the key among them.
    pub headers: HeaderMap,
    /// The number of the host's transport that sends them; without one, the core sends them over HTTP.
    pub host_transport: Option<u32>,
}

/// The configuration of one client. Immutable: a host that changes an option makes a new one.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The client's own `baseURL`.
    pub openai: UpstreamConfig,
    /// OpenPipe.
    pub openpipe: UpstreamConfig,
    /// Where reports go; `None` without a key.
    pub report: Option<ReportTarget>,
    /// The sinks of reports that the caller named; not given, `report` alone.
    pub sinks: Option<Vec<SinkOption>>,
    /// The constructor's `fallbackClient`.
    pub fallback_client: Option<ClientRef>,
    /// The declared upstreams.
    pub upstreams: Vec<UpstreamConfig>,
    /// Their names, in the same order.
    pub upstream_names: Vec<Arc<str>>,
    /// The aliases by their names.
    pub aliases: HashMap<String, Alias>,
    /// The client's default headers set or remove `x-stainless-timeout`, so the core leaves it as it is.
    pub keeps_timeout: bool,
    /// The client's `timeout`.
    pub timeout: Option<Limit>,
    /// The client's `maxRetries`, only if the caller gave one.
    pub max_retries: Option<u32>,
    /// Defaults for every call.
    pub defaults: OpenPipeOptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireConfig {
    /// The client's own upstream; absent for `createFetch`, where each call has a URL and headers of its own.
    openai: Option<WireUpstream>,
    openpipe_url: String,
    report_url: Option<String>,
    reports: Option<Vec<SinkOption>>,
    openpipe_key: Option<String>,
    openpipe_missing_key: Option<String>,
    openpipe_invalid: Option<String>,
    openpipe_client: Option<u32>,
    /// The number of the host's transport that sends reports.
    report_transport: Option<u32>,
    #[serde(default)]
    keeps_timeout: bool,
    timeout: Option<Limit>,
    max_retries: Option<u32>,
    /// The constructor's `openpipe`.
    #[serde(default)]
    options: ClientOptions,
    /// The numbers of the host's clients of named upstreams, where its transport is used.
    #[serde(default)]
    upstream_clients: HashMap<String, u32>,
}

impl ClientConfig {
    /// Reads a client's configuration as its host writes it.
    ///
    /// # Errors
    /// Names the option that is wrong: a URL or a header. Never holds a key.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let wire: WireConfig = serde_json::from_str(json).map_err(|error| format!("client configuration: {error}"))?;
        let openai = match wire.openai {
            Some(openai) => upstream("baseURL", openai)?,
            None => UpstreamConfig::unset(),
        };
        // Headers that the host's client sets itself are sent to OpenPipe too; a header that may hold another service's credential is not.
        let mut headers: HeaderMap = openai
            .headers
            .iter()
            .filter(|(name, _)| !is_credential(name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(key) = &wire.openpipe_key {
            let value = headers::header_value(&format!("Bearer {key}"))
                .ok_or_else(|| "`openpipe.apiKey` holds a character that an HTTP header cannot carry".to_owned())?;
            headers.insert(http::header::AUTHORIZATION, value);
        }
        let openpipe = UpstreamConfig {
            name: UpstreamKind::OpenPipe.name().into(),
            urls: Urls::below(&parse_url("openpipe.baseUrl", &wire.openpipe_url)?),
            headers: Arc::new(headers),
            missing_key: wire.openpipe_missing_key,
            invalid: wire.openpipe_invalid,
            client: wire.openpipe_client,
            identity: Identity::of_keys(wire.openpipe_key.iter().map(String::as_bytes)),
            ..UpstreamConfig::unset()
        };
        let report = match wire.report_url {
            Some(url) => Some(ReportTarget {
                url: parse_url("openpipe.baseUrl", &url)?,
                headers: HeaderMap::clone(&openpipe.headers),
                host_transport: wire.report_transport.or(openpipe.client.is_some().then_some(0)),
            }),
            None => None,
        };
        let read = wire.options.read(&openai.headers, &wire.upstream_clients).map_err(|error| error.to_string())?;
        Ok(Self {
            openai,
            openpipe,
            report,
            sinks: wire.reports,
            fallback_client: read.fallback_client,
            upstreams: read.upstreams,
            upstream_names: read.upstream_names,
            aliases: read.aliases,
            keeps_timeout: wire.keeps_timeout,
            timeout: wire.timeout,
            max_retries: wire.max_retries,
            defaults: read.defaults,
        })
    }
}
