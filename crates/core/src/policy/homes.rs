//! Remembers which upstream stores each response, because later calls must go there (contract.md, section 9, "State").
//! One table for the process. It keeps digests of the last [`MOST`] ids only.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::lru::Lru;

/// At most this many ids are kept; the least recently used one is dropped.
const MOST: usize = 10_000;

/// The identity of an upstream: its name and URL, or the custom client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Home {
    digest: u64,
    is_client: bool,
}

impl Home {
    /// Whether it is a custom client, which only the client that has it can look up.
    #[must_use]
    pub const fn is_client(self) -> bool {
        self.is_client
    }
}

/// See the module.
#[derive(Debug)]
pub struct Homes {
    digest: RandomState,
    known: Mutex<Lru<u64, Home>>,
}

impl Default for Homes {
    fn default() -> Self {
        Self { digest: RandomState::new(), known: Mutex::new(Lru::new(MOST)) }
    }
}

impl Homes {
    /// An upstream as a home.
    #[must_use]
    pub fn home(&self, name: &str, place: &[u8]) -> Home {
        Home { digest: self.digest.hash_one((name, place)), is_client: false }
    }

    /// A custom client as a home.
    #[must_use]
    pub fn client(&self, identity: &[u8]) -> Home {
        Home { digest: self.digest.hash_one(("", identity)), is_client: true }
    }

    /// The home of a response.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<Home> {
        self.lock().get(self.digest.hash_one(id)).copied()
    }

    /// Notes the home of a new response; `None` for the upstream that unknown ids are sent to anyway.
    pub fn issued(&self, id: &str, home: Option<Home>) {
        let (id, mut known) = (self.digest.hash_one(id), self.lock());
        match home {
            Some(home) => drop(known.insert(id, home)),
            None => drop(known.remove(id)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lru<u64, Home>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_thousand_ids_are_known() {
        let homes = Homes::default();
        let home = homes.home("azure", b"https://x.test/");
        assert_ne!(home, homes.home("azure", b"https://y.test/"));
        for id in 0..=MOST {
            homes.issued(&format!("resp_{id}"), Some(home));
        }
        assert_eq!((homes.of("resp_0"), homes.of("resp_1")), (None, Some(home)));
        homes.issued("resp_1", None);
        assert_eq!(homes.of("resp_1"), None);
    }
}
