//! From Rust to JavaScript: one mailbox per environment.
//!
//! The costly thing is to wake the JavaScript thread. Tasks append their messages to one buffer and wake JavaScript only
//! if it is not already on its way; JavaScript takes everything at once and parses it once. Under load the wake-ups merge
//! by themselves. Events of streams merge a little more: one that follows the last wake-up by less than a millisecond waits
//! for the next, unless something else wakes JavaScript before. Nobody reads faster than that, and of hundreds of streams
//! each wake-up then brings many events.
//!
//! A delivery is an array of strings. The first is a JSON array of messages, each `[call, name, …]`; messages that bring
//! texts along (a completion's body) take the next strings in their order. The names, and what follows them:
//!
//! | name | follows | texts |
//! | --- | --- | --- |
//! | `refused` | why (`argument`, `body`, `missing_key`), message | |
//! | `warning` | message | |
//! | `fallback` | `{ from, to }` | |
//! | `completion` | request id, ticket | body, meta |
//! | `stream` | ticket | meta |
//! | `events` | bytes, an array of events (see `openpipe_core::stream::delta`) or, a client's, their number | |
//! | `wire` | bytes | the events as the text of server-sent events |
//! | `end` | what the call came to | |
//! | `failure` | the failure | |
//! | `ask` | ask, `{ client, … }` | body |
//! | `headers` | ask | |
//! | `pull`, `drop` | ask | |
//! | `reported` | | |
//!
//! What is of no call, but of the reports of them all, comes under the number [`REPORTS`]:
//!
//! | name | follows | texts |
//! | --- | --- | --- |
//! | `flushed` | flush, counts | |
//! | `warning` | message | |
//! | `deliver` | ask, `{ url, headers }` | body |
//! | `response` | request, head or `null`, failure or `null` | body |

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Env, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Error, Result, Status};
use napi_derive::napi;
use openpipe_core::report::Reporter;
use openpipe_core::stream::delta::Event;
use openpipe_core::upstream::http::{HttpPool, TransportSettings};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::call::CallHandle;
use crate::reports;
use crate::runtime::Runtime;

/// Wakes JavaScript, which gets everything that is in the mailbox by then.
type Wake = ThreadsafeFunction<
    (),          // what a wake-up carries: nothing, the messages are taken when JavaScript arrives
    (),          // what the callback returns: nothing
    Vec<String>, // what the callback gets: the delivery
    Status,
    false, // no error argument: a wake-up cannot fail
    true,  // weak: an idle mailbox keeps no process alive; lib/ holds it while somebody waits
    0,     // no bound on the queue: never more than one wake-up is under way
>;

/// Events wait so long after a wake-up for others to come along.
const EVENTS_TOGETHER: Duration = Duration::from_millis(1);

/// The number under which everything about reports comes.
pub(crate) const REPORTS: u32 = u32::MAX;

/// One environment's mailbox, and the calls that write to it.
#[napi]
pub struct Mailbox {
    post: Arc<Post>,
    runtime: Arc<Runtime>,
    pool: Arc<HttpPool>,
    reporter: Reporter,
}

#[napi]
impl Mailbox {
    /// Opens the environment's mailbox. `deliver` is called with each delivery and must not throw. `settings` is the JSON
    /// of how connections are made: `{ httpProxy, httpsProxy, noProxy, extraCaCerts, acceptInvalidCerts }`.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, deliver: Function<'_, Vec<String>, ()>, settings: String) -> Result<Self> {
        let settings: TransportSettings =
            serde_json::from_str(&settings).map_err(|error| Error::new(Status::InvalidArg, error.to_string()))?;
        let runtime =
            Runtime::shared().map_err(|error| Error::from_reason(format!("no threads could be started: {error}")))?;
        let post = Arc::new(Post::default());
        let taken = Arc::downgrade(&post);
        let wake = deliver
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .callee_handled::<false>()
            .build_callback(move |_context| Ok(taken.upgrade().map(|post| post.take()).unwrap_or_default()))?;
        let handle = Arc::new(CallHandle::default());
        {
            let mut state = post.lock();
            state.wake = Some(wake);
            state.calls.insert(REPORTS, Arc::clone(&handle));
        }
        let pool = runtime.pool(settings);
        let reporter = reports::start(&runtime, &pool, &post, handle);
        // What still runs when the environment goes is stopped, and nobody writes to its mailbox any more.
        env.add_env_cleanup_hook(Arc::downgrade(&post), |post: Weak<Post>| {
            if let Some(post) = post.upgrade() {
                post.close();
            }
        })?;
        Ok(Self { post, runtime, pool, reporter })
    }

    /// Stops a call: its request is dropped, its connection closed, and no message of it comes any more. Returns how far it
    /// had come, as JSON; `null` where it had not begun, or is over.
    #[napi]
    pub fn cancel(&self, call: u32) -> Option<String> {
        let handle = self.post.forget(call)?;
        handle.cancel.cancel();
        let progress = handle.progress.lock().unwrap_or_else(PoisonError::into_inner).take();
        progress.map(|progress| json(&progress))
    }

    /// The reader of a stream has taken so many bytes, so that as many may come.
    #[napi]
    pub fn consumed(&self, call: u32, bytes: u32) {
        if let Some(handle) = self.post.call(call) {
            handle.window.give(bytes as usize);
        }
    }

    /// Asks to be told by a `reported` when the reports of a call are settled.
    #[napi]
    pub fn watch_reports(&self, call: u32) {
        if let Some(handle) = self.runtime.handle() {
            // Ends with the telling, after the call and five more seconds at the latest.
            drop(handle.spawn(self.reporter.watch(call)));
        }
    }

    /// The number of reports that are queued or on their way.
    #[napi]
    pub fn pending_reports(&self) -> u32 {
        u32::try_from(self.reporter.counts().pending).unwrap_or(u32::MAX)
    }

    /// Waits until no report is pending, or for so long; told by a `flushed` with this number and the counts.
    #[napi]
    pub fn flush(&self, flush: u32, milliseconds: u32) {
        let (reporter, post) = (self.reporter.clone(), Arc::downgrade(&self.post));
        if let Some(handle) = self.runtime.handle() {
            let time = Duration::from_millis(milliseconds.into());
            // Ends when every report is delivered or given up, or with its time.
            drop(handle.spawn(async move {
                let flushed = tokio::time::timeout(time, reporter.flush()).await;
                let counts = json(&flushed.unwrap_or_else(|_elapsed| reporter.counts()));
                if let Some(post) = post.upgrade() {
                    post.send(REPORTS, "flushed", &[&flush.to_string(), &counts], []);
                }
            }));
        }
    }

    /// Sends a request of OpenPipe's API over the pool of connections, and returns its number; told by a `response`.
    /// `headers` is JSON: an array of pairs.
    #[napi(catch_unwind)]
    pub fn request(
        &self,
        method: String,
        url: String,
        headers: String,
        body: String,
        milliseconds: f64,
    ) -> Result<u32> {
        let request = reports::ApiRequest::read(&method, &url, &headers, body, milliseconds)
            .map_err(|message| Error::new(Status::InvalidArg, message))?;
        let number = self.post.number();
        let (pool, post) = (Arc::clone(&self.pool), Arc::downgrade(&self.post));
        if let Some(handle) = self.runtime.handle() {
            // Ends with the response, or its time.
            drop(handle.spawn(async move { request.run(&pool, &post, number).await }));
        }
        Ok(number)
    }

    /// A JavaScript client's answer to an `ask` or a `pull`, as JSON.
    #[napi]
    pub fn answer(&self, call: u32, ask: u32, answer: String) {
        if let Some(handle) = self.post.call(call) {
            handle.asks.answer(ask, answer);
        }
    }
}

impl Mailbox {
    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    pub(crate) fn handle(&self) -> Result<Handle> {
        self.runtime.handle().ok_or_else(|| Error::from_reason("the runtime has been shut down"))
    }

    pub(crate) fn pool(&self) -> Arc<HttpPool> {
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

/// The mailbox as tasks see it.
#[derive(Default)]
pub(crate) struct Post {
    state: Mutex<State>,
    /// A wake-up is on its way.
    woken: AtomicBool,
    next_call: AtomicU32,
}

#[derive(Default)]
struct State {
    messages: String,
    texts: Vec<String>,
    calls: HashMap<u32, Arc<CallHandle>>,
    woken_at: Option<Instant>,
    /// A task is going to wake JavaScript for what waits.
    is_deferred: bool,
    /// Gone once the environment is.
    wake: Option<Wake>,
}

impl Post {
    /// Enters a call and gives it its number.
    pub(crate) fn enter(&self, handle: Arc<CallHandle>) -> u32 {
        let call = self.number();
        self.lock().calls.insert(call, handle);
        call
    }

    /// A number that nothing else has, short of four thousand million calls at once.
    pub(crate) fn number(&self) -> u32 {
        let number = self.next_call.fetch_add(1, Ordering::Relaxed);
        if number == REPORTS { self.number() } else { number }
    }

    /// A call's handle.
    pub(crate) fn call(&self, call: u32) -> Option<Arc<CallHandle>> {
        self.lock().calls.get(&call).cloned()
    }

    /// The call is over, or is to be.
    pub(crate) fn forget(&self, call: u32) -> Option<Arc<CallHandle>> {
        self.lock().calls.remove(&call)
    }

    /// Sends a message: the call, a name, and what follows as JSON texts; and the texts that it brings along.
    pub(crate) fn send(&self, call: u32, name: &str, rest: &[&str], texts: impl IntoIterator<Item = String>) {
        self.write(call, |messages, all| {
            // Writing to a `String` cannot fail.
            let _ = write!(messages, "[{call},\"{name}\"");
            for part in rest {
                messages.push(',');
                messages.push_str(part);
            }
            messages.push(']');
            all.extend(texts);
        });
    }

    /// Sends events of a stream.
    pub(crate) fn send_events(self: &Arc<Self>, call: u32, bytes: usize, events: &[Event]) {
        self.write_soon(call, |messages, _| {
            let _ = write!(messages, "[{call},\"events\",{bytes},[");
            for (index, event) in events.iter().enumerate() {
                if index > 0 {
                    messages.push(',');
                }
                event.tell(messages);
            }
            messages.push_str("]]");
        });
    }

    /// Sends events of a stream as the text of server-sent events.
    pub(crate) fn send_wire_events(self: &Arc<Self>, call: u32, bytes: usize, events: &[Event]) {
        let mut text = String::with_capacity(bytes + events.len() * "data: \n\n".len());
        events.iter().for_each(|event| event.write_sse(&mut text));
        self.write_soon(call, |messages, texts| {
            let _ = write!(messages, "[{call},\"wire\",{bytes}]");
            texts.push(text);
        });
    }

    /// Adds a message that may wait a little for others to come along.
    fn write_soon(self: &Arc<Self>, call: u32, message: impl FnOnce(&mut String, &mut Vec<String>)) {
        let mut state = self.lock();
        if !state.calls.contains_key(&call) {
            return;
        }
        state.append(message);
        // Who is on the way takes them along.
        if self.woken.load(Ordering::Acquire) {
            return;
        }
        let wakes_at = state.woken_at.map(|at| at + EVENTS_TOGETHER).filter(|at| Instant::now() < *at);
        match wakes_at {
            None => self.wake(&mut state),
            Some(at) if !state.is_deferred => {
                state.is_deferred = true;
                drop(state);
                self.wake_at(at);
            }
            Some(_) => {}
        }
    }

    /// Wakes JavaScript then, if there is something left to take.
    fn wake_at(self: &Arc<Self>, at: Instant) {
        let post = Arc::downgrade(self);
        // Ends within two milliseconds.
        drop(Handle::current().spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            let Some(post) = post.upgrade() else { return };
            let mut state = post.lock();
            state.is_deferred = false;
            if !state.messages.is_empty() {
                post.wake(&mut state);
            }
        }));
    }

    fn write(&self, call: u32, message: impl FnOnce(&mut String, &mut Vec<String>)) {
        let mut state = self.lock();
        // A call that was cancelled has nobody who reads of it.
        if state.calls.contains_key(&call) {
            state.append(message);
            self.wake(&mut state);
        }
    }

    /// Sends a message of a call that is over.
    pub(crate) fn send_late(&self, call: u32, name: &str) {
        let mut state = self.lock();
        state.append(|messages, _| {
            // Writing to a `String` cannot fail.
            let _ = write!(messages, "[{call},\"{name}\"]");
        });
        self.wake(&mut state);
    }

    fn wake(&self, state: &mut State) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        state.woken_at = Some(Instant::now());
        if let Some(wake) = &state.wake {
            // Any other status than `Ok` means that the environment is going: there is nobody to tell.
            let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Everything that has come, as one delivery.
    fn take(&self) -> Vec<String> {
        let mut state = self.lock();
        self.woken.store(false, Ordering::Release);
        let mut messages = std::mem::take(&mut state.messages);
        messages.push_str(if messages.is_empty() { "[]" } else { "]" });
        let texts = std::mem::take(&mut state.texts);
        drop(state);
        let mut delivery = Vec::with_capacity(1 + texts.len());
        delivery.push(messages);
        delivery.extend(texts);
        delivery
    }

    /// Stops every call and forgets the way to JavaScript.
    fn close(&self) {
        let (calls, wake) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.calls), state.wake.take())
        };
        for handle in calls.into_values() {
            handle.cancel.cancel();
        }
        drop(wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, message: impl FnOnce(&mut String, &mut Vec<String>)) {
        self.messages.push(if self.messages.is_empty() { '[' } else { ',' });
        message(&mut self.messages, &mut self.texts);
    }
}

/// A value as JSON text. What is sent consists of strings, numbers and records, which always can be.
pub(crate) fn json(value: &impl Serialize) -> String {
    // What is told of an answer, which is most of it, has about this size.
    let mut text = Vec::with_capacity(1024);
    match serde_json::to_writer(&mut text, value) {
        Ok(()) => openpipe_core::text::json::text(text),
        Err(error) => openpipe_core::text::json::string(&error.to_string()),
    }
}
