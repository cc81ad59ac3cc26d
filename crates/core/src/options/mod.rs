//! What a caller set: read and checked here ([`read`], by the table in [`spec`]), and merged.

pub mod known;
mod openpipe;
pub use openpipe::tags_with_sdk;
pub mod read;
pub mod route;
pub mod spec;
pub mod upstream_id;
pub mod upstreams;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use reqwest::Url;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
pub use crate::endpoint::MAX_RESPONSE_BYTES;
use crate::failure::{Filter, Trigger};
use crate::policy::breaker::BreakerPolicy;
use crate::policy::reject::Rules;
use crate::text::headers::{self, HeaderList};
use crate::text::secrets;
use read::{ArgumentError, Aside, ClientRef, Section};
use spec::Place;
use upstream_id::{UpstreamId, UpstreamKind};
use upstreams::{Alias, Takes};

/// The default time of a target, ten minutes, as OpenAI's own clients have it.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// A time limit: a number of milliseconds, or `Infinity`: none at all.
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

/// The most targets that a call may have, the primary included.
pub const MAX_TARGETS: usize = 16;

/// One target of `fallback` or `aliases`.
#[derive(Debug, Clone, Default)]
pub struct FallbackTarget {
    /// Its model.
    pub model: String,
    /// Where it is asked; not given, its model says so.
    pub upstream: Option<UpstreamId>,
    /// The name that its custom client goes by.
    pub name: Option<Arc<str>>,
    /// Its time; not given, `options.timeout`, else its upstream's, else the client's.
    pub timeout: Option<Limit>,
    /// How often it is retried; not given, the call's `maxRetries`.
    pub max_retries: Option<u32>,
    /// The wait for a stream's first content; not given, the call's.
    pub first_token_timeout: Option<Limit>,
    /// A custom client that is asked instead of an upstream.
    pub client: Option<ClientRef>,
    /// Members merged over the body.
    pub params: Option<Box<RawValue>>,
    /// Members taken out of the body.
    pub omit: Vec<String>,
    /// Only these failures move on to it.
    pub on: Option<Vec<Trigger>>,
    /// These failures do not.
    pub except: Vec<Trigger>,
    /// Its model is the first target's under another name: their vectors can be compared.
    pub same_vectors: Option<bool>,
    /// What refuses its answers; not given, the call's.
    pub reject: Option<Rules>,
}

impl FallbackTarget {
    /// A target of which only the model is known.
    #[must_use]
    pub fn of_model(model: String) -> Self {
        Self { model, ..Self::default() }
    }

    /// A target of an alias, which has what the target that named the alias says where it says nothing itself.
    #[must_use]
    pub fn over(&self, named: &Self) -> Self {
        let mut omit = self.omit.clone();
        omit.extend(named.omit.iter().cloned());
        Self {
            model: self.model.clone(),
            upstream: self.upstream,
            name: self.name.clone().or_else(|| named.name.clone()),
            timeout: self.timeout.or(named.timeout),
            max_retries: self.max_retries.or(named.max_retries),
            first_token_timeout: self.first_token_timeout.or(named.first_token_timeout),
            client: self.client.clone(),
            params: self.params.clone().or_else(|| named.params.clone()),
            omit,
            on: self.on.clone().or_else(|| named.on.clone()),
            except: if self.except.is_empty() { named.except.clone() } else { self.except.clone() },
            same_vectors: self.same_vectors.or(named.same_vectors),
            reject: self.reject.clone().or_else(|| named.reject.clone()),
        }
    }

    /// The failures that this target takes over.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter { on: self.on.clone(), except: self.except.clone() }
    }
}

/// Tells one upstream of a custom client from another, whichever object stands for it. It may hold a key.
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
#[derive(Debug, Clone, Default)]
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
    /// Where the call goes, whatever its model.
    pub upstream: Option<UpstreamId>,
    /// What refuses answers.
    pub reject: Option<Rules>,
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
            upstream: self.upstream.or(defaults.upstream),
            reject: self.reject.or_else(|| defaults.reject.clone()),
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
    /// Every request of the call goes through the host's own HTTP client.
    pub through_host: bool,
    /// No redirect is followed, not even within the origin.
    pub refuses_redirects: bool,
    /// A stream is committed with its content by the last target too, instead of at its headers.
    pub commit_last: bool,
    /// A stream's events are handed over as the text of server-sent events.
    pub wire_events: bool,
    /// `openpipe` of the request options.
    pub openpipe: Option<Box<RawValue>>,
    /// What stands in it that JSON cannot hold.
    pub odd: HashMap<String, String>,
    /// The custom clients in it.
    pub clients: HashMap<String, ClientRef>,
    /// The numbers of the functions in it that judge answers.
    pub functions: HashMap<String, u32>,
    /// `openpipe` of the body, as far as the constructor allows it.
    pub body_openpipe: Option<Box<RawValue>>,
    /// What stands in that which JSON cannot hold.
    pub body_odd: HashMap<String, String>,
    /// The custom clients in that.
    pub body_clients: HashMap<String, ClientRef>,
    /// The request that a `fetch` was called with: an upstream of this call, in place of the client's own.
    pub request: Option<RequestUpstream>,
}

/// The URLs of an upstream.
#[derive(Debug, Clone)]
pub enum Urls {
    /// One for each endpoint, in the order of [`Endpoint::ALL`].
    Each([Arc<Url>; Endpoint::ALL.len()]),
    /// A base whose path names the model.
    Template(Arc<Url>),
}

impl Urls {
    /// The endpoints' paths below a base URL, whose query stays.
    #[must_use]
    pub fn below(base: &Url) -> Self {
        Self::Each(Endpoint::ALL.map(|endpoint| Arc::new(endpoint_url(base, endpoint))))
    }

    fn same(url: &Url) -> Self {
        Self::Each(Endpoint::ALL.map(|_| Arc::new(url.clone())))
    }

    /// Below a base URL whose path has a mark for the model.
    #[must_use]
    fn template(base: Url) -> Self {
        Self::Template(Arc::new(base))
    }

    /// That of an endpoint; `None` where the model's name would be a step within the path.
    #[must_use]
    pub fn of(&self, endpoint: Endpoint, model: &str) -> Option<Arc<Url>> {
        match self {
            Self::Each([chat, completions, responses, embeddings]) => Some(Arc::clone(match endpoint {
                Endpoint::ChatCompletions => chat,
                Endpoint::Completions => completions,
                Endpoint::Responses => responses,
                Endpoint::Embeddings => embeddings,
            })),
            Self::Template(base) => {
                upstreams::url_for_model(base, model).map(|base| Arc::new(endpoint_url(&base, endpoint)))
            }
        }
    }
}

impl Urls {
    /// The URL without the path of an endpoint.
    fn base(&self) -> Url {
        match self {
            Self::Template(base) => Url::clone(base),
            Self::Each([chat, ..]) => {
                let mut base = Url::clone(chat);
                let path = base.path().trim_end_matches(Endpoint::ChatCompletions.path()).to_owned();
                base.set_path(&path);
                base
            }
        }
    }
}

fn endpoint_url(base: &Url, endpoint: Endpoint) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), endpoint.path()));
    url
}

/// A URL that leads nowhere.
#[expect(clippy::expect_used, reason = "a constant, which a test parses")]
fn nowhere() -> Url {
    Url::parse("http://unset.invalid/").expect("a valid URL")
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

/// The native side of one client: what its constructor was given. Immutable; a host that changes an option makes a new one.
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
    /// What names of models stand for.
    pub aliases: HashMap<String, Alias>,
    /// Whether the client's default headers set or remove the header that tells a target its time.
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
struct WireUpstream {
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

/// The constructor's `openpipe`, as a host writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientOptions {
    openpipe: Option<Box<RawValue>>,
    odd: HashMap<String, String>,
    clients: HashMap<String, ClientRef>,
    /// The numbers of the functions in it that judge answers.
    functions: HashMap<String, u32>,
    /// The environment variables of known upstreams that are set.
    variables: HashMap<String, String>,
}

/// The constructor's `openpipe`, read.
#[derive(Debug, Clone)]
pub struct ReadClientOptions {
    /// Defaults for every call.
    pub defaults: OpenPipeOptions,
    /// The constructor's `fallbackClient`.
    pub fallback_client: Option<ClientRef>,
    /// The declared upstreams.
    pub upstreams: Vec<UpstreamConfig>,
    /// Their names.
    pub upstream_names: Vec<Arc<str>>,
    /// What names of models stand for.
    pub aliases: HashMap<String, Alias>,
    /// The per-call options that count where a body brings them.
    pub allowed_in_body: Vec<String>,
    /// What the caller should know, though nothing is malformed.
    pub warnings: Vec<String>,
}

impl ClientOptions {
    /// Reads them.
    ///
    /// # Errors
    /// The first option that is malformed.
    pub fn read(
        &self,
        headers: &HeaderMap,
        upstream_clients: &HashMap<String, u32>,
    ) -> Result<ReadClientOptions, ArgumentError> {
        let mut warnings = Vec::new();
        let (odd, clients, functions) = (self.odd.clone(), self.clients.clone(), self.functions.clone());
        let aside = Aside { odd, clients, functions, ..Aside::default() };
        let text = self.openpipe.as_deref().map_or("{}", RawValue::get);
        let text = if text == "null" { "{}" } else { text };
        let section = Section::new(Place::Client, "openpipe", text, &aside, &mut warnings)?;
        section.secret_text("apiKey")?;
        section.text("baseUrl")?;
        section.choice::<String>("transport")?;
        let fallback_client = section.client("fallbackClient")?;
        let upstream_names = upstreams::names(&section)?;
        let host = upstreams::Host { headers, variables: &self.variables, clients: upstream_clients };
        let upstreams = upstreams::read(&section, &host)?;
        let names = openpipe::Names(&upstream_names);
        let aliases = upstreams::aliases(&section, names, &mut warnings)?;
        let defaults = openpipe::read(&section, names, &mut warnings)?;
        let allowed_in_body = allowed_in_body(&section)?;
        Ok(ReadClientOptions {
            defaults,
            fallback_client,
            upstreams,
            upstream_names,
            aliases,
            allowed_in_body,
            warnings,
        })
    }
}

/// What a host has to know of the constructor's `openpipe`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    warnings: Vec<String>,
    allowed_in_body: Vec<String>,
    allows_all: bool,
    has_fallback: bool,
    has_aliases: bool,
    upstreams: Vec<DescribedUpstream>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedUpstream {
    name: String,
    /// Where it is; `{model}` stands for the model.
    base_url: String,
    query: Vec<(String, String)>,
    headers: HeaderList,
    /// The key comes from a function.
    asked: bool,
}

/// Checks the constructor's `openpipe`, and says what a host has to know of it.
///
/// # Errors
/// The first option that is malformed.
pub fn describe(json: &str) -> Result<Described, ArgumentError> {
    let options: ClientOptions = serde_json::from_str(json)
        .map_err(|error| ArgumentError::other("openpipe", format!("cannot be read: {error}")))?;
    let read = options.read(&HeaderMap::new(), &HashMap::new())?;
    Ok(Described {
        warnings: read.warnings,
        allows_all: read.allowed_in_body.len() == spec::names(Place::Body).count(),
        allowed_in_body: read.allowed_in_body,
        has_fallback: read.defaults.fallback.as_ref().is_some_and(|targets| !targets.is_empty()),
        has_aliases: !read.aliases.is_empty(),
        upstreams: read.upstreams.iter().map(UpstreamConfig::described).collect(),
    })
}

/// The options that count where a body brings them.
fn allowed_in_body(section: &Section<'_>) -> Result<Vec<String>, ArgumentError> {
    const NAME: &str = "allowInBody";
    match section.raw(NAME) {
        None | Some("null" | "true") if section.odd(NAME).is_none() => {
            Ok(spec::names(Place::Body).map(str::to_owned).collect())
        }
        Some("false") => Ok(Vec::new()),
        Some(raw) if !raw.starts_with('[') => Err(section.refuse(NAME, read::shown(raw))),
        _ => {
            let names = section.names(NAME)?.unwrap_or_default();
            for (index, name) in names.iter().enumerate() {
                if spec::find(Place::Body, name).is_none() {
                    let nearest = nearest_name(name, &spec::names(Place::Body).map(str::to_owned).collect::<Vec<_>>());
                    let hint = nearest.map_or(String::new(), |name| format!("; did you mean {name:?}?"));
                    let path = format!("{}[{index}]", section.path(NAME));
                    return Err(ArgumentError::other(
                        path,
                        format!("names no option that a body may bring: {}{hint}", read::quoted(name)),
                    ));
                }
            }
            Ok(names)
        }
    }
}

/// What a call's own `openpipe` objects say: the members of the request options' win over the body's, one by one.
///
/// # Errors
/// The first option that is malformed.
pub fn read_call(
    client: &ClientConfig,
    call: &CallOptions,
    warnings: &mut Vec<String>,
) -> Result<OpenPipeOptions, ArgumentError> {
    let names = openpipe::Names(&client.upstream_names);
    let mut of = |place, text: &Option<Box<RawValue>>, aside: Aside| {
        if text.is_none() && aside.odd.is_empty() {
            return Ok(None);
        }
        let text = text.as_deref().map_or("null", RawValue::get);
        if text == "null" && aside.odd.is_empty() {
            return Ok(None);
        }
        let section = Section::new(place, "openpipe", text, &aside, warnings)?;
        openpipe::read(&section, names, warnings).map(Some)
    };
    // `reject` is never read from a body (contract.md, section 2), so a function in it has no number here.
    let in_body = Aside {
        odd: call.body_odd.clone(),
        clients: call.body_clients.clone(),
        is_from_body: true,
        ..Aside::default()
    };
    let body = of(Place::Body, &call.body_openpipe, in_body)?;
    let (odd, clients, functions) = (call.odd.clone(), call.clients.clone(), call.functions.clone());
    let trusted = of(Place::Call, &call.openpipe, Aside { odd, clients, functions, ..Aside::default() })?;
    Ok(match (trusted, body) {
        (Some(trusted), Some(body)) => {
            let tags = trusted.tags.clone().or_else(|| body.tags.clone());
            OpenPipeOptions { tags, ..trusted.over(&body) }
        }
        (trusted, body) => trusted.or(body).unwrap_or_default(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireConfig {
    /// The client's own upstream; not given where every call brings a request of its own.
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
    /// Reads what a host says of its client.
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
            invalid: wire.openpipe_invalid,
            client: wire.openpipe_client,
            identity: Identity(wire.openpipe_key.unwrap_or_default()),
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

impl UpstreamConfig {
    /// Its base URL with its query; a mark in the path may stand for the model.
    #[must_use]
    pub fn base_url(&self) -> Url {
        self.urls.base()
    }

    fn described(&self) -> DescribedUpstream {
        let base = self.urls.base();
        let pairs = |(name, value): (_, _)| (String::from(name), String::from(value));
        let mut plain = base.clone();
        plain.set_query(None);
        DescribedUpstream {
            name: self.name.to_string(),
            base_url: plain.as_str().replace(upstreams::MODEL_MARK, "{model}"),
            query: base.query_pairs().map(pairs).collect(),
            headers: headers::Pairs(&self.headers).list(),
            asked: self.asked,
        }
    }

    /// An upstream of which nothing is known yet.
    fn unset() -> Self {
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

fn upstream(option: &str, wire: WireUpstream) -> Result<UpstreamConfig, String> {
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

/// A name that is longer is not compared with others, in bytes.
const LONGEST_NAME: usize = 64;

/// Of the known names the one that an unknown one was probably meant to be; `None` where none is near.
#[must_use]
pub fn nearest_name(unknown: &str, known: &[String]) -> Option<String> {
    // The comparison costs the product of both lengths.
    if unknown.len() > LONGEST_NAME {
        return None;
    }
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
        let of = |json: &str| {
            let aside = Aside::default();
            let section = Section::new(Place::Call, "openpipe", json, &aside, &mut Vec::new()).unwrap();
            openpipe::read(&section, openpipe::Names(&[]), &mut Vec::new()).unwrap()
        };
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
