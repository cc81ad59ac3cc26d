//! What went wrong with one target, as data: classified here, once, and nowhere else (contract.md, section 3).

pub mod codes;
mod filter;
mod head;
pub mod host_errors;
mod javascript;
mod kinds;
mod network;
pub mod refused;

use std::num::NonZeroU16;

use serde::{Serialize, Serializer};

use crate::text::secrets::Secrets;
use codes::ErrorBody;

pub use filter::{Cause, Filter, Trigger};
pub use head::Head;
pub use host_errors::ClientError;
pub use kinds::Kind;
pub use network::{Fault, Reason, SystemError};
pub use refused::Refused;

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
    pub code: Option<Box<str>>,
    /// A low-level reason that each language has its own code for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
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
    /// There was no connection at any time.
    #[serde(skip)]
    pub is_unconnected: bool,
}

impl SystemError {
    /// A connection failure with these members.
    #[must_use]
    pub fn failure(self, message: impl Into<String>, reason: Reason) -> Failure {
        let is_unconnected = matches!(self.syscall, "connect" | "getaddrinfo");
        let failure = Failure::connection(message, None).because(Some(reason));
        Failure { system: Some(Box::new(self)), is_unconnected, ..failure }
    }
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
            fault: None,
            system: None,
            ticket: None,
            hint: None,
            is_redacted: false,
            ended_by: None,
            named_status: None,
            started: None,
            is_unconnected: false,
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
        Self { code: code.map(Box::from), ..Self::new(Kind::Connection, Surface::Connection, message) }
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

    /// The same with the reason for which a connection failed.
    #[must_use]
    pub fn because(self, reason: Option<Reason>) -> Self {
        match reason {
            Some(Reason::Code(code)) => Self { code: Some(code.into()), ..self },
            Some(Reason::Fault(fault)) => Self { fault: Some(fault), ..self },
            None => self,
        }
    }

    /// A stream that broke off: its connection failed before its end.
    #[must_use]
    pub fn broken_stream(message: impl Into<String>, code: Option<&str>) -> Self {
        Self { code: code.map(Box::from), ..Self::new(Kind::Stream, Surface::Connection, message) }
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
        is_open && self.started.is_none()
    }

    /// Whether no connection could be made: the name, the address or the port does not answer. Not if a connection was made and broke,
    /// as with a server that is overloaded or restarts.
    #[must_use]
    pub fn could_not_connect(&self) -> bool {
        self.kind == Kind::Connection && self.is_unconnected
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
            (SystemError::of("connect").failure("refused", Reason::Code("ECONNREFUSED")), false),
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
        let system = |code, syscall| SystemError::of(syscall).failure("failed", Reason::Code(code));
        let thrown = |code: &str| ClientError { codes: vec![code.into()], ..ClientError::default() }.classify();
        for (failure, is_unreachable) in [
            (system("EACCES", "connect"), true),
            (system("EAI_FAIL", "getaddrinfo"), true),
            (system("ECONNRESET", "read"), false),
            (thrown("ENOTFOUND"), true),
            (thrown("ECONNRESET"), false),
            (Failure::broken_stream("cut", Some("ENOTFOUND")), false),
        ] {
            assert_eq!(failure.could_not_connect(), is_unreachable, "{failure:?}");
        }
    }

    #[test]
    fn credentials_are_redacted_in_the_url_and_the_headers_of_a_response() {
        let mut secrets = Secrets::default();
        secrets.add_key("sk-0123456789");
        let mut head = Head { status: 401, url: "http://x.test/v1?key=sk-0123456789".into(), ..Head::default() };
        let by_url = Failure::status(head.clone(), String::new()).redacted(&secrets);
        assert_eq!((by_url.head.unwrap().url.as_str(), by_url.is_redacted), ("http://x.test/v1?key=***", true));
        head.url.clear();
        head.headers.insert("x-key", "sk-0123456789".parse().unwrap());
        let by_header = Failure::status(head, String::new()).redacted(&secrets);
        assert_eq!((&by_header.head.unwrap().headers["x-key"], by_header.is_redacted), (&"***".parse().unwrap(), true));
        assert!(!answered(401, "no").redacted(&secrets).is_redacted);
    }

    #[test]
    fn encrypted_items_are_refused_with_a_400() {
        let body = r#"{"error":{"code":"invalid_encrypted_content"}}"#;
        assert!(answered(400, body).refuses_sealed_items());
        assert!(!answered(500, body).refuses_sealed_items());
        assert!(!answered(400, "{}").refuses_sealed_items());
    }

    #[test]
    fn a_status_has_the_words_of_the_upstream() {
        let failure = answered(503, r#"{"error":{"message":"overloaded","code":"busy"}}"#);
        assert_eq!(failure.message, "the upstream answered 503: overloaded");
        assert_eq!(answered(503, "").message, "the upstream answered 503");
    }
}
