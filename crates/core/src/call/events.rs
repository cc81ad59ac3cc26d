//! The events of a call for its host. They are data: nothing has to be parsed out of a message.

use serde::Serialize;

use crate::events::delta::Event;
use crate::failure::{Failure, Head};
use crate::host::HostSide;
use crate::record::Attempt;
use crate::upstream::{BoxFuture, Completion};

/// The error for an answer that the host cannot hold ([`CallEvents::fits`]).
pub(super) const TOO_LONG: &str = "the response is longer than a string can be";

/// Why a call was refused before it began. The host has a class of error for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A malformed argument.
    Argument,
    /// The body is not a request of the endpoint.
    Body,
    /// A key that the call needs is missing.
    MissingKey,
    /// No target can take the request.
    Unsupported,
    /// An error inside this package.
    Internal,
}

/// The metadata of an answer: `result.openpipe`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta<'a> {
    /// The head of the response; `None` if the host already has it, or there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<&'a Head>,
    /// `primary` or `fallback`.
    pub served_by: &'static str,
    /// The upstream of the last target.
    pub upstream: &'a str,
    /// The alias that the call named as its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<&'a str>,
    /// The model of the last target.
    pub model: &'a str,
    /// One for each target that was tried.
    pub attempts: &'a [Attempt],
    /// Milliseconds since the call began.
    pub duration_ms: f64,
    /// The answer's `usage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<&'a serde_json::value::RawValue>,
}

/// A call moves on to another target.
#[derive(Debug, Serialize)]
pub struct MovedOn<'a> {
    /// The attempt at the target before.
    pub from: &'a Attempt,
    /// The next one.
    pub to: NextTarget<'a>,
}

/// See [`MovedOn`].
#[derive(Debug, Serialize)]
pub struct NextTarget<'a> {
    /// The upstream's name.
    pub upstream: &'a str,
    /// Its model.
    pub model: &'a str,
}

/// The form in which events are given to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Delta encoded ([`crate::events::delta`]); the host makes chunks of them.
    Chunks,
    /// The text of server-sent events, to be passed on.
    Wire {
        /// Each has a field `event` with its `type`, which some readers of the endpoint need.
        named: bool,
    },
}

/// The host's side of one call.
pub trait Host: CallEvents + HostSide {}

impl<T: CallEvents + HostSide> Host for T {}

/// Receives the events of a call. Every method must return at once and not fail: the host handles what its own code throws.
pub trait CallEvents: Send + Sync {
    /// The call was refused. Nothing follows.
    fn refused(&self, why: Refusal, message: &str);

    /// A warning for the caller; the call goes on.
    fn warning(&self, message: &str);

    /// The call moves on to another target.
    fn moved_on(&self, moved: &MovedOn<'_>);

    /// The answer. Nothing follows.
    fn completion(&self, completion: Completion, meta: &Meta<'_>);

    /// A stream is committed: its events follow, and then [`CallEvents::end`] or [`CallEvents::failed`]. The ticket is that of a
    /// custom client's stream.
    fn stream(&self, ticket: Option<u32>, meta: &Meta<'_>);

    /// Reserves room for this many bytes of events, which [`CallEvents::events`] fills at once.
    ///
    /// # Errors
    /// If too many events of other streams are in transit: a future to await before trying again.
    fn reserve(&self, bytes: usize) -> Result<(), BoxFuture<'_, ()>> {
        let _ = bytes;
        Ok(())
    }

    /// Events of the stream, which count as `bytes` in the window until the host says that they were consumed.
    fn events(&self, form: Form, bytes: usize, events: &[Event]);

    /// The next `count` events of a custom client's stream, whose chunks the host has kept.
    fn kept_events(&self, bytes: usize, count: usize);

    /// The stream has ended well. Nothing follows.
    fn end(&self, meta: &Meta<'_>);

    /// The call or its stream has failed. The last failure is returned to the caller. Nothing follows.
    fn failed(&self, failures: &[Failure], meta: &Meta<'_>);

    /// Whether the host wants each report of the call as an event, whatever its sinks are. Called once, when the call begins.
    fn wants_reports(&self) -> bool {
        false
    }

    /// A report of the call, as JSON text, where the host wants it.
    fn report(&self, report: String) {
        let _ = report;
    }

    /// Whether the host can hold this text: some languages limit the length of strings.
    fn fits(&self, text: &str) -> bool {
        let _ = text;
        true
    }
}
