//! The time of a target, and what it covers.

use std::time::Duration;

/// The timeout of a target (contract.md, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// With a fallback: for everything, that is connecting, retries, pauses, headers and body.
    Total(Option<Duration>),
    /// Without a fallback: for each try.
    PerTry(Option<Duration>),
}

impl Budget {
    /// The duration, whatever it covers.
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Total(limit) | Self::PerTry(limit) => limit,
        }
    }
}
