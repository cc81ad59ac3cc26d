//! What hostile input may cost in memory: the peak stays within four times the bound that is set for it (contract.md, sections 3
//! and 5). An allocator that counts measures it, so that the figures are the same on every machine.

#![expect(clippy::print_stderr, reason = "the figures are read by people")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use openpipe_core::deadline::Times;
use openpipe_core::endpoint::chat::merge::{Merge, Shape};
use openpipe_core::endpoint::{Endpoint, Merge as _};
use openpipe_core::failure::{Failure, Head, Kind};
use openpipe_core::options::HoldUntil;
use openpipe_core::policy::reject::{Rule, judge_now};
use openpipe_core::stream::EventStream;
use openpipe_core::upstream::{BoxFuture, EventSource, SseEvent};

const MEBIBYTE: usize = 1024 * 1024;
/// What a merge keeps at most, here: in a debug build the real bound of 32 MiB would take its time.
const MERGE_BOUND: usize = MEBIBYTE / 4;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread holds, so that tests that run at the same time do not see each other.
struct Counting;

fn count(bytes: isize) {
    // At the very end of a thread its counters are gone, and so are those who read them.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it is, and counting allocates nothing. `realloc` is the default one, which
// takes the new block before it gives the old one back: the worst that a system does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the block is one of `alloc`, which was the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The result of some work, and what it holds at its peak beyond what is held when it begins.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or_default())
}

/// Fails where a peak is over four times its bound; says it for the figures (`cargo test --test memory -- --nocapture`).
fn within(what: &str, peak: usize, bound: usize) {
    let times = |bytes: usize| bytes * 100 / bound;
    assert!(peak <= 4 * bound, "{what}: {} % of the bound", times(peak));
    eprintln!("{what}: {} KiB, {} % of the bound", peak / 1024, times(peak));
}

// === What is held ===

/// An endless stream of one event, in batches as they come of one read.
struct Endless(&'static str);

impl EventSource for Endless {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>> {
        let event = || SseEvent { data: self.0.to_owned(), is_error: false };
        Box::pin(std::future::ready(Ok(Some((0..1000).map(|_| event()).collect()))))
    }
}

/// A stream without limits of time.
fn stream(event: &'static str) -> EventStream {
    EventStream::new(
        Endpoint::ChatCompletions,
        Head { status: 200, ..Head::default() },
        Box::new(Endless(event)),
        None,
        Times::default(),
    )
}

#[tokio::test]
async fn held_events_take_no_more_than_four_times_the_bound() {
    const BOUND: usize = MEBIBYTE;
    for event in ["{}", r#"{"choices":[]}"#, r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#] {
        let before = LIVE.get();
        PEAK.set(before);
        let failure = stream(event).hold(HoldUntil::Finish, BOUND as u64).await.expect_err("it is over the bound");
        assert_eq!(failure.kind, Kind::InvalidResponse);
        within(event, usize::try_from(PEAK.get() - before).unwrap_or_default(), BOUND);
    }
}

// === The merge of a report ===

/// Merges a chunk as often, and writes the completion.
fn merged(chunk: &str, times: usize) -> bool {
    let mut merge = Merge::within(Shape::Delta, MERGE_BOUND);
    for _ in 0..times {
        merge.add_chunk(chunk);
    }
    let is_cut = merge.is_cut();
    drop(merge.completion());
    is_cut
}

#[test]
fn elements_of_arrays_in_a_merge_take_no_more_than_four_times_the_bound() {
    for element in
        ["1", "[]", "{}", r#""""#, r#"{"a":1}"#, r#"{"index":0,"text":"x"}"#, r#"{"type":"text","text":"x"}"#]
    {
        for member in ["x", "content", "tool_calls", "reasoning_details"] {
            let elements = vec![element; MERGE_BOUND / 8 / (element.len() + 1)].join(",");
            let chunk = format!(r#"{{"choices":[{{"delta":{{"{member}":[{elements}]}}}}]}}"#);
            let (is_cut, most) = peak(|| merged(&chunk, 10));
            assert!(is_cut, "the bound was not reached");
            within(&format!("{member} of {element}"), most, MERGE_BOUND);
        }
    }
    for element in ["1", "{}", r#"{"delta":{}}"#] {
        let elements = vec![element; (MERGE_BOUND - 100) / (element.len() + 1)].join(",");
        for chunk in
            [format!(r#"{{"choices":[{{"delta":{{"x":[{elements}]}}}}]}}"#), format!(r#"{{"choices":[{elements}]}}"#)]
        {
            within(&format!("one event of {element}"), peak(|| merged(&chunk, 1)).1, MERGE_BOUND);
        }
    }
}

/// Many members, all of other names.
fn members(count: usize) -> String {
    (0..count).map(|number| format!(r#""{number:07}":1"#)).collect::<Vec<_>>().join(",")
}

#[test]
fn members_of_an_object_in_a_merge_take_no_more_than_four_times_the_bound() {
    let many = members((MERGE_BOUND - 100) / 12);
    for (what, chunk) in [
        ("members of a delta", format!(r#"{{"choices":[{{"delta":{{{many}}}}}]}}"#)),
        ("members of a choice", format!(r#"{{"choices":[{{"delta":{{}},{many}}}]}}"#)),
        ("members of a chunk", format!(r#"{{"choices":[],{many}}}"#)),
        ("members of a tool call", format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{{many}}}]}}}}]}}"#)),
    ] {
        within(what, peak(|| merged(&chunk, 1)).1, MERGE_BOUND);
    }
}

// === What is judged ===

/// Texts of this size that a list of their parts would be many times as large as.
fn wide(size: usize) -> Vec<(&'static str, String)> {
    let fill = |part: &str| vec![part; size / (part.len() + 1)].join(",");
    vec![
        ("choices", format!(r#"{{"choices":[{}]}}"#, fill("{}"))),
        ("choices with deltas", format!(r#"{{"choices":[{}]}}"#, fill(r#"{"delta":{}}"#))),
        ("choices with messages", format!(r#"{{"choices":[{}]}}"#, fill(r#"{"message":{}}"#))),
        ("choices of numbers", format!(r#"{{"choices":[{}]}}"#, fill("1"))),
        ("members", format!(r#"{{"choices":[{{"message":{{}},"delta":{{}}}}],{}}}"#, members(size / 12))),
        ("members of one name", format!(r#"{{"choices":[{{"message":{{}},"delta":{{}}}}],{}}}"#, fill(r#""":1"#))),
        ("members of a delta", format!(r#"{{"choices":[{{"delta":{{{}}}}}]}}"#, fill(r#""":1"#))),
        ("members of a choice", format!(r#"{{"choices":[{{"message":{{}},{}}}]}}"#, fill(r#""":1"#))),
        ("pieces of calls", format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}}"#, fill("{}"))),
        ("an array", format!("[{}]", fill("1"))),
        ("members of an error", format!(r#"{{"error":{{{}}}}}"#, fill(r#""":1"#))),
        ("elements of an error", format!(r#"{{"error":[{}]}}"#, fill("1"))),
        ("an error's list of errors", format!(r#"{{"success":false,"errors":[{}]}}"#, fill("{}"))),
    ]
}

#[test]
fn judging_an_answer_takes_no_more_than_four_times_its_size() {
    const SIZE: usize = MEBIBYTE / 8;
    for (what, text) in wide(SIZE) {
        for endpoint in [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Responses] {
            // The text itself is one of the four.
            let ((), most) = peak(|| {
                let refused = endpoint.accept(text.clone(), b"{}").err().map(|refusal| refusal.failure(None));
                drop(refused);
            });
            within(&format!("{endpoint:?}: {what}"), most, SIZE);
        }
    }
}

#[test]
fn judging_embeddings_takes_no_more_than_four_times_their_size() {
    const SIZE: usize = MEBIBYTE / 8;
    for (what, vector) in [
        ("empty objects", "{}"),
        ("numbers", "1"),
        ("vectors of one number", r#"{"index":0,"embedding":[1]}"#),
        ("one member", r#"{"":1}"#),
    ] {
        let text = format!(r#"{{"data":[{}]}}"#, vec![vector; SIZE / (vector.len() + 1)].join(","));
        for request in [r#"{"input":"a"}"#, "{}"] {
            let ((), most) = peak(|| drop(Endpoint::Embeddings.accept(text.clone(), request.as_bytes())));
            within(&format!("embeddings of {what}, {request}"), most, SIZE);
        }
    }
}

#[test]
fn an_answer_is_judged_by_rules_in_no_more_than_four_times_its_size() {
    const SIZE: usize = MEBIBYTE / 8;
    let fill = |part: &str| vec![part; SIZE / (part.len() + 1)].join(",");
    let part = r#"{"type":"text","text":"a"}"#;
    for (what, endpoint, text) in [
        ("choices", Endpoint::ChatCompletions, format!(r#"{{"choices":[{}]}}"#, fill("{}"))),
        ("messages", Endpoint::ChatCompletions, format!(r#"{{"choices":[{}]}}"#, fill(r#"{"message":{}}"#))),
        (
            "parts",
            Endpoint::ChatCompletions,
            format!(r#"{{"choices":[{{"message":{{"content":[{}]}}}}]}}"#, fill("{}")),
        ),
        (
            "texts",
            Endpoint::ChatCompletions,
            format!(r#"{{"choices":[{{"message":{{"content":[{}]}}}}]}}"#, fill(part)),
        ),
        (
            "members of a message",
            Endpoint::ChatCompletions,
            format!(r#"{{"choices":[{{"message":{{{}}}}}]}}"#, fill(r#""":1"#)),
        ),
        ("items", Endpoint::Responses, format!(r#"{{"output":[{}]}}"#, fill("{}"))),
    ] {
        let ((), most) = peak(|| drop(judge_now(&[Rule::Empty, Rule::Length], endpoint, &text, b"{}")));
        within(&format!("rules: {what}"), most, SIZE);
    }
}

#[test]
fn judging_an_event_takes_no_more_than_four_times_its_size() {
    const SIZE: usize = MEBIBYTE / 8;
    for (what, text) in wide(SIZE) {
        for endpoint in [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Responses] {
            let mut tracker = endpoint.tracker();
            let ((), most) = peak(|| {
                let event = SseEvent { data: text.clone(), is_error: false };
                drop(tracker.observe(&event));
            });
            within(&format!("{endpoint:?}: {what}"), most, SIZE);
        }
    }
}
