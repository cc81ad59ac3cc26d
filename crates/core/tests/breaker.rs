//! The engine with a circuit breaker, with scripted upstreams and paused time: who is asked, and what is told of it.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the scripts are shared with other tests, which use more of them")]

#[path = "support/planning.rs"]
mod planning;
#[path = "support/script.rs"]
mod script;

use openpipe_core::failure::Kind;
use planning::planned;
use script::{
    A, Act, Outcome, ROLE, Reply, Trail, World, answers, failing, fails, ms, run_engine, status, streams, streams_well,
};
use tokio::time::{advance, timeout};

/// Opens with the second failure, for a second.
const CALL: &str = r#"{"openpipe":{"breaker":{"failures":2,"openFor":1000},"fallback":[{"model":"b"}]}}"#;

async fn run(world: &World, call: &str, stream: bool) -> Outcome {
    let (plan, body) = planned(call, &format!(r#"{{"model":"a","stream":{stream}}}"#));
    timeout(ms(3_600_000), run_engine(&plan, &body, world)).await.expect("this hangs")
}

fn trail(outcome: Outcome) -> Trail {
    match outcome {
        Outcome::Completion(trail) | Outcome::Stream(_, trail) | Outcome::Failed(trail) => trail,
    }
}

/// Of each attempt: model, outcome, tries.
async fn shape(world: &World, call: &str) -> Vec<(String, &'static str, u32)> {
    let trail = trail(run(world, call, false).await);
    trail.attempts.iter().map(|attempt| (attempt.model.clone(), attempt.outcome, attempt.tries)).collect()
}

fn attempts(list: &[(&str, &'static str, u32)]) -> Vec<(String, &'static str, u32)> {
    list.iter().map(|(model, outcome, tries)| ((*model).to_owned(), *outcome, *tries)).collect()
}

fn down() -> Reply {
    fails(0, status(503, &[]))
}

fn asked(world: &World, model: &str) -> usize {
    world.sent().iter().filter(|sent| sent.model == model).count()
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_sends_calls_straight_to_the_next_target() {
    let world = World::new([("a", vec![down()]), ("b", vec![answers(0)])]);
    let failed = attempts(&[("a", "server_error", 1), ("b", "ok", 1)]);
    assert_eq!(shape(&world, CALL).await, failed);
    assert_eq!(shape(&world, CALL).await, failed);
    let passed_over = attempts(&[("a", "circuit_open", 0), ("b", "ok", 1)]);
    assert_eq!(shape(&world, CALL).await, passed_over);
    assert_eq!(asked(&world, "a"), 2);
    assert_eq!(world.moves().last().expect("a move"), &("a".into(), "circuit_open", "b".into()));
}

#[tokio::test(start_paused = true)]
async fn a_skipped_attempt_has_a_message() {
    let world = World::new([("a", vec![down()]), ("b", vec![answers(0)])]);
    shape(&world, CALL).await;
    shape(&world, CALL).await;
    advance(ms(400)).await;
    let trail = trail(run(&world, CALL, false).await);
    let message = trail.attempts[0].message.as_deref();
    assert_eq!(message, Some("skipped: its circuit is open after a failure (server_error), for another 600 ms"));
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_every_call_asks_the_primary() {
    let world = World::new([("a", vec![down()]), ("b", vec![answers(0)])]);
    for breaker in ["", r#""breaker":false,"#] {
        for _ in 0..20 {
            shape(&world, &format!(r#"{{"openpipe":{{{breaker}"fallback":[{{"model":"b"}}]}}}}"#)).await;
        }
    }
    assert_eq!(asked(&world, "a"), 40);
}

#[tokio::test(start_paused = true)]
async fn a_successful_probe_closes_the_circuit_of_the_primary() {
    let world = World::new([("a", vec![down(), down(), down(), answers(0)]), ("b", vec![answers(0)])]);
    for _ in 0..5 {
        shape(&world, CALL).await;
    }
    assert_eq!(asked(&world, "a"), 2);
    advance(ms(1000)).await;
    for _ in 0..5 {
        shape(&world, CALL).await;
    }
    assert_eq!(asked(&world, "a"), 3, "the probe failed");
    advance(ms(1500)).await;
    for _ in 0..5 {
        assert_eq!(shape(&world, CALL).await, attempts(&[("a", "ok", 1)]));
    }
}

#[tokio::test(start_paused = true)]
async fn during_a_probe_other_calls_go_to_the_fallback() {
    let world = World::new([("a", vec![down(), down(), answers(50)]), ("b", vec![answers(0)])]);
    shape(&world, CALL).await;
    shape(&world, CALL).await;
    advance(ms(1000)).await;
    let others = async {
        tokio::task::yield_now().await;
        shape(&world, CALL).await
    };
    let (probe, other) = tokio::join!(shape(&world, CALL), others);
    assert_eq!(probe, attempts(&[("a", "ok", 1)]));
    assert_eq!(other, attempts(&[("a", "circuit_open", 0), ("b", "ok", 1)]));
}

#[tokio::test(start_paused = true)]
async fn the_last_target_is_tried_even_if_its_circuit_is_open() {
    let world = World::new([("a", vec![down()]), ("b", vec![down()])]);
    for _ in 0..5 {
        let call = r#"{"maxRetries":0,"openpipe":{"breaker":{"failures":2},"fallback":[{"model":"b"}]}}"#;
        shape(&world, call).await;
    }
    assert_eq!((asked(&world, "a"), asked(&world, "b")), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_fallback_is_never_turned_away() {
    let world = World::new([("a", vec![down()])]);
    for _ in 0..5 {
        shape(&world, r#"{"maxRetries":0,"openpipe":{"breaker":{"failures":1}}}"#).await;
    }
    assert_eq!(asked(&world, "a"), 5);
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_filter_excludes_the_failure_that_opened_the_circuit_is_skipped() {
    let world = World::new([("a", vec![down()]), ("b", vec![answers(0)]), ("c", vec![answers(0)])]);
    let call = r#"{"openpipe":{"breaker":{"failures":1},"fallback":[{"model":"b","on":["timeout"]},{"model":"c"}]}}"#;
    shape(&world, call).await;
    assert_eq!(shape(&world, call).await, attempts(&[("a", "circuit_open", 0), ("c", "ok", 1)]));
    let call = r#"{"openpipe":{"breaker":{"failures":1},"fallback":[{"model":"b","on":["timeout"]}]}}"#;
    assert_eq!(shape(&world, call).await, attempts(&[("a", "server_error", 1)]), "nobody takes over, so it is asked");
}

#[tokio::test(start_paused = true)]
async fn every_target_with_an_open_circuit_is_skipped() {
    let world = World::new([("a", vec![down()]), ("b", vec![down()]), ("c", vec![answers(0)])]);
    let call = r#"{"openpipe":{"breaker":{"failures":1},"fallback":[{"model":"b"},{"model":"c"}]}}"#;
    shape(&world, call).await;
    let expected = attempts(&[("a", "circuit_open", 0), ("b", "circuit_open", 0), ("c", "ok", 1)]);
    assert_eq!(shape(&world, call).await, expected);
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_rightly_refused_open_nothing() {
    let world = World::new([("a", vec![failing(Kind::BadRequest, 0, false)]), ("b", vec![answers(0)])]);
    for _ in 0..10 {
        shape(&world, CALL).await;
    }
    assert_eq!(asked(&world, "a"), 10);
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_deadline_opens_nothing() {
    let world = World::new([("a", vec![script::silent()]), ("b", vec![answers(0)])]);
    let call = r#"{"openpipe":{"deadline":100,"breaker":{"failures":1},"fallback":[{"model":"b"}]}}"#;
    for stream in [false, true, false, true] {
        trail(run(&world, call, stream).await);
    }
    assert_eq!(asked(&world, "a"), 4);
    let headers_only = World::new([("a", vec![streams(0, [(0, Act::Event(ROLE))])]), ("b", vec![answers(0)])]);
    trail(run(&headers_only, call, true).await);
    trail(run(&headers_only, call, true).await);
    assert_eq!(asked(&headers_only, "a"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_aborted_opens_nothing() {
    let world = World::new([("a", vec![script::silent()]), ("b", vec![answers(0)])]);
    for _ in 0..5 {
        let (plan, body) = planned(CALL, r#"{"model":"a"}"#);
        let aborted = timeout(ms(50), run_engine(&plan, &body, &world)).await;
        assert!(aborted.is_err());
    }
    assert_eq!(asked(&world, "a"), 5);
}

#[tokio::test(start_paused = true)]
async fn the_targets_own_timeout_opens_it() {
    let world = World::new([("a", vec![script::silent()]), ("b", vec![answers(0)])]);
    // Two timeouts of ten minutes each.
    let call = r#"{"openpipe":{"breaker":{"failures":2,"window":86400000},"fallback":[{"model":"b"}]}}"#;
    for _ in 0..5 {
        shape(&world, call).await;
    }
    assert_eq!(asked(&world, "a"), 2);
}

#[tokio::test(start_paused = true)]
async fn limits_that_a_call_narrowed_open_nothing() {
    for (call, stream) in [
        (r#"{"timeout":100,"openpipe":{"breaker":{"failures":2},"fallback":[{"model":"b"}]}}"#, false),
        (r#"{"openpipe":{"firstTokenTimeout":100,"breaker":{"failures":2},"fallback":[{"model":"b"}]}}"#, true),
    ] {
        let world = World::new([("a", vec![script::silent()]), ("b", vec![answers(0)])]);
        for _ in 0..5 {
            trail(run(&world, call, stream).await);
        }
        assert_eq!(asked(&world, "a"), 5, "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_one_try_regardless_of_retries() {
    let world = World::new([("a", vec![down()]), ("b", vec![answers(0)])]);
    let call = r#"{"maxRetries":2,"openpipe":{"breaker":{"failures":1},"fallback":[{"model":"b"}]}}"#;
    assert_eq!(shape(&world, call).await[0], ("a".to_owned(), "server_error", 3));
    advance(ms(10_000)).await;
    assert_eq!(shape(&world, call).await[0], ("a".to_owned(), "server_error", 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_left_out_at_once_for_five_minutes() {
    let world = World::new([("a", vec![failing(Kind::Auth, 0, false)]), ("openpipe:b", vec![answers(0)])]);
    let call = r#"{"openpipe":{"breaker":true,"fallback":[{"model":"openpipe:b","on":["auth"]}]}}"#;
    shape(&world, call).await;
    assert_eq!(shape(&world, call).await, attempts(&[("a", "circuit_open", 0), ("openpipe:b", "ok", 1)]));
    advance(ms(299_000)).await;
    shape(&world, call).await;
    assert_eq!(asked(&world, "a"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_credential_of_its_own_has_no_circuit() {
    let world = World::new([("a", vec![down()]), ("b", vec![answers(0)])]);
    let call = r#"{"headers":[["authorization","Bearer mine"]],"openpipe":{"breaker":{"failures":1},"fallback":[{"model":"b"}]}}"#;
    for _ in 0..5 {
        shape(&world, call).await;
    }
    assert_eq!(asked(&world, "a"), 5);
}

#[tokio::test(start_paused = true)]
async fn behind_an_open_circuit_the_next_target_is_judged_by_the_failure_before() {
    let world = World::new([
        ("a", vec![failing(Kind::BadRequest, 0, false)]),
        ("b", vec![failing(Kind::NotFound, 0, false)]),
        ("c", vec![answers(0)]),
    ]);
    let call = |on: &str| {
        let fallbacks = format!(r#"[{{"model":"b"}},{{"model":"c","on":["{on}"]}}]"#);
        format!(r#"{{"openpipe":{{"breaker":{{"failures":1}},"fallback":{fallbacks}}}}}"#)
    };
    shape(&world, &call("not_found")).await;
    let expected = attempts(&[("a", "bad_request", 1), ("b", "circuit_open", 0), ("c", "ok", 1)]);
    assert_eq!(shape(&world, &call("bad_request")).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_health_table_shows_the_outcomes_of_the_targets() {
    let world = World::new([("a", vec![down()]), ("b", vec![answers(20), answers(40), answers(30)])]);
    for _ in 0..3 {
        shape(&world, CALL).await;
    }
    let watch = world.watch();
    let rows = watch.health.expect("a table").read(watch.breakers);
    let seen: Vec<_> =
        rows.iter().map(|row| (row.model.as_str(), row.circuit, row.in_flight, row.first_content_ms)).collect();
    assert_eq!(seen, [("a", Some("open"), 0, None), ("b", Some("closed"), 0, Some(30.0))]);
    let failed = rows[0].last_failure.as_ref().expect("a failure");
    assert_eq!((failed.kind, failed.status), (Kind::ServerError, Some(503)));
    assert!(rows[0].until > rows[0].since && rows[1].until.is_none());

    let (plan, body) = planned(CALL, r#"{"model":"b"}"#);
    let mut running = Box::pin(run_engine(&plan, &body, &world));
    assert!(timeout(ms(1), &mut running).await.is_err());
    assert_eq!(watch.health.expect("a table").read(watch.breakers)[1].in_flight, 1);
    drop(running);
    assert_eq!(watch.health.expect("a table").read(watch.breakers)[1].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_dies_in_its_readers_hands_counts_as_a_failure() {
    let dies = || streams(0, [(0, Act::Event(ROLE)), (0, Act::Event(A)), (10, Act::Break)]);
    let world = World::new([("a", vec![dies()]), ("b", vec![streams_well(0)])]);
    for _ in 0..2 {
        let Outcome::Stream(mut stream, _) = run(&world, CALL, true).await else { panic!("no stream") };
        while stream.next().await.is_ok_and(|events| events.is_some()) {}
    }
    trail(run(&world, CALL, true).await);
    assert_eq!(asked(&world, "a"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_left_early_is_no_failure() {
    let world = World::new([("a", vec![streams_well(0)]), ("b", vec![streams_well(0)])]);
    for _ in 0..5 {
        let Outcome::Stream(stream, _) = run(&world, CALL, true).await else { panic!("no stream") };
        drop(stream);
    }
    assert_eq!(asked(&world, "a"), 5);
}
