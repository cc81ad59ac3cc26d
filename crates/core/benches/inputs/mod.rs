//! What is measured, by `cargo bench` and by the guard: the shapes and sizes of real traffic, the same in every run.

use openpipe_core::endpoint::Endpoint;
use openpipe_core::endpoint::chat;
use openpipe_core::endpoint::chat::merge::{Merge, Shape};
use openpipe_core::events::delta::{Encoding, Event, Templates};
use openpipe_core::events::sse::{Decoder, SseEvent};
use openpipe_core::text::json;
use serde_json::{Value, json};

/// Text as a model writes it: words, an escape now and then, and a little that is not ASCII.
fn prose(bytes: usize) -> String {
    "It's \"quoted\" text,\nwith a line end, naïve words – and a number: 1234567890. "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

/// A chat completion request of about so many bytes.
#[must_use]
pub(crate) fn request(bytes: usize) -> String {
    let messages: Vec<Value> =
        (0..bytes / 500 + 1).map(|_| json!({"role": "user", "content": prose(bytes.min(400))})).collect();
    json!({"model": "openpipe:my-ft-model", "messages": messages, "temperature": 0.5, "max_tokens": 256, "stream": true,
        "metadata": {"prompt_id": "counting"}, "tools": [{"type": "function", "function": {"name": "f",
        "parameters": {"type": "object", "properties": {"x": {"type": "number"}}}}}]})
    .to_string()
}

/// The chunks of a stream that writes a token with each.
#[must_use]
pub(crate) fn chunks(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| {
            let token = [" the", " token", "é", "\n\n"][number % 4];
            let (delta, reason) = match number {
                0 => (json!({"role": "assistant", "content": ""}), Value::Null),
                last if last + 1 == count => (json!({}), "stop".into()),
                _ => (json!({"content": token}), Value::Null),
            };
            json!({"id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012", "object": "chat.completion.chunk", "created": 1_700_000_000,
                "model": "gpt-4o-2024-08-06", "service_tier": "default", "system_fingerprint": "fp_0123456789",
                "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}], "usage": null})
            .to_string()
        })
        .collect()
}

/// Those chunks as a server sends them.
#[must_use]
pub(crate) fn stream(count: usize) -> Vec<u8> {
    let events: String = chunks(count).iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    (events + "data: [DONE]\n\n").into_bytes()
}

/// One event of about so many bytes.
#[must_use]
pub(crate) fn large_event(bytes: usize) -> Vec<u8> {
    let text: String = "It's plain text, in one single event of a stream. ".chars().cycle().take(bytes).collect();
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]})).into_bytes()
}

/// Tags as a caller may give them.
#[must_use]
pub(crate) fn tags() -> String {
    let names = ["prompt_id", "user", "étage", "環境"];
    let tags = names.iter().map(|name| ((*name).to_owned(), Value::from("counting – très bien 数える 😀")));
    Value::Object(tags.collect()).to_string()
}

/// Decodes a stream that comes in pieces of this size.
#[must_use]
pub(crate) fn decode(stream: &[u8], piece: usize) -> Vec<SseEvent> {
    let (mut decoder, mut events) = (Decoder::new(256 * 1024 * 1024), Vec::new());
    for piece in stream.chunks(piece) {
        assert!(decoder.feed(piece, &mut events).is_ok());
    }
    assert!(decoder.finish(&mut events).is_ok());
    events
}

/// Reads the signs of every chunk.
#[must_use]
pub(crate) fn signs(chunks: &[String]) -> usize {
    chunks.iter().filter(|chunk| chat::signs(chunk).is_ok_and(|signs| signs.content)).count()
}

/// Finds what is new in every chunk, or reads its signs. Not generic, so that it is compiled once for all that is counted.
fn each_event(chunks: Vec<String>, take: &mut dyn FnMut(Event)) {
    let mut templates = Templates::default();
    for data in chunks {
        let encoding = match templates.compare(&data) {
            Some(alike) => Encoding::Texts(alike.texts),
            None => chat::signs(&data).map_or(Encoding::Whole, |signs| chat::learn(&mut templates, &data, &signs)),
        };
        take(Event { data, encoding });
    }
}

/// The chunks as events of which it is known what is new in them.
#[must_use]
pub(crate) fn events(chunks: Vec<String>) -> Vec<Event> {
    let mut events = Vec::new();
    each_event(chunks, &mut |event| events.push(event));
    events
}

/// Finds what is new in every chunk, and writes what JavaScript is told of it.
#[must_use]
pub(crate) fn told(chunks: Vec<String>) -> String {
    let mut told = String::new();
    each_event(chunks, &mut |event| event.encode(&mut told));
    told
}

/// Merges a stream's chunks.
#[must_use]
pub(crate) fn merged(chunks: &[String]) -> Option<String> {
    let mut merge = Merge::new(Shape::Delta);
    chunks.iter().for_each(|chunk| merge.add_chunk(chunk));
    merge.completion()
}

/// Merges a stream's chunks, of which it is known what is new in them.
#[must_use]
pub(crate) fn merged_events(events: &[Event]) -> Option<String> {
    let mut merge = Endpoint::ChatCompletions.merge();
    events.iter().for_each(|event| merge.add(event));
    merge.finish()
}

/// The value of `op-tags`.
#[must_use]
pub(crate) fn header(tags: &str) -> String {
    json::ascii(tags)
}
