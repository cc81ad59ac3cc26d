//! The delta encoding of any stream decodes to the same events; an event that matches a template has the signs of the parsed event; and
//! merging the deltas gives the same completion as merging the events.
//!
//! Input: events, one per line. Each line is also used as a text for the slots of a template.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openpipe_core::endpoint::chat;
use openpipe_core::endpoint::Merge as _;
use openpipe_core::endpoint::chat::merge::{Merge, Shape};
use openpipe_core::events::delta::{Event, Encoding, Templates};
use serde_json::Value;
use serde_json::value::RawValue;

/// A stream's next event; `None` where it ends the stream.
fn event(templates: &mut Templates, data: &str) -> Option<Event> {
    let signs = chat::signs(data);
    let encoding = match templates.compare(data) {
        Some(alike) => {
            let signs = signs.as_ref().expect("what is like a chunk is one");
            assert_eq!((alike.content, alike.finishes), (signs.content, signs.finishes()), "{data}");
            assert!(signs.error.is_none() && signs.usage.is_none(), "{data}");
            Encoding::Texts(alike.texts)
        }
        None => chat::learn(templates, data, &signs.ok()?),
    };
    Some(Event { data: data.into(), encoding })
}

/// Decodes like `lib/call/delta.js`; `None` for JSON that serde_json's tree cannot hold, such as a lone surrogate.
#[derive(Default)]
struct Reader {
    template: Option<(Value, Vec<Vec<Value>>)>,
}

impl Reader {
    fn read(&mut self, told: &str) -> Option<Value> {
        let texts = match serde_json::from_str(told).ok()? {
            Value::String(text) => vec![Value::String(text)],
            Value::Array(texts) if texts[0].is_string() => texts,
            Value::Array(template) => {
                let paths = serde_json::from_value(template[1].clone()).expect("paths");
                self.template = Some((template[0].clone(), paths));
                return Some(template[0].clone());
            }
            whole => return Some(whole),
        };
        let (chunk, paths) = self.template.as_ref()?;
        assert_eq!(texts.len(), paths.len());
        let mut chunk = chunk.clone();
        for (path, text) in paths.iter().zip(texts) {
            let place = path.iter().fold(&mut chunk, |place, step| match step {
                Value::String(name) => &mut place[name],
                step => &mut place[step.as_u64().expect("an index") as usize],
            });
            assert!(place.is_string());
            *place = text;
        }
        Some(chunk)
    }
}

fn same_events<'a>(events: impl IntoIterator<Item = &'a str>) {
    let (mut templates, mut reader) = (Templates::default(), Reader::default());
    let (mut whole, mut by_news) = (Merge::new(Shape::Delta), Merge::new(Shape::Delta));
    for data in events {
        let Some(event) = event(&mut templates, data) else { break };
        whole.add_chunk(data);
        by_news.add(&event);
        let mut told = String::new();
        event.encode(&mut told);
        assert!(serde_json::from_str::<&RawValue>(&told).is_ok(), "{told}");
        let expected = serde_json::from_str::<Value>(data);
        match (reader.read(&told), expected) {
            (Some(read), Ok(expected)) => assert_eq!(read.to_string(), expected.to_string()),
            // A template that the tree cannot hold is no template for the reader either.
            (None, _) if told.starts_with('[') && !told.starts_with("[\"") => reader.template = None,
            _ => {}
        }
    }
    assert_eq!(whole.completion(), by_news.completion());
}

fuzz_target!(|input: &str| {
    same_events(input.lines());
    let events: Vec<String> = input
        .lines()
        .map(|text| format!(r#"{{"choices":[{{"delta":{{"content":"{text}","role":"a"}}}}],"obfuscation":"{text}"}}"#))
        .collect();
    same_events(events.iter().map(String::as_str));
});
