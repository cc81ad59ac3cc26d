//! A time limit, as an option gives it: milliseconds, or none.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// The default timeout of a target: ten minutes, as in OpenAI's own clients.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// A time limit: milliseconds, or `None` for `Infinity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire<'a> {
            Milliseconds(f64),
            #[serde(borrow)]
            Name(#[expect(dead_code, reason = "only `\"Infinity\"` is ever sent")] &'a str),
        }
        Ok(match Wire::deserialize(deserializer)? {
            // A number that does not fit into a `Duration` means no limit.
            Wire::Milliseconds(milliseconds) => Self(Duration::try_from_secs_f64(milliseconds / 1000.0).ok()),
            Wire::Name(_) => Self(None),
        })
    }
}
