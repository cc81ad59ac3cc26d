//! The headers of a request: what a caller wrote, checked, and what of it may go where.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};

/// Headers as JavaScript hands them over; `None` removes one. Of one name the first replaces, the others append.
pub type HeaderList = Vec<(String, Option<String>)>;

/// Lays a list over a set of headers, as the SDK lays per-call headers over its own.
///
/// # Errors
/// Says which header is not allowed in HTTP: a name that is no token, a value with CR, LF or NUL, or with characters
/// beyond Latin-1. A value is never repeated in the message, as it may be a key.
pub fn overlay(headers: &mut HeaderMap, list: &HeaderList) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in list {
        let header: HeaderName =
            name.parse().map_err(|_| format!("`headers`: {} is not a valid HTTP header name", short(name)))?;
        let Some(value) = value else {
            headers.remove(&header);
            continue;
        };
        let value = header_value(value).ok_or_else(|| {
            format!("`headers`: the value of {name:?} holds a character that HTTP does not allow (CR, LF, NUL, or one beyond Latin-1)")
        })?;
        if seen.iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
            headers.append(header, value);
        } else {
            headers.insert(header, value);
            seen.push(name);
        }
    }
    Ok(())
}

/// A header's name as a message may repeat it: what is long, or has more than one word, may be a value in the wrong place.
fn short(name: &str) -> String {
    if name.len() <= 32 && !name.trim().contains(' ') { format!("{name:?}") } else { "a name".to_owned() }
}

/// A JavaScript byte string as a header's value: one byte for each character.
pub(crate) fn header_value(value: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        value.trim().chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    let mut value = HeaderValue::from_bytes(&bytes?).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Headers as JavaScript takes them, pairs of name and value: a header's bytes become the characters of the same code, as in
/// the Fetch standard's byte strings.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a>(pub &'a HeaderMap);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(name, value)| (name.as_str(), text(value))))
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Whether a header proves who somebody is. Such a one goes to the upstream it was written for and nowhere else
/// (contract.md, section 2).
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let name = if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) };
    ["authorization", "cookie", "secret", "password", "credential"].iter().any(|part| name.contains(part))
        || ["api-key", "apikey", "api_key", "-token", "-auth", "subscription-key"].iter().any(|end| name.ends_with(end))
}

/// The credentials of a request, to be found in what is told of its failure: some upstreams repeat the key that they refuse.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<String>);

/// What is shorter is no key, and may well be a word.
const SHORTEST_SECRET: usize = 8;

impl Secrets {
    /// Those in a set of headers; of `Bearer KEY` the key.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let credentials = headers.iter().filter(|(name, _)| is_credential(name.as_str()));
        let texts = credentials.filter_map(|(_, value)| std::str::from_utf8(value.as_bytes()).ok());
        let parts = texts.flat_map(|text| text.split([' ', ';', ',', '=']).map(str::trim));
        Self(parts.filter(|part| part.len() >= SHORTEST_SECRET).map(str::to_owned).collect())
    }

    /// The text, with `***` for each of them.
    #[must_use]
    pub fn redact(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
    }
}

/// The same list without what is meant for one upstream only.
#[must_use]
pub fn without_credentials(list: &HeaderList) -> HeaderList {
    list.iter().filter(|(name, _)| !is_credential(name)).cloned().collect()
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
    fn secrets_are_found_in_a_text() {
        let mut headers = HeaderMap::new();
        let given = [
            ("authorization", Some("Bearer sk-0123456789")),
            ("x-api-key", Some("key-of-another")),
            ("x-a", Some("innocent words")),
        ];
        overlay(&mut headers, &list(&given)).unwrap();
        let text = "sk-0123456789 and key-of-another are no good, Bearer: innocent words".to_owned();
        assert_eq!(Secrets::of(&headers).redact(text), "*** and *** are no good, Bearer: innocent words");
    }

    #[test]
    fn a_value_in_the_place_of_a_name_is_not_repeated() {
        for name in ["Bearer sk-0123456789", "sk-\u{20ac}-0123456789012345678901234567890123456789"] {
            let message = overlay(&mut HeaderMap::new(), &list(&[(name, Some("1"))])).unwrap_err();
            assert!(!message.contains("0123456789"), "{message}");
        }
    }

    #[test]
    fn credentials_are_known_by_their_names() {
        for name in
            ["Authorization", "api-key", "X-API-Key", "cookie", "Proxy-Authorization", "x-goog-api-key", "x-auth-token"]
        {
            assert!(is_credential(name), "{name}");
        }
        for name in ["idempotency-key", "x-request-id", "openai-organization", "x-trace", "traceparent"] {
            assert!(!is_credential(name), "{name}");
        }
    }
}
