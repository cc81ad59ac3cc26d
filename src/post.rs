//! The queue of messages from Rust to JavaScript: tasks append messages, JavaScript takes them as deliveries ([`crate::mailbox`]).
//!
//! A delivery is bounded: V8's strings have at most 2^29 - 24 characters, and a conversion that fails in a threadsafe function's
//! callback ends the process. So messages are queued in segments, one for each delivery.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Null, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status, sys};
use openpipe_core::call::{Form, Refusal};
use openpipe_core::events::delta::Event;
use openpipe_core::upstream::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::protocol::{Message, Written, write_event};

/// Wakes JavaScript, which gets the next delivery.
pub(crate) type Wake = ThreadsafeFunction<
    (),        // what a wake-up carries: nothing, the messages are taken when JavaScript arrives
    (),        // what the callback returns: nothing
    Vec<Text>, // what the callback gets: the delivery
    Status,
    false, // no error argument: a wake-up cannot fail
    true,  // weak: an idle mailbox keeps no process alive; lib/ holds it while somebody waits
    0,     // no bound on the queue: never more than one wake-up is under way
>;

/// The most entries in `calls` (the open calls, and one for reports) for which each message wakes JavaScript by itself. Beyond it a
/// wake-up waits for the tasks that are ready to run. At 32 calls in flight it then brings 14 messages where it brought 1.8, and each
/// call takes a quarter less of the event loop's time; at 1,000 in flight a third less (`npm run bench -- --only completions`).
const FEW_CALLS: usize = 5;
/// How long after a wake-up events wait for the next one.
const EVENTS_TOGETHER: Duration = Duration::from_millis(1);
/// A delivery takes no further message once it has reached this many bytes.
const DELIVERY_BYTES: usize = 8 * 1024 * 1024;
/// The most bytes of events, of all streams, that wait for JavaScript. Further events wait in their tasks.
const WAITING_EVENT_BYTES: usize = 64 * 1024 * 1024;
/// The longest text of a message, in UTF-16 code units: V8's limit is 2^29 - 24, and an event's text is part of a longer one.
const LONGEST_TEXT: usize = 500 * 1024 * 1024;

/// The call number of all messages about reports.
pub(crate) const REPORTS: u32 = u32::MAX;

/// Whether a text can be a string in JavaScript.
pub(crate) fn fits(text: &str) -> bool {
    // No character takes more units in UTF-16 than bytes in UTF-8.
    text.len() <= LONGEST_TEXT || text.encode_utf16().count() <= LONGEST_TEXT
}

/// A text of a delivery; `null` if it cannot be a JavaScript string, so that only its own call fails.
pub struct Text(String);

impl ToNapiValue for Text {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        // SAFETY: `env` is the one that this conversion was called with.
        unsafe { String::to_napi_value(env, text.0).or_else(|_too_long| Null::to_napi_value(env, Null)) }
    }
}

/// The mailbox as tasks see it.
#[derive(Default)]
pub(crate) struct Post {
    state: Mutex<State>,
    /// A wake-up is pending.
    woken: AtomicBool,
    /// Notified when JavaScript has taken events.
    room: Notify,
    next_call: AtomicU32,
    /// Cancelled when the environment ends.
    closed: CancellationToken,
    /// The diagnostics channel has a subscriber: each report is sent to it.
    are_reports_watched: AtomicBool,
}

#[derive(Default)]
struct State {
    segments: VecDeque<Segment>,
    /// The bytes of events in them.
    event_bytes: usize,
    calls: HashMap<u32, Arc<Handle>>,
    woken_at: Option<Instant>,
    /// A task will wake JavaScript for the waiting events.
    is_deferred: bool,
    /// A task will wake JavaScript after the tasks that are ready to run.
    wakes_after_batch: bool,
    /// `None` once the environment has ended.
    wake: Option<Arc<Wake>>,
}

/// The contents of one delivery.
#[derive(Default)]
struct Segment {
    /// A JSON array of messages, without its end.
    messages: String,
    /// The texts of the messages.
    texts: Vec<String>,
    text_bytes: usize,
    event_bytes: usize,
    /// Events of calls, each of which becomes one message: when the delivery is taken, or before another message of its call.
    /// A message for each event would cost JavaScript more than the event itself.
    batches: BTreeMap<u32, Batch>,
    batch_bytes: usize,
}

/// Events of one call, written one after the other ([`write_event`]).
struct Batch {
    form: Form,
    /// Their size in the window.
    bytes: usize,
    text: String,
}

impl Post {
    /// Opens the queue. `handle` is that of the messages about reports.
    pub(crate) fn open(&self, wake: Wake, handle: Arc<Handle>) {
        let mut state = self.lock();
        state.wake = Some(Arc::new(wake));
        state.calls.insert(REPORTS, handle);
    }

    /// Whether the diagnostics channel for reports has a subscriber.
    pub(crate) fn are_reports_watched(&self) -> bool {
        self.are_reports_watched.load(Ordering::Relaxed)
    }

    pub(crate) fn watch_reports(&self, watched: bool) {
        self.are_reports_watched.store(watched, Ordering::Relaxed);
    }

    /// Registers a call, and returns its number.
    pub(crate) fn enter(&self, handle: Arc<Handle>) -> u32 {
        let call = self.number();
        self.lock().calls.insert(call, handle);
        call
    }

    /// A new number. Unique unless there are 2^32 calls at once.
    pub(crate) fn number(&self) -> u32 {
        let number = self.next_call.fetch_add(1, Ordering::Relaxed);
        if number == REPORTS { self.number() } else { number }
    }

    /// A call's handle.
    pub(crate) fn call(&self, call: u32) -> Option<Arc<Handle>> {
        self.lock().calls.get(&call).cloned()
    }

    /// Unregisters a call, which has ended or is cancelled: no more messages are sent for it.
    pub(crate) fn forget(&self, call: u32) -> Option<Arc<Handle>> {
        self.lock().calls.remove(&call)
    }

    /// Sends a message.
    pub(crate) fn send(self: &Arc<Self>, call: u32, message: Message<'_>) {
        // Written before the lock is taken: it takes microseconds, during which JavaScript could not start another call.
        let written = message.write();
        let mut state = self.lock();
        // A cancelled call has no receiver.
        if !state.calls.contains_key(&call) {
            return;
        }
        state.write(call, written);
        self.wake(state);
    }

    /// Reserves room for this many bytes of events, for [`Post::send_events`].
    pub(crate) fn reserve(&self, bytes: usize) -> std::result::Result<(), BoxFuture<'_, ()>> {
        let taken = self.room.notified();
        let mut state = self.lock();
        if state.event_bytes > 0 && state.event_bytes + bytes > WAITING_EVENT_BYTES {
            return Err(Box::pin(taken));
        }
        state.event_bytes += bytes;
        Ok(())
    }

    /// Sends events of a stream, which count as `bytes` in the window.
    pub(crate) fn send_events(self: &Arc<Self>, call: u32, form: Form, bytes: usize, events: &[Event]) {
        let mut state = self.lock();
        if !state.calls.contains_key(&call) {
            state.event_bytes -= bytes;
            self.room.notify_waiters();
            return;
        }
        state.write_events(call, form, bytes, events);
        self.wake_for_events(state);
    }

    fn wake_for_events(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        // The pending wake-up delivers them as well.
        if self.woken.load(Ordering::Acquire) {
            return;
        }
        let wakes_at = state.woken_at.map(|at| at + EVENTS_TOGETHER).filter(|at| Instant::now() < *at);
        match wakes_at {
            None => self.wake(state),
            Some(at) if !state.is_deferred => {
                state.is_deferred = true;
                drop(state);
                self.wake_at(at);
            }
            Some(_) => {}
        }
    }

    /// Wakes JavaScript at this time, if anything is still queued.
    fn wake_at(self: &Arc<Self>, at: Instant) {
        let post = Arc::downgrade(self);
        // Ends within two milliseconds.
        drop(tokio::runtime::Handle::current().spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            let Some(post) = post.upgrade() else { return };
            let mut state = post.lock();
            state.is_deferred = false;
            if !state.segments.is_empty() {
                post.wake_now(state);
            }
        }));
    }

    /// Sends a message of a call that has ended.
    pub(crate) fn send_late(self: &Arc<Self>, call: u32, message: Message<'_>) {
        let written = message.write();
        let mut state = self.lock();
        state.write(call, written);
        self.wake(state);
    }

    /// Wakes JavaScript: at once while few calls are open, else after the tasks that are ready to run, so that one wake-up delivers the
    /// messages of all of them.
    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if self.woken.load(Ordering::Acquire) || state.wakes_after_batch {
            return;
        }
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| state.calls.len() > FEW_CALLS);
        let Some(runtime) = runtime else { return self.wake_now(state) };
        state.wakes_after_batch = true;
        drop(state);
        let post = Arc::downgrade(self);
        // Ends with the batch.
        drop(runtime.spawn(async move {
            tokio::task::yield_now().await;
            let Some(post) = post.upgrade() else { return };
            let mut state = post.lock();
            state.wakes_after_batch = false;
            if !state.segments.is_empty() {
                post.wake_now(state);
            }
        }));
    }

    fn wake_now(&self, mut state: MutexGuard<'_, State>) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        state.woken_at = Some(Instant::now());
        let wake = state.wake.clone();
        // Released before the call: JavaScript's thread may run before the call returns, and would have to wait for the lock.
        drop(state);
        if let Some(wake) = wake {
            // Any status other than `Ok` means that the environment is ending.
            let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// The next delivery. If there is more than one, JavaScript is woken again for the rest.
    pub(crate) fn take(self: &Arc<Self>) -> Vec<Text> {
        let mut state = self.lock();
        self.woken.store(false, Ordering::Release);
        let mut segment = state.segments.pop_front().unwrap_or_default();
        state.event_bytes -= segment.event_bytes;
        if state.segments.is_empty() {
            drop(state);
        } else {
            self.wake_now(state);
        }
        if segment.event_bytes > 0 {
            self.room.notify_waiters();
        }
        segment.write_batches();
        let Segment { mut messages, texts, .. } = segment;
        messages.push_str(if messages.is_empty() { "[]" } else { "]" });
        let mut delivery = Vec::with_capacity(1 + texts.len());
        delivery.push(Text(messages));
        delivery.extend(texts.into_iter().map(Text));
        delivery
    }

    /// Cancelled when the environment ends.
    pub(crate) fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// Cancels every call and closes the queue.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        let (calls, wake) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.calls), state.wake.take())
        };
        for handle in calls.into_values() {
            handle.control.cancel();
        }
        drop(wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, call: u32, message: Written) {
        let text_bytes = message.texts.iter().flatten().map(String::len).sum::<usize>();
        let segment = self.segment_for(message.rest.len() + text_bytes);
        // Messages of a call keep their order.
        segment.write_batch(call);
        segment.write(call, message);
    }

    /// Writes events, in several deliveries if they are too large for one.
    fn write_events(&mut self, call: u32, form: Form, bytes: usize, events: &[Event]) {
        let mut bytes_left = bytes;
        for (index, event) in events.iter().enumerate() {
            // The overhead beside the data is counted with the last event.
            let is_last = index + 1 == events.len();
            let share = if is_last { bytes_left } else { event.data.len().min(bytes_left) };
            bytes_left -= share;
            self.segment_for(event.data.len()).add_event(call, form, share, event);
        }
    }

    /// The segment that a message of this size goes into.
    fn segment_for(&mut self, bytes: usize) -> &mut Segment {
        let is_full = self.segments.back().is_none_or(|last| {
            let size = last.messages.len() + last.text_bytes + last.batch_bytes;
            size > 0 && size + bytes > DELIVERY_BYTES
        });
        if is_full {
            self.segments.push_back(Segment::default());
        }
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }
}

impl Segment {
    fn write(&mut self, call: u32, message: Written) {
        let fits_all = message.rest.len() <= LONGEST_TEXT && message.texts.iter().flatten().all(|text| fits(text));
        let Written { name, rest, texts } = if fits_all {
            message
        } else {
            let message = "a message about the call is longer than a string can be";
            Message::Refused { why: Refusal::Internal, message }.write()
        };
        // Name and numbers take less than 32 bytes.
        self.messages.reserve(rest.len() + 32);
        self.messages.push(if self.messages.is_empty() { '[' } else { ',' });
        // Writing to a `String` cannot fail.
        let _ = write!(self.messages, "[{call},\"{name}\"{rest}]");
        self.text_bytes += texts.iter().flatten().map(String::len).sum::<usize>();
        self.texts.extend(texts.into_iter().flatten());
    }

    fn add_event(&mut self, call: u32, form: Form, bytes: usize, event: &Event) {
        let batch = self.batches.entry(call).or_insert_with(|| Batch { form, bytes: 0, text: String::new() });
        let before = batch.text.len();
        write_event(batch.form, event, &mut batch.text);
        batch.bytes += bytes;
        self.batch_bytes += batch.text.len() - before;
        self.event_bytes += bytes;
    }

    /// Writes the events of a call as a message.
    fn write_batch(&mut self, call: u32) {
        let Some(Batch { form, bytes, text }) = self.batches.remove(&call) else { return };
        self.batch_bytes -= text.len();
        self.write(call, Message::Events { form, bytes, text }.write());
    }

    /// Writes the events of all calls that are left.
    fn write_batches(&mut self) {
        while let Some((&call, _)) = self.batches.first_key_value() {
            self.write_batch(call);
        }
    }
}

#[cfg(test)]
#[path = "post_tests.rs"]
mod tests;
