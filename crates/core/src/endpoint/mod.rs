//! The endpoints of the API: path, valid answers, what counts as content, how a stream ends
//! (contract.md, section 9).

mod accepted;
mod carried;
pub mod chat;
mod completions;
mod embeddings;
mod gist;
mod merge;
pub mod needs;
pub mod plain;
mod responses;
mod tracker;

use serde::{Deserialize, Serialize};

use crate::failure::Kind;
use crate::text::json::{self, Members};

pub use accepted::{Accepted, Refusal, no_stream};
pub use gist::{Format, Gist};
pub use merge::Merge;
pub use tracker::{Life, Tracker, Verdict, idle_at_work};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::sse::SseEvent;
    use crate::failure::Head;

    #[test]
    fn an_error_in_an_array_of_one_has_its_own_kind_wherever_it_stands() {
        let error = r#"[{"error":{"code":429,"message":"slow down"}}]"#;
        let failure = no_stream("no stream".into(), Head { status: 200, ..Head::default() }, error.into());
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::RateLimit, "no stream: slow down"));
        for endpoint in Endpoint::ALL {
            let event = SseEvent { data: error.into(), is_error: false };
            let Verdict::End(Err(failure)) = endpoint.tracker().observe(&event) else { panic!("{endpoint:?} goes on") };
            assert_eq!(failure.kind, Kind::RateLimit, "{endpoint:?}");
        }
    }

    #[test]
    fn an_endpoint_is_known_by_its_exact_path_and_serialized_by_its_name() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::of_path(endpoint.path()), Some(endpoint));
            assert_eq!(serde_json::to_string(&endpoint).unwrap(), format!("\"{}\"", endpoint.name()));
        }
        assert_eq!(Endpoint::of_path("/chat/completions/"), None);
    }
}
