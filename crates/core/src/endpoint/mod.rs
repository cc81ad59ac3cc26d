//! What differs between the endpoints of the API: the path, what a good answer is, what content is, how a stream ends
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
use crate::failure::codes::Said;
use crate::failure::{Failure, Head, Kind};
use crate::text::json::{self, Members};

pub use gist::{Format, Gist};

/// The default for the decompressed size of a response, 64 MiB; [`Endpoint::max_response_bytes`] has the others.
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

    /// The name by which options and circuits know it, as in `endpoints: ["chat"]`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
        }
    }

    /// Accepts a response's text as an answer, or says why it is not a good one. `request` is the body that was sent.
    ///
    /// # Errors
    /// Why it is no answer.
    pub fn accept(self, text: String, request: &[u8]) -> Result<Accepted, Refusal> {
        match self {
            Self::ChatCompletions => chat::accept(text),
            Self::Completions => completions::accept(text),
            Self::Responses => responses::accept(text),
            Self::Embeddings => embeddings::accept(text, request),
        }
    }

    /// What judges the events of a stream.
    #[must_use]
    pub fn tracker(self) -> Box<dyn Tracker> {
        match self {
            // There is no stream of embeddings; one that comes anyway has no choices, and fails as such.
            Self::ChatCompletions | Self::Embeddings => Box::<chat::Tracker>::default(),
            Self::Completions => completions::tracker(),
            Self::Responses => Box::<responses::Events>::default(),
        }
    }

    /// The default for the decompressed size of a response, in bytes. Embeddings come as long lists of numbers.
    #[must_use]
    pub const fn max_response_bytes(self) -> u64 {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Responses => MAX_RESPONSE_BYTES,
            Self::Embeddings => 4 * MAX_RESPONSE_BYTES,
        }
    }

    /// What merges the events of a stream into the answer that they would have been, for its report.
    #[must_use]
    pub fn merge(self) -> Box<dyn Merge> {
        match self {
            Self::ChatCompletions | Self::Embeddings => Box::new(chat::merge::Merge::new(chat::merge::Shape::Delta)),
            Self::Completions => completions::merge(),
            Self::Responses => Box::<responses::LastResponse>::default(),
        }
    }

    /// What the choices of an answer come to, for the rules of `reject`. Those have nothing to say of vectors.
    #[must_use]
    pub fn gists(self, answer: &str) -> Vec<Gist> {
        match self {
            Self::ChatCompletions | Self::Completions => gist::of_choices(answer),
            Self::Responses => gist::of_response(answer),
            Self::Embeddings => Vec::new(),
        }
    }

    /// The format that a request asks for.
    #[must_use]
    pub fn format(self, request: &[u8]) -> Option<Format> {
        match self {
            Self::ChatCompletions | Self::Completions => gist::format_of_chat(request),
            Self::Responses => gist::format_of_response(request),
            Self::Embeddings => None,
        }
    }

    /// Whether an answer is not there yet: that of a job in the background, which its upstream has just started.
    #[must_use]
    pub fn is_under_way(self, answer: &str) -> bool {
        match self {
            Self::Responses => responses::is_under_way(answer),
            Self::ChatCompletions | Self::Completions | Self::Embeddings => false,
        }
    }

    /// The id of an answer that its upstream keeps, by which later calls refer to it.
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

    /// Whether the constructor's `fallback` is for it. That is meant for conversations: another model's embeddings, or completions,
    /// are something else.
    #[must_use]
    pub const fn takes_default_fallback(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Responses)
    }

    /// Whether an answer means nothing beside those of another model, so that no target may change it unseen.
    #[must_use]
    pub const fn binds_model(self) -> bool {
        matches!(self, Self::Embeddings)
    }

    /// Whether upstreams keep its answers, and later calls refer to them by their ids.
    #[must_use]
    pub const fn keeps_answers(self) -> bool {
        matches!(self, Self::Responses)
    }

    /// Whether OpenAI refuses its `metadata` without `store: true`.
    #[must_use]
    pub const fn refuses_unstored_metadata(self) -> bool {
        matches!(self, Self::ChatCompletions)
    }

    /// Whether its answers have texts: what rules judge by their names, and OpenPipe takes reports of.
    #[must_use]
    pub const fn has_text(self) -> bool {
        !matches!(self, Self::Embeddings)
    }

    /// Whether the events of its streams have names, as `event: response.created`.
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

/// An answer.
#[derive(Debug)]
pub struct Accepted {
    /// Its text: what came, or what it was made.
    pub text: String,
    /// The usage that it states, as JSON text.
    pub usage: Option<String>,
}

/// Why a response with a good status is no answer.
#[derive(Debug)]
pub struct Refusal {
    message: String,
    /// The error that it carries.
    error: Option<String>,
    /// The kind that its code says.
    kind: Option<Kind>,
}

impl Refusal {
    fn because(message: impl Into<String>) -> Self {
        Self { message: message.into(), error: None, kind: None }
    }

    /// The same, with the words that the object says, where it holds no answer.
    fn saying(message: &str, text: &str) -> Self {
        let words = Said::of(text).words;
        Self::because(if words.is_empty() { message.to_owned() } else { format!("{message}: {words}") })
    }

    /// It carries an error: an object whose `error` it is, or the response itself.
    fn error(body: String) -> Self {
        Self { message: "the response carries an error under a good status".into(), error: Some(body), kind: None }
    }

    /// The failure that it is.
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

/// The failure that a body is which was to be an event stream, under this message where it carries no error.
#[must_use]
pub fn no_stream(message: String, head: Head, body: String) -> Failure {
    let refusal = if carried::error_in(&body) {
        Refusal { message, error: Some(body), kind: None }
    } else {
        Refusal::because(message)
    };
    refusal.failure(head)
}

/// What an event of a stream means.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing for the reader: a comment.
    Comment,
    /// An event for the reader.
    Event {
        /// Whether it is a sign of life.
        life: Life,
        /// What of it is new.
        news: News,
    },
    /// An event for the reader, and the stream is over.
    Last {
        /// What of it is new.
        news: News,
        /// How it is over.
        end: Result<(), Failure>,
    },
    /// The stream is over.
    End(Result<(), Failure>),
}

/// Whether an event is a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// None: a keep-alive, an empty delta.
    None,
    /// The upstream is at work on something that takes its time.
    Work,
    /// Content, or a finish reason.
    Content,
}

impl Life {
    /// That of an event with content, or without.
    fn of(content: bool) -> Self {
        if content { Self::Content } else { Self::None }
    }
}

/// The longest silence while the upstream is at work (see [`Tracker::is_at_work`]), unless the caller gave one.
#[must_use]
pub fn idle_at_work(idle: Duration) -> Duration {
    idle.max(Duration::from_secs(300))
}

impl Verdict {
    /// The stream is over by an error: `body` is an object whose `error` it is, or the error itself.
    fn error(what: &str, body: String) -> Self {
        Self::End(Err(Failure::carried(Kind::Stream, what, body)))
    }

    /// An event that is no JSON object has ended the stream, by its error where it is one.
    fn no_object(error: &serde_json::Error, data: &str) -> Self {
        if carried::error_in(data) {
            return Self::error("the stream carried an error", data.to_owned());
        }
        let message = format!("the stream carried an event that is no JSON object ({error})");
        Self::End(Err(Failure::bad_stream(message, None)))
    }
}

/// Judges the events of one stream.
pub trait Tracker: Send {
    /// Takes the next event.
    fn observe(&mut self, event: &SseEvent) -> Verdict;

    /// Something came that the stream is committed by.
    fn is_committed(&self) -> bool;

    /// Everything has come: a silence from here on is a good end.
    fn is_complete(&self) -> bool;

    /// How the stream has ended whose body has ended.
    ///
    /// # Errors
    /// What is missing.
    fn clean_end(&self) -> Result<(), Failure>;

    /// The usage that the stream has stated, as JSON text.
    fn usage(&self) -> Option<&str>;

    /// The id of the answer, where its upstream keeps it and later calls may refer to it.
    fn kept_id(&self) -> Option<&str> {
        None
    }

    /// The upstream is at work on something that takes its time, such as reasoning or a tool of its own: any event is life.
    fn is_at_work(&self) -> bool {
        false
    }
}

/// Merges the events of one stream.
pub trait Merge: Send {
    /// Adds the next event.
    fn add(&mut self, event: &Event);

    /// Whether so much came that the end is missing.
    fn is_cut(&self) -> bool;

    /// The answer as JSON text, or `None` where nothing came.
    fn finish(self: Box<Self>) -> Option<String>;
}

/// Whether an event's data is `[DONE]`: begins with it, after blanks and a quote. Some servers add a NUL or more.
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
