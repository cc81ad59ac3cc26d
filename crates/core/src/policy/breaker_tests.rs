use super::*;
use crate::failure::Head;

const SECOND: Duration = Duration::from_secs(1);

/// Three failures in ten seconds, if they are half of it; five seconds open.
fn policy() -> BreakerPolicy {
    BreakerPolicy { failures: 3, failure_rate: 0.5, window: 10 * SECOND, open_for: 5 * SECOND }
}

fn circuit() -> Arc<Circuit> {
    Breakers::default().circuit(policy(), &[b"upstream"])
}

fn status(status: u16, code: &str) -> Failure {
    Failure::status(Head { status, ..Head::default() }, format!(r#"{{"error":{{"code":"{code}"}}}}"#))
}

#[track_caller]
fn permit(circuit: &Arc<Circuit>) -> Permit {
    match circuit.admit() {
        Admission::Go(permit) => permit,
        Admission::Refused(cause) => panic!("refused: {cause:?}"),
    }
}

fn is_open(circuit: &Arc<Circuit>) -> bool {
    matches!(circuit.admit(), Admission::Refused(_))
}

fn fail(circuit: &Arc<Circuit>) {
    permit(circuit).failed(&status(500, ""));
}

fn succeed(circuit: &Arc<Circuit>) {
    permit(circuit).succeeded();
}

fn opened() -> Arc<Circuit> {
    let circuit = circuit();
    (0..3).for_each(|_| fail(&circuit));
    assert!(is_open(&circuit));
    circuit
}

#[tokio::test(start_paused = true)]
async fn it_opens_with_the_last_of_enough_failures() {
    let circuit = circuit();
    fail(&circuit);
    fail(&circuit);
    assert!(!is_open(&circuit));
    fail(&circuit);
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn what_opened_it_is_told() {
    let circuit = circuit();
    for failure in [status(500, ""), status(500, ""), status(429, "")] {
        permit(&circuit).failed(&failure);
    }
    let Admission::Refused(cause) = circuit.admit() else { panic!("it is closed") };
    assert_eq!(cause, Cause { kind: crate::failure::Kind::RateLimit, status: Some(429) });
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_a_small_share_do_not_open_it() {
    let circuit = circuit();
    (0..4).for_each(|_| succeed(&circuit));
    (0..3).for_each(|_| fail(&circuit));
    assert!(!is_open(&circuit));
    fail(&circuit);
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn failures_out_of_the_window_are_forgotten() {
    let circuit = circuit();
    fail(&circuit);
    fail(&circuit);
    tokio::time::advance(10 * SECOND).await;
    fail(&circuit);
    assert!(!is_open(&circuit));
    tokio::time::advance(5 * SECOND).await;
    fail(&circuit);
    fail(&circuit);
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_window_that_was_silent_for_long_is_empty() {
    let circuit = circuit();
    (0..100).for_each(|_| succeed(&circuit));
    tokio::time::advance(3600 * SECOND).await;
    (0..3).for_each(|_| fail(&circuit));
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_about_the_upstream_does_not_count() {
    let circuit = circuit();
    let deadline = Failure { by_deadline: true, ..Failure::timeout("the caller's deadline") };
    let refused = [
        status(400, ""),
        status(422, ""),
        status(400, "context_length_exceeded"),
        status(400, "content_filter"),
        deadline,
    ];
    for failure in refused.iter().cycle().take(50) {
        permit(&circuit).failed(failure);
    }
    assert!(!is_open(&circuit));
    (0..3).for_each(|_| fail(&circuit));
    assert!(is_open(&circuit), "and they are no successes either");
}

#[tokio::test(start_paused = true)]
async fn whatever_else_goes_wrong_counts() {
    let invalid = Failure::invalid_response("no JSON", Head { status: 200, ..Head::default() }, None);
    let stream = Failure::broken_stream("reset", None);
    let failures = [
        Failure::timeout("up"),
        Failure::connection("refused", None),
        status(429, ""),
        status(401, ""),
        invalid,
        stream,
    ];
    for failure in failures {
        let circuit = circuit();
        (0..3).for_each(|_| permit(&circuit).failed(&failure));
        assert!(is_open(&circuit), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_dropped_does_not_count() {
    let circuit = circuit();
    (0..50).for_each(|_| drop(permit(&circuit)));
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn it_is_open_for_its_time() {
    let circuit = opened();
    assert_eq!(circuit.open_for(), Some(5 * SECOND));
    tokio::time::advance(5 * SECOND - Duration::from_millis(1)).await;
    assert!(is_open(&circuit));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn half_open_lets_one_probe_through() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    let _probe = permit(&circuit);
    assert!(is_open(&circuit));
    assert_eq!(circuit.open_for(), None);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_succeeds_closes_it() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    let mut probe = permit(&circuit);
    probe.succeeded();
    fail(&circuit);
    fail(&circuit);
    assert!(!is_open(&circuit), "it begins anew");
    fail(&circuit);
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_for_as_long_again() {
    let circuit = opened();
    for _ in 0..3 {
        tokio::time::advance(5 * SECOND).await;
        fail(&circuit);
        assert_eq!(circuit.open_for(), Some(5 * SECOND));
    }
    tokio::time::advance(5 * SECOND).await;
    succeed(&circuit);
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_dropped_makes_room_for_another() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    drop(permit(&circuit));
    let mut probe = permit(&circuit);
    probe.failed(&status(400, ""));
    drop(probe);
    succeed(&circuit);
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_holds_up_the_next_no_longer_than_the_circuit_was_open() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    let hanging = permit(&circuit);
    tokio::time::advance(5 * SECOND).await;
    succeed(&circuit);
    drop(hanging);
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_it_opened_says_nothing_afterwards() {
    let circuit = circuit();
    let mut early_success = permit(&circuit);
    let mut early_failure = permit(&circuit);
    (0..3).for_each(|_| fail(&circuit));
    early_success.succeeded();
    assert!(is_open(&circuit));
    tokio::time::advance(5 * SECOND).await;
    let mut probe = permit(&circuit);
    early_failure.failed(&status(500, ""));
    probe.succeeded();
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_had_to_go_closes_it_when_it_succeeds() {
    let circuit = opened();
    circuit.force().failed(&status(500, ""));
    assert_eq!(circuit.open_for(), Some(5 * SECOND), "a failure says nothing new");
    circuit.force().succeeded();
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_began_well_and_died_is_a_failure_and_no_success() {
    let policy = BreakerPolicy { failure_rate: 1.0, ..policy() };
    let circuit = Breakers::default().circuit(policy, &[b"upstream"]);
    for _ in 0..3 {
        let mut stream = permit(&circuit);
        stream.succeeded();
        stream.failed(&Failure::broken_stream("reset", None));
    }
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_probe_stream_that_dies_after_it_has_closed_the_circuit_counts_as_one_failure() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    let mut stream = permit(&circuit);
    stream.succeeded();
    stream.failed(&Failure::broken_stream("reset", None));
    fail(&circuit);
    assert!(!is_open(&circuit));
    fail(&circuit);
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn everybody_who_asks_for_the_same_has_the_same_circuit() {
    let breakers = Breakers::default();
    let of = |policy, parts: &[&[u8]]| breakers.circuit(policy, parts);
    (0..3).for_each(|_| fail(&of(policy(), &[b"url", b"key", b"model"])));
    assert!(is_open(&of(policy(), &[b"url", b"key", b"model"])));
    assert!(!is_open(&of(policy(), &[b"url", b"key", b"other model"])));
    assert!(!is_open(&of(policy(), &[b"url", b"other key", b"model"])));
    assert!(!is_open(&of(policy(), &[b"urlkey", b"model"])));
    assert!(!is_open(&of(BreakerPolicy { failures: 4, ..policy() }, &[b"url", b"key", b"model"])));
}

#[tokio::test(start_paused = true)]
async fn circuits_that_say_nothing_any_more_are_forgotten() {
    let breakers = Breakers::default();
    let open = breakers.circuit(policy(), &[b"open"]);
    (0..3).for_each(|_| fail(&open));
    drop(open);
    for number in 0..10 * MANY_CIRCUITS {
        succeed(&breakers.circuit(policy(), &[&number.to_le_bytes()]));
        tokio::time::advance(SECOND / 10).await;
    }
    let kept = breakers.circuits.lock().unwrap().len();
    assert!(kept <= MANY_CIRCUITS, "{kept}");
    let open = breakers.circuit(policy(), &[b"open"]);
    assert!(matches!(open.lock().state, State::Open { .. }), "but not one that is open");
}

#[test]
fn a_policy_has_defaults() {
    let of = |json: &str| serde_json::from_str::<BreakerPolicy>(json).unwrap();
    assert_eq!(of("{}"), BreakerPolicy::default());
    assert_eq!(
        of(r#"{"failures":3,"failureRate":0.25,"window":10000,"openFor":1500}"#),
        BreakerPolicy { failures: 3, failure_rate: 0.25, window: 10 * SECOND, open_for: Duration::from_millis(1500) }
    );
}
