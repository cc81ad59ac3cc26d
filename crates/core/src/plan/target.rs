//! One target of a plan: an upstream with a model, and all that a request to it needs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;

use super::budget::Budget;
use super::capable::Because;
use super::edits::{Change, Issued};
use super::via::Via;
use crate::endpoint::needs;
use crate::failure::{Failure, Filter, Hint};
use crate::options::upstream_id::UpstreamKind;
use crate::policy::backoff::RetryPolicy;
use crate::policy::breaker::Narrowed;
use crate::policy::homes::Home;
use crate::policy::reject::Rules;
use crate::text::body::RequestBody;

/// One upstream with one model.
#[derive(Debug, Clone)]
pub struct Target {
    /// The upstream's name, as the caller sees it.
    pub upstream: Arc<str>,
    /// Which kind of upstream it is.
    pub kind: UpstreamKind,
    /// How it is called.
    pub via: Via,
    /// The model that is requested.
    pub model: String,
    /// Its time.
    pub budget: Budget,
    /// How it is retried.
    pub retry: RetryPolicy,
    /// The timeout of a stream's first content, if it has one.
    pub first_token_timeout: Option<Duration>,
    /// The longest silence of a stream after its first content.
    pub idle_timeout: Option<Duration>,
    /// The same while the upstream works on reasoning or a hosted tool.
    pub idle_timeout_at_work: Option<Duration>,
    /// The rules that refuse its answers.
    pub reject: Arc<Rules>,
    /// The failures that move the call on to it. Not used for the primary.
    pub filter: Filter,
    /// The limits that the call itself made narrower.
    pub narrowed: Narrowed,
    /// It is the first of the call's targets; every other one is a fallback.
    pub is_primary: bool,
    /// The parts that are left out of the request for it, because another upstream issued them.
    pub omitted: Vec<&'static str>,
    /// Where its responses are stored; `None` where requests with an unknown id go there anyway.
    pub keeps_at: Option<Home>,
    /// The request starts a background job.
    pub is_background: bool,
    /// The request adds to a conversation.
    pub has_conversation: bool,
    /// The host that it is on, with its port where that is not the scheme's own; `None` where it is not known.
    pub host: Option<Arc<str>>,
    /// The upstream's URL by its configuration, without the call's changes; `None` for a custom client.
    pub(super) home: Option<Arc<Url>>,
    /// The call's own headers hold a credential.
    pub(super) replaces_credential: bool,
    pub(super) change: Change,
}

impl Target {
    /// A hint for a failure of this target (contract.md, section 8): OpenPipe's platform has ended, and its models are served elsewhere.
    /// Only if OpenPipe cannot be reached or does not know the model; a broken connection, a 500 or a refused key have other causes.
    #[must_use]
    pub fn hint(&self, failure: &Failure) -> Option<Hint> {
        let is_gone = failure.could_not_connect() || matches!(failure.status_code(), Some(404 | 410));
        let is_openpipes = self.kind == UpstreamKind::OpenPipe && self.model.starts_with("openpipe:");
        (is_openpipes && is_gone).then_some(Hint::PlatformHasEnded)
    }

    /// The upstream and the model, for a message.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} ({:?})", self.upstream, self.model)
    }

    /// The parts that were left out of the request for it.
    #[must_use]
    pub fn because(&self) -> Option<Because> {
        (!self.omitted.is_empty()).then(|| Because::Omitted(self.omitted.clone()))
    }

    /// The body for this target.
    #[must_use]
    pub fn body(&self, body: &RequestBody) -> Bytes {
        self.change.apply(body, self.change.drop_unstored_metadata, self.issued())
    }

    /// The body without the items that only the upstream which issued them can read (reasoning, `encrypted_content`); `None` where
    /// it holds no such item.
    #[must_use]
    pub fn unsealed_body(&self, body: &RequestBody) -> Option<Bytes> {
        needs::without_issued(body.member("input")?, true)?;
        Some(self.change.apply(body, self.change.drop_unstored_metadata, Some(Issued::Sealed)))
    }

    /// The body for the report, which keeps `metadata`.
    #[must_use]
    pub fn reported_body(&self, body: &RequestBody) -> Bytes {
        self.change.apply(body, false, self.issued())
    }

    fn issued(&self) -> Option<Issued> {
        self.change.drop_issued.then_some(Issued::All)
    }
}
