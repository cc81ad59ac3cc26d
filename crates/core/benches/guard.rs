//! What `npm run bench:guard` counts the instructions of: `guard <case> <times>` runs a case so often; without arguments
//! the names of the cases are listed. The difference between two runs is the case's own cost, without the start of the
//! process and the making of the input.

#![expect(clippy::print_stdout, reason = "bench/guard.mjs reads the list")]

use std::hint::black_box;

use openpipe_core::text::body::{Edit, RequestBody};

mod inputs;

/// A case: makes its input once, and gives what is counted.
type Case = fn() -> Box<dyn Fn()>;

const CASES: [(&str, Case); 11] = [
    ("body scan, 1 KB", || scan(1024)),
    ("body scan, 32 KB", || scan(32 * 1024)),
    ("body splice, 32 KB", splice),
    ("SSE, 200 events in pieces of 300 bytes", || decode(inputs::stream(200), 300)),
    ("SSE, 200 events byte by byte", || decode(inputs::stream(200), 1)),
    ("SSE, an event of 10 MB in pieces of 16 KB", || decode(inputs::large_event(10_000_000), 16 * 1024)),
    ("signs of 200 chunks", || {
        let chunks = inputs::chunks(200);
        Box::new(move || {
            black_box(inputs::signs(black_box(&chunks)));
        })
    }),
    ("telling 200 chunks", || {
        let chunks = inputs::chunks(200);
        Box::new(move || drop(black_box(inputs::told(black_box(chunks.clone())))))
    }),
    ("merge of 200 chunks", || {
        let chunks = inputs::chunks(200);
        Box::new(move || drop(black_box(inputs::merged(black_box(&chunks)))))
    }),
    ("merge of 200 events", || {
        let events = inputs::events(inputs::chunks(200));
        Box::new(move || drop(black_box(inputs::merged_events(black_box(&events)))))
    }),
    ("op-tags", || {
        let tags = inputs::tags();
        Box::new(move || drop(black_box(inputs::header(black_box(&tags)))))
    }),
];

fn scan(bytes: usize) -> Box<dyn Fn()> {
    let text = inputs::request(bytes);
    Box::new(move || drop(black_box(RequestBody::parse(black_box(text.clone())))))
}

fn splice() -> Box<dyn Fn()> {
    let body = RequestBody::parse(inputs::request(32 * 1024));
    let edit = Edit { model: Some("gpt-4-turbo"), drop_unstored_metadata: true, ..Edit::default() };
    Box::new(move || drop(black_box(body.as_ref().map(|body| body.edited(black_box(&edit))))))
}

fn decode(stream: Vec<u8>, piece: usize) -> Box<dyn Fn()> {
    Box::new(move || drop(black_box(inputs::decode(black_box(&stream), piece))))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let case = CASES.iter().find(|(name, _)| arguments.first().is_some_and(|argument| argument == name));
    match (case, arguments.get(1).and_then(|times| times.parse::<u32>().ok())) {
        (Some((_, case)), Some(times)) => {
            let run = case();
            (0..times).for_each(|_| run());
        }
        _ => CASES.iter().for_each(|(name, _)| println!("{name}")),
    }
}
