//! `openpipe` of a call and of the constructor, read from what a host wrote.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::read::{ArgumentError, Aside, Section, quoted, shown};
use super::spec::{self, Place};
use super::{BreakerOption, FallbackTarget, OpenPipeOptions};
use crate::options::known;
use crate::options::upstream_id::UpstreamId;
use crate::text::headers;
use crate::text::json;

type Read<T> = Result<T, ArgumentError>;

/// Tags that are longer as a header would be refused by servers.
const MAX_TAGS: usize = 4096;

/// The names of the declared upstreams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a>(pub &'a [Arc<str>]);

impl Names<'_> {
    /// The upstream of this name.
    ///
    /// # Errors
    /// Where none is declared; says how to declare one that is known.
    pub(super) fn find(self, option: String, name: &str) -> Read<UpstreamId> {
        match name {
            "openai" => return Ok(UpstreamId::Own),
            "openpipe" => return Ok(UpstreamId::OpenPipe),
            _ => {}
        }
        if let Some(index) = self.0.iter().position(|declared| **declared == *name) {
            return Ok(UpstreamId::Named(index));
        }
        Err(match known::known(name) {
            Some(_) => ArgumentError::other(
                option,
                format!("names an upstream that is not declared: add `upstreams: {{ {name}: {{}} }}` to `openpipe`"),
            ),
            None => {
                let names: Vec<_> = self.0.iter().map(|name| format!("{name:?}")).collect();
                let expected = format!("the name of a declared upstream ({})", names.join(", "));
                let expected = if names.is_empty() { "\"openai\" or \"openpipe\"".into() } else { expected };
                ArgumentError::expected(option, expected, shown_name(name))
            }
        })
    }
}

fn shown_name(name: &str) -> String {
    if name.chars().count() > 16 {
        format!("a string of {} characters", name.chars().count())
    } else {
        json::ascii(&json::string(name))
    }
}

/// Reads the members that a call and the constructor have in common.
///
/// # Errors
/// The first member that is malformed.
pub(super) fn read(section: &Section<'_>, names: Names<'_>, warnings: &mut Vec<String>) -> Read<OpenPipeOptions> {
    section.function("onFallback")?;
    let options = OpenPipeOptions {
        fallback: fallback(section, names, warnings)?,
        tags: section.tags("tags")?,
        log_request: section.flag("logRequest")?,
        cache: section.choice("cache")?,
        criteria: section.names("criteria")?.map(|names| raw(&names)),
        first_token_timeout: section.time("firstTokenTimeout")?,
        idle_timeout: section.time("idleTimeout")?,
        deadline: section.time("deadline")?,
        hold_until: section.choice("holdUntil")?,
        max_response_bytes: section.bytes("maxResponseBytes")?,
        breaker: breaker(section, warnings)?,
        upstream: match spec::find(section.place(), "upstream") {
            Some(_) => section.text("upstream")?.map(|name| names.find(section.path("upstream"), &name)).transpose()?,
            None => None,
        },
        reject: match spec::find(section.place(), "reject") {
            Some(_) => section.rules("reject")?,
            None => None,
        },
    };
    if options.tags.is_some() && json::ascii(&tags_with_sdk(options.tags.as_ref())).len() > MAX_TAGS {
        return Err(ArgumentError::other(section.path("tags"), "must be at most 4 KB as a header"));
    }
    Ok(options)
}

fn raw(names: &[String]) -> Box<RawValue> {
    serde_json::value::to_raw_value(names).unwrap_or_default()
}

fn fallback(section: &Section<'_>, names: Names<'_>, warnings: &mut Vec<String>) -> Read<Option<Vec<FallbackTarget>>> {
    let path = section.path("fallback");
    match (section.odd("fallback"), section.raw("fallback")) {
        (Some(odd), _) => Err(section.refuse("fallback", odd)),
        (None, None) => Ok(None),
        (None, Some("null" | "false")) => Ok(Some(Vec::new())),
        (None, Some(raw)) if raw.starts_with('[') => targets(&path, raw, section.aside(), names, warnings).map(Some),
        (None, Some(raw)) => target(&path, raw, section.aside(), names, warnings).map(|target| Some(vec![target])),
    }
}

/// An array of targets.
pub(super) fn targets(
    path: &str,
    text: &str,
    aside: &Aside,
    names: Names<'_>,
    warnings: &mut Vec<String>,
) -> Read<Vec<FallbackTarget>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    if elements.len() > super::MAX_TARGETS {
        let most = format!("at most {} targets", super::MAX_TARGETS);
        return Err(ArgumentError::expected(path, most, elements.len().to_string()));
    }
    let numbered = elements.into_iter().enumerate();
    numbered.map(|(index, raw)| target(&format!("{path}[{index}]"), raw.get(), aside, names, warnings)).collect()
}

/// One target.
pub(super) fn target(
    path: &str,
    text: &str,
    aside: &Aside,
    names: Names<'_>,
    warnings: &mut Vec<String>,
) -> Read<FallbackTarget> {
    let section = Section::new(Place::Target, path, text, aside, warnings).map_err(|error| {
        let got = if text.starts_with('"') { Some(shown(text)) } else { error.got };
        ArgumentError { expected: "an object with a model".into(), got, ..error }
    })?;
    let omit = section.names("omit")?.unwrap_or_default();
    refuse_fixed(&section, "omit", omit.iter().map(String::as_str))?;
    let params = section.object("params")?;
    if let Some(members) =
        params.as_deref().and_then(|params| serde_json::from_str::<json::Members<'_>>(params.get()).ok())
    {
        for (name, _) in members.iter() {
            refuse_fixed(&section, "params", json::decoded(name).iter().map(String::as_str))?;
        }
    }
    let client = section.client("client")?;
    let name = section.text("name")?;
    if let Some(name) = &name
        && !super::upstreams::is_free_name(name)
    {
        let what = "a name of letters, digits, - and _ that is not taken";
        return Err(ArgumentError::expected(section.path("name"), what, shown_name(name)));
    }
    let is_given = section.raw("reject").is_some() || section.odd("reject").is_some();
    let reject = if aside.is_from_body {
        if is_given {
            let path = section.path("reject");
            warnings.push(format!(
                "`{path}` of a body does nothing: it is taken from the request options and the constructor"
            ));
        }
        None
    } else {
        section.rules("reject")?
    };
    Ok(FallbackTarget {
        model: section.required_text("model")?,
        upstream: section.text("upstream")?.map(|name| names.find(section.path("upstream"), &name)).transpose()?,
        name: name.map(Into::into),
        timeout: section.time("timeout")?,
        max_retries: section.retries("maxRetries")?,
        first_token_timeout: section.time("firstTokenTimeout")?,
        client,
        params,
        omit,
        on: section.triggers("on")?,
        except: section.triggers("except")?.unwrap_or_default(),
        same_vectors: section.flag("sameVectors")?,
        reject,
    })
}

/// Members that no target may change: the model is the target's own, and what a call returns was decided when it was made.
fn refuse_fixed<'n>(section: &Section<'_>, option: &str, mut names: impl Iterator<Item = &'n str>) -> Read<()> {
    match names.find(|name| matches!(*name, "model" | "stream" | "openpipe")) {
        Some(name) => Err(ArgumentError::other(
            section.path(option),
            format!("cannot change `{name}`, which holds for every target alike"),
        )),
        None => Ok(()),
    }
}

fn breaker(section: &Section<'_>, warnings: &mut Vec<String>) -> Read<Option<BreakerOption>> {
    match (section.odd("breaker"), section.raw("breaker")) {
        (Some(odd), _) => Err(section.refuse("breaker", odd)),
        (None, None) => Ok(None),
        (None, Some("null" | "false")) => Ok(Some(BreakerOption::Switch(false))),
        (None, Some("true")) => Ok(Some(BreakerOption::Switch(true))),
        (None, Some(raw)) if raw.starts_with('{') => {
            let policy = Section::new(Place::Breaker, &section.path("breaker"), raw, section.aside(), warnings)?;
            for name in spec::names(Place::Breaker) {
                policy.number(name)?;
            }
            section.value("breaker").map(|policy| policy.map(BreakerOption::Policy))
        }
        (None, Some(raw)) => Err(section.refuse("breaker", shown(raw))),
    }
}

/// Headers of an upstream, as JSON: texts, or `null` where one is taken away.
pub(super) fn header_list(section: &Section<'_>, name: &str) -> Read<headers::HeaderList> {
    if let Some((key, odd)) = section.odd_member(name) {
        return Err(ArgumentError::expected(
            format!("{}.{}", section.path(name), quoted(key)),
            "a string or null",
            odd,
        ));
    }
    let Some(object) = section.object(name)? else { return Ok(Vec::new()) };
    let members: json::Members<'_> = serde_json::from_str(object.get()).unwrap_or_default();
    let each = |(key, raw): (&RawValue, &RawValue)| {
        let key = json::decoded(key).unwrap_or_default();
        let path = format!("{}.{}", section.path(name), quoted(&key));
        match raw.get() {
            "null" => Ok((key, None)),
            text => match serde_json::from_str::<String>(text) {
                Ok(value) => Ok((key, Some(value))),
                Err(_) => Err(ArgumentError::expected(path, "a string or null", shown(text))),
            },
        }
    };
    members.iter().map(each).collect()
}

/// The caller's tags and those that say which SDK it was, as JSON.
#[must_use]
pub fn tags_with_sdk(tags: Option<&Map<String, Value>>) -> String {
    let mut all = tags.cloned().unwrap_or_default();
    all.insert("$sdk".into(), "openpipe-native".into());
    all.insert("$sdk.version".into(), env!("CARGO_PKG_VERSION").into());
    Value::Object(all).to_string()
}
