//! Plans a call: an ordered list of targets, each with its upstream, model, time and retry budget.
//! Pure: the same call gives the same plan (contract.md, sections 2 to 4).

mod budget;
mod builder;
mod capable;
mod circuit;
mod destinations;
mod doubts;
mod edits;
mod error;
mod near_prefix;
mod sending;
mod target;
mod times;
mod vectors;
mod via;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::endpoint::needs::{self, Needs};
use crate::options::read::ArgumentError;
use crate::options::{BreakerOption, CallOptions, ClientConfig, GivenOptions, HoldUntil};
use crate::policy::breaker::BreakerPolicy;
use crate::policy::homes::Homes;
use crate::text::body::RequestBody;
pub use budget::Budget;
use builder::Builder;
pub use capable::{Because, Unsupported};
use destinations::{Destination, Routes};
pub use error::PlanError;
pub use near_prefix::KeyedWarning;
pub use target::Target;

use times::{before_the_end, patience, shorter};
use vectors::check_vectors;
pub use via::{Overlay, Via};

/// The plan of a call.
#[derive(Debug)]
pub struct Plan {
    /// The endpoint that is called.
    pub endpoint: Endpoint,
    /// The targets that can take the request, in their order; at least one.
    pub targets: Vec<Target>,
    /// Those that cannot.
    pub unsupported: Vec<Unsupported>,
    /// The alias that the call named as its model, if it did.
    pub alias: Option<String>,
    /// The caller asked for a stream.
    pub stream: bool,
    /// The bound on the whole call.
    pub deadline: Option<Duration>,
    /// When a stream that has a follower is committed.
    pub hold_until: HoldUntil,
    /// The last target's stream is committed like any other, instead of at its headers.
    pub commit_last: bool,
    /// Every request goes through the host's own HTTP client.
    pub through_host: bool,
    /// No redirect is followed, not even within the origin.
    pub refuses_redirects: bool,
    /// The host wants a stream's events as the text of server-sent events.
    pub wire_events: bool,
    /// The bound on a response's decompressed size, in bytes.
    pub max_response_bytes: u64,
    /// The circuit breaker's policy; `None` if it is off.
    pub breaker: Option<BreakerPolicy>,
    /// Whether the call is reported.
    pub log_request: bool,
    /// The caller's tags.
    pub tags: Map<String, Value>,
    /// Warnings, each given once per text.
    pub warnings: Vec<String>,
    /// Warnings whose text differs from call to call, each given once per key.
    pub keyed_warnings: Vec<KeyedWarning>,
}

/// Plans a call without knowledge of earlier responses.
///
/// # Errors
/// [`PlanError`], before any traffic.
pub fn plan(client: &ClientConfig, call: &CallOptions, body: &RequestBody) -> Result<Plan, PlanError> {
    plan_among(client, &GivenOptions::of(client, call.clone())?, body, &Homes::default())
}

/// Plans a call with the homes of earlier responses.
///
/// # Errors
/// [`PlanError`], before any traffic.
pub fn plan_among(
    client: &ClientConfig,
    given: &GivenOptions,
    body: &RequestBody,
    homes: &Homes,
) -> Result<Plan, PlanError> {
    let GivenOptions { call, own, merged: options, .. } = given;
    let mut warnings = given.warnings.clone();
    let routes = Routes { client, call };
    let (targets, alias) = routes.targets(own, body.model(), &mut warnings)?;
    check(call.endpoint, &targets)?;
    let needs = if targets.len() > 1 || call.endpoint.keeps_answers() {
        needs::of(call.endpoint, body)
    } else {
        Needs::default()
    };
    let keyed_warnings = doubts::near_prefixes(&targets);
    doubts::warn_of_short_timeouts(client, call, &targets, &mut warnings);
    if alias.is_none() && targets.len() == 1 {
        doubts::warn_of_unused_client(client, call, own, &mut warnings);
    }
    let sorted = capable::sorted(&routes, targets, &needs, homes, &mut warnings)?;
    routes.warn_of_openpipe_options(options, &mut warnings);

    let builder = Builder { client, call, given: own, options, needs: &needs, count: sorted.capable.len() };
    let targets = sorted
        .capable
        .into_iter()
        .enumerate()
        .map(|(index, capable)| builder.target(index, capable, body.model()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(PlanError::Argument)?;
    check_hold(own.hold_until, &targets)?;

    Ok(Plan {
        endpoint: call.endpoint,
        targets,
        unsupported: sorted.unsupported,
        alias,
        stream: body.stream(),
        deadline: shorter(options.deadline.and_then(|limit| limit.0), patience(client, call).map(before_the_end)),
        hold_until: options.hold_until.unwrap_or_default(),
        commit_last: call.commit_last,
        through_host: call.through_host,
        refuses_redirects: call.refuses_redirects,
        wire_events: call.wire_events,
        max_response_bytes: options.max_response_bytes.unwrap_or(call.endpoint.max_response_bytes()),
        breaker: options.breaker.and_then(BreakerOption::policy),
        log_request: options.log_request.unwrap_or(true),
        tags: options.tags.clone().unwrap_or_default(),
        warnings,
        keyed_warnings,
    })
}

/// Refuses targets that must not answer in each other's place at this endpoint.
fn check(endpoint: Endpoint, targets: &[Destination<'_>]) -> Result<(), PlanError> {
    if endpoint.binds_model() {
        check_vectors(targets)?;
    }
    if endpoint.keeps_answers() {
        capable::check_conversations(targets)?;
    }
    Ok(())
}

/// Refuses a call's own `holdUntil: "content"` where a rule needs the whole answer.
fn check_hold(hold_until: Option<HoldUntil>, targets: &[Target]) -> Result<(), PlanError> {
    if hold_until == Some(HoldUntil::Content) && targets.iter().any(|target| target.reject.need_whole_answer()) {
        let what = "cannot be \"content\" beside a `reject` that needs the whole answer: only \"empty\" does without";
        return Err(ArgumentError::other("openpipe.holdUntil", what).into());
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
