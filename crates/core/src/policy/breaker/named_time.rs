//! The time for which a response asks clients to wait, for a circuit that opens with it (contract.md, section 3).
//!
//! | header | read as |
//! | --- | --- |
//! | `retry-after-ms` | milliseconds |
//! | `retry-after` | seconds, or an HTTP date |
//! | `x-ratelimit-reset-requests`, `x-ratelimit-reset-tokens` | a duration (`6m0s`, `850ms`, `1h2m3.5s`) or seconds |
//!
//! The first row with a time counts. In the last row a limit counts only if its `x-ratelimit-remaining-*` is 0 or absent, and of two
//! the longer one counts. A value that is 0, negative or malformed is ignored.

use std::time::{Duration, SystemTime};

use crate::failure::Head;
use crate::policy::backoff::number;

/// No response keeps a circuit open for longer.
const LONGEST: Duration = Duration::from_secs(600);

/// The time to wait that a response names, at most ten minutes; `None` if it names none.
pub(super) fn named_time(head: &Head, now: SystemTime) -> Option<Duration> {
    let retry_after_ms = || seconds(number(head.header("retry-after-ms")?)? / 1000.0);
    let named = retry_after_ms().or_else(|| retry_after(head.header("retry-after")?, now)).or_else(|| reset(head))?;
    Some(named.min(LONGEST))
}

fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Some(number) = number(value) {
        return seconds(number);
    }
    let left = httpdate::parse_http_date(value.trim()).ok()?.duration_since(now).ok()?;
    (!left.is_zero()).then_some(left)
}

fn reset(head: &Head) -> Option<Duration> {
    ["requests", "tokens"].into_iter().filter_map(|limit| reset_of(head, limit)).max()
}

fn reset_of(head: &Head, limit: &str) -> Option<Duration> {
    if let Some(remaining) = head.header(&format!("x-ratelimit-remaining-{limit}")) {
        number(remaining).filter(|remaining| *remaining <= 0.0)?;
    }
    let value = head.header(&format!("x-ratelimit-reset-{limit}"))?.trim();
    number(value).map_or_else(|| duration(value), seconds)
}

/// A number of seconds above 0. One that is too large for a duration is capped like any other.
fn seconds(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST)).filter(|time| !time.is_zero())
}

/// A duration as Go writes it: numbers, each with a unit.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|at: char| !at.is_ascii_digit() && at != '.')?;
        let (amount, with_unit) = rest.split_at(digits);
        let length = with_unit.find(|at: char| at.is_ascii_digit() || at == '.').unwrap_or(with_unit.len());
        let (unit, after) = with_unit.split_at(length);
        let unit = match unit {
            "d" => 86_400.0,
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" | "μs" => 0.000_001,
            "ns" => 0.000_000_001,
            _ => return None,
        };
        total += number(amount)? * unit;
        rest = after;
    }
    seconds(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fixture = (&'static [(&'static str, &'static str)], Option<u128>);

    /// Headers as providers send them, and the milliseconds that they name.
    const FIXTURES: &[Fixture] = &[
        (&[], None),
        (&[("retry-after", "20")], Some(20_000)),
        (&[("retry-after", "0.5")], Some(500)),
        (&[("retry-after", "0")], None),
        (&[("retry-after", "-3")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "inf")], None),
        (&[("retry-after", "nan")], None),
        (&[("retry-after", "1e300")], Some(600_000)),
        (&[("retry-after", "86400")], Some(600_000)),
        (&[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")], Some(60_000)),
        (&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], None),
        (&[("retry-after-ms", "1500"), ("retry-after", "9")], Some(1500)),
        (&[("retry-after-ms", "0"), ("retry-after", "9")], Some(9000)),
        // OpenAI: used up are the tokens, not the requests.
        (
            &[
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", "1h"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            Some(360_000),
        ),
        (&[("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "850ms")], None),
        (&[("x-ratelimit-reset-requests", "850ms")], Some(850)),
        (&[("x-ratelimit-reset-requests", "17ms"), ("x-ratelimit-reset-tokens", "1m26.4s")], Some(86_400)),
        // Groq, Together: fractions, and plain seconds.
        (&[("x-ratelimit-reset-tokens", "7.66s")], Some(7660)),
        (&[("x-ratelimit-reset-tokens", "2")], Some(2000)),
        (&[("x-ratelimit-reset-tokens", "0.25")], Some(250)),
        (&[("x-ratelimit-reset-tokens", "1h0m0s")], Some(600_000)),
        (&[("x-ratelimit-reset-tokens", "1700000000")], Some(600_000)),
        (&[("x-ratelimit-reset-tokens", "0s")], None),
        (&[("x-ratelimit-reset-tokens", "0")], None),
        (&[("x-ratelimit-reset-tokens", "-5s")], None),
        (&[("x-ratelimit-reset-tokens", "5 s")], None),
        (&[("x-ratelimit-reset-tokens", "5x")], None),
        (&[("x-ratelimit-reset-tokens", "s")], None),
        (&[("x-ratelimit-reset-tokens", "1.2.3s")], None),
        (&[("x-ratelimit-reset-tokens", "2030-01-01T00:00:00Z")], None),
        (&[("x-ratelimit-remaining-tokens", "some"), ("x-ratelimit-reset-tokens", "5s")], None),
        (&[("retry-after", "3"), ("x-ratelimit-reset-tokens", "9s")], Some(3000)),
        (&[("retry-after", "0"), ("x-ratelimit-reset-tokens", "9s")], Some(9000)),
    ];

    #[test]
    fn each_fixture_names_its_time() {
        for (headers, expected) in FIXTURES {
            let mut head = Head { status: 429, ..Head::default() };
            for (name, value) in *headers {
                head.headers.insert(*name, value.parse().unwrap());
            }
            let named = named_time(&head, SystemTime::UNIX_EPOCH).map(|time| time.as_millis());
            assert_eq!(named, *expected, "{headers:?}");
        }
    }
}
