//! Redaction: the credentials of a request, found in a text that repeats them (contract.md, section 6).

use std::ops::Range;

use base64::Engine as _;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;
use reqwest::Url;

use super::credentials::is_credential;
use super::headers;
use super::unescape::Level;

/// The credentials of a request, to be redacted in its failures: some upstreams repeat the key that they refuse.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// Unescaped, in lower case.
    needles: Vec<String>,
}

/// The longest id of a response that is taken for a plain one, in bytes: OpenAI's have 36, a hash in hexadecimal has 64.
const LONGEST_PLAIN_ID: usize = 64;
/// In characters. A shorter value is not taken for a key: it may be an ordinary word.
const SHORTEST_KEY: usize = 6;
/// The same for each value of a credential with several values.
const SHORTEST_PIECE: usize = 8;
/// The same for a password of a URL or a proxy.
const SHORTEST_PASSWORD: usize = 4;
/// How many layers of escapes are removed: JSON within JSON within a URL.
const MAX_LEVELS: usize = 4;

impl Secrets {
    /// The credentials in a set of headers: the key of `Bearer KEY`, the password of `Basic …`.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut secrets = Self::default();
        for (_, value) in headers.iter().filter(|(name, _)| is_credential(name.as_str())) {
            secrets.add_header(&headers::text(value));
        }
        secrets
    }

    /// The credentials of a request: in its headers, the password of its URL, and query parameters that are credentials.
    #[must_use]
    pub fn of_request(headers: &HeaderMap, url: &Url) -> Self {
        let mut secrets = Self::of(headers);
        secrets.add_url(url);
        secrets
    }

    /// Adds a credential of any form.
    pub fn add_key(&mut self, key: &str) {
        self.add(key, SHORTEST_KEY);
    }

    /// Adds the credentials of a URL.
    pub fn add_url(&mut self, url: &Url) {
        self.add(url.password().unwrap_or_default(), SHORTEST_PASSWORD);
        for (name, value) in url.query_pairs().filter(|(name, _)| is_credential(name)) {
            let _ = name;
            self.add(&value, SHORTEST_KEY);
        }
    }

    /// Adds a user's password as text and as the Base64 of `Basic` authentication.
    pub fn add_login(&mut self, user: &str, password: &str) {
        self.add(password, SHORTEST_PASSWORD);
        let both = format!("{user}:{password}");
        self.add(&base64::engine::general_purpose::STANDARD.encode(&both), SHORTEST_KEY);
        self.add(&both, SHORTEST_KEY);
    }

    fn add_header(&mut self, value: &str) {
        self.add(value, SHORTEST_KEY);
        let Some((scheme, rest)) = value.split_once(' ') else { return self.add_pieces(value) };
        self.add(rest, SHORTEST_KEY);
        let login =
            scheme.eq_ignore_ascii_case("basic").then(|| base64::engine::general_purpose::STANDARD.decode(rest.trim()));
        if let Some((user, password)) = login
            .and_then(Result::ok)
            .and_then(|login| String::from_utf8(login).ok())
            .as_deref()
            .and_then(|login| login.split_once(':'))
        {
            self.add_login(user, password);
        }
        self.add_pieces(value);
    }

    /// Adds each value of a credential that is a list of names and values: a cookie, a signature.
    fn add_pieces(&mut self, value: &str) {
        for piece in value.split([' ', ';', ',', '=']) {
            self.add(piece.trim_matches('"'), SHORTEST_PIECE);
        }
    }

    fn add(&mut self, secret: &str, shortest: usize) {
        let secret = secret.trim();
        if secret.chars().count() < shortest {
            return;
        }
        let mut level = Level::of(secret);
        self.push(level.text.clone());
        for _ in 0..MAX_LEVELS {
            let Some(below) = level.unescaped() else { break };
            level = below;
        }
        // Where an upstream repeats the bytes of a key that is not UTF-8, they are decoded to U+FFFD.
        let unreadable: String =
            level.text.chars().map(|character| if character.is_ascii() { character } else { '\u{fffd}' }).collect();
        self.push(unreadable);
        self.push(level.text);
    }

    fn push(&mut self, needle: String) {
        if !self.needles.contains(&needle) {
            self.needles.push(needle);
        }
    }

    /// Replaces each credential in the text by `***`, in every spelling: as it is, in other case, with the escapes of JSON, URLs or HTML,
    /// also nested. Returns whether there was one. The cost is linear in the text.
    pub fn redact(&self, text: &mut String) -> bool {
        if self.needles.is_empty() || text.is_empty() {
            return false;
        }
        let mut found = Vec::new();
        let mut level = Level::of(text);
        for _ in 0..MAX_LEVELS {
            self.find_in(&level, &mut found);
            let Some(below) = level.unescaped() else { break };
            level = below;
        }
        self.find_in(&level, &mut found);
        let holds_one = !found.is_empty();
        if holds_one {
            *text = without(text, found);
        }
        holds_one
    }

    /// The redacted value of a header; `None` where it holds no credential.
    #[must_use]
    pub fn redact_header(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let mut redacted = headers::text(value).into_owned();
        self.redact(&mut redacted).then(|| headers::header_value(&redacted).unwrap_or(HeaderValue::from_static("***")))
    }

    fn find_in(&self, level: &Level, found: &mut Vec<Range<usize>>) {
        for needle in &self.needles {
            for at in memmem::find_iter(level.text.as_bytes(), needle.as_bytes()) {
                found.push(level.source(at..at + needle.len()));
            }
        }
    }
}

/// Whether a response's id may repeat one of these keys: true of an id that is no plain number, hash or UUID, and of one that has the end
/// of a key. A cheap test for the ids of good answers, which is made before [`Secrets`] are.
pub fn may_repeat<'a>(id: &str, mut keys: impl Iterator<Item = &'a [u8]>) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let ends_in = |key: &[u8]| {
        let end = &key[key.len().saturating_sub(SHORTEST_KEY)..];
        end.len() == SHORTEST_KEY && id.as_bytes().windows(SHORTEST_KEY).any(|window| window.eq_ignore_ascii_case(end))
    };
    id.len() > LONGEST_PLAIN_ID || !id.bytes().all(is_plain) || keys.any(ends_in)
}

/// The text with `***` in place of these ranges.
fn without(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_unstable_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let (mut result, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        if range.start >= at {
            result.push_str(text.get(at..range.start).unwrap_or_default());
            result.push_str("***");
        }
        at = at.max(range.end);
    }
    result.push_str(text.get(at..).unwrap_or_default());
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(secrets: &Secrets, text: impl Into<String>) -> String {
        let mut text = text.into();
        secrets.redact(&mut text);
        text
    }

    #[test]
    fn the_credentials_of_headers_are_redacted() {
        let mut headers = HeaderMap::new();
        let given = [
            ("authorization", Some("Bearer sk-0123456789".to_owned())),
            ("x-api-key", Some("key-of-another".to_owned())),
            ("x-a", Some("innocent words".to_owned())),
        ];
        headers::overlay(&mut headers, &given.map(|(name, value)| (name.to_owned(), value)).to_vec()).unwrap();
        let text = "sk-0123456789 and key-of-another are no good, Bearer: innocent words".to_owned();
        assert_eq!(redacted(&Secrets::of(&headers), text), "*** and *** are no good, Bearer: innocent words");
    }

    fn secrets(keys: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        keys.iter().for_each(|key| secrets.add_key(key));
        secrets
    }

    #[test]
    fn a_key_is_found_in_every_spelling() {
        let secrets = secrets(&["sk-Ab/cd<ef=gh,\u{e9}"]);
        for spelled in [
            "sk-Ab/cd<ef=gh,\u{e9}",
            "sk-ab/cd<ef=gh,\u{e9}",
            "SK-AB/CD<EF=GH,\u{c9}",
            "sk-Ab\\/cd\\u003cef=gh,\\u00e9",
            "sk-Ab\\\\/cd\\\\u003Cef=gh,\\\\u00E9",
            "sk-Ab%2Fcd%3cef%3Dgh%2C%C3%A9",
            "sk-Ab%2Fcd%3cef%3Dgh%2C%E9",
            "sk-Ab%252Fcd%253cef%253Dgh%252C%25C3%25A9",
            "sk-Ab/cd&lt;ef=gh,&#xE9;",
            "sk-Ab/cd<ef=gh,\u{fffd}",
        ] {
            assert_eq!(redacted(&secrets, format!("key \"{spelled}\" is wrong")), "key \"***\" is wrong", "{spelled}");
        }
        let words = r"sk-Ab is 5 % of \u0041 & more".to_owned();
        assert_eq!(redacted(&secrets, words.clone()), words);
    }

    #[test]
    fn a_login_is_found_as_text_and_as_base64() {
        let mut headers = HeaderMap::new();
        let login = base64::engine::general_purpose::STANDARD.encode("user:pa55:w");
        headers.insert("proxy-authorization", HeaderValue::try_from(format!("Basic {login}")).unwrap());
        let text = format!("Basic {login}, user:pa55:w, PA55%3aw");
        assert_eq!(redacted(&Secrets::of(&headers), text), "***, ***, ***");
    }

    #[test]
    fn the_credentials_of_a_url_are_found() {
        let url = Url::parse("https://u:hunter2@h.test/v1?api-version=2024-01-01&api-key=0123%2F456").unwrap();
        let secrets = Secrets::of_request(&HeaderMap::new(), &url);
        let redacted = redacted(&secrets, format!("{url} hunter2 0123/456"));
        assert_eq!(redacted, "https://u:***@h.test/v1?api-version=2024-01-01&api-key=*** *** ***");
    }

    #[test]
    fn an_id_that_is_plain_and_has_no_end_of_a_key_repeats_none() {
        let may = |id: &str| may_repeat(id, ["Bearer sk-0123456789", "short"].into_iter().map(str::as_bytes));
        assert!(
            ["req_0af7651916cd43dd8448eb211c80319c", "1f0c2e9a-88aa-4c1e-9f0e-1b2c3d4e5f60", "short", ""]
                .iter()
                .all(|id| !may(id))
        );
        assert!(["sk-0123456789", "SK-0123456789-1", "sk%2D0", "a b", &"a".repeat(65)].iter().all(|id| may(id)));
    }

    #[test]
    fn a_header_value_of_any_bytes_is_redacted() {
        let secrets = secrets(&["k\u{e9}y-0123"]);
        let value = HeaderValue::from_bytes(b"Bearer k\xe9y-0123").unwrap();
        assert_eq!(secrets.redact_header(&value).unwrap(), "Bearer ***");
        assert!(secrets.redact_header(&HeaderValue::from_static("Bearer")).is_none());
    }

    #[test]
    fn a_text_too_short_for_a_key_is_left() {
        assert_eq!(redacted(&secrets(&["test"]), "a test"), "a test");
    }

    /// A character in one of the spellings that an upstream may use.
    fn spelled(character: char, how: u8) -> String {
        let mut bytes = [0; 4];
        match how {
            0 => format!("\\u{:04x}", u32::from(character)),
            1 => format!("\\u{:04X}", u32::from(character)),
            2 => character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect(),
            3 => character.to_uppercase().collect(),
            4 => character.to_lowercase().collect(),
            5 if character == '/' => "\\/".to_owned(),
            6 => format!("&#{};", u32::from(character)),
            _ => character.to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_key_is_left(
            key in "[a-zA-Z0-9/+=,._~<>-]{8,40}",
            how in proptest::collection::vec(0..9u8, 40),
            before in "[ a-z:\"{]{0,20}",
            after in "[ .\"}]{0,20}",
        ) {
            let spelling: String = key.chars().zip(how).map(|(character, how)| spelled(character, how)).collect();
            let redacted = redacted(&secrets(&[&key]), format!("{before}{spelling}{after}"));
            prop_assert_eq!(redacted, format!("{}***{}", before, after));
        }

        #[test]
        fn a_text_without_a_key_is_left(text in "\\PC{0,200}") {
            prop_assert_eq!(redacted(&secrets(&["sk-0123456789-0123456789"]), text.clone()), text);
        }
    }
}
