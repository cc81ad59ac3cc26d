//! From a call to its plan: an ordered list of targets, each with its upstream, model, time and retry budget.
//! Pure: the same call gives the same plan (contract.md, sections 2 to 4).

pub mod route;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::endpoint::{self, Endpoint};
use crate::failure::Filter;
use crate::options::{
    BreakerOption, CallOptions, ClientConfig, DEFAULT_TIMEOUT, FallbackTarget, HoldUntil, Identity, Limit,
    OpenPipeOptions, RequestUpstream, UpstreamConfig, parse_url,
};
use crate::policy::backoff::RetryPolicy;
use crate::policy::breaker::{BreakerPolicy, Narrowed, Subject};
use crate::text::body::{BodyError, Edit, RequestBody};
use crate::text::headers;
use crate::text::json;
use crate::text::secrets;
use route::UpstreamKind;

/// The default of `openpipe.idleTimeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The SDK's default of `maxRetries`.
const DEFAULT_MAX_RETRIES: u32 = 2;

/// How a call is going to run.
#[derive(Debug)]
pub struct Plan {
    /// The endpoint that is called.
    pub endpoint: Endpoint,
    /// The targets in their order; at least one.
    pub targets: Vec<Target>,
    /// The caller asked for a stream.
    pub stream: bool,
    /// The bound on the whole call.
    pub deadline: Option<Duration>,
    /// When a stream that has a follower is committed.
    pub hold_until: HoldUntil,
    /// The last target's stream is committed like any other, instead of at its headers.
    pub commit_last: bool,
    /// The host wants a stream's events as the text of server-sent events.
    pub wire_events: bool,
    /// The bound on a response's decompressed size, in bytes.
    pub max_response_bytes: u64,
    /// When a target that keeps failing is left out; `None`, never.
    pub breaker: Option<BreakerPolicy>,
    /// Whether what OpenPipe did not serve is reported.
    pub log_request: bool,
    /// The caller's tags.
    pub tags: Map<String, Value>,
    /// What the caller should know, though the call can run.
    pub warnings: Vec<String>,
}

/// One upstream with one model.
#[derive(Debug)]
pub struct Target {
    /// The upstream's name, as the caller sees it.
    pub upstream: Arc<str>,
    /// Which kind of upstream it is.
    pub kind: UpstreamKind,
    /// How it is called.
    pub via: Via,
    /// The model it is asked for.
    pub model: String,
    /// Its time.
    pub budget: Budget,
    /// How it is retried.
    pub retry: RetryPolicy,
    /// The wait for a stream's first content, where shorter.
    pub first_token_timeout: Option<Duration>,
    /// The longest silence of a stream after its first content.
    pub idle_timeout: Option<Duration>,
    /// The same while the upstream is at work on something that takes its time.
    pub idle_timeout_at_work: Option<Duration>,
    /// The failures that move on to it. The primary's is never asked.
    pub filter: Filter,
    /// The limits that the call itself made narrower.
    pub narrowed: Narrowed,
    /// Where the upstream is by its own configuration, whatever the call changed; none for a custom client.
    home: Option<Arc<Url>>,
    /// The call brings a credential of its own.
    replaces_credential: bool,
    change: Change,
}

/// How a target is called.
#[derive(Debug, Clone)]
pub enum Via {
    /// HTTP from here.
    Http {
        /// Where to.
        url: Arc<Url>,
        /// With which headers.
        headers: Arc<HeaderMap>,
    },
    /// HTTP from here as well, but JavaScript is asked for the headers at each try, within its time.
    Asked {
        /// Where to.
        url: Arc<Url>,
        /// Who asks there: the key may be another one each time.
        identity: Identity,
        /// What the call lays over those headers.
        overlay: Overlay,
    },
    /// A JavaScript client, by its number, with those of the caller's headers that are safe to hand on.
    Client {
        /// The number by which the JavaScript side knows it.
        client: u32,
        /// Who it is.
        identity: Identity,
        /// The caller's own headers.
        headers: headers::HeaderList,
        /// The retries that the client is to make by itself, within the target's time; `None` leaves it its default.
        max_retries: Option<u32>,
    },
}

/// What a call changes in the headers of an endpoint.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// In whole seconds.
    timeout: Option<u64>,
    own: headers::HeaderList,
}

impl Overlay {
    /// Lays it over these; copies them where there is something to change.
    ///
    /// # Errors
    /// Says which header is not allowed in HTTP.
    pub fn lay(&self, over: &mut Arc<HeaderMap>) -> Result<(), String> {
        if let Some(timeout) = self.timeout {
            Arc::make_mut(over).insert("x-stainless-timeout", HeaderValue::from(timeout));
        }
        if !self.own.is_empty() {
            headers::overlay(Arc::make_mut(over), &self.own)?;
        }
        Ok(())
    }
}

/// The time of a target (contract.md, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// For everything: connecting, retries, pauses, headers and body. Where there is a fallback.
    Total(Option<Duration>),
    /// For each try, as in the SDK. Where there is none.
    PerTry(Option<Duration>),
}

impl Budget {
    /// The duration, whatever it covers.
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Total(limit) | Self::PerTry(limit) => limit,
        }
    }
}

/// Whether a time ends sooner than another; `None` never ends.
fn is_shorter(time: Option<Duration>, than: Option<Duration>) -> bool {
    time.is_some_and(|time| than.is_none_or(|than| time < than))
}

/// Whether a call's URL has a credential in its query that the upstream's own URL does not have.
fn has_other_key(url: &str, own: &Url) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    url.query_pairs().any(|pair| {
        let names_key = pair.0.eq_ignore_ascii_case("key") || secrets::is_credential(&pair.0);
        names_key && !own.query_pairs().any(|other| other == pair)
    })
}

/// Where a request goes, whatever its query, which may differ from call to call.
fn place(url: &Url) -> &[u8] {
    url.as_str().split(['?', '#']).next().unwrap_or_default().as_bytes()
}

/// What a target changes in the body.
#[derive(Debug, Default)]
struct Change {
    model: Option<String>,
    params: Option<Box<RawValue>>,
    omit: Vec<String>,
    drop_unstored_metadata: bool,
}

impl Target {
    /// What this target's circuit is for; `None` where it has none, because the call brings a credential of its own.
    #[must_use]
    pub fn circuit(&self, endpoint: Endpoint) -> Option<Subject<'_>> {
        if self.replaces_credential {
            return None;
        }
        let home = self.home.as_deref();
        let query = home.and_then(Url::query).unwrap_or_default().as_bytes();
        let mut credential = Vec::new();
        let (place, is_credential_known) = match &self.via {
            Via::Http { url, headers } => {
                let account = headers.iter().filter(|(name, _)| secrets::is_account(name.as_str()));
                credential.extend(account.map(|(_, value)| value.as_bytes()));
                (place(url), true)
            }
            Via::Asked { url, identity, overlay } => {
                credential.push(identity.as_bytes());
                let account = overlay.own.iter().filter(|(name, _)| secrets::is_account(name));
                credential.extend(account.filter_map(|(_, value)| value.as_deref()).map(str::as_bytes));
                (place(url), false)
            }
            Via::Client { identity, .. } => {
                credential.push(identity.as_bytes());
                (home.map_or(&b"client"[..], place), identity.shows_key())
            }
        };
        Some(Subject {
            place: [place, query],
            endpoint: endpoint.name(),
            credential,
            is_credential_known,
            model: &self.model,
        })
    }

    /// The text that this target is sent.
    #[must_use]
    pub fn body(&self, body: &RequestBody) -> Bytes {
        self.edited(body, self.change.drop_unstored_metadata)
    }

    /// The text that is reported for this target: `metadata` stays in it.
    #[must_use]
    pub fn reported_body(&self, body: &RequestBody) -> Bytes {
        self.edited(body, false)
    }

    fn edited(&self, body: &RequestBody, drop_unstored_metadata: bool) -> Bytes {
        let Change { model, params, omit, .. } = &self.change;
        body.edited(&Edit { model: model.as_deref(), params: params.as_deref(), omit, drop_unstored_metadata })
    }
}

/// Why there is no plan. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A malformed argument: a `TypeError`.
    Argument(String),
    /// The body is no request of the endpoint.
    Body(String),
    /// The primary needs a key that is missing: an `OpenAIError`.
    MissingKey(String),
}

/// Plans a call.
///
/// # Errors
/// [`PlanError`], before any traffic.
pub fn plan(client: &ClientConfig, call: &CallOptions, body: &RequestBody) -> Result<Plan, PlanError> {
    let options = call.openpipe.clone().over(&client.defaults);
    let mut warnings = Vec::new();
    let fallbacks: Vec<Destination<'_>> = options
        .fallback
        .iter()
        .flatten()
        .filter_map(|target| match destination_of_fallback(client, call, target) {
            Ok(destination) => Some(destination),
            Err(missing) => {
                warnings.push(format!("the fallback {:?} cannot run: {missing}", target.model));
                None
            }
        })
        .collect();

    let primary = destination_of_primary(client, call, body.model(), options.cache.is_some())?;
    let builder = Builder { client, call, options: &options, count: 1 + fallbacks.len() };
    let targets = std::iter::once(primary)
        .chain(fallbacks)
        .enumerate()
        .map(|(index, destination)| builder.target(index, destination, body.model()))
        .collect::<Result<_, _>>()
        .map_err(PlanError::Argument)?;

    Ok(Plan {
        endpoint: call.endpoint,
        targets,
        stream: body.stream(),
        deadline: shorter(options.deadline.and_then(|limit| limit.0), patience(client, call).map(before_the_end)),
        hold_until: options.hold_until.unwrap_or_default(),
        commit_last: call.commit_last,
        wire_events: call.wire_events,
        max_response_bytes: options.max_response_bytes.unwrap_or(call.endpoint.max_response_bytes()),
        breaker: options.breaker.and_then(BreakerOption::policy),
        log_request: options.log_request.unwrap_or(true),
        tags: options.tags.unwrap_or_default(),
        warnings,
    })
}

/// How long the caller waits for the whole call; `None` where a timeout was given, or where it is not known.
fn patience(client: &ClientConfig, call: &CallOptions) -> Option<Duration> {
    call.patience.and_then(|limit| limit.0).filter(|_| call.timeout.is_none() && client.timeout.is_none())
}

/// A little before a caller gives up, so that it hears what happened: a twentieth, at most 100 ms.
fn before_the_end(patience: Duration) -> Duration {
    patience.saturating_sub((patience / 20).min(Duration::from_millis(100)))
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}

/// A target before its time is known.
struct Destination<'a> {
    upstream: Arc<str>,
    kind: UpstreamKind,
    to: To<'a>,
    fallback: Option<&'a FallbackTarget>,
}

enum To<'a> {
    Upstream(&'a UpstreamConfig),
    Client(u32, &'a Identity),
    Request(&'a RequestUpstream),
}

impl<'a> Destination<'a> {
    /// The upstream of this kind; the request's own takes the place of the client's.
    fn of_kind(kind: UpstreamKind, client: &'a ClientConfig, call: &'a CallOptions) -> Result<Self, &'a str> {
        if let (UpstreamKind::Own, Some(request)) = (kind, &call.request) {
            return Ok(Self::new(UpstreamKind::Request, To::Request(request)));
        }
        let upstream = if kind == UpstreamKind::OpenPipe { &client.openpipe } else { &client.openai };
        if let Some(missing) = &upstream.missing_key {
            return Err(missing);
        }
        let to = upstream.client.map_or(To::Upstream(upstream), |number| To::Client(number, &upstream.identity));
        Ok(Self { upstream: Arc::clone(&upstream.name), kind, to, fallback: None })
    }

    fn new(kind: UpstreamKind, to: To<'a>) -> Self {
        Self { upstream: kind.name().into(), kind, to, fallback: None }
    }
}

fn destination_of_primary<'a>(
    client: &'a ClientConfig,
    call: &'a CallOptions,
    model: &str,
    cached: bool,
) -> Result<Destination<'a>, PlanError> {
    Destination::of_kind(route::primary(model, cached), client, call)
        .map_err(|missing| PlanError::MissingKey(missing.to_owned()))
}

fn destination_of_fallback<'a>(
    client: &'a ClientConfig,
    call: &'a CallOptions,
    target: &'a FallbackTarget,
) -> Result<Destination<'a>, &'a str> {
    let destination = match route::fallback_client(target.client, client.fallback_client) {
        Some(number) => {
            let own = target.client.map(|_| &target.client_identity);
            let identity = own.unwrap_or(&client.fallback_client_identity);
            Destination::new(UpstreamKind::HostClient, To::Client(number, identity))
        }
        None => Destination::of_kind(route::by_model(&target.model), client, call)?,
    };
    Ok(Destination { fallback: Some(target), ..destination })
}

struct Builder<'a> {
    client: &'a ClientConfig,
    call: &'a CallOptions,
    options: &'a OpenPipeOptions,
    count: usize,
}

impl Builder<'_> {
    fn target(&self, index: usize, destination: Destination<'_>, primary_model: &str) -> Result<Target, String> {
        let Destination { upstream, kind, to, fallback } = destination;
        let model = fallback.map_or(primary_model, |target| &target.model);
        // The upstream as it is configured, also where the host's client is its transport.
        let own = match (&to, kind) {
            (To::Upstream(upstream), _) => Some(*upstream),
            (To::Client(..), UpstreamKind::OpenPipe) => Some(&self.client.openpipe),
            (To::Client(..), UpstreamKind::Own) => Some(&self.client.openai),
            _ => None,
        };
        let another_waits = index + 1 < self.count;
        let limit = fallback
            .and_then(|target| target.timeout)
            .or(self.call.timeout)
            .or(self.client.timeout)
            .unwrap_or_else(|| Limit(Some(self.default_time(index))))
            .0;
        let max_retries_given = self.call.max_retries.or(self.client.max_retries);
        let default_retries = if another_waits { 0 } else { DEFAULT_MAX_RETRIES };
        let via = self.via(index, kind, to, max_retries_given.or(another_waits.then_some(0)))?;
        let home = own.map(|own| own.urls.of(self.call.endpoint)).or_else(|| match &via {
            Via::Http { url, .. } => Some(Arc::clone(url)),
            Via::Asked { .. } | Via::Client { .. } => None,
        });
        Ok(Target {
            upstream,
            kind,
            via,
            model: model.to_owned(),
            budget: if self.count > 1 { Budget::Total(limit) } else { Budget::PerTry(limit) },
            retry: RetryPolicy {
                // A user's own client retries by itself; the SDK as a transport leaves it to the engine.
                max_retries: if kind == UpstreamKind::HostClient {
                    0
                } else {
                    max_retries_given.unwrap_or(default_retries)
                },
                another_waits,
            },
            first_token_timeout: self.options.first_token_timeout.and_then(|wait| wait.0).filter(|_| another_waits),
            idle_timeout: match self.options.idle_timeout {
                Some(Limit(given)) => given,
                None => limit.map(|limit| limit.max(IDLE_TIMEOUT)),
            },
            idle_timeout_at_work: match self.options.idle_timeout {
                Some(Limit(given)) => given,
                None => limit.map(|limit| endpoint::idle_at_work(limit.max(IDLE_TIMEOUT))),
            },
            filter: fallback.map(FallbackTarget::filter).unwrap_or_default(),
            narrowed: self.narrowed(fallback, limit),
            replaces_credential: index == 0
                && self.options.breaker.is_some()
                && own.is_some_and(|own| self.replaces_credential(own)),
            home,
            change: Change {
                model: fallback.map(|target| target.model.clone()).filter(|model| model != primary_model),
                params: fallback.and_then(|target| target.params.clone()),
                omit: fallback.map(|target| target.omit.clone()).unwrap_or_default(),
                drop_unstored_metadata: kind != UpstreamKind::OpenPipe,
            },
        })
    }

    /// The time of a target where nothing was said of it. A primary leaves half of a caller's patience to those after it.
    fn default_time(&self, index: usize) -> Duration {
        let half = patience(self.client, self.call).map(|patience| patience / 2);
        half.filter(|_| index == 0 && self.count > 1).unwrap_or(DEFAULT_TIMEOUT)
    }

    /// The limits of a target that the call's own options made narrower than they would be without.
    fn narrowed(&self, fallback: Option<&FallbackTarget>, limit: Option<Duration>) -> Narrowed {
        let call = &self.call.openpipe;
        let constructors = fallback.filter(|_| call.fallback.is_none());
        let default = constructors.and_then(|target| target.timeout).or(self.client.timeout);
        let default = default.unwrap_or(Limit(Some(DEFAULT_TIMEOUT))).0;
        let idle_default = match self.client.defaults.idle_timeout {
            Some(Limit(given)) => given,
            None => default.map(|limit| limit.max(IDLE_TIMEOUT)),
        };
        Narrowed {
            time: is_shorter(limit, default),
            first_token: call.first_token_timeout.is_some(),
            idle: call.idle_timeout.is_some_and(|Limit(given)| is_shorter(given, idle_default)),
            size: call.max_response_bytes.is_some(),
        }
    }

    /// Whether the call's headers or query give the primary another credential than its upstream has.
    fn replaces_credential(&self, upstream: &UpstreamConfig) -> bool {
        let by_header = self.call.headers.iter().any(|(name, value)| {
            let own = upstream.headers.get(name.as_str()).map(HeaderValue::as_bytes);
            secrets::is_account(name) && own != value.as_deref().map(str::as_bytes)
        });
        by_header || self.call.url.as_ref().is_some_and(|url| has_other_key(url, &upstream.urls.of(self.call.endpoint)))
    }

    fn via(&self, index: usize, kind: UpstreamKind, to: To<'_>, client_retries: Option<u32>) -> Result<Via, String> {
        let is_primary = index == 0;
        let own = if is_primary { self.call.headers.clone() } else { headers::without_credentials(&self.call.headers) };
        let upstream = match to {
            To::Client(client, identity) => {
                // Checked all the same: a header that HTTP forbids is refused before anything is sent.
                headers::overlay(&mut HeaderMap::new(), &own)?;
                let mut own = headers::without_transports(own);
                if kind == UpstreamKind::OpenPipe {
                    own.splice(
                        0..0,
                        openpipe_headers(self.options).into_iter().map(|(name, value)| (name.to_owned(), Some(value))),
                    );
                }
                let max_retries = if kind == UpstreamKind::HostClient { client_retries } else { Some(0) };
                return Ok(Via::Client { client, identity: identity.clone(), headers: own, max_retries });
            }
            To::Request(request) => {
                let (url, mut headers) = request.target(is_primary);
                self.overlay(own).lay(&mut headers)?;
                return Ok(Via::Http { url, headers });
            }
            To::Upstream(upstream) => upstream,
        };
        let mut all = Arc::clone(&upstream.headers);
        if kind == UpstreamKind::OpenPipe {
            for (name, value) in openpipe_headers(self.options) {
                let value = HeaderValue::from_str(&value).map_err(|_| format!("{name}: not a valid header value"))?;
                Arc::make_mut(&mut all).insert(HeaderName::from_static(name), value);
            }
        }
        let overlay = self.overlay(own);
        // Also where it is going to be laid over others: what HTTP forbids is refused before anything is sent.
        overlay.lay(&mut all)?;
        let url = match &self.call.url {
            Some(url) if kind == UpstreamKind::Own => Arc::new(parse_url("options.path", url)?),
            _ => upstream.urls.of(self.call.endpoint),
        };
        if upstream.asked {
            return Ok(Via::Asked { url, identity: upstream.identity.clone(), overlay });
        }
        Ok(Via::Http { url, headers: all })
    }

    /// As the SDK does, the server learns a timeout only where it was given with the call.
    fn overlay(&self, own: headers::HeaderList) -> Overlay {
        let timeout = self.call.timeout.and_then(|limit| limit.0).map(|timeout| timeout.as_secs());
        Overlay { timeout, own }
    }
}

/// What OpenPipe is told of a call: `op-log-request`, `op-cache`, `op-tags`, `op-criteria`, in ASCII.
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

/// The caller's tags and those that say which SDK it was, as JSON.
#[must_use]
pub fn tags_with_sdk(tags: Option<&Map<String, Value>>) -> String {
    let mut all = tags.cloned().unwrap_or_default();
    all.insert("$sdk".into(), "openpipe-native".into());
    all.insert("$sdk.version".into(), env!("CARGO_PKG_VERSION").into());
    Value::Object(all).to_string()
}

impl From<BodyError> for PlanError {
    fn from(error: BodyError) -> Self {
        Self::Body(match error {
            BodyError::NotAnObject => "the request body must be an object".into(),
            BodyError::Model(None) => "`model` is missing: it must be a non-empty string".into(),
            BodyError::Model(Some(got)) => format!("`model` must be a non-empty string, got {got}"),
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
