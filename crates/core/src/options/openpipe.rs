//! Reads the members that `openpipe` of a call and of the constructor have in common.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::names::Names;
use super::read::{ArgumentError, Section, shown};
use super::spec::{self, Place};
use super::targets::{target, targets};
use super::{BreakerOption, FallbackTarget, OpenPipeOptions};
use crate::text::json;

type Read<T> = Result<T, ArgumentError>;

/// The most bytes of the tags as a header. Servers refuse longer headers.
const MAX_TAGS: usize = 4096;

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
    let path = || section.path("fallback");
    match (section.odd("fallback"), section.raw("fallback")) {
        (Some(odd), _) => Err(section.refuse("fallback", odd)),
        (None, None) => Ok(None),
        (None, Some("null" | "false")) => Ok(Some(Vec::new())),
        (None, Some(raw)) if raw.starts_with('[') => targets(&path(), raw, section.aside(), names, warnings).map(Some),
        (None, Some(raw)) => target(&path(), raw, section.aside(), names, warnings).map(|target| Some(vec![target])),
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

/// The caller's tags plus `$sdk` and `$sdk.version`, as JSON.
#[must_use]
pub fn tags_with_sdk(tags: Option<&Map<String, Value>>) -> String {
    let mut all = tags.cloned().unwrap_or_default();
    all.insert("$sdk".into(), "openpipe-native".into());
    all.insert("$sdk.version".into(), env!("CARGO_PKG_VERSION").into());
    Value::Object(all).to_string()
}
