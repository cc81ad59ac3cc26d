//! Retry policy: whether a failed try is retried on the same target, and after which pause. Pure.
//!
//! The defaults are those of OpenAI's clients. Connection errors, 408, 409, 429 and 5xx are retried, unless `x-should-retry` decides
//! otherwise. The pause is 0.5 s, doubling up to 8 s, less a jitter of up to a quarter; or `Retry-After-Ms` or `Retry-After`, where that
//! is no more than a minute (as in openai 5 and 7; 6 has no bound). The bounds are those of contract.md, section 4.

use std::time::{Duration, SystemTime};

use crate::failure::{Failure, Head, Kind};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The longest pause that a response can set; a longer one is replaced by the default pause, because the call would seem to hang.
const LONGEST_REQUESTED_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause while another target waits: the call moves on instead.
const LONGEST_PAUSE_WHILE_ANOTHER_WAITS: Duration = Duration::from_secs(5);

/// A connection that took longer to fail is not retried while another target waits.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// How a target may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most tries after the first.
    pub max_retries: u32,
    /// Another target waits: pauses are short, and a timeout moves on to that target without a retry.
    pub another_waits: bool,
}

/// A failed try.
#[derive(Debug)]
pub struct Failed<'a> {
    /// What it failed with.
    pub failure: &'a Failure,
    /// Tries made so far, 1 or more.
    pub tries: u32,
    /// How long the last try took.
    pub took: Duration,
    /// The time left for this target; `None` is no limit.
    pub time_left: Option<Duration>,
    /// The wall clock, for a `Retry-After` that names a date.
    pub now: SystemTime,
    /// A number from 0 up to 1, for the jitter.
    pub random: f64,
}

impl RetryPolicy {
    /// The pause before the next try; `None` if there is no next try.
    #[must_use]
    pub fn pause(&self, failed: &Failed<'_>) -> Option<Duration> {
        if failed.tries > self.max_retries || !self.is_retryable(failed) {
            return None;
        }
        let requested = failed.failure.head.as_deref().and_then(|head| requested_pause(head, failed.now));
        let pause = requested
            // If another target waits, a long pause is kept: it makes the call move on to that target.
            .filter(|requested| self.another_waits || *requested <= LONGEST_REQUESTED_PAUSE)
            .unwrap_or_else(|| default_pause(failed.tries, failed.random));
        let outlasts = failed.time_left.is_some_and(|left| pause >= left);
        let too_long = self.another_waits && pause > LONGEST_PAUSE_WHILE_ANOTHER_WAITS;
        (!outlasts && !too_long).then_some(pause)
    }

    fn is_retryable(&self, failed: &Failed<'_>) -> bool {
        let failure = failed.failure;
        // A used-up quota is not refilled within seconds, whatever the response says.
        if failure.kind == Kind::Quota {
            return false;
        }
        // Only a response with a failing status sets the pause, not one that stalled or broke off after a good status.
        let refusal = failure.head.as_deref().filter(|head| !(200..300).contains(&head.status));
        match refusal.and_then(|head| head.header("x-should-retry")) {
            Some("true") => return true,
            Some("false") => return false,
            _ => {}
        }
        match failure.kind {
            Kind::Timeout => !self.another_waits,
            // A connection that could not be made in this time is unlikely to succeed the next time.
            Kind::Connection if failure.head.is_none() && failed.took > LONGEST_CONNECT => !self.another_waits,
            kind => kind.is_transient(),
        }
    }
}

/// The pause after this number of tries, where the response asks for no other: 0.5 s doubling to 8 s, less up to a quarter.
#[must_use]
pub fn default_pause(tries: u32, random: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE).mul_f64(1.0 - random * 0.25)
}

/// The pause that a response asks for, `Retry-After-Ms` before `Retry-After` (seconds or an HTTP date).
#[must_use]
pub fn requested_pause(head: &Head, now: SystemTime) -> Option<Duration> {
    let header = |name: &str| head.header(name).and_then(number);
    let from_seconds = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    if let Some(milliseconds) = header("retry-after-ms") {
        return from_seconds(milliseconds / 1000.0);
    }
    if let Some(seconds) = header("retry-after") {
        return from_seconds(seconds);
    }
    let date = httpdate::parse_http_date(head.header("retry-after")?).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A plain number in a header.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    // `inf` and `nan` are numbers to Rust.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn answered(status: u16, headers: &[(&'static str, &str)]) -> Failure {
        let mut head = Head { status, ..Head::default() };
        for (name, value) in headers {
            head.headers.insert(*name, value.parse().unwrap());
        }
        Failure::status(head, String::new())
    }

    fn pause(policy: RetryPolicy, failure: &Failure, tries: u32, time_left: Option<Duration>) -> Option<Duration> {
        policy.pause(&Failed {
            failure,
            tries,
            took: Duration::ZERO,
            time_left,
            now: SystemTime::UNIX_EPOCH,
            random: 0.0,
        })
    }

    const LAST: RetryPolicy = RetryPolicy { max_retries: 2, another_waits: false };
    const FOLLOWED: RetryPolicy = RetryPolicy { max_retries: 2, another_waits: true };

    #[test]
    fn a_connection_that_was_slow_to_fail_is_not_retried_while_another_target_waits() {
        let failure = Failure::connection("gone", None);
        let after = |policy: RetryPolicy, took: Duration| {
            let failed =
                Failed { failure: &failure, tries: 1, took, time_left: None, now: SystemTime::UNIX_EPOCH, random: 0.0 };
            policy.pause(&failed).is_some()
        };
        assert!(after(FOLLOWED, 4 * SECOND) && !after(FOLLOWED, 6 * SECOND));
        assert!(after(LAST, 6 * SECOND));
    }

    #[test]
    fn the_failures_that_the_sdk_retries_are_retried() {
        for (status, retried) in [
            (400, false),
            (401, false),
            (404, false),
            (408, true),
            (409, true),
            (422, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            assert_eq!(pause(LAST, &answered(status, &[]), 1, None).is_some(), retried, "{status}");
        }
        assert!(pause(LAST, &Failure::connection("refused", None), 1, None).is_some());
        assert!(pause(LAST, &Failure::invalid_response("html", Head::default(), None), 1, None).is_none());
        assert!(pause(LAST, &Failure::rejected("empty", Head { status: 200, ..Head::default() }), 1, None).is_none());
    }

    #[test]
    fn x_should_retry_decides_whether_to_retry() {
        assert!(pause(LAST, &answered(400, &[("x-should-retry", "true")]), 1, None).is_some());
        assert!(pause(LAST, &answered(500, &[("x-should-retry", "false")]), 1, None).is_none());
    }

    #[test]
    fn x_should_retry_is_ignored_if_the_response_broke_off_later() {
        let head = |answer: &str| {
            let mut head = Head { status: 200, ..Head::default() };
            head.headers.insert("x-should-retry", answer.parse().unwrap());
            Some(Box::new(head))
        };
        let timeout = Failure { head: head("true"), ..Failure::timeout("up") };
        assert!(pause(FOLLOWED, &timeout, 1, None).is_none());
        let broken = Failure { head: head("false"), ..Failure::connection("reset", None) };
        assert!(pause(LAST, &broken, 1, None).is_some());
    }

    #[test]
    fn the_budget_ends_the_retries() {
        let failure = answered(500, &[]);
        assert!(pause(LAST, &failure, 2, None).is_some());
        assert!(pause(LAST, &failure, 3, None).is_none());
        assert!(pause(RetryPolicy { max_retries: 0, another_waits: false }, &failure, 1, None).is_none());
    }

    #[test]
    fn pauses_double_up_to_eight_seconds_less_a_quarter_of_jitter() {
        let of = |tries, random| default_pause(tries, random).as_millis();
        assert_eq!([of(1, 0.0), of(2, 0.0), of(3, 0.0), of(5, 0.0), of(60, 0.0)], [500, 1000, 2000, 8000, 8000]);
        assert_eq!(of(1, 1.0), 375);
    }

    #[test]
    fn retry_after_is_taken_in_each_of_its_forms() {
        let of =
            |headers: &[(&'static str, &str)]| pause(LAST, &answered(429, headers), 1, None).map(|p| p.as_millis());
        assert_eq!(of(&[("retry-after", "2")]), Some(2000));
        assert_eq!(of(&[("retry-after", "0.25")]), Some(250));
        assert_eq!(of(&[("retry-after", "-1")]), Some(0));
        assert_eq!(of(&[("retry-after-ms", "70"), ("retry-after", "9")]), Some(70));
        assert_eq!(of(&[("retry-after", "Thu, 01 Jan 1970 00:00:03 GMT")]), Some(3000));
        assert_eq!(of(&[("retry-after", "soon")]), Some(500));
        assert_eq!(of(&[("retry-after", "1e300")]), Some(500));
        assert_eq!(of(&[("retry-after", "nan")]), Some(500));
        assert_eq!(of(&[("retry-after-ms", "-nan"), ("retry-after", "2")]), Some(2000));
    }

    #[test]
    fn a_pause_longer_than_the_time_left_is_skipped() {
        let failure = answered(429, &[("retry-after", "3")]);
        assert_eq!(pause(LAST, &failure, 1, Some(3 * SECOND)), None);
        assert_eq!(pause(LAST, &failure, 1, Some(4 * SECOND)), Some(3 * SECOND));
    }

    #[test]
    fn a_long_pause_is_skipped_while_another_target_waits() {
        assert_eq!(pause(FOLLOWED, &answered(429, &[("retry-after", "6")]), 1, None), None);
        assert_eq!(pause(FOLLOWED, &answered(429, &[("retry-after", "5")]), 1, None), Some(5 * SECOND));
        assert_eq!(pause(LAST, &answered(429, &[("retry-after", "6")]), 1, None), Some(6 * SECOND));
    }

    #[test]
    fn a_pause_of_more_than_a_minute_is_replaced_by_the_default() {
        let pause_for =
            |policy, seconds: &str, left| pause(policy, &answered(429, &[("retry-after", seconds)]), 1, left);
        assert_eq!(pause_for(LAST, "60", None), Some(60 * SECOND));
        assert_eq!(pause_for(LAST, "61", None), Some(FIRST_PAUSE));
        assert_eq!(pause_for(LAST, "90", Some(10 * SECOND)), Some(FIRST_PAUSE));
        assert_eq!(pause_for(FOLLOWED, "90", None), None, "the other target does not wait for this one");
    }

    #[test]
    fn a_timeout_is_not_retried_while_another_target_waits() {
        assert!(pause(FOLLOWED, &Failure::timeout("up"), 1, None).is_none());
        assert!(pause(LAST, &Failure::timeout("up"), 1, None).is_some());
    }
}
