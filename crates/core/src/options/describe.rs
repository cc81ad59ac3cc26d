//! Describes a constructor's checked `openpipe` to the host.

use std::collections::HashMap;

use http::HeaderMap;
use serde::Serialize;

use super::UpstreamConfig;
use super::constructor::ClientOptions;
use super::read::ArgumentError;
use super::spec::{self, Place};
use super::urls;
use crate::text::headers::{self, HeaderList};

/// The parts of a constructor's `openpipe` that a host needs.
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
    /// Its base URL; `{model}` stands for the model.
    base_url: String,
    query: Vec<(String, String)>,
    headers: HeaderList,
    /// The headers that it removes.
    removed: Vec<String>,
    /// A function returns the key.
    key_is_function: bool,
}

/// Checks the constructor's `openpipe`, and describes it to the host.
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

impl UpstreamConfig {
    fn described(&self) -> DescribedUpstream {
        let base = self.urls.base();
        let pairs = |(name, value): (_, _)| (String::from(name), String::from(value));
        let mut plain = base.clone();
        plain.set_query(None);
        DescribedUpstream {
            name: self.name.to_string(),
            base_url: plain.as_str().replace(urls::MODEL_MARK, "{model}"),
            query: base.query_pairs().map(pairs).collect(),
            headers: headers::Pairs(&self.headers).list(),
            removed: self
                .own_headers
                .iter()
                .filter(|(_, value)| value.is_none())
                .map(|(name, _)| name.clone())
                .collect(),
            key_is_function: self.key_is_function,
        }
    }
}
