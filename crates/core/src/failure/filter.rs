//! The filters `on` and `except` of a fallback: which failures a target takes over (contract.md, section 3).

use serde::Deserialize;

use super::Kind;

/// What `on` and `except` match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The failure's kind.
    pub kind: Kind,
    /// The HTTP status that it names, or that of its response.
    pub status: Option<u16>,
}

/// The failures that a target takes over: `on` and `except` of a fallback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The failures that are taken over; `None` is all.
    pub on: Option<Vec<Trigger>>,
    /// Failures that are not taken over.
    pub except: Vec<Trigger>,
}

/// One entry of `on` or `except`: a kind, or a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// A kind of failure.
    Kind(Kind),
    /// An HTTP status.
    Status(u16),
}

impl Filter {
    /// Whether a failure moves on to the target that has this filter.
    #[must_use]
    pub fn takes(&self, failure: Cause) -> bool {
        let named = |triggers: &[Trigger]| {
            triggers.iter().any(|trigger| match trigger {
                Trigger::Kind(kind) => *kind == failure.kind,
                Trigger::Status(status) => Some(*status) == failure.status,
            })
        };
        self.on.as_deref().is_none_or(named) && !named(&self.except)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, Head};

    fn answered(status: u16, body: &str) -> Failure {
        Failure::status(Head { status, ..Head::default() }, body.to_owned())
    }

    #[test]
    fn a_filter_names_kinds_and_statuses() {
        let failure = answered(429, "");
        let filter = |on: Option<&str>, except: &str| Filter {
            on: on.map(|on| serde_json::from_str(on).unwrap()),
            except: serde_json::from_str(except).unwrap(),
        };
        for (on, except, takes) in [
            (None, "[]", true),
            (Some(r#"["rate_limit"]"#), "[]", true),
            (Some("[429]"), "[]", true),
            (Some(r#"["timeout", 500]"#), "[]", false),
            (Some("[]"), "[]", false),
            (None, r#"["rate_limit"]"#, false),
            (None, "[429]", false),
            (None, r#"["auth", 500]"#, true),
            (Some(r#"["rate_limit"]"#), "[429]", false),
        ] {
            assert_eq!(filter(on, except).takes(failure.cause()), takes, "{on:?} {except}");
        }
    }
}
