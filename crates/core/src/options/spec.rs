//! The options that exist: name, kind, bounds and where each may stand. Checks and error texts come from this table;
//! a test compares types.d.ts and docs/options.md with it.

use serde::Serialize;

use crate::failure::Kind as FailureKind;
use crate::policy::reject::Rule;

/// Where an option may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// `openpipe` of the constructor.
    Client,
    /// `openpipe` of the request options.
    Call,
    /// `openpipe` of a request's body.
    Body,
    /// A target of `fallback` or `aliases`.
    Target,
    /// A member of `upstreams`.
    Upstream,
    /// `breaker`.
    Breaker,
}

/// The values that an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A time limit.
    Time,
    /// A time that ends.
    BoundedTime {
        /// The longest, in milliseconds.
        most: f64,
    },
    /// A size.
    Bytes,
    /// A number of retries.
    Retries,
    /// A whole number.
    Count {
        /// The largest.
        most: f64,
    },
    /// A share of a whole.
    Share,
    /// `true` or `false`.
    Flag,
    /// A text.
    Text,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Texts.
    Names,
    /// Kinds of failure and status codes.
    Triggers,
    /// `tags`.
    Tags,
    /// An object that goes into a request.
    Object,
    /// Texts by name.
    Texts,
    /// Texts by name; `null` removes a header.
    Headers,
    /// Endpoints.
    Endpoints,
    /// `takes`.
    Takes,
    /// A function.
    Function,
    /// A custom client.
    Client,
    /// A text, a function or `null`.
    Key,
    /// One target or several.
    Targets,
    /// A switch or a policy.
    Breaker,
    /// `upstreams`.
    Upstreams,
    /// `aliases`.
    Aliases,
    /// `allowInBody`.
    AllowInBody,
    /// `reject`.
    Rules,
    /// Read by the host.
    Elsewhere,
}

impl Kind {
    /// What an error says that the option must be.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Time => "a positive number of milliseconds or Infinity".into(),
            Self::BoundedTime { .. } => "a positive number of milliseconds, up to a day".into(),
            Self::Bytes => "a whole number of bytes from 1".into(),
            Self::Retries => "a whole number from 0".into(),
            Self::Count { .. } => "a whole number from 1".into(),
            Self::Share => "a number above 0 and up to 1".into(),
            Self::Flag => "true or false".into(),
            Self::Text => "a non-empty string".into(),
            Self::Choice(choices) => {
                choices.iter().map(|choice| format!("{choice:?}")).collect::<Vec<_>>().join(" or ")
            }
            Self::Names => "an array of strings".into(),
            Self::Triggers => "an array of kinds of failure or status codes".into(),
            Self::Tags => "an object of strings, numbers, booleans or null".into(),
            Self::Object => "an object".into(),
            Self::Texts => "an object of strings".into(),
            Self::Headers => "an object of strings or null".into(),
            Self::Endpoints => r#"an array of "chat", "responses", "embeddings" or "completions""#.into(),
            Self::Takes => "true or an array of strings".into(),
            Self::Function => "a function".into(),
            Self::Client => "an object with a function chat.completions.create(body, options)".into(),
            Self::Key => "a string, a function or null".into(),
            Self::Targets => "an object with a model".into(),
            Self::Breaker => "true, false or an object".into(),
            Self::Upstreams => "an object of upstreams by name".into(),
            Self::Aliases => "an object of models and targets by name".into(),
            Self::AllowInBody => "true, false or an array of names of options".into(),
            Self::Rules => "a rule's name, a function, or an array of names and at most one function".into(),
            Self::Elsewhere => "something else".into(),
        }
    }
}

/// An element of [`Kind::Triggers`].
#[must_use]
pub fn expected_trigger() -> String {
    let kinds: Vec<_> = FailureKind::ALL.iter().map(|kind| kind.name()).collect();
    format!("a status code or one of {}", kinds.join(", "))
}

/// An element of [`Kind::Rules`].
#[must_use]
pub fn expected_rule() -> String {
    let names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    format!("a function or one of {}", names.join(", "))
}

/// One option.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand.
    pub places: &'static [Place],
    /// The values that it takes.
    pub kind: Kind,
}

const fn option(name: &'static str, places: &'static [Place], kind: Kind) -> OptionSpec {
    OptionSpec { name, places, kind }
}

const EVERYWHERE: &[Place] = &[Place::Client, Place::Call, Place::Body];
const TRUSTED: &[Place] = &[Place::Client, Place::Call];
const CLIENT: &[Place] = &[Place::Client];
const TARGET: &[Place] = &[Place::Target];
const UPSTREAM: &[Place] = &[Place::Upstream];
const BREAKER: &[Place] = &[Place::Breaker];
/// At most a day: a circuit that never closes, or a window that never ends, would be useless.
const DAY: Kind = Kind::BoundedTime { most: 86_400_000.0 };

/// Every option.
pub const OPTIONS: &[OptionSpec] = &[
    option("fallback", EVERYWHERE, Kind::Targets),
    option("tags", EVERYWHERE, Kind::Tags),
    option("logRequest", EVERYWHERE, Kind::Flag),
    option("cache", EVERYWHERE, Kind::Choice(&["readWrite", "readOnly", "writeOnly"])),
    option("criteria", EVERYWHERE, Kind::Names),
    option("firstTokenTimeout", EVERYWHERE, Kind::Time),
    option("idleTimeout", EVERYWHERE, Kind::Time),
    option("deadline", EVERYWHERE, Kind::Time),
    option("holdUntil", EVERYWHERE, Kind::Choice(&["content", "finish"])),
    option("maxResponseBytes", EVERYWHERE, Kind::Bytes),
    option("breaker", EVERYWHERE, Kind::Breaker),
    option("onFallback", EVERYWHERE, Kind::Function),
    option("upstream", TRUSTED, Kind::Text),
    option("reject", TRUSTED, Kind::Rules),
    option("apiKey", CLIENT, Kind::Text),
    option("baseUrl", CLIENT, Kind::Text),
    option("fallbackClient", CLIENT, Kind::Client),
    option("transport", CLIENT, Kind::Choice(&["native", "fetch"])),
    option("upstreams", CLIENT, Kind::Upstreams),
    option("aliases", CLIENT, Kind::Aliases),
    option("allowInBody", CLIENT, Kind::AllowInBody),
    option("reports", CLIENT, Kind::Elsewhere),
    option("model", TARGET, Kind::Text),
    option("upstream", TARGET, Kind::Text),
    option("client", TARGET, Kind::Client),
    option("name", TARGET, Kind::Text),
    option("timeout", TARGET, Kind::Time),
    option("maxRetries", TARGET, Kind::Retries),
    option("firstTokenTimeout", TARGET, Kind::Time),
    option("params", TARGET, Kind::Object),
    option("omit", TARGET, Kind::Names),
    option("on", TARGET, Kind::Triggers),
    option("except", TARGET, Kind::Triggers),
    option("sameVectors", TARGET, Kind::Flag),
    option("reject", TARGET, Kind::Rules),
    option("baseURL", UPSTREAM, Kind::Text),
    option("apiKey", UPSTREAM, Kind::Key),
    option("headers", UPSTREAM, Kind::Headers),
    option("query", UPSTREAM, Kind::Texts),
    option("timeout", UPSTREAM, Kind::Time),
    option("endpoints", UPSTREAM, Kind::Endpoints),
    option("takes", UPSTREAM, Kind::Takes),
    option("state", UPSTREAM, Kind::Text),
    option("failures", BREAKER, Kind::Count { most: 4_294_967_295.0 }),
    option("failureRate", BREAKER, Kind::Share),
    option("window", BREAKER, DAY),
    option("openFor", BREAKER, DAY),
    option("credentialOpenFor", BREAKER, DAY),
];

/// The option of this name, where it may stand here.
#[must_use]
pub fn find(place: Place, name: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| option.name == name && option.places.contains(&place))
}

/// The names of the options that may stand here.
pub fn names(place: Place) -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().filter(move |option| option.places.contains(&place)).map(|option| option.name)
}
