//! A server on loopback that says what a test writes, byte by byte, and notes what it was asked.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Everything that a test waits for comes long before.
const PATIENCE: Duration = Duration::from_secs(10);

/// The work's result. One that does not come fails the test.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("this hangs")
}

/// A server; dropping it ends it with all its connections.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Server {
    /// Handles every connection in this way; when the handler returns, the connection is closed.
    pub(crate) async fn start<F, Work>(handle: F) -> Self
    where
        F: Fn(Connection<TcpStream>) -> Work + Send + 'static,
        Work: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Seen>::default();
        let noted = Arc::clone(&seen);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("no delay");
                let number = noted.connections.fetch_add(1, Ordering::Relaxed);
                connections.spawn(handle(Connection { stream, number, seen: Arc::clone(&noted) }));
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    /// Answers each first request with these bytes and then closes the connection.
    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut connection| {
            let answer = Arc::clone(&answer);
            async move {
                connection.request().await;
                connection.send(&answer).await;
            }
        })
        .await
    }

    /// Answers every request with these bytes and keeps the connection.
    pub(crate) async fn repeating(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut connection| {
            let answer = Arc::clone(&answer);
            async move {
                while connection.request().await.is_some() {
                    connection.send(&answer).await;
                }
            }
        })
        .await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Requests that came so far, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One connection, at the server's end.
pub(crate) struct Connection<S> {
    stream: S,
    /// How many connections were made before it.
    pub(crate) number: usize,
    seen: Arc<Seen>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads a request with its body; `None` where the client has closed the connection.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        while !is_whole(&bytes) {
            let count = self.stream.read_buf(&mut bytes).await.unwrap_or(0);
            if count == 0 {
                return None;
            }
        }
        let request = String::from_utf8_lossy(&bytes).into_owned();
        self.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        Some(request)
    }

    /// Sends bytes. A client that has left is none of the test's business.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if self.stream.write_all(bytes.as_ref()).await.is_ok() {
            let _ = self.stream.flush().await;
        }
    }

    /// Reads whatever comes first.
    pub(crate) async fn read_some(&mut self) {
        let _ = self.stream.read(&mut [0; 16 * 1024]).await;
    }

    /// Waits until the client has closed the connection.
    pub(crate) async fn closed(&mut self) {
        let mut rest = [0; 1024];
        while matches!(self.stream.read(&mut rest).await, Ok(1..)) {}
    }
}

impl Connection<TcpStream> {
    /// The same connection after a TLS handshake; `None` where the client refused it.
    pub(crate) async fn secured(self, acceptor: &TlsAcceptor) -> Option<Connection<TlsStream<TcpStream>>> {
        let stream = acceptor.accept(self.stream).await.ok()?;
        Some(Connection { stream, number: self.number, seen: self.seen })
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a socket that lives");
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    body.len() >= length
}
