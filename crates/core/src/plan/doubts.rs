//! Warnings of options that are well-formed but probably mistakes. They fail no call, and each is given once per client.

use std::time::Duration;

use super::destinations::Destination;
use super::near_prefix::KeyedWarning;
use crate::options::{CallOptions, ClientConfig, Limit, OpenPipeOptions};

/// A timeout below this was probably meant in seconds, not in milliseconds.
const SHORT_TIMEOUT: Duration = Duration::from_millis(100);

/// The warnings of prefixes that are close to known ones, for all targets.
pub(super) fn near_prefixes(targets: &[Destination<'_>]) -> Vec<KeyedWarning> {
    targets.iter().filter_map(|target| target.near_prefix.clone()).collect()
}

/// Warns of timeouts that were probably meant in seconds. The text does not have the value, so that it is the same for all calls.
pub(super) fn warn_of_short_timeouts(
    client: &ClientConfig,
    call: &CallOptions,
    targets: &[Destination<'_>],
    warnings: &mut Vec<String>,
) {
    let is_short = |limit: Option<Limit>| limit.and_then(|limit| limit.0).is_some_and(|time| time < SHORT_TIMEOUT);
    let of_target = |destination: &Destination<'_>| destination.target.as_ref().and_then(|target| target.timeout);
    let places = [
        ("a call", is_short(call.timeout)),
        ("a target", targets.iter().any(|target| is_short(of_target(target)))),
        ("an upstream", targets.iter().any(|target| is_short(target.timeout))),
        ("the client", is_short(client.timeout)),
    ];
    for (place, _) in places.iter().filter(|(_, is_short)| *is_short) {
        warnings.push(format!("the `timeout` of {place} is under 100 ms: it is in milliseconds, not in seconds"));
    }
}

/// Warns of a `fallbackClient` that is never used, because no `fallback` names a model for it.
pub(super) fn warn_of_unused_client(
    client: &ClientConfig,
    call: &CallOptions,
    own: &OpenPipeOptions,
    warnings: &mut Vec<String>,
) {
    // The default is not for the other endpoints, and `null` switches it off.
    let takes_default = call.endpoint.takes_default_fallback();
    let has_fallback = own.fallback.is_some() || client.defaults.fallback.as_ref().is_some_and(|all| !all.is_empty());
    if client.fallback_client.is_some() && takes_default && !has_fallback {
        warnings.push(
            "`openpipe.fallbackClient` does nothing without a fallback: `openpipe.fallback` names the model that it is asked for"
                .to_owned(),
        );
    }
}
