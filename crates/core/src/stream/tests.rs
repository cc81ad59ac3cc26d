use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{sleep, sleep_until, timeout};

use super::*;
use crate::events::delta::Encoding;
use crate::failure::Bound;
use crate::failure::{Kind, Surface};
use crate::policy::breaker::Breakers;
use crate::policy::health::{Health, UpstreamState};
use crate::upstream::BoxFuture;

/// What a scripted upstream does next.
enum Act {
    Events(Vec<SseEvent>),
    /// The body ends cleanly.
    End,
    Fail(Failure),
}

/// A source that plays a script: each act at its millisecond, whether anybody reads or not. After the last act it is
/// silent for ever.
struct Script {
    began: Instant,
    acts: VecDeque<(u64, Act)>,
    drains: Arc<AtomicUsize>,
}

impl EventSource for Script {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>> {
        Box::pin(async move {
            let Some((at, _)) = self.acts.front() else { return std::future::pending().await };
            sleep_until(self.began + ms(*at)).await;
            match self.acts.pop_front() {
                Some((_, Act::Events(events))) => Ok(Some(events)),
                Some((_, Act::Fail(failure))) => Err(failure),
                Some((_, Act::End)) | None => Ok(None),
            }
        })
    }

    fn drain(&mut self) -> BoxFuture<'_, ()> {
        self.drains.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn event(data: impl Into<String>) -> SseEvent {
    SseEvent { data: data.into(), is_error: false }
}

fn events<const N: usize>(data: [&str; N]) -> Act {
    Act::Events(data.map(event).into())
}

fn broken() -> Act {
    Act::Fail(Failure::broken_stream("the stream broke off", Some("ECONNRESET")))
}

const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const EMPTY: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":null}]}"#;
const A: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
const B: &str = r#"{"choices":[{"index":0,"delta":{"content":"b"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"total_tokens":3}}"#;
const DONE: &str = "[DONE]";
const MEBIBYTE: u64 = 1024 * 1024;

fn head() -> Head {
    Head { status: 200, ..Head::default() }
}

fn watched(times: Times, acts: impl IntoIterator<Item = (u64, Act)>) -> EventStream {
    watched_at(Endpoint::ChatCompletions, times, acts)
}

fn watched_at(endpoint: Endpoint, times: Times, acts: impl IntoIterator<Item = (u64, Act)>) -> EventStream {
    let script = Script { began: Instant::now(), acts: acts.into_iter().collect(), drains: Arc::default() };
    EventStream::new(endpoint, head(), Box::new(script), None, times)
}

fn timeless(acts: impl IntoIterator<Item = (u64, Act)>) -> EventStream {
    watched(Times::default(), acts)
}

fn content_within(limit: Duration) -> Times {
    Times { content: Deadline::after(Instant::now(), Some(limit), Bound::Time), ..Times::default() }
}

fn idle_for(limit: Duration) -> Times {
    Times { idle: Some(limit), ..Times::default() }
}

/// A future's result and the millisecond at which it was ready. A future that is never ready fails the test.
async fn timed<T>(work: impl Future<Output = T>) -> (T, u128) {
    let began = Instant::now();
    let result = timeout(ms(24 * 3_600_000), work).await.expect("this hangs");
    (result, began.elapsed().as_millis())
}

/// Everything that a reader gets: the events, and how it ended.
/// The events as they came.
fn texts(events: Vec<Event>) -> Vec<String> {
    events.into_iter().map(|event| event.data).collect()
}

async fn read(stream: &mut EventStream) -> (Vec<String>, Result<(), Failure>) {
    let mut all = Vec::new();
    loop {
        match timed(stream.next()).await.0 {
            Ok(Some(events)) => all.extend(texts(events)),
            Ok(None) => return (all, Ok(())),
            Err(failure) => return (all, Err(failure)),
        }
    }
}

/// Every way in which a stream can fail by what its upstream sends, with a word of its message.
fn failing_acts() -> [(Act, &'static str); 7] {
    [
        (broken(), "broke off"),
        (Act::End, "ended"),
        (Act::Events(vec![SseEvent { data: "{}".into(), is_error: true }]), "error event"),
        (events([r#"{"error":{"message":"overloaded"}}"#]), "carried an error"),
        (events([r#"{"choices":[{"ind"#]), "no JSON object"),
        (events(["[]"]), "no JSON object"),
        (events(["x"]), "no JSON object"),
    ]
}

// === The commit ===

#[tokio::test(start_paused = true)]
async fn content_commits_the_stream() {
    for delta in [
        r#"{"content":"a"}"#,
        r#"{"refusal":"no"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}"#,
        r#"{"function_call":{"name":"f","arguments":""}}"#,
    ] {
        let commits = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
        let mut stream = timeless([(0, events([ROLE])), (10, events([&commits])), (20, events([B]))]);
        let (held, at) = timed(stream.hold(HoldUntil::Content, MEBIBYTE)).await;
        held.unwrap();
        assert_eq!(at, 10, "{delta}");
        assert_eq!(
            texts(stream.next().await.unwrap().unwrap()),
            [ROLE, commits.as_str()],
            "what was held back comes first"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_finish_reason_commits_the_stream() {
    let mut stream = timeless([(0, events([ROLE])), (10, events([STOP])), (20, events([DONE]))]);
    let (held, at) = timed(stream.hold(HoldUntil::Content, MEBIBYTE)).await;
    held.unwrap();
    assert_eq!(at, 10);
}

#[tokio::test(start_paused = true)]
async fn roles_empty_deltas_and_events_without_choices_do_not_commit() {
    let prompt_filter = r#"{"choices":[],"prompt_filter_results":[]}"#;
    let mut stream =
        timeless([(0, events([prompt_filter, ROLE])), (10, events([EMPTY])), (20, events(["{}"])), (30, events([A]))]);
    let (held, at) = timed(stream.hold(HoldUntil::Content, MEBIBYTE)).await;
    held.unwrap();
    assert_eq!(at, 30);
    assert_eq!(texts(stream.next().await.unwrap().unwrap()), [prompt_filter, ROLE, EMPTY, "{}", A]);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_events_without_content_commit_the_stream_as_it_is() {
    let mut stream = timeless((1..=100).map(|at| (at, events([EMPTY]))));
    let (held, at) = timed(stream.hold(HoldUntil::Content, MEBIBYTE)).await;
    held.unwrap();
    assert_eq!(at, 64);
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_quarter_mebibyte_without_content_commits_the_stream_as_it_is() {
    let padded = format!(r#"{{"choices":[],"pad":"{}"}}"#, "x".repeat(100 * 1024));
    let mut stream = timeless((1..=9).map(|at| (at, events([&padded]))));
    let (held, at) = timed(stream.hold(HoldUntil::Content, MEBIBYTE)).await;
    held.unwrap();
    assert_eq!(at, 3, "the third brings it over 256 KiB");
}

#[tokio::test(start_paused = true)]
async fn hold_returns_every_failure_before_the_commit() {
    for (act, says) in failing_acts() {
        let mut stream = timeless([(0, events([ROLE])), (10, act)]);
        let (held, at) = timed(stream.hold(HoldUntil::Content, MEBIBYTE)).await;
        let failure = held.expect_err(says);
        assert_eq!((failure.kind, at), (Kind::Stream, 10), "{says}");
        assert!(failure.message.contains(says), "{says}: {}", failure.message);
    }
}

#[tokio::test(start_paused = true)]
async fn content_and_a_failure_in_one_batch_commit_the_stream() {
    for (act, says) in failing_acts() {
        let mut batch = vec![event(A)];
        let rest = match act {
            Act::Events(more) => {
                batch.extend(more);
                Act::End
            }
            act => act,
        };
        let mut stream = timeless([(0, Act::Events(batch)), (0, rest)]);
        stream.hold(HoldUntil::Content, MEBIBYTE).await.expect(says);
        let (all, end) = read(&mut stream).await;
        assert_eq!(all, [A], "{says}");
        assert_eq!(end.expect_err(says).kind, Kind::Stream);
    }
}

#[tokio::test(start_paused = true)]
async fn until_the_finish_everything_is_held() {
    for end in [events([DONE]), Act::End] {
        let mut acts: Vec<_> = (1..=100).map(|at| (at, events([A]))).collect();
        acts.extend([(150, events([STOP])), (200, end)]);
        let mut stream = timeless(acts);
        let (held, at) = timed(stream.hold(HoldUntil::Finish, MEBIBYTE)).await;
        held.unwrap();
        assert_eq!(at, 200);
        let (all, end) = read(&mut stream).await;
        end.unwrap();
        assert_eq!(all.len(), 101, "neither 64 events nor content committed it");
    }
}

#[tokio::test(start_paused = true)]
async fn until_the_finish_a_stream_that_dies_in_the_middle_has_failed() {
    for (act, says) in failing_acts() {
        let mut stream = timeless([(0, events([A])), (10, act)]);
        let failure = stream.hold(HoldUntil::Finish, MEBIBYTE).await.expect_err(says);
        assert!(failure.message.contains(says), "{says}: {}", failure.message);
    }
}

#[tokio::test(start_paused = true)]
async fn until_the_finish_silence_is_watched() {
    let mut stream = watched(idle_for(ms(100)), [(0, events([A])), (60, events([B]))]);
    let (held, at) = timed(stream.hold(HoldUntil::Finish, MEBIBYTE)).await;
    assert_eq!((held.unwrap_err().kind, at), (Kind::Stream, 160));
}

/// What an event counts while it is held: more than its bytes.
fn kept(data: &str) -> u64 {
    Event { data: data.to_owned(), encoding: Encoding::Whole }.kept_bytes() as u64
}

#[tokio::test(start_paused = true)]
async fn the_overhead_of_a_million_tiny_events_counts_while_a_stream_is_held() {
    let tiny = (0..1000).map(|_| (0, events(["{}"; 1000])));
    let failure = timeless(tiny).hold(HoldUntil::Finish, 2 * MEBIBYTE).await.unwrap_err();
    assert_eq!(failure.kind, Kind::InvalidResponse);
}

#[tokio::test(start_paused = true)]
async fn until_the_finish_no_more_is_held_than_the_size_limit() {
    let endless = (0..1000).map(|at| (at, events([A])));
    let mut stream = timeless(endless);
    let (held, at) = timed(stream.hold(HoldUntil::Finish, 10 * kept(A))).await;
    let failure = held.unwrap_err();
    assert_eq!((failure.kind, failure.surface, at), (Kind::InvalidResponse, Surface::Protocol, 10));
    assert!(failure.message.contains("openpipe.maxResponseBytes"), "{}", failure.message);
    assert_eq!(failure.status_code(), Some(200), "it happened in this response");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_finishes_at_the_size_limit_is_held_whole() {
    let mut stream = timeless([(0, events([A, A])), (5, events([STOP, DONE]))]);
    stream.hold(HoldUntil::Finish, 2 * kept(A) + kept(STOP)).await.unwrap();
    assert_eq!(read(&mut stream).await.0, [A, A, STOP]);
}

// === The end ===

#[tokio::test(start_paused = true)]
async fn events_before_a_failure_are_delivered_first() {
    for (act, says) in failing_acts() {
        let mut stream = timeless([(0, events([ROLE, A])), (10, events([B])), (20, act)]);
        let (all, end) = read(&mut stream).await;
        assert_eq!(all, [ROLE, A, B], "{says}");
        let failure = end.expect_err(says);
        assert_eq!(failure.kind, Kind::Stream);
        assert!(failure.message.contains(says), "{says}: {}", failure.message);
    }
}

#[tokio::test(start_paused = true)]
async fn next_returns_the_end_again_and_again() {
    let mut well = timeless([(0, events([A, DONE]))]);
    let mut badly = timeless([(0, events([A])), (5, broken())]);
    read(&mut well).await.1.unwrap();
    read(&mut badly).await.1.unwrap_err();
    assert!(well.next().await.unwrap().is_none());
    badly.next().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn done_ends_the_stream_at_once_and_what_follows_is_not_read() {
    let mut stream = timeless([(0, events([A])), (10, events([DONE, B])), (20, broken())]);
    let ((all, end), at) = timed(read(&mut stream)).await;
    end.unwrap();
    assert_eq!((all, at), (vec![A.to_owned()], 10), "the connection stays open, and says more");
}

#[tokio::test(start_paused = true)]
async fn done_is_a_good_end_without_a_finish_reason() {
    let mut stream = timeless([(0, events([A])), (10, events([" [DONE]\n"]))]);
    read(&mut stream).await.1.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_after_the_finish_reason_is_a_good_one() {
    let mut stream = timeless([(0, events([A, STOP])), (5, events([USAGE])), (10, Act::End)]);
    let (all, end) = read(&mut stream).await;
    end.unwrap();
    assert_eq!(all, [A, STOP, USAGE]);
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_without_a_finish_reason_is_a_failure() {
    let mut stream = timeless([(0, events([A])), (10, Act::End)]);
    let failure = read(&mut stream).await.1.unwrap_err();
    assert_eq!((failure.kind, failure.surface), (Kind::Stream, Surface::Protocol));
    assert_eq!(failure.status_code(), Some(200), "it happened in this response");
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_is_good_only_after_every_choices_finish_reason() {
    let delta = |index: u32, delta: &str, finish: &str| {
        format!(r#"{{"choices":[{{"index":{index},"delta":{delta},"finish_reason":{finish}}}]}}"#)
    };
    let opening = [delta(0, r#"{"content":"a"}"#, "null"), delta(1, r#"{"content":"b"}"#, "null")];
    let [first, second] = [delta(0, "{}", "\"stop\""), delta(1, "{}", "\"length\"")];
    for (finishes, good) in
        [(vec![], false), (vec![&first], false), (vec![&second], false), (vec![&second, &first], true)]
    {
        let all = opening.iter().chain(finishes.iter().copied()).map(event).collect();
        let mut stream = timeless([(0, Act::Events(all)), (5, Act::End)]);
        assert_eq!(read(&mut stream).await.1.is_ok(), good, "{finishes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_without_content_or_finish_reason_is_a_failure_done_or_not() {
    for acts in [
        vec![(0, Act::End)],
        vec![(0, events([DONE]))],
        vec![(0, events([ROLE, EMPTY])), (5, events([DONE]))],
        vec![(0, events([ROLE])), (5, events([USAGE])), (10, Act::End)],
    ] {
        let failure = read(&mut timeless(acts)).await.1.unwrap_err();
        assert!(failure.message.contains("without any content"), "{}", failure.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_finish_reason_alone_is_enough_for_a_good_end() {
    for end in [events([DONE]), Act::End] {
        let mut stream = timeless([(0, events([ROLE])), (5, events([STOP])), (10, end)]);
        read(&mut stream).await.1.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_an_event_carries_is_the_failures_body() {
    let body = r#"{"error":{"message":"overloaded","code":"x"}}"#;
    for is_error in [false, true] {
        let carries = Act::Events(vec![SseEvent { data: body.into(), is_error }]);
        let mut stream = timeless([(0, events([A])), (5, carries)]);
        let failure = read(&mut stream).await.1.unwrap_err();
        assert_eq!((failure.surface, failure.body.as_deref()), (Surface::Protocol, Some(body)));
        assert_eq!(failure.status_code(), Some(200), "it happened in this response");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_member_that_is_null_is_no_error() {
    let polite = r#"{"error":null,"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    let mut stream = timeless([(0, events([polite])), (5, events([DONE]))]);
    read(&mut stream).await.1.unwrap();
}

#[tokio::test(start_paused = true)]
async fn usage_is_read_from_a_last_chunk_without_choices() {
    let early = r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}"#;
    let mut stream = timeless([(0, events([early, STOP])), (5, events([USAGE, DONE]))]);
    read(&mut stream).await.1.unwrap();
    assert_eq!(stream.usage(), Some(r#"{"total_tokens":3}"#));
}

#[tokio::test(start_paused = true)]
async fn after_a_good_end_the_connection_is_drained_for_a_moment() {
    let drains = Arc::new(AtomicUsize::new(0));
    let script =
        Script { began: Instant::now(), acts: VecDeque::from([(0, events([A, DONE]))]), drains: Arc::clone(&drains) };
    let mut stream = EventStream::new(Endpoint::ChatCompletions, head(), Box::new(script), None, Times::default());
    read(&mut stream).await.1.unwrap();
    let ((), took) = timed(stream.drain()).await;
    assert_eq!(drains.load(Ordering::Relaxed), 1);
    assert!(took <= 1001, "a body that never ends is given up: {took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_failed_stream_is_not_drained() {
    for acts in [vec![(0, events([A])), (5, broken())], vec![(0, events([A]))]] {
        let drains = Arc::new(AtomicUsize::new(0));
        let script = Script { began: Instant::now(), acts: acts.into(), drains: Arc::clone(&drains) };
        let mut stream = EventStream::new(Endpoint::ChatCompletions, head(), Box::new(script), None, Times::default());
        let _ = timeout(ms(10), read(&mut stream)).await;
        stream.drain().await;
        assert_eq!(drains.load(Ordering::Relaxed), 0);
    }
}

// === Time ===

#[tokio::test(start_paused = true)]
async fn first_content_that_is_late_is_a_timeout() {
    for acts in [
        vec![],
        vec![(0, events([ROLE])), (50, events([EMPTY])), (90, events([EMPTY])), (110, events([A]))],
        vec![(99, events([r#"{"choices":[]}"#])), (101, events([STOP]))],
    ] {
        let mut stream = watched(content_within(ms(100)), acts);
        let ((_, end), at) = timed(read(&mut stream)).await;
        let failure = end.unwrap_err();
        assert_eq!((failure.kind, failure.surface), (Kind::Timeout, Surface::Timeout));
        assert!(failure.message.contains("100 ms"), "{}", failure.message);
        assert!((100..=101).contains(&at), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_ends_with_the_first_content() {
    for opening in [A, STOP] {
        let mut stream = watched(
            content_within(ms(100)),
            [(90, events([opening])), (5_000, events([B])), (900_000, events([STOP, DONE]))],
        );
        let (all, end) = read(&mut stream).await;
        end.unwrap();
        assert_eq!(all.len(), 3, "a healthy stream that takes longer in all lives");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_first_content_is_kept() {
    let began = Instant::now();
    let mut stream = timeless([(5, events([ROLE])), (30, events([A])), (60, events([B, STOP, DONE]))]);
    assert_eq!(stream.first_content_at(), None);
    read(&mut stream).await.1.unwrap();
    assert_eq!(stream.first_content_at(), Some(began + ms(30)));
}

#[tokio::test(start_paused = true)]
async fn silence_after_the_first_content_is_a_failure_of_the_stream() {
    let mut stream = watched(idle_for(ms(100)), [(0, events([A])), (80, events([B])), (300, events([STOP, DONE]))]);
    let ((all, end), at) = timed(read(&mut stream)).await;
    let failure = end.unwrap_err();
    assert_eq!(all, [A, B]);
    assert_eq!((failure.kind, failure.surface), (Kind::Stream, Surface::Timeout));
    assert!(failure.message.contains("100 ms"), "{}", failure.message);
    assert!((180..=181).contains(&at), "{at}");
}

#[tokio::test(start_paused = true)]
async fn silence_after_every_finish_reason_is_a_good_end() {
    let acts = [(0, events([ROLE, A])), (10, events([STOP])), (50, events([USAGE]))];
    let ((_, end), at) = timed(read(&mut watched(idle_for(ms(100)), acts))).await;
    assert!(end.is_ok(), "{end:?}");
    assert!((110..=111).contains(&at), "{at}");
    let other = r#"{"choices":[{"index":1,"delta":{"content":"b"}}]}"#;
    let (_, end) = read(&mut watched(idle_for(ms(100)), [(0, events([A, other, STOP]))])).await;
    assert_eq!(end.unwrap_err().kind, Kind::Stream, "one choice has not ended");
}

#[tokio::test(start_paused = true)]
async fn a_failed_finish_reason_is_a_failure_before_and_after_the_commit() {
    let failed = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"network_error"}]}"#;
    let mut stream = timeless([(0, events([ROLE])), (10, events([failed, DONE]))]);
    let failure = stream.hold(HoldUntil::Content, MEBIBYTE).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Stream);
    assert!(failure.message.contains("network_error"), "{}", failure.message);
    let (all, end) = read(&mut timeless([(0, events([A])), (10, events([failed, DONE]))])).await;
    assert_eq!((all, end.unwrap_err().kind), (vec![A.to_owned()], Kind::Stream));
}

#[tokio::test(start_paused = true)]
async fn an_event_with_blank_data_is_a_comment_and_not_a_sign_of_life() {
    let mut stream = timeless([(0, events(["", ROLE, " \n"])), (5, events([A, "", STOP, "\t", DONE]))]);
    let (all, end) = read(&mut stream).await;
    end.unwrap();
    assert_eq!(all, [ROLE, A, STOP]);
    let pulses = (1..100).map(|at| (at * 20, events([""])));
    let mut stream = watched(idle_for(ms(110)), std::iter::once((0, events([A]))).chain(pulses));
    let ((_, end), at) = timed(read(&mut stream)).await;
    assert_eq!((end.unwrap_err().kind, at.clamp(110, 111)), (Kind::Stream, at));
}

#[tokio::test(start_paused = true)]
async fn done_is_recognised_by_its_beginning() {
    for done in ["[DONE]\0", " [DONE] ", "\"[DONE]\"", "[DONE] bye"] {
        let mut stream = timeless([(0, events([A, done])), (5, broken())]);
        read(&mut stream).await.1.expect(done);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_in_the_middle_of_a_calls_arguments_is_a_failure_done_or_not() {
    let call = |text: &str, reason: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"a","function":{{"name":"f","arguments":"{text}"}}}}]}},"finish_reason":{reason}}}]}}"#
        )
    };
    let more = |text: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{text}"}}}}]}}}}]}}"#
        )
    };
    let first = call(r#"{\"a\":["#, "null");
    for (pieces, good) in [
        (vec![first.clone()], false),
        (vec![first.clone(), more("1,"), more("2,"), more("3")], false),
        (vec![first.clone(), more("1,"), more("2"), more("]}")], true),
        (vec![first.clone(), STOP.into()], true),
        (vec![call("{", "\"length\"")], true),
    ] {
        let all = pieces.iter().map(event).chain([event(DONE)]).collect();
        let (_, end) = read(&mut timeless([(0, Act::Events(all))])).await;
        assert_eq!(end.is_ok(), good, "{pieces:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keep_alives_and_empty_deltas_are_not_a_sign_of_life() {
    for pulse in [EMPTY, ROLE, "{}", r#"{"choices":[]}"#, r#"{"type":"ping"}"#] {
        let pulses = (1..100).map(|at| (at * 20, events([pulse])));
        let mut stream = watched(idle_for(ms(110)), std::iter::once((0, events([A]))).chain(pulses));
        let ((_, end), at) = timed(read(&mut stream)).await;
        assert_eq!(end.unwrap_err().kind, Kind::Stream, "{pulse}");
        assert!((110..=111).contains(&at), "{pulse}: {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn content_keeps_a_stream_alive() {
    let contents = (0..50).map(|at| (at * 90, events([A])));
    let mut stream = watched(idle_for(ms(100)), contents.chain([(4_450, events([DONE]))]));
    let (all, end) = read(&mut stream).await;
    end.unwrap();
    assert_eq!(all.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_slow_reader_does_not_count_as_silence_of_the_upstream() {
    let contents = (0..20).map(|at| (at, events([A])));
    let mut stream = watched(idle_for(ms(100)), contents.chain([(20, events([STOP, DONE]))]));
    let mut count = 0;
    while let Some(events) = stream.next().await.unwrap() {
        count += events.len();
        sleep(ms(5_000)).await;
    }
    assert_eq!(count, 21);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_does_not_keep_a_silent_stream_alive() {
    let mut stream = watched(idle_for(ms(100)), [(0, events([A]))]);
    stream.next().await.unwrap();
    sleep(ms(5_000)).await;
    let (end, took) = timed(stream.next()).await;
    assert_eq!(end.unwrap_err().kind, Kind::Stream);
    assert!((100..=101).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn keep_alives_do_not_outlive_the_idle_timeout_of_a_slow_reader() {
    // Each pulse wakes the reader, who then leaves for a while: only the upstream's own part counts, and it adds up.
    let pulses = (1..2_000).map(|at| (at * 40, events([EMPTY])));
    let mut stream = watched(idle_for(ms(100)), std::iter::once((0, events([A]))).chain(pulses));
    let reading = async {
        while stream.next().await?.is_some() {
            sleep(ms(30)).await;
        }
        Ok::<_, Failure>(())
    };
    let (end, took) = timed(reading).await;
    assert_eq!(end.unwrap_err().kind, Kind::Stream);
    assert!(took < 1_000, "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_no_event() {
    let mut stream = timeless([(0, events([A])), (50, events([B])), (100, events([STOP, DONE]))]);
    let mut all = Vec::new();
    loop {
        match timeout(ms(7), stream.next()).await {
            Err(_elapsed) => {}
            Ok(events) => match events.unwrap() {
                Some(events) => all.extend(texts(events)),
                None => break,
            },
        }
    }
    assert_eq!(all, [A, B, STOP]);
}

#[tokio::test(start_paused = true)]
async fn without_limits_a_stream_may_be_silent_for_an_hour() {
    let hour = 3_600_000;
    let mut stream = timeless([(hour, events([A])), (2 * hour, events([STOP, DONE]))]);
    read(&mut stream).await.1.unwrap();
}

#[tokio::test(start_paused = true)]
async fn limits_that_no_instant_can_hold_are_no_limits() {
    let mut stream = watched(idle_for(Duration::MAX), [(0, events([A])), (3_600_000, events([STOP, DONE]))]);
    read(&mut stream).await.1.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_its_finish_a_stream_is_read_on_within_the_bound_that_it_was_held_by() {
    let flood = (0..100).map(|_| (0, Act::Events((0..100).map(|_| event(EMPTY)).collect())));
    let mut stream = timeless([(0, events([A, STOP]))].into_iter().chain(flood));
    let bound = 1000 * kept(EMPTY);
    stream.hold(HoldUntil::Content, bound).await.unwrap();
    assert!(stream.is_whole(USAGE_TIME).await);
    assert!(stream.held_bytes < 2 * bound, "{}", stream.held_bytes);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_usage_ends_with_the_time_that_is_left() {
    for (left, waited) in [(ms(100), 100), (ms(5000), 1000)] {
        let mut stream = timeless([(0, events([A, STOP])), (3_600_000, events([USAGE, DONE]))]);
        stream.hold(HoldUntil::Content, MEBIBYTE).await.unwrap();
        assert_eq!(timed(stream.is_whole(left)).await, (true, waited));
    }
}

/// What the state of the upstreams says of a request that is in flight.
struct Row(Health);

impl Row {
    fn new() -> (Self, InFlight) {
        let health = Health::default();
        let in_flight = health.enter(&"openai".into(), "m", Endpoint::ChatCompletions, None);
        (Self(health), in_flight)
    }

    fn read(&self) -> UpstreamState {
        self.0.read(&Breakers::default()).remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_was_held_before_the_stream_is_watched_counts() {
    let (row, in_flight) = Row::new();
    let mut stream = timeless([(30, events([A])), (40, events([DONE]))]);
    stream.hold(HoldUntil::Content, MEBIBYTE).await.unwrap();
    assert_eq!(row.read().first_content_ms, None);
    stream.watch(None, Some(in_flight));
    assert_eq!(row.read().first_content_ms, Some(30.0));
    read(&mut stream).await.1.unwrap();
    assert_eq!(row.read().first_content_ms, Some(30.0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_in_flight_until_its_end_and_not_until_it_is_dropped() {
    for (acts, failed) in [([events([A]), events([DONE])], None), ([events([A]), broken()], Some(Kind::Stream))] {
        let (row, in_flight) = Row::new();
        let mut stream = timeless([1, 2].into_iter().zip(acts));
        stream.watch(None, Some(in_flight));
        stream.next().await.unwrap();
        assert_eq!(row.read().in_flight, 1);
        assert_eq!(stream.next().await.err().map(|failure| failure.kind), failed);
        assert_eq!(row.read().in_flight, 0);
        assert_eq!(row.read().last_failure.map(|last| last.kind), failed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_finished_call_lacks_was_not_cut() {
    let cut = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}"#;
    let (_, end) = read(&mut timeless([(0, events([cut, STOP, DONE]))])).await;
    end.unwrap();
    let (_, end) = read(&mut timeless([(0, events([cut, DONE]))])).await;
    assert!(end.unwrap_err().message.contains("in the middle of a tool call"));
}

const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","output":[]}}"#;

#[tokio::test(start_paused = true)]
async fn while_an_upstream_is_at_work_any_event_keeps_the_stream_alive() {
    let text = r#"{"type":"response.output_text.delta","delta":"a"}"#;
    let reasons = r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"reasoning"}}"#;
    let still = r#"{"type":"response.in_progress"}"#;
    let acts = [
        (0, events([text, reasons])),
        (200_000, events([still])),
        (400_000, events([still])),
        (600_000, events([COMPLETED])),
    ];
    let (_, end) = read(&mut watched_at(Endpoint::Responses, idle_for(ms(1_000)), acts)).await;
    end.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_last_event_that_ends_a_stream_well_is_content() {
    let mut stream = watched_at(Endpoint::Responses, Times::default(), [(5, events([COMPLETED]))]);
    let began = Instant::now();
    read(&mut stream).await.1.unwrap();
    assert_eq!(stream.first_content_at(), Some(began + ms(5)));
    let failed = r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#;
    let mut stream = watched_at(Endpoint::Responses, Times::default(), [(5, events([failed]))]);
    read(&mut stream).await.1.unwrap_err();
    assert_eq!(stream.first_content_at(), None);
}
