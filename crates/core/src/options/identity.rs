//! The identity of a custom client's upstream: clients with another identity have circuits of their own.

use serde::Deserialize;

/// Tells one upstream of a custom client from another, whichever object stands for it. It may hold a key.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Identity(pub(super) String);

impl Identity {
    /// That of an upstream whose keys are known, where the host's client is only the transport.
    pub(super) fn of_keys<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(keys.fold("[".to_owned(), |all, key| format!("{all}{}\n", String::from_utf8_lossy(key))))
    }

    /// Whether it has a key that is the same for every call: a list of what the client shows. A client that shows none, or has
    /// a function give it, is known by a number instead.
    #[must_use]
    pub fn shows_key(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Its text, to make a digest of.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Identity(…)")
    }
}
