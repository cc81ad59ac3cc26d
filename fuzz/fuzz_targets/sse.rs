//! A stream decodes to the events of the standard's algorithm (plus two non-standard forms), however its bytes are split, and within the
//! bound.
//!
//! Input: the bound and the sizes of the pieces, up to the first 0xFF, then the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openpipe_core::events::sse::{Decoder, SseEvent, TooLarge};

/// A literal implementation of the standard and the two other forms: the whole stream at once, line by line.
fn reference(stream: &[u8]) -> Vec<SseEvent> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    let mut bytes = stream.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                lines.push(Vec::new());
            }
            _ => lines.last_mut().unwrap().push(byte),
        }
    }
    // The last event is delivered without its blank line.
    lines.push(Vec::new());
    let (mut all, mut event) = (Vec::new(), Event::default());
    for line in lines {
        if line.is_empty() {
            event.dispatch(&mut all);
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let mut value = line.get(colon + 1..).unwrap_or_default();
        value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => event.data.push(value.to_vec()),
            // The two non-standard forms: raw JSON up to its end or a line with its closing brace, and a field `error`.
            _ if line[0] == b'{' || !event.raw.is_empty() => {
                let is_first = event.raw.is_empty();
                if is_first {
                    event.dispatch(&mut all);
                }
                event.raw.push(line.clone());
                if line == b"}" || (is_first && serde_json::from_slice::<&serde_json::value::RawValue>(&line).is_ok()) {
                    event.dispatch(&mut all);
                }
            }
            b"event" => event.is_error = value == b"error",
            b"error" => {
                event.dispatch(&mut all);
                all.push(SseEvent { data: String::from_utf8_lossy(value).into_owned(), is_error: true });
            }
            _ => {}
        }
    }
    all
}

/// The state of the current event.
#[derive(Default)]
struct Event {
    data: Vec<Vec<u8>>,
    raw: Vec<Vec<u8>>,
    is_error: bool,
}

impl Event {
    fn dispatch(&mut self, all: &mut Vec<SseEvent>) {
        let Self { data, raw, is_error } = std::mem::take(self);
        for (lines, is_error) in [(raw, true), (data, is_error)] {
            if !lines.is_empty() {
                all.push(SseEvent { data: String::from_utf8_lossy(&lines.join(&b'\n')).into_owned(), is_error });
            }
        }
    }
}

fn decoded(stream: &[u8], sizes: &[u8], bound: usize) -> (Vec<SseEvent>, Result<(), TooLarge>) {
    let (mut decoder, mut events, mut rest) = (Decoder::new(bound), Vec::new(), stream);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| usize::from(*size));
        // Some pieces may be empty, but not all of them.
        let pieces = if size == 0 { [0, 1] } else { [size, 0] };
        for size in pieces {
            let (piece, tail) = rest.split_at(size.min(rest.len()));
            if let Err(error) = decoder.feed(piece, &mut events) {
                return (events, Err(error));
            }
            rest = tail;
        }
    }
    let end = decoder.finish(&mut events);
    (events, end)
}

fuzz_target!(|input: &[u8]| {
    let at = input.iter().position(|byte| *byte == 0xff).unwrap_or(0);
    let (sizes, stream) = input.split_at(at);
    let stream = stream.strip_prefix(b"\xff").unwrap_or(stream);
    let expected = reference(stream);

    assert_eq!(decoded(stream, &[], usize::MAX), (expected.clone(), Ok(())), "whole");
    assert_eq!(decoded(stream, &[1], usize::MAX), (expected.clone(), Ok(())), "byte by byte");
    assert_eq!(decoded(stream, sizes, usize::MAX), (expected.clone(), Ok(())), "in pieces");

    let bound = sizes.first().map_or(16, |size| usize::from(*size));
    let (events, end) = decoded(stream, &[], bound);
    assert!(events.iter().all(|event| event.data.chars().filter(|c| *c != '\u{fffd}').count() <= bound));
    assert_eq!(events, expected[..events.len()]);
    assert!(end.is_err() || events.len() == expected.len());
    // Whether an event is too large does not depend on how it was split.
    assert_eq!(decoded(stream, &[1], bound), (events.clone(), end));
    assert_eq!(decoded(stream, sizes, bound).0, events);
});
