//! `openpipe.aliases`: names that stand for a model, a target or a chain of targets (contract.md, section 8).

use std::collections::HashMap;

use super::fallback_target::FallbackTarget;
use super::names::Names;
use super::read::{ArgumentError, Section, quoted, shown};
use super::route::{self, Route};
use super::targets::{target, targets};
use super::upstream_id::UpstreamId;
use crate::text::json;

type Read<T> = Result<T, ArgumentError>;

/// The targets that an alias stands for.
#[derive(Debug, Clone)]
pub struct Alias {
    /// Its targets in the order in which they are tried; at least one.
    pub targets: Vec<FallbackTarget>,
    /// They are the whole chain: the default `fallback` does not follow.
    pub is_chain: bool,
}

/// The aliases, by name.
///
/// # Errors
/// The first that is malformed.
pub(super) fn read(
    section: &Section<'_>,
    known: Names<'_>,
    warnings: &mut Vec<String>,
) -> Read<HashMap<String, Alias>> {
    let table = section.path("aliases");
    let each = |(name, raw): (String, &str)| {
        let alias = alias(
            &Entry { path: format!("{table}.{name}"), option: format!("{table}.{}", quoted(&name)), raw },
            section,
            known,
            warnings,
        )?;
        Ok((name, alias))
    };
    section.entries("aliases")?.into_iter().map(each).collect()
}

/// One entry of the table.
struct Entry<'a> {
    /// Its path in the host's table of values that JSON cannot hold.
    path: String,
    /// Its path in error messages.
    option: String,
    raw: &'a str,
}

fn alias(entry: &Entry<'_>, section: &Section<'_>, known: Names<'_>, warnings: &mut Vec<String>) -> Read<Alias> {
    let Entry { path, option, raw } = entry;
    let refused = |got: String| {
        ArgumentError::expected(option.as_str(), "a non-empty string, a target or an array of targets", got)
    };
    let count = warnings.len();
    let alias = match raw.as_bytes().first() {
        Some(b'"') => {
            let model: String = serde_json::from_str(raw).unwrap_or_default();
            if model.is_empty() {
                return Err(refused("\"\"".to_owned()));
            }
            Alias { targets: vec![FallbackTarget::of_model(model)], is_chain: false }
        }
        Some(b'[') => Alias { targets: targets(path, raw, section.aside(), known, warnings)?, is_chain: true },
        Some(b'{') => Alias { targets: vec![target(path, raw, section.aside(), known, warnings)?], is_chain: false },
        _ => return Err(refused(section.aside().odd.get(path).cloned().unwrap_or_else(|| shown(raw)))),
    };
    // In a call an unknown member is a warning. This table is written by the developer, so here it is an error.
    if let Some(unknown) = warnings.get(count) {
        return Err(ArgumentError::other(option.as_str(), format!("has a member that is not known: {unknown}")));
    }
    check(&alias, option, known)?;
    Ok(alias)
}

fn check(alias: &Alias, option: &str, known: Names<'_>) -> Read<()> {
    let Some(first) = alias.targets.first() else {
        return Err(ArgumentError::other(option, "is an empty array: give at least one target"));
    };
    if first.on.is_some() || !first.except.is_empty() {
        let what = "cannot have `on` or `except` on its first target: no failure comes before it";
        return Err(ArgumentError::other(option, what));
    }
    alias.targets.iter().try_for_each(|target| check_model(target, option, known))
}

/// A model with an upstream's prefix must name a declared upstream, and a model after the prefix.
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
