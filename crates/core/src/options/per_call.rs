//! The options that a call and the constructor's defaults have in common, and their merge.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::upstream_id::UpstreamId;
use super::{FallbackTarget, Limit};
use crate::policy::breaker::BreakerPolicy;
use crate::policy::reject::Rules;

/// `openpipe.breaker`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum BreakerOption {
    /// `true`: the default policy; `false`: none.
    Switch(bool),
    /// The caller's policy.
    Policy(BreakerPolicy),
}

impl BreakerOption {
    /// The policy, where the breaker is on.
    #[must_use]
    pub fn policy(self) -> Option<BreakerPolicy> {
        match self {
            Self::Switch(on) => on.then(BreakerPolicy::default),
            Self::Policy(policy) => Some(policy),
        }
    }
}

/// When a stream is committed, if another target follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldUntil {
    /// With its first content.
    #[default]
    Content,
    /// When it has ended well.
    Finish,
}

/// The `openpipe` member of a call or of the constructor.
#[derive(Debug, Clone, Default)]
pub struct OpenPipeOptions {
    /// The fallback targets in order; an empty list switches the default off.
    pub fallback: Option<Vec<FallbackTarget>>,
    /// Tags for the log.
    pub tags: Option<Map<String, Value>>,
    /// Whether the call is logged; default: it is.
    pub log_request: Option<bool>,
    /// `op-cache`; on a primary it routes to OpenPipe.
    pub cache: Option<String>,
    /// `op-criteria`.
    pub criteria: Option<Box<RawValue>>,
    /// The longest wait for the first content of a stream, if another target follows.
    pub first_token_timeout: Option<Limit>,
    /// The longest silence of a stream after its first content.
    pub idle_timeout: Option<Limit>,
    /// A bound on the whole call.
    pub deadline: Option<Limit>,
    /// When a stream is committed.
    pub hold_until: Option<HoldUntil>,
    /// The largest response, in bytes after decompression.
    pub max_response_bytes: Option<u64>,
    /// The circuit breaker; default: off.
    pub breaker: Option<BreakerOption>,
    /// The upstream of the primary, whatever the model's prefix is.
    pub upstream: Option<UpstreamId>,
    /// The rules that refuse answers.
    pub reject: Option<Rules>,
}

impl OpenPipeOptions {
    /// These options, with defaults for those that are not given; tags are merged name by name.
    #[must_use]
    pub fn over(mut self, defaults: &Self) -> Self {
        let tags = match (self.tags.take(), &defaults.tags) {
            (None, defaults) => defaults.clone(),
            (tags, None) => tags,
            (Some(tags), Some(defaults)) => {
                let mut merged = defaults.clone();
                merged.extend(tags);
                Some(merged)
            }
        };
        Self {
            fallback: self.fallback.or_else(|| defaults.fallback.clone()),
            tags,
            log_request: self.log_request.or(defaults.log_request),
            cache: self.cache.or_else(|| defaults.cache.clone()),
            criteria: self.criteria.or_else(|| defaults.criteria.clone()),
            first_token_timeout: self.first_token_timeout.or(defaults.first_token_timeout),
            idle_timeout: self.idle_timeout.or(defaults.idle_timeout),
            deadline: self.deadline.or(defaults.deadline),
            hold_until: self.hold_until.or(defaults.hold_until),
            max_response_bytes: self.max_response_bytes.or(defaults.max_response_bytes),
            breaker: self.breaker.or(defaults.breaker),
            upstream: self.upstream.or(defaults.upstream),
            reject: self.reject.or_else(|| defaults.reject.clone()),
        }
    }
}
