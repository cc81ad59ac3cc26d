//! Happy eyeballs (RFC 8305): connecting to a name with several addresses.
//!
//! hyper-util's connector tries the addresses of one family one after the other, each until the system's timeout. So if a connection
//! is not established after 250 ms, the other addresses are probed in parallel; if one of them answers and the first does not, the
//! connection is given up, and the next one tries that address first. A name with one address, or one that answers at once, costs
//! nothing.

use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower_layer::Layer;
use tower_service::Service;

use crate::upstream::peer::Peer;

/// How long a connection may take before the next address is tried, as RFC 8305 recommends.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// How much longer the first address may take than another one: perhaps only its TLS handshake is slow.
const GRACE: Duration = Duration::from_millis(50);

/// Returns when another address has answered before the one that is being connected to.
async fn other_is_better(peer: &Peer) {
    peer.looked_up().await;
    let addresses = peer.addresses();
    if addresses.len() < 2 {
        return pending().await;
    }
    sleep(NEXT_ADDRESS).await;
    let port = peer.port();
    let probe = |index: usize, ip: IpAddr| async move {
        sleep(NEXT_ADDRESS * u32::try_from(index.saturating_sub(1)).unwrap_or(u32::MAX)).await;
        TcpStream::connect((ip, port)).await.is_ok().then_some((index, ip))
    };
    let probes = addresses.iter().enumerate().map(|(index, address)| probe(index, address.ip()));
    let mut answers = probes.collect::<FuturesUnordered<_>>().filter_map(std::future::ready);
    let Some((index, ip)) = answers.next().await else { return pending().await };
    let first_answers = async { while answers.next().await.is_some_and(|(index, _)| index != 0) {} };
    if index == 0 || timeout(GRACE, first_answers).await.is_ok() {
        return pending().await;
    }
    peer.prefer(ip);
}

/// A connection was given up for another address, and the request must be sent again.
#[derive(Debug)]
pub(super) struct OtherAddress;

impl fmt::Display for OtherAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another address of the host answers")
    }
}

impl Error for OtherAddress {}

/// The layer of reqwest's connector that races addresses.
#[derive(Debug, Clone)]
pub(super) struct Racing;

impl<S> Layer<S> for Racing {
    type Service = RacingConnector<S>;

    fn layer(&self, connector: S) -> RacingConnector<S> {
        RacingConnector { connector: Arc::new(Mutex::new(connector)) }
    }
}

/// See [`Racing`]. reqwest clones its connector several times for each request, and uses one only to connect, so the clones share the
/// inner connector.
#[derive(Debug)]
pub(super) struct RacingConnector<S> {
    connector: Arc<Mutex<S>>,
}

impl<S> RacingConnector<S> {
    fn connector(&self) -> MutexGuard<'_, S> {
        self.connector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Clone for RacingConnector<S> {
    fn clone(&self) -> Self {
        Self { connector: Arc::clone(&self.connector) }
    }
}

impl<S, R> Service<R> for RacingConnector<S>
where
    S: Service<R, Error = Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector().poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.connector().call(request);
        // Read here, because hyper may finish connecting in another task, if the request got another connection.
        let peer = Peer::current();
        Box::pin(async move {
            let Some(peer) = peer else { return connecting.await };
            tokio::select! {
                biased;
                connected = connecting => connected,
                () = other_is_better(&peer) => Err(OtherAddress.into()),
            }
        })
    }
}
