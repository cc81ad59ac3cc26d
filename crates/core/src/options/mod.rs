//! What a caller set, as it comes over the boundary: already checked there, and merged here.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use reqwest::Url;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::failure::{Filter, Trigger};
use crate::plan::route::UpstreamKind;
use crate::policy::breaker::BreakerPolicy;
use crate::text::headers::{self, HeaderList};
use crate::text::secrets;

/// The default for the decompressed size of a response, 64 MiB; [`Endpoint::max_response_bytes`] has the others.
pub const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;
/// The default time of a target, ten minutes, as in the SDK.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// A time limit: a number of milliseconds, or none at all (`Infinity` in JavaScript).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire<'a> {
            Milliseconds(f64),
            #[serde(borrow)]
            Name(#[expect(dead_code, reason = "only `\"Infinity\"` is ever sent")] &'a str),
        }
        Ok(match Wire::deserialize(deserializer)? {
            // What does not fit into a `Duration` is as good as no limit.
            Wire::Milliseconds(milliseconds) => Self(Duration::try_from_secs_f64(milliseconds / 1000.0).ok()),
            Wire::Name(_) => Self(None),
        })
    }
}

/// One fallback target.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FallbackTarget {
    /// Its model.
    pub model: String,
    /// Its time; not given, `options.timeout`, else the client's.
    pub timeout: Option<Limit>,
    /// The number of a JavaScript client that is asked instead of an HTTP upstream.
    pub client: Option<u32>,
    /// Who that client is.
    #[serde(default)]
    pub client_identity: Identity,
    /// Members merged over the body.
    pub params: Option<Box<RawValue>>,
    /// Members taken out of the body.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Only these failures move on to it.
    pub on: Option<Vec<Trigger>>,
    /// These failures do not.
    #[serde(default)]
    pub except: Vec<Trigger>,
}

impl FallbackTarget {
    /// The failures that this target takes over.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter { on: self.on.clone(), except: self.except.clone() }
    }
}

/// What tells one upstream of a JavaScript client from another, whatever object stands for it. It may hold a key.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Identity(String);

impl Identity {
    /// Whether it has a key that is the same for every call: a list of what the client shows. A client that shows none, or has
    /// a function give it, is known by a number instead.
    #[must_use]
    pub fn shows_key(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Its text, to make a digest of.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Identity(…)")
    }
}

/// `openpipe.breaker`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum BreakerOption {
    /// `true`: the default policy; `false`: none.
    Switch(bool),
    /// A policy of the caller's.
    Policy(BreakerPolicy),
}

impl BreakerOption {
    /// The policy, where the breaker is on.
    #[must_use]
    pub fn policy(self) -> Option<BreakerPolicy> {
        match self {
            Self::Switch(on) => on.then(BreakerPolicy::default),
            Self::Policy(policy) => Some(policy),
        }
    }
}

/// When a stream that has a follower is handed to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldUntil {
    /// With its first content.
    #[default]
    Content,
    /// When it has ended well.
    Finish,
}

/// The `openpipe` member of a call or of the constructor.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OpenPipeOptions {
    /// The fallback targets in their order; an empty list switches the default off.
    pub fallback: Option<Vec<FallbackTarget>>,
    /// Tags for the log.
    pub tags: Option<Map<String, Value>>,
    /// Whether the call is logged; not given, it is.
    pub log_request: Option<bool>,
    /// `op-cache`; on a primary it routes to OpenPipe.
    pub cache: Option<String>,
    /// `op-criteria`.
    pub criteria: Option<Box<RawValue>>,
    /// The wait for the first content of a stream, where another target follows.
    pub first_token_timeout: Option<Limit>,
    /// The longest silence of a stream after its first content.
    pub idle_timeout: Option<Limit>,
    /// A bound on the whole call.
    pub deadline: Option<Limit>,
    /// When a stream is committed.
    pub hold_until: Option<HoldUntil>,
    /// The decompressed size of a response, in bytes.
    pub max_response_bytes: Option<u64>,
    /// Whether a target that keeps failing is left out for a while.
    pub breaker: Option<BreakerOption>,
}

impl OpenPipeOptions {
    /// These options, and where they say nothing, the defaults; tags are merged name by name.
    #[must_use]
    pub fn over(mut self, defaults: &Self) -> Self {
        let tags = match (self.tags.take(), &defaults.tags) {
            (None, defaults) => defaults.clone(),
            (tags, None) => tags,
            (Some(tags), Some(defaults)) => {
                let mut merged = defaults.clone();
                merged.extend(tags);
                Some(merged)
            }
        };
        Self {
            fallback: self.fallback.or_else(|| defaults.fallback.clone()),
            tags,
            log_request: self.log_request.or(defaults.log_request),
            cache: self.cache.or_else(|| defaults.cache.clone()),
            criteria: self.criteria.or_else(|| defaults.criteria.clone()),
            first_token_timeout: self.first_token_timeout.or(defaults.first_token_timeout),
            idle_timeout: self.idle_timeout.or(defaults.idle_timeout),
            deadline: self.deadline.or(defaults.deadline),
            hold_until: self.hold_until.or(defaults.hold_until),
            max_response_bytes: self.max_response_bytes.or(defaults.max_response_bytes),
            breaker: self.breaker.or(defaults.breaker),
        }
    }
}

/// What a caller gave with one call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallOptions {
    /// The endpoint that is called; not given, chat completions.
    pub endpoint: Endpoint,
    /// `options.timeout`.
    pub timeout: Option<Limit>,
    /// `options.maxRetries`.
    pub max_retries: Option<u32>,
    /// `options.headers`.
    pub headers: HeaderList,
    /// The client's own URL for this call, where `options` changed path or query.
    pub url: Option<String>,
    /// How long the caller waits before it gives the call up, where no timeout was given: the call's deadline, of which the
    /// primary gets half where another target follows.
    pub patience: Option<Limit>,
    /// A stream is committed with its content by the last target too, instead of at its headers.
    pub commit_last: bool,
    /// A stream's events are handed over as the text of server-sent events.
    pub wire_events: bool,
    /// The body's `openpipe`.
    pub openpipe: OpenPipeOptions,
    /// The request that a `fetch` was called with: an upstream of this call, in place of the client's own.
    pub request: Option<RequestUpstream>,
}

/// The URLs of an upstream: one for each endpoint.
#[derive(Debug, Clone)]
pub struct Urls([Arc<Url>; Endpoint::ALL.len()]);

impl Urls {
    /// The endpoints' paths below a base URL, whose query stays.
    #[must_use]
    pub fn below(base: &Url) -> Self {
        let below = |endpoint: Endpoint| {
            let mut url = base.clone();
            url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), endpoint.path()));
            Arc::new(url)
        };
        Self(Endpoint::ALL.map(below))
    }

    fn same(url: &Url) -> Self {
        Self(Endpoint::ALL.map(|_| Arc::new(url.clone())))
    }

    /// That of an endpoint.
    #[must_use]
    pub fn of(&self, endpoint: Endpoint) -> Arc<Url> {
        let [chat, completions, responses, embeddings] = &self.0;
        Arc::clone(match endpoint {
            Endpoint::ChatCompletions => chat,
            Endpoint::Completions => completions,
            Endpoint::Responses => responses,
            Endpoint::Embeddings => embeddings,
        })
    }
}

/// The upstream that a request's own URL and headers name (contract.md, section 11).
#[derive(Debug, Clone)]
pub struct RequestUpstream {
    url: Arc<Url>,
    headers: Arc<HeaderMap>,
    /// The same for every other target of the call: without what belongs to the one request.
    other_url: Arc<Url>,
    other_headers: Arc<HeaderMap>,
}

impl RequestUpstream {
    /// The URL and headers for the primary, or for a target after it.
    #[must_use]
    pub fn target(&self, is_primary: bool) -> (Arc<Url>, Arc<HeaderMap>) {
        let (url, headers) =
            if is_primary { (&self.url, &self.headers) } else { (&self.other_url, &self.other_headers) };
        (Arc::clone(url), Arc::clone(headers))
    }
}

impl<'de> Deserialize<'de> for RequestUpstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Headers that belong to the one request that was written.
        const PRIMARY_ONLY: [&str; 3] = ["openai-organization", "openai-project", "accept-encoding"];
        #[derive(Deserialize)]
        struct Wire {
            url: String,
            #[serde(default)]
            headers: HeaderList,
        }
        let wire = Wire::deserialize(deserializer)?;
        let url = parse_url("url", &wire.url).map_err(serde::de::Error::custom)?;
        let mut other_url = url.clone();
        other_url.set_query(None);
        let mut headers = HeaderMap::new();
        headers::overlay(&mut headers, &wire.headers).map_err(serde::de::Error::custom)?;
        let mut other_headers = headers.clone();
        PRIMARY_ONLY.iter().for_each(|name| drop(other_headers.remove(*name)));
        Ok(Self {
            url: Arc::new(url),
            headers: Arc::new(headers),
            other_url: Arc::new(other_url),
            other_headers: Arc::new(other_headers),
        })
    }
}

/// One sink of `openpipe.reports`.
#[derive(Debug, Clone, Deserialize)]
pub struct SinkOption {
    /// The absolute path of a file; OpenPipe where there is none.
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
    /// The host sends them, not HTTP from here.
    pub through_host: bool,
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
    /// Says how to give the key, where there is none.
    pub missing_key: Option<String>,
    /// JavaScript has to be asked for the headers at each try, because a function gives the key: those here lack it.
    pub asked: bool,
    /// The number of the JavaScript client that is called instead of HTTP from here.
    pub client: Option<u32>,
    /// Who that client is.
    pub identity: Identity,
}

/// The native side of one client: what its constructor was given. Immutable; a change in JavaScript makes a new one.
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
    /// The number of the constructor's `fallbackClient`.
    pub fallback_client: Option<u32>,
    /// Who that client is.
    pub fallback_client_identity: Identity,
    /// The client's `timeout`.
    pub timeout: Option<Limit>,
    /// The client's `maxRetries`, only if the caller gave one.
    pub max_retries: Option<u32>,
    /// Defaults for every call.
    pub defaults: OpenPipeOptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUpstream {
    /// Its base URL.
    base_url: Option<String>,
    /// The full URL of chat completions, where there is no base URL: calls of other endpoints then have one of their own.
    url: Option<String>,
    headers: HeaderList,
    missing_key: Option<String>,
    #[serde(default)]
    asked: bool,
    client: Option<u32>,
    #[serde(default)]
    identity: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireConfig {
    openai: WireUpstream,
    openpipe_url: String,
    report_url: Option<String>,
    reports: Option<Vec<SinkOption>>,
    openpipe_key: Option<String>,
    openpipe_missing_key: Option<String>,
    openpipe_client: Option<u32>,
    fallback_client: Option<u32>,
    #[serde(default)]
    fallback_client_identity: Identity,
    timeout: Option<Limit>,
    max_retries: Option<u32>,
    #[serde(default)]
    defaults: OpenPipeOptions,
}

impl ClientConfig {
    /// Reads what the facade says of its client.
    ///
    /// # Errors
    /// Names the option that is wrong: a URL or a header. Never holds a key.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let wire: WireConfig = serde_json::from_str(json).map_err(|error| format!("client configuration: {error}"))?;
        let openai = upstream("baseURL", wire.openai)?;
        // The SDK's own headers go along to OpenPipe; what proves who the caller is to someone else does not.
        let mut headers: HeaderMap = openai
            .headers
            .iter()
            .filter(|(name, _)| !secrets::is_credential(name.as_str()))
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
            asked: false,
            client: wire.openpipe_client,
            identity: Identity(wire.openpipe_key.unwrap_or_default()),
        };
        let report = match wire.report_url {
            Some(url) => Some(ReportTarget {
                url: parse_url("openpipe.baseUrl", &url)?,
                headers: HeaderMap::clone(&openpipe.headers),
                through_host: openpipe.client.is_some(),
            }),
            None => None,
        };
        Ok(Self {
            openai,
            openpipe,
            report,
            sinks: wire.reports,
            fallback_client: wire.fallback_client,
            fallback_client_identity: wire.fallback_client_identity,
            timeout: wire.timeout,
            max_retries: wire.max_retries,
            defaults: wire.defaults,
        })
    }
}

fn upstream(option: &str, wire: WireUpstream) -> Result<UpstreamConfig, String> {
    let mut headers = HeaderMap::new();
    headers::overlay(&mut headers, &wire.headers)?;
    let WireUpstream { base_url, url, missing_key, asked, client, identity, .. } = wire;
    let urls = match (base_url, url) {
        (None, Some(url)) => Urls::same(&parse_url(option, &url)?),
        (base, _) => Urls::below(&parse_url(option, &base.unwrap_or_default())?),
    };
    let name = UpstreamKind::Own.name().into();
    Ok(UpstreamConfig { name, urls, headers: Arc::new(headers), missing_key, asked, client, identity })
}

/// A URL that HTTP can go to.
///
/// # Errors
/// Names the option.
pub fn parse_url(option: &str, text: &str) -> Result<Url, String> {
    // What is no URL at all may be a key in the wrong place, and one with a password holds a secret.
    let looks_like_one = text.contains('/') && !text.contains('@');
    let shown = if looks_like_one || text.len() <= 16 { format!("{text:?}") } else { "what was given".to_owned() };
    let url = Url::parse(text).map_err(|error| format!("`{option}`: {shown} is not a valid URL ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("`{option}`: {shown} is not an http or https URL"));
    }
    Ok(url)
}

/// Of the known names the one that an unknown one was probably meant to be; `None` where none is near.
#[must_use]
pub fn nearest_name(unknown: &str, known: &[String]) -> Option<String> {
    let near = |name: &&String| strsim::damerau_levenshtein(&unknown.to_lowercase(), &name.to_lowercase());
    let nearest = known.iter().min_by_key(near)?;
    (near(&nearest) <= 1 + nearest.len() / 3).then(|| nearest.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_milliseconds_or_none() {
        let limit = |json: &str| serde_json::from_str::<Limit>(json).unwrap().0;
        assert_eq!(limit("1500"), Some(Duration::from_millis(1500)));
        assert_eq!(limit("0.5"), Some(Duration::from_micros(500)));
        assert_eq!(limit("\"Infinity\""), None);
        assert_eq!(limit("1e300"), None);
        assert_eq!(limit("4294967296"), Some(Duration::from_millis(1 << 32)));
    }

    #[test]
    fn a_calls_options_win_over_the_clients() {
        let of = |json: &str| serde_json::from_str::<OpenPipeOptions>(json).unwrap();
        let defaults = of(r#"{"fallback":[{"model":"b"}],"tags":{"a":1,"b":2},"cache":"readWrite","deadline":5}"#);
        let merged = of(r#"{"fallback":[],"tags":{"b":3,"c":4},"deadline":7}"#).over(&defaults);
        assert_eq!(merged.fallback.unwrap().len(), 0);
        assert_eq!(serde_json::to_string(&merged.tags).unwrap(), r#"{"a":1,"b":3,"c":4}"#);
        assert_eq!(merged.cache.as_deref(), Some("readWrite"));
        assert_eq!(merged.deadline, Some(Limit(Some(Duration::from_millis(7)))));
        assert_eq!(of("{}").over(&defaults).fallback.unwrap()[0].model, "b");
    }

    #[test]
    fn a_key_reaches_its_own_upstream_only() {
        let config = ClientConfig::from_json(
            r#"{"openai":{"baseUrl":"http://a/v1","headers":[["authorization","Bearer sk"],["x-api-key","k"],["user-agent","u"]]},
                "openpipeUrl":"http://b","openpipeKey":"opk"}"#,
        )
        .unwrap();
        assert_eq!(config.openai.headers["authorization"], "Bearer sk");
        assert_eq!(config.openpipe.headers["authorization"], "Bearer opk");
        assert_eq!(config.openpipe.headers["user-agent"], "u");
        assert!(!config.openpipe.headers.contains_key("x-api-key"));
    }

    #[test]
    fn a_host_of_the_clients_headers_reaches_nobody() {
        let config = ClientConfig::from_json(
            r#"{"openai":{"baseUrl":"http://a/","headers":[["Host","gateway.example"],["x","1"]]},"openpipeUrl":"http://b/",
                "reportUrl":"http://b/report","openpipeKey":"opk"}"#,
        )
        .unwrap();
        let report = config.report.unwrap();
        for headers in [&*config.openai.headers, &*config.openpipe.headers, &report.headers] {
            assert_eq!(headers.get("host"), None);
            assert_eq!(headers["x"], "1");
        }
    }

    #[test]
    fn a_misspelt_name_is_recognized() {
        let known = ["fallback", "tags", "logRequest"].map(str::to_owned);
        assert_eq!(nearest_name("falback", &known).as_deref(), Some("fallback"));
        assert_eq!(nearest_name("logrequest", &known).as_deref(), Some("logRequest"));
        assert_eq!(nearest_name("temperature", &known), None);
    }

    #[test]
    fn a_wrong_url_names_its_option() {
        for text in ["", "api.openai.com/v1", "ftp://x/y", "http://"] {
            let message = parse_url("baseURL", text).unwrap_err();
            assert!(message.starts_with("`baseURL`: ") && message.contains(&format!("{text:?}")), "{message}");
        }
    }

    #[test]
    fn a_wrong_url_that_may_hold_a_secret_is_not_repeated() {
        for text in ["opk_0123456789abcdef", "ftp://user:0123456789@host/"] {
            let message = parse_url("baseURL", text).unwrap_err();
            assert!(message.starts_with("`baseURL`: ") && !message.contains("0123456789"), "{message}");
        }
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused_and_not_repeated() {
        let config = |key: &str| {
            ClientConfig::from_json(&format!(
                r#"{{"openai":{{"baseUrl":"http://a/","headers":[]}},"openpipeUrl":"http://b/","openpipeKey":"{key}"}}"#
            ))
        };
        let message = config("opk-\u{20ac}-1").unwrap_err();
        assert!(message.contains("`openpipe.apiKey`") && !message.contains("opk-"), "{message}");
        assert_eq!(config("caf\u{e9}").unwrap().openpipe.headers["authorization"].as_bytes(), b"Bearer caf\xe9");
    }
}
