//! The mailbox, one per environment: messages from Rust to JavaScript, in batches.
//!
//! Waking the JavaScript thread is expensive. So tasks append their messages to one buffer, and wake JavaScript only if no wake-up is
//! pending; JavaScript takes the whole buffer and parses it once. While more than a few calls are open, the wake-up
//! waits for the tasks that are ready to run, and brings the messages of all of them. Events of streams coalesce a little more: an
//! event less than a millisecond after the last wake-up waits for the next one, unless another message wakes JavaScript before. With
//! hundreds of streams each wake-up then delivers many events.
//!
//! A delivery is an array of strings, bounded in size ([`crate::post`]); `null` stands for one that could not be made. The first string
//! is a JSON array of messages ([`crate::protocol`]); messages with texts take the next strings in order. Messages that belong to the
//! reporter and not to a call have the number [`REPORTS`].

use std::sync::{Arc, Weak};
use std::time::Duration;

use napi::bindgen_prelude::{Env, Function};
use napi::{Error, Result, Status};
use napi_derive::napi;
use openpipe_core::report::Reporter;
use openpipe_core::upstream::http::TransportSettings;

use crate::family::ClientFamily;
use crate::handle::Handle;
use crate::post::{Post, REPORTS, Text};
use crate::protocol::{Answer, Message, json};
use crate::reports;
use crate::runtime::{PoolSlot, Runtime};

/// One environment's mailbox, and the calls that write to it.
#[napi]
pub struct Mailbox {
    post: Arc<Post>,
    runtime: Arc<Runtime>,
    pool: Arc<PoolSlot>,
    reporter: Reporter,
}

#[napi]
impl Mailbox {
    /// Opens the environment's mailbox. `deliver` is called with each delivery and must not throw. `settings` is the JSON
    /// of how connections are made: `{ httpProxy, httpsProxy, noProxy, extraCaCerts, acceptInvalidCerts }`.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "(delivery: (string | null)[]) => void")] deliver: Function<'_, Vec<Text>, ()>,
        settings: String,
    ) -> Result<Self> {
        let settings: TransportSettings =
            serde_json::from_str(&settings).map_err(|error| Error::new(Status::InvalidArg, error.to_string()))?;
        let runtime = Runtime::shared()
            .map_err(|error| Error::from_reason(format!("the runtime could not be started: {error}")))?;
        let post = Arc::new(Post::default());
        let taken = Arc::downgrade(&post);
        let wake = deliver
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .callee_handled::<false>()
            .build_callback(move |_context| Ok(taken.upgrade().map(|post| post.take()).unwrap_or_default()))?;
        let handle = Arc::new(Handle::default());
        post.open(wake, Arc::clone(&handle));
        let pool = PoolSlot::new(runtime.pool(settings));
        let reporter = reports::start(&runtime, &pool, &post, handle);
        // When the environment ends, everything that still runs is stopped, so that nothing more is written to the mailbox.
        env.add_env_cleanup_hook(Arc::downgrade(&post), |post: Weak<Post>| {
            if let Some(post) = post.upgrade() {
                post.close();
            }
        })?;
        Ok(Self { post, runtime, pool, reporter })
    }

    /// Changes the settings (JSON as for the constructor) for calls, reports and requests that start from now on.
    #[napi(catch_unwind)]
    pub fn set_transport(&self, settings: String) -> Result<()> {
        let settings =
            serde_json::from_str(&settings).map_err(|error| Error::new(Status::InvalidArg, error.to_string()))?;
        self.pool.set(self.runtime.pool(settings));
        Ok(())
    }

    /// Runs calls and reports for a moment on this thread, if the process could start no other. Returns whether another turn is needed;
    /// `false` if the runtime has threads.
    #[napi(catch_unwind)]
    pub fn turn(&self) -> bool {
        self.runtime.turn()
    }

    /// Cancels a call: drops its request, closes its connection, and sends no more messages for it. Returns its record as JSON; `null` if
    /// no target was tried, or the call has ended.
    #[napi]
    pub fn cancel(&self, call: u32) -> Option<String> {
        let handle = self.post.forget(call)?;
        handle.control.cancel();
        handle.control.aborted().map(|aborted| json(&aborted))
    }

    /// Notes that the reader consumed this many bytes of a stream, and opens the window by this many.
    #[napi]
    pub fn consumed(&self, call: u32, bytes: u32) {
        if let Some(handle) = self.post.call(call) {
            handle.control.consumed(bytes as usize);
        }
    }

    /// Requests a message `reported` for when the reports of a call are settled.
    #[napi]
    pub fn watch_reports(&self, call: u32) {
        if let Some(handle) = self.runtime.handle() {
            // Ends with that message, five seconds after the call at the latest.
            drop(handle.spawn(self.reporter.watch(call)));
        }
    }

    /// Whether calls that start from now on send each report as a message `report`, for the diagnostics channel.
    #[napi]
    pub fn publish_reports(&self, on: bool) {
        self.post.watch_reports(on);
    }

    /// The number of reports that are queued or in flight.
    #[napi]
    pub fn pending_reports(&self) -> u32 {
        u32::try_from(self.reporter.counts().pending).unwrap_or(u32::MAX)
    }

    /// Waits until no report of a family is pending (without a family: no report at all), for at most this many milliseconds. Then sends a
    /// message `flushed` with this number and the counts: those of the family since its last flush, or of all reports so far.
    #[napi]
    pub fn flush(&self, family: Option<&ClientFamily>, flush: u32, milliseconds: u32) {
        let (reporter, post) = (self.reporter.clone(), Arc::downgrade(&self.post));
        let group = family.map(ClientFamily::reports);
        if let Some(handle) = self.runtime.handle() {
            let time = Duration::from_millis(milliseconds.into());
            // Ends when every report is delivered or given up, or with its time.
            drop(handle.spawn(async move {
                let counts = match group {
                    Some(group) => reporter.of(&group).flush_within(time).await,
                    None => {
                        let flushed = tokio::time::timeout(time, reporter.flush()).await;
                        flushed.unwrap_or_else(|_elapsed| reporter.counts())
                    }
                };
                if let Some(post) = post.upgrade() {
                    post.send(REPORTS, Message::Flushed { flush, counts: &counts });
                }
            }));
        }
    }

    /// Sends a request of OpenPipe's API over the pool of connections, and returns its number, under which a message `response` follows.
    /// `headers` is JSON: an array of pairs.
    ///
    /// # Errors
    /// `InvalidArg` for a malformed URL or key; names the option.
    #[napi(catch_unwind)]
    pub fn request(
        &self,
        method: String,
        url: String,
        key: String,
        headers: String,
        body: String,
        milliseconds: f64,
    ) -> Result<u32> {
        let request = reports::ApiRequest::read(&method, &url, &key, &headers, body, milliseconds)
            .map_err(|message| Error::new(Status::InvalidArg, message))?;
        let number = self.post.number();
        let (pool, post, closed) = (self.pool.get(), Arc::downgrade(&self.post), self.post.closed());
        if let Some(handle) = self.runtime.handle() {
            // Ends with the response, its time, or the environment.
            drop(
                handle.spawn(closed.run_until_cancelled_owned(async move { request.run(&pool, &post, number).await })),
            );
        }
        Ok(number)
    }

    /// An answer of JavaScript to a question, as JSON, with its texts ([`crate::protocol::Answer`]).
    #[napi]
    pub fn answer(&self, call: u32, ask: u32, answer: String, texts: Vec<String>) {
        let Some(handle) = self.post.call(call) else { return };
        let answer = Answer::read(&answer, texts).unwrap_or_else(|error| Answer::Unreadable(error.to_string()));
        handle.asks.answer(ask, answer);
    }
}

impl Mailbox {
    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    pub(crate) fn tokio(&self) -> Result<tokio::runtime::Handle> {
        self.runtime.handle().ok_or_else(|| Error::from_reason("the runtime has been shut down"))
    }

    pub(crate) fn pool(&self) -> Arc<PoolSlot> {
        Arc::clone(&self.pool)
    }

    pub(crate) fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.post.close();
    }
}
