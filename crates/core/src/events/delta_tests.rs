use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::endpoint::chat;
use crate::text::json::Members;

/// What a stream says of each of its events, and the signs by which it is judged.
#[derive(Default)]
struct Teller {
    templates: Templates,
}

impl Teller {
    fn encode(&mut self, data: &str) -> String {
        let encoding = match self.templates.compare(data) {
            Some(alike) => {
                let signs = chat::signs(data).unwrap();
                assert_eq!((alike.content, alike.finishes), (signs.content, signs.finishes()), "{data}");
                assert!(signs.error.is_none() && signs.usage.is_none(), "{data}");
                Encoding::Texts(alike.texts)
            }
            None => match chat::signs(data) {
                Ok(signs) => chat::learn(&mut self.templates, data, &signs),
                // The stream ends with an event that is no JSON object.
                Err(_) => return String::new(),
            },
        };
        let mut told = String::new();
        Event { data: data.into(), encoding }.encode(&mut told);
        told
    }
}

/// Decodes the encoded events, as the host does.
#[derive(Default)]
struct Reader {
    chunk: Value,
    paths: Vec<Vec<Value>>,
}

impl Reader {
    fn read(&mut self, told: &str) -> Value {
        match serde_json::from_str(told).unwrap() {
            Value::String(text) => self.with(vec![Value::String(text)]),
            Value::Array(told) if !told[0].is_object() => self.with(told),
            Value::Array(told) => {
                self.chunk = told[0].clone();
                self.paths = serde_json::from_value(told[1].clone()).unwrap();
                assert!(!self.paths.is_empty());
                self.chunk.clone()
            }
            whole => whole,
        }
    }

    fn with(&self, texts: Vec<Value>) -> Value {
        assert_eq!(texts.len(), self.paths.len());
        let mut chunk = self.chunk.clone();
        for (path, text) in self.paths.iter().zip(texts) {
            let mut place = &mut chunk;
            for step in path {
                place = match step {
                    Value::String(name) => &mut place[name],
                    step => &mut place[usize::try_from(step.as_u64().unwrap()).unwrap()],
                };
            }
            // Some APIs number their events.
            assert!(place.is_string() || place.is_u64());
            *place = text;
        }
        chunk
    }
}

fn content(text: &str) -> String {
    format!(r#"{{"id":"x","choices":[{{"index":0,"delta":{{"content":{text}}},"finish_reason":null}}]}}"#)
}

fn told<const N: usize>(events: [&str; N]) -> [String; N] {
    let mut encoder = Teller::default();
    events.map(|event| encoder.encode(event))
}

#[test]
fn an_event_like_the_template_is_encoded_as_its_text() {
    let [first, second, third] = told([&content(r#""Hello""#), &content(r#"" \"w\u00e9 ""#), &content(r#""""#)]);
    assert_eq!(first, format!(r#"[{},[["choices",0,"delta","content"]]]"#, content(r#""Hello""#)));
    assert_eq!(second, r#"" \"w\u00e9 ""#);
    assert_eq!(third, r#""""#);
}

#[test]
fn an_event_of_another_shape_is_encoded_whole_and_later_ones_as_their_text() {
    let usage = r#"{"id":"x","choices":[],"usage":{"total_tokens":3}}"#;
    let [_, _, whole, last] = told([&content(r#""a""#), &content(r#""b""#), usage, &content(r#""c""#)]);
    assert_eq!(whole, usage);
    assert_eq!(last, r#""c""#);
}

#[test]
fn texts_are_encoded_in_the_order_of_the_data() {
    let event = |padding: &str, content: &str, reasoning: &str| {
        format!(
            r#"{{"obfuscation":"{padding}","choices":[{{"delta":{{"reasoning":"{reasoning}","content":"{content}"}}}}]}}"#
        )
    };
    let [first, second] = told([&event("p", "c", "r"), &event("P", "C", "R")]);
    let paths = r#"[["obfuscation"],["choices",0,"delta","reasoning"],["choices",0,"delta","content"]]"#;
    assert!(first.ends_with(&format!(",{paths}]")), "{first}");
    assert_eq!(second, r#"["P","R","C"]"#);
}

#[test]
fn pieces_of_the_arguments_of_a_tool_call_are_texts() {
    let event = |piece: &str| {
        format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{piece}"}}}}]}}}}]}}"#)
    };
    let [first, second] = told([&event(""), &event(r#"{\"x"#)]);
    assert!(first.ends_with(r#",[["choices",0,"delta","tool_calls",0,"function","arguments"]]]"#), "{first}");
    assert_eq!(second, r#""{\"x""#);
}

#[test]
fn an_event_that_differs_outside_of_the_slots_does_not_match() {
    let other = content(r#""b""#).replace("\"x\"", "\"y\"");
    let [_, second] = told([&content(r#""a""#), &other]);
    assert!(second.starts_with(&format!("[{other},")), "{second}");
}

#[test]
fn a_slot_without_a_valid_string_does_not_match() {
    let mut templates = Templates::default();
    let first = content(r#""a""#);
    assert!(matches!(chat::learn(&mut templates, &first, &chat::signs(&first).unwrap()), Encoding::Template(_)));
    for text in [
        "null",
        "1",
        r#"""#,
        r#""a"b""#,
        "\"a\nb\"",
        "\"\u{1f}\"",
        r#""\x""#,
        r#""\u00g0""#,
        r#""\u00""#,
        r#""\"#,
        r#""a" "#,
        r#" "a""#,
        r#"["a"]"#,
    ] {
        assert!(templates.compare(&content(text)).is_none(), "{text}");
    }
    for text in [r#""\"\\\/\b\f\n\r\t\u00Ea""#, r#""\ud800""#, "\"\u{7f}é😀\""] {
        assert!(templates.compare(&content(text)).is_some(), "{text}");
    }
}

#[test]
fn an_event_without_slots_is_not_a_template() {
    for event in [
        r#"{"choices":[{"delta":{"content":null}}]}"#,
        r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
        r#"{"choices":[{"delta":null}]}"#,
        r#"{"choices":[]}"#,
        r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
        r#"{"choices":{"0":{"delta":{"content":"a"}}}}"#,
        r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"total_tokens":1}}"#,
        r#"{"content":"a"}"#,
        r#"{}"#,
    ] {
        assert_eq!(told([event]), [event]);
    }
}

#[test]
fn a_large_event_is_not_a_template_but_may_match_one() {
    let large = content(&format!("\"{}\"", "x".repeat(MAX_TEMPLATE_BYTES)));
    assert_eq!(told([&large]), [large.as_str()]);
    let [_, second] = told([&content(r#""a""#), &large]);
    assert_eq!(second.len(), MAX_TEMPLATE_BYTES + 2);
}

#[test]
fn after_templates_that_match_nothing_no_more_are_made() {
    let mut encoder = Teller::default();
    let mut odd = |number: u32| encoder.encode(&content(r#""a""#).replace("\"x\"", &format!("\"{number}\"")));
    let first: Vec<bool> = (0..8).map(|number| odd(number).starts_with('[')).collect();
    assert_eq!(first, [true, true, true, true, false, false, false, false]);
    // What is like the last one still is.
    assert_eq!(odd(3), r#""a""#);
    assert!(odd(9).starts_with('['));
}

#[test]
fn of_two_members_with_one_name_the_last_is_the_slot() {
    let event = |first: &str, last: &str| {
        format!(r#"{{"choices":[{{"delta":{{"content":"{first}","cont\u0065nt":"{last}"}}}}]}}"#)
    };
    let [_, second, third] = told([&event("a", "b"), &event("a", "c"), &event("x", "c")]);
    assert_eq!(second, r#""c""#);
    assert!(third.starts_with('['), "{third}");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z \u{e9}\u{1f600}]{0,6}".prop_map(|text| Value::from(text).to_string()),
        1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        1 => prop::sample::select(vec!["null", "1", "[]", "{}", "\"\\u00e9\"", "\"\\x\"", "\"", "{\"a\":[\"b\"]}", ""])
            .prop_map(str::to_owned),
    ]
}

/// Events as they may follow each other in a stream: few kinds, and what varies does so at random.
fn event() -> impl Strategy<Value = String> {
    let shapes = vec![
        r#"{"id":"x","choices":[{"index":0,"delta":{"content":A},"finish_reason":null}]}"#,
        r#"{"id":"x","choices":[{"index":0,"delta":{"content":A},"finish_reason":"stop"}],"obfuscation":B}"#,
        r#"{"id":"x","obfuscation":B,"choices":[{"index":0,"delta":{"content":A},"finish_reason":null}]}"#,
        r#"{"choices":[{"delta":{"role":"assistant","content":A,"reasoning":B,"extra":{"a":[1,{}]}}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":A}}],"content":B}}]}"#,
        r#"{"choices":[{"delta":{"refusal":A,"thinking":B,"reasoning_content":A,"reasoning":B,"content":A}}]}"#,
        r#"{"choices":[{"delta":{"content":A,"content":B}}]}"#,
        r#"{"choices":[{"delta":{"content":A}}],"choices":[{"delta":{"content":B}}]}"#,
        r#"{"choices":[{"delta":{"content":A}}],"usage":B}"#,
        r#"{"choices":[{"delta":{"content":A},"delta":B}],"error":null}"#,
    ];
    (prop::sample::select(shapes), text(), text())
        .prop_map(|(shape, a, b)| shape.replace('A', "\u{1}").replace('B', &b).replace('\u{1}', &a))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn decoding_gives_the_same_events(events in prop::collection::vec(event(), 0..40)) {
        let (mut encoder, mut reader) = (Teller::default(), Reader::default());
        for event in &events {
            let told = encoder.encode(event);
            if told.is_empty() {
                prop_assert!(serde_json::from_str::<Members<'_>>(event).is_err());
                continue;
            }
            // A `Value` cannot hold every text that a host can: no lone surrogate.
            if let Ok(expected) = serde_json::from_str::<Value>(event) {
                let read = reader.read(&told);
                prop_assert_eq!(&read, &expected);
                prop_assert_eq!(read.to_string(), expected.to_string());
            }
        }
    }
}

#[test]
fn an_event_is_written_with_a_field_for_each_line_of_its_data() {
    let mut text = String::new();
    for data in [r#"{"a":1}"#, "{\n\"b\":2}"] {
        Event { data: data.to_owned(), encoding: Encoding::Whole }.write_sse(false, &mut text);
    }
    assert_eq!(text, "data: {\"a\":1}\n\ndata: {\ndata: \"b\":2}\n\n");
}
