//! A cache of the checked options of a client's latest calls.
//!
//! A program calls from a few places in its code, mostly with the same options in each. Reading and checking them takes as long as
//! planning the call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::read::ArgumentError;
use super::{CallOptions, ClientConfig, OpenPipeOptions, read_call};

/// The number of cached entries.
const MOST: usize = 8;
/// A longer text is not cached, in bytes: it probably differs in each call, such as the headers of a whole request.
const LONGEST: usize = 4096;

/// The options of a call.
#[derive(Debug, Default)]
pub struct GivenOptions {
    /// The options as the host passed them.
    pub call: CallOptions,
    /// The call's own `openpipe`, read and checked.
    pub own: OpenPipeOptions,
    /// The call's own `openpipe`, merged with the client's defaults.
    pub merged: OpenPipeOptions,
    /// Warnings for the caller.
    pub warnings: Vec<String>,
}

impl GivenOptions {
    /// Reads a call's own `openpipe`.
    ///
    /// # Errors
    /// The first option that is malformed.
    pub fn of(client: &ClientConfig, call: CallOptions) -> Result<Self, ArgumentError> {
        let mut warnings = Vec::new();
        let own = read_call(client, &call, &mut warnings)?;
        let merged = own.clone().over(&client.defaults);
        Ok(Self { call, own, merged, warnings })
    }
}

/// The options of a client's latest calls, by their JSON text; the latest one last.
#[derive(Debug, Default)]
pub struct RecentOptions(Mutex<VecDeque<(String, Arc<GivenOptions>)>>);

impl RecentOptions {
    /// The cached options for this text.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<Arc<GivenOptions>> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().find(|(known, _)| known == text).map(|(_, given)| Arc::clone(given))
    }

    /// Adds an entry; a full cache drops its oldest one.
    pub fn add(&self, text: String, given: &Arc<GivenOptions>) {
        if text.len() > LONGEST {
            return;
        }
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == MOST {
            recent.pop_front();
        }
        recent.push_back((text, Arc::clone(given)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_options_are_remembered_and_long_ones_are_not() {
        let recent = RecentOptions::default();
        for number in 0..MOST + 2 {
            let given = GivenOptions { warnings: vec![number.to_string()], ..GivenOptions::default() };
            recent.add(format!("{{\"maxRetries\":{number}}}"), &Arc::new(given));
        }
        recent.add(" ".repeat(LONGEST + 1), &Arc::default());
        let known = |number: usize| recent.get(&format!("{{\"maxRetries\":{number}}}"));
        assert!(known(1).is_none());
        for number in 2..MOST + 2 {
            assert_eq!(known(number).unwrap().warnings, [number.to_string()]);
        }
        assert!(recent.get(&" ".repeat(LONGEST + 1)).is_none());
    }
}
