//! The one tokio runtime of the process and its pools of connections, shared by the main thread and all workers.
//!
//! It is made with the first mailbox and goes with the last. It is not napi's: that one comes back as a default one after
//! a reload, and a pool's connections belong to the runtime that made them.

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

/// One JavaScript thread cannot keep two of these busy; more are for workers.
const MAX_THREADS: usize = 8;

/// The circuits of the process. They outlive the runtime, so that the outages which one worker saw are known to the next.
static BREAKERS: LazyLock<Breakers> = LazyLock::new(Breakers::default);

/// See [`BREAKERS`].
pub(crate) fn breakers() -> &'static Breakers {
    &BREAKERS
}

/// Which upstream stores each response that the process has seen. Outlives the runtime as well.
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
    /// There was no thread to be had: its tasks run in [`Runtime::turn`].
    is_threadless: AtomicBool,
    /// Ends the thread that a threadless runtime has got since.
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
        // JavaScript has the other half of the cores. More threads than cores would take turns, and wake each other for it: a
        // call alone took a quarter more of CPU time on two cores with two of them.
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2).clamp(1, MAX_THREADS);
        // Where no thread is to be had (`RLIMIT_NPROC`, the limit of a container), tokio panics.
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

    /// Whether its tasks run in [`Runtime::turn`] only.
    pub(crate) fn is_threadless(&self) -> bool {
        self.is_threadless.load(Ordering::Acquire)
    }

    /// Lets the tasks of a threadless runtime run for a moment, here. As soon as a thread is to be had it runs them instead.
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

    /// Where tasks are spawned.
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

/// The pool of an environment: another one where the environment's settings have changed. Pools never share connections, so a
/// connection that was made without verification serves no call that asks for it.
pub(crate) struct PoolSlot(Mutex<Arc<HttpPool>>);

impl PoolSlot {
    pub(crate) fn new(pool: Arc<HttpPool>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(pool)))
    }

    /// The pool for what starts now.
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

/// Whoever has it last shuts it down. Not awaited: the thread that lets go may be JavaScript's, and a name look-up can take half a
/// minute.
fn shut_down(tokio: Arc<tokio::runtime::Runtime>) {
    if let Some(tokio) = Arc::into_inner(tokio) {
        tokio.shutdown_background();
    }
}
