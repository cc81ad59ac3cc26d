//! Credentials: which headers hold one, and how one is found in a text that repeats it (contract.md, sections 2 and 6).

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;
use reqwest::Url;

use super::headers;

/// Whether a header, or a parameter of a query, may prove who somebody is. Such a one goes to the upstream that it was written for
/// and nowhere else; when in doubt, it does not go.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let name = lower(name);
    is_lasting(&name) || is_of_one_call(&name)
}

/// Whether a header is a credential that stays the same from call to call, so that it identifies an account.
#[must_use]
pub fn is_account(name: &str) -> bool {
    let name = lower(name);
    is_lasting(&name) && !is_of_one_call(&name)
}

/// Credentials that are made anew for a session or a request, by what their names hold.
fn is_of_one_call(name: &str) -> bool {
    const ANYWHERE: [&str; 5] = ["session", "signature", "jwt", "assertion", "ticket"];
    const PARTS: [&str; 10] = ["sig", "sid", "sign", "signed", "otp", "totp", "dpop", "nonce", "mfa", "hmac"];
    holds(name, &ANYWHERE) || parts(name).any(|part| PARTS.contains(&part))
}

fn is_lasting(name: &str) -> bool {
    const ANYWHERE: [&str; 14] = [
        "authoriz",
        "authent",
        "cookie",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "credential",
        "bearer",
        "token",
        "principal",
        "userinfo",
        "access-code",
    ];
    const PARTS: [&str; 17] = [
        "authn",
        "authz",
        "pass",
        "passw",
        "pwd",
        "cred",
        "creds",
        "sas",
        "cert",
        "certificate",
        "saml",
        "identity",
        "claims",
        "vk",
        "pin",
        "login",
        "oauth2",
    ];
    holds(name, &ANYWHERE)
        || parts(name).any(|part| PARTS.contains(&part) || is_auth(part) || part.starts_with("passw"))
        || has_key(name)
}

/// `auth`, `oauth`, `authkey`, but not `author`.
fn is_auth(part: &str) -> bool {
    part.ends_with("auth") || (part.starts_with("auth") && !part.starts_with("author"))
}

/// Whether a name is that of a key, in any version, and of one that opens something: an idempotency key must go along.
fn has_key(name: &str) -> bool {
    const OPEN_NOTHING: [&str; 12] = [
        "idempotency",
        "idempotence",
        "cache",
        "routing",
        "partition",
        "shard",
        "affinity",
        "dedup",
        "deduplication",
        "correlation",
        "surrogate",
        "sort",
    ];
    const WORDS: [&str; 4] = ["monkey", "turkey", "hotkey", "whiskey"];
    let mut before = "";
    for part in parts(name) {
        let is_key = part == "key" || part == "keys" || (part.ends_with("key") && !WORDS.contains(&part));
        if is_key && !(part.starts_with("key") && OPEN_NOTHING.contains(&before)) {
            return true;
        }
        before = part;
    }
    false
}

/// The words of a name.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|part| !part.is_empty())
}

fn lower(name: &str) -> Cow<'_, str> {
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) }
}

/// Whether a name holds one of these. A search of `str` gets ready for a long text first, which a name is not.
fn holds(name: &str, parts: &[&str]) -> bool {
    let name = name.as_bytes();
    (0..name.len())
        .any(|at| parts.iter().any(|part| name[at] == part.as_bytes()[0] && name[at..].starts_with(part.as_bytes())))
}

/// The credentials of a request, which are redacted in its failures: some upstreams repeat the key that they refuse.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// In their normal form: unescaped, in small letters.
    needles: Vec<String>,
}

/// What is shorter is no key, and may well be a word.
const SHORTEST_KEY: usize = 6;
/// So for a piece of a credential that holds several.
const SHORTEST_PIECE: usize = 8;
/// A password is known to be one.
const SHORTEST_PASSWORD: usize = 4;
/// A text within a text within a text: as often as escapes are taken off.
const MAX_LEVELS: usize = 4;

impl Secrets {
    /// Those in a set of headers; of `Bearer KEY` the key, of `Basic …` the password.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut secrets = Self::default();
        for (_, value) in headers.iter().filter(|(name, _)| is_credential(name.as_str())) {
            secrets.add_header(&headers::text(value));
        }
        secrets
    }

    /// Those of a request: its headers', and its URL's, the password and the parameters that are credentials.
    #[must_use]
    pub fn of_request(headers: &HeaderMap, url: &Url) -> Self {
        let mut secrets = Self::of(headers);
        secrets.add_url(url);
        secrets
    }

    /// Adds a credential of which nothing else is known.
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

    /// Adds what a proxy is sent, in words and coded.
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

    /// A cookie, a signature and their like are lists of names and values.
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
        // A key that is not UTF-8 is read as U+FFFD where its bytes are repeated.
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

    /// The text, with `***` for each of them, however it is spelled: as it is, in other case, with JSON's, a URL's or HTML's escapes,
    /// also in a text within the text. The cost is linear in the text.
    #[must_use]
    pub fn redact(&self, text: String) -> String {
        if self.needles.is_empty() || text.is_empty() {
            return text;
        }
        let mut found = Vec::new();
        let mut level = Level::of(&text);
        for _ in 0..MAX_LEVELS {
            self.find_in(&level, &mut found);
            let Some(below) = level.unescaped() else { break };
            level = below;
        }
        self.find_in(&level, &mut found);
        if found.is_empty() { text } else { without(&text, found) }
    }

    /// A header's value, redacted.
    #[must_use]
    pub fn redact_header(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let text = headers::text(value);
        let redacted = self.redact(text.clone().into_owned());
        (redacted != text).then(|| headers::header_value(&redacted).unwrap_or(HeaderValue::from_static("***")))
    }

    fn find_in(&self, level: &Level, found: &mut Vec<Range<usize>>) {
        for needle in &self.needles {
            for at in memmem::find_iter(level.text.as_bytes(), needle.as_bytes()) {
                found.push(level.source(at..at + needle.len()));
            }
        }
    }
}

/// The text with `***` in the place of these ranges.
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

/// A text in small letters, with the place in the source of each of its bytes.
struct Level {
    text: String,
    /// Where the character that a byte belongs to begins in the source; then the source's length.
    starts: Vec<u32>,
}

impl Level {
    fn of(source: &str) -> Self {
        let mut level = Self::with_capacity(source.len());
        for (at, character) in source.char_indices() {
            level.push(character, u32::try_from(at).unwrap_or(u32::MAX));
        }
        level.starts.push(u32::try_from(source.len()).unwrap_or(u32::MAX));
        level
    }

    fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), starts: Vec::with_capacity(bytes + 1) }
    }

    fn push(&mut self, character: char, start: u32) {
        let before = self.text.len();
        // One character stays one, so that no part of one is ever a match.
        self.text.push(character.to_lowercase().next().unwrap_or(character));
        self.starts.extend(std::iter::repeat_n(start, self.text.len() - before));
    }

    fn source(&self, range: Range<usize>) -> Range<usize> {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or_default() as usize;
        at(range.start)..at(range.end)
    }

    /// The same with one layer of escapes taken off; `None` where it has none.
    fn unescaped(&self) -> Option<Self> {
        memchr::memchr3(b'\\', b'%', b'&', self.text.as_bytes())?;
        let mut result = Self::with_capacity(self.text.len());
        let (mut at, mut has_changed) = (0, false);
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let start = self.starts.get(at).copied().unwrap_or_default();
            let Some((characters, length)) = escape(rest) else {
                let Some(character) = rest.chars().next() else { break };
                result.push(character, start);
                at += character.len_utf8();
                continue;
            };
            has_changed = true;
            // All characters of one run of escapes have its place: what is found in it is redacted with the whole of it.
            characters.chars().for_each(|character| result.push(character, start));
            at += length;
        }
        result.starts.push(self.starts.last().copied().unwrap_or_default());
        has_changed.then_some(result)
    }
}

/// The characters that a text's first escape stands for, and its length.
fn escape(text: &str) -> Option<(String, usize)> {
    match text.as_bytes().first()? {
        b'\\' => json_escape(text),
        b'%' => percent_escape(text),
        b'&' => html_escape(text),
        _ => None,
    }
}

fn json_escape(text: &str) -> Option<(String, usize)> {
    let next = text.get(1..)?.chars().next()?;
    if next != 'u' {
        return matches!(next, '/' | '\\' | '"' | '\'').then(|| (next.to_string(), 2));
    }
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let first = unit(0)?;
    if let Some(second) = unit(6).filter(|_| (0xd800..0xdc00).contains(&first)) {
        let both = char::decode_utf16([first, second]).next()?.ok()?;
        return Some((both.to_string(), 12));
    }
    char::from_u32(u32::from(first)).map(|character| (character.to_string(), 6))
}

/// The bytes of one character, in UTF-8 or, where they are not UTF-8, in Latin-1.
fn percent_escape(text: &str) -> Option<(String, usize)> {
    let byte = |index: usize| {
        let digits = text.get(3 * index..3 * index + 3)?.strip_prefix('%')?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
    };
    let first = byte(0)?;
    let bytes: Vec<u8> = (0..4).map_while(byte).collect();
    for length in 1..=bytes.len() {
        if let Some(character) = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            return Some((character.to_owned(), 3 * length));
        }
    }
    Some((char::from(first).to_string(), 3))
}

fn html_escape(text: &str) -> Option<(String, usize)> {
    let end = text.bytes().take(10).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((character.to_string(), end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        assert_eq!(Secrets::of(&headers).redact(text), "*** and *** are no good, Bearer: innocent words");
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
            assert_eq!(secrets.redact(format!("key \"{spelled}\" is wrong")), "key \"***\" is wrong", "{spelled}");
        }
        let words = r"sk-Ab is 5 % of \u0041 & more".to_owned();
        assert_eq!(secrets.redact(words.clone()), words);
    }

    #[test]
    fn a_login_is_found_coded_and_in_words() {
        let mut headers = HeaderMap::new();
        let login = base64::engine::general_purpose::STANDARD.encode("user:pa55:w");
        headers.insert("proxy-authorization", HeaderValue::try_from(format!("Basic {login}")).unwrap());
        let text = format!("Basic {login}, user:pa55:w, PA55%3aw");
        assert_eq!(Secrets::of(&headers).redact(text), "***, ***, ***");
    }

    #[test]
    fn the_credentials_of_a_url_are_found() {
        let url = Url::parse("https://u:hunter2@h.test/v1?api-version=2024-01-01&api-key=0123%2F456").unwrap();
        let secrets = Secrets::of_request(&HeaderMap::new(), &url);
        let redacted = secrets.redact(format!("{url} hunter2 0123/456"));
        assert_eq!(redacted, "https://u:***@h.test/v1?api-version=2024-01-01&api-key=*** *** ***");
    }

    #[test]
    fn a_value_of_a_header_is_redacted_whatever_its_bytes() {
        let secrets = secrets(&["k\u{e9}y-0123"]);
        let value = HeaderValue::from_bytes(b"Bearer k\xe9y-0123").unwrap();
        assert_eq!(secrets.redact_header(&value).unwrap(), "Bearer ***");
        assert!(secrets.redact_header(&HeaderValue::from_static("Bearer")).is_none());
    }

    #[test]
    fn what_is_too_short_to_be_a_key_is_left() {
        assert_eq!(secrets(&["test"]).redact("a test".to_owned()), "a test");
    }

    /// A character as somebody may have written it.
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
            let redacted = secrets(&[&key]).redact(format!("{before}{spelling}{after}"));
            prop_assert_eq!(redacted, format!("{}***{}", before, after));
        }

        #[test]
        fn any_text_is_left_that_holds_no_key(text in "\\PC{0,200}") {
            prop_assert_eq!(secrets(&["sk-0123456789-0123456789"]).redact(text.clone()), text);
        }
    }

    #[test]
    fn credentials_are_known_by_their_names() {
        for name in [
            "Authorization",
            "api-key",
            "X-API-Key",
            "x_api_key",
            "apikey",
            "cookie",
            "Proxy-Authorization",
            "x-goog-api-key",
            "ocp-apim-subscription-key",
            "x-auth-token",
            "x-amz-security-token",
            "token",
            "Token",
            "auth",
            "x-auth",
            "key",
            "x-auth-key",
            "x-functions-key",
            "x-portkey-virtual-key",
            "x-access-key",
            "x-litellm-key",
            "x-user-key",
            "x_user_key",
            "x-license-key",
            "x-bf-vk",
            "access-code",
            "x-jwt",
            "cf-access-jwt-assertion",
            "CF-Access-Client-Secret",
            "session",
            "x-session-id",
            "x-goog-signature",
            "x-amz-signature",
            "Signature-Input",
            "x-hub-signature-256",
            "x-sig",
            "helicone-auth",
            "x-authentication",
            "x-authn",
            "x-authz",
            "x-auth-info",
            "x-passwd",
            "x-pwd",
            "x-token-v2",
            "x-tokens",
            "x-otp",
            "x-ticket",
            "x-saml-assertion",
            "x-creds",
            "x-account-sas",
            "DPoP",
            "x-forwarded-client-cert",
            "x-ms-client-principal",
            "x-api-key-v2",
            "x-key-2",
            "x-oauth2",
            "x_auth_user",
            "authkey",
            "x-apikeys.main-key",
        ] {
            assert!(is_credential(name), "{name}");
        }
    }

    #[test]
    fn other_headers_are_no_credentials() {
        for name in [
            "idempotency-key",
            "Idempotency-Key",
            "x-idempotency-key",
            "x_idempotency_key",
            "x-cache-key",
            "helicone-cache-key",
            "x-routing-key",
            "x-partition-key",
            "x-dedup-key",
            "x-request-id",
            "x-client-request-id",
            "cf-access-client-id",
            "openai-organization",
            "openai-project",
            "openai-beta",
            "x-stainless-retry-count",
            "x-trace",
            "x-trace-id",
            "x-team",
            "x-stainless-timeout",
            "x-forwarded-for",
            "x-idempotency-key-v2",
            "traceparent",
            "baggage",
            "content-type",
            "user-agent",
            "x-author",
            "x-keyboard",
            "x-monkey",
            "",
        ] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn what_differs_from_call_to_call_identifies_no_account() {
        for name in ["authorization", "x-api-key", "X-Access-Key", "cookie"] {
            assert!(is_account(name), "{name}");
        }
        for name in ["x-session-id", "x-amz-signature", "x-jwt", "x-request-id"] {
            assert!(!is_account(name), "{name}");
        }
    }
}
