//! The native side of one client: `new OpenAI(mailbox, family, config).chat.completions.create(body, options)`.

use std::sync::Arc;

use napi::{Error, Result, Status};
use napi_derive::napi;
use openpipe_core::call::{Call, Client, Warned};
use openpipe_core::options::{ClientConfig, RecentOptions};
use openpipe_core::report::Sink;

use crate::call_events::NodeCall;
use crate::family::ClientFamily;
use crate::handle::Handle;
use crate::mailbox::Mailbox;
use crate::post::Post;
use crate::protocol::json;
use crate::runtime::{self, PoolSlot};

/// Shared by all calls of a client.
struct Shared {
    client: Arc<Client>,
    pool: Arc<PoolSlot>,
    post: Arc<Post>,
    tokio: tokio::runtime::Handle,
}

/// A client. Its configuration is immutable: lib/ makes a new client when an option changes.
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
        let reporter = mailbox.reporter().of(&family.reports());
        let health = family.health();
        let (breakers, homes) = (runtime::breakers(), runtime::homes());
        let (warned, recent) = (Warned::default(), RecentOptions::default());
        let client = Arc::new(Client { config, breakers, homes, health, warned, recent, reporter, sinks });
        let shared = Shared { client, pool: mailbox.pool(), post: Arc::clone(mailbox.post()), tokio: mailbox.tokio()? };
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

/// The upstream that stores a response, if the process knows it.
#[derive(serde::Serialize)]
struct Home<'a> {
    /// The name of its upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    /// The number of its custom client, where that is one of the constructor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<u32>,
    /// The index of its custom client in `others`.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<usize>,
}

#[napi]
impl Completions {
    /// The home of a response as JSON; an empty object where it is not known. `others` are the identities of custom clients that were given
    /// to single calls.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn home(&self, id: String, others: Vec<String>) -> String {
        let Client { config, homes, .. } = &*self.shared.client;
        let home = homes.of(&id);
        json(&Home {
            upstream: config.home_of(homes, &id),
            client: config.client_home_of(homes, &id),
            other: others.iter().position(|identity| home == Some(homes.client(identity.as_bytes()))),
        })
    }

    /// Starts a call, and returns its number at once. Its messages arrive through the mailbox.
    ///
    /// `body` is the request as JSON text, which is sent as it is except for a target's edits. `options` is the JSON that
    /// lib/options/writer.js writes, or `null`.
    #[napi(catch_unwind)]
    pub fn create(&self, body: String, options: Option<String>) -> u32 {
        let Shared { client, pool, post, tokio } = &*self.shared;
        let handle = Arc::new(Handle::default());
        let number = post.enter(Arc::clone(&handle));
        let call = Call {
            number,
            client: Arc::clone(client),
            pool: pool.get(),
            control: Arc::clone(&handle.control),
            host: Arc::new(NodeCall { call: number, handle, post: Arc::clone(post) }),
        };
        let post = Arc::clone(post);
        // Boxed, because tokio moves the future, which is some kilobytes; allocated and freed on the runtime's thread.
        let running = async move { Box::pin(call.run(body, options, move || drop(post.forget(number)))).await };
        // The task ends when the call ends or is cancelled, or when its environment ends.
        drop(tokio.spawn(running));
        number
    }
}
