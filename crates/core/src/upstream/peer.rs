//! The peer that one request connects to: shared by DNS look-up, connecting and error messages.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use tokio::sync::Notify;

tokio::task_local! {
    static PEER: Arc<Peer>;
}

/// The host that one request connects to, and what is known of its addresses.
#[derive(Debug)]
pub(super) struct Peer {
    url: Arc<Url>,
    /// The addresses of the host's name, the preferred one first; empty until it is looked up.
    found: Mutex<Vec<SocketAddr>>,
    preferred: Mutex<Option<IpAddr>>,
    is_found: Notify,
}

impl Peer {
    /// The host of a URL.
    pub(super) fn of(url: Arc<Url>) -> Arc<Self> {
        Arc::new(Self { url, found: Mutex::default(), preferred: Mutex::default(), is_found: Notify::new() })
    }

    /// The peer of the request that the current task sends.
    pub(super) fn current() -> Option<Arc<Self>> {
        PEER.try_with(Arc::clone).ok()
    }

    /// Runs work whose look-ups and connections are to this peer.
    pub(super) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        PEER.scope(Arc::clone(self), work).await
    }

    /// The host as a name or an address, without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// The host's addresses, as far as they are known.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        match self.host().parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, self.port())],
            Err(_name) => self.found.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Takes the addresses that a look-up found, and returns them in the order in which they are to be tried.
    pub(super) fn found(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let preferred = *self.preferred.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.sort_by_key(|address| Some(address.ip()) != preferred);
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&addresses);
        self.is_found.notify_one();
        addresses
    }

    /// Waits for the next look-up of the name to end.
    pub(super) async fn looked_up(&self) {
        self.is_found.notified().await;
    }

    /// Makes this address the first to be tried.
    pub(super) fn prefer(&self, ip: IpAddr) {
        *self.preferred.lock().unwrap_or_else(PoisonError::into_inner) = Some(ip);
    }
}
