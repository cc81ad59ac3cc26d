//! The one tokio runtime of the process and its pools of connections, shared by the main thread and all workers.
//!
//! It is made with the first mailbox and goes with the last. It is not napi's: that one comes back as a default one after
//! a reload, and a pool's connections belong to the runtime that made them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use openpipe_core::policy::breaker::Breakers;
use openpipe_core::policy::homes::Homes;
use openpipe_core::upstream::http::{HttpPool, TransportSettings};
use tokio::runtime::{Builder, Handle};

/// One JavaScript thread cannot keep two of these busy; more are for workers.
const MAX_THREADS: usize = 8;

/// The circuits of the process. They outlive the runtime: what a worker has found out holds for the next one too.
static BREAKERS: LazyLock<Breakers> = LazyLock::new(Breakers::default);

/// See [`BREAKERS`].
pub(crate) fn breakers() -> &'static Breakers {
    &BREAKERS
}

/// Where the responses of the process live. They outlive the runtime as well.
static HOMES: LazyLock<Homes> = LazyLock::new(Homes::default);

/// See [`HOMES`].
pub(crate) fn homes() -> &'static Homes {
    &HOMES
}

static SHARED: Mutex<Weak<Runtime>> = Mutex::new(Weak::new());

/// The runtime, kept alive by the mailboxes; tasks hold no more than its [`Handle`].
pub(crate) struct Runtime {
    tokio: Option<tokio::runtime::Runtime>,
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
        let tokio = Builder::new_multi_thread().worker_threads(threads).thread_name("openpipe").enable_all().build()?;
        let runtime = Arc::new(Self { tokio: Some(tokio), pools: Mutex::new(HashMap::new()) });
        *shared = Arc::downgrade(&runtime);
        Ok(runtime)
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
        // Not awaited: the thread that lets go may be JavaScript's, and a name look-up can take half a minute.
        if let Some(tokio) = self.tokio.take() {
            tokio.shutdown_background();
        }
    }
}
