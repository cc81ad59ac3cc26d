//! The targets of `fallback` and of an alias, read and checked.

use serde_json::value::RawValue;

use super::fallback_target::{FallbackTarget, MAX_TARGETS};
use super::names::{Names, is_free_name, shown_name};
use super::read::{ArgumentError, Aside, Section, shown};
use super::spec::Place;
use crate::policy::reject::Rules;
use crate::text::json;

type Read<T> = Result<T, ArgumentError>;

/// An array of targets.
pub(super) fn targets(
    path: &str,
    text: &str,
    aside: &Aside,
    names: Names<'_>,
    warnings: &mut Vec<String>,
) -> Read<Vec<FallbackTarget>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    if elements.len() > MAX_TARGETS {
        let most = format!("at most {} targets", MAX_TARGETS);
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
    let name = section.text("name")?;
    if let Some(name) = &name
        && !is_free_name(name)
    {
        let what = "a name of letters, digits, - and _ that is not taken";
        return Err(ArgumentError::expected(section.path("name"), what, shown_name(name)));
    }
    Ok(FallbackTarget {
        model: section.required_text("model")?,
        upstream: section.text("upstream")?.map(|name| names.find(section.path("upstream"), &name)).transpose()?,
        name: name.map(Into::into),
        timeout: section.time("timeout")?,
        max_retries: section.retries("maxRetries")?,
        first_token_timeout: section.time("firstTokenTimeout")?,
        client: section.client("client")?,
        params,
        omit,
        on: section.triggers("on")?,
        except: section.triggers("except")?.unwrap_or_default(),
        same_vectors: section.flag("sameVectors")?,
        reject: reject(&section, warnings)?,
    })
}

/// `reject` of a target, which a body cannot set.
fn reject(section: &Section<'_>, warnings: &mut Vec<String>) -> Read<Option<Rules>> {
    if !section.aside().is_from_body {
        return section.rules("reject");
    }
    if section.raw("reject").is_some() || section.odd("reject").is_some() {
        let path = section.path("reject");
        warnings
            .push(format!("`{path}` of a body does nothing: it is taken from the request options and the constructor"));
    }
    Ok(None)
}

/// Refuses members that `params` and `omit` of a target must not change: `model` has an option of its own, and `stream` decides what the
/// call returns.
fn refuse_fixed<'n>(section: &Section<'_>, option: &str, mut names: impl Iterator<Item = &'n str>) -> Read<()> {
    match names.find(|name| matches!(*name, "model" | "stream" | "openpipe")) {
        Some(name) => Err(ArgumentError::other(
            section.path(option),
            format!("cannot change `{name}`, which is the same for every target"),
        )),
        None => Ok(()),
    }
}
