//! The system's resolver with single flight: concurrent calls share one look-up of a name.
//!
//! A look-up occupies a thread for as long as the system takes: half a minute if the name's servers are silent. At a few dozen calls a
//! second, a look-up for each new connection would occupy every thread of the pool, and the names of fallbacks, whose servers are
//! fine, would wait for a thread.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;

use super::BoxFuture;
use super::peer::Peer;

/// How long a look-up under way is shared: a call within this time of its start waits for it. A later call starts a new one, so that
/// a lost packet, for which the system waits five seconds, delays few calls.
const TOGETHER: Duration = Duration::from_millis(500);

type Found = Result<Arc<[SocketAddr]>, DnsError>;

/// Why a name has no address.
#[derive(Debug, Clone)]
pub(super) struct DnsError(Arc<io::Error>);

impl DnsError {
    /// The code of `getaddrinfo`: `ENOTFOUND` or `EAI_AGAIN`.
    pub(super) fn code(&self) -> &'static str {
        // The standard library keeps the resolver's message (glibc's, musl's or macOS's) and drops its code.
        let reason = self.0.to_string();
        let is_temporary = ["Temporary failure", "Try again", "temporarily"].iter().any(|words| reason.contains(words));
        if is_temporary { "EAI_AGAIN" } else { "ENOTFOUND" }
    }

    /// A number for it that is the same on every system: those of `getaddrinfo` differ.
    pub(super) fn errno(&self) -> i32 {
        if self.code() == "EAI_AGAIN" { -3001 } else { -3008 }
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host name could not be resolved ({})", self.0)
    }
}

impl Error for DnsError {}

/// How a name is looked up.
type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Resolves names for reqwest.
pub(super) struct Resolver {
    look_up: Box<LookUp>,
    under_way: Arc<Mutex<HashMap<String, Flight>>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// A look-up that is under way.
#[derive(Clone)]
struct Flight {
    since: Instant,
    found: Shared<BoxFuture<'static, Found>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
    }
}

impl Resolver {
    pub(super) fn new(
        look_up: impl Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Self { look_up: Box::new(look_up), under_way: Arc::default() }
    }

    fn find(&self, name: &str) -> Shared<BoxFuture<'static, Found>> {
        let now = Instant::now();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(name).filter(|flight| now < flight.since + TOGETHER) {
            return flight.found.clone();
        }
        let found = self.start(name, now);
        under_way.insert(name.to_owned(), Flight { since: now, found: found.clone() });
        found
    }

    /// Starts a look-up, which runs to its end even if all calls that wait for it are dropped: the system call cannot be cancelled.
    fn start(&self, name: &str, now: Instant) -> Shared<BoxFuture<'static, Found>> {
        let (looking, under_way, name) =
            ((self.look_up)(name.to_owned()), Arc::clone(&self.under_way), name.to_owned());
        #[expect(clippy::disallowed_methods, reason = "ends with the system's answer, and holds nothing of a call")]
        let task = tokio::spawn(async move {
            let found = looking.await;
            let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
            // Answers are not cached, because addresses change: only the calls that wait now get this one.
            if under_way.get(&name).is_some_and(|flight| flight.since == now) {
                under_way.remove(&name);
            }
            found
        });
        let found = task.map(|ended| match ended {
            Ok(Ok(found)) => Ok(Arc::from(found)),
            Ok(Err(error)) => Err(DnsError(Arc::new(error))),
            Err(error) => Err(DnsError(Arc::new(io::Error::other(error)))),
        });
        found.boxed().shared()
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, peer) = (self.find(name.as_str()), Peer::current());
        Box::pin(async move {
            let mut addresses = found.await?.to_vec();
            if let Some(peer) = peer {
                addresses = peer.found(addresses);
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A resolver that takes this time and counts its look-ups; names that begin with `no` are unknown.
    fn resolver(time: Duration) -> (Arc<Resolver>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let resolver = Resolver::new(move |name| {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                sleep(time).await;
                if name.starts_with("no") {
                    return Err(io::Error::other("Name or service not known"));
                }
                Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
            })
        });
        (Arc::new(resolver), asked)
    }

    async fn resolve(resolver: &Resolver, name: &str) -> Result<usize, String> {
        let name = name.parse().map_err(|_| "no name".to_owned())?;
        resolver.resolve(name).await.map(Iterator::count).map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_calls_share_one_look_up() {
        let (resolver, asked) = resolver(SECOND);
        let all = futures_util::future::join_all((0..100).map(|_| resolve(&resolver, "a.test"))).await;
        assert!(all.iter().all(|found| *found == Ok(1)));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn each_name_has_a_look_up_of_its_own() {
        let (resolver, asked) = resolver(SECOND);
        let (one, other) = tokio::join!(resolve(&resolver, "a.test"), resolve(&resolver, "no.test"));
        assert_eq!(one, Ok(1));
        assert!(other.unwrap_err().contains("Name or service not known"));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_not_kept() {
        let (resolver, asked) = resolver(SECOND / 10);
        for _ in 0..3 {
            assert_eq!(resolve(&resolver, "a.test").await, Ok(1));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_hangs_delays_only_the_calls_that_share_it() {
        let (resolver, asked) = resolver(30 * SECOND);
        let waits = || {
            let resolver = Arc::clone(&resolver);
            async move { tokio::time::timeout(SECOND, resolve(&resolver, "a.test")).await.is_err() }
        };
        let (first, second) = tokio::join!(waits(), async {
            sleep(TOGETHER).await;
            waits().await
        });
        assert!(first && second);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_name_takes_few_threads() {
        let (resolver, asked) = resolver(30 * SECOND);
        for _ in 0..3_000 {
            let _ = tokio::time::timeout(SECOND / 100, resolve(&resolver, "a.test")).await;
        }
        assert!(asked.load(Ordering::SeqCst) <= 60, "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dns_look_up_continues_when_one_of_its_calls_is_dropped() {
        let (resolver, asked) = resolver(SECOND);
        let leaving = tokio::time::timeout(SECOND / 10, resolve(&resolver, "a.test"));
        let (left, stayed) = tokio::join!(leaving, resolve(&resolver, "a.test"));
        assert!(left.is_err());
        assert_eq!(stayed, Ok(1));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_ends_late_does_not_end_the_sharing_of_the_next() {
        let (resolver, asked) = resolver(SECOND);
        let at = |time: Duration| {
            let resolver = Arc::clone(&resolver);
            async move {
                sleep(time).await;
                resolve(&resolver, "a.test").await
            }
        };
        // The second call starts another look-up; the third arrives after the first look-up has ended, and shares the second's.
        let all = tokio::join!(at(Duration::ZERO), at(TOGETHER + SECOND / 5), at(SECOND + SECOND / 10));
        assert_eq!(all, (Ok(1), Ok(1), Ok(1)));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_error_has_the_code_of_getaddrinfo() {
        let code = |reason: &str| DnsError(Arc::new(io::Error::other(reason.to_owned()))).code();
        assert_eq!(code("failed to lookup address information: Name or service not known"), "ENOTFOUND");
        assert_eq!(code("failed to lookup address information: Temporary failure in name resolution"), "EAI_AGAIN");
    }
}
