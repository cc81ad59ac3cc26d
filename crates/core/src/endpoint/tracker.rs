//! What the events of a stream mean: content, signs of life, errors and the end.

use std::time::Duration;

use super::carried;
use crate::events::delta::Encoding;
use crate::events::sse::SseEvent;
use crate::failure::{Failure, Kind};

/// What an event means for its stream.
#[derive(Debug)]
pub enum Verdict {
    /// A comment, which the reader does not get.
    Comment,
    /// An event for the reader.
    Event {
        /// Whether it is a sign of life.
        life: Life,
        /// Its difference from the last template.
        encoding: Encoding,
    },
    /// An event for the reader, which ends the stream.
    Last {
        /// Its difference from the last template.
        encoding: Encoding,
        /// How the stream ended.
        end: Result<(), Failure>,
    },
    /// The end of the stream, without an event for the reader.
    End(Result<(), Failure>),
}

/// Whether an event is a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// No: a keep-alive, an empty delta.
    None,
    /// Yes: the upstream works on reasoning or a hosted tool.
    Work,
    /// Yes: content, or a finish reason.
    Content,
}

impl Life {
    /// For an event with or without content.
    pub(super) fn of(content: bool) -> Self {
        if content { Self::Content } else { Self::None }
    }
}

/// The default idle timeout while the upstream is at work (see [`Tracker::is_at_work`]), given the ordinary one.
#[must_use]
pub fn idle_at_work(idle: Duration) -> Duration {
    idle.max(Duration::from_secs(300))
}

impl Verdict {
    /// The end of a stream by an error in it. `body` is an object with the member `error`, or the error itself.
    pub(super) fn error(what: &str, body: String) -> Self {
        Self::End(Err(Failure::carried(Kind::Stream, what, body)))
    }

    /// The end of a stream by an event that is not a JSON object: with its error, if the data is one.
    pub(super) fn no_object(error: &serde_json::Error, data: &str) -> Self {
        if carried::error_in(data) {
            return Self::error("the stream carried an error", data.to_owned());
        }
        let message = format!("the stream carried an event that is no JSON object ({error})");
        Self::End(Err(Failure::bad_stream(message, None)))
    }
}

/// Follows the events of one stream: content, errors, and the end.
pub trait Tracker: Send {
    /// Judges the next event.
    fn observe(&mut self, event: &SseEvent) -> Verdict;

    /// Whether an event has arrived that commits the stream.
    fn is_committed(&self) -> bool;

    /// Whether the answer is complete, so that a silence from here on is a good end.
    fn is_complete(&self) -> bool;

    /// Whether the stream is complete, after its body ended cleanly.
    ///
    /// # Errors
    /// The failure that says what is missing.
    fn clean_end(&self) -> Result<(), Failure>;

    /// The stream's `usage`, as JSON text.
    fn usage(&self) -> Option<&str>;

    /// The id by which later calls refer to the answer, where its upstream stores it.
    fn kept_id(&self) -> Option<&str> {
        None
    }

    /// Whether the upstream works on reasoning or a hosted tool: any event is a sign of life then.
    fn is_at_work(&self) -> bool {
        false
    }
}

/// Whether an event's data is `[DONE]`, perhaps after blanks and a quote. Some servers add a NUL or other text after it.
pub(super) fn is_done(data: &str) -> bool {
    let data = data.trim_start();
    data.strip_prefix(['"', '\'']).unwrap_or(data).starts_with("[DONE]")
}
