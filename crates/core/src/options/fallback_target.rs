//! One target of `fallback` or of an alias, as the caller wrote it.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Limit;
use super::read::ClientRef;
use super::upstream_id::UpstreamId;
use crate::failure::{Filter, Trigger};
use crate::policy::reject::Rules;

/// The most targets that a call may have, the primary included.
pub const MAX_TARGETS: usize = 16;

/// One target of `fallback` or `aliases`.
#[derive(Debug, Clone, Default)]
pub struct FallbackTarget {
    /// Its model.
    pub model: String,
    /// Its upstream; default: the model's prefix decides.
    pub upstream: Option<UpstreamId>,
    /// The name of its custom client in attempts and logs; default: `client`.
    pub name: Option<Arc<str>>,
    /// Its timeout; default: the call's, else its upstream's, else the client's.
    pub timeout: Option<Limit>,
    /// Its retries; default: the call's `maxRetries`.
    pub max_retries: Option<u32>,
    /// Its first-token timeout; default: the call's.
    pub first_token_timeout: Option<Limit>,
    /// A custom client, instead of an upstream.
    pub client: Option<ClientRef>,
    /// Members merged over the body.
    pub params: Option<Box<RawValue>>,
    /// Members to leave out of the body.
    pub omit: Vec<String>,
    /// The failures after which it is tried; `None` is all.
    pub on: Option<Vec<Trigger>>,
    /// The failures after which it is skipped.
    pub except: Vec<Trigger>,
    /// Its model is the first target's under another name: their vectors can be compared.
    pub same_vectors: Option<bool>,
    /// The rules that refuse its answers; default: the call's.
    pub reject: Option<Rules>,
}

impl FallbackTarget {
    /// A target with a model and no other options.
    #[must_use]
    pub fn of_model(model: String) -> Self {
        Self { model, ..Self::default() }
    }

    /// A target of an alias, with the options of the target that named the alias as its defaults.
    #[must_use]
    pub fn over(&self, named: &Self) -> Self {
        let mut omit = self.omit.clone();
        omit.extend(named.omit.iter().cloned());
        Self {
            model: self.model.clone(),
            upstream: self.upstream,
            name: self.name.clone().or_else(|| named.name.clone()),
            timeout: self.timeout.or(named.timeout),
            max_retries: self.max_retries.or(named.max_retries),
            first_token_timeout: self.first_token_timeout.or(named.first_token_timeout),
            client: self.client.clone(),
            params: self.params.clone().or_else(|| named.params.clone()),
            omit,
            on: self.on.clone().or_else(|| named.on.clone()),
            except: if self.except.is_empty() { named.except.clone() } else { self.except.clone() },
            same_vectors: self.same_vectors.or(named.same_vectors),
            reject: self.reject.clone().or_else(|| named.reject.clone()),
        }
    }

    /// The filter of failures that move on to this target.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter { on: self.on.clone(), except: self.except.clone() }
    }
}
