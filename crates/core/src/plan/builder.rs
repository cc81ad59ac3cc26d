//! Builds a target from a destination: its time, retries, headers, body edits and circuit, each from the option with the highest precedence.

use std::sync::Arc;

use reqwest::Url;

use super::budget::Budget;
use super::capable::{self, Capable};
use super::destinations::{Destination, To, config_of};
use super::edits::Change;
use super::target::Target;
use super::via::{Overlay, Via};
use crate::endpoint::{self, needs::Needs};
use crate::options::upstream_id::UpstreamKind;
use crate::options::{CallOptions, ClientConfig, Limit, OpenPipeOptions};
use crate::policy::backoff::RetryPolicy;

/// The default of `maxRetries`, as in OpenAI's clients.
const DEFAULT_MAX_RETRIES: u32 = 2;

/// Builds targets from destinations.
pub(super) struct Builder<'a> {
    pub(super) client: &'a ClientConfig,
    pub(super) call: &'a CallOptions,
    /// The call's own options, without the client's defaults.
    pub(super) given: &'a OpenPipeOptions,
    pub(super) options: &'a OpenPipeOptions,
    pub(super) needs: &'a Needs,
    /// How many targets can take the request.
    pub(super) count: usize,
}

impl Builder<'_> {
    /// The target at this place among those that can take the request.
    ///
    /// # Errors
    /// Says which URL or header of the call is malformed.
    pub(super) fn target(&self, index: usize, capable: Capable<'_>, body_model: &str) -> Result<Target, String> {
        let Capable { is_primary, destination, omitted, home: keeps_at } = capable;
        let Destination { upstream, kind, to, timeout, model, target, .. } = destination;
        let target = target.unwrap_or_default();
        let own = match &to {
            To::Upstream(upstream) => Some(*upstream),
            To::Client(..) | To::Request(_) => config_of(self.client, kind, &upstream),
        };
        let another_waits = index + 1 < self.count;
        let call = self.call;
        // The call's timeout takes precedence for the primary, the target's own for a fallback.
        let given = if is_primary { call.timeout.or(target.timeout) } else { target.timeout.or(call.timeout) };
        let given = given.or(timeout);
        let limit = given.or(self.client.timeout).unwrap_or_else(|| Limit(Some(self.default_time(index)))).0;
        let retries = target.max_retries.or(call.max_retries).or(self.client.max_retries);
        let overlay = Overlay {
            timeout: self.sent_timeout(kind, own, given, limit).map(|time| time.as_secs()),
            layers: Vec::new(),
        };
        let client_retries = retries.or(another_waits.then_some(0));
        let has_no_url = own.is_some_and(|own| own.urls.of(call.endpoint, &model).is_none());
        let via = match kind {
            UpstreamKind::Named if has_no_url => Via::Unsendable,
            _ => self.via(is_primary, kind, to, &model, overlay, client_retries)?,
        };
        let home = own.and_then(|own| own.urls.of(call.endpoint, &model)).or_else(|| via.url().map(Arc::clone));
        Ok(Target {
            upstream,
            kind,
            via,
            budget: if self.count > 1 { Budget::Total(limit) } else { Budget::PerTry(limit) },
            retry: retry_policy(kind, retries, another_waits),
            first_token_timeout: self.first_token_timeout(&target).filter(|_| another_waits),
            idle_timeout: self.idle_timeout(limit, |time| time),
            idle_timeout_at_work: self.idle_timeout(limit, endpoint::idle_at_work),
            reject: Arc::new(target.reject.clone().or_else(|| self.options.reject.clone()).unwrap_or_default()),
            filter: target.filter(),
            narrowed: self.narrowed(&target, !is_primary, timeout, limit),
            replaces_credential: is_primary
                && self.options.breaker.is_some()
                && own.is_some_and(|own| self.replaces_credential(own, &model)),
            host: home.as_deref().and_then(host),
            home,
            is_primary,
            keeps_at,
            is_background: capable::sends(&target, "background", self.needs.background),
            has_conversation: capable::sends(&target, "conversation", self.needs.conversation),
            change: Change {
                drop_issued: !omitted.is_empty(),
                model: (model != body_model).then(|| model.clone()),
                params: target.params,
                omit: target.omit,
                drop_unstored_metadata: call.endpoint.refuses_unstored_metadata()
                    && matches!(kind, UpstreamKind::Own | UpstreamKind::HostClient),
            },
            omitted,
            model,
        })
    }
}

/// How the engine retries a target. A custom client retries by itself; where the host's client is only the transport, the engine does.
fn retry_policy(kind: UpstreamKind, given: Option<u32>, another_waits: bool) -> RetryPolicy {
    let default = if another_waits { 0 } else { DEFAULT_MAX_RETRIES };
    let max_retries = if kind == UpstreamKind::HostClient { 0 } else { given.unwrap_or(default) };
    RetryPolicy { max_retries, another_waits }
}

fn host(url: &Url) -> Option<Arc<str>> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.into(), |port| format!("{host}:{port}").into()))
}
