//! What went wrong with one target, as data: classified here, once, and nowhere else (contract.md, section 3).

pub mod codes;
pub mod host_errors;
pub(crate) mod javascript;
mod kinds;
pub mod refused;

use std::fmt::Write as _;
use std::num::NonZeroU16;

use http::HeaderMap;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::text::secrets::Secrets;
use crate::text::{headers, json};
use codes::ErrorBody;
pub use refused::Refused;

pub use host_errors::ClientError;
pub use kinds::Kind;

/// The class of error that the caller gets. Each binding has a class for each (contract.md, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// The error of an HTTP status.
    Status,
    /// A timeout.
    Timeout,
    /// A connection that could not be made, or broke.
    Connection,
    /// A response that breaks the API's rules: the message says which.
    Protocol,
    /// The very object that a custom client threw.
    Client,
}

/// The start of a response: everything but its body.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The URL of the response, after redirects.
    pub url: String,
    /// Whether a redirect led there.
    pub is_redirected: bool,
}

impl Head {
    /// A header's value as text, where it has one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The id by which the upstream knows the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.header("x-request-id")
    }
}

impl Head {
    /// Appends itself as JSON text. Headers are the largest part of a call's meta data, and this takes a fifth of the time of serde_json's
    /// writer, which searches for escapes byte by byte.
    pub fn write(&self, out: &mut String) {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{{\"status\":{},\"headers\":[", self.status);
        for (index, (name, value)) in self.headers.iter().enumerate() {
            out.push_str(if index == 0 { "[" } else { ",[" });
            json::push_string(out, name.as_str());
            out.push(',');
            json::push_string(out, &headers::text(value));
            out.push(']');
        }
        out.push_str("],\"url\":");
        json::push_string(out, &self.url);
        out.push_str(if self.is_redirected { ",\"redirected\":true}" } else { "}" });
    }
}

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        self.write(&mut text);
        RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// A limit that ends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The target's time.
    Time,
    /// The wait for a stream's first content.
    FirstToken,
    /// The longest silence of a stream.
    Idle,
    /// The bound on the response's size.
    Size,
    /// The bound on the whole call.
    Deadline,
}

/// A failure of the system's network: the members by which hosts describe one (`code`, `errno`, `syscall`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemError {
    /// `ECONNREFUSED`.
    pub code: String,
    /// The system's error number, negated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// `connect`, `getaddrinfo`, `read`.
    pub syscall: &'static str,
    /// The address that was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The name that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

impl SystemError {
    /// An error with a code and a system call, and nothing else.
    #[must_use]
    pub fn of(code: &str, syscall: &'static str) -> Self {
        Self { code: code.to_owned(), syscall, ..Self::default() }
    }

    /// A connection failure with these members.
    #[must_use]
    pub fn failure(self, message: impl Into<String>) -> Failure {
        let failure = Failure::connection(message, Some(&self.code));
        Failure { system: Some(Box::new(self)), ..failure }
    }
}

/// What went wrong with one target.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The kind by which `on` and `except` match it.
    pub kind: Kind,
    /// The class of error that the caller gets.
    pub surface: Surface,
    /// What happened, for a person. Never parsed, never holds a key.
    pub message: String,
    /// The response that was the failure, or in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Box<Head>>,
    /// The body of that response, or the error that an event carried, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The code of the low-level error, such as `ECONNREFUSED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The system's error, where the connection failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Box<SystemError>>,
    /// The number by which the host keeps a custom client's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<u32>,
    /// What the caller can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
    /// A credential was redacted from its message, body or headers.
    #[serde(rename = "redacted", skip_serializing_if = "std::ops::Not::not")]
    pub is_redacted: bool,
    /// The limit that ended the request, where one did.
    #[serde(skip)]
    pub ended_by: Option<Bound>,
    /// The HTTP status that an error under a good status names.
    #[serde(skip)]
    pub named_status: Option<NonZeroU16>,
    /// The id of the response that had been started.
    #[serde(skip)]
    pub started: Option<Box<str>>,
}

/// What the caller can do about a failure. An enum instead of its text, so that a failure stays small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// OpenPipe's platform serves no models any more.
    PlatformHasEnded,
}

impl Hint {
    /// For a person.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::PlatformHasEnded => {
                "OpenPipe's platform has ended: say in `openpipe.aliases` which upstream serves this model now"
            }
        }
    }
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl Failure {
    /// A failure without a response.
    #[must_use]
    pub fn new(kind: Kind, surface: Surface, message: impl Into<String>) -> Self {
        Self {
            kind,
            surface,
            message: message.into(),
            head: None,
            body: None,
            code: None,
            system: None,
            ticket: None,
            hint: None,
            is_redacted: false,
            ended_by: None,
            named_status: None,
            started: None,
        }
    }

    /// The time limit of a target, or of a part of it, has passed.
    #[must_use]
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Kind::Timeout, Surface::Timeout, message)
    }

    /// The connection could not be made, or broke.
    #[must_use]
    pub fn connection(message: impl Into<String>, code: Option<&str>) -> Self {
        Self { code: code.map(str::to_owned), ..Self::new(Kind::Connection, Surface::Connection, message) }
    }

    /// A request that was not sent, because no server could take it.
    #[must_use]
    pub fn unsendable(message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, Surface::Protocol, message)
    }

    /// A response with a status other than 2xx. The upstream's own message is added.
    #[must_use]
    pub fn status(head: Head, body: String) -> Self {
        let parsed = ErrorBody::of(&body);
        let kind = parsed.kind(head.status);
        let colon = if parsed.message.is_empty() { "" } else { ": " };
        let message = format!("the upstream answered {}{colon}{}", head.status, parsed.message);
        Self { head: Some(Box::new(head)), body: Some(body), ..Self::new(kind, Surface::Status, message) }
    }

    /// A response with a 2xx status that is not an answer. A source of events passes no head: the stream adds it.
    #[must_use]
    pub fn invalid_response(message: impl Into<String>, head: impl Into<Option<Head>>, body: Option<String>) -> Self {
        let failure = Self::new(Kind::InvalidResponse, Surface::Protocol, message);
        Self { head: head.into().map(Box::new), body, ..failure }
    }

    /// A response, or a part of one (`what`), that is larger than the call's bound, in bytes.
    #[must_use]
    pub fn too_large(what: &str, max_bytes: u64, head: impl Into<Option<Head>>) -> Self {
        let message = format!("{what} is larger than `openpipe.maxResponseBytes` ({max_bytes})");
        Self::invalid_response(message, head, None).by(Bound::Size)
    }

    /// A stream that broke off: its connection failed before its end.
    #[must_use]
    pub fn broken_stream(message: impl Into<String>, code: Option<String>) -> Self {
        Self { code, ..Self::new(Kind::Stream, Surface::Connection, message) }
    }

    /// A stream whose events are wrong: an error event, no JSON, no end.
    #[must_use]
    pub fn bad_stream(message: impl Into<String>, body: Option<String>) -> Self {
        Self { body, ..Self::new(Kind::Stream, Surface::Protocol, message) }
    }

    /// An answer that the caller's own rules refuse.
    #[must_use]
    pub fn rejected(message: impl Into<String>, head: Head) -> Self {
        Self { head: Some(Box::new(head)), ..Self::new(Kind::Rejected, Surface::Protocol, message) }
    }

    /// An error under a 2xx status, in a completion or an event. `body` is an object with the member `error`, or the error itself. The
    /// failure has this kind unless the error names a status. `what` says where the error was; its own message is added.
    #[must_use]
    pub fn carried(kind: Kind, what: &str, body: String) -> Self {
        let parsed = ErrorBody::of(&body);
        let message = if parsed.message.is_empty() { what.to_owned() } else { format!("{what}: {}", parsed.message) };
        let kind = parsed.status.map_or(kind, |status| parsed.kind(status));
        Self {
            body: Some(body),
            named_status: parsed.status.and_then(NonZeroU16::new),
            ..Self::new(kind, Surface::Protocol, message)
        }
    }

    /// The same with these credentials redacted, which an upstream may have repeated (contract.md, section 6).
    #[must_use]
    pub fn redacted(mut self, secrets: &Secrets) -> Self {
        self.is_redacted |= secrets.redact(&mut self.message);
        self.is_redacted |= self.body.as_mut().is_some_and(|body| secrets.redact(body));
        if let Some(head) = &mut self.head {
            self.is_redacted |= secrets.redact(&mut head.url);
            for value in head.headers.values_mut() {
                if let Some(redacted) = secrets.redact_header(value) {
                    *value = redacted;
                    self.is_redacted = true;
                }
            }
        }
        self
    }

    /// Whether a circuit breaker counts it: not a request that the upstream rightly refused, nor the caller's own deadline.
    #[must_use]
    pub fn counts_against_upstream(&self) -> bool {
        let refused =
            matches!(self.kind, Kind::BadRequest | Kind::ContextLength | Kind::ContentFilter | Kind::Rejected);
        !refused && self.ended_by != Some(Bound::Deadline)
    }

    /// Whether a background job may have been started that nobody can cancel: the outcome of the request is unknown, and so is the
    /// job's id.
    #[must_use]
    pub fn leaves_job_open(&self) -> bool {
        let is_open = match self.kind {
            Kind::Timeout | Kind::Stream => true,
            Kind::Connection => !self.could_not_connect(),
            Kind::InvalidResponse => self.status_code().is_none_or(|status| status < 300),
            _ => false,
        };
        is_open && self.surface != Surface::Status && self.started.is_none()
    }

    /// Whether no connection could be made: the name, the address or the port does not answer. Not if a connection was made and broke,
    /// as with a server that is overloaded or restarts.
    #[must_use]
    pub fn could_not_connect(&self) -> bool {
        let says_so = |code: &str| {
            matches!(
                code,
                "ECONNREFUSED"
                    | "ENOTFOUND"
                    | "EAI_AGAIN"
                    | "EHOSTUNREACH"
                    | "ENETUNREACH"
                    | javascript::CONNECT_TIMEOUT
                    | "CERT_HAS_EXPIRED"
                    | "ERR_TLS_CERT_ALTNAME_INVALID"
            )
        };
        self.kind == Kind::Connection
            && (self.code.as_deref().is_some_and(says_so)
                || self.system.as_ref().is_some_and(|system| matches!(system.syscall, "connect" | "getaddrinfo")))
    }

    /// Whether the upstream cannot decrypt encrypted items of the request.
    #[must_use]
    pub fn refuses_sealed_items(&self) -> bool {
        let says = |body: &str| ErrorBody::of(body).codes.iter().any(|code| code == "invalid_encrypted_content");
        self.status_code() == Some(400) && self.body.as_deref().is_some_and(says)
    }

    /// The same with a hint, which is added to the message.
    #[must_use]
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.message = format!("{} ({})", self.message, hint.text());
        Self { hint: Some(hint), ..self }
    }

    /// The same, ended by this limit.
    #[must_use]
    pub fn by(self, bound: Bound) -> Self {
        Self { ended_by: Some(bound), ..self }
    }

    /// Whether the key or its quota was refused: the next request will be refused as well.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        refused::of(self)
    }

    /// What the filters of the next targets match.
    #[must_use]
    pub fn cause(&self) -> Cause {
        Cause { kind: self.kind, status: self.named_status.map(NonZeroU16::get).or_else(|| self.status_code()) }
    }

    /// The HTTP status, where there was a response.
    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }
}

/// What `on` and `except` match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The failure's kind.
    pub kind: Kind,
    /// The HTTP status that it names, or that of its response.
    pub status: Option<u16>,
}

/// The failures that a target takes over: `on` and `except` of a fallback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The failures that are taken over; `None` is all.
    pub on: Option<Vec<Trigger>>,
    /// Failures that are not taken over.
    pub except: Vec<Trigger>,
}

/// One entry of `on` or `except`: a kind, or a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// A kind of failure.
    Kind(Kind),
    /// An HTTP status.
    Status(u16),
}

impl Filter {
    /// Whether a failure moves on to the target that has this filter.
    #[must_use]
    pub fn takes(&self, failure: Cause) -> bool {
        let named = |triggers: &[Trigger]| {
            triggers.iter().any(|trigger| match trigger {
                Trigger::Kind(kind) => *kind == failure.kind,
                Trigger::Status(status) => Some(*status) == failure.status,
            })
        };
        self.on.as_deref().is_none_or(named) && !named(&self.except)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Failure {
        Failure::status(Head { status, ..Head::default() }, body.to_owned())
    }

    #[test]
    fn a_response_that_is_too_large_is_ended_by_the_size_bound() {
        let failure = Failure::too_large("an event", 30, None);
        assert_eq!(failure.ended_by, Some(Bound::Size));
        assert_eq!(failure.message, "an event is larger than `openpipe.maxResponseBytes` (30)");
    }

    #[test]
    fn an_error_under_a_good_status_has_the_kind_of_the_status_that_it_names() {
        let failure = Failure::carried(
            Kind::Stream,
            "the stream carried an error",
            r#"{"error":{"code":429,"message":"slow down"}}"#.into(),
        );
        assert_eq!((failure.kind, failure.cause().status), (Kind::RateLimit, Some(429)));
        assert_eq!(failure.message, "the stream carried an error: slow down");
        let failure = Failure::carried(Kind::Stream, "the stream carried an error", r#"{"error":{"code":"x"}}"#.into());
        assert_eq!((failure.kind, failure.cause().status), (Kind::Stream, None));
    }

    #[test]
    fn a_job_may_still_run_where_no_status_says_otherwise_and_no_id_is_known() {
        let good = Head { status: 200, ..Head::default() };
        let moved = Head { status: 302, ..Head::default() };
        let dropped = Failure::connection("reset", Some("ECONNRESET"));
        for (failure, is_open) in [
            (Failure::timeout("up"), true),
            (Failure::bad_stream("cut", None), true),
            (dropped.clone(), true),
            (Failure::connection("refused", Some("ECONNREFUSED")), false),
            (Failure::invalid_response("html", good, None), true),
            (Failure::invalid_response("moved", moved, None), false),
            (answered(408, ""), false),
            (answered(500, ""), false),
            (Failure { started: Some("resp_1".into()), ..dropped }, false),
        ] {
            assert_eq!(failure.leaves_job_open(), is_open, "{failure:?}");
        }
    }

    #[test]
    fn there_was_no_connection_where_its_name_address_or_port_answered_nobody() {
        let system = |code, syscall| SystemError::of(code, syscall).failure("failed");
        for (failure, is_unreachable) in [
            (system("EACCES", "connect"), true),
            (system("EAI_FAIL", "getaddrinfo"), true),
            (system("ECONNRESET", "read"), false),
            (Failure::connection("not found", Some("ENOTFOUND")), true),
            (Failure::connection("reset", Some("ECONNRESET")), false),
            (Failure::broken_stream("cut", Some("ENOTFOUND".into())), false),
        ] {
            assert_eq!(failure.could_not_connect(), is_unreachable, "{failure:?}");
        }
    }

    #[test]
    fn a_status_has_the_words_of_the_upstream() {
        let failure = answered(503, r#"{"error":{"message":"overloaded","code":"busy"}}"#);
        assert_eq!(failure.message, "the upstream answered 503: overloaded");
        assert_eq!(answered(503, "").message, "the upstream answered 503");
    }

    #[test]
    fn a_filter_names_kinds_and_statuses() {
        let failure = answered(429, "");
        let filter = |on: Option<&str>, except: &str| Filter {
            on: on.map(|on| serde_json::from_str(on).unwrap()),
            except: serde_json::from_str(except).unwrap(),
        };
        for (on, except, takes) in [
            (None, "[]", true),
            (Some(r#"["rate_limit"]"#), "[]", true),
            (Some("[429]"), "[]", true),
            (Some(r#"["timeout", 500]"#), "[]", false),
            (Some("[]"), "[]", false),
            (None, r#"["rate_limit"]"#, false),
            (None, "[429]", false),
            (None, r#"["auth", 500]"#, true),
            (Some(r#"["rate_limit"]"#), "[429]", false),
        ] {
            assert_eq!(filter(on, except).takes(failure.cause()), takes, "{on:?} {except}");
        }
    }
}
