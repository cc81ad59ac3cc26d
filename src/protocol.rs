//! The protocol between Rust and JavaScript: all messages, and how they are written and read.
//!
//! A message to JavaScript is a JSON array `[call, name, …]`. It may have texts beside that JSON, such as a completion's body.
//! lib/native/protocol.js has the table of the names with the number of their texts; a test compares it with [`Message`].

use std::fmt::Write as _;

use openpipe_core::call::{Form, Meta, MovedOn, Refusal};
use openpipe_core::events::delta::Event;
use openpipe_core::failure::{ClientError, Failure, Head};
use openpipe_core::report::Counts;
use openpipe_core::text::headers::{HeaderList, Pairs};
use serde::{Deserialize, Serialize};

/// A message to JavaScript.
pub(crate) enum Message<'a> {
    /// The call did not begin.
    Refused { why: Refusal, message: &'a str },
    /// A warning for the client, or about the reports.
    Warning { message: &'a str },
    /// Another target takes over.
    Fallback(&'a MovedOn<'a>),
    /// The answer. JavaScript has kept a custom client's own object, so its text is not sent. The status is separate from the rest of
    /// the head, which is parsed only if a caller needs it.
    Completion {
        request_id: Option<&'a str>,
        ticket: Option<u32>,
        status: Option<u16>,
        body: String,
        meta: &'a Meta<'a>,
    },
    /// A stream is handed over.
    Stream { ticket: Option<u32>, meta: &'a Meta<'a> },
    /// Events of a stream, as [`write_event`] writes them.
    Events { form: Form, bytes: usize, text: String },
    /// The next `count` chunks that JavaScript has kept.
    Kept { bytes: usize, count: usize },
    /// The stream has ended well.
    End(&'a Meta<'a>),
    /// The call has failed, or its stream.
    Failure { failures: &'a [Failure], meta: &'a Meta<'a> },
    /// Call a custom client.
    Ask { ask: u32, question: &'a Question<'a>, body: String },
    /// Send a request through `fetch`.
    Fetch { ask: u32, to: &'a Envelope<'a>, body: String },
    /// Return the headers of an upstream whose key a function returns.
    Headers { ask: u32, upstream: &'a str },
    /// This many bytes of a custom client's chunks were consumed, which opens the window by this many.
    Pull { ask: u32, bytes: usize },
    /// Have a function of `reject` judge an answer: its text, or the ticket of a custom client's own object.
    Judge { ask: u32, question: &'a Judging<'a>, answer: String },
    /// The answer to a question is not needed any more: stop its client.
    Drop { ask: u32 },
    /// The reports of a call are settled.
    Reported,
    /// A flush has ended: the reports are delivered, or its time is over.
    Flushed { flush: u32, counts: &'a Counts },
    /// Send a report through `fetch`.
    Deliver { ask: u32, to: &'a Envelope<'a>, body: String },
    /// Have a function of the caller redact a report.
    Redact { ask: u32, function: u32, report: String },
    /// A report, for the diagnostics channel.
    Report { report: String },
    /// The outcome of a request of OpenPipe's API.
    Response { request: u32, head: Option<&'a Head>, failure: Option<&'a Failure>, body: String },
}

/// A request to a custom client; its body is a text of the message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question<'a> {
    pub(crate) client: u32,
    /// The id of a response to cancel; `None` for a request for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancels: Option<&'a str>,
    pub(crate) stream: bool,
    pub(crate) headers: &'a HeaderList,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_retries: Option<u32>,
    /// In milliseconds.
    pub(crate) timeout: u32,
}

/// The arguments of a function of `reject`, beside the answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Judging<'a> {
    pub(crate) function: u32,
    pub(crate) ticket: Option<u32>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) upstream: &'a str,
    pub(crate) model: &'a str,
}

/// The verdict of a function of `reject`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Judged {
    /// The answer is accepted.
    Accepted,
    /// It is refused, for this reason.
    Refused(String),
    /// The function threw or rejected.
    Failed(String),
}

/// The URL and headers of a request through `fetch`.
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: Pairs<'a>,
    /// The number of the `fetch` to use (lib/reports/transports.js).
    pub(crate) transport: u32,
}

/// An answer of JavaScript. Long texts are passed separately, not as JSON within JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// A client returned a value; its JSON is the first text, where it has one.
    Completion {
        ticket: u32,
        #[serde(default)]
        request_id: Option<String>,
        /// The client's key, which is redacted in messages about the value.
        #[serde(default)]
        secrets: Vec<String>,
        #[serde(skip)]
        text: Option<String>,
    },
    /// A client returned a stream.
    Stream {
        ticket: u32,
        #[serde(default)]
        request_id: Option<String>,
        /// As for a completion.
        #[serde(default)]
        secrets: Vec<String>,
    },
    /// The next chunks of a stream: their JSON is the texts.
    Chunks {
        #[serde(skip)]
        texts: Vec<String>,
    },
    /// The stream's end.
    Done,
    /// `fetch` had a response.
    Response { status: u16, headers: HeaderList },
    /// The headers of the client's own upstream.
    Headers(HeaderList),
    /// The verdict of a function of `reject`.
    Judged(Judged),
    /// A redacted report; its JSON is the first text. No text if the function withheld it.
    Redacted {
        #[serde(skip)]
        text: Option<String>,
    },
    /// A client threw or rejected.
    Error(ClientError),
    /// An answer that is none of these.
    #[serde(skip)]
    Unreadable(String),
}

impl Answer {
    /// Reads an answer and the texts that it brings along.
    pub(crate) fn read(json: &str, texts: Vec<String>) -> serde_json::Result<Self> {
        Ok(match serde_json::from_str(json)? {
            Self::Completion { ticket, request_id, secrets, .. } => {
                Self::Completion { ticket, request_id, secrets, text: texts.into_iter().next() }
            }
            Self::Chunks { .. } => Self::Chunks { texts },
            Self::Redacted { .. } => Self::Redacted { text: texts.into_iter().next() },
            other => other,
        })
    }
}

/// A message as it is written.
pub(crate) struct Written {
    pub(crate) name: &'static str,
    /// The elements after the name, each with a comma before it.
    pub(crate) rest: String,
    pub(crate) texts: [Option<String>; 2],
}

impl Message<'_> {
    /// The message's name in JavaScript's table.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Warning { .. } => "warning",
            Self::Fallback(_) => "fallback",
            Self::Completion { .. } => "completion",
            Self::Stream { .. } => "stream",
            Self::Events { form: Form::Chunks, .. } => "events",
            Self::Events { form: Form::Wire { .. }, .. } => "wire",
            Self::Kept { .. } => "kept",
            Self::End(_) => "end",
            Self::Failure { .. } => "failure",
            Self::Ask { .. } => "ask",
            Self::Fetch { .. } => "fetch",
            Self::Headers { .. } => "headers",
            Self::Pull { .. } => "pull",
            Self::Judge { .. } => "judge",
            Self::Drop { .. } => "drop",
            Self::Reported => "reported",
            Self::Flushed { .. } => "flushed",
            Self::Deliver { .. } => "deliver",
            Self::Redact { .. } => "redact",
            Self::Report { .. } => "report",
            Self::Response { .. } => "response",
        }
    }

    /// Writes the message.
    pub(crate) fn write(self) -> Written {
        let name = self.name();
        let mut rest = String::with_capacity(64);
        let texts = match self {
            Self::Refused { why, message } => {
                add(&mut rest, &why);
                add(&mut rest, &message);
                [None, None]
            }
            Self::Warning { message } => {
                add(&mut rest, &message);
                [None, None]
            }
            Self::Fallback(moved) => {
                add(&mut rest, moved);
                [None, None]
            }
            Self::Completion { request_id, ticket, status, body, meta } => {
                add(&mut rest, &request_id);
                add(&mut rest, &ticket);
                add(&mut rest, &status);
                [Some(body), Some(meta_json(meta))]
            }
            Self::Stream { ticket, meta } => {
                add(&mut rest, &ticket);
                [Some(meta_json(meta)), None]
            }
            Self::Events { form: Form::Wire { .. }, bytes, text } => {
                add(&mut rest, &bytes);
                [Some(text), None]
            }
            Self::Events { form: Form::Chunks, bytes, text } => {
                rest.reserve(text.len() + 24);
                // Writing to a `String` cannot fail.
                let _ = write!(rest, ",{bytes},[{text}]");
                [None, None]
            }
            Self::Kept { bytes, count } => {
                add(&mut rest, &bytes);
                add(&mut rest, &count);
                [None, None]
            }
            Self::End(meta) => {
                add(&mut rest, meta);
                [None, None]
            }
            Self::Failure { failures, meta } => {
                #[derive(Serialize)]
                struct Failed<'a> {
                    failures: &'a [Failure],
                    #[serde(flatten)]
                    meta: &'a Meta<'a>,
                }
                add(&mut rest, &Failed { failures, meta });
                [None, None]
            }
            Self::Ask { ask, question, body } => {
                add(&mut rest, &ask);
                add(&mut rest, question);
                [Some(body), None]
            }
            Self::Judge { ask, question, answer } => {
                add(&mut rest, &ask);
                add(&mut rest, question);
                [Some(answer), None]
            }
            Self::Headers { ask, upstream } => {
                add(&mut rest, &ask);
                add(&mut rest, &upstream);
                [None, None]
            }
            Self::Drop { ask } => {
                add(&mut rest, &ask);
                [None, None]
            }
            Self::Pull { ask, bytes } => {
                add(&mut rest, &ask);
                add(&mut rest, &bytes);
                [None, None]
            }
            Self::Reported => [None, None],
            Self::Flushed { flush, counts } => {
                add(&mut rest, &flush);
                add(&mut rest, counts);
                [None, None]
            }
            Self::Fetch { ask, to, body } | Self::Deliver { ask, to, body } => {
                add(&mut rest, &ask);
                add(&mut rest, to);
                [Some(body), None]
            }
            Self::Redact { ask, function, report } => {
                add(&mut rest, &ask);
                add(&mut rest, &function);
                [Some(report), None]
            }
            Self::Report { report } => [Some(report), None],
            Self::Response { request, head, failure, body } => {
                add(&mut rest, &request);
                add(&mut rest, &head);
                add(&mut rest, &failure);
                [Some(body), None]
            }
        };
        Written { name, rest, texts }
    }
}

/// Appends an event to those before it: as an element of a JSON array, or as a server-sent event.
pub(crate) fn write_event(form: Form, event: &Event, text: &mut String) {
    match form {
        Form::Chunks => {
            if !text.is_empty() {
                text.push(',');
            }
            event.encode(text);
        }
        Form::Wire { named } => event.write_sse(named, text),
    }
}

fn add(rest: &mut String, value: &impl Serialize) {
    rest.push(',');
    append(rest, value);
}

/// The metadata of an answer as JSON text. The head, which is most of it, is written by [`Head::write`].
fn meta_json(meta: &Meta<'_>) -> String {
    // Enough for most.
    let mut text = String::with_capacity(1024);
    append(&mut text, &Meta { head: None, ..*meta });
    if let Some(head) = meta.head.filter(|_| text.pop() == Some('}')) {
        text.push_str(",\"head\":");
        head.write(&mut text);
        text.push('}');
    }
    text
}

/// A value as JSON text.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut text = String::with_capacity(128);
    append(&mut text, value);
    text
}

/// Appends a value as JSON text. Messages consist of strings, numbers and records, which can always be written.
fn append(text: &mut String, value: &impl Serialize) {
    // As bytes: serde_json writes a text in many small parts, each of which would be checked to be UTF-8.
    let before = text.len();
    let mut bytes = std::mem::take(text).into_bytes();
    let written = serde_json::to_writer(&mut bytes, value);
    *text = openpipe_core::text::json::lossy(bytes);
    if let Err(error) = written {
        text.truncate(before);
        openpipe_core::text::json::push_string(text, &error.to_string());
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
