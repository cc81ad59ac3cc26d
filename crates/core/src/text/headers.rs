//! The headers of a request: checks of the caller's headers, and which of them each target gets.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};

use super::credentials;

/// Headers as a host gives them; `None` removes one. Of several with one name the first replaces the header, the others append to it.
pub type HeaderList = Vec<(String, Option<String>)>;

/// Applies a call's headers over the request's own, by the rules of OpenAI's clients. Headers that the transport sets are left out
/// ([`is_set_by_transport`]).
///
/// # Errors
/// Names the header that HTTP does not allow: its name is not a token, or its value has CR, LF, NUL or a character beyond Latin-1.
/// The message does not contain the value, which may be a key. Or says that there are more headers than a request can have (24,576).
pub fn overlay(headers: &mut HeaderMap, list: &HeaderList) -> Result<(), String> {
    apply(headers, list, is_set_by_transport)
}

/// The headers of a response that the host received, up to the first that is malformed.
#[must_use]
pub fn of_response(list: &HeaderList) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let _ = apply(&mut headers, list, |_, _| false);
    headers
}

fn apply(headers: &mut HeaderMap, list: &HeaderList, is_left_out: fn(&str, &str) -> bool) -> Result<(), String> {
    let mut seen: HeaderMap<()> = HeaderMap::default();
    for (name, value) in list {
        let header: HeaderName =
            name.parse().map_err(|_| format!("`headers`: {} is not a valid HTTP header name", short(name)))?;
        let Some(value) = value else {
            headers.remove(&header);
            continue;
        };
        let is_left_out = is_left_out(header.as_str(), value);
        let value = header_value(value).ok_or_else(|| {
            format!("`headers`: the value of {name:?} holds a character that HTTP does not allow (CR, LF, NUL, or one beyond Latin-1)")
        })?;
        if is_left_out {
            continue;
        }
        // A `HeaderMap` has a maximum size, beyond which the methods without `try` panic.
        let added = match seen.try_insert(header.clone(), ()) {
            Ok(None) => headers.try_insert(header, value).map(drop),
            Ok(Some(())) => headers.try_append(header, value).map(drop),
            Err(error) => Err(error),
        };
        added.map_err(|_| format!("`headers`: there are too many ({})", list.len()))?;
    }
    Ok(())
}

/// Whether a header is set by the transport only, so that a caller's value is left out: framing headers, hop-by-hop headers and
/// `host`. A gateway may copy them from its own request; they would truncate the body, make the server wait for more, or name another
/// host. `name` is in lower case.
#[must_use]
pub fn is_set_by_transport(name: &str, value: &str) -> bool {
    match name {
        "host" | "content-length" | "transfer-encoding" | "connection" | "keep-alive" | "proxy-connection"
        | "upgrade" | "http2-settings" | "expect" | "te" | "trailer" => true,
        // Left out if it accepts an encoding that this crate cannot decode.
        "accept-encoding" => !value.split(',').all(|coding| {
            let coding = coding.split(';').next().unwrap_or_default().trim();
            ["gzip", "x-gzip", "deflate", "br", "zstd", "identity", ""]
                .iter()
                .any(|known| coding.eq_ignore_ascii_case(known))
        }),
        _ => false,
    }
}

/// A header's name for a message. A long one, or one of several words, may be a value in the wrong place, so it is not repeated.
fn short(name: &str) -> String {
    if name.len() <= 32 && !name.trim().contains(' ') { format!("{name:?}") } else { "a name".to_owned() }
}

/// A byte string (one character for each byte) as a header's value; `None` where it has a character that HTTP does not allow.
pub fn header_value(value: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        value.trim().chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    let mut value = HeaderValue::from_bytes(&bytes?).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Headers as a host takes them, pairs of name and value as byte strings: one character for each byte, as in the Fetch standard.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a>(pub &'a HeaderMap);

impl Pairs<'_> {
    /// The same as a list.
    #[must_use]
    pub fn list(self) -> HeaderList {
        self.0.iter().map(|(name, value)| (name.as_str().to_owned(), Some(text(value).into_owned()))).collect()
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(name, value)| (name.as_str(), text(value))))
    }
}

/// A header's value as a byte string: one character for each byte.
pub(crate) fn text(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The same list without the headers that the transport sets ([`is_set_by_transport`]): for custom clients.
#[must_use]
pub fn without_transport_headers(mut list: HeaderList) -> HeaderList {
    list.retain(|(name, value)| !is_set_by_transport(&name.to_ascii_lowercase(), value.as_deref().unwrap_or_default()));
    list
}

/// The same list without credentials, which are meant for one upstream only.
#[must_use]
pub fn without_credentials(list: &HeaderList) -> HeaderList {
    list.iter().filter(|(name, _)| !credentials::is_credential(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(&str, Option<&str>)]) -> HeaderList {
        entries.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn a_list_replaces_appends_and_removes() {
        let mut headers = HeaderMap::new();
        overlay(&mut headers, &list(&[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))])).unwrap();
        overlay(&mut headers, &list(&[("A", Some("2")), ("a", Some("3")), ("b", None)])).unwrap();
        let a: Vec<_> = headers.get_all("a").iter().collect();
        assert_eq!(a, ["2", "3"]);
        assert!(!headers.contains_key("b"));
        assert_eq!(headers["c"], "1");
    }

    #[test]
    fn an_error_names_the_header_that_http_forbids_and_not_its_value() {
        for value in ["a\r\nx: y", "a\nb", "a\0b", "\u{20ac}"] {
            let message = overlay(&mut HeaderMap::new(), &list(&[("x-note", Some(value))])).unwrap_err();
            assert!(message.contains("\"x-note\"") && !message.contains(value), "{message}");
        }
        assert!(overlay(&mut HeaderMap::new(), &list(&[("sp ace", Some("1"))])).is_err());
    }

    #[test]
    fn more_headers_than_a_request_can_have_are_refused() {
        let many: HeaderList = (0..25_000).map(|number| (format!("x-{number}"), Some("1".to_owned()))).collect();
        let message = overlay(&mut HeaderMap::new(), &many).unwrap_err();
        assert_eq!(message, "`headers`: there are too many (25000)");
    }

    #[test]
    fn a_latin1_character_is_one_byte() {
        let mut headers = HeaderMap::new();
        overlay(&mut headers, &list(&[("x", Some("caf\u{e9}"))])).unwrap();
        assert_eq!(headers["x"].as_bytes(), b"caf\xe9");
    }

    #[test]
    fn an_error_does_not_repeat_a_value_in_the_place_of_a_name() {
        for name in ["Bearer sk-0123456789", "sk-\u{20ac}-0123456789012345678901234567890123456789"] {
            let message = overlay(&mut HeaderMap::new(), &list(&[(name, Some("1"))])).unwrap_err();
            assert!(!message.contains("0123456789"), "{message}");
        }
    }

    #[test]
    fn headers_that_frame_a_message_or_name_its_host_are_left_out() {
        let given = [
            ("Host", "other.example"),
            ("Content-Length", "5"),
            ("transfer-encoding", "chunked"),
            ("Connection", "upgrade"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("Upgrade", "websocket"),
            ("expect", "100-continue"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("x-kept", "1"),
        ];
        let given: HeaderList = given.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).to_vec();
        let mut headers = HeaderMap::new();
        overlay(&mut headers, &given).unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-kept"]);
        assert_eq!(without_transport_headers(given), list(&[("x-kept", Some("1"))]));
    }

    #[test]
    fn a_header_that_is_left_out_must_be_well_formed_as_well() {
        assert!(overlay(&mut HeaderMap::new(), &list(&[("host", Some("a\r\nx: y"))])).is_err());
    }

    #[test]
    fn only_encodings_that_can_be_decoded_are_accepted() {
        for (value, is_kept) in [
            ("identity", true),
            ("GZIP;q=0.5, br", true),
            ("gzip, deflate, br, zstd", true),
            ("", true),
            ("compress", false),
            ("gzip, dcb", false),
            ("*", false),
        ] {
            let mut headers = HeaderMap::new();
            overlay(&mut headers, &list(&[("Accept-Encoding", Some(value))])).unwrap();
            assert_eq!(headers.contains_key("accept-encoding"), is_kept, "{value}");
        }
    }

    #[test]
    fn a_host_gets_all_headers_of_a_response() {
        let told = of_response(&list(&[("Connection", Some("close")), ("accept-encoding", Some("*"))]));
        assert_eq!(told.len(), 2);
    }
}
