//! The start of a response: its status and headers.

use std::fmt::Write as _;

use http::HeaderMap;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::text::secrets::Secrets;
use crate::text::{headers, json};

/// The header with the id by which an upstream knows a request.
const REQUEST_ID: &str = "x-request-id";

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
        self.header(REQUEST_ID)
    }

    /// Redacts credentials of the request in that id, which the record of a call carries also where the answer is good.
    pub fn redact_request_id(&mut self, secrets: &Secrets) {
        if let Some(id) = self.headers.get_mut(REQUEST_ID)
            && let Some(redacted) = secrets.redact_header(id)
        {
            *id = redacted;
        }
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
