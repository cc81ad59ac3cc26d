//! All time limits of a call (contract.md, section 4). Deadlines are absolute instants that are passed down, and each carries the
//! failure that it means.

use std::time::Duration;

use tokio::time::Instant;

pub use crate::failure::Bound;
use crate::failure::{Failure, Kind, Surface};
use crate::stopped;

/// A time limit: when it ends, and the option that set it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    until: Option<Instant>,
    limit: Option<Duration>,
    bound: Bound,
}

impl Default for Deadline {
    fn default() -> Self {
        Self { until: None, limit: None, bound: Bound::Time }
    }
}

impl Deadline {
    /// A limit of this length that starts at `from`. `None`, and a length that no instant can hold, mean no limit.
    #[must_use]
    pub fn after(from: Instant, limit: Option<Duration>, bound: Bound) -> Self {
        Self { until: limit.and_then(|limit| from.checked_add(limit)), limit, bound }
    }

    /// The earlier of two deadlines.
    #[must_use]
    pub fn or_sooner(self, other: Self) -> Self {
        match (self.until, other.until) {
            (None, Some(_)) => other,
            (Some(mine), Some(others)) if others < mine => other,
            _ => self,
        }
    }

    /// The option that set it.
    #[must_use]
    pub fn bound(self) -> Bound {
        self.bound
    }

    /// The limit as it was set.
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        self.limit
    }

    /// The time left; `None` is no limit.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.left_at(Instant::now())
    }

    /// The time left at an instant; `None` is no limit.
    #[must_use]
    pub fn left_at(self, then: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(then))
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Runs `work` until the deadline. `target` is for the message.
    ///
    /// # Errors
    /// The errors of the work, and [`Deadline::failure`].
    pub async fn within<T>(
        self,
        target: impl Fn() -> String,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match self.until {
            Some(until) => stopped::by(until, &mut None, work).await.unwrap_or_else(|| Err(self.failure(&target()))),
            None => work.await,
        }
    }

    /// The failure of a target that did not answer in time. Names the target, the limit and its value.
    #[must_use]
    pub fn failure(self, target: &str) -> Failure {
        let limit = self.limit.unwrap_or_default().as_millis();
        let failure = Failure::timeout(match self.bound {
            Bound::Time | Bound::Idle | Bound::Size => format!("no answer from {target} within {limit} ms (`timeout`)"),
            Bound::FirstToken => {
                format!("no first content from {target} within {limit} ms (`openpipe.firstTokenTimeout`)")
            }
            Bound::Deadline => {
                format!(
                    "no answer within the call's deadline of {limit} ms (`openpipe.deadline`); the last target was {target}"
                )
            }
        });
        failure.by(self.bound)
    }
}

/// The time limits of a stream.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// The deadline of the first content.
    pub content: Deadline,
    /// The idle timeout after it; `None` is no limit.
    pub idle: Option<Duration>,
    /// The idle timeout while the upstream works on reasoning or a hosted tool.
    pub idle_at_work: Option<Duration>,
    /// The target, for the failure's message.
    pub target: String,
}

impl Times {
    /// When the stream counts as silent; `alive_at` is its last sign of life, `None` before the first content.
    #[must_use]
    pub fn silent_at(&self, alive_at: Option<Instant>, at_work: bool) -> Option<Instant> {
        match alive_at {
            None => self.content.until,
            Some(at) => self.longest_silence(at_work).and_then(|idle| at.checked_add(idle)),
        }
    }

    fn longest_silence(&self, at_work: bool) -> Option<Duration> {
        if at_work { self.idle_at_work } else { self.idle }
    }

    /// The failure of a stream that has been silent for too long.
    #[must_use]
    pub fn silence(&self, has_content: bool, at_work: bool) -> Failure {
        let Self { content, target, .. } = self;
        if has_content {
            let silence = self.longest_silence(at_work).unwrap_or_default().as_millis();
            let message = format!("the stream of {target} was silent for {silence} ms (`openpipe.idleTimeout`)");
            return Failure::new(Kind::Stream, Surface::Timeout, message).by(Bound::Idle);
        }
        let failure = content.failure(target);
        if content.bound != Bound::Time {
            return failure;
        }
        let limit = content.limit.unwrap_or_default().as_millis();
        Failure { message: format!("no first content from {target} within {limit} ms (`timeout`)"), ..failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_failure_is_that_of_the_deadline_that_ends_first() {
        let now = Instant::now();
        let target = Deadline::after(now, Some(2 * SECOND), Bound::Time);
        let call = Deadline::after(now, Some(SECOND), Bound::Deadline);
        for sooner in [target.or_sooner(call), call.or_sooner(target), call.or_sooner(Deadline::default())] {
            let never = std::future::pending::<Result<(), Failure>>();
            let failure = sooner.within(|| "groq (\"m\")".into(), never).await.unwrap_err();
            assert_eq!(failure.ended_by, Some(Bound::Deadline));
            assert!(failure.message.contains("1000 ms (`openpipe.deadline`)"), "{}", failure.message);
            assert!(failure.message.contains("groq (\"m\")"), "{}", failure.message);
        }
        assert_eq!(now.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_no_instant_can_hold_is_no_limit() {
        for limit in [None, Some(Duration::MAX)] {
            let deadline = Deadline::after(Instant::now(), limit, Bound::Time);
            assert_eq!((deadline.left(), deadline.is_over()), (None, false));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_timeout_names_its_target_its_option_and_its_value() {
        let now = Instant::now();
        for (bound, option) in [
            (Bound::Time, "`timeout`"),
            (Bound::FirstToken, "`openpipe.firstTokenTimeout`"),
            (Bound::Deadline, "`openpipe.deadline`"),
        ] {
            let content = Deadline::after(now, Some(SECOND), bound);
            let (idle, idle_at_work) = (Some(2 * SECOND), None);
            let times = Times { content, idle, idle_at_work, target: "openai (\"m\")".into() };
            for failure in [content.failure(&times.target), times.silence(false, false)] {
                let said = [option, "1000 ms", "openai (\"m\")"].iter().all(|part| failure.message.contains(part));
                assert!(said && failure.kind == Kind::Timeout, "{}", failure.message);
            }
            let failure = times.silence(true, false);
            let said = ["`openpipe.idleTimeout`", "2000 ms", "openai (\"m\")"];
            assert!(said.iter().all(|part| failure.message.contains(part)), "{}", failure.message);
        }
    }
}
