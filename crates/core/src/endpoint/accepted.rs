//! Whether a response is a good answer: the answer, or the reason why it is not one.

use serde_json::value::RawValue;

use super::carried;
use crate::failure::codes::ErrorBody;
use crate::failure::{Failure, Head, Kind};
use crate::text::json::Members;

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
    pub(super) message: String,
    /// The error in it.
    pub(super) error: Option<String>,
    /// The kind of failure that the error's code means.
    pub(super) kind: Option<Kind>,
}

impl Refusal {
    pub(super) fn because(message: impl Into<String>) -> Self {
        Self { message: message.into(), error: None, kind: None }
    }

    /// A refusal with this message, and with the error message that the object has, if any.
    pub(super) fn saying(message: &str, text: &str) -> Self {
        let message_in_body = ErrorBody::of(text).message;
        Self::because(if message_in_body.is_empty() {
            message.to_owned()
        } else {
            format!("{message}: {message_in_body}")
        })
    }

    /// The refusal of a response with an error in it. `body` is an object with the member `error`, or the error itself.
    pub(super) fn error(body: String) -> Self {
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
pub(super) fn object(text: &str) -> Result<Members<'_>, Refusal> {
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
