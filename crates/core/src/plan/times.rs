//! The time limits of a plan: those of each target, and the deadline that follows from the caller's patience.

use std::time::Duration;

use super::builder::Builder;
use crate::options::upstream_id::UpstreamKind;
use crate::options::{CallOptions, ClientConfig, DEFAULT_TIMEOUT, FallbackTarget, Limit, UpstreamConfig};
use crate::policy::breaker::Narrowed;

/// The default of `openpipe.idleTimeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

impl Builder<'_> {
    /// The first-token timeout of a target.
    pub(super) fn first_token_timeout(&self, target: &FallbackTarget) -> Option<Duration> {
        target.first_token_timeout.or(self.options.first_token_timeout).and_then(|Limit(wait)| wait)
    }

    /// The idle timeout of a target with this timeout. The default is the longer of that timeout and a minute.
    pub(super) fn idle_timeout(
        &self,
        limit: Option<Duration>,
        stretched: impl Fn(Duration) -> Duration,
    ) -> Option<Duration> {
        match self.options.idle_timeout {
            Some(Limit(given)) => given,
            None => limit.map(|limit| stretched(limit.max(IDLE_TIMEOUT))),
        }
    }

    /// The timeout of a target that has none of its own. With a deadline from the caller's patience, the primary gets half of it.
    pub(super) fn default_time(&self, index: usize) -> Duration {
        let half = patience(self.client, self.call).map(|patience| patience / 2);
        half.filter(|_| index == 0 && self.count > 1).unwrap_or(DEFAULT_TIMEOUT)
    }

    /// The value of `x-stainless-timeout` for a target. The header is sent only if a timeout was given, for the call, the target or the
    /// upstream, and the caller has not set it. Where the host's request has the header already, the target's time replaces its value.
    pub(super) fn sent_timeout(
        &self,
        kind: UpstreamKind,
        own: Option<&UpstreamConfig>,
        given: Option<Limit>,
        limit: Option<Duration>,
    ) -> Option<Duration> {
        if kind == UpstreamKind::Request {
            return given.or(self.call.patience).and(shorter(limit, patience(self.client, self.call)));
        }
        given.and(limit).filter(|_| !self.keeps_timeout(kind, own))
    }

    /// Which limits of a target are narrower than they would be without the call's own options.
    pub(super) fn narrowed(
        &self,
        target: &FallbackTarget,
        is_fallback: bool,
        upstreams: Option<Limit>,
        limit: Option<Duration>,
    ) -> Narrowed {
        let call = self.given;
        let constructors = Some(target).filter(|_| call.fallback.is_none() || !is_fallback);
        let default = constructors.and_then(|target| target.timeout).or(upstreams).or(self.client.timeout);
        let default = default.unwrap_or(Limit(Some(DEFAULT_TIMEOUT))).0;
        let idle_default = match self.client.defaults.idle_timeout {
            Some(Limit(given)) => given,
            None => default.map(|limit| limit.max(IDLE_TIMEOUT)),
        };
        Narrowed {
            time: is_shorter(limit, default),
            first_token: call.first_token_timeout.is_some(),
            idle: call.idle_timeout.is_some_and(|Limit(given)| is_shorter(given, idle_default)),
            size: call.max_response_bytes.is_some(),
        }
    }
}

/// Whether a time is shorter than another; `None` is infinite.
fn is_shorter(time: Option<Duration>, than: Option<Duration>) -> bool {
    time.is_some_and(|time| than.is_none_or(|than| time < than))
}

/// How long the caller waits for the whole call; `None` where that is unknown, or a timeout was given.
pub(super) fn patience(client: &ClientConfig, call: &CallOptions) -> Option<Duration> {
    call.patience.and_then(|limit| limit.0).filter(|_| call.timeout.is_none() && client.timeout.is_none())
}

/// A little less than the caller's patience, so that the caller still gets the error: a twentieth less, at most 100 ms.
pub(super) fn before_the_end(patience: Duration) -> Duration {
    patience.saturating_sub((patience / 20).min(Duration::from_millis(100)))
}

pub(super) fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}
