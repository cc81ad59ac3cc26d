//! The identity of a custom client's upstream, by which circuits are shared.

use serde::Deserialize;

/// Identifies a custom client's upstream and account: clients of equal identity share circuits, whichever object they are. May hold a key.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Identity(pub(super) String);

impl Identity {
    /// The identity of an upstream by its keys, where the host's client is only the transport.
    pub(super) fn of_keys<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(keys.fold("[".to_owned(), |all, key| format!("{all}{}\n", String::from_utf8_lossy(key))))
    }

    /// Whether it contains a constant key: it is then a JSON list of the client's properties. A client without one, or with a key
    /// function, has a number as its identity instead.
    #[must_use]
    pub fn shows_key(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Its text, for a digest.
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
