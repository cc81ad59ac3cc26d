use super::*;
use crate::failure::Head;

const SECOND: Duration = Duration::from_secs(1);

/// Opens for five seconds at three failures in ten seconds, if they are half of the outcomes.
fn policy() -> BreakerPolicy {
    BreakerPolicy {
        failures: 3,
        failure_rate: 0.5,
        window: 10 * SECOND,
        open_for: 5 * SECOND,
        credential_open_for: 60 * SECOND,
    }
}

/// Circuits without jitter.
fn breakers() -> Breakers {
    Breakers::with_random(|| 0.5)
}

fn subject() -> Subject<'static> {
    Subject {
        place: [b"http://upstream/v1", b""],
        endpoint: "chat",
        credential: vec![b"key"],
        is_credential_known: true,
        model: "model",
    }
}

fn circuit() -> Gate {
    breakers().gate(policy(), &subject(), Narrowed::default())
}

fn status(status: u16, code: &str) -> Failure {
    Failure::status(Head { status, ..Head::default() }, format!(r#"{{"error":{{"code":"{code}"}}}}"#))
}

#[track_caller]
fn permit(circuit: &Gate) -> Permit {
    match circuit.admit() {
        Admission::Go(permit) => permit,
        Admission::Refused(cause, _) => panic!("refused: {cause:?}"),
    }
}

fn is_open(circuit: &Gate) -> bool {
    matches!(circuit.admit(), Admission::Refused(..))
}

fn left(circuit: &Gate) -> Option<Duration> {
    match circuit.service.admit() {
        Admitted::Refused(_, left) => left,
        Admitted::Go(_) => None,
    }
}

fn fail(circuit: &Gate) {
    permit(circuit).failed(&status(500, ""));
}

fn succeed(circuit: &Gate) {
    permit(circuit).succeeded();
}

fn opened() -> Gate {
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
async fn a_refusal_has_the_failure_that_opened_it() {
    let circuit = circuit();
    for failure in [status(500, ""), status(500, ""), status(429, "")] {
        permit(&circuit).failed(&failure);
    }
    let Admission::Refused(cause, _) = circuit.admit() else { panic!("it is closed") };
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
async fn failures_that_are_not_the_upstreams_do_not_count() {
    let circuit = circuit();
    let deadline = Failure::timeout("the caller's deadline").by(Bound::Deadline);
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
async fn every_other_failure_counts() {
    let invalid = Failure::invalid_response("no JSON", Head { status: 200, ..Head::default() }, None);
    let stream = Failure::broken_stream("reset", None);
    let failures = [
        Failure::timeout("up"),
        Failure::connection("refused", None),
        status(429, ""),
        status(403, ""),
        status(404, ""),
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
    assert_eq!(left(&circuit), Some(5 * SECOND));
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
    assert_eq!(left(&circuit), None);
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
async fn each_probe_that_fails_opens_it_for_half_as_long_again_up_to_half_a_minute() {
    let circuit = opened();
    let mut open_for = Vec::new();
    for _ in 0..7 {
        open_for.push(left(&circuit).unwrap());
        tokio::time::advance(left(&circuit).unwrap()).await;
        fail(&circuit);
    }
    let expected = [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0].map(Duration::from_secs_f64);
    assert_eq!(open_for, expected);
    tokio::time::advance(30 * SECOND).await;
    succeed(&circuit);
    (0..3).for_each(|_| fail(&circuit));
    assert_eq!(left(&circuit), Some(5 * SECOND), "a success resets it");
}

#[tokio::test(start_paused = true)]
async fn a_first_time_longer_than_half_a_minute_stays() {
    let long = BreakerPolicy { failures: 1, open_for: 90 * SECOND, ..policy() };
    let circuit = breakers().gate(long, &subject(), Narrowed::default());
    fail(&circuit);
    for _ in 0..3 {
        assert_eq!(left(&circuit), Some(90 * SECOND));
        tokio::time::advance(90 * SECOND).await;
        fail(&circuit);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_is_jittered_by_a_fifth_each_way() {
    let of = |random: fn() -> f64| {
        let circuit = Breakers::with_random(random).gate(policy(), &subject(), Narrowed::default());
        (0..3).for_each(|_| fail(&circuit));
        left(&circuit)
    };
    assert_eq!(of(|| 0.0), Some(4 * SECOND));
    assert_eq!(of(|| 1.0), Some(6 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_the_failure_names_takes_the_place_of_open_for() {
    for (number, (header, value, expected)) in
        [("retry-after", "40", 40), ("x-ratelimit-reset-tokens", "1m5s", 65), ("retry-after", "7200", 600)]
            .into_iter()
            .enumerate()
    {
        let model = number.to_string();
        let circuit = breakers().gate(policy(), &Subject { model: &model, ..subject() }, Narrowed::default());
        fail(&circuit);
        fail(&circuit);
        let mut head = Head { status: 429, ..Head::default() };
        head.headers.insert(header, value.parse().unwrap());
        permit(&circuit).failed(&Failure::status(head, String::new()));
        assert_eq!(left(&circuit), Some(expected * SECOND), "{header}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_named_once_does_not_open_it() {
    let circuit = circuit();
    let mut head = Head { status: 429, ..Head::default() };
    head.headers.insert("retry-after", "40".parse().unwrap());
    permit(&circuit).failed(&Failure::status(head, String::new()));
    assert!(!is_open(&circuit), "one 429 is not an outage");
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
async fn while_a_probe_is_in_flight_no_other_request_is_admitted_for_at_most_half_a_minute() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    let hanging = permit(&circuit);
    assert!(hanging.is_probe());
    tokio::time::advance(29 * SECOND).await;
    assert!(is_open(&circuit));
    tokio::time::advance(SECOND).await;
    succeed(&circuit);
    drop(hanging);
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn outcomes_of_requests_from_before_it_opened_are_ignored() {
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
async fn a_forced_request_closes_it_when_it_succeeds() {
    let circuit = opened();
    circuit.force().failed(&status(500, ""));
    assert_eq!(left(&circuit), Some(5 * SECOND), "a failure says nothing new");
    circuit.force().succeeded();
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_after_its_first_content_counts_as_a_failure_and_not_as_a_success() {
    let policy = BreakerPolicy { failure_rate: 1.0, ..policy() };
    let circuit = breakers().gate(policy, &subject(), Narrowed::default());
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
async fn a_probe_stream_that_dies_takes_no_other_requests_success_back() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    let mut stream = permit(&circuit);
    stream.succeeded();
    (0..4).for_each(|_| permit(&circuit).succeeded());
    stream.failed(&Failure::broken_stream("reset", None));
    (0..2).for_each(|_| fail(&circuit));
    assert!(!is_open(&circuit), "3 failures of 7 outcomes are less than half");
    fail(&circuit);
    assert!(is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_in_flight_at_once_share_a_circuit() {
    let breakers = breakers();
    let gate = || breakers.gate(policy(), &subject(), Narrowed::default());
    let mut permits: Vec<Permit> = (0..3).map(|_| permit(&gate())).collect();
    // Each look-up forgets circuits at rest, but none that is in use.
    for model in ["a", "b", "c", "d"] {
        let _ = breakers.gate(policy(), &Subject { model, ..subject() }, Narrowed::default());
    }
    permits.iter_mut().for_each(|permit| permit.failed(&status(500, "")));
    assert!(is_open(&gate()));
}

#[tokio::test(start_paused = true)]
async fn equal_subjects_share_a_circuit() {
    let breakers = breakers();
    let of = |policy, subject: &Subject<'_>| breakers.gate(policy, subject, Narrowed::default());
    (0..3).for_each(|_| fail(&of(policy(), &subject())));
    assert!(is_open(&of(policy(), &subject())));
    for other in [
        Subject { model: "other", ..subject() },
        Subject { endpoint: "embeddings", ..subject() },
        Subject { credential: vec![b"other"], ..subject() },
        Subject { credential: vec![b"k", b"ey"], ..subject() },
        Subject { place: [b"http://upstream/v2", b""], ..subject() },
        Subject { place: [b"http://upstream/v1", b"key=other"], ..subject() },
    ] {
        assert!(!is_open(&of(policy(), &other)), "{other:?}");
    }
    assert!(!is_open(&of(BreakerPolicy { failures: 4, ..policy() }, &subject())));
}

#[tokio::test(start_paused = true)]
async fn a_failure_by_a_limit_that_the_call_narrowed_does_not_count() {
    let all = Narrowed { time: true, first_token: true, idle: true, size: true };
    let breakers = breakers();
    let narrowed = || breakers.gate(policy(), &subject(), all);
    for bound in [Bound::Time, Bound::FirstToken, Bound::Idle, Bound::Size, Bound::Deadline] {
        for _ in 0..5 {
            permit(&narrowed()).failed(&Failure::timeout("up").by(bound));
        }
        assert!(!is_open(&narrowed()), "{bound:?}");
    }
    for _ in 0..5 {
        permit(&narrowed()).failed(&Failure::timeout("the client's own timeout"));
    }
    assert!(!is_open(&narrowed()));
    (0..3).for_each(|_| fail(&narrowed()));
    assert!(is_open(&narrowed()), "what the upstream did by itself counts");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_a_narrowed_limit_ends_makes_room_for_the_next() {
    let breakers = breakers();
    let gate = |narrowed| breakers.gate(policy(), &subject(), narrowed);
    (0..3).for_each(|_| fail(&gate(Narrowed::default())));
    tokio::time::advance(5 * SECOND).await;
    let mut probe = permit(&gate(Narrowed { time: true, ..Narrowed::default() }));
    probe.failed(&Failure::timeout("up").by(Bound::Time));
    drop(probe);
    let next = permit(&gate(Narrowed::default()));
    assert!(next.is_probe());
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_opens_at_once_for_every_model_and_endpoint() {
    let breakers = breakers();
    let of = |subject: &Subject<'_>| breakers.gate(policy(), subject, Narrowed::default());
    permit(&of(&subject())).failed(&status(401, ""));
    for refused in [subject(), Subject { model: "other", ..subject() }, Subject { endpoint: "responses", ..subject() }]
    {
        let Admission::Refused(cause, left) = of(&refused).admit() else { panic!("it goes: {refused:?}") };
        assert_eq!((cause.kind, cause.status, left), (Kind::Auth, Some(401), Some(60 * SECOND)));
    }
    assert!(!is_open(&of(&Subject { credential: vec![b"good"], ..subject() })));
    assert!(!is_open(&of(&Subject { place: [b"http://elsewhere/", b""], ..subject() })));
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_opens_at_once_for_its_model() {
    let breakers = breakers();
    let of = |subject: &Subject<'_>| breakers.gate(policy(), subject, Narrowed::default());
    permit(&of(&subject())).failed(&status(429, "insufficient_quota"));
    let Admission::Refused(cause, left) = of(&subject()).admit() else { panic!("it goes") };
    assert_eq!((cause.kind, left), (Kind::Quota, Some(60 * SECOND)));
    assert!(!is_open(&of(&Subject { model: "other", ..subject() })));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_the_upstream_names_does_not_shorten_the_pause_of_a_refused_key() {
    let mut failure = status(401, "");
    failure.head.as_mut().unwrap().headers.insert("retry-after", "3".parse().unwrap());
    let breakers = breakers();
    let of = || breakers.gate(policy(), &subject(), Narrowed::default());
    permit(&of()).failed(&failure);
    let Admission::Refused(_, left) = of().admit() else { panic!("it goes") };
    assert_eq!(left, Some(60 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_callers_rules_refuse_is_a_success() {
    let circuit = opened();
    tokio::time::advance(5 * SECOND).await;
    // It is kept: dropping it would let the next request try.
    let mut probe = permit(&circuit);
    assert!(is_open(&circuit));
    probe.failed(&Failure::new(Kind::Rejected, crate::failure::Surface::Protocol, "too short"));
    assert!(!is_open(&circuit));
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_tried_by_one_probe_when_its_time_is_up() {
    let breakers = breakers();
    let of = || breakers.gate(policy(), &subject(), Narrowed::default());
    for _ in 0..2 {
        permit(&of()).failed(&status(403, "invalid_api_key"));
        tokio::time::advance(60 * SECOND - Duration::from_millis(1)).await;
        assert!(is_open(&of()));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let mut probe = permit(&of());
    assert!(probe.is_probe() && is_open(&of()));
    probe.failed(&status(500, ""));
    drop(probe);
    let mut probe = permit(&of());
    assert!(probe.is_probe(), "a failure of another kind says nothing about the key");
    probe.succeeded();
    assert!(!is_open(&of()) && !permit(&of()).is_probe());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_a_function_returns_has_no_circuit_of_its_own() {
    let breakers = breakers();
    let asked = Subject { is_credential_known: false, ..subject() };
    let of = || breakers.gate(policy(), &asked, Narrowed::default());
    permit(&of()).failed(&status(401, ""));
    permit(&of()).failed(&status(401, ""));
    assert!(!is_open(&of()));
    permit(&of()).failed(&status(401, ""));
    assert!(is_open(&of()), "it counts like any failure");
}

#[tokio::test(start_paused = true)]
async fn circuits_at_rest_are_forgotten() {
    let breakers = breakers();
    let of = |number: u32| {
        let model = number.to_string();
        breakers.gate(
            BreakerPolicy { failures: 1, ..policy() },
            &Subject { model: &model, ..subject() },
            Narrowed::default(),
        )
    };
    (0..1000).for_each(|number| fail(&of(number)));
    tokio::time::advance(5 * SECOND).await;
    assert!(permit(&of(0)).is_probe(), "its time is over, but it is remembered");
    tokio::time::advance(601 * SECOND).await;
    (0..1000).for_each(|number| succeed(&of(1_000_000 + number)));
    let kept = breakers.shared.lock().kept.len();
    assert!(kept <= 1001, "{kept}");
    assert!(!permit(&of(0)).is_probe());
}

#[tokio::test(start_paused = true)]
async fn at_most_ten_thousand_entries_are_kept_and_the_least_recently_used_one_is_dropped() {
    let breakers = breakers();
    let of = |number: u32| {
        let model = number.to_string();
        breakers.gate(
            BreakerPolicy { failures: 1, ..policy() },
            &Subject { model: &model, ..subject() },
            Narrowed::default(),
        )
    };
    fail(&of(0));
    fail(&of(1));
    for number in 2..100_000 {
        fail(&of(number));
        if number % 1000 == 0 {
            assert!(is_open(&of(0)), "it is in use");
        }
    }
    assert_eq!(breakers.shared.lock().kept.len(), MAX_CIRCUITS);
    assert!(is_open(&of(0)) && is_open(&of(99_999)) && !is_open(&of(1)));
}

#[tokio::test(start_paused = true)]
async fn keys_and_quotas_are_counted_as_they_come_and_go() {
    let breakers = breakers();
    for number in 0..2 * MAX_CIRCUITS {
        let key = number.to_string();
        let refused = Subject { credential: vec![key.as_bytes()], ..subject() };
        permit(&breakers.gate(policy(), &refused, Narrowed::default())).failed(&status(401, ""));
    }
    let circuits = breakers.shared.lock();
    let refusals = circuits.kept.values().filter(|(sort, _)| *sort != CircuitKind::Service).count();
    assert_eq!((circuits.refusals, circuits.kept.len()), (refusals, MAX_CIRCUITS));
}

#[tokio::test(start_paused = true)]
async fn the_state_is_that_of_the_circuit_that_blocks_the_target() {
    let breakers = breakers();
    let of = || breakers.gate(policy(), &subject(), Narrowed::default());
    let seen = || {
        let state = breakers.state(of().watch());
        (state.name, state.left)
    };
    assert_eq!(seen(), ("closed", None));
    (0..3).for_each(|_| fail(&of()));
    assert_eq!(seen(), ("open", Some(5 * SECOND)));
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(seen(), ("half_open", None));
    succeed(&of());
    permit(&of()).failed(&status(401, ""));
    assert_eq!(seen(), ("open", Some(60 * SECOND)));
}

#[test]
fn a_policy_has_defaults() {
    let of = |json: &str| serde_json::from_str::<BreakerPolicy>(json).unwrap();
    assert_eq!(of("{}"), BreakerPolicy::default());
    assert_eq!(
        of(r#"{"failures":3,"failureRate":0.25,"window":10000,"openFor":1500,"credentialOpenFor":2000}"#),
        BreakerPolicy {
            failures: 3,
            failure_rate: 0.25,
            window: 10 * SECOND,
            open_for: Duration::from_millis(1500),
            credential_open_for: 2 * SECOND,
        }
    );
}
