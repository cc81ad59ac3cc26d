//! Headers are valid: tags and criteria are ASCII that decodes to the same, and a caller's headers are sent unaltered.
//!
//! Input: a text, used as JSON, as the string of a tag, and line by line as headers.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use openpipe_core::text::credentials;
use openpipe_core::text::headers::{self, HeaderList};
use openpipe_core::text::json;
use openpipe_core::options::tags_with_sdk;
use serde_json::{Map, Value};

fn fits_and_reads_back(text: &str) {
    let ascii = json::ascii(text);
    assert!(ascii.is_ascii());
    assert!(HeaderValue::from_str(&ascii).is_ok(), "{ascii:?}");
    let (before, after) = (serde_json::from_str::<Value>(text), serde_json::from_str::<Value>(&ascii));
    assert_eq!(before.ok(), after.ok());
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        assert_eq!(ascii, text);
    }
}

fuzz_target!(|input: &str| {
    if let Ok(value) = serde_json::from_str::<Value>(input) {
        fits_and_reads_back(&value.to_string());
    }
    let tag = Map::from_iter([(input.to_owned(), Value::from(input))]);
    fits_and_reads_back(&json::string(input));
    fits_and_reads_back(&tags_with_sdk(Some(&tag)));

    let list: HeaderList = input
        .lines()
        .map(|line| match line.split_once(':') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (line.to_owned(), None),
        })
        .collect();
    let mut map = HeaderMap::new();
    match headers::overlay(&mut map, &list) {
        // The value may be a key.
        Err(message) => assert!(message.starts_with("`headers`: ")),
        Ok(()) => {
            let written = serde_json::to_string(&headers::Pairs(&map)).unwrap();
            for (name, value) in serde_json::from_str::<Vec<(String, String)>>(&written).unwrap() {
                let given = list.iter().filter(|(given, _)| given.eq_ignore_ascii_case(&name));
                let mut values = given.filter_map(|(_, value)| Some(value.as_deref()?.trim()));
                assert!(values.any(|given| given == value), "{name}");
            }
            assert!(headers::without_credentials(&list).iter().all(|(name, _)| !credentials::is_credential(name)));
        }
    }
});
