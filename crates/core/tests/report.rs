//! The reporter with a scripted endpoint and paused time: what arrives, what is tried again, what is given up, and who is
//! told of it when; and what a report says.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/reporting.rs"]
mod reporting;

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;
use openpipe_core::failure::{Failure, Head};
use openpipe_core::record::Attempt;
use openpipe_core::report::{
    self, Counts, Destination, Group, Limits, Report, ReportEndpoint, Reporter, TargetOutcome,
};
use reporting::{HOUR, Reply, Stage, Try, answers, endpoint, ms, refused, takes};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// The clock of tokio counts whole milliseconds and rounds up.
#[track_caller]
fn about(got: u128, expected: u128) {
    assert!((expected..=expected + 5).contains(&got), "{got} ms, expected {expected}");
}

/// The first pause is half a second, doubled for each further one, less up to a quarter.
#[track_caller]
fn paused(times: &[u128], took: u128) {
    for (pause, pair) in [500, 1_000, 2_000, 4_000, 8_000].into_iter().zip(times.windows(2)) {
        let got = pair[1] - pair[0] - took;
        assert!((pause * 3 / 4..=pause + 5).contains(&got), "a pause of {got} ms instead of {pause}: {times:?}");
    }
}

fn counts(delivered: u64, dropped: u64, pending: u64, retried: u64) -> Counts {
    Counts { delivered, dropped, pending, retried }
}

fn status(status: u16) -> Reply {
    answers(1, status, &[])
}

// === Delivery ===

#[tokio::test(start_paused = true)]
async fn a_report_is_delivered_once() {
    let stage = Stage::new(|_| takes());
    stage.report(1, "{}");
    stage.settled().await;
    sleep(HOUR).await;

    let [tried] = &stage.tries()[..] else { panic!("{:?}", stage.tries()) };
    assert_eq!((tried.text().as_str(), tried.url.as_str()), ("{}", "http://openpipe.test/report"));
    assert_eq!((tried.headers["authorization"].as_bytes(), tried.host_transport), (&b"Bearer opk"[..], None));
    assert_eq!(stage.reporter.counts(), counts(1, 0, 0, 0));
    assert_eq!(stage.warnings(), []);
}

#[tokio::test(start_paused = true)]
async fn a_report_says_that_it_is_json_and_keeps_the_headers_of_its_endpoint() {
    let url: reqwest::Url = "http://openpipe.test/report".parse().expect("a URL");
    let mut own = http::HeaderMap::new();
    own.insert("content-type", "application/vnd.test+json".parse().expect("a header's value"));
    let stage = Stage::new(|_| takes());
    for headers in [http::HeaderMap::new(), own] {
        stage.report_to(&Arc::new(ReportEndpoint::new(url.clone(), headers, Some(7))), 1, "{}");
        stage.settled().await;
    }
    let types: Vec<_> = stage.tries().into_iter().map(|tried| tried.headers["content-type"].clone()).collect();
    assert_eq!(types, ["application/json", "application/vnd.test+json"]);
    assert!(stage.tries().iter().all(|tried| tried.host_transport == Some(7)));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_may_arrive_next_time_is_tried_again_after_a_pause() {
    for name in ["refused", "timeout", "408", "429", "500", "502", "503", "504", "529"] {
        let failure = move || match name {
            "refused" => refused(),
            "timeout" => Reply::Fails(1, Failure::timeout("no answer")),
            code => status(code.parse().expect("a status")),
        };
        let stage = Stage::new(move |tried| if tried.number < 3 { failure() } else { takes() });
        stage.report(1, "r");
        stage.settled().await;
        assert_eq!(stage.taken(), ["r"], "{name}");
        assert_eq!(stage.reporter.counts(), counts(1, 0, 0, 3), "{name}");
        paused(&stage.times(), 1);
        assert!(stage.tries().iter().all(|tried| tried.text() == "r"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_refused_is_not_tried_again() {
    for refusal in [400, 401, 403, 404, 405, 409, 413, 422, 451] {
        let stage = Stage::new(move |_| status(refusal));
        stage.report(1, "r");
        stage.settled().await;
        sleep(HOUR).await;
        assert_eq!(stage.times().len(), 1, "{refusal}");
        assert_eq!(stage.reporter.counts(), counts(0, 1, 0, 0), "{refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_that_was_not_followed_is_not_tried_again() {
    let stage = Stage::new(|_| answers(1, 302, &[("location", "http://elsewhere.test/")]));
    stage.report(1, "r");
    stage.settled().await;
    assert_eq!((stage.times().len(), stage.reporter.counts().dropped), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_may_say_when_to_try_again() {
    for (code, headers, pause) in [
        (429, [("retry-after", "7")], 7_000),
        (503, [("retry-after", "3")], 3_000),
        (429, [("retry-after-ms", "2500")], 2_500),
    ] {
        let stage = Stage::new(move |tried| if tried.number == 0 { answers(0, code, &headers) } else { takes() });
        stage.report(1, "r");
        stage.settled().await;
        about(stage.times()[1], pause);
        assert_eq!(stage.reporter.counts(), counts(1, 0, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_without_an_answer_is_given_up_after_ten_seconds() {
    let stage = Stage::new(|tried| if tried.number == 0 { Reply::Silence } else { takes() });
    stage.report(1, "r");
    sleep(ms(9_990)).await;
    assert_eq!((stage.under_way(), stage.times().len()), (1, 1));
    sleep(ms(20)).await;
    assert_eq!(stage.under_way(), 0, "a try whose time is up is dropped");
    stage.settled().await;
    paused(&stage.times(), 10_000);
    assert_eq!((stage.taken().len(), stage.reporter.counts()), (1, counts(1, 0, 0, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_report_is_given_up_when_it_was_tried_for_half_a_minute() {
    let down = Stage::new(|_| status(503));
    down.report(1, "r");
    down.settled().await;
    // Less than a pause of eight seconds was left.
    assert!((22_000..=30_005).contains(&down.now()), "{}", down.now());
    paused(&down.times(), 1);
    assert_eq!(down.times().len() as u64, down.reporter.counts().retried + 1);
    assert_eq!(down.reporter.counts().dropped, 1);

    let hangs = Stage::new(|_| Reply::Silence);
    hangs.report(1, "r");
    hangs.settled().await;
    assert!(hangs.times().iter().all(|at| *at < 30_000), "no try begins later: {:?}", hangs.times());
    assert!((30_000..=40_000).contains(&hangs.now()), "{}", hangs.now());
    assert_eq!(hangs.reporter.counts().dropped, 1);
    sleep(HOUR).await;
    assert_eq!((hangs.under_way(), hangs.times().len()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_report_begins_with_its_first_try_and_not_in_the_queue() {
    // One at a time, each for a minute and a half: the last of them is tried long after it was queued.
    let limits = Limits { concurrency: 1, max_concurrency: 1, ..Limits::default() };
    let stage = Stage::within(limits, |tried| if tried.text() == "d" { takes() } else { status(500) });
    for body in ["a", "b", "c", "d"] {
        stage.report(1, body);
    }
    stage.settled().await;
    assert!(stage.now() > 60_000);
    assert_eq!((stage.taken(), stage.reporter.counts().dropped), (vec!["d".to_owned()], 3));
    for body in ["a", "b", "c"] {
        let tries = stage.tries().iter().filter(|tried| tried.text() == body).count();
        assert!(tries >= 5, "{tries} tries of {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_after_a_good_status_is_a_success() {
    let broken = |status: u16| Failure {
        head: Some(Box::new(Head { status, ..Head::default() })),
        ..Failure::connection("the body ended early", None)
    };
    for (code, expected) in [(200, counts(1, 0, 0, 0)), (400, counts(0, 1, 0, 0))] {
        let stage = Stage::new(move |_| Reply::Fails(1, broken(code)));
        stage.report(1, "r");
        stage.settled().await;
        assert_eq!((stage.reporter.counts(), stage.times().len()), (expected, 1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_reports_of_an_outage_arrive_exactly_once() {
    const COUNT: usize = 10_000;
    let stage = Stage::new(|tried| if tried.at < 2_000 { refused() } else { takes() });
    for number in 0..COUNT {
        let call = u32::try_from(number).expect("a small number");
        stage.report(call, number.to_string());
    }
    stage.settled().await;

    let taken = stage.taken();
    let distinct: HashSet<_> = taken.iter().map(|body| body.parse::<usize>().expect("a number")).collect();
    assert_eq!((taken.len(), distinct.len()), (COUNT, COUNT));
    assert_eq!(stage.reporter.counts().delivered, COUNT as u64);
    assert!(stage.reporter.counts().retried > 0 && stage.warnings().is_empty());
    assert!(stage.most_at_once() <= Limits::default().max_concurrency, "{}", stage.most_at_once());
    assert!(stage.now() < 10_000, "{} ms", stage.now());
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_a_reports_time_costs_only_those_that_were_tried_in_it() {
    let stage = Stage::new(|tried| if tried.at < 45_000 { refused() } else { takes() });
    for number in 0..1_000 {
        stage.report(number, number.to_string());
    }
    stage.settled().await;
    let counts = stage.reporter.counts();
    // Two rounds of as many as may be on their way at once.
    assert!((1..=128).contains(&counts.dropped), "{counts:?}");
    assert_eq!((counts.delivered + counts.dropped, stage.taken().len() as u64), (1_000, counts.delivered));
}

// === How many at once ===

#[tokio::test(start_paused = true)]
async fn only_a_few_reports_are_in_flight_while_none_waits_for_long() {
    let limits = Limits::default();
    let stage = Stage::new(|_| answers(20, 200, &[]));
    for number in 0..40 {
        stage.report(number, number.to_string());
    }
    stage.settled().await;
    assert_eq!((stage.most_at_once(), stage.taken().len()), (limits.concurrency, 40));
    about(stage.now(), 40 / limits.concurrency as u128 * 20);
}

#[tokio::test(start_paused = true)]
async fn more_reports_are_in_flight_when_one_has_waited_for_long_but_never_more_than_the_bound() {
    let limits = Limits::default();
    let stage = Stage::new(|_| answers(2_000, 200, &[]));
    for number in 0..200 {
        stage.report(number, number.to_string());
    }
    sleep(limits.long_wait - ms(5)).await;
    assert_eq!(stage.under_way(), limits.concurrency);
    sleep(ms(10)).await;
    assert_eq!(stage.under_way(), limits.max_concurrency);
    stage.settled().await;
    assert_eq!((stage.most_at_once(), stage.taken().len()), (limits.max_concurrency, 200));
}

#[tokio::test(start_paused = true)]
async fn reports_that_hang_do_not_hold_the_others_up() {
    let limits = Limits::default();
    let hanging = limits.concurrency;
    let stage = Stage::new(|tried| if tried.text() == "hangs" { Reply::Silence } else { takes() });
    for number in 0..hanging {
        stage.report(u32::try_from(number).expect("a small number"), "hangs");
    }
    for number in 100..200 {
        stage.report(number, "good");
    }
    sleep(limits.long_wait + ms(500)).await;
    assert_eq!((stage.taken().len(), stage.under_way()), (100, hanging));
}

#[tokio::test(start_paused = true)]
async fn reports_are_tried_in_the_order_in_which_they_were_queued() {
    let limits = Limits { concurrency: 1, max_concurrency: 1, ..Limits::default() };
    let stage = Stage::within(limits, |_| takes());
    let bodies: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    for body in &bodies {
        stage.report(1, body.clone());
    }
    stage.settled().await;
    assert_eq!(stage.taken(), bodies);
}

// === In a rush of calls ===

/// One report each millisecond, for so long.
async fn rush(stage: &Stage, length: Duration) {
    for number in 0..u32::try_from(length.as_millis()).expect("a short time") {
        stage.report(number, number.to_string());
        sleep(ms(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn reports_wait_for_the_first_gap_in_a_rush() {
    let stage = Stage::new(|_| takes());
    rush(&stage, ms(1_000)).await;
    assert!(stage.taken().len() + stage.under_way() <= 1, "{} were delivered", stage.taken().len());
    stage.settled().await;
    assert_eq!(stage.taken().len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn reports_that_come_one_at_a_time_do_not_wait() {
    let limits = Limits::default();
    let stage = Stage::new(|_| takes());
    for number in 0..20 {
        stage.report(number, number.to_string());
        sleep(limits.gap + ms(5)).await;
        assert_eq!(stage.taken().len(), number as usize + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_waits_for_no_longer_than_two_seconds_however_long_the_rush() {
    let limits = Limits::default();
    let stage = Stage::new(|_| takes());
    rush(&stage, limits.burst_wait - ms(50)).await;
    let before = stage.taken().len();
    rush(&stage, ms(3_000)).await;
    assert!(before <= 1, "{before}");
    assert!(stage.taken().len() > 2_500, "{}", stage.taken().len());
}

#[tokio::test(start_paused = true)]
async fn reports_do_not_wait_for_the_end_of_a_burst_during_a_flush() {
    let stage = Stage::new(|_| takes());
    rush(&stage, ms(100)).await;
    let (_, delivered) = tokio::join!(rush(&stage, ms(100)), async {
        sleep(ms(1)).await;
        let _ = timeout(ms(90), stage.reporter.flush()).await;
        stage.taken().len()
    });
    assert!(delivered > 30, "{delivered}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_half_full_is_delivered_in_a_rush_too() {
    let limits = Limits { queue_bytes: 1_000, ..Limits::default() };
    let stage = Stage::within(limits, |_| takes());
    rush(&stage, ms(1_000)).await;
    stage.settled().await;
    assert_eq!((stage.taken().len(), stage.reporter.counts().dropped), (1_000, 0));
}

// === The bound of the queue ===

/// One report at a time, and room for ten more of ten bytes each.
fn small() -> Limits {
    Limits { queue_bytes: 100, concurrency: 1, max_concurrency: 1, ..Limits::default() }
}

fn numbered(number: u32) -> String {
    format!("report {number:03}")
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_its_oldest_and_counts_them() {
    let stage = Stage::within(small(), |tried| if tried.at < 1_000 { Reply::Silence } else { takes() });
    stage.report(0, numbered(0));
    sleep(ms(10)).await;
    assert_eq!(stage.under_way(), 1);
    for number in 1..=10 {
        stage.report(number, numbered(number));
    }
    assert_eq!(stage.reporter.counts(), counts(0, 0, 11, 0), "it holds as much as it says");
    for number in 11..=13 {
        stage.report(number, numbered(number));
    }
    assert_eq!(stage.reporter.counts(), counts(0, 3, 11, 0));
    stage.settled().await;
    assert_eq!(stage.taken(), [0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map(numbered));
    assert_eq!(stage.reporter.counts(), counts(11, 3, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_in_bytes_and_not_in_reports() {
    let stage = Stage::within(small(), |_| Reply::Silence);
    stage.report(0, numbered(0));
    sleep(ms(10)).await;
    for _ in 0..100 {
        stage.report(1, "1");
    }
    assert_eq!(stage.reporter.counts().dropped, 0);
    stage.report(1, "22");
    assert_eq!(stage.reporter.counts().dropped, 2, "as many of the oldest as it takes");
    stage.report(1, "3");
    assert_eq!(stage.reporter.counts().dropped, 3);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_never_fits_pushes_no_other_out() {
    let stage = Stage::within(small(), |tried| if tried.at < 1_000 { Reply::Silence } else { takes() });
    stage.report(0, numbered(0));
    sleep(ms(10)).await;
    stage.report(1, numbered(1));
    stage.report(2, "x".repeat(101));
    assert_eq!(stage.reporter.counts(), counts(0, 1, 2, 0));
    stage.settled().await;
    assert_eq!(stage.taken(), [0, 1].map(numbered));

    // And one that just fits has the queue for itself.
    stage.report(3, "y".repeat(100));
    stage.settled().await;
    assert_eq!(stage.taken().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_left_the_queue_makes_room_in_it() {
    let stage = Stage::within(small(), |_| takes());
    for round in 0..5 {
        for number in 0..10 {
            stage.report(number, numbered(round * 10 + number));
        }
        stage.settled().await;
    }
    assert_eq!(stage.reporter.counts(), counts(50, 0, 0, 0));
}

// === Warnings and counts ===

#[tokio::test(start_paused = true)]
async fn dropped_reports_are_counted_and_warned_of_at_most_once_a_minute() {
    let stage = Stage::new(|_| status(401));
    let minute = 60_000;
    for number in 0..5 {
        stage.report(number, "r");
    }
    stage.settled().await;
    sleep(ms(minute - 1_000)).await;
    stage.report(9, "r");
    stage.settled().await;
    let got = stage.warnings();
    assert_eq!(got.len(), 1, "{got:?}");
    assert_eq!(got[0].0, "1 report(s) of calls were given up: the report endpoint refuses them");

    sleep(ms(2_000)).await;
    stage.report(10, "r");
    stage.settled().await;
    let got = stage.warnings();
    assert_eq!(got.len(), 2, "{got:?}");
    assert_eq!(got[1].0, "6 report(s) of calls were given up: the report endpoint refuses them");
    assert!(got[1].1 - got[0].1 >= u128::from(minute));
    assert_eq!(stage.reporter.counts().dropped, 7);
}

#[tokio::test(start_paused = true)]
async fn a_warning_names_the_reason() {
    let unreachable = Stage::new(|_| refused());
    unreachable.report(1, "r");
    unreachable.settled().await;
    assert!(unreachable.warnings()[0].0.ends_with("out of reach"), "{:?}", unreachable.warnings());

    let full = Stage::within(small(), |_| Reply::Silence);
    (0..12).for_each(|number| full.report(number, numbered(number)));
    sleep(ms(1)).await;
    assert!(full.warnings()[0].0.ends_with("the queue is full"), "{:?}", full.warnings());
}

#[tokio::test(start_paused = true)]
async fn counts_are_right_at_every_moment() {
    let stage = Stage::new(|tried| match tried.text().as_str() {
        "good" => answers(100, 200, &[]),
        "bad" => answers(200, 400, &[]),
        _ if tried.number < 3 => answers(300, 500, &[("retry-after", "1")]),
        _ => answers(300, 200, &[]),
    });
    assert_eq!(stage.reporter.counts(), counts(0, 0, 0, 0));
    for body in ["good", "bad", "late"] {
        stage.report(1, body);
    }
    for (wait, expected) in [
        (50, counts(0, 0, 3, 0)),
        (100, counts(1, 0, 2, 0)),
        (100, counts(1, 1, 1, 0)),
        (100, counts(1, 1, 1, 1)),
        (1_000, counts(1, 1, 1, 1)),
        (400, counts(2, 1, 0, 1)),
    ] {
        sleep(ms(wait)).await;
        assert_eq!(stage.reporter.counts(), expected, "at {}", stage.now());
    }
}

// === Flush ===

async fn flushed(reporter: &Reporter) -> Counts {
    timeout(HOUR, reporter.flush()).await.expect("a flush hangs")
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_cannot_ask_for_a_shorter_pause() {
    for headers in
        [[("retry-after", "0")], [("retry-after-ms", "0")], [("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")]]
    {
        let stage = Stage::new(move |_| answers(0, 503, &headers));
        stage.report(1, "r");
        sleep(ms(2500)).await;
        assert!((2..=4).contains(&stage.times().len()), "{:?}", stage.times());
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_of_its_own_group() {
    let stage = Stage::new(|tried| if tried.url.host_str() == Some("dead.test") { refused() } else { takes() });
    let (mine, theirs) = (Arc::new(Group::default()), Arc::new(Group::default()));
    let dead = endpoint("http://dead.test/report");
    let report = |endpoint: &Arc<ReportEndpoint>| Report {
        to: Destination::Endpoint(Arc::clone(endpoint)),
        redact: None,
        body: "r".into(),
        call: 1,
        queued_at: Instant::now(),
    };
    for _ in 0..200 {
        stage.reporter.of(&theirs).queue(report(&dead));
    }
    stage.reporter.of(&mine).queue(report(&stage.endpoint));
    let flushed = stage.reporter.of(&mine).flush_within(ms(10_000)).await;
    assert!(stage.now() < 1_000, "{}", stage.now());
    assert_eq!(flushed, counts(1, 0, 0, 0));
    assert_eq!(stage.reporter.of(&mine).flush_within(ms(10_000)).await, counts(0, 0, 0, 0), "since the last one");
    let before = stage.now();
    let theirs = stage.reporter.of(&theirs).flush_within(ms(10_000)).await;
    assert_eq!((theirs.delivered, theirs.dropped, theirs.pending), (0, 0, 200));
    assert_eq!(stage.now() - before, 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_oldest_of_the_endpoint_that_fills_it() {
    let stage = Stage::within(Limits { queue_bytes: 100, ..Limits::default() }, |_| Reply::Silence);
    let dead = endpoint("http://dead.test/report");
    stage.report(1, vec![b'm'; 20]);
    for _ in 0..200 {
        stage.report_to(&dead, 2, vec![b'd'; 10]);
    }
    sleep(ms(1)).await;
    assert!(stage.tries().iter().any(|tried| tried.url == stage.endpoint.url));
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_nothing_is_done_at_once() {
    let stage = Stage::new(|_| takes());
    assert_eq!(flushed(&stage.reporter).await, counts(0, 0, 0, 0));
    stage.report(1, "r");
    stage.settled().await;
    let before = stage.now();
    assert_eq!((flushed(&stage.reporter).await, stage.now()), (counts(1, 0, 0, 0), before));
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_every_report_whether_it_is_delivered_or_dropped() {
    let stage = Stage::new(|tried| match tried.text().as_str() {
        "bad" => answers(300, 404, &[]),
        _ => answers(500, 200, &[]),
    });
    stage.report(1, "good");
    stage.report(2, "bad");
    let (one, other) = tokio::join!(flushed(&stage.reporter), flushed(&stage.reporter));
    about(stage.now(), 500);
    assert_eq!((one, other), (counts(1, 1, 0, 0), counts(1, 1, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_with_reports_that_are_given_up() {
    let stage = Stage::new(|_| refused());
    stage.report(1, "r");
    let counts = flushed(&stage.reporter).await;
    assert_eq!((counts.delivered, counts.dropped, counts.pending), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flush_also_waits_for_reports_that_are_queued_during_it() {
    let mut stage = Stage::new(|_| answers(500, 200, &[]));
    stage.report(1, "one");
    let (reporter, endpoint) = (stage.reporter.clone(), Arc::clone(&stage.endpoint));
    stage.spawn(async move {
        sleep(ms(400)).await;
        reporter.queue(Report {
            to: Destination::Endpoint(endpoint),
            redact: None,
            body: "two".into(),
            call: 2,
            queued_at: Instant::now(),
        });
    });
    assert_eq!(flushed(&stage.reporter).await.delivered, 2);
    about(stage.now(), 900);
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_the_report_of_a_call_that_is_being_left() {
    let mut stage = Stage::new(|_| answers(100, 200, &[]));
    let scope = stage.reporter.scope(1);
    stage.reporter.leave(1);
    stage.reporter.leave(1);
    assert_eq!(stage.reporter.counts().pending, 1);
    let (reporter, endpoint) = (stage.reporter.clone(), Arc::clone(&stage.endpoint));
    stage.spawn(async move {
        sleep(ms(50)).await;
        reporter.queue(Report {
            to: Destination::Endpoint(endpoint),
            redact: None,
            body: "left".into(),
            call: 1,
            queued_at: Instant::now(),
        });
        drop(scope);
    });
    assert_eq!(flushed(&stage.reporter).await, counts(1, 0, 0, 0));
    about(stage.now(), 150);

    // One that had nothing to report is not waited for any longer; nor is one that is over, or unknown.
    let silent = stage.reporter.scope(2);
    stage.reporter.leave(2);
    stage.spawn(async move {
        sleep(ms(50)).await;
        drop(silent);
    });
    assert_eq!(flushed(&stage.reporter).await, counts(1, 0, 0, 0));
    about(stage.now(), 200);
    let over = stage.reporter.scope(3);
    stage.report(3, "over");
    drop(over);
    for call in [2, 3, 4] {
        stage.reporter.leave(call);
    }
    assert_eq!(stage.reporter.counts().pending, 1);
    assert_eq!(flushed(&stage.reporter).await, counts(2, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_a_call_that_runs() {
    let stage = Stage::new(|_| takes());
    let _scope = stage.reporter.scope(1);
    flushed(&stage.reporter).await;
    assert_eq!(stage.now(), 0);
}

// === Who waits for the reports of a call ===

#[tokio::test(start_paused = true)]
async fn a_call_is_reported_when_its_report_is_delivered() {
    let mut stage = Stage::new(|_| answers(700, 200, &[]));
    let scope = stage.reporter.scope(7);
    stage.watch(7);
    stage.report(7, "r");
    drop(scope);
    sleep(ms(690)).await;
    assert_eq!(stage.reported(), []);
    sleep(HOUR).await;
    let [(call, at)] = stage.reported()[..] else { panic!("{:?}", stage.reported()) };
    assert_eq!(call, 7);
    about(at, 700);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_reported_when_its_report_is_given_up() {
    let mut stage = Stage::new(|_| answers(700, 403, &[]));
    let scope = stage.reporter.scope(7);
    stage.report(7, "r");
    drop(scope);
    stage.watch(7);
    sleep(HOUR).await;
    let [(7, at)] = stage.reported()[..] else { panic!("{:?}", stage.reported()) };
    about(at, 700);
    assert_eq!(stage.reporter.counts().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_report_was_pushed_out_is_reported() {
    let mut stage = Stage::within(small(), |_| Reply::Silence);
    stage.report(0, numbered(0));
    sleep(ms(10)).await;
    stage.report(1, numbered(1));
    stage.watch(1);
    sleep(ms(10)).await;
    (2..=11).for_each(|number| stage.report(number, numbered(number)));
    assert!(matches!(stage.reported()[..], [(1, 20)]), "{:?}", stage.reported());
    sleep(HOUR).await;
    assert_eq!(stage.reported().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn reporting_finished_resolves_after_five_seconds_while_delivery_continues() {
    let mut stage = Stage::new(|tried| if tried.number < 1 { Reply::Silence } else { takes() });
    let scope = stage.reporter.scope(7);
    stage.report(7, "r");
    drop(scope);
    stage.watch(7);
    sleep(ms(4_990)).await;
    assert_eq!(stage.reported(), []);
    sleep(ms(20)).await;
    assert!(matches!(stage.reported()[..], [(7, 5_000..=5_005)]), "{:?}", stage.reported());
    assert_eq!((stage.reporter.counts().pending, stage.taken().len()), (1, 0));
    stage.settled().await;
    sleep(HOUR).await;
    assert_eq!((stage.taken().len(), stage.reported().len()), (1, 1), "delivered all the same, and told of once");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_several_watchers_is_notified_once() {
    for answer in [300, 60_000] {
        let mut stage = Stage::new(move |_| answers(answer, 200, &[]));
        let scope = stage.reporter.scope(7);
        stage.watch(7);
        stage.report(7, "r");
        drop(scope);
        stage.watch(7);
        sleep(ms(100)).await;
        stage.watch(7);
        sleep(HOUR).await;
        assert_eq!(stage.reported().len(), 1, "{:?}", stage.reported());
    }
}

#[tokio::test(start_paused = true)]
async fn patience_begins_when_the_call_has_ended() {
    let mut stage = Stage::new(|_| Reply::Silence);
    let scope = stage.reporter.scope(7);
    stage.watch(7);
    sleep(ms(62_000)).await;
    assert_eq!(stage.reported(), []);
    stage.report(7, "r");
    drop(scope);
    sleep(HOUR).await;
    assert!(matches!(stage.reported()[..], [(7, 67_000..=67_005)]), "{:?}", stage.reported());
}

#[tokio::test(start_paused = true)]
async fn a_watch_after_the_patience_notifies_at_once() {
    let mut stage = Stage::new(|_| Reply::Silence);
    let scope = stage.reporter.scope(7);
    stage.report(7, "r");
    drop(scope);
    sleep(ms(8_000)).await;
    stage.watch(7);
    sleep(ms(1)).await;
    assert!(matches!(stage.reported()[..], [(7, 8_000..=8_005)]), "{:?}", stage.reported());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_is_not_reported_though_its_reports_are_delivered() {
    let mut stage = Stage::new(|_| takes());
    let scope = stage.reporter.scope(7);
    stage.watch(7);
    stage.report(7, "the primary's");
    stage.settled().await;
    sleep(ms(30_000)).await;
    assert_eq!(stage.reported(), []);
    stage.report(7, "the fallback's");
    drop(scope);
    sleep(HOUR).await;
    let [(7, at)] = stage.reported()[..] else { panic!("{:?}", stage.reported()) };
    about(at, 30_010);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_several_reports_is_reported_with_the_last_of_them() {
    let mut stage = Stage::new(|tried| answers(if tried.text() == "slow" { 900 } else { 100 }, 200, &[]));
    let scope = stage.reporter.scope(7);
    stage.report(7, "slow");
    stage.report(7, "quick");
    drop(scope);
    stage.watch(7);
    sleep(ms(800)).await;
    assert_eq!((stage.taken().len(), stage.reported().len()), (1, 0));
    sleep(HOUR).await;
    let [(7, at)] = stage.reported()[..] else { panic!("{:?}", stage.reported()) };
    about(at, 900);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_nothing_to_report_is_reported_at_its_end() {
    let mut stage = Stage::new(|_| takes());
    let scope = stage.reporter.scope(7);
    stage.watch(7);
    sleep(ms(1_234)).await;
    assert_eq!(stage.reported(), []);
    drop(scope);
    sleep(HOUR).await;
    assert!(matches!(stage.reported()[..], [(7, 1_234..=1_239)]), "{:?}", stage.reported());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_ended_or_is_not_reported_is_settled_at_once() {
    let mut stage = Stage::new(|_| takes());
    stage.report(7, "r");
    stage.settled().await;
    let now = stage.now();
    stage.watch(7);
    stage.watch(8);
    sleep(ms(1)).await;
    let mut told = stage.reported();
    told.sort_unstable();
    assert_eq!(told, [(7, now), (8, now)]);
}

/// As the binding's: what it had come to is reported when the call is dropped.
struct Streamed {
    reporter: Reporter,
    endpoint: Arc<ReportEndpoint>,
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let endpoint = Arc::clone(&self.endpoint);
        self.reporter.queue(Report {
            to: Destination::Endpoint(endpoint),
            redact: None,
            body: "so far".into(),
            call: 7,
            queued_at: Instant::now(),
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_in_the_middle_is_reported() {
    let mut stage = Stage::new(|_| answers(300, 200, &[]));
    let (reporter, endpoint) = (stage.reporter.clone(), Arc::clone(&stage.endpoint));
    let call = stage.spawn(async move {
        let _scope = reporter.scope(7);
        let _streamed = Streamed { reporter: reporter.clone(), endpoint };
        std::future::pending::<()>().await;
    });
    stage.watch(7);
    sleep(ms(1_000)).await;
    assert_eq!((stage.reported().len(), stage.times().len()), (0, 0));
    call.abort();
    sleep(HOUR).await;
    assert_eq!(stage.taken(), ["so far"]);
    let [(7, at)] = stage.reported()[..] else { panic!("{:?}", stage.reported()) };
    about(at, 1_300);
}

// === Compression ===

const OFFER: &[(&str, &str)] = &[("accept-encoding", "br, gzip")];

fn is_gzip(tried: &Try) -> bool {
    tried.headers.get("content-encoding").is_some_and(|coding| coding == "gzip")
}

fn unzipped(tried: &Try) -> String {
    let mut text = String::new();
    GzDecoder::new(&tried.body[..]).read_to_string(&mut text).expect("gzip");
    text
}

#[tokio::test(start_paused = true)]
async fn a_large_body_is_compressed_once_the_endpoint_has_announced_gzip() {
    let large = format!("{{\"text\":\"{}\"}}", "lorem ipsum ".repeat(5_000));
    let stage = Stage::new(|_| answers(5, 200, OFFER));
    for body in [large.as_str(), large.as_str(), "{}"] {
        stage.report(1, body.to_owned());
        stage.settled().await;
    }
    let [unknown, known, small] = &stage.tries()[..] else { panic!("three reports, {} tries", stage.tries().len()) };
    assert_eq!((is_gzip(unknown), unknown.text()), (false, large.clone()));
    assert_eq!((is_gzip(known), unzipped(known)), (true, large.clone()));
    assert!(known.body.len() < large.len() / 10, "{}", known.body.len());
    assert_eq!((is_gzip(small), small.text().as_str()), (false, "{}"));
    assert!(stage.tries().iter().all(|tried| tried.headers["authorization"] == "Bearer opk"));
}

#[tokio::test(start_paused = true)]
async fn no_body_is_compressed_where_the_endpoint_does_not_say_so() {
    let large = "x".repeat(1024 * 1024);
    for offer in [&[][..], &[("accept-encoding", "identity")], &[("accept-encoding", "br")]] {
        let stage = Stage::new(move |_| answers(5, 200, offer));
        for _ in 0..3 {
            stage.report(1, large.clone());
            stage.settled().await;
        }
        assert!(stage.tries().iter().all(|tried| !is_gzip(tried) && tried.body.len() == large.len()), "{offer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_announces_gzip_for_itself() {
    let large = "x".repeat(1024 * 1024);
    let stage = Stage::new(|_| answers(5, 200, OFFER));
    let other = endpoint("http://elsewhere.test/report");
    for to in [&stage.endpoint, &other, &stage.endpoint, &other] {
        stage.report_to(to, 1, large.clone());
        stage.settled().await;
    }
    assert_eq!(stage.tries().iter().map(is_gzip).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(stage.tries()[1].url.host_str(), Some("elsewhere.test"));
}

#[tokio::test(start_paused = true)]
async fn a_retried_report_is_compressed_if_the_endpoint_has_announced_gzip_since() {
    let large = "x".repeat(1024 * 1024);
    let stage = Stage::new(|tried| if tried.number == 0 { answers(5, 503, &[]) } else { answers(5, 200, OFFER) });
    stage.report(1, large.clone());
    stage.report(2, "{}");
    stage.settled().await;
    let gzip: Vec<_> = stage.tries().iter().map(is_gzip).collect();
    assert_eq!((gzip, stage.taken().len()), (vec![false, false, true], 2));
    assert_eq!(unzipped(&stage.tries()[2]), large);
}

/// While a report of many megabytes is compressed, which takes long, the only thread has other things to do as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn timers_run_while_a_large_body_is_compressed() {
    let mut stage = Stage::new(|_| answers(0, 200, OFFER));
    stage.report(1, "{}");
    stage.settled().await;
    // Numbers do not repeat themselves, so that there is something to be done.
    let large: String = (0..2_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_string()).collect();
    let ticks = Arc::new(AtomicUsize::new(0));
    let ticker = {
        let ticks = Arc::clone(&ticks);
        async move {
            loop {
                sleep(ms(1)).await;
                ticks.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let ticker = stage.spawn(ticker);
    stage.report(2, large);
    stage.settled().await;
    ticker.abort();

    assert!(stage.tries().last().is_some_and(is_gzip));
    // It takes a tenth of a second at the least; a thread that did it itself would have ticked before and after.
    let ticks = ticks.load(Ordering::Relaxed);
    assert!(ticks >= 20, "{ticks}");
}

// === What a report says ===

const REQUEST: &[u8] = br#"{"model":"m","messages":[],"seed":12345678901234567890,"temperature":1.0}"#;
const TAGS: &str = r#"{"a":1,"$sdk":"openpipe-native"}"#;

fn attempt(status: Option<u16>) -> Attempt {
    Attempt {
        upstream: "openai".into(),
        model: "m".into(),
        outcome: "ok",
        tries: 1,
        status,
        request_id: None,
        started_at: 1_700_000_000_000,
        duration_ms: 1.0,
        first_token_ms: None,
        message: None,
        rejected_by: None,
        usage: None,
        host: None,
        because: None,
    }
}

fn text(attempt: &Attempt, ended: &TargetOutcome<'_>) -> String {
    let body = report::body(attempt, REQUEST, ended, 1_700_000_000_123, TAGS);
    String::from_utf8(body.to_vec()).expect("UTF-8")
}

/// The report, but for those members that are the same in all.
fn said(status: Option<u16>, ended: &TargetOutcome<'_>) -> Value {
    let mut report: Value = serde_json::from_str(&text(&attempt(status), ended)).expect("JSON");
    let members = report.as_object_mut().expect("an object");
    assert_eq!(members.remove("requestedAt"), Some(json!(1_700_000_000_000_u64)));
    assert_eq!(members.remove("receivedAt"), Some(json!(1_700_000_000_123_u64)));
    assert_eq!(members.remove("reqPayload").expect("a request")["model"], "m");
    assert_eq!(members.remove("tags"), Some(json!({"a": 1, "$sdk": "openpipe-native"})));
    report
}

fn answered(status: u16, body: &str) -> Failure {
    Failure::status(Head { status, ..Head::default() }, body.into())
}

#[test]
fn a_completion_is_reported_as_it_is() {
    let completion = r#"{"id":"c","big":12345678901234567890,"choices":[],"float":1.0}"#;
    let text = text(&attempt(Some(200)), &TargetOutcome::Completion(completion));
    assert!(text.contains(completion) && text.contains(std::str::from_utf8(REQUEST).expect("UTF-8")), "{text}");
    assert_eq!(
        said(Some(200), &TargetOutcome::Completion(r#"{"choices":[]}"#)),
        json!({"respPayload": {"choices": []}, "statusCode": 200})
    );
}

#[test]
fn a_completion_of_an_upstream_without_a_status_has_that_of_a_success() {
    assert_eq!(said(None, &TargetOutcome::Completion("{}"))["statusCode"], 200);
    assert_eq!(said(Some(201), &TargetOutcome::Completion("{}"))["statusCode"], 201);
}

#[test]
fn a_failure_is_reported_with_its_error_object() {
    let error = json!({"message": "slow \"down\"\n", "type": "rate", "code": null});
    let failure = answered(429, &json!({"error": error, "other": 1}).to_string());
    assert_eq!(
        said(Some(429), &TargetOutcome::Failure(&failure, None)),
        json!({"respPayload": error, "statusCode": 429, "errorMessage": "slow \"down\"\n"})
    );
}

#[test]
fn a_failure_without_an_error_object_is_reported_with_its_message() {
    for (body, words) in [
        ("", ""),
        ("<html>", ": <html>"),
        ("{}", ""),
        ("[]", ": []"),
        (r#"{"error":null}"#, ""),
        (r#"{"message":"m"}"#, ": m"),
    ] {
        assert_eq!(
            said(Some(500), &TargetOutcome::Failure(&answered(500, body), None)),
            json!({"statusCode": 500, "errorMessage": format!("the upstream answered 500{words}")}),
            "{body}"
        );
    }
    let failure = Failure::connection("could not \"connect\"\n", Some("ECONNREFUSED"));
    assert_eq!(said(None, &TargetOutcome::Failure(&failure, None)), json!({"errorMessage": "could not \"connect\"\n"}));
}

#[test]
fn an_error_that_is_no_object_is_reported_as_it_is() {
    for error in [json!("overloaded"), json!({"message": 5}), json!(["x"])] {
        let failure = answered(500, &json!({ "error": error }).to_string());
        assert_eq!(
            said(Some(500), &TargetOutcome::Failure(&failure, None)),
            json!({"respPayload": error, "statusCode": 500, "errorMessage": failure.message})
        );
    }
}

#[test]
fn a_failed_stream_is_reported_with_its_content_so_far() {
    let failure = Failure::broken_stream("the stream broke off", None);
    let so_far = r#"{"choices":[{"message":{"content":"Hel"}}]}"#;
    assert_eq!(
        said(Some(200), &TargetOutcome::Failure(&failure, Some(so_far))),
        json!({
            "respPayload": {"choices": [{"message": {"content": "Hel"}}]},
            "statusCode": 200,
            "errorMessage": "the stream broke off",
        })
    );

    // What it carried says more than that it carried it.
    let event = Failure::bad_stream("the stream carried an error", Some(r#"{"error":{"message":"down"}}"#.into()));
    let carried = said(Some(200), &TargetOutcome::Failure(&event, Some(so_far)));
    assert_eq!(carried["errorMessage"], "down");
    assert_eq!(carried["respPayload"]["choices"][0]["message"]["content"], "Hel");
    assert_eq!(said(Some(200), &TargetOutcome::Failure(&event, None))["respPayload"], json!({"message": "down"}));
}

#[test]
fn the_report_of_a_stream_that_the_reader_left_has_a_message() {
    let left = said(Some(200), &TargetOutcome::Aborted(Some(r#"{"choices":[]}"#)));
    assert_eq!((&left["respPayload"], &left["statusCode"]), (&json!({"choices": []}), &json!(200)));
    assert_eq!(left["errorMessage"], "the caller left before the end");
    assert_eq!(said(None, &TargetOutcome::Aborted(None)), json!({"errorMessage": "the caller left before the end"}));
}

#[test]
fn the_report_of_a_stream_that_is_too_long_has_a_message() {
    let cut = said(Some(200), &TargetOutcome::Truncated(r#"{"choices":[]}"#));
    assert_eq!((&cut["respPayload"], &cut["statusCode"]), (&json!({"choices": []}), &json!(200)));
    assert_eq!(cut["errorMessage"], "the stream is too long to be reported whole");
}

#[test]
fn the_bounds_are_those_of_the_contract() {
    let limits = Limits::default();
    assert_eq!(limits.queue_bytes, 64 * 1024 * 1024);
    assert_eq!((limits.try_time, limits.retry_time), (Duration::from_secs(10), Duration::from_secs(30)));
    assert_eq!(limits.patience, Duration::from_secs(5));
}
