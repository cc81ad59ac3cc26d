//! Reading JSON without building a tree: members by their raw text.
//!
//! ECMAScript's `JSON.parse` is the reference for what is accepted: duplicate names (the last one counts), lone
//! surrogates, numbers out of range and any depth are all valid, so nothing is decoded unless it is needed.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// An object with more members than this is scanned for each look-up: a list of its members may take ten times its text.
const LISTED: usize = 1024;

/// The members of a JSON object, in order, as raw text. Reading it validates the whole text.
#[derive(Debug)]
pub struct Members<'a>(Kept<'a>);

#[derive(Debug)]
enum Kept<'a> {
    List(Vec<(&'a RawValue, &'a RawValue)>),
    /// The text of a valid object.
    Text(&'a str),
}

impl Default for Members<'_> {
    fn default() -> Self {
        Self(Kept::List(Vec::new()))
    }
}

impl<'a> Members<'a> {
    /// Reads an object of any size: one with very many members takes no more memory than one with few.
    ///
    /// # Errors
    /// The text is no JSON object.
    pub fn of(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let list = deserializer.deserialize_map(MembersVisitor { at_most: LISTED })?;
        deserializer.end()?;
        Ok(Self(list.map_or(Kept::Text(text), Kept::List)))
    }

    /// The members in their order; names with their quotes.
    pub fn iter(&self) -> impl Iterator<Item = (&'a RawValue, &'a RawValue)> + '_ {
        let (list, text) = match &self.0 {
            Kept::List(list) => (list.as_slice(), ""),
            Kept::Text(text) => (&[][..], *text),
        };
        list.iter().copied().chain(Scan { text, at: 0 }.filter_map(|(name, value)| Some((raw(name)?, raw(value)?))))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kept::List(list) if list.is_empty())
    }

    /// The value of a member: of several of that name, the last one counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.last(|key| is_quoted(key, name))
    }

    /// Like [`Members::get`], by the name as it stands in a text, with its quotes.
    #[must_use]
    pub fn get_quoted(&self, quoted: &str) -> Option<&'a RawValue> {
        self.last(|key| same_name(key, quoted))
    }

    /// The value of a member that is there and not `null`.
    #[must_use]
    pub fn get_non_null(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    fn last(&self, is_it: impl Fn(&str) -> bool) -> Option<&'a RawValue> {
        match &self.0 {
            Kept::List(list) => list.iter().rev().find(|(key, _)| is_it(key.get())).map(|(_, value)| *value),
            Kept::Text(text) => {
                let members = Scan { text, at: 0 };
                members.filter(|(key, _)| is_it(key)).last().and_then(|(_, value)| raw(value))
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = deserializer.deserialize_map(MembersVisitor { at_most: usize::MAX })?;
        Ok(Self(Kept::List(list.unwrap_or_default())))
    }
}

/// Lists the members of an object; `None` where there are too many.
struct MembersVisitor {
    at_most: usize,
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Option<Vec<(&'de RawValue, &'de RawValue)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(map.size_hint().unwrap_or(12));
        while let Some(member) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            if members.len() == self.at_most {
                while map.next_entry::<&'de RawValue, &'de RawValue>()?.is_some() {}
                return Ok(None);
            }
            members.push(member);
        }
        Ok(Some(members))
    }
}

/// The members of a valid object, found in its text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Scan<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let name = scalar_at(self.text, self.skip(b"{,")?);
        if !name.starts_with('"') {
            return None;
        }
        self.at += name.len();
        let value = value_at(self.text, self.skip(b":")?);
        self.at += value.len();
        Some((name, value))
    }
}

impl Scan<'_> {
    /// Skips blanks and these characters.
    fn skip(&mut self, over: &[u8]) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().position(|byte| !b" \t\r\n".contains(byte) && !over.contains(byte))?;
        Some(self.at)
    }
}

/// The value at the start of a valid text.
fn value_at(text: &str, from: usize) -> &str {
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at += scalar_at(text, at).len() - 1,
            _ if depth == 0 => return scalar_at(text, at),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    text.get(from..at).unwrap_or_default()
}

fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

/// Calls a function with each element of an array, in order, without a list of them, which would take many times the memory of their text.
/// Returns whether the value is an array.
pub fn each_element<'a>(array: &'a str, visit: impl FnMut(&'a RawValue)) -> bool {
    struct ElementsVisitor<F>(F);
    impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for ElementsVisitor<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
            while let Some(element) = array.next_element()? {
                (self.0)(element);
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(array);
    deserializer.deserialize_seq(ElementsVisitor(visit)).is_ok() && deserializer.end().is_ok()
}

/// Whether a valid value is an array that is not empty.
#[must_use]
pub fn is_filled_array(value: &str) -> bool {
    value.strip_prefix('[').is_some_and(|rest| !rest.trim_ascii_start().starts_with(']'))
}

/// The first element of an array, and how many it has; `None` where the value is no array, or an empty one.
#[must_use]
pub fn first_element(array: &str) -> Option<(&RawValue, usize)> {
    let (mut first, mut count) = (None, 0);
    let is_array = each_element(array, |element| {
        first.get_or_insert(element);
        count += 1;
    });
    first.filter(|_| is_array).map(|first| (first, count))
}

/// Whether `quoted`, a JSON string with its quotes, spells `name`.
#[must_use]
pub fn is_quoted(quoted: &str, name: &str) -> bool {
    let Some(inner) = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    // Most names differ in their first letter, and each call compares all of its body's names several times.
    match inner.bytes().zip(name.bytes()).find(|(own, of_name)| own != of_name || *own == b'\\') {
        Some((b'\\', _)) => serde_json::from_str::<String>(quoted).is_ok_and(|decoded| decoded == name),
        Some(_) => false,
        None => inner.len() == name.len(),
    }
}

/// Whether two JSON strings with their quotes spell the same name.
#[must_use]
pub fn same_name(one: &str, other: &str) -> bool {
    let decoded = |quoted: &str| serde_json::from_str::<String>(quoted).ok();
    one == other
        || ((one.contains('\\') || other.contains('\\')) && decoded(one).is_some_and(|one| decoded(other) == Some(one)))
}

/// A JSON string with its quotes, written without needless escapes; `None` where it cannot be decoded.
#[must_use]
pub fn canonical(quoted: &str) -> Option<String> {
    serde_json::from_str::<String>(quoted).ok().map(|name| string(&name))
}

/// The name that a JSON string with its quotes spells. One that cannot be decoded, for a lone surrogate, is its own text.
#[must_use]
pub fn name_of(quoted: &str) -> Cow<'_, str> {
    let Some(inner) = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return quoted.into() };
    if !inner.contains('\\') {
        return inner.into();
    }
    serde_json::from_str::<String>(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned)
}

/// A string as JSON text.
#[must_use]
pub fn string(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// Appends a string as JSON text.
pub fn push_string(out: &mut String, value: &str) {
    // Without a branch for each byte, so that the compiler can vectorize the loop.
    let needs_escape = |odd, byte: &u8| odd | (*byte < b' ') | (*byte == b'"') | (*byte == b'\\');
    if value.as_bytes().iter().fold(false, needs_escape) {
        out.push_str(&string(value));
        return;
    }
    out.push('"');
    out.push_str(value);
    out.push('"');
}

/// A JSON text in which every character that a header cannot carry is written as `\uXXXX`: what is not ASCII, and DEL,
/// which JSON leaves as it is.
#[must_use]
pub fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, '\0'..'\x7f') {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The text of a raw JSON string, or `None` where it is something else or cannot be decoded.
#[must_use]
pub fn decoded(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether any scalar of a value passes a test that gets the nearest member's name (with quotes, empty where there is none) and the
/// scalar as it is written. The value must be valid JSON. One pass without recursion, so its cost is linear at any depth.
pub fn any_scalar(value: &str, mut test: impl FnMut(&str, &str) -> bool) -> bool {
    // For each open object or array: whether it is an object, and its name.
    let mut open: Vec<(bool, &str)> = Vec::new();
    let (mut at, mut name, mut expects_name) = (0, "", false);
    while let Some(byte) = value.as_bytes().get(at) {
        match byte {
            b'{' | b'[' => {
                open.push((*byte == b'{', name));
                expects_name = *byte == b'{';
                at += 1;
            }
            b'}' | b']' => {
                name = open.pop().map_or("", |(_, name)| name);
                expects_name = false;
                at += 1;
            }
            b',' => {
                expects_name = open.last().is_some_and(|(is_object, _)| *is_object);
                at += 1;
            }
            b':' | b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            _ => {
                let scalar = scalar_at(value, at);
                if std::mem::take(&mut expects_name) {
                    name = scalar;
                } else if test(name, scalar) {
                    return true;
                }
                at += scalar.len().max(1);
            }
        }
    }
    false
}

/// The scalar at the start of a text, as it is written.
fn scalar_at(value: &str, at: usize) -> &str {
    let rest = value.get(at..).unwrap_or_default();
    let mut bytes = rest.bytes().enumerate();
    let end = if bytes.next().is_some_and(|(_, first)| first == b'"') {
        let mut is_escaped = false;
        bytes.find(|(_, byte)| {
            let ends = !is_escaped && *byte == b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            ends
        })
    } else {
        bytes.find(|(_, byte)| b",]} \t\r\n".contains(byte)).map(|(end, byte)| (end - 1, byte))
    };
    rest.get(..end.map_or(rest.len(), |(last, _)| last + 1)).unwrap_or(rest)
}

/// Whether a value has a scalar, at any depth, other than `null`, `false`, `0` and blank texts.
#[must_use]
pub fn has_truthy_scalar(value: &str) -> bool {
    any_scalar(value, |_, scalar| match scalar.as_bytes().first() {
        Some(b'n' | b'f') => false,
        Some(b'"') => !scalar.trim_matches('"').trim().is_empty(),
        Some(b't') => true,
        _ => scalar.parse::<f64>() != Ok(0.0),
    })
}

/// Decodes UTF-8 as the Encoding standard does: without a byte order mark, with U+FFFD for malformed bytes.
#[must_use]
pub fn text(mut bytes: Vec<u8>) -> String {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    lossy(bytes)
}

/// Decodes UTF-8 with U+FFFD for malformed bytes; valid text is not copied.
#[must_use]
pub fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn json_that_json_parse_accepts_is_read() {
        let deep = format!(r#"{{"d":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for text in [r#"{"a":1e400,"b":-0}"#, r#"{"\ud800":"\udfff"}"#, r#"{"a":1,"a":2}"#, deep.as_str()] {
            assert!(serde_json::from_str::<Members<'_>>(text).is_ok());
        }
    }

    #[test]
    fn the_last_of_two_members_counts() {
        let members: Members<'_> = serde_json::from_str(r#"{"a":1,"a":2,"\u0061b":3}"#).unwrap();
        assert_eq!(members.get("a").unwrap().get(), "2");
        assert_eq!(members.get("ab").unwrap().get(), "3");
        assert_eq!(members.get_quoted(r#""a\u0062""#).unwrap().get(), "3");
    }

    #[test]
    fn of_an_object_with_very_many_members_each_is_found() {
        let odd = r#""a\"{[":{"x":[1,{"y":"}]"}]} ,"\u0062" : "\\" , "c":[],"c":null,"d":-1.5e3,"e":"","f":{}"#;
        let many: String = (0..3 * LISTED).map(|number| format!(r#","n{number}":{number}"#)).collect();
        let text = format!(" {{ {odd}{many} , \"last\":true\n}} ");
        let members = Members::of(&text).unwrap();
        assert!(matches!(members.0, Kept::Text(_)));
        let listed: Members<'_> = serde_json::from_str(&text).unwrap();
        let texts = |members: &Members<'_>| {
            members.iter().map(|(name, value)| (name.get().to_owned(), value.get().to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(texts(&members), texts(&listed));
        for name in ["a\"{[", "b", "c", "d", "e", "f", "n0", "n3071", "last", "none"] {
            assert_eq!(members.get(name).map(RawValue::get), listed.get(name).map(RawValue::get), "{name}");
        }
        assert!(Members::of(&format!("{text}x")).is_err() && Members::of(&text[..text.len() - 3]).is_err());
        assert!(!members.is_empty() && Members::of("{}").unwrap().is_empty());
    }

    #[test]
    fn each_element_of_an_array_is_shown() {
        let elements = |text| {
            let mut elements = Vec::new();
            each_element(text, |element| elements.push(element.get())).then_some(elements)
        };
        assert_eq!(elements(r#"[1, {"a":[2]},"]" ,null]"#), Some(vec!["1", r#"{"a":[2]}"#, "\"]\"", "null"]));
        assert_eq!(elements("[]"), Some(vec![]));
        for text in ["{}", "[1", "[1]x", "1", ""] {
            assert_eq!(elements(text), None, "{text}");
        }
        assert_eq!(first_element("[7,8]").map(|(first, count)| (first.get(), count)), Some(("7", 2)));
        assert!(first_element("[]").is_none() && first_element("[7").is_none());
        assert!(is_filled_array("[ 7]") && !is_filled_array("[ ]") && !is_filled_array("7"));
    }

    #[test]
    fn an_escaped_name_equals_its_decoded_form() {
        assert!(is_quoted(r#""\u0078""#, "x"));
        assert!(!is_quoted(r#""\u0078""#, r"\u0078"));
        assert!(is_quoted(r#""\\u0078""#, r"\u0078"));
    }

    #[test]
    fn a_header_gets_ascii_only() {
        assert_eq!(ascii(r#"{"k":"é😀"}"#), r#"{"k":"\u00e9\ud83d\ude00"}"#);
        // DEL is ASCII, and not allowed in a header.
        assert_eq!(ascii("{\"k\":\"\x7f\"}"), r#"{"k":"\u007f"}"#);
    }

    proptest! {
        #[test]
        fn what_a_header_gets_fits_and_reads_back_as_the_same(name in any::<String>(), value in "[ -~\x7f\u{80}-\u{10ffff}\0-\x1f]*") {
            let json = Value::from_iter([(name, value)]);
            let header = ascii(&json.to_string());
            prop_assert!(header.is_ascii());
            prop_assert!(HeaderValue::from_str(&header).is_ok(), "{}", header);
            prop_assert_eq!(serde_json::from_str::<Value>(&header).unwrap(), json);
        }

        #[test]
        fn a_string_is_appended_as_serde_json_writes_it(before in "[a-z]{0,3}", value in any::<String>()) {
            let mut out = before.clone();
            push_string(&mut out, &value);
            prop_assert_eq!(out, before + &serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn members_are_those_that_a_tree_has(object in prop::collection::hash_map(any::<String>(), any::<Option<String>>(), 0..6)) {
            let text = serde_json::to_string(&object).unwrap();
            let members: Members<'_> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(members.iter().count(), object.len());
            for (name, value) in &object {
                prop_assert_eq!(&decoded(members.get(name).unwrap()), value);
                prop_assert_eq!(&decoded(members.get_quoted(&ascii(&string(name))).unwrap()), value);
            }
        }
    }

    #[test]
    fn emptiness_is_deep() {
        for nothing in
            ["null", "false", "0", "-0.0", "\"\"", "\" \"", "{}", "[]", r#"{"message":"","code":null,"x":[{"y":0}]}"#]
        {
            assert!(!has_truthy_scalar(nothing), "{nothing}");
        }
        for something in ["true", "1", "\"x\"", r#"{"a":[[{"b":"\\""}]]}"#, r#"["",{"a":"","b":-1}]"#] {
            assert!(has_truthy_scalar(something), "{something}");
        }
        let deep = format!("{}\"x\"{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(has_truthy_scalar(&deep));
    }

    proptest! {
        #[test]
        fn scalars_are_those_of_the_tree(texts in prop::collection::vec(any::<String>(), 0..5), number in any::<i32>()) {
            let tree = serde_json::json!({"a": texts, "b": {"c\"": [number, null, {"d": true}], "e": ""}});
            let mut seen = Vec::new();
            any_scalar(&tree.to_string(), |name, scalar| {
                seen.push((name.to_owned(), serde_json::from_str::<Value>(scalar).unwrap()));
                false
            });
            let mut expected: Vec<_> = texts.iter().map(|text| ("\"a\"".to_owned(), Value::from(text.as_str()))).collect();
            let name = r#""c\"""#.to_owned();
            expected.extend([(name.clone(), number.into()), (name, Value::Null), ("\"d\"".into(), true.into()), ("\"e\"".into(), "".into())]);
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn bytes_are_decoded_as_text_decoder_does() {
        assert_eq!(text(b"\xef\xbb\xbf{}".to_vec()), "{}");
        assert_eq!(text(b"a\xff\xe2\x82z".to_vec()), "a\u{fffd}\u{fffd}z");
    }
}
