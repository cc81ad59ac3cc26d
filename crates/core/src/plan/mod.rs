//! From a call to its plan: an ordered list of targets, each with its upstream, model, time and retry budget.
//! Pure: the same call gives the same plan (contract.md, sections 2 to 4).

mod capable;
mod doubts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::endpoint::needs::{self, Needs};
use crate::endpoint::{self, Endpoint};
use crate::failure::{Failure, Filter, Hint};
use crate::options::read::{ArgumentError, ClientRef};
use crate::options::route::{self, Route};
use crate::options::upstream_id::{UpstreamId, UpstreamKind};
use crate::options::{
    self, BreakerOption, CallOptions, ClientConfig, DEFAULT_TIMEOUT, FallbackTarget, HoldUntil, Identity, Limit,
    MAX_TARGETS, OpenPipeOptions, RequestUpstream, UpstreamConfig, parse_url, tags_with_sdk,
};
use crate::policy::backoff::RetryPolicy;
use crate::policy::breaker::{BreakerPolicy, Narrowed, Subject};
use crate::policy::homes::{Home, Homes};
use crate::policy::reject::Rules;
use crate::text::body::{BodyError, Edit, RequestBody};
use crate::text::headers;
use crate::text::json::{self, Members};
use crate::text::secrets;
use capable::Capable;
pub use capable::{Because, Unsupported};
pub use doubts::Once;

/// The default of `openpipe.idleTimeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The default of `maxRetries`, as in OpenAI's clients.
const DEFAULT_MAX_RETRIES: u32 = 2;

/// How a call is going to run.
#[derive(Debug)]
pub struct Plan {
    /// The endpoint that is called.
    pub endpoint: Endpoint,
    /// The targets that can take the request, in their order; at least one.
    pub targets: Vec<Target>,
    /// Those that cannot.
    pub unsupported: Vec<Unsupported>,
    /// The alias that gave the first of them.
    pub alias: Option<String>,
    /// The caller asked for a stream.
    pub stream: bool,
    /// The bound on the whole call.
    pub deadline: Option<Duration>,
    /// When a stream that has a follower is committed.
    pub hold_until: HoldUntil,
    /// The last target's stream is committed like any other, instead of at its headers.
    pub commit_last: bool,
    /// Every request goes through the host's own HTTP client.
    pub through_host: bool,
    /// No redirect is followed, not even within the origin.
    pub refuses_redirects: bool,
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
    /// The same, where its text differs from call to call and the client is to be warned once.
    pub once: Vec<Once>,
}

/// One upstream with one model.
#[derive(Debug, Clone)]
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
    /// What refuses its answers.
    pub reject: Arc<Rules>,
    /// The failures that move on to it. The primary's is never asked.
    pub filter: Filter,
    /// The limits that the call itself made narrower.
    pub narrowed: Narrowed,
    /// It stands first in what the caller asked for; every other one is a fallback.
    pub is_primary: bool,
    /// What is taken out of the request for it, because another upstream issued it.
    pub omitted: Vec<&'static str>,
    /// Where its responses live; `None` where an id that is not known leads there anyway.
    pub keeps_at: Option<Home>,
    /// It is asked to start a job in the background.
    pub is_background: bool,
    /// It is asked to add to a conversation.
    pub has_conversation: bool,
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
    /// HTTP from here as well, but the host is asked for the headers at each try, within the target's time.
    Asked {
        /// The upstream's name.
        upstream: Arc<str>,
        /// Where to.
        url: Arc<Url>,
        /// Who asks there: the key may be another one each time.
        identity: Identity,
        /// The headers over which those are laid.
        base: Arc<HeaderMap>,
        /// What is laid over those headers.
        overlay: Overlay,
    },
    /// A custom client, by its number, with those of the caller's headers that are safe to hand on.
    Client {
        /// The number by which the host knows it.
        client: u32,
        /// Who it is.
        identity: Identity,
        /// The caller's own headers.
        headers: headers::HeaderList,
        /// The retries that the client is to make by itself, within the target's time; `None` leaves it its default.
        max_retries: Option<u32>,
    },
    /// Not at all: the model's name would be a step within the URL's path.
    Unsendable,
}

/// What is changed in the headers that the host gives.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// In whole seconds.
    timeout: Option<u64>,
    /// Laid over the headers one after the other; the call's come last.
    layers: Vec<headers::HeaderList>,
}

/// The header that tells a server how long its client waits, in whole seconds.
const TIMEOUT_HEADER: &str = "x-stainless-timeout";

impl Target {
    /// What the caller can do about a failure of this target (contract.md, section 8): OpenPipe's own models are served elsewhere,
    /// since its platform has ended. Only where OpenPipe cannot be reached or says that it lacks the model: a connection that broke,
    /// a 500 or a refused key are what they are anywhere. An alias that leads to an `openpipe:` model is no help either.
    #[must_use]
    pub fn hint(&self, failure: &Failure) -> Option<Hint> {
        let is_gone = failure.could_not_connect() || matches!(failure.status_code(), Some(404 | 410));
        let is_openpipes = self.kind == UpstreamKind::OpenPipe && self.model.starts_with("openpipe:");
        (is_openpipes && is_gone).then_some(Hint::PlatformHasEnded)
    }
}

impl Overlay {
    /// Lays it over these; copies them where there is something to change.
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

/// The time of a target (contract.md, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// For everything: connecting, retries, pauses, headers and body. Where there is a fallback.
    Total(Option<Duration>),
    /// A time for each try, where there is no fallback.
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
#[derive(Debug, Clone, Default)]
struct Change {
    model: Option<String>,
    params: Option<Box<RawValue>>,
    omit: Vec<String>,
    drop_unstored_metadata: bool,
    /// Take out of `input` what another upstream issued.
    drop_issued: bool,
}

impl Target {
    /// The upstream and the model, for a message.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} ({:?})", self.upstream, self.model)
    }

    /// The host that it is on, with its port where that is not the scheme's own; `None` where it is not known.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let url = self.home.as_deref()?;
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// What of the request was taken out for it.
    #[must_use]
    pub fn because(&self) -> Option<Because> {
        (!self.omitted.is_empty()).then(|| Because::Omitted(self.omitted.clone()))
    }

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
            Via::Asked { url, identity, overlay, .. } => {
                credential.push(identity.as_bytes());
                let account = overlay.layers.iter().flatten().filter(|(name, _)| secrets::is_account(name));
                credential.extend(account.filter_map(|(_, value)| value.as_deref()).map(str::as_bytes));
                (place(url), false)
            }
            Via::Client { identity, .. } => {
                credential.push(identity.as_bytes());
                (home.map_or(&b"client"[..], place), identity.shows_key())
            }
            Via::Unsendable => return None,
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
        self.edited(body, self.change.drop_unstored_metadata, self.change.drop_issued.then_some(Issued::All))
    }

    /// The body without the items that only the upstream which issued them can read (reasoning, `encrypted_content`); `None` where
    /// it holds no such item.
    #[must_use]
    pub fn unsealed_body(&self, body: &RequestBody) -> Option<Bytes> {
        needs::without_issued(body.member("input")?, true)?;
        Some(self.edited(body, self.change.drop_unstored_metadata, Some(Issued::Sealed)))
    }

    /// The text that is reported for this target: `metadata` stays in it.
    #[must_use]
    pub fn reported_body(&self, body: &RequestBody) -> Bytes {
        self.edited(body, false, self.change.drop_issued.then_some(Issued::All))
    }

    fn edited(&self, body: &RequestBody, drop_unstored_metadata: bool, without: Option<Issued>) -> Bytes {
        let Change { model, params, omit, .. } = &self.change;
        let mut rewritten = Vec::new();
        if let Some(without) = without {
            let input = body.member("input");
            let input = input.and_then(|input| needs::without_issued(input, without == Issued::Sealed));
            rewritten.extend(input.map(|input| ("input", input)));
        }
        let tools = capable::omitted_tools(omit);
        if let Some(all) = body.member("tools").filter(|_| !tools.is_empty()) {
            rewritten.push(("tools", needs::without_tools(all, &tools)));
        }
        body.edited(&Edit {
            model: model.as_deref(),
            params: params.as_deref(),
            omit,
            drop_unstored_metadata,
            rewritten: &rewritten,
        })
    }
}

/// What is taken out of `input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issued {
    /// All that another upstream issued.
    All,
    /// What is sealed.
    Sealed,
}

/// Why there is no plan. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A malformed argument.
    Argument(String),
    /// The body is no request of the endpoint.
    Body(String),
    /// The primary needs a key that is missing: an `OpenAIError`.
    MissingKey(String),
    /// No target can take the request.
    Unsupported(String),
}

/// Plans a call of which no earlier one is known.
///
/// # Errors
/// [`PlanError`], before any traffic.
pub fn plan(client: &ClientConfig, call: &CallOptions, body: &RequestBody) -> Result<Plan, PlanError> {
    plan_among(client, call, body, &Homes::default())
}

/// Plans a call, where the homes of earlier responses are known.
///
/// # Errors
/// [`PlanError`], before any traffic.
pub fn plan_among(
    client: &ClientConfig,
    call: &CallOptions,
    body: &RequestBody,
    homes: &Homes,
) -> Result<Plan, PlanError> {
    let mut warnings = Vec::new();
    let own = options::read_call(client, call, &mut warnings)?;
    let routes = Routes { client, call };
    let (targets, alias) = routes.targets(&own, body.model(), &mut warnings)?;
    if call.endpoint.binds_model() {
        check_vectors(&targets)?;
    }
    if call.endpoint.keeps_answers() {
        capable::check_conversations(&targets)?;
    }
    let needs = if targets.len() > 1 || call.endpoint.keeps_answers() {
        needs::of(call.endpoint, body)
    } else {
        Needs::default()
    };
    let once = doubts::near_prefixes(&targets);
    doubts::warn_of_short_timeouts(client, call, &targets, &mut warnings);
    if alias.is_none() && targets.len() == 1 {
        doubts::warn_of_idle_client(client, call, &own, &mut warnings);
    }
    let sorted = capable::sorted(&routes, targets, &needs, homes, &mut warnings)?;
    let options = own.clone().over(&client.defaults);
    routes.warn_of_openpipes(&options, &mut warnings);

    let builder = Builder { client, call, given: &own, options: &options, needs: &needs, count: sorted.capable.len() };
    let targets = sorted
        .capable
        .into_iter()
        .enumerate()
        .map(|(index, capable)| builder.target(index, capable, body.model()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(PlanError::Argument)?;
    if own.hold_until == Some(HoldUntil::Content) && targets.iter().any(|target| target.reject.need_the_whole()) {
        let what = "cannot be \"content\" beside a `reject` that needs the whole answer: only \"empty\" does without";
        return Err(ArgumentError::other("openpipe.holdUntil", what).into());
    }

    Ok(Plan {
        endpoint: call.endpoint,
        targets,
        unsupported: sorted.unsupported,
        alias,
        stream: body.stream(),
        deadline: shorter(options.deadline.and_then(|limit| limit.0), patience(client, call).map(before_the_end)),
        hold_until: options.hold_until.unwrap_or_default(),
        commit_last: call.commit_last,
        through_host: call.through_host,
        refuses_redirects: call.refuses_redirects,
        wire_events: call.wire_events,
        max_response_bytes: options.max_response_bytes.unwrap_or(call.endpoint.max_response_bytes()),
        breaker: options.breaker.and_then(BreakerOption::policy),
        log_request: options.log_request.unwrap_or(true),
        tags: options.tags.unwrap_or_default(),
        warnings,
        once,
    })
}

/// Vectors of different models cannot be compared, and no store of them notices.
fn check_vectors(targets: &[Destination<'_>]) -> Result<(), ArgumentError> {
    let Some((first, others)) = targets.split_first() else { return Ok(()) };
    for destination in targets {
        let Some(target) = &destination.target else { continue };
        let params = target.params.as_deref().and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
        for member in ["dimensions", "encoding_format", "input"] {
            let is_set = params.as_ref().is_some_and(|params| params.get(member).is_some());
            if is_set || target.omit.iter().any(|name| name == member) {
                let option = if is_set { "openpipe.fallback.params" } else { "openpipe.fallback.omit" };
                let what = format!("must not change {member} of embeddings: the vectors would not fit the others");
                return Err(ArgumentError::other(option, what));
            }
        }
    }
    for other in others.iter().filter(|other| other.model != first.model) {
        if other.target.as_ref().and_then(|target| target.same_vectors) != Some(true) {
            let [theirs, ours] = [&other.model, &first.model].map(|model| json::ascii(&json::string(model)));
            let what = format!(
                "asks another model for embeddings: vectors of {theirs} cannot be compared with those of {ours}. \
                 Where it is the same model by another name, say `sameVectors: true`"
            );
            return Err(ArgumentError::other("openpipe.fallback", what));
        }
    }
    Ok(())
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
    /// The upstream's own timeout.
    timeout: Option<Limit>,
    /// The name by which the upstream knows the model.
    model: String,
    /// What `fallback` or an alias says of it.
    target: Option<FallbackTarget>,
    /// The endpoints that its custom client has a method for.
    endpoints: Option<Vec<Endpoint>>,
    /// The constructor's `fallback` names it.
    is_default: bool,
    /// Its model's name may have been meant for another upstream.
    near_prefix: Option<Once>,
}

enum To<'a> {
    Upstream(&'a UpstreamConfig),
    Client(u32, Identity),
    Request(&'a RequestUpstream),
}

/// Finds the upstreams of a call's targets.
struct Routes<'a> {
    client: &'a ClientConfig,
    call: &'a CallOptions,
}

impl<'a> Routes<'a> {
    /// The call's targets in their order, and the alias that gave the first.
    fn targets(
        &self,
        own: &OpenPipeOptions,
        model: &str,
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<Destination<'a>>, Option<String>), PlanError> {
        let client = self.client;
        let alias = client.aliases.get_key_value(model).filter(|_| own.upstream.is_none());
        let (primary, rest) = match alias.and_then(|(_, alias)| alias.targets.split_first().zip(Some(alias))) {
            Some(((first, rest), alias)) => {
                let rest = alias.is_chain.then_some(rest);
                (self.of_alias(first.clone())?, rest)
            }
            None => (self.primary(own, model)?, None),
        };
        let mut all = vec![primary];
        // The call's own fallback takes the place of an alias's chain, and that of the default.
        match (&own.fallback, rest) {
            (Some(fallback), _) => self.fallbacks(fallback, warnings, &mut all)?,
            (None, Some(rest)) => {
                for target in rest {
                    self.add(&target.model, self.of_alias(target.clone()), warnings, &mut all)?;
                }
            }
            (None, None) if !self.call.endpoint.takes_default_fallback() => {}
            (None, None) => {
                self.fallbacks(client.defaults.fallback.as_deref().unwrap_or_default(), warnings, &mut all)?;
                all.iter_mut().skip(1).for_each(|destination| destination.is_default = true);
            }
        }
        if all.len() > MAX_TARGETS {
            let what = format!("at most {MAX_TARGETS} targets a call, the primary included");
            return Err(ArgumentError::expected("openpipe.fallback", what, all.len().to_string()).into());
        }
        Ok((all, alias.map(|(name, _)| name.clone())))
    }

    /// A primary that no alias stands for.
    fn primary(&self, own: &OpenPipeOptions, model: &str) -> Result<Destination<'a>, PlanError> {
        if let Some(upstream) = own.upstream.or(self.client.defaults.upstream) {
            return self.at(upstream, model, None);
        }
        if own.cache.as_ref().or(self.client.defaults.cache.as_ref()).is_some() {
            return self.at(UpstreamId::OpenPipe, model, None);
        }
        if model.is_empty() {
            return self.at(UpstreamId::Own, model, None);
        }
        self.by_model(model, None)
    }

    fn fallbacks(
        &self,
        targets: &[FallbackTarget],
        warnings: &mut Vec<String>,
        all: &mut Vec<Destination<'a>>,
    ) -> Result<(), PlanError> {
        for target in targets {
            let is_routed =
                target.client.is_some() || target.upstream.is_some() || self.client.fallback_client.is_some();
            match self.client.aliases.get(&target.model).filter(|_| !is_routed) {
                // What an alias stands for is not looked up again.
                Some(alias) => {
                    for own in &alias.targets {
                        self.add(&target.model, self.of_alias(own.over(target)), warnings, all)?;
                    }
                }
                None => self.add(&target.model, self.of_fallback(target.clone()), warnings, all)?,
            }
        }
        Ok(())
    }

    /// A target that lacks a key cannot run, and is warned of.
    fn add(
        &self,
        model: &str,
        destination: Result<Destination<'a>, PlanError>,
        warnings: &mut Vec<String>,
        all: &mut Vec<Destination<'a>>,
    ) -> Result<(), PlanError> {
        match destination {
            Ok(destination) => all.push(destination),
            Err(PlanError::MissingKey(missing)) => {
                warnings.push(format!("the fallback {} cannot run: {missing}", json::ascii(&json::string(model))));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn of_fallback(&self, target: FallbackTarget) -> Result<Destination<'a>, PlanError> {
        match (&target.client, target.upstream, &self.client.fallback_client) {
            (Some(client), _, _) => Ok(Self::host_client(client.clone(), target)),
            (None, Some(upstream), _) => self.at(upstream, &target.model.clone(), Some(target)),
            (None, None, Some(client)) => Ok(Self::host_client(client.clone(), target)),
            (None, None, None) => self.by_model(&target.model.clone(), Some(target)),
        }
    }

    fn of_alias(&self, target: FallbackTarget) -> Result<Destination<'a>, PlanError> {
        match (&target.client, target.upstream) {
            (Some(client), _) => Ok(Self::host_client(client.clone(), target)),
            (None, Some(upstream)) => self.at(upstream, &target.model.clone(), Some(target)),
            (None, None) => self.by_model(&target.model.clone(), Some(target)),
        }
    }

    fn host_client(client: ClientRef, target: FallbackTarget) -> Destination<'a> {
        let kind = UpstreamKind::HostClient;
        Destination {
            upstream: target.name.clone().unwrap_or_else(|| kind.name().into()),
            kind,
            to: To::Client(client.number, client.identity),
            timeout: None,
            model: target.model.clone(),
            target: Some(target),
            endpoints: client.endpoints,
            is_default: false,
            near_prefix: None,
        }
    }

    fn by_model(&self, model: &str, target: Option<FallbackTarget>) -> Result<Destination<'a>, PlanError> {
        match route::by_model(model, &self.client.upstream_names) {
            Route::To(_, "") => {
                let what = format!("names an upstream and no model: {}", json::ascii(&json::string(model)));
                Err(ArgumentError::other("model", what).into())
            }
            Route::To(id, model) => {
                let near_prefix =
                    (id == UpstreamId::Own).then(|| doubts::near_prefix(model, &self.client.upstream_names)).flatten();
                Ok(Destination { near_prefix, ..self.at(id, model, target)? })
            }
            Route::Undeclared(name) => {
                let what = format!(
                    "names an upstream that is not declared: add `upstreams: {{ {name}: {{}} }}` to `openpipe`"
                );
                Err(ArgumentError::other("model", what).into())
            }
        }
    }

    fn at(&self, id: UpstreamId, model: &str, target: Option<FallbackTarget>) -> Result<Destination<'a>, PlanError> {
        let destination = |upstream: Arc<str>, kind, to, timeout| Destination {
            upstream,
            kind,
            to,
            timeout,
            model: model.to_owned(),
            target,
            endpoints: None,
            is_default: false,
            near_prefix: None,
        };
        let (kind, upstream) = match id {
            UpstreamId::Own => {
                // The request's own upstream takes the place of the client's.
                if let Some(request) = &self.call.request {
                    let kind = UpstreamKind::Request;
                    return Ok(destination(kind.name().into(), kind, To::Request(request), None));
                }
                (UpstreamKind::Own, Some(&self.client.openai))
            }
            UpstreamId::OpenPipe => (UpstreamKind::OpenPipe, Some(&self.client.openpipe)),
            UpstreamId::Named(index) => (UpstreamKind::Named, self.client.upstreams.get(index)),
        };
        let Some(upstream) = upstream else {
            return Err(PlanError::MissingKey("there is no such upstream".into()));
        };
        if let Some(invalid) = &upstream.invalid {
            return Err(PlanError::Argument(invalid.clone()));
        }
        if let Some(missing) = &upstream.missing_key {
            return Err(PlanError::MissingKey(missing.clone()));
        }
        let to = match upstream.client {
            Some(number) => To::Client(number, upstream.identity.clone()),
            None => To::Upstream(upstream),
        };
        Ok(destination(Arc::clone(&upstream.name), kind, to, upstream.timeout))
    }

    /// Without OpenPipe nothing speaks of it, but to those who ask for what it alone has.
    fn warn_of_openpipes(&self, options: &OpenPipeOptions, warnings: &mut Vec<String>) {
        let Some(missing) = self.client.openpipe.missing_key.as_ref().filter(|_| self.client.report.is_none()) else {
            return;
        };
        let asked = [
            ("criteria", options.criteria.is_some()),
            ("logRequest", options.log_request == Some(true)),
            ("tags", options.tags.is_some()),
        ];
        for (name, _) in asked.iter().filter(|(_, is_asked)| *is_asked) {
            warnings.push(format!("`openpipe.{name}` does nothing: {missing}"));
        }
    }
}

struct Builder<'a> {
    client: &'a ClientConfig,
    call: &'a CallOptions,
    /// What the call itself says.
    given: &'a OpenPipeOptions,
    options: &'a OpenPipeOptions,
    needs: &'a Needs,
    /// How many targets can take the request.
    count: usize,
}

/// An upstream as it is configured, also where a client of the host's is its transport; none for a custom client.
fn config_of<'a>(client: &'a ClientConfig, kind: UpstreamKind, name: &str) -> Option<&'a UpstreamConfig> {
    match kind {
        UpstreamKind::OpenPipe => Some(&client.openpipe),
        UpstreamKind::Own => Some(&client.openai),
        UpstreamKind::Named => client.upstreams.iter().find(|own| *own.name == *name),
        UpstreamKind::HostClient | UpstreamKind::Request => None,
    }
}

impl Builder<'_> {
    fn target(&self, index: usize, capable: Capable<'_>, body_model: &str) -> Result<Target, String> {
        let Capable { is_primary, destination, omitted, home: keeps_at } = capable;
        let Destination { upstream, kind, to, timeout, model, target, .. } = destination;
        let target = target.unwrap_or_default();
        let own = match &to {
            To::Upstream(upstream) => Some(*upstream),
            To::Client(..) | To::Request(_) => config_of(self.client, kind, &upstream),
        };
        let another_waits = index + 1 < self.count;
        let (call, client) = (self.call, self.client);
        // A primary has what the call says, a fallback what it says itself.
        let given = if is_primary { call.timeout.or(target.timeout) } else { target.timeout.or(call.timeout) };
        let limit = given.or(timeout).or(client.timeout).unwrap_or_else(|| Limit(Some(self.default_time(index)))).0;
        let max_retries_given = target.max_retries.or(call.max_retries).or(client.max_retries);
        let default_retries = if another_waits { 0 } else { DEFAULT_MAX_RETRIES };
        let first_token_timeout = target.first_token_timeout.or(self.options.first_token_timeout);
        let overlay = Overlay {
            // A server learns a timeout only where one was given, for the call, the target or the upstream, and the caller's own value
            // of the header is kept.
            timeout: given
                .or(timeout)
                .and(limit)
                .map(|limit| limit.as_secs())
                .filter(|_| !self.keeps_timeout(kind, own)),
            layers: Vec::new(),
        };
        let client_retries = max_retries_given.or(another_waits.then_some(0));
        let via = self.via(is_primary, kind, to, &model, overlay, client_retries)?;
        let home = own.and_then(|own| own.urls.of(call.endpoint, &model)).or_else(|| match &via {
            Via::Http { url, .. } => Some(Arc::clone(url)),
            Via::Asked { .. } | Via::Client { .. } | Via::Unsendable => None,
        });
        let narrowed = self.narrowed(&target, !is_primary, timeout, limit);
        Ok(Target {
            upstream,
            kind,
            via,
            budget: if self.count > 1 { Budget::Total(limit) } else { Budget::PerTry(limit) },
            retry: RetryPolicy {
                // A custom client retries by itself; where the host's client is only the transport, the engine retries.
                max_retries: if kind == UpstreamKind::HostClient {
                    0
                } else {
                    max_retries_given.unwrap_or(default_retries)
                },
                another_waits,
            },
            first_token_timeout: first_token_timeout.and_then(|wait| wait.0).filter(|_| another_waits),
            idle_timeout: match self.options.idle_timeout {
                Some(Limit(given)) => given,
                None => limit.map(|limit| limit.max(IDLE_TIMEOUT)),
            },
            idle_timeout_at_work: match self.options.idle_timeout {
                Some(Limit(given)) => given,
                None => limit.map(|limit| endpoint::idle_at_work(limit.max(IDLE_TIMEOUT))),
            },
            reject: Arc::new(target.reject.clone().or_else(|| self.options.reject.clone()).unwrap_or_default()),
            filter: target.filter(),
            narrowed,
            replaces_credential: is_primary
                && self.options.breaker.is_some()
                && own.is_some_and(|own| self.replaces_credential(own, &model)),
            home,
            is_primary,
            keeps_at,
            is_background: capable::sends(&target, "background", self.needs.background),
            has_conversation: capable::sends(&target, "conversation", self.needs.conversation),
            change: Change {
                drop_issued: !omitted.is_empty(),
                model: (model != body_model).then(|| model.clone()),
                params: target.params,
                omit: target.omit,
                drop_unstored_metadata: call.endpoint.refuses_unstored_metadata()
                    && matches!(kind, UpstreamKind::Own | UpstreamKind::HostClient),
            },
            omitted,
            model,
        })
    }

    /// Whether the caller's headers for an upstream, defaults of the client or the upstream's own, set or remove `x-stainless-timeout`.
    fn keeps_timeout(&self, kind: UpstreamKind, own: Option<&UpstreamConfig>) -> bool {
        match kind {
            UpstreamKind::Own | UpstreamKind::OpenPipe => self.client.keeps_timeout,
            _ => {
                own.is_some_and(|own| own.own_headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(TIMEOUT_HEADER)))
            }
        }
    }

    /// The time of a target that has no timeout of its own. A primary leaves half of the call's time to its fallbacks.
    fn default_time(&self, index: usize) -> Duration {
        let half = patience(self.client, self.call).map(|patience| patience / 2);
        half.filter(|_| index == 0 && self.count > 1).unwrap_or(DEFAULT_TIMEOUT)
    }

    /// The limits of a target that the call's own options made narrower than they would be without.
    fn narrowed(
        &self,
        target: &FallbackTarget,
        is_fallback: bool,
        upstreams: Option<Limit>,
        limit: Option<Duration>,
    ) -> Narrowed {
        let call = self.given;
        let constructors = Some(target).filter(|_| call.fallback.is_none() || !is_fallback);
        let default = constructors.and_then(|target| target.timeout).or(upstreams).or(self.client.timeout);
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
    fn replaces_credential(&self, upstream: &UpstreamConfig, model: &str) -> bool {
        let by_header = self.call.headers.iter().any(|(name, value)| {
            let own = upstream.headers.get(name.as_str()).map(HeaderValue::as_bytes);
            secrets::is_account(name) && own != value.as_deref().map(str::as_bytes)
        });
        by_header
            || self
                .call
                .url
                .as_ref()
                .zip(upstream.urls.of(self.call.endpoint, model))
                .is_some_and(|(url, own)| has_other_key(url, &own))
    }

    fn via(
        &self,
        is_primary: bool,
        kind: UpstreamKind,
        to: To<'_>,
        model: &str,
        mut overlay: Overlay,
        client_retries: Option<u32>,
    ) -> Result<Via, String> {
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
                return Ok(Via::Client { client, identity, headers: own, max_retries });
            }
            To::Request(request) => {
                let (url, mut headers) = request.target(is_primary);
                overlay.layers.push(own);
                overlay.lay(&mut headers)?;
                return Ok(Via::Http { url, headers });
            }
            To::Upstream(upstream) => upstream,
        };
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
            // The key comes later, and the upstream's own headers go over it.
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
}

/// The headers by which OpenPipe logs a call: `op-log-request`, `op-cache`, `op-tags`, `op-criteria`, in ASCII.
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

impl From<ArgumentError> for PlanError {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error.to_string())
    }
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
