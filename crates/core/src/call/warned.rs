//! Gives each warning of a client once, and warns of a primary that refuses calls although there is no outage: its key, model or URL is
//! wrong.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::failure::Kind;
use crate::options::read::in_quotes;
use crate::options::upstream_id::UpstreamKind;
use crate::plan::{KeyedWarning, Plan, Target};
use crate::record::CallRecord;

/// The most warnings of a client: names are untrusted, and must fill neither memory nor a log.
const MOST: usize = 64;
/// A key that is longer is cut, in characters.
const LONGEST_KEY: usize = 160;

/// The keys of the warnings that a client has had.
#[derive(Debug, Default)]
pub struct Warned(Mutex<HashSet<String>>);

impl Warned {
    /// Whether to give a warning with this key: only the first time, and while fewer than [`MOST`] were given.
    pub fn is_first(&self, key: &str) -> bool {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.len() < MOST && keys.insert(key.chars().take(LONGEST_KEY).collect())
    }
}

/// The warning of a primary that refuses calls which a fallback serves: 400, 401, 403 and 404 are not outages.
pub(super) fn refusing_primary(plan: &Plan, record: &CallRecord) -> Option<KeyedWarning> {
    if record.is_primary {
        return None;
    }
    let primary = plan.targets.first().filter(|target| target.is_primary)?;
    // The first failure is the primary's, unless its circuit was open.
    let cause = record.failures.first()?.cause();
    let is_asked = record.attempts.first().is_some_and(|attempt| attempt.tries > 0);
    let status = cause.status.filter(|status| is_asked && matches!(status, 400 | 401 | 403 | 404))?;
    let whose = match cause.kind {
        Kind::Auth | Kind::NotFound => "every call is",
        // The request may be at fault, and the next one may be good.
        Kind::BadRequest => "such calls are",
        _ => return None,
    };
    let by = plan.targets.get(record.last)?;
    let [mut from, mut to] = [name(primary), name(by)];
    if from == to {
        for (name, target) in [(&mut from, primary), (&mut to, by)] {
            *name = format!("{name} ({})", target.upstream);
        }
    }
    let key = format!("{} {} {}", cause.kind.name(), primary.upstream, in_quotes(&primary.model));
    Some(KeyedWarning { key, text: format!("{from} answers {status}: {whose} served by {to}") })
}

/// A target as callers write it: `UPSTREAM:MODEL` for a declared upstream, else the model.
fn name(target: &Target) -> String {
    match target.kind {
        UpstreamKind::Named => in_quotes(&format!("{}:{}", target.upstream, target.model)),
        _ => in_quotes(&target.model),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_warned_of_once_and_their_number_is_bounded() {
        let warned = Warned::default();
        assert!(warned.is_first("a") && !warned.is_first("a"));
        let given = (0..10_000).filter(|number| warned.is_first(&number.to_string())).count();
        assert_eq!(given, MOST - 1);
    }
}
