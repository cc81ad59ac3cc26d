//! The endpoints of the API: path, valid answers, what counts as content, how a stream ends
//! (contract.md, section 9).

mod carried;
pub mod chat;
mod completions;
mod embeddings;
mod gist;
pub mod needs;
pub mod plain;
mod responses;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::events::delta::{Event, News};
use crate::events::sse::SseEvent;
use crate::failure::codes::ErrorBody;
use crate::failure::{Failure, Head, Kind};
use crate::text::json::{self, Members};

pub use gist::{Format, Gist};

/// The default bound on the decompressed size of a response; [`Endpoint::max_response_bytes`] has that of each endpoint.
pub const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// An endpoint of the API that calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Endpoint {
    /// `/chat/completions`
    #[default]
    #[serde(rename = "chat")]
    ChatCompletions,
    /// `/completions`
    #[serde(rename = "completions")]
    Completions,
    /// `/responses`
    #[serde(rename = "responses")]
    Responses,
    /// `/embeddings`
    #[serde(rename = "embeddings")]
    Embeddings,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 4] = [Self::ChatCompletions, Self::Completions, Self::Responses, Self::Embeddings];

    /// The path below an upstream's base URL.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
        }
    }

    /// The endpoint's name in options and in the keys of circuits, as in `endpoints: ["chat"]`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
        }
    }

    /// Checks whether a response's text is a valid answer. `request` is the body that was sent.
    ///
    /// # Errors
    /// The reason why it is not one.
    pub fn accept(self, text: String, request: &[u8]) -> Result<Accepted, Refusal> {
        match self {
            Self::ChatCompletions => chat::accept(text),
            Self::Completions => completions::accept(text),
            Self::Responses => responses::accept(text),
            Self::Embeddings => embeddings::accept(text, request),
        }
    }

    /// The tracker for the events of a stream.
    #[must_use]
    pub fn tracker(self) -> Box<dyn Tracker> {
        match self {
            // Embeddings have no streams. The tracker of chat refuses one that is sent anyway, as it has no choices.
            Self::ChatCompletions | Self::Embeddings => Box::<chat::Tracker>::default(),
            Self::Completions => completions::tracker(),
            Self::Responses => Box::<responses::Events>::default(),
        }
    }

    /// The kind of an error that a custom client's stream ended with, by the code in its body; `None` for any other code, and for the
    /// endpoints whose codes name no kind within a stream.
    #[must_use]
    pub fn kind_of_error(self, body: &str) -> Option<Kind> {
        match self {
            Self::Responses => responses::kind_in(body),
            Self::ChatCompletions | Self::Completions | Self::Embeddings => None,
        }
    }

    /// The default bound on the decompressed size of a response, in bytes. Embeddings are long lists of numbers, so theirs is larger.
    #[must_use]
    pub const fn max_response_bytes(self) -> u64 {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Responses => MAX_RESPONSE_BYTES,
            Self::Embeddings => 4 * MAX_RESPONSE_BYTES,
        }
    }

    /// The merge of a stream's events into one answer, for its report.
    #[must_use]
    pub fn merge(self) -> Box<dyn Merge> {
        match self {
            Self::ChatCompletions | Self::Embeddings => Box::new(chat::merge::Merge::new(chat::merge::Shape::Delta)),
            Self::Completions => completions::merge(),
            Self::Responses => Box::<responses::LastResponse>::default(),
        }
    }

    /// The properties of each choice that the rules of `reject` check; empty for embeddings.
    #[must_use]
    pub fn gists(self, answer: &str) -> Vec<Gist> {
        match self {
            Self::ChatCompletions | Self::Completions => gist::of_choices(answer),
            Self::Responses => gist::of_response(answer),
            Self::Embeddings => Vec::new(),
        }
    }

    /// The output format that a request specifies.
    #[must_use]
    pub fn format(self, request: &[u8]) -> Option<Format> {
        match self {
            Self::ChatCompletions | Self::Completions => gist::format_of_chat(request),
            Self::Responses => gist::format_of_response(request),
            Self::Embeddings => None,
        }
    }

    /// Whether the response is that of a background job which has not ended, so that it has no answer yet.
    #[must_use]
    pub fn is_under_way(self, answer: &str) -> bool {
        match self {
            Self::Responses => responses::is_under_way(answer),
            Self::ChatCompletions | Self::Completions | Self::Embeddings => false,
        }
    }

    /// The id by which later calls refer to an answer that its upstream stores.
    #[must_use]
    pub fn kept_id(self, answer: &str) -> Option<String> {
        match self {
            Self::Responses => {
                let members = Members::of(answer).ok()?;
                json::decoded(members.get("id")?)
            }
            Self::ChatCompletions | Self::Completions | Self::Embeddings => None,
        }
    }

    /// Whether the constructor's `fallback` applies. It is meant for conversations: embeddings of another model are not comparable, and a
    /// model of chat rarely serves `/completions`.
    #[must_use]
    pub const fn takes_default_fallback(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Responses)
    }

    /// Whether answers of different models cannot be compared, so that a fallback to another model must be refused.
    #[must_use]
    pub const fn binds_model(self) -> bool {
        matches!(self, Self::Embeddings)
    }

    /// Whether upstreams store answers, which later calls refer to by id.
    #[must_use]
    pub const fn keeps_answers(self) -> bool {
        matches!(self, Self::Responses)
    }

    /// Whether OpenAI refuses its `metadata` without `store: true`.
    #[must_use]
    pub const fn refuses_unstored_metadata(self) -> bool {
        matches!(self, Self::ChatCompletions)
    }

    /// Whether answers are texts: the named rules of `reject` apply to these only, and OpenPipe accepts reports of these only.
    #[must_use]
    pub const fn has_text(self) -> bool {
        !matches!(self, Self::Embeddings)
    }

    /// Whether the events of streams are named, as `event: response.created`.
    #[must_use]
    pub const fn names_events(self) -> bool {
        matches!(self, Self::Responses)
    }

    /// The endpoint with exactly this path.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}

/// A good answer.
#[derive(Debug)]
pub struct Accepted {
    /// Its text: that of the response, or an edited one.
    pub text: String,
    /// Its `usage`, as JSON text.
    pub usage: Option<String>,
}

/// Why a response with a 2xx status is not an answer.
#[derive(Debug)]
pub struct Refusal {
    message: String,
    /// The error in it.
    error: Option<String>,
    /// The kind of failure that the error's code means.
    kind: Option<Kind>,
}

impl Refusal {
    fn because(message: impl Into<String>) -> Self {
        Self { message: message.into(), error: None, kind: None }
    }

    /// A refusal with this message, and with the error message that the object has, if any.
    fn saying(message: &str, text: &str) -> Self {
        let message_in_body = ErrorBody::of(text).message;
        Self::because(if message_in_body.is_empty() {
            message.to_owned()
        } else {
            format!("{message}: {message_in_body}")
        })
    }

    /// The refusal of a response with an error in it. `body` is an object with the member `error`, or the error itself.
    fn error(body: String) -> Self {
        Self { message: "the response carries an error under a good status".into(), error: Some(body), kind: None }
    }

    /// The refusal as a failure.
    #[must_use]
    pub fn failure(self, head: impl Into<Option<Head>>) -> Failure {
        let failure = match self.error {
            Some(body) => Failure::carried(self.kind.unwrap_or(Kind::InvalidResponse), &self.message, body),
            None => Failure::invalid_response(self.message, None, None),
        };
        Failure { head: head.into().map(Box::new), ..failure }
    }
}

/// The members of a response.
fn object(text: &str) -> Result<Members<'_>, Refusal> {
    if text.trim_ascii().is_empty() {
        return Err(Refusal::because("the response is empty"));
    }
    Members::of(text).map_err(|_| {
        if carried::error_in(text) {
            return Refusal::error(text.to_owned());
        }
        let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
        Refusal::because(if is_json { "the response is JSON, but no object" } else { "the response is not JSON" })
    })
}

/// The failure where a body is not the event stream that was requested. `message` is its message unless the body has an error.
#[must_use]
pub fn no_stream(message: String, head: Head, body: String) -> Failure {
    let refusal = if carried::error_in(&body) {
        Refusal { message, error: Some(body), kind: None }
    } else {
        Refusal::because(message)
    };
    refusal.failure(head)
}

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
        news: News,
    },
    /// An event for the reader, which ends the stream.
    Last {
        /// Its difference from the last template.
        news: News,
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
    fn of(content: bool) -> Self {
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
    fn error(what: &str, body: String) -> Self {
        Self::End(Err(Failure::carried(Kind::Stream, what, body)))
    }

    /// The end of a stream by an event that is not a JSON object: with its error, if the data is one.
    fn no_object(error: &serde_json::Error, data: &str) -> Self {
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

/// Merges the events of one stream into an answer.
pub trait Merge: Send {
    /// Adds the next event.
    fn add(&mut self, event: &Event);

    /// Whether the size limit was reached, so that later events are missing.
    fn is_cut(&self) -> bool;

    /// The answer as JSON text; `None` where no event was added.
    fn finish(self: Box<Self>) -> Option<String>;
}

/// Whether an event's data is `[DONE]`, perhaps after blanks and a quote. Some servers add a NUL or other text after it.
fn is_done(data: &str) -> bool {
    let data = data.trim_start();
    data.strip_prefix(['"', '\'']).unwrap_or(data).starts_with("[DONE]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_known_by_its_exact_path_and_serialized_by_its_name() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::of_path(endpoint.path()), Some(endpoint));
            assert_eq!(serde_json::to_string(&endpoint).unwrap(), format!("\"{}\"", endpoint.name()));
        }
        assert_eq!(Endpoint::of_path("/chat/completions/"), None);
    }
}
