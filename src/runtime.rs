//! The tokio runtime of the process and its connection pools, shared by the main thread and all workers.
//!
//! It is created with the first mailbox and dropped with the last. napi's own runtime is not used: after a reload it is replaced by a
//! default one, and a pool's connections belong to the runtime that made them.

use std::collections::HashMap;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use openpipe_core::in_place::has_thread;
use openpipe_core::policy::breaker::Breakers;
use openpipe_core::policy::homes::Homes;
use openpipe_core::upstream::http::{HttpPool, TransportSettings};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The most threads. One JavaScript thread cannot keep two of them busy; the others serve workers.
const MAX_THREADS: usize = 8;

/// The circuits of the process. They outlive the runtime, so that a new worker benefits from the failures that an earlier one saw.
static BREAKERS: LazyLock<Breakers> = LazyLock::new(Breakers::default);

/// See [`BREAKERS`].
pub(crate) fn breakers() -> &'static Breakers {
    &BREAKERS
}

/// The homes of the responses that the process has seen. They outlive the runtime as well.
static HOMES: LazyLock<Homes> = LazyLock::new(Homes::default);

/// See [`HOMES`].
pub(crate) fn homes() -> &'static Homes {
    &HOMES
}

static SHARED: Mutex<Weak<Runtime>> = Mutex::new(Weak::new());

/// How long a turn on JavaScript's thread takes.
const TURN: Duration = Duration::from_millis(1);

/// The runtime, kept alive by the mailboxes; tasks hold no more than its [`Handle`].
pub(crate) struct Runtime {
    tokio: Option<Arc<tokio::runtime::Runtime>>,
    /// No thread could be started, so its tasks run in [`Runtime::turn`].
    is_threadless: AtomicBool,
    /// Ends the thread that a threadless runtime could start later.
    end: CancellationToken,
    pools: Mutex<HashMap<TransportSettings, Arc<HttpPool>>>,
}

impl Runtime {
    /// The process's runtime.
    pub(crate) fn shared() -> std::io::Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = shared.upgrade() {
            return Ok(runtime);
        }
        // JavaScript and the system get the other half of the cores. With more threads than cores a single call took a quarter more CPU
        // time (two threads on two cores), because they wake each other.
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2).clamp(1, MAX_THREADS);
        // tokio panics if it can start no thread (`RLIMIT_NPROC`, the limit of a container).
        let with_threads =
            || Builder::new_multi_thread().worker_threads(threads).thread_name("openpipe").enable_all().build();
        let tokio = if has_thread() { catch_unwind(with_threads).ok().transpose()? } else { None };
        let is_threadless = tokio.is_none();
        let tokio = tokio.map_or_else(|| Builder::new_current_thread().enable_all().build(), Ok)?;
        let runtime = Arc::new(Self {
            tokio: Some(Arc::new(tokio)),
            is_threadless: AtomicBool::new(is_threadless),
            end: CancellationToken::new(),
            pools: Mutex::default(),
        });
        *shared = Arc::downgrade(&runtime);
        Ok(runtime)
    }

    /// Whether the runtime has no threads, so that its tasks run in [`Runtime::turn`] only.
    pub(crate) fn is_threadless(&self) -> bool {
        self.is_threadless.load(Ordering::Acquire)
    }

    /// Runs the tasks of a threadless runtime for a moment on this thread. As soon as a thread can be started, that runs them instead.
    /// Returns whether another turn is needed.
    pub(crate) fn turn(&self) -> bool {
        let Some(tokio) = self.tokio.as_ref().filter(|_| self.is_threadless()) else { return false };
        let (theirs, end) = (Arc::clone(tokio), self.end.clone());
        let run = move || {
            theirs.block_on(end.cancelled());
            shut_down(theirs);
        };
        let thread = std::thread::Builder::new().name("openpipe".into()).spawn(run);
        if thread.is_err() {
            // The timer belongs to the runtime, so it is made within it.
            tokio.block_on(async { tokio::time::sleep(TURN).await });
        }
        self.is_threadless.store(thread.is_err(), Ordering::Release);
        thread.is_err()
    }

    /// The handle with which tasks are spawned.
    pub(crate) fn handle(&self) -> Option<Handle> {
        self.tokio.as_ref().map(|tokio| tokio.handle().clone())
    }

    /// The pool for these settings.
    pub(crate) fn pool(&self, settings: TransportSettings) -> Arc<HttpPool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(settings).or_insert_with_key(|settings| Arc::new(HttpPool::new(settings.clone())));
        Arc::clone(pool)
    }
}

/// The pool of an environment, which is replaced when its settings change. Pools share no connections, so a connection made without
/// verification of the certificate is never used for a call that asks for it.
pub(crate) struct PoolSlot(Mutex<Arc<HttpPool>>);

impl PoolSlot {
    pub(crate) fn new(pool: Arc<HttpPool>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(pool)))
    }

    /// The current pool.
    pub(crate) fn get(&self) -> Arc<HttpPool> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, pool: Arc<HttpPool>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pool;
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(tokio) = self.tokio.take() {
            shut_down(tokio);
        }
    }
}

/// Shuts the runtime down if this is the last reference. Does not wait: this may be JavaScript's thread, and a DNS look-up can take half
/// a minute.
fn shut_down(tokio: Arc<tokio::runtime::Runtime>) {
    if let Some(tokio) = Arc::into_inner(tokio) {
        tokio.shutdown_background();
    }
}
