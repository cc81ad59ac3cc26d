//! `openpipe.upstreams`: read once, when a client is made (contract.md, section 8).

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::Identity;
use super::known::known;
use super::names::is_free_name;
use super::nearest::nearest_name;
use super::read::{ArgumentError, Section, quoted, shown};
use super::spec::{self, Place};
use super::upstream_config::{Takes, UpstreamConfig};
use super::urls;
use crate::endpoint::Endpoint;
use crate::text::credentials::is_account;
use crate::text::headers;

type Read<T> = Result<T, ArgumentError>;

/// The names of the declared upstreams.
///
/// # Errors
/// Where `upstreams` is no object, or a name is not allowed.
pub(super) fn names(section: &Section<'_>) -> Read<Vec<Arc<str>>> {
    let name = |(name, _): (String, &str)| {
        if is_free_name(&name) {
            return Ok(name.into());
        }
        let path = format!("{}.{}", section.path("upstreams"), quoted(&name));
        let what = "has a name that is not allowed: a letter, then letters, digits, - and _; openai, openpipe, client and request are taken";
        Err(ArgumentError::other(path, what))
    };
    section.entries("upstreams")?.into_iter().map(name).collect()
}

/// The declared upstreams, in the order of their names.
///
/// # Errors
/// The first option of an upstream that is malformed.
pub(super) fn read(section: &Section<'_>, host: &Host<'_>) -> Read<Vec<UpstreamConfig>> {
    let each = |(name, raw): (String, &str)| {
        let path = format!("{}.{name}", section.path("upstreams"));
        let own = Section::new(Place::Upstream, &path, raw, section.aside(), &mut Vec::new())?;
        if let Some(unknown) = own.unknown() {
            let hint = nearest_name(&unknown, &spec::names(Place::Upstream).map(str::to_owned).collect::<Vec<_>>());
            let hint = hint.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            return Err(ArgumentError::other(format!("{path}.{}", quoted(&unknown)), format!("is not known{hint}")));
        }
        one(&name, &own, host)
    };
    section.entries("upstreams")?.into_iter().map(each).collect()
}

/// What the host contributes to declared upstreams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    /// Headers that the host's client sets itself, for every upstream.
    pub(super) headers: &'a HeaderMap,
    /// The environment variables of known upstreams that are set.
    pub(super) variables: &'a HashMap<String, String>,
    /// The numbers of the host's clients, by upstream, where the host's transport is used.
    pub(super) clients: &'a HashMap<String, u32>,
}

enum Key {
    Text(String),
    Function,
    None,
    Missing,
}

fn key(name: &str, section: &Section<'_>, host: &Host<'_>) -> Read<Key> {
    match section.odd("apiKey") {
        Some("a function") => return Ok(Key::Function),
        Some(odd) => return Err(section.refuse("apiKey", odd)),
        None => {}
    }
    let given = match section.raw("apiKey") {
        Some("null") => return Ok(Key::None),
        None => String::new(),
        Some(raw) if raw.starts_with('"') => serde_json::from_str(raw).unwrap_or_default(),
        Some(raw) => return Err(section.refuse("apiKey", shown(raw))),
    };
    let variable = known(name).and_then(|known| host.variables.get(known.variable));
    let key = [Some(&given), variable].into_iter().flatten().map(|key| key.trim()).find(|key| !key.is_empty());
    Ok(key.map_or(Key::Missing, |key| Key::Text(key.to_owned())))
}

fn one(name: &str, section: &Section<'_>, host: &Host<'_>) -> Read<UpstreamConfig> {
    let known = known(name);
    if section.raw("baseUrl").is_some() || section.odd("baseUrl").is_some() {
        return Err(ArgumentError::other(section.path("baseUrl"), "is not known: in an upstream it is `baseURL`"));
    }
    let base = match (section.text("baseURL")?, known) {
        (Some(base), _) => base,
        (None, Some(known)) => known.base_url.to_owned(),
        (None, None) => return Err(section.refuse("baseURL", "undefined")),
    };
    let key = key(name, section, host)?;
    let query = query(section)?;
    let (urls, basic) = urls::with_credentials(&section.path("baseURL"), &base, &query)?;
    if basic.is_some() && !matches!(key, Key::None) {
        let what = "has a user or a password: set `apiKey: null` to send them";
        return Err(ArgumentError::other(section.path("baseURL"), what));
    }

    let own_headers = section.pairs("headers")?;
    let all = headers(section, host, &key, basic, &own_headers)?;
    let endpoints = section.value::<Vec<Endpoint>>("endpoints")?;
    let default = || known.map_or_else(|| Endpoint::ALL.to_vec(), |known| known.endpoints.to_vec());
    let takes = match section.raw("takes") {
        Some("true") => Takes::All,
        _ => Takes::Types(section.value("takes")?.unwrap_or_default()),
    };
    let keys = || all.iter().filter(|(name, _)| is_account(name.as_str())).map(|(_, value)| value.as_bytes());
    let identity = match key {
        Key::Function => Identity(format!("{name} {base}")),
        _ => Identity::of_keys(keys()),
    };
    Ok(UpstreamConfig {
        name: name.into(),
        urls,
        headers: Arc::new(all),
        own_headers,
        missing_key: matches!(key, Key::Missing).then(|| missing(name)),
        invalid: None,
        key_is_function: matches!(key, Key::Function),
        client: host.clients.get(name).copied(),
        identity,
        timeout: section.time("timeout")?,
        endpoints: endpoints.unwrap_or_else(default),
        takes,
        state: section.text("state")?.map(Into::into),
    })
}

/// The headers of every request to an upstream: those that the host's client sets, the key, and over them the upstream's own.
fn headers(
    section: &Section<'_>,
    host: &Host<'_>,
    key: &Key,
    basic: Option<HeaderValue>,
    own_headers: &headers::HeaderList,
) -> Read<HeaderMap> {
    let mut all = HeaderMap::new();
    all.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
    all.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let own = host.headers.iter().filter(|(name, _)| is_set_by_client(name.as_str()));
    own.for_each(|(name, value)| drop(all.insert(name, value.clone())));
    match key {
        Key::Text(key) => {
            let value = headers::header_value(&format!("Bearer {key}")).ok_or_else(|| {
                ArgumentError::other(section.path("apiKey"), "holds a character that an HTTP header cannot carry")
            })?;
            all.insert(http::header::AUTHORIZATION, value);
        }
        Key::None => basic.into_iter().for_each(|value| drop(all.insert(http::header::AUTHORIZATION, value))),
        Key::Function | Key::Missing => {}
    }
    headers::overlay(&mut all, own_headers).map_err(|what| ArgumentError::other(section.path("headers"), what))?;
    Ok(all)
}

fn missing(name: &str) -> String {
    let option = format!("the option `openpipe.upstreams.{name}.apiKey`");
    let how = known(name)
        .map_or_else(|| option.clone(), |known| format!("the environment variable {}, or {option}", known.variable));
    format!("there is no key for the upstream {name}: set {how}")
}

/// Whether a header is one that the host's client sets itself.
fn is_set_by_client(name: &str) -> bool {
    matches!(name, "user-agent" | "accept" | "content-type") || name.starts_with("x-stainless-")
}

fn query(section: &Section<'_>) -> Read<Vec<(String, String)>> {
    let list = section.pairs("query").map_err(|error| ArgumentError { expected: "a string".into(), ..error })?;
    let each = |(name, value): (String, Option<String>)| match value {
        Some(value) => Ok((name, value)),
        None => {
            let path = format!("{}.{}", section.path("query"), quoted(&name));
            Err(ArgumentError::expected(path, "a string", "null"))
        }
    };
    list.into_iter().map(each).collect()
}
