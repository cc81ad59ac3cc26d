//! The engine with scripted upstreams and paused time: who takes which failure, when, and what is left open.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "support/planning.rs"]
mod planning;
#[path = "support/script.rs"]
mod script;

use openpipe_core::failure::{Failure, Kind};
use openpipe_core::stream::EventStream;
use planning::planned;
use script::{
    A, Act, DONE, Outcome, ROLE, Reply, STOP, Trail, World, answers, answers_with, failing, fails, ms, panics,
    run_engine, silent, status, streams, streams_well,
};
use tokio::time::{Instant, sleep, timeout};

const HOUR: u64 = 3_600_000;

/// A call of model `a`, with these options.
async fn run(world: &World, call: &str, stream: bool) -> Outcome {
    let (plan, body) = planned(call, &format!(r#"{{"model":"a","stream":{stream}}}"#));
    timeout(ms(24 * HOUR), run_engine(&plan, &body, world)).await.expect("this hangs")
}

/// As [`run`], with the milliseconds that it took.
async fn timed(world: &World, call: &str, stream: bool) -> (Outcome, u128) {
    let began = Instant::now();
    let outcome = run(world, call, stream).await;
    (outcome, began.elapsed().as_millis())
}

fn failed(outcome: Outcome) -> Trail {
    match outcome {
        Outcome::Failed(trail) => trail,
        Outcome::Completion(trail) | Outcome::Stream(_, trail) => panic!("it was answered: {:?}", trail.attempts),
    }
}

fn answered(outcome: Outcome) -> Trail {
    match outcome {
        Outcome::Completion(trail) | Outcome::Stream(_, trail) => trail,
        Outcome::Failed(trail) => panic!("it failed: {:?}", trail.attempts),
    }
}

fn streaming(outcome: Outcome) -> (EventStream, Trail) {
    match outcome {
        Outcome::Stream(stream, trail) => (*stream, trail),
        Outcome::Completion(trail) | Outcome::Failed(trail) => panic!("no stream: {:?}", trail.attempts),
    }
}

/// Of each attempt: model, outcome, tries.
fn shape(trail: &Trail) -> Vec<(&str, &'static str, u32)> {
    trail.attempts.iter().map(|attempt| (attempt.model.as_str(), attempt.outcome, attempt.tries)).collect()
}

fn kinds(trail: &Trail) -> Vec<Kind> {
    trail.failures.iter().map(|failure| failure.kind).collect()
}

fn asked(world: &World) -> Vec<String> {
    world.sent().into_iter().map(|sent| sent.model).collect()
}

/// When each request was sent.
fn times(world: &World) -> Vec<u128> {
    world.sent().into_iter().map(|sent| sent.at).collect()
}

/// The clock of tokio counts whole milliseconds and rounds up.
#[track_caller]
fn about(got: u128, expected: u128) {
    assert!((expected..=expected + 5).contains(&got), "{got} ms, expected {expected}");
}

async fn read(stream: &mut EventStream) -> (Vec<String>, Option<Failure>) {
    let mut all = Vec::new();
    loop {
        match timeout(ms(24 * HOUR), stream.next()).await.expect("this hangs") {
            Ok(Some(events)) => all.extend(events.into_iter().map(|event| event.data)),
            Ok(None) => return (all, None),
            Err(failure) => return (all, Some(failure)),
        }
    }
}

fn good(stream: bool) -> Reply {
    if stream { streams_well(5) } else { answers(5) }
}

fn server_error(after: u64) -> Reply {
    fails(after, status(500, &[]))
}

const BOTH: [bool; 2] = [false, true];

// === Who takes a failure ===

#[tokio::test(start_paused = true)]
async fn a_primary_that_answers_is_the_only_target_tried() {
    for stream in BOTH {
        let world = World::new([("a", vec![good(stream)])]);
        let trail = answered(run(&world, r#"{"openpipe":{"fallback":[{"model":"b"}]}}"#, stream).await);
        assert_eq!(shape(&trail), [("a", "ok", 1)]);
        assert_eq!((trail.last, trail.failures.len(), world.moves().len()), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn every_failure_of_the_primary_is_answered_by_the_fallback() {
    for (kind, stream) in Kind::ALL.iter().flat_map(|kind| BOTH.map(|stream| (*kind, stream))) {
        let world = World::new([("a", vec![failing(kind, 10, stream)]), ("b", vec![good(stream)])]);
        let call = r#"{"timeout":1000,"openpipe":{"fallback":[{"model":"b"}]}}"#;
        let (outcome, took) = timed(&world, call, stream).await;
        let trail = answered(outcome);
        assert_eq!(shape(&trail), [("a", kind.name(), 1), ("b", "ok", 1)], "{kind:?} {stream}");
        assert_eq!((kinds(&trail), trail.last), (vec![kind], 1));
        assert_eq!(world.moves(), [("a".to_owned(), kind.name(), "b".to_owned())]);
        assert!(took < if kind == Kind::Timeout { 1_020 } else { 30 }, "{kind:?}: the fallback runs at once, {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_its_target() {
    let broken = streams(0, [(0, Act::Event(ROLE)), (0, Act::Panic)]);
    for (stream, reply) in [(false, panics(0)), (true, panics(0)), (true, broken)] {
        let world = World::new([("a", vec![reply]), ("b", vec![good(stream)])]);
        let outcome = timed(&world, r#"{"openpipe":{"fallback":[{"model":"b"}]}}"#, stream).await.0;
        assert_eq!(world.live(), usize::from(stream), "what it broke is let go");
        assert_eq!(shape(&answered(outcome)), [("a", "connection", 1), ("b", "ok", 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_no_target_takes_is_the_answer() {
    for (kind, stream) in Kind::ALL.iter().flat_map(|kind| BOTH.map(|stream| (*kind, stream))) {
        let others: Vec<_> = Kind::ALL.iter().filter(|other| **other != kind).map(|other| other.name()).collect();
        for filter in [format!(r#""except":["{}"]"#, kind.name()), format!(r#""on":{others:?}"#)] {
            let world = World::new([("a", vec![failing(kind, 10, stream)])]);
            let call = format!(r#"{{"timeout":1000,"openpipe":{{"fallback":[{{"model":"b",{filter}}}]}}}}"#);
            let trail = failed(run(&world, &call, stream).await);
            assert_eq!(shape(&trail), [("a", kind.name(), 1)], "{filter} {stream}");
            assert_eq!((kinds(&trail), world.moves().len()), (vec![kind], 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_takes_the_failures_that_it_is_on() {
    for kind in Kind::ALL {
        let world = World::new([("a", vec![failing(kind, 10, false)]), ("b", vec![good(false)])]);
        let call = format!(
            r#"{{"timeout":1000,"openpipe":{{"fallback":[{{"model":"b","on":["{}"],"except":[599]}}]}}}}"#,
            kind.name()
        );
        assert_eq!(answered(run(&world, &call, false).await).last, 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn if_no_target_is_left_every_failure_is_kept_in_order() {
    for (kind, stream) in Kind::ALL.iter().flat_map(|kind| BOTH.map(|stream| (*kind, stream))) {
        // A stream of the last target is handed over at its headers: its failure is its reader's.
        let last = failing(kind, 10, false);
        let world = World::new([("a", vec![server_error(10)]), ("b", vec![last])]);
        let call = r#"{"timeout":1000,"maxRetries":0,"openpipe":{"fallback":[{"model":"b"}]}}"#;
        let trail = failed(run(&world, call, stream).await);
        assert_eq!(shape(&trail), [("a", "server_error", 1), ("b", kind.name(), 1)], "{kind:?} {stream}");
        assert_eq!((kinds(&trail), trail.last), (vec![Kind::ServerError, kind], 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_fallback_fails_with_its_only_failure() {
    for (kind, stream) in Kind::ALL.iter().flat_map(|kind| BOTH.map(|stream| (*kind, stream))) {
        let world = World::new([("a", vec![failing(kind, 10, false)])]);
        let trail = failed(run(&world, r#"{"timeout":1000,"maxRetries":0}"#, stream).await);
        assert_eq!(shape(&trail), [("a", kind.name(), 1)], "{kind:?} {stream}");
        assert_eq!((kinds(&trail), world.moves().len()), (vec![kind], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_filter_excludes_the_failure_is_skipped() {
    let world = World::new([("a", vec![server_error(10)]), ("c", vec![answers(10)])]);
    let call = r#"{"openpipe":{"fallback":[{"model":"b","on":["rate_limit"]},{"model":"c"}]}}"#;
    let trail = answered(run(&world, call, false).await);
    assert_eq!((shape(&trail), trail.last), (vec![("a", "server_error", 1), ("c", "ok", 1)], 2));
    assert_eq!(world.moves(), [("a".to_owned(), "server_error", "c".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn each_target_filters_the_failure_before_it() {
    let world =
        World::new([("a", vec![fails(0, status(429, &[]))]), ("b", vec![server_error(0)]), ("c", vec![answers(0)])]);
    let call = r#"{"openpipe":{"fallback":[{"model":"b"},{"model":"c","except":["rate_limit"]}]}}"#;
    let trail = answered(run(&world, call, false).await);
    assert_eq!(shape(&trail), [("a", "rate_limit", 1), ("b", "server_error", 1), ("c", "ok", 1)]);
    let moves = [("a".to_owned(), "rate_limit", "b".to_owned()), ("b".to_owned(), "server_error", "c".to_owned())];
    assert_eq!(world.moves(), moves);
}

#[tokio::test(start_paused = true)]
async fn a_status_moves_on_by_its_number() {
    for (answer, filter, moves) in [
        (503, r#""on":[503]"#, true),
        (500, r#""on":[503]"#, false),
        (503, r#""except":[503]"#, false),
        (500, r#""except":[503]"#, true),
        (429, r#""on":["timeout",429]"#, true),
        (503, r#""on":["server_error"],"except":[503]"#, false),
    ] {
        let world = World::new([("a", vec![fails(0, status(answer, &[]))]), ("b", vec![answers(0)])]);
        let call = format!(r#"{{"openpipe":{{"fallback":[{{"model":"b",{filter}}}]}}}}"#);
        let outcome = run(&world, &call, false).await;
        assert_eq!(matches!(outcome, Outcome::Completion(..)), moves, "{answer} {filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_target_gets_its_own_model() {
    let world = World::new([("a", vec![server_error(0)]), ("b", vec![server_error(0)]), ("c", vec![answers(0)])]);
    let call = r#"{"openpipe":{"fallback":[{"model":"b"},{"model":"c","params":{"n":1}}]}}"#;
    answered(run(&world, call, false).await);
    let bodies: Vec<_> = world.sent().into_iter().map(|sent| sent.body).collect();
    assert_eq!(
        bodies,
        [r#"{"model":"a","stream":false}"#, r#"{"model":"b","stream":false}"#, r#"{"model":"c","stream":false,"n":1}"#]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_target_is_dropped_before_the_next_one_is_tried() {
    for stream in BOTH {
        for kind in [Kind::Timeout, Kind::Connection, Kind::Stream] {
            let world = World::new([("a", vec![failing(kind, 10, stream)]), ("b", vec![good(stream)])]);
            let call = r#"{"timeout":1000,"openpipe":{"fallback":[{"model":"b"}]}}"#;
            answered(run(&world, call, stream).await);
            assert!(world.sent().iter().all(|sent| sent.others == 0), "{kind:?} {stream}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_tells_status_request_id_and_time() {
    let world =
        World::new([("a", vec![fails(30, status(503, &[("x-request-id", "req_1")]))]), ("b", vec![answers(50)])]);
    let trail = answered(run(&world, r#"{"openpipe":{"fallback":[{"model":"b"}]}}"#, false).await);
    let [first, second] = &trail.attempts[..] else { panic!("two attempts") };
    assert_eq!((first.status, first.request_id.as_deref()), (Some(503), Some("req_1")));
    assert_eq!((second.status, second.request_id.as_deref()), (Some(200), Some("req_b")));
    assert_eq!((first.duration_ms.round(), second.duration_ms.round()), (30.0, 50.0));
    assert_eq!(first.message.as_deref(), Some("the upstream answered 503"));
    assert_eq!((second.message.as_deref(), second.first_token_ms), (None, None));
}

// === Time ===

#[tokio::test(start_paused = true)]
async fn a_silent_primary_and_the_fallback_each_get_their_own_time_regardless_of_max_retries() {
    for stream in BOTH {
        for retries in ["", r#""maxRetries":0,"#, r#""maxRetries":5,"#] {
            let world = World::new([("a", vec![silent()]), ("b", vec![silent()])]);
            let call =
                format!(r#"{{"timeout":500,{retries}"openpipe":{{"fallback":[{{"model":"b","timeout":800}}]}}}}"#);
            let (outcome, took) = timed(&world, &call, stream).await;
            assert_eq!(shape(&failed(outcome)), [("a", "timeout", 1), ("b", "timeout", 1)], "{retries}");
            about(took, 1_300);
            about(times(&world)[1], 500);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_answers_within_its_time_answers() {
    let world = World::new([("a", vec![silent()]), ("b", vec![answers(790)])]);
    let call = r#"{"timeout":500,"openpipe":{"fallback":[{"model":"b","timeout":800}]}}"#;
    let (outcome, took) = timed(&world, call, false).await;
    answered(outcome);
    about(took, 1_290);
}

#[tokio::test(start_paused = true)]
async fn each_target_of_many_has_its_own_time() {
    let world = World::new([("a", vec![silent()]), ("b", vec![silent()]), ("c", vec![silent()])]);
    let call = r#"{"timeout":500,"openpipe":{"fallback":[{"model":"b","timeout":100},{"model":"c","timeout":2000}]}}"#;
    let (outcome, took) = timed(&world, call, false).await;
    assert_eq!(kinds(&failed(outcome)), [Kind::Timeout; 3]);
    about(took, 2_600);
    about(times(&world)[2], 600);
}

#[tokio::test(start_paused = true)]
async fn retries_and_their_pauses_are_within_a_targets_time() {
    let world = World::new([("a", vec![server_error(10)]), ("b", vec![server_error(10)])]);
    let call = r#"{"timeout":2000,"maxRetries":50,"openpipe":{"fallback":[{"model":"b","timeout":3000}]}}"#;
    let (outcome, took) = timed(&world, call, false).await;
    let trail = failed(outcome);
    assert!(trail.attempts.iter().all(|attempt| attempt.tries > 1), "{:?}", shape(&trail));
    assert!(took <= 5_000, "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_hangs_ends_with_its_targets_time() {
    let world = World::new([("a", vec![server_error(10), silent()]), ("b", vec![server_error(10), silent()])]);
    let call = r#"{"timeout":2000,"maxRetries":5,"openpipe":{"fallback":[{"model":"b","timeout":3000}]}}"#;
    let (outcome, took) = timed(&world, call, false).await;
    assert_eq!(shape(&failed(outcome)), [("a", "timeout", 2), ("b", "timeout", 2)]);
    about(took, 5_000);
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_each_try_has_the_whole_time_and_a_timeout_is_retried() {
    for stream in BOTH {
        let world = World::new([("a", vec![silent()])]);
        let (outcome, took) = timed(&world, r#"{"timeout":1000}"#, stream).await;
        assert_eq!(shape(&failed(outcome)), [("a", "timeout", 3)]);
        let pauses = 375 + 750..=500 + 1_000 + 10;
        assert!(pauses.contains(&(took - 3_000)), "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_a_retry_after_a_timeout_may_answer() {
    let world = World::new([("a", vec![silent(), answers(900)])]);
    assert_eq!(shape(&answered(run(&world, r#"{"timeout":1000}"#, false).await)), [("a", "ok", 2)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_max_retries_counts_the_tries() {
    for (retries, tries) in [(0, 1), (1, 2), (4, 5)] {
        let world = World::new([("a", vec![server_error(10)])]);
        let trail = failed(run(&world, &format!(r#"{{"timeout":1000,"maxRetries":{retries}}}"#), false).await);
        assert_eq!(shape(&trail), [("a", "server_error", tries)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_without_a_limit_is_waited_for() {
    let world = World::new([("a", vec![fails(5 * HOUR, status(500, &[]))]), ("b", vec![answers(5 * HOUR)])]);
    let call = r#"{"timeout":"Infinity","openpipe":{"fallback":[{"model":"b"}]}}"#;
    answered(run(&world, call, false).await);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_call_over_all_targets() {
    for stream in BOTH {
        let world = World::new([("a", vec![server_error(400)]), ("b", vec![silent()])]);
        let call = r#"{"openpipe":{"deadline":1000,"fallback":[{"model":"b"},{"model":"c"}]}}"#;
        let (outcome, took) = timed(&world, call, stream).await;
        let trail = failed(outcome);
        assert_eq!(shape(&trail), [("a", "server_error", 1), ("b", "timeout", 1)]);
        assert!(trail.failures[1].message.contains("deadline of 1000 ms"), "{}", trail.failures[1].message);
        assert_eq!(world.moves().len(), 1, "nobody is told of a move that did not happen");
        about(took, 1_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_bounds_the_tries_of_a_call_without_a_fallback() {
    let world = World::new([("a", vec![silent()])]);
    let (outcome, took) = timed(&world, r#"{"timeout":400,"openpipe":{"deadline":1000}}"#, false).await;
    failed(outcome);
    assert!(took <= 1_005, "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_targets_own_time_counts_within_the_deadline() {
    let world = World::new([("a", vec![silent()]), ("b", vec![answers(10)])]);
    let call = r#"{"timeout":300,"openpipe":{"deadline":1000,"fallback":[{"model":"b"}]}}"#;
    let (outcome, took) = timed(&world, call, false).await;
    let trail = answered(outcome);
    assert!(trail.failures[0].message.contains("300 ms"), "{}", trail.failures[0].message);
    about(took, 310);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_gets_its_timeout_in_a_header() {
    let world = World::new([("a", vec![server_error(200)]), ("b", vec![answers(10)])]);
    let call = r#"{"timeout":700,"openpipe":{"deadline":1000,"fallback":[{"model":"b","timeout":2000}]}}"#;
    answered(run(&world, call, false).await);
    let told: Vec<_> = world.sent().iter().map(|sent| sent.time.unwrap().as_millis()).collect();
    about(told[0], 700);
    assert!((795..=800).contains(&told[1]), "less under the deadline: {told:?}");
}

// === Retries ===

#[tokio::test(start_paused = true)]
async fn not_given_a_target_with_a_follower_is_tried_once_and_the_last_three_times() {
    let world = World::new([("a", vec![server_error(0)]), ("b", vec![server_error(0)]), ("c", vec![server_error(0)])]);
    let trail = failed(run(&world, r#"{"openpipe":{"fallback":[{"model":"b"},{"model":"c"}]}}"#, false).await);
    assert_eq!(shape(&trail), [("a", "server_error", 1), ("b", "server_error", 1), ("c", "server_error", 3)]);
    assert_eq!(world.sent().iter().map(|sent| sent.retries).collect::<Vec<_>>(), [0, 0, 0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn max_retries_that_were_given_are_made_on_every_target() {
    for stream in BOTH {
        let world = World::new([("a", vec![server_error(0)]), ("b", vec![server_error(0), good(stream)])]);
        let call = r#"{"maxRetries":1,"openpipe":{"fallback":[{"model":"b"}]}}"#;
        let trail = answered(run(&world, call, stream).await);
        assert_eq!(shape(&trail), [("a", "server_error", 2), ("b", "ok", 2)]);
        assert_eq!(kinds(&trail), [Kind::ServerError], "a try that a retry made good is no failure");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_the_sdk_retries_is_retried() {
    for kind in Kind::ALL {
        let world = World::new([("a", vec![failing(kind, 10, false)])]);
        let trail = failed(run(&world, r#"{"timeout":1000,"maxRetries":1}"#, false).await);
        let retried = matches!(kind, Kind::Timeout | Kind::Connection | Kind::RateLimit | Kind::ServerError);
        assert_eq!(shape(&trail), [("a", kind.name(), if retried { 2 } else { 1 })]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_never_retried_where_another_target_follows() {
    let world = World::new([
        ("a", vec![fails(100, Failure::timeout("the client's own")), answers(0)]),
        ("b", vec![answers(0)]),
    ]);
    let call = r#"{"timeout":10000,"maxRetries":3,"openpipe":{"fallback":[{"model":"b"}]}}"#;
    assert_eq!(shape(&answered(run(&world, call, false).await)), [("a", "timeout", 1), ("b", "ok", 1)]);
}

#[tokio::test(start_paused = true)]
async fn pauses_double_from_half_a_second() {
    let world = World::new([("a", vec![server_error(0)])]);
    failed(run(&world, r#"{"maxRetries":5}"#, false).await);
    let at = times(&world);
    let pauses: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, longest) in pauses.iter().zip([500, 1_000, 2_000, 4_000, 8_000]) {
        assert!((longest * 3 / 4..=longest + 2).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_retry_after_is_honoured_while_another_target_waits() {
    for (header, value, pause) in
        [("retry-after", "2", 2_000), ("retry-after-ms", "70", 70), ("retry-after", "5", 5_000)]
    {
        let limited = fails(0, status(429, &[(header, value)]));
        let world = World::new([("a", vec![limited, answers(0)])]);
        let call = r#"{"maxRetries":1,"openpipe":{"fallback":[{"model":"b"}]}}"#;
        let (outcome, took) = timed(&world, call, false).await;
        assert_eq!(shape(&answered(outcome)), [("a", "ok", 2)]);
        about(took, pause);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_more_than_five_seconds_is_not_slept_while_another_target_waits() {
    let limited = fails(10, status(429, &[("retry-after", "6")]));
    let world = World::new([("a", vec![limited]), ("b", vec![answers(0)])]);
    let call = r#"{"maxRetries":2,"openpipe":{"fallback":[{"model":"b"}]}}"#;
    let (outcome, took) = timed(&world, call, false).await;
    assert_eq!(shape(&answered(outcome)), [("a", "rate_limit", 1), ("b", "ok", 1)]);
    about(took, 10);
}

#[tokio::test(start_paused = true)]
async fn the_last_target_honours_a_long_retry_after_within_its_time() {
    let limited = fails(0, status(429, &[("retry-after", "6")]));
    let world = World::new([("a", vec![server_error(0)]), ("b", vec![limited, answers(0)])]);
    let (outcome, took) = timed(&world, r#"{"openpipe":{"fallback":[{"model":"b"}]}}"#, false).await;
    assert_eq!(shape(&answered(outcome)), [("a", "server_error", 1), ("b", "ok", 2)]);
    about(took, 6_000);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_outlasts_the_time_left_is_not_slept() {
    let limited = || fails(10, status(429, &[("retry-after", "4")]));
    let world = World::new([("a", vec![limited()]), ("b", vec![limited()])]);
    let call = r#"{"timeout":3000,"maxRetries":2,"openpipe":{"fallback":[{"model":"b","timeout":4000}]}}"#;
    let (outcome, took) = timed(&world, call, false).await;
    assert_eq!(shape(&failed(outcome)), [("a", "rate_limit", 1), ("b", "rate_limit", 1)]);
    about(took, 20);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_deadline_is_not_slept() {
    for call in [
        r#"{"openpipe":{"deadline":1000}}"#,
        r#"{"timeout":"Infinity","openpipe":{"deadline":1000}}"#,
        r#"{"maxRetries":2,"openpipe":{"deadline":1000,"fallback":[{"model":"b","on":["auth"]}]}}"#,
    ] {
        let world = World::new([("a", vec![fails(10, status(429, &[("retry-after", "1")]))])]);
        let (outcome, took) = timed(&world, call, false).await;
        assert_eq!(shape(&failed(outcome)), [("a", "rate_limit", 1)], "{call}");
        about(took, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fallback_a_pause_is_no_longer_than_a_try_may_be() {
    let limited = || fails(0, status(429, &[("retry-after", "20")]));
    let world = World::new([("a", vec![limited(), answers(0)])]);
    let (outcome, took) = timed(&world, r#"{"timeout":10000}"#, false).await;
    failed(outcome);
    about(took, 0);
    let patient = World::new([("a", vec![limited(), answers(0)])]);
    let (outcome, took) = timed(&patient, r#"{"timeout":30000}"#, false).await;
    answered(outcome);
    about(took, 20_000);
}

// === Streams ===

const WITH_FALLBACK: &str = r#"{"timeout":1000,"openpipe":{"fallback":[{"model":"b"}]}}"#;

#[tokio::test(start_paused = true)]
async fn a_stream_with_a_follower_is_handed_over_at_its_commit() {
    let acts = [(0, Act::Event(ROLE)), (300, Act::Event(A)), (400, Act::Event(STOP)), (400, Act::Event(DONE))];
    let world = World::new([("a", vec![streams(50, acts)])]);
    let (outcome, took) = timed(&world, WITH_FALLBACK, true).await;
    let (mut stream, trail) = streaming(outcome);
    about(took, 350);
    assert_eq!(trail.attempts[0].first_token_ms.map(f64::round), Some(350.0));
    assert_eq!(read(&mut stream).await.0, [ROLE, A, STOP]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_the_last_target_is_handed_over_at_its_headers() {
    let acts = || [(0, Act::Event(ROLE)), (300, Act::Event(A)), (400, Act::Event(STOP)), (400, Act::Event(DONE))];
    for (call, others) in [("{}", 0), (WITH_FALLBACK, 10)] {
        let last = if others == 0 { "a" } else { "b" };
        let replies = if others == 0 { vec![streams(50, acts())] } else { vec![server_error(10)] };
        let world = World::new([("a", replies), ("b", vec![streams(50, acts())])]);
        let (outcome, took) = timed(&world, call, true).await;
        let (mut stream, trail) = streaming(outcome);
        about(took, 50 + others);
        let attempt = trail.attempts.last().unwrap();
        assert_eq!((attempt.model.as_str(), attempt.first_token_ms), (last, None), "it has not come yet");
        assert_eq!(read(&mut stream).await.0, [ROLE, A, STOP]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_dies_before_its_commit_is_answered_by_the_next_target() {
    let dying = streams(10, [(0, Act::Event(ROLE)), (50, Act::Break)]);
    let world = World::new([("a", vec![dying]), ("b", vec![streams_well(5)])]);
    let (mut stream, trail) = streaming(run(&world, WITH_FALLBACK, true).await);
    assert_eq!(shape(&trail), [("a", "stream", 1), ("b", "ok", 1)]);
    let (all, failure) = read(&mut stream).await;
    assert!(failure.is_none());
    assert_eq!(all, [ROLE, A, STOP], "nothing of the first opening is seen");
    assert_eq!(trail.attempts[0].status, Some(200), "the first one had answered");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_dies_after_its_commit_is_its_readers_failure() {
    let dying = streams(10, [(0, Act::Event(A)), (50, Act::Break)]);
    let world = World::new([("a", vec![dying])]);
    let (mut stream, trail) = streaming(run(&world, WITH_FALLBACK, true).await);
    assert_eq!(shape(&trail), [("a", "ok", 1)]);
    let (all, failure) = read(&mut stream).await;
    assert_eq!((all, failure.map(|failure| failure.kind)), (vec![A.to_owned()], Some(Kind::Stream)));
}

#[tokio::test(start_paused = true)]
async fn held_until_its_finish_a_stream_that_dies_in_the_middle_is_answered_whole() {
    let dying = streams(10, [(0, Act::Event(ROLE)), (10, Act::Event(A)), (50, Act::Break)]);
    let world = World::new([("a", vec![dying]), ("b", vec![streams_well(5)])]);
    let call = r#"{"openpipe":{"holdUntil":"finish","fallback":[{"model":"b"}]}}"#;
    let (mut stream, trail) = streaming(run(&world, call, true).await);
    assert_eq!(shape(&trail), [("a", "stream", 1), ("b", "ok", 1)]);
    assert_eq!(read(&mut stream).await.0, [ROLE, A, STOP]);
}

#[tokio::test(start_paused = true)]
async fn held_until_its_finish_a_healthy_stream_may_outlast_its_timeout() {
    let acts = [(0, Act::Event(A)), (1_500, Act::Event(A)), (3_000, Act::Event(STOP)), (3_000, Act::Event(DONE))];
    let world = World::new([("a", vec![streams(10, acts)])]);
    let call = r#"{"timeout":1000,"openpipe":{"holdUntil":"finish","fallback":[{"model":"b"}]}}"#;
    let (outcome, took) = timed(&world, call, true).await;
    assert_eq!(shape(&answered(outcome)), [("a", "ok", 1)]);
    about(took, 3_010);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_a_commit_with_its_own_message() {
    let acts = [(0, Act::Event(A)), (3_000, Act::Event(STOP)), (3_000, Act::Event(DONE))];
    let world = World::new([("a", vec![streams(10, acts)])]);
    let call = r#"{"timeout":500,"openpipe":{"deadline":1000,"holdUntil":"finish","fallback":[{"model":"b"}]}}"#;
    let (outcome, took) = timed(&world, call, true).await;
    let trail = failed(outcome);
    assert_eq!(kinds(&trail), [Kind::Timeout]);
    assert!(trail.failures[0].message.contains("deadline of 1000 ms"), "{}", trail.failures[0].message);
    about(took, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_does_not_cut_a_committed_stream() {
    let acts = || [(0, Act::Event(A)), (9_000, Act::Event(STOP)), (9_000, Act::Event(DONE))];
    for fallback in ["", r#","fallback":[{"model":"b"}]"#] {
        let world = World::new([("a", vec![streams(10, acts())])]);
        let call = format!(r#"{{"openpipe":{{"deadline":1000{fallback}}}}}"#);
        let (mut stream, _) = streaming(run(&world, &call, true).await);
        assert!(read(&mut stream).await.1.is_none(), "{fallback}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_last_targets_first_content_ends_with_its_time() {
    let world = World::new([("a", vec![streams(300, [(0, Act::Event(ROLE))])])]);
    let began = Instant::now();
    let (mut stream, _) = streaming(run(&world, r#"{"timeout":1000}"#, true).await);
    let (all, failure) = read(&mut stream).await;
    assert_eq!((all, failure.map(|failure| failure.kind)), (vec![ROLE.to_owned()], Some(Kind::Timeout)));
    about(began.elapsed().as_millis(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_first_content_that_another_target_could_give_ends_with_the_targets_time() {
    let world = World::new([
        ("a", vec![streams(300, [(0, Act::Event(ROLE)), (650, Act::Event(ROLE))])]),
        ("b", vec![streams_well(0)]),
    ]);
    let (outcome, took) = timed(&world, WITH_FALLBACK, true).await;
    assert_eq!(shape(&answered(outcome)), [("a", "timeout", 1), ("b", "ok", 1)]);
    about(took, 1_000);
}

const IMPATIENT: &str = r#"{"timeout":5000,"openpipe":{"firstTokenTimeout":200,"fallback":[{"model":"b"}]}}"#;

#[tokio::test(start_paused = true)]
async fn a_first_token_that_does_not_come_in_time_moves_on() {
    let role_only = streams(50, [(0, Act::Event(ROLE))]);
    let late_headers = streams(250, [(0, Act::Event(A))]);
    for primary in [silent(), role_only, late_headers] {
        let world = World::new([("a", vec![primary]), ("b", vec![streams_well(0)])]);
        let (outcome, took) = timed(&world, IMPATIENT, true).await;
        let trail = answered(outcome);
        assert_eq!(shape(&trail), [("a", "timeout", 1), ("b", "ok", 1)]);
        assert!(trail.failures[0].message.contains("200 ms"), "{}", trail.failures[0].message);
        about(took, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_committed_without_content_has_the_targets_time_for_it() {
    let mut acts: Vec<_> = (0..64).map(|at| (at, Act::Event(ROLE))).collect();
    acts.extend([(900, Act::Event(A)), (901, Act::Event(DONE))]);
    let world = World::new([("a", vec![streams(50, acts)])]);
    let (outcome, took) = timed(&world, IMPATIENT, true).await;
    about(took, 113);
    let (mut stream, _) = streaming(outcome);
    assert!(read(&mut stream).await.1.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_first_token_timeout_is_not_for_the_last_target() {
    let world =
        World::new([("a", vec![silent()]), ("b", vec![streams(900, [(900, Act::Event(A)), (901, Act::Event(DONE))])])]);
    let (mut stream, _) = streaming(run(&world, IMPATIENT, true).await);
    assert!(read(&mut stream).await.1.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_first_token_timeout_is_not_for_completions() {
    let world = World::new([("a", vec![answers(4_000)])]);
    assert_eq!(shape(&answered(run(&world, IMPATIENT, false).await)), [("a", "ok", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_first_token_in_time_leaves_the_rest_to_the_idle_timeout() {
    let acts = [(100, Act::Event(A)), (8_000, Act::Event(STOP)), (8_000, Act::Event(DONE))];
    let world = World::new([("a", vec![streams(50, acts)])]);
    let (mut stream, _) = streaming(run(&world, IMPATIENT, true).await);
    assert!(read(&mut stream).await.1.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_longer_first_token_timeout_does_not_lengthen_a_targets_time() {
    let world = World::new([("a", vec![silent()]), ("b", vec![streams_well(0)])]);
    let call = r#"{"timeout":300,"openpipe":{"firstTokenTimeout":2000,"fallback":[{"model":"b"}]}}"#;
    let (outcome, took) = timed(&world, call, true).await;
    answered(outcome);
    about(took, 300);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_outlasts_the_wait_for_the_first_token_is_not_slept() {
    let limited = fails(10, status(429, &[("retry-after", "1")]));
    let world = World::new([("a", vec![limited]), ("b", vec![streams_well(0)])]);
    let call = r#"{"timeout":5000,"maxRetries":2,"openpipe":{"firstTokenTimeout":200,"fallback":[{"model":"b"}]}}"#;
    let (outcome, took) = timed(&world, call, true).await;
    assert_eq!(shape(&answered(outcome)), [("a", "rate_limit", 1), ("b", "ok", 1)]);
    about(took, 10);
}

#[tokio::test(start_paused = true)]
async fn an_idle_timeout_watches_a_stream_that_was_handed_over() {
    let world = World::new([("a", vec![streams(0, [(10, Act::Event(A)), (250, Act::Event(ROLE))])])]);
    let call = r#"{"openpipe":{"idleTimeout":300,"fallback":[{"model":"b"}]}}"#;
    let began = Instant::now();
    let (mut stream, _) = streaming(run(&world, call, true).await);
    let failure = read(&mut stream).await.1.expect("silence");
    assert_eq!(failure.kind, Kind::Stream);
    about(began.elapsed().as_millis(), 310);
}

// === Leaving ===

/// Leaves a call at a millisecond and sees that nothing of it is left, or comes later.
async fn left_at(at: u64, world: &World, call: &str, stream: bool) {
    let (plan, body) = planned(call, &format!(r#"{{"model":"a","stream":{stream}}}"#));
    let left = timeout(ms(at), run_engine(&plan, &body, world)).await;
    assert!(left.is_err(), "the call was still running");
    assert_eq!(world.live(), 0, "everything is let go at once");
    let sent = world.sent().len();
    sleep(ms(HOUR)).await;
    assert_eq!(world.sent().len(), sent, "and nothing is sent later");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_left_while_it_waits_for_an_answer_drops_the_request() {
    for (stream, call) in BOTH.iter().flat_map(|stream| ["{}", WITH_FALLBACK].map(|call| (*stream, call))) {
        let world = World::new([("a", vec![silent()])]);
        left_at(100, &world, call, stream).await;
        assert_eq!((asked(&world), world.moves().len()), (vec!["a".to_owned()], 0), "an abort starts no fallback");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_left_while_the_fallback_works_drops_its_request() {
    let world = World::new([("a", vec![server_error(10)]), ("b", vec![silent()])]);
    left_at(100, &world, WITH_FALLBACK, false).await;
    assert_eq!(asked(&world), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_left_in_a_pause_makes_no_other_try() {
    let world = World::new([("a", vec![server_error(10)])]);
    left_at(200, &world, "{}", false).await;
    assert_eq!(asked(&world), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_left_while_a_stream_is_held_drops_the_stream() {
    let world = World::new([("a", vec![streams(10, [(0, Act::Event(ROLE))])])]);
    left_at(100, &world, WITH_FALLBACK, true).await;
    let finish = r#"{"openpipe":{"holdUntil":"finish","fallback":[{"model":"b"}]}}"#;
    let world = World::new([("a", vec![streams(10, [(0, Act::Event(A))])])]);
    left_at(100, &world, finish, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_by_its_reader_is_let_go() {
    for call in ["{}", WITH_FALLBACK] {
        let world = World::new([("a", vec![streams(10, [(0, Act::Event(A))])])]);
        let (mut stream, _) = streaming(run(&world, call, true).await);
        assert_eq!(stream.next().await.unwrap().unwrap()[0].data, A);
        assert_eq!(world.live(), 1);
        let left = timeout(ms(100), stream.next()).await;
        assert!(left.is_err());
        drop(stream);
        assert_eq!(world.live(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ended_leaves_nothing_open() {
    let world = World::new([("a", vec![silent()]), ("b", vec![server_error(10)]), ("c", vec![answers(10)])]);
    let call = r#"{"timeout":100,"openpipe":{"fallback":[{"model":"b"},{"model":"c"}]}}"#;
    answered(run(&world, call, false).await);
    assert_eq!(world.live(), 0);
}

// === The end of a stream ===

#[tokio::test(start_paused = true)]
async fn a_stream_that_ended_well_completes_its_attempt() {
    let world = World::new([("a", vec![server_error(40)]), ("b", vec![streams_well(5)])]);
    let (mut stream, mut trail) = streaming(run(&world, WITH_FALLBACK, true).await);
    assert!(read(&mut stream).await.1.is_none());
    trail.conclude(stream.first_content_at(), None);
    let attempt = trail.attempts.last().unwrap();
    assert_eq!((attempt.outcome, attempt.first_token_ms.map(f64::round)), ("ok", Some(15.0)));
    assert_eq!(attempt.duration_ms.round(), 25.0);
    assert_eq!((trail.attempts[0].duration_ms.round(), trail.failures.len()), (40.0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_stream_completes_its_attempt() {
    let world = World::new([("a", vec![streams(10, [(0, Act::Event(A)), (50, Act::Break)])])]);
    let (mut stream, mut trail) = streaming(run(&world, WITH_FALLBACK, true).await);
    let failure = read(&mut stream).await.1;
    trail.conclude(stream.first_content_at(), failure);
    assert_eq!(shape(&trail), [("a", "stream", 1)]);
    assert_eq!(kinds(&trail), [Kind::Stream]);
    let attempt = &trail.attempts[0];
    assert_eq!((attempt.message.as_deref(), attempt.status), (Some("the stream broke off"), Some(200)));
    assert_eq!(attempt.duration_ms.round(), 60.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_commits_last_holds_the_last_stream_until_its_content() {
    let call = r#"{"timeout":1000,"maxRetries":0,"commitLast":true}"#;
    // Its headers come, and then an error: unseen by the reader.
    let world = World::new([("a", vec![failing(Kind::Stream, 10, true)])]);
    assert_eq!(kinds(&failed(run(&world, call, true).await)), [Kind::Stream]);

    let world = World::new([("a", vec![good(true)])]);
    let (stream, _) = streaming(run(&world, call, true).await);
    assert!(stream.first_content_at().is_some());
}

// === Answers that are refused ===

const REJECT_EMPTY: &str = r#"{"openpipe":{"reject":["empty"],"fallback":[{"model":"b"}]}}"#;

#[tokio::test(start_paused = true)]
async fn a_refused_answer_moves_on_without_a_retry() {
    let world = World::new([("a", vec![answers_with(5, " ")]), ("b", vec![answers_with(5, "B")])]);
    let trail = answered(run(&world, REJECT_EMPTY, false).await);
    assert_eq!(shape(&trail), [("a", "rejected", 1), ("b", "ok", 1)]);
    let first = &trail.attempts[0];
    assert_eq!((first.rejected_by, first.message.as_deref()), (Some("empty"), Some("the answer is empty")));
    assert_eq!(first.usage.as_ref().map(|usage| usage.get()), Some(r#"{"t":1}"#));
    assert_eq!(trail.last, 1);
}

#[tokio::test(start_paused = true)]
async fn the_latest_refused_answer_is_returned_where_nothing_else_answers() {
    let failing = vec![fails(5, status(500, &[])), fails(5, status(500, &[])), fails(5, status(500, &[]))];
    let world = World::new([("a", vec![answers_with(5, "")]), ("b", failing)]);
    let trail = answered(run(&world, REJECT_EMPTY, false).await);
    assert_eq!(trail.attempts.iter().map(|attempt| attempt.outcome).collect::<Vec<_>>(), ["rejected", "server_error"]);
    assert_eq!(trail.last, 0, "the primary's");

    let world = World::new([("a", vec![answers_with(5, "")]), ("b", vec![answers_with(5, " ")])]);
    let trail = answered(run(&world, REJECT_EMPTY, false).await);
    assert_eq!((shape(&trail)[1], trail.last), (("b", "rejected", 1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_target_has_rules_of_its_own_and_filters_refused_answers() {
    let call = r#"{"openpipe":{"reject":["empty"],"fallback":[{"model":"b","except":["rejected"]}]}}"#;
    let world = World::new([("a", vec![answers_with(5, "")])]);
    assert_eq!(shape(&answered(run(&world, call, false).await)), [("a", "rejected", 1)]);

    let call = r#"{"openpipe":{"reject":["empty"],"fallback":[{"model":"b","reject":[]}]}}"#;
    let world = World::new([("a", vec![answers_with(5, "")]), ("b", vec![answers_with(5, "")])]);
    assert_eq!(shape(&answered(run(&world, call, false).await))[1], ("b", "ok", 1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_held_until_its_finish_by_a_rule_that_needs_the_whole() {
    let cut = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
    let acts = [(0, Act::Event(A)), (10, Act::Event(cut)), (20, Act::Event(DONE))];
    let call = r#"{"openpipe":{"reject":["length"],"fallback":[{"model":"b"}]}}"#;
    let world = World::new([("a", vec![streams(5, acts.clone())]), ("b", vec![streams_well(5)])]);
    let (mut stream, trail) = streaming(run(&world, call, true).await);
    assert_eq!(shape(&trail), [("a", "rejected", 1), ("b", "ok", 1)]);
    assert_eq!(read(&mut stream).await.0, [ROLE, A, STOP]);

    let world = World::new([("a", vec![streams(5, acts.clone())]), ("b", vec![streams(5, acts)])]);
    let (mut stream, trail) = streaming(run(&world, call, true).await);
    assert_eq!(shape(&trail)[1], ("b", "rejected", 1));
    assert_eq!(read(&mut stream).await.0, [A, cut], "a paid answer is handed over");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_empty_by_the_event_that_commits_it() {
    let empty = [(0, Act::Event(ROLE)), (10, Act::Event(STOP)), (20, Act::Event(DONE))];
    let world = World::new([("a", vec![streams(5, empty)]), ("b", vec![streams_well(5)])]);
    let (_, trail) = streaming(run(&world, REJECT_EMPTY, true).await);
    assert_eq!(shape(&trail), [("a", "rejected", 1), ("b", "ok", 1)]);
    let world = World::new([("a", vec![streams_well(5)])]);
    let (_, trail) = streaming(run(&world, REJECT_EMPTY, true).await);
    assert_eq!(shape(&trail), [("a", "ok", 1)]);
}
