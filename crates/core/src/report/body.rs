//! Writes a report: the body of `POST /report` for one target, or a line of a file.

use std::borrow::Cow;

use bytes::Bytes;

use crate::failure::Failure;
use crate::record::Attempt;
use crate::text::json::{self, Members};

/// The outcome of one target, for its report.
#[derive(Debug)]
pub enum TargetOutcome<'a> {
    /// A completion as JSON text; for a stream, merged.
    Completion(&'a str),
    /// A failure, and the part of a stream before it, merged, as JSON text.
    Failure(&'a Failure, Option<&'a str>),
    /// A stream that ended well, but is too long to be reported whole: the part that was kept.
    Truncated(&'a str),
    /// The caller left before the end. Holds the part of the stream before that.
    Aborted(Option<&'a str>),
}

/// The call and attempt of a line of a file.
#[derive(Debug)]
pub struct Place<'a> {
    /// The call's own id, the same for all of its attempts.
    pub call_id: &'a str,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The endpoint's name.
    pub endpoint: &'a str,
}

/// A unique id for a call, across processes.
#[must_use]
pub fn new_call_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// A line of a file, with its line break: the report, the call and the attempt.
#[must_use]
pub fn line(
    attempt: &Attempt,
    request: &[u8],
    ended: &TargetOutcome<'_>,
    received_at: u64,
    tags: &str,
    place: &Place<'_>,
) -> Bytes {
    let outcome = match ended {
        TargetOutcome::Completion(_) if attempt.rejected_by.is_some() => attempt.outcome,
        TargetOutcome::Completion(_) | TargetOutcome::Truncated(_) => "ok",
        TargetOutcome::Failure(failure, _) => failure.kind.name(),
        TargetOutcome::Aborted(_) => "aborted",
    };
    let mut line = Vec::from(body(attempt, request, ended, received_at, tags));
    line.pop();
    if let Some(by) = attempt.rejected_by {
        line.extend_from_slice(format!(",\"rejectedBy\":\"{by}\"").as_bytes());
    }
    let more = format!(
        ",\"upstream\":{},\"outcome\":\"{outcome}\",\"callId\":\"{}\",\"attempt\":{},\"endpoint\":\"{}\"}}\n",
        json::string(&attempt.upstream),
        place.call_id,
        place.attempt,
        place.endpoint
    );
    // A line break in JSON text can only be white space between tokens.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.extend_from_slice(more.as_bytes());
    Bytes::from(line)
}

/// The body of `POST /report` for one target.
#[must_use]
pub fn body(attempt: &Attempt, request: &[u8], ended: &TargetOutcome<'_>, received_at: u64, tags: &str) -> Bytes {
    let request = std::str::from_utf8(request).unwrap_or("null");
    let (payload, message) = match ended {
        TargetOutcome::Completion(text) => (Some(Cow::Borrowed(*text)), rejection(attempt)),
        TargetOutcome::Truncated(so_far) => {
            (Some(Cow::Borrowed(*so_far)), Some("the stream is too long to be reported whole".into()))
        }
        TargetOutcome::Aborted(so_far) => (so_far.map(Cow::Borrowed), Some("the caller left before the end".into())),
        TargetOutcome::Failure(failure, so_far) => {
            let error = failure.body.as_deref().and_then(error_member);
            let message = error.as_deref().and_then(error_message).unwrap_or_else(|| failure.message.clone());
            (so_far.map(Cow::Borrowed).or(error.map(Cow::Owned)), Some(message))
        }
    };
    let mut out = String::with_capacity(request.len() + payload.as_deref().map_or(0, str::len) + tags.len() + 512);
    out.push_str(&format!(
        "{{\"requestedAt\":{},\"receivedAt\":{received_at},\"reqPayload\":{request}",
        attempt.started_at
    ));
    let mut member = |name: &str, value: &str| {
        for part in [",\"", name, "\":", value] {
            out.push_str(part);
        }
    };
    if let Some(payload) = payload {
        member("respPayload", &payload);
    }
    if let Some(status) = attempt.status.or(message.is_none().then_some(200)) {
        member("statusCode", &status.to_string());
    }
    if let Some(message) = message {
        member("errorMessage", &json::string(&message));
    }
    member("tags", tags);
    out.push('}');
    Bytes::from(out)
}

/// The error message of an answer that `reject` refused.
fn rejection(attempt: &Attempt) -> Option<String> {
    let by = attempt.rejected_by?;
    Some(format!("{} ({by}): {}", attempt.outcome, attempt.message.as_deref().unwrap_or_default()))
}

fn error_member(body: &str) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(body).ok()?;
    members.get_non_null("error").map(|error| error.get().to_owned())
}

fn error_message(error: &str) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(error).ok()?;
    json::decoded(members.get("message")?)
}
