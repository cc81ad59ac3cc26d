//! The native side of one client: `new OpenAI(mailbox, family, config).chat.completions.create(body, options)`.

use std::sync::Arc;

use napi::{Error, Result, Status};
use napi_derive::napi;
use openpipe_core::options::ClientConfig;
use openpipe_core::policy::health::Health;
use openpipe_core::report::{Group, Reporter, Sink};
use openpipe_core::upstream::http::HttpPool;
use tokio::runtime::Handle;

use crate::call::{self, CallHandle};
use crate::mailbox::Mailbox;
use crate::post::{Post, json};
use crate::runtime;

/// What every call of a client needs.
pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    pub(crate) pool: Arc<HttpPool>,
    pub(crate) post: Arc<Post>,
    pub(crate) reporter: Reporter,
    /// Where reports go.
    pub(crate) sinks: Vec<Sink>,
    pub(crate) family: Arc<Family>,
    handle: Handle,
}

/// What a client has in common with those that were made from it, and with its own native sides of before and after.
#[derive(Default)]
pub(crate) struct Family {
    /// How their targets have done.
    pub(crate) health: Health,
    /// What became of their reports.
    pub(crate) reports: Arc<Group>,
}

/// See [`Family`].
#[napi]
#[derive(Default)]
pub struct ClientFamily {
    inner: Arc<Family>,
}

impl ClientFamily {
    pub(crate) fn reports(&self) -> Arc<Group> {
        Arc::clone(&self.inner.reports)
    }
}

#[napi]
impl ClientFamily {
    /// A family of one.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How the targets have done lately, as a JSON array: see `UpstreamState` in the core.
    #[napi]
    #[must_use]
    pub fn upstreams(&self) -> String {
        json(&self.inner.health.read(runtime::breakers()))
    }
}

/// A client with its configuration, which never changes: the facade makes a new one when an option does.
#[napi(js_name = "OpenAI")]
pub struct OpenAi {
    shared: Arc<Shared>,
}

#[napi]
impl OpenAi {
    /// Makes a client that answers into a mailbox. `config` is the JSON that lib/sdk/state.js writes. Throws an
    /// `InvalidArg` error that names the option which is wrong.
    #[napi(constructor, catch_unwind)]
    pub fn new(mailbox: &Mailbox, family: &ClientFamily, config: String) -> Result<Self> {
        let config = ClientConfig::from_json(&config).map_err(|message| Error::new(Status::InvalidArg, message))?;
        let sinks = Sink::of(&config);
        let shared = Shared {
            config,
            sinks,
            pool: mailbox.pool(),
            post: Arc::clone(mailbox.post()),
            reporter: mailbox.reporter().of(&family.inner.reports),
            family: Arc::clone(&family.inner),
            handle: mailbox.handle()?,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// As in the SDK. A new object at each access.
    #[napi(getter)]
    pub fn chat(&self) -> Chat {
        Chat { shared: Arc::clone(&self.shared) }
    }
}

/// As in the SDK.
#[napi]
pub struct Chat {
    shared: Arc<Shared>,
}

#[napi]
impl Chat {
    /// As in the SDK. A new object at each access.
    #[napi(getter)]
    pub fn completions(&self) -> Completions {
        Completions { shared: Arc::clone(&self.shared) }
    }
}

/// As in the SDK.
#[napi]
pub struct Completions {
    shared: Arc<Shared>,
}

#[napi]
impl Completions {
    /// Starts a call, and returns its number at once: what becomes of it comes through the mailbox.
    ///
    /// `body` is the request as JSON text, and goes out as it is but for what a target changes in it. `options` is the
    /// JSON that lib/sdk/arguments.js writes, or `null`.
    #[napi(catch_unwind)]
    pub fn create(&self, body: String, options: Option<String>) -> u32 {
        let handle = Arc::new(CallHandle::default());
        let call = self.shared.post.enter(Arc::clone(&handle));
        // The task ends with its call: when the call is done, cancelled, or its environment goes.
        drop(self.shared.handle.spawn(call::run(call, handle, Arc::clone(&self.shared), body, options)));
        call
    }
}
