//! `openpipe.upstreams` and `openpipe.aliases`: read once, when a client is made (contract.md, section 8).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::known::known;
use super::openpipe::{Names, header_list, target, targets};
use super::read::{ArgumentError, Section, quoted, shown};
use super::route::{self, Route};
use super::spec::Place;
use super::upstream_id::UpstreamId;
use super::{FallbackTarget, Identity, UpstreamConfig, Urls, parse_url};
use crate::endpoint::Endpoint;
use crate::text::credentials::is_account;
use crate::text::headers;
use crate::text::json::{self, Members};

type Read<T> = Result<T, ArgumentError>;

/// What a name of `aliases` stands for.
#[derive(Debug, Clone)]
pub struct Alias {
    /// Its targets, the first asked first; at least one.
    pub targets: Vec<FallbackTarget>,
    /// They are the whole chain: the default `fallback` does not follow.
    pub is_chain: bool,
}

/// Hosted tools that an upstream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// All of them.
    All,
    /// Those of these types.
    Types(Vec<String>),
}

/// Whether a name may be given to an upstream or a client.
#[must_use]
pub(super) fn is_free_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        && !matches!(name, "openai" | "openpipe" | "client" | "request")
}

/// The members of an object of objects, by name.
fn entries<'a>(section: &Section<'a>, name: &str) -> Read<Vec<(String, &'a str)>> {
    match (section.odd(name), section.raw(name)) {
        (Some(odd), _) => Err(section.refuse(name, odd)),
        (None, None | Some("null")) => Ok(Vec::new()),
        (None, Some(raw)) => {
            let members: Members<'a> = serde_json::from_str(raw).map_err(|_| section.refuse(name, shown(raw)))?;
            Ok(members.iter().map(|(key, raw)| (json::decoded(key).unwrap_or_default(), raw.get())).collect())
        }
    }
}

/// The names of the declared upstreams.
///
/// # Errors
/// Where `upstreams` is no object, or a name is not allowed.
pub fn names(section: &Section<'_>) -> Read<Vec<Arc<str>>> {
    let name = |(name, _): (String, &str)| {
        if is_free_name(&name) {
            return Ok(name.into());
        }
        let path = format!("{}.{}", section.path("upstreams"), quoted(&name));
        let what = "has a name that cannot be given: a letter, then letters, digits, - and _; openai, openpipe, client and request are taken";
        Err(ArgumentError::other(path, what))
    };
    entries(section, "upstreams")?.into_iter().map(name).collect()
}

/// The declared upstreams, in the order of their names.
///
/// # Errors
/// What is malformed in one of them.
pub fn read(section: &Section<'_>, host: &Host<'_>) -> Read<Vec<UpstreamConfig>> {
    let each = |(name, raw): (String, &str)| {
        let path = format!("{}.{name}", section.path("upstreams"));
        let own = Section::new(Place::Upstream, &path, raw, section.aside(), &mut Vec::new())?;
        if let Some(unknown) = own.unknown() {
            let hint = super::nearest_name(
                &unknown,
                &super::spec::names(Place::Upstream).map(str::to_owned).collect::<Vec<_>>(),
            );
            let hint = hint.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            return Err(ArgumentError::other(format!("{path}.{}", quoted(&unknown)), format!("is not known{hint}")));
        }
        one(&name, &own, host)
    };
    entries(section, "upstreams")?.into_iter().map(each).collect()
}

/// What reading an upstream needs of the host.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Headers that the host's client sets itself, for every upstream.
    pub headers: &'a HeaderMap,
    /// The environment variables of known upstreams that are set.
    pub variables: &'a HashMap<String, String>,
    /// The numbers of the host's clients, by upstream, where the host's transport is used.
    pub clients: &'a HashMap<String, u32>,
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
    let (urls, basic) = urls(&section.path("baseURL"), &base, &query)?;
    if basic.is_some() && !matches!(key, Key::None) {
        let what = "holds a user or a password: give `apiKey: null` to send them";
        return Err(ArgumentError::other(section.path("baseURL"), what));
    }

    let mut all = HeaderMap::new();
    all.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
    all.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let own = host.headers.iter().filter(|(name, _)| is_clients_own(name.as_str()));
    own.for_each(|(name, value)| drop(all.insert(name, value.clone())));
    let mut missing_key = None;
    match &key {
        Key::Text(key) => {
            let value = headers::header_value(&format!("Bearer {key}")).ok_or_else(|| {
                ArgumentError::other(section.path("apiKey"), "holds a character that an HTTP header cannot carry")
            })?;
            all.insert(http::header::AUTHORIZATION, value);
        }
        Key::Missing => missing_key = Some(missing(name)),
        Key::None => basic.into_iter().for_each(|value| drop(all.insert(http::header::AUTHORIZATION, value))),
        Key::Function => {}
    }
    let own = header_list(section, "headers")?;
    headers::overlay(&mut all, &own).map_err(|what| ArgumentError::other(section.path("headers"), what))?;

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
        own_headers: own,
        missing_key,
        invalid: None,
        asked: matches!(key, Key::Function),
        client: host.clients.get(name).copied(),
        identity,
        timeout: section.time("timeout")?,
        endpoints: endpoints.unwrap_or_else(default),
        takes,
        state: section.text("state")?.map(Into::into),
    })
}

fn missing(name: &str) -> String {
    let option = format!("the option `openpipe.upstreams.{name}.apiKey`");
    let how = known(name)
        .map_or_else(|| option.clone(), |known| format!("the environment variable {}, or {option}", known.variable));
    format!("there is no key for the upstream {name}: set {how}")
}

/// Whether a header is one that the host's client sets itself.
fn is_clients_own(name: &str) -> bool {
    matches!(name, "user-agent" | "accept" | "content-type") || name.starts_with("x-stainless-")
}

fn query(section: &Section<'_>) -> Read<Vec<(String, String)>> {
    let list = header_list(section, "query").map_err(|error| ArgumentError { expected: "a string".into(), ..error })?;
    let each = |(name, value): (String, Option<String>)| match value {
        Some(value) => Ok((name, value)),
        None => {
            let path = format!("{}.{}", section.path("query"), quoted(&name));
            Err(ArgumentError::expected(path, "a string", "null"))
        }
    };
    list.into_iter().map(each).collect()
}

/// The URLs below a base, and the credentials that stand in it.
fn urls(option: &str, base: &str, query: &[(String, String)]) -> Read<(Urls, Option<HeaderValue>)> {
    let malformed = |message: String| {
        let prefix = format!("`{option}`: ");
        ArgumentError::other(option, message.strip_prefix(&prefix).unwrap_or(&message))
    };
    // In a path alone, and there it must come through a parser that would encode it.
    let plain = base.replace("{model}", MODEL_MARK);
    let mut url = parse_url(option, &plain).map_err(malformed)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ArgumentError::other(option, "must have no query and no fragment: `query` is for that"));
    }
    if plain.matches(MODEL_MARK).count() != url.path().matches(MODEL_MARK).count() {
        return Err(ArgumentError::other(option, "may have `{model}` in its path only"));
    }
    let basic = (!url.username().is_empty() || url.password().is_some()).then(|| {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
        headers::header_value(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    });
    // An http URL can always be without them.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let urls = if url.path().contains(MODEL_MARK) { Urls::template(url) } else { Urls::below(&url) };
    Ok((urls, basic.flatten()))
}

/// Stands for `{model}` in a URL that has been parsed.
pub(super) const MODEL_MARK: &str = "openpipe-native.model.here";

/// The URL for a model; `None` where its name would be a step within the path.
#[must_use]
pub(super) fn url_for_model(template: &Url, model: &str) -> Option<Url> {
    if is_step(model) {
        return None;
    }
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let encoded = percent_encoding::utf8_percent_encode(model, RESERVED).to_string();
    let mut url = template.clone();
    url.set_path(&template.path().replace(MODEL_MARK, &encoded));
    Some(url)
}

/// Whether a name is a step within a path, `.` or `..`, however often it is percent-encoded; or nothing. One that is encoded more often
/// than anybody decodes counts as one too, so that the cost stays linear.
fn is_step(name: &str) -> bool {
    const MOST_DECODINGS: usize = 16;
    let mut decoded = name.to_owned();
    for _ in 0..MOST_DECODINGS {
        if matches!(decoded.as_str(), "" | "." | "..") {
            return true;
        }
        let again = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if again == decoded {
            return false;
        }
        decoded = again;
    }
    true
}

/// The aliases.
///
/// # Errors
/// What is malformed in one of them.
pub(super) fn aliases(
    section: &Section<'_>,
    known: Names<'_>,
    warnings: &mut Vec<String>,
) -> Read<HashMap<String, Alias>> {
    let mut all = HashMap::new();
    let table = section.path("aliases");
    let entries = entries(section, "aliases")?;
    for (name, raw) in &entries {
        let path = format!("{table}.{name}");
        let shown_path = format!("{table}.{}", quoted(name));
        let count = warnings.len();
        let alias = if raw.starts_with('"') {
            let model: String = serde_json::from_str(raw).unwrap_or_default();
            if model.is_empty() {
                return Err(ArgumentError::expected(
                    shown_path,
                    "a non-empty string, a target or an array of targets",
                    "\"\"",
                ));
            }
            Alias { targets: vec![FallbackTarget::of_model(model)], is_chain: false }
        } else if raw.starts_with('[') {
            Alias { targets: targets(&path, raw, section.aside(), known, warnings)?, is_chain: true }
        } else if raw.starts_with('{') {
            Alias { targets: vec![target(&path, raw, section.aside(), known, warnings)?], is_chain: false }
        } else {
            let got = section.aside().odd.get(&path).cloned().unwrap_or_else(|| shown(raw));
            return Err(ArgumentError::expected(
                shown_path,
                "a non-empty string, a target or an array of targets",
                got,
            ));
        };
        // Elsewhere an unknown member is a warning. This table comes from no user's input, so here it is an error.
        if let Some(unknown) = warnings.get(count) {
            return Err(ArgumentError::other(shown_path, format!("has a member that is not known: {unknown}")));
        }
        let Some(first) = alias.targets.first() else {
            return Err(ArgumentError::other(shown_path, "is an empty array: give at least one target"));
        };
        if first.on.is_some() || !first.except.is_empty() {
            return Err(ArgumentError::other(
                shown_path,
                "cannot have `on` or `except` on its first target, which no failure leads to",
            ));
        }
        for target in &alias.targets {
            check_model(target, &shown_path, known)?;
        }
        all.insert(name.clone(), alias);
    }
    Ok(all)
}

/// A model that names its upstream must name one that is declared, and a model of it.
fn check_model(target: &FallbackTarget, option: &str, declared: Names<'_>) -> Read<()> {
    if target.upstream.is_some() || target.client.is_some() {
        return Ok(());
    }
    match route::by_model(&target.model, declared.0) {
        Route::Undeclared(name) => declared.find(option.to_owned(), name).map(|_| ()),
        Route::To(UpstreamId::Named(_), "") => {
            let what = format!("names an upstream and no model: {}", json::ascii(&json::string(&target.model)));
            Err(ArgumentError::other(option, what))
        }
        Route::To(..) => Ok(()),
    }
}
