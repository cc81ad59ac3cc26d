//! The headers of a request: what a caller wrote, checked, and what of it may go where.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};

use super::credentials;

/// Headers as a host hands them over; `None` removes one. Of one name the first replaces, the others append.
pub type HeaderList = Vec<(String, Option<String>)>;

/// Applies a call's headers over the request's own, by the rules of OpenAI's clients. What is the transport's own affair
/// is left out ([`is_transports`]).
///
/// # Errors
/// Says which header is not allowed in HTTP: a name that is no token, a value with CR, LF or NUL, or with characters
/// beyond Latin-1. A value is never repeated in the message, as it may be a key.
pub fn overlay(headers: &mut HeaderMap, list: &HeaderList) -> Result<(), String> {
    lay(headers, list, is_transports)
}

/// The headers of a response that the host received, up to the first that is malformed.
#[must_use]
pub fn of_response(list: &HeaderList) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let _ = lay(&mut headers, list, |_, _| false);
    headers
}

fn lay(headers: &mut HeaderMap, list: &HeaderList, is_left_out: fn(&str, &str) -> bool) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
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
        if seen.iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
            headers.append(header, value);
        } else {
            headers.insert(header, value);
            seen.push(name);
        }
    }
    Ok(())
}

/// Whether a request's header is for the transport to set and nobody else, and so is left out wherever the request goes: one
/// that frames the message or concerns this one connection, as a gateway has them that hands its own request's headers on. Given
/// to HTTP they would cut the body, leave the server waiting for more of it, or name another host. `name` is in small letters.
#[must_use]
pub fn is_transports(name: &str, value: &str) -> bool {
    match name {
        "host" | "content-length" | "transfer-encoding" | "connection" | "keep-alive" | "proxy-connection"
        | "upgrade" | "http2-settings" | "expect" | "te" | "trailer" => true,
        // One that asks for what cannot be decoded here.
        "accept-encoding" => !value.split(',').all(|coding| {
            let coding = coding.split(';').next().unwrap_or_default().trim();
            ["gzip", "x-gzip", "deflate", "br", "zstd", "identity", ""]
                .iter()
                .any(|known| coding.eq_ignore_ascii_case(known))
        }),
        _ => false,
    }
}

/// A header's name as a message may repeat it: what is long, or has more than one word, may be a value in the wrong place.
fn short(name: &str) -> String {
    if name.len() <= 32 && !name.trim().contains(' ') { format!("{name:?}") } else { "a name".to_owned() }
}

/// A byte string (one character for each byte) as a header's value.
pub fn header_value(value: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        value.trim().chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    let mut value = HeaderValue::from_bytes(&bytes?).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Headers as a host takes them, pairs of name and value: a header's bytes become the characters of the same code, as in
/// the Fetch standard's byte strings.
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

/// The same list without what the transport sets ([`is_transports`]): what a custom client is given.
#[must_use]
pub fn without_transports(mut list: HeaderList) -> HeaderList {
    list.retain(|(name, value)| !is_transports(&name.to_ascii_lowercase(), value.as_deref().unwrap_or_default()));
    list
}

/// The same list without what is meant for one upstream only.
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
    fn what_http_forbids_is_named_without_the_value() {
        for value in ["a\r\nx: y", "a\nb", "a\0b", "\u{20ac}"] {
            let message = overlay(&mut HeaderMap::new(), &list(&[("x-note", Some(value))])).unwrap_err();
            assert!(message.contains("\"x-note\"") && !message.contains(value), "{message}");
        }
        assert!(overlay(&mut HeaderMap::new(), &list(&[("sp ace", Some("1"))])).is_err());
    }

    #[test]
    fn latin1_is_one_byte_a_character() {
        let mut headers = HeaderMap::new();
        overlay(&mut headers, &list(&[("x", Some("caf\u{e9}"))])).unwrap();
        assert_eq!(headers["x"].as_bytes(), b"caf\xe9");
    }

    #[test]
    fn a_value_in_the_place_of_a_name_is_not_repeated() {
        for name in ["Bearer sk-0123456789", "sk-\u{20ac}-0123456789012345678901234567890123456789"] {
            let message = overlay(&mut HeaderMap::new(), &list(&[(name, Some("1"))])).unwrap_err();
            assert!(!message.contains("0123456789"), "{message}");
        }
    }

    #[test]
    fn what_frames_a_message_or_names_its_host_is_left_out() {
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
        assert_eq!(without_transports(given), list(&[("x-kept", Some("1"))]));
    }

    #[test]
    fn what_is_left_out_must_be_well_formed_all_the_same() {
        assert!(overlay(&mut HeaderMap::new(), &list(&[("host", Some("a\r\nx: y"))])).is_err());
    }

    #[test]
    fn only_encodings_that_are_decoded_are_asked_for() {
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
    fn the_headers_of_a_response_are_all_told() {
        let told = of_response(&list(&[("Connection", Some("close")), ("accept-encoding", Some("*"))]));
        assert_eq!(told.len(), 2);
    }
}
