//! What went wrong with one target, as data: classified here, once, and nowhere else (contract.md, section 3).

use http::HeaderMap;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::text::headers::{self, Secrets};
use crate::text::json::{self, Members};

/// The kinds of failure that `on` and `except` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The target's time was up, or the wait for the first token.
    Timeout,
    /// DNS, refused, reset, TLS, proxy, a response that ends early or breaks HTTP.
    Connection,
    /// 429.
    RateLimit,
    /// 5xx, 408, 409.
    ServerError,
    /// 401, 403.
    Auth,
    /// 404.
    NotFound,
    /// Any other 4xx.
    BadRequest,
    /// 4xx with the error code `context_length_exceeded`.
    ContextLength,
    /// 4xx with the error code `content_filter` or `content_policy_violation`.
    ContentFilter,
    /// A 2xx that is no chat completion, a 3xx, a broken content encoding, over the size limit.
    InvalidResponse,
    /// A stream that breaks, stalls, or carries an error event.
    Stream,
}

impl Kind {
    /// Every kind, in the order of the contract's table.
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Connection,
        Self::RateLimit,
        Self::ServerError,
        Self::Auth,
        Self::NotFound,
        Self::BadRequest,
        Self::ContextLength,
        Self::ContentFilter,
        Self::InvalidResponse,
        Self::Stream,
    ];

    /// The name that a caller knows the kind by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::RateLimit => "rate_limit",
            Self::ServerError => "server_error",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::BadRequest => "bad_request",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::InvalidResponse => "invalid_response",
            Self::Stream => "stream",
        }
    }

    /// The kind of an HTTP status, with the `error.code` of its body where there is one.
    #[must_use]
    pub fn of_status(status: u16, error_code: Option<&str>) -> Self {
        match (status, error_code) {
            (400..=499, Some("context_length_exceeded")) => Self::ContextLength,
            (400..=499, Some("content_filter" | "content_policy_violation")) => Self::ContentFilter,
            (429, _) => Self::RateLimit,
            (408 | 409 | 500.., _) => Self::ServerError,
            (401 | 403, _) => Self::Auth,
            (404, _) => Self::NotFound,
            (400..=499, _) => Self::BadRequest,
            _ => Self::InvalidResponse,
        }
    }
}

/// Which of the SDK's error classes a failure is to the caller (contract.md, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// What `APIError.generate` gives for the status.
    Status,
    /// `APIConnectionTimeoutError`.
    Timeout,
    /// `APIConnectionError`.
    Connection,
    /// `APIError`, which says what was wrong with the response.
    Protocol,
    /// The very object that a foreign client threw.
    Client,
}

/// The start of a response: everything but its body.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The response's headers.
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: String,
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

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("headers", &headers::Pairs(&self.headers))?;
        map.serialize_entry("url", &self.url)?;
        map.end()
    }
}

/// What went wrong with one target.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// What `on` and `except` know it by.
    pub kind: Kind,
    /// Which class of error it is to the caller.
    pub surface: Surface,
    /// What happened, for a person. Never parsed, never holds a key.
    pub message: String,
    /// The response that was the failure, or in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Box<Head>>,
    /// The body of that response, or the error that an event carried, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The low-level reason as Node.js names it, such as `ECONNREFUSED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The number by which the JavaScript side keeps a foreign client's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<u32>,
    /// It was the call's own deadline that was up, not the upstream's time.
    #[serde(skip)]
    pub by_deadline: bool,
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
            ticket: None,
            by_deadline: false,
        }
    }

    /// The time of a target, or of a part of it, was up.
    #[must_use]
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Kind::Timeout, Surface::Timeout, message)
    }

    /// The connection could not be made, or broke.
    #[must_use]
    pub fn connection(message: impl Into<String>, code: Option<&str>) -> Self {
        Self { code: code.map(str::to_owned), ..Self::new(Kind::Connection, Surface::Connection, message) }
    }

    /// A response with a status that is no success.
    #[must_use]
    pub fn status(head: Head, body: String) -> Self {
        let kind = Kind::of_status(head.status, error_code(&body).as_deref());
        let message = format!("the upstream answered {}", head.status);
        Self { head: Some(Box::new(head)), body: Some(body), ..Self::new(kind, Surface::Status, message) }
    }

    /// A response with a good status that is no chat completion. A source of events leaves the head to the stream, which adds it.
    #[must_use]
    pub fn invalid_response(message: impl Into<String>, head: impl Into<Option<Head>>, body: Option<String>) -> Self {
        let failure = Self::new(Kind::InvalidResponse, Surface::Protocol, message);
        Self { head: head.into().map(Box::new), body, ..failure }
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

    /// The same without these, which an upstream may have repeated (contract.md, section 6).
    #[must_use]
    pub fn redacted(mut self, secrets: &Secrets) -> Self {
        self.message = secrets.redact(self.message);
        self.body = self.body.map(|body| secrets.redact(body));
        for value in self.head.iter_mut().flat_map(|head| head.headers.values_mut()) {
            let Ok(text) = value.to_str() else { continue };
            let redacted = secrets.redact(text.to_owned());
            if redacted != text {
                // Parts of a value in their order are one.
                *value = http::HeaderValue::try_from(redacted).unwrap_or(http::HeaderValue::from_static("***"));
            }
        }
        self
    }

    /// Whether it says that the upstream serves badly: a request that it rightly refused does not, nor does the caller's
    /// own deadline. What a circuit breaker counts.
    #[must_use]
    pub fn counts_against_upstream(&self) -> bool {
        let refused = matches!(self.kind, Kind::BadRequest | Kind::ContextLength | Kind::ContentFilter);
        !refused && !self.by_deadline
    }

    /// What decides who takes it over.
    #[must_use]
    pub fn cause(&self) -> Cause {
        Cause { kind: self.kind, status: self.status_code() }
    }

    /// The HTTP status, where there was a response.
    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }
}

/// `error.code` of an error body, where it has one.
fn error_code(body: &str) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(body).ok()?;
    let error: Members<'_> = serde_json::from_str(members.get("error")?.get()).ok()?;
    json::decoded(error.get("code")?)
}

/// What `on` and `except` look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The failure's kind.
    pub kind: Kind,
    /// Its HTTP status, where there was a response.
    pub status: Option<u16>,
}

/// The failures that a target takes over: `on` and `except` of a fallback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these; `None` is every failure.
    pub on: Option<Vec<Trigger>>,
    /// But none of these.
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

/// What crosses of an error that a foreign JavaScript client threw; the object itself stays where it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientError {
    /// `error.status`, where it is a number.
    pub status: Option<u16>,
    /// `error.code` or that of its causes: the API's error code, or one of Node.js.
    pub codes: Vec<String>,
    /// The names of the error's classes, the most special first, and of its causes'.
    pub names: Vec<String>,
    /// `error.message`, or the thrown value as text.
    pub message: String,
    /// `{ error }` as the API sent it, as JSON text, where the error holds that.
    pub body: Option<String>,
    /// Those of the response's headers that say when to try again, and its request id.
    pub headers: Vec<(String, String)>,
    /// The number by which JavaScript keeps the thrown value.
    pub ticket: u32,
}

impl ClientError {
    /// The failure that a foreign client's error stands for.
    #[must_use]
    pub fn classify(self) -> Failure {
        let kind = self.kind();
        let code = self.codes.iter().find(|code| is_system_code(code)).or(self.codes.first()).cloned();
        let head = self.status.map(|status| {
            let list: headers::HeaderList = self.headers.into_iter().map(|(name, value)| (name, Some(value))).collect();
            Box::new(Head { status, headers: headers::of_response(&list), ..Head::default() })
        });
        let failure = Failure::new(kind, Surface::Client, self.message);
        Failure { head, body: self.body, code, ticket: Some(self.ticket), ..failure }
    }

    /// The failure of a target whose key a function was to give, and did not. What marks the error has are not the
    /// upstream's, which was not asked.
    #[must_use]
    pub fn without_key(self) -> Failure {
        Failure { ticket: Some(self.ticket), ..Failure::new(Kind::Auth, Surface::Client, self.message) }
    }

    fn kind(&self) -> Kind {
        if let Some(status) = self.status {
            let code = self.codes.iter().find(|code| {
                matches!(code.as_str(), "context_length_exceeded" | "content_filter" | "content_policy_violation")
            });
            return Kind::of_status(status, code.map(String::as_str));
        }
        if self.codes.iter().any(|code| code.contains("TIMEDOUT") || code.contains("TIMEOUT"))
            || self.names.iter().any(|name| name.contains("Timeout"))
        {
            return Kind::Timeout;
        }
        let connects = |name: &String| {
            name.contains("Connection")
                || name.contains("Abort")
                || matches!(name.as_str(), "FetchError" | "SocketError")
        };
        if self.codes.iter().any(|code| is_system_code(code)) || self.names.iter().any(connects) {
            return Kind::Connection;
        }
        // undici's `fetch` says no more than this where the cause is not an error of its own.
        if self.message == "fetch failed" || self.message == "terminated" {
            return Kind::Connection;
        }
        Kind::InvalidResponse
    }
}

/// Whether a code is one of Node.js (`ECONNRESET`, `EAI_AGAIN`, `UND_ERR_SOCKET`, `CERT_HAS_EXPIRED`, …) and not the API's.
fn is_system_code(code: &str) -> bool {
    let upper = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    upper
        && ["E", "UND_ERR_", "CERT_", "ERR_TLS", "ERR_SSL", "DEPTH_ZERO", "SELF_SIGNED", "UNABLE_TO"]
            .iter()
            .any(|start| code.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Failure {
        Failure::status(Head { status, ..Head::default() }, body.to_owned())
    }

    #[test]
    fn every_status_has_the_kind_of_the_contract() {
        for (status, kind) in [
            (300, Kind::InvalidResponse),
            (302, Kind::InvalidResponse),
            (304, Kind::InvalidResponse),
            (400, Kind::BadRequest),
            (401, Kind::Auth),
            (402, Kind::BadRequest),
            (403, Kind::Auth),
            (404, Kind::NotFound),
            (405, Kind::BadRequest),
            (408, Kind::ServerError),
            (409, Kind::ServerError),
            (413, Kind::BadRequest),
            (422, Kind::BadRequest),
            (429, Kind::RateLimit),
            (451, Kind::BadRequest),
            (500, Kind::ServerError),
            (503, Kind::ServerError),
            (529, Kind::ServerError),
            (599, Kind::ServerError),
        ] {
            assert_eq!(answered(status, "{}").kind, kind, "{status}");
        }
    }

    #[test]
    fn an_error_code_says_more_than_a_4xx() {
        let body = |code: &str| format!(r#"{{"error":{{"message":"no","code":"{code}"}}}}"#);
        assert_eq!(answered(400, &body("context_length_exceeded")).kind, Kind::ContextLength);
        assert_eq!(answered(400, &body("content_filter")).kind, Kind::ContentFilter);
        assert_eq!(answered(400, &body("content_policy_violation")).kind, Kind::ContentFilter);
        assert_eq!(answered(400, &body("anything")).kind, Kind::BadRequest);
        assert_eq!(answered(500, &body("content_filter")).kind, Kind::ServerError);
        assert_eq!(answered(400, "<html>").kind, Kind::BadRequest);
        assert_eq!(answered(400, r#"{"error":{"code":5}}"#).kind, Kind::BadRequest);
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

    #[test]
    fn a_foreign_error_is_known_by_its_marks() {
        let with = |json: &str| serde_json::from_str::<ClientError>(json).unwrap().classify().kind;
        for (marks, kind) in [
            (r#"{"status":429,"names":["RateLimitError"]}"#, Kind::RateLimit),
            (r#"{"status":400,"codes":["context_length_exceeded"]}"#, Kind::ContextLength),
            (r#"{"status":500,"codes":["ECONNRESET"]}"#, Kind::ServerError),
            (r#"{"names":["APIConnectionTimeoutError","APIConnectionError"]}"#, Kind::Timeout),
            (r#"{"names":["APIConnectionError"],"codes":["ECONNREFUSED"]}"#, Kind::Connection),
            (r#"{"names":["APIConnectionError"],"codes":["ETIMEDOUT"]}"#, Kind::Timeout),
            (r#"{"names":["TypeError"],"message":"fetch failed"}"#, Kind::Connection),
            (r#"{"names":["AbortError"]}"#, Kind::Connection),
            (r#"{"names":["TypeError"],"message":"x is not a function"}"#, Kind::InvalidResponse),
            (r#"{"message":"a string was thrown"}"#, Kind::InvalidResponse),
        ] {
            assert_eq!(with(marks), kind, "{marks}");
        }
    }

    #[test]
    fn an_error_that_a_key_was_refused_with_says_nothing_of_the_upstream() {
        let marks = r#"{"status":500,"codes":["ECONNREFUSED"],"message":"the vault is closed","ticket":3}"#;
        let failure = serde_json::from_str::<ClientError>(marks).unwrap().without_key();
        assert_eq!((failure.kind, failure.surface, failure.ticket), (Kind::Auth, Surface::Client, Some(3)));
        assert_eq!((failure.status_code(), failure.code), (None, None));
    }

    #[test]
    fn every_kind_is_named_as_it_is_serialized() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }
}
