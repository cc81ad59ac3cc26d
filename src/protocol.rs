//! The messages between Rust and JavaScript: all of them, and nothing but how they are written and read.
//!
//! To JavaScript a message is a JSON array `[call, name, …]`, and may bring texts along, which are no part of that JSON
//! (a completion's body). lib/native/protocol.js has the table of the names with the number of their texts; a test compares it
//! with [`Message`].

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
    /// The answer. A custom client's is kept in JavaScript, so that its text stays here.
    /// Its status stands beside the rest of its head, which few callers look at.
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
    /// A client of JavaScript's is called.
    Ask { ask: u32, question: &'a Question<'a>, body: String },
    /// A request is to be sent through `fetch`.
    Fetch { ask: u32, to: &'a Envelope<'a>, body: String },
    /// The headers of an upstream are needed, whose key a function gives.
    Headers { ask: u32, upstream: &'a str },
    /// This many bytes of a client's chunks were consumed, which opens the window by as many.
    Pull { ask: u32, bytes: usize },
    /// A function of `reject` is asked about an answer: its text, or the ticket of a custom client's own object.
    Judge { ask: u32, question: &'a Judging<'a>, answer: String },
    /// The answer to a question is not needed any more: its client is to stop.
    Drop { ask: u32 },
    /// The reports of a call are settled.
    Reported,
    /// The reports are delivered, or it took too long.
    Flushed { flush: u32, counts: &'a Counts },
    /// A report is to be sent through `fetch`.
    Deliver { ask: u32, to: &'a Envelope<'a>, body: String },
    /// A function of the caller's is to redact a report.
    Redact { ask: u32, function: u32, report: String },
    /// A report, for the diagnostics channel.
    Report { report: String },
    /// The outcome of a request of OpenPipe's API.
    Response { request: u32, head: Option<&'a Head>, failure: Option<&'a Failure>, body: String },
}

/// A request to a client of JavaScript's; its body is a text of the message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question<'a> {
    pub(crate) client: u32,
    /// The response that it is to cancel; else it is to answer the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancels: Option<&'a str>,
    pub(crate) stream: bool,
    pub(crate) headers: &'a HeaderList,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_retries: Option<u32>,
    /// In milliseconds.
    pub(crate) timeout: u32,
}

/// What a function of `reject` is asked, beside the answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Judging<'a> {
    pub(crate) function: u32,
    pub(crate) ticket: Option<u32>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) upstream: &'a str,
    pub(crate) model: &'a str,
}

/// What a function of `reject` says of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Judged {
    /// It stands.
    Accepted,
    /// It is refused, for this reason.
    Refused(String),
    /// The function threw or rejected.
    Failed(String),
}

/// Where a request through `fetch` goes.
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: Pairs<'a>,
    /// Whose `fetch`: lib/reports/transports.js.
    pub(crate) transport: u32,
}

/// What JavaScript answers. What may be long comes as a text of its own, and is not JSON within JSON.
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
    /// A client returned something to iterate.
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
    /// What a function of `reject` says.
    Judged(Judged),
    /// What a function that redacts reports made of one: its JSON is the first text; none where nothing is to be sent.
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
    /// What follows the name, each with a comma before it.
    pub(crate) rest: String,
    pub(crate) texts: [Option<String>; 2],
}

impl Message<'_> {
    /// The name that JavaScript knows it by.
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

    /// Writes it.
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
            event.tell(text);
        }
        Form::Wire { named } => event.write_sse(named, text),
    }
}

fn add(rest: &mut String, value: &impl Serialize) {
    rest.push(',');
    append(rest, value);
}

/// What is said of an answer, as JSON text. Its head, which is most of it, writes itself.
fn meta_json(meta: &Meta<'_>) -> String {
    // Most have about this size, or less.
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

/// Appends a value as JSON text. What is sent consists of strings, numbers and records, which always can be.
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
