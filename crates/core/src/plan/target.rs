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
    /// The model it is asked for.
    pub model: String,
    /// Its time.
    pub budget: Budget,
    /// How it is retried.
    pub retry: RetryPolicy,
    /// The wait for a stream's first content, where shorter.
    pub first_token_timeout: Option<Duration>,
    /// The longest silence of a stream after its first content.
    pub idle_timeout: Option<Duration>,
    /// The same while the upstream is at work on something that takes its time.
    pub idle_timeout_at_work: Option<Duration>,
    /// What refuses its answers.
    pub reject: Arc<Rules>,
    /// The failures that move the call on to it. Not used for the primary.
    pub filter: Filter,
    /// The limits that the call itself made narrower.
    pub narrowed: Narrowed,
    /// It stands first in what the caller asked for; every other one is a fallback.
    pub is_primary: bool,
    /// What is taken out of the request for it, because another upstream issued it.
    pub omitted: Vec<&'static str>,
    /// Where its responses are stored; `None` where requests with an unknown id go there anyway.
    pub keeps_at: Option<Home>,
    /// It is asked to start a job in the background.
    pub is_background: bool,
    /// It is asked to add to a conversation.
    pub has_conversation: bool,
    /// The host that it is on, with its port where that is not the scheme's own; `None` where it is not known.
    pub host: Option<Arc<str>>,
    /// The upstream's URL by its own configuration, whatever the call changed; none for a custom client.
    pub(super) home: Option<Arc<Url>>,
    /// The call brings a credential of its own.
    pub(super) replaces_credential: bool,
    pub(super) change: Change,
}

impl Target {
    /// What the caller can do about a failure of this target (contract.md, section 8): OpenPipe's own models are served elsewhere,
    /// since its platform has ended. Only where OpenPipe cannot be reached or says that it lacks the model: a connection that broke,
    /// a 500 or a refused key are what they are anywhere. An alias that leads to an `openpipe:` model is no help either.
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

    /// What of the request was taken out for it.
    #[must_use]
    pub fn because(&self) -> Option<Because> {
        (!self.omitted.is_empty()).then(|| Because::Omitted(self.omitted.clone()))
    }

    /// The text that this target is sent.
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

    /// The text that is reported for this target: `metadata` stays in it.
    #[must_use]
    pub fn reported_body(&self, body: &RequestBody) -> Bytes {
        self.change.apply(body, false, self.issued())
    }

    fn issued(&self) -> Option<Issued> {
        self.change.drop_issued.then_some(Issued::All)
    }
}
