//! The pool of connections, and one exchange over it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use tokio::sync::OnceCell;

use super::answer::{parts, read};
use super::race::{OtherAddress, Racing};
use super::settings::{CONNECT_TIME, TransportSettings};
use super::stale::Turns;
use super::{errors, tls};
use crate::failure::{Failure, Head};
use crate::text::secrets::Secrets;
use crate::upstream::decoding::{self, Bound};
use crate::upstream::dns::Resolver;
use crate::upstream::peer::Peer;
use crate::upstream::proxies::Proxies;

/// Idle connections are closed after this time; most servers and load balancers keep theirs for 60 s or more.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);
/// The most header lines of a response. Other clients bound their bytes instead, to 16 KiB.
const MAX_HEADERS: usize = 512;
/// How often a connection is replaced by one to an address that answers sooner.
const MAX_ADDRESSES: usize = 4;
/// A peer that vanished is noticed after about a minute …
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);
/// … and so is one that does not acknowledge sent data.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// A pool of connections, which is created when it is first needed.
#[derive(Debug)]
pub struct HttpPool {
    settings: TransportSettings,
    resolver: Arc<Resolver>,
    clients: OnceCell<Clients>,
    /// The connections, by their two addresses, that have served a response: only such a connection can be stale.
    served: Mutex<HashSet<(SocketAddr, SocketAddr)>>,
    turns: Turns,
}

#[derive(Debug)]
struct Clients {
    settings: TransportSettings,
    resolver: Arc<Resolver>,
    proxies: Proxies,
    pooled: Client,
    /// Never reuses a connection. Rarely needed, and as expensive to create as the other one.
    fresh: OnceCell<Client>,
}

impl Clients {
    async fn fresh(&self) -> Result<&Client, Failure> {
        self.fresh.get_or_try_init(|| made(&self.settings, &self.resolver, false)).await
    }
}

/// Creates a client on a blocking thread: reading the system's certificates takes milliseconds of disk and CPU.
async fn made(settings: &TransportSettings, resolver: &Arc<Resolver>, reuse: bool) -> Result<Client, Failure> {
    let (theirs, their_resolver) = (settings.clone(), Arc::clone(resolver));
    // If no thread can be started, tokio panics; then this thread does it.
    let started =
        catch_unwind(AssertUnwindSafe(|| tokio::task::spawn_blocking(move || client(&theirs, their_resolver, reuse))));
    let made = match started {
        Ok(task) => task.await.map_err(|error| error.to_string()).and_then(|made| made),
        Err(_no_thread) => client(settings, Arc::clone(resolver), reuse),
    };
    made.map_err(|message| Failure::connection(message, None))
}

impl HttpPool {
    /// A pool with these settings. Nothing is opened yet.
    #[must_use]
    pub fn new(settings: TransportSettings) -> Self {
        Self::with_resolver(settings, Resolver::default())
    }

    fn with_resolver(settings: TransportSettings, resolver: Resolver) -> Self {
        let resolver = Arc::new(resolver);
        Self { settings, resolver, clients: OnceCell::new(), served: Mutex::default(), turns: Turns::default() }
    }

    async fn clients(&self) -> Result<&Clients, Failure> {
        self.clients
            .get_or_try_init(|| async {
                let pooled = made(&self.settings, &self.resolver, true).await?;
                let proxies = Proxies::of(&self.settings);
                Ok(Clients {
                    settings: self.settings.clone(),
                    resolver: Arc::clone(&self.resolver),
                    proxies,
                    pooled,
                    fresh: OnceCell::new(),
                })
            })
            .await
    }

    /// Loads the certificates, for which the first request would otherwise wait.
    pub async fn warm(&self) {
        // The error is returned to each request that is sent.
        let _ = self.clients().await;
    }

    /// Sends any request of the API and reads its answer, whatever its status.
    ///
    /// # Errors
    /// [`Failure`] where there is no answer, or one larger than `max_bytes`.
    pub async fn request(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: bytes::Bytes,
        max_bytes: u64,
    ) -> Result<(Head, String), Failure> {
        let bound = Bound { bytes: max_bytes, is_since_output: false };
        let (head, mut body) = parts(self.exchange(&method, &Arc::new(url.clone()), &headers, body).await?, |_| bound);
        let mut text = read(&mut body, &head, max_bytes).await?;
        let is_failure = !(200..300).contains(&head.status);
        if is_failure {
            Secrets::of_request(&headers, url).redact(&mut text);
        }
        Ok((head, text))
    }

    /// Sends a request. If it went to a stale connection (closed by the server while idle) and no byte of a response arrived, it is sent
    /// again on a fresh connection, which does not count as a retry. A stale connection is recognised by how soon it fails.
    pub(super) async fn exchange(
        &self,
        method: &Method,
        url: &Arc<Url>,
        headers: &HeaderMap,
        body: bytes::Bytes,
    ) -> Result<reqwest::Response, Failure> {
        let clients = self.clients().await?;
        if let Some(why) = clients.proxies.refusal(url) {
            return Err(Failure::connection(why, None));
        }
        let request = || {
            let mut request = reqwest::Request::new(method.clone(), Url::clone(url));
            *request.headers_mut() = headers.clone();
            request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(decoding::ACCEPTED));
            if !body.is_empty() {
                *request.body_mut() = Some(body.clone().into());
            }
            request
        };
        let peer = Peer::of(clients.proxies.proxy(url).map_or_else(|| Arc::clone(url), Arc::new));
        let begun = self.turns.begin();
        let mut result = peer.scope(clients.pooled.execute(request())).await;
        for _ in 0..MAX_ADDRESSES {
            if !result.as_ref().is_err_and(|error| errors::find::<OtherAddress>(error).is_some()) {
                break;
            }
            result = peer.scope(clients.pooled.execute(request())).await;
        }
        if result.as_ref().is_err_and(|error| self.turns.may_be_stale(begun) && self.had_served(error)) {
            result = peer.scope(clients.fresh().await?.execute(request())).await;
        }
        let response = result.map_err(|error| {
            let mut secrets = Secrets::of_request(headers, url);
            clients.proxies.add_secrets(&mut secrets);
            errors::failure(&error, &peer, &clients.settings).redacted(&secrets)
        })?;
        if let Some(ends) = response.extensions().get::<HttpInfo>().map(ends) {
            self.lock_served().insert(ends);
        }
        Ok(response)
    }

    /// Whether a request failed because its connection, which had served before, was closed without a byte of an answer.
    fn had_served(&self, error: &reqwest::Error) -> bool {
        let Some(client_error) = errors::find::<hyper_util::client::legacy::Error>(error) else { return false };
        if client_error.is_connect() || errors::find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
            return false;
        }
        let Some(connected) = client_error.connect_info() else { return false };
        let mut extras = http::Extensions::new();
        connected.get_extras(&mut extras);
        extras.get::<HttpInfo>().is_some_and(|info| self.lock_served().remove(&ends(info)))
    }

    fn lock_served(&self) -> std::sync::MutexGuard<'_, HashSet<(SocketAddr, SocketAddr)>> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        // Mostly connections that were closed long ago. At worst a stale connection is not recognised, and the failure counts as a try.
        if served.len() > 10_000 {
            served.clear();
        }
        served
    }
}

fn ends(info: &HttpInfo) -> (SocketAddr, SocketAddr) {
    (info.local_addr(), info.remote_addr())
}

fn client(settings: &TransportSettings, resolver: Arc<Resolver>, reuse: bool) -> Result<Client, String> {
    let mut builder = Client::builder()
        .http1_only()
        // Heads are read leniently, because proxies in front of an API change them. Malformed lines are not skipped: one of them may have
        // been the length.
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .redirect(redirect::Policy::custom(follow))
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .referer(false)
        .tcp_nodelay(true)
        .tcp_keepalive(TCP_KEEPALIVE)
        .tcp_keepalive_interval(TCP_KEEPALIVE)
        .connect_timeout(CONNECT_TIME)
        .connector_layer(Racing)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .dns_resolver(resolver)
        .no_proxy();
    if !reuse {
        builder = builder.pool_max_idle_per_host(0);
    }
    for proxy in Proxies::of(settings).all() {
        builder = builder.proxy(proxy);
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let builder = builder.tcp_user_timeout(TCP_USER_TIMEOUT);
    let builder = builder.tls_backend_preconfigured(tls::config(settings)?);
    builder.build().map_err(|error| format!("no HTTP client could be made: {}", errors::innermost(&error)))
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let previous = attempt.previous();
    let is_followed = previous
        .last()
        .is_some_and(|from| super::is_followed(attempt.status().as_u16(), from, attempt.url(), previous.len() - 1));
    if is_followed { attempt.follow() } else { attempt.stop() }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    /// A listener that takes no further connection: its backlog is full.
    async fn dead() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let (address, mut taken) = (listener.local_addr().unwrap(), Vec::new());
        while let Ok(connected) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            taken.push(connected.unwrap());
        }
        (listener, taken)
    }

    async fn answer(listener: TcpListener) {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 4096]).await;
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi").await;
        }
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hold_a_request_up() {
        let (dead, _taken) = dead().await;
        let port = dead.local_addr().unwrap().port();
        let alive = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let resolver = Resolver::new(move |_| {
            Box::pin(async { Ok(vec![([127, 0, 0, 2], 0).into(), ([127, 0, 0, 1], 0).into()]) })
        });
        let pool = HttpPool::with_resolver(TransportSettings::default(), resolver);
        let url = Url::parse(&format!("http://two.test:{port}/")).unwrap();
        let asked = pool.request(Method::GET, &url, HeaderMap::new(), bytes::Bytes::new(), 1024);
        tokio::select! {
            () = answer(alive) => unreachable!(),
            answered = tokio::time::timeout(CONNECT_TIME / 2, asked) => {
                assert_eq!(answered.expect("within the time for one connection").unwrap().1, "hi");
            }
        }
    }

    #[tokio::test]
    async fn a_host_that_takes_no_connection_is_given_up_after_the_time_to_connect() {
        let (dead, _taken) = dead().await;
        let url = Url::parse(&format!("http://{}/", dead.local_addr().unwrap())).unwrap();
        let pool = HttpPool::new(TransportSettings::default());
        let asked = pool.request(Method::GET, &url, HeaderMap::new(), bytes::Bytes::new(), 1024);
        let failure = tokio::time::timeout(2 * CONNECT_TIME, asked).await.expect("a limit").unwrap_err();
        assert_eq!(failure.fault, Some(crate::failure::Fault::ConnectTimeout));
        assert_eq!(failure.kind, crate::failure::Kind::Connection);
    }
}
