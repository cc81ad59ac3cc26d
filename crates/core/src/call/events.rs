//! What a call says to its host: data, never sentences that somebody parses.

use serde::Serialize;

use crate::events::delta::Event;
use crate::failure::{Failure, Head};
use crate::host::HostSide;
use crate::record::Attempt;
use crate::upstream::{BoxFuture, Completion};

/// Why a call did not begin. The host has a class of error for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A malformed argument.
    Argument,
    /// The body is no request of the endpoint.
    Body,
    /// A key that the call needs is missing.
    MissingKey,
    /// No target can take the request.
    Unsupported,
    /// The call failed inside of this package.
    Internal,
}

/// What a caller sees of a call, beside its answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta<'a> {
    /// The head of the response; `None` where it was given before, or there was none.
    pub head: Option<&'a Head>,
    /// `primary` or `fallback`.
    pub served_by: &'static str,
    /// The upstream of the last target.
    pub upstream: &'a str,
    /// The alias that the call's model was, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<&'a str>,
    /// The model of the last target.
    pub model: &'a str,
    /// One for each target that was tried.
    pub attempts: &'a [Attempt],
    /// Milliseconds since the call began.
    pub duration_ms: f64,
    /// The usage that the answer states, as its upstream names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<&'a serde_json::value::RawValue>,
}

/// A call moves on to another target.
#[derive(Debug, Serialize)]
pub struct MovedOn<'a> {
    /// What happened with the one before.
    pub from: &'a Attempt,
    /// The next one.
    pub to: NextTarget<'a>,
}

/// See [`MovedOn`].
#[derive(Debug, Serialize)]
pub struct NextTarget<'a> {
    /// The upstream's name.
    pub upstream: &'a str,
    /// The model that it is asked for.
    pub model: &'a str,
}

/// How events cross to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As what is new in each ([`crate::events::delta`]), to be made chunks of.
    Chunks,
    /// As the text of server-sent events, to be passed on.
    Wire {
        /// Each has a field `event` with its `type`, by which some readers of the endpoint tell events apart.
        named: bool,
    },
}

/// The host's side of one call.
pub trait Host: CallEvents + HostSide {}

impl<T: CallEvents + HostSide> Host for T {}

/// Receives what happens in a call. Every method returns at once, and must not fail: what the host's own code throws is the
/// host's to see to.
pub trait CallEvents: Send + Sync {
    /// The call did not begin. Nothing follows.
    fn refused(&self, why: Refusal, message: &str);

    /// Something that the caller should know, though the call runs.
    fn warning(&self, message: &str);

    /// Another target takes over.
    fn moved_on(&self, moved: &MovedOn<'_>);

    /// The answer. Nothing follows.
    fn completion(&self, completion: Completion, meta: &Meta<'_>);

    /// A stream is committed: its events follow, and then [`CallEvents::end`] or [`CallEvents::failed`]. The ticket is that of a
    /// custom client's stream.
    fn stream(&self, ticket: Option<u32>, meta: &Meta<'_>);

    /// Reserves room for this many bytes of events, which [`CallEvents::events`] fills at once.
    ///
    /// # Errors
    /// Where too many events of other streams are on their way: a future to await before trying again.
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

    /// The call has failed, or its stream. The last failure is the answer. Nothing follows.
    fn failed(&self, failures: &[Failure], meta: &Meta<'_>);

    /// Whether the host wants to see each report of the call, wherever else it goes. Asked once, when the call begins.
    fn wants_reports(&self) -> bool {
        false
    }

    /// A report of the call, as JSON text, where the host wants to see it.
    fn report(&self, report: String) {
        let _ = report;
    }

    /// Whether the host can hold such a text: some have a longest string.
    fn fits(&self, text: &str) -> bool {
        let _ = text;
        true
    }
}
