//! The merge of any chunks is JSON, and merging a completion that was cut into chunks gives that completion.
//!
//! Input: chunks, one per line. Each is also used as the content of a completion, which the input's bytes cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openpipe_core::endpoint::chat::merge::{Merge, Shape};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn merged<'a>(chunks: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut merge = Merge::new(Shape::Delta);
    chunks.into_iter().for_each(|chunk| merge.add_chunk(chunk));
    merge.completion()
}

fn chunk(index: usize, delta: Value, finish_reason: Value) -> String {
    let choices = json!([{"index": index, "delta": delta, "finish_reason": finish_reason}]);
    json!({"id": "c", "object": "chat.completion.chunk", "choices": choices}).to_string()
}

/// Splits a text into pieces of these lengths.
fn pieces<'a>(mut text: &'a str, sizes: &[u8]) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    for size in sizes.iter().take(5) {
        let end = text.char_indices().nth(usize::from(size % 16)).map_or(text.len(), |(at, _)| at);
        let (piece, rest) = text.split_at(end);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

fn comes_back(texts: &[&str], sizes: &[u8]) {
    let message = |text: &str| {
        json!({"role": "assistant", "content": text,
            "tool_calls": [{"id": "i", "type": "function", "function": {"name": "f", "arguments": text}}]})
    };
    let choices: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"index": index, "message": message(text), "finish_reason": "stop"}))
        .collect();
    let mut chunks = Vec::new();
    for (index, text) in texts.iter().enumerate().rev() {
        let opening = json!([{"index": 0, "id": "i", "type": "function", "function": {"name": "f", "arguments": ""}}]);
        chunks.push(chunk(index, json!({"role": "assistant", "content": "", "tool_calls": opening}), Value::Null));
        for piece in pieces(text, sizes) {
            let call = json!([{"index": 0, "function": {"arguments": piece}}]);
            chunks.push(chunk(index, json!({"content": piece}), Value::Null));
            chunks.push(chunk(index, json!({"tool_calls": call}), Value::Null));
        }
        chunks.push(chunk(index, json!({}), "stop".into()));
    }
    let whole: Value = serde_json::from_str(&merged(chunks.iter().map(String::as_str)).unwrap()).unwrap();
    assert_eq!(whole, json!({"id": "c", "object": "chat.completion", "choices": choices}));
}

fuzz_target!(|input: &str| {
    if let Some(text) = merged(input.lines()) {
        assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{text}");
        assert!(text.starts_with('{'));
        // The merge is not longer than its input, except for the members that it adds.
        assert!(text.len() <= input.len() + input.len() / 8 + 64, "{text}");
    }
    let texts: Vec<&str> = input.split('\n').take(2).collect();
    comes_back(&texts, input.as_bytes());
});
