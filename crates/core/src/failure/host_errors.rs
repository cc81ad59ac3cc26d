//! Classifies the error that a custom client threw by its codes, class names and message, with the [`ErrorTable`] of its language.

use std::num::NonZeroU16;

use serde::Deserialize;

use super::codes::ErrorBody;
use super::{Failure, Head, Kind, Surface};
use crate::text::headers;
use crate::text::secrets::Secrets;

/// The class names, codes and messages of errors in one language.
#[derive(Debug)]
pub struct ErrorTable {
    /// Parts of the class names of timeouts.
    pub timeout_names: &'static [&'static str],
    /// Parts of the codes of timeouts.
    pub timeout_codes: &'static [&'static str],
    /// Prefixes of the codes of a body that is no answer: a broken content encoding, or not the event stream that was requested.
    pub body_codes: &'static [&'static str],
    /// Parts of the class names of connection errors.
    pub connection_names: &'static [&'static str],
    /// Whole messages of connection errors that have neither code nor class.
    pub connection_messages: &'static [&'static str],
    /// Parts of the messages with which an HTTP client refuses a header. Such a message repeats the header, which may be a key.
    pub header_refusals: &'static [&'static str],
    /// Prefixes of system codes, as opposed to the API's.
    pub system_codes: &'static [&'static str],
    /// The system codes of requests for which no connection was made: the name, the address or the port answers nobody.
    pub unconnected_codes: &'static [&'static str],
}

/// The properties of an error that a custom client threw; the object itself stays with the host.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientError {
    /// The table of the host's language.
    #[serde(skip)]
    pub table: &'static ErrorTable,
    /// `error.status`, where it is a number.
    pub status: Option<u16>,
    /// The `code`s of the error and of its causes: the API's error code, or a system code.
    pub codes: Vec<String>,
    /// The names of the error's classes, the most derived first, then those of its causes.
    pub names: Vec<String>,
    /// `error.message`, or the thrown value as text.
    pub message: String,
    /// The message of its last cause, where it has one.
    pub reason: Option<String>,
    /// The response's body as far as the error object has it: `{ error }` as JSON, another JSON body, or a text.
    pub body: Option<String>,
    /// Response headers: those that say when to try again, and the request id; all of them for the host's own transport.
    pub headers: Vec<(String, String)>,
    /// Keys that the client used, to be redacted.
    pub secrets: Vec<String>,
    /// A key function of the caller failed, and no request was sent.
    pub keyless: bool,
    /// The number under which the host keeps the thrown value.
    pub ticket: u32,
}

pub(crate) fn secrets(keys: &[String]) -> Secrets {
    let mut secrets = Secrets::default();
    keys.iter().for_each(|key| secrets.add_key(key));
    secrets
}

/// Whether an HTTP client refused a header with this message, by the default table. Such a message repeats the header, which may be
/// a key.
#[must_use]
pub fn is_header_refusal(message: &str) -> bool {
    <&ErrorTable>::default().is_header_refusal(message)
}

impl ErrorTable {
    fn is_header_refusal(&self, message: &str) -> bool {
        self.header_refusals.iter().any(|part| message.contains(part))
    }

    /// Whether a code is a system code, and not the API's.
    fn is_system_code(&self, code: &str) -> bool {
        let upper = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        upper && self.system_codes.iter().any(|start| code.starts_with(start))
    }
}

impl ClientError {
    /// Replaces a message that repeats a header.
    fn without_header(mut self) -> Self {
        for message in std::iter::once(&mut self.message).chain(&mut self.reason) {
            if self.table.is_header_refusal(message) {
                "a header holds a character that HTTP does not allow".clone_into(message);
            }
        }
        self
    }

    /// The failure for the thrown error.
    #[must_use]
    pub fn classify(self) -> Failure {
        if self.keyless {
            return self.without_key();
        }
        let this = self.without_header();
        let parsed = this.parsed();
        let named_status = parsed.status.filter(|_| this.status.is_none()).and_then(NonZeroU16::new);
        let kind = this.kind(&parsed);
        let code = this.codes.iter().find(|code| this.table.is_system_code(code)).or(this.codes.first());
        let is_why = kind == Kind::Connection || this.is_body_error();
        let head = this.status.map(|status| {
            let list: headers::HeaderList = this.headers.into_iter().map(|(name, value)| (name, Some(value))).collect();
            Box::new(Head { status, headers: headers::of_response(&list), ..Head::default() })
        });
        let secrets = secrets(&this.secrets);
        let message = match this.status {
            // Some SDKs say "no body" for a body without `error`, so the body's own message is used.
            Some(status) if !this.message.contains(&parsed.message) => {
                format!("the upstream answered {status}: {}", parsed.message)
            }
            None if is_why => this.reason.unwrap_or(this.message),
            _ => this.message,
        };
        let failure = Failure::new(kind, Surface::Client, message);
        let is_unconnected = code.is_some_and(|code| this.table.unconnected_codes.contains(&code.as_str()));
        let code = code.map(|code| code.as_str().into());
        let ticket = Some(this.ticket);
        let failure = Failure { head, body: this.body, code, ticket, named_status, is_unconnected, ..failure };
        failure.redacted(&secrets)
    }

    /// Codes, message and status of the error, from its body and the error object.
    fn parsed(&self) -> ErrorBody {
        let mut parsed = self.body.as_deref().map(ErrorBody::of).unwrap_or_default();
        parsed.codes.extend(self.codes.iter().map(|code| code.to_lowercase()));
        if parsed.message.is_empty() {
            parsed.message.clone_from(&self.message);
        }
        parsed
    }

    /// Whether the error is about a body that is no answer.
    pub(crate) fn is_body_error(&self) -> bool {
        self.codes.iter().any(|code| self.table.body_codes.iter().any(|start| code.starts_with(start)))
    }

    /// The failure of a target whose key function threw: kind `auth`. Status and codes of the error are ignored, because the upstream
    /// got no request.
    #[must_use]
    pub fn without_key(self) -> Failure {
        let this = self.without_header();
        let secrets = secrets(&this.secrets);
        let failure = Failure::new(Kind::Auth, Surface::Client, this.message);
        Failure { ticket: Some(this.ticket), ..failure }.redacted(&secrets)
    }

    fn kind(&self, parsed: &ErrorBody) -> Kind {
        if let Some(status) = self.status.or(parsed.status) {
            return parsed.kind(status);
        }
        let has_code = |parts: &[&str]| self.codes.iter().any(|code| parts.iter().any(|part| code.contains(part)));
        let has_name = |parts: &[&str]| self.names.iter().any(|name| parts.iter().any(|part| name.contains(part)));
        let table = self.table;
        if has_code(table.timeout_codes) || has_name(table.timeout_names) {
            return Kind::Timeout;
        }
        if self.is_body_error() {
            return Kind::InvalidResponse;
        }
        if self.codes.iter().any(|code| table.is_system_code(code))
            || has_name(table.connection_names)
            || table.connection_messages.contains(&self.message.as_str())
        {
            return Kind::Connection;
        }
        Kind::InvalidResponse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_clients_error_is_classified_by_its_properties() {
        let with = |json: &str| serde_json::from_str::<ClientError>(json).unwrap().classify().kind;
        for (marks, kind) in [
            (r#"{"status":429,"names":["RateLimitError"]}"#, Kind::RateLimit),
            (r#"{"status":400,"codes":["context_length_exceeded"]}"#, Kind::ContextLength),
            (r#"{"status":500,"codes":["ECONNRESET"]}"#, Kind::ServerError),
            (r#"{"status":429,"codes":["insufficient_quota"]}"#, Kind::Quota),
            (r#"{"status":402}"#, Kind::Quota),
            (
                r#"{"status":400,"message":"400 prompt is too long: 210000 tokens > 200000 maximum"}"#,
                Kind::ContextLength,
            ),
            (r#"{"status":400,"body":"{\"error\":{\"type\":\"exceed_context_size_error\"}}"}"#, Kind::ContextLength),
            (r#"{"names":["APIError"],"body":"{\"error\":{\"code\":429}}"}"#, Kind::RateLimit),
            (r#"{"names":["APIConnectionTimeoutError","APIConnectionError"]}"#, Kind::Timeout),
            (r#"{"names":["APIConnectionError"],"codes":["ECONNREFUSED"]}"#, Kind::Connection),
            (r#"{"names":["APIConnectionError"],"codes":["ETIMEDOUT"]}"#, Kind::Timeout),
            (r#"{"names":["TypeError"],"message":"fetch failed"}"#, Kind::Connection),
            (r#"{"names":["TypeError"],"codes":["Z_DATA_ERROR"],"message":"terminated"}"#, Kind::InvalidResponse),
            (r#"{"names":["TypeError"],"codes":["ERR__ERROR_FORMAT_PADDING_1"]}"#, Kind::InvalidResponse),
            (r#"{"status":400,"body":"{\"message\":\"Input is too long.\"}"}"#, Kind::ContextLength),
            (r#"{"names":["AbortError"]}"#, Kind::Connection),
            (r#"{"names":["TypeError"],"message":"x is not a function"}"#, Kind::InvalidResponse),
            (r#"{"message":"a string was thrown"}"#, Kind::InvalidResponse),
        ] {
            assert_eq!(with(marks), kind, "{marks}");
        }
    }

    #[test]
    fn another_languages_errors_are_classified_by_its_own_table() {
        static PYTHON: ErrorTable = ErrorTable {
            timeout_names: &["TimeoutException"],
            timeout_codes: &[],
            body_codes: &[],
            connection_names: &["TransportError"],
            connection_messages: &["peer closed connection"],
            header_refusals: &["Illegal header value"],
            system_codes: &[],
            unconnected_codes: &[],
        };
        let thrown = |name: &str, message: &str| {
            let error = ClientError { table: &PYTHON, names: vec![name.to_owned()], ..ClientError::default() };
            ClientError { message: message.to_owned(), ..error }.classify()
        };
        assert_eq!(thrown("ReadTimeoutException", "").kind, Kind::Timeout);
        assert_eq!(thrown("TransportError", "").kind, Kind::Connection);
        assert_eq!(thrown("ValueError", "peer closed connection").kind, Kind::Connection);
        assert_eq!(thrown("ValueError", "fetch failed").kind, Kind::InvalidResponse);
        assert!(!thrown("ValueError", "Illegal header value b'sk-1'").message.contains("sk-1"));
    }

    #[test]
    fn a_refusal_of_a_header_repeats_nothing_of_it() {
        for message in [
            r#"Headers.append: "Bearer sk-1\n" is an invalid header value."#,
            "Cannot convert argument to a ByteString because the character at index 7 has a value of 8364: sk-1",
            r#"Header name must be a valid HTTP token ["sk-1"]"#,
        ] {
            let error = || ClientError { message: message.to_owned(), ..ClientError::default() };
            for failure in [error().classify(), error().without_key()] {
                assert_eq!(failure.message, "a header holds a character that HTTP does not allow");
            }
        }
    }

    #[test]
    fn the_message_is_that_of_the_upstream_or_of_the_connection() {
        let with = |json: &str| serde_json::from_str::<ClientError>(json).unwrap().classify().message;
        for (marks, message) in [
            (
                r#"{"status":418,"message":"418 status code (no body)","body":"{\"message\":\"a teapot\"}"}"#,
                "the upstream answered 418: a teapot",
            ),
            (
                r#"{"status":418,"message":"418 a teapot","body":"{\"error\":{\"message\":\"a teapot\"}}"}"#,
                "418 a teapot",
            ),
            (r#"{"status":418,"message":"418 status code (no body)"}"#, "418 status code (no body)"),
            (
                r#"{"names":["APIConnectionError"],"message":"Connection error.","reason":"connect ECONNREFUSED ::1:1"}"#,
                "connect ECONNREFUSED ::1:1",
            ),
            (r#"{"names":["TypeError"],"message":"x is undefined","reason":"why"}"#, "x is undefined"),
        ] {
            assert_eq!(with(marks), message, "{marks}");
        }
    }

    #[test]
    fn the_code_is_that_of_the_system_if_there_is_one() {
        let with = |json: &str| serde_json::from_str::<ClientError>(json).unwrap().classify().code;
        assert_eq!(with(r#"{"codes":["app_error","ECONNRESET"]}"#).as_deref(), Some("ECONNRESET"));
        assert_eq!(with(r#"{"codes":["app_error","rate_limit"]}"#).as_deref(), Some("app_error"));
    }

    #[test]
    fn the_status_of_the_error_wins_over_one_that_its_body_names() {
        let with = |json: &str| serde_json::from_str::<ClientError>(json).unwrap().classify().cause().status;
        assert_eq!(with(r#"{"status":500,"body":"{\"error\":{\"code\":429}}"}"#), Some(500));
        assert_eq!(with(r#"{"body":"{\"error\":{\"code\":429}}"}"#), Some(429));
    }

    #[test]
    fn the_status_and_codes_of_a_key_functions_error_are_ignored() {
        let marks = r#"{"status":500,"codes":["ECONNREFUSED"],"message":"the vault is closed","ticket":3}"#;
        let keyless = marks.replacen('{', r#"{"keyless":true,"#, 1);
        let classified = serde_json::from_str::<ClientError>(&keyless).unwrap().classify();
        assert_eq!((classified.kind, classified.status_code()), (Kind::Auth, None));
        let failure = serde_json::from_str::<ClientError>(marks).unwrap().without_key();
        assert_eq!((failure.kind, failure.surface, failure.ticket), (Kind::Auth, Surface::Client, Some(3)));
        assert_eq!((failure.status_code(), failure.code), (None, None));
    }
}
