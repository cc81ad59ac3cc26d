//! Remembers what the options of a client's latest calls were read to.
//!
//! A program makes its calls in a few places, and those of one place mostly have the same options. Reading them, with every check,
//! takes as long as planning the call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::read::ArgumentError;
use super::{CallOptions, ClientConfig, OpenPipeOptions, read_call};

/// So many texts of options are remembered.
const MOST: usize = 8;
/// A longer text is read anew each time, in bytes: it has contents of its own, such as a caller's whole request.
const LONGEST: usize = 4096;

/// The options of a call.
#[derive(Debug, Default)]
pub struct GivenOptions {
    /// As the host gave them.
    pub call: CallOptions,
    /// The call's own `openpipe`, read and checked.
    pub own: OpenPipeOptions,
    /// The same over the client's defaults.
    pub merged: OpenPipeOptions,
    /// What the caller is to be warned of.
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
    /// What this text was read to, where it was a short while ago.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<Arc<GivenOptions>> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().find(|(known, _)| known == text).map(|(_, given)| Arc::clone(given))
    }

    /// Remembers what a text was read to.
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
