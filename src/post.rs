//! The way from Rust to JavaScript: tasks append messages, JavaScript takes them as deliveries. See [`crate::mailbox`] for
//! what a delivery is.
//!
//! A delivery is bounded: V8's strings end at 2^29 - 24 characters, and a conversion that fails in a threadsafe function's
//! callback ends the process. So messages are kept in segments, one delivery each; the next one follows by itself.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Null, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status, sys};
use openpipe_core::stream::delta::Event;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::call::CallHandle;

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

/// Events wait so long after a wake-up for others to come along.
const EVENTS_TOGETHER: Duration = Duration::from_millis(1);
/// A delivery that has reached so many bytes takes no further message.
const DELIVERY_BYTES: usize = 8 * 1024 * 1024;
/// The events of all streams that wait for JavaScript to arrive, in bytes. More wait in their tasks.
const WAITING_EVENT_BYTES: usize = 64 * 1024 * 1024;
/// The longest text that crosses, in UTF-16 code units: V8's strings end at 2^29 - 24, and an event's text stands within another.
const LONGEST_TEXT: usize = 500 * 1024 * 1024;

/// The number under which everything about reports comes.
pub(crate) const REPORTS: u32 = u32::MAX;

/// Whether a text can be a string in JavaScript.
pub(crate) fn fits(text: &str) -> bool {
    // No character takes more units in UTF-16 than bytes in UTF-8.
    text.len() <= LONGEST_TEXT || text.encode_utf16().count() <= LONGEST_TEXT
}

/// A text of a delivery; `null` where JavaScript could not make a string of it, which must fail nothing but its own call.
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
    /// A wake-up is on its way.
    woken: AtomicBool,
    /// JavaScript has taken events.
    room: Notify,
    next_call: AtomicU32,
    /// Somebody in JavaScript wants to see each report.
    are_reports_watched: AtomicBool,
}

#[derive(Default)]
struct State {
    segments: VecDeque<Segment>,
    /// The bytes of events in them.
    event_bytes: usize,
    calls: HashMap<u32, Arc<CallHandle>>,
    woken_at: Option<Instant>,
    /// A task is going to wake JavaScript for what waits.
    is_deferred: bool,
    /// Gone once the environment is.
    wake: Option<Wake>,
}

/// How events cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As what is new in each ([`openpipe_core::stream::delta`]), to be made chunks of.
    Chunks,
    /// As the text of server-sent events, to be passed on.
    Wire,
}

/// What becomes one delivery.
#[derive(Default)]
struct Segment {
    /// A JSON array of messages, without its end.
    messages: String,
    /// The texts that the messages bring along.
    texts: Vec<String>,
    text_bytes: usize,
    event_bytes: usize,
}

impl Post {
    /// Opens the way to JavaScript. `handle` is that of everything about reports.
    pub(crate) fn open(&self, wake: Wake, handle: Arc<CallHandle>) {
        let mut state = self.lock();
        state.wake = Some(wake);
        state.calls.insert(REPORTS, handle);
    }

    /// Whether somebody in JavaScript wants to see each report.
    pub(crate) fn are_reports_watched(&self) -> bool {
        self.are_reports_watched.load(Ordering::Relaxed)
    }

    pub(crate) fn watch_reports(&self, watched: bool) {
        self.are_reports_watched.store(watched, Ordering::Relaxed);
    }

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
    pub(crate) fn send<const N: usize>(&self, call: u32, name: &str, rest: &[&str], texts: [String; N]) {
        let mut state = self.lock();
        // Nobody reads of a call that was cancelled.
        if !state.calls.contains_key(&call) {
            return;
        }
        let fits_all =
            rest.iter().copied().map(str::len).sum::<usize>() <= LONGEST_TEXT && texts.iter().all(|text| fits(text));
        if fits_all {
            state.write(call, name, rest, texts);
        } else {
            let why = "\"what is to be said of the call is longer than a string can be\"";
            state.write(call, "refused", &["\"internal\"", why], []);
        }
        self.wake(&mut state);
    }

    /// Waits until so many bytes of events may be sent, and reserves their room: [`Post::send_events`] must follow without an
    /// `.await` in between.
    pub(crate) async fn room_for(&self, bytes: usize) {
        loop {
            let taken = self.room.notified();
            {
                let mut state = self.lock();
                if state.event_bytes == 0 || state.event_bytes + bytes <= WAITING_EVENT_BYTES {
                    state.event_bytes += bytes;
                    return;
                }
            }
            taken.await;
        }
    }

    /// Sends events of a stream, which count as so many bytes.
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
        // The wake-up that is on its way takes them along.
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
            if !state.segments.is_empty() {
                post.wake(&mut state);
            }
        }));
    }

    /// Sends a message of a call that is over.
    pub(crate) fn send_late(&self, call: u32, name: &str) {
        let mut state = self.lock();
        state.write(call, name, &[], []);
        self.wake(&mut state);
    }

    fn wake(&self, state: &mut State) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        state.woken_at = Some(Instant::now());
        if let Some(wake) = &state.wake {
            // Any other status than `Ok` means that the environment is going: nobody is left to wake.
            let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// The next delivery. If there is more than one, JavaScript is woken again for the rest.
    pub(crate) fn take(&self) -> Vec<Text> {
        let mut state = self.lock();
        self.woken.store(false, Ordering::Release);
        let segment = state.segments.pop_front().unwrap_or_default();
        state.event_bytes -= segment.event_bytes;
        if !state.segments.is_empty() {
            self.wake(&mut state);
        }
        drop(state);
        if segment.event_bytes > 0 {
            self.room.notify_waiters();
        }
        let Segment { mut messages, texts, .. } = segment;
        messages.push_str(if messages.is_empty() { "[]" } else { "]" });
        let mut delivery = Vec::with_capacity(1 + texts.len());
        delivery.push(Text(messages));
        delivery.extend(texts.into_iter().map(Text));
        delivery
    }

    /// Stops every call and forgets the way to JavaScript.
    pub(crate) fn close(&self) {
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
    fn write<const N: usize>(&mut self, call: u32, name: &str, rest: &[&str], texts: [String; N]) {
        let text_bytes = texts.iter().map(String::len).sum::<usize>();
        let segment = self.segment_for(rest.iter().copied().map(str::len).sum::<usize>() + text_bytes);
        segment.begin_message();
        // Writing to a `String` cannot fail.
        let _ = write!(segment.messages, "[{call},\"{name}\"");
        for part in rest {
            segment.messages.push(',');
            segment.messages.push_str(part);
        }
        segment.messages.push(']');
        segment.texts.extend(texts);
        segment.text_bytes += text_bytes;
    }

    /// Writes events as one message, or as several where they would be too much for one delivery.
    fn write_events(&mut self, call: u32, form: Form, bytes: usize, events: &[Event]) {
        let mut bytes_left = bytes;
        let mut rest = events;
        while !rest.is_empty() {
            let mut size = 0;
            let count = rest.iter().take_while(|event| {
                let is_first = size == 0;
                size += event.data.len();
                is_first || size <= DELIVERY_BYTES
            });
            let (batch, later) = rest.split_at(count.count());
            // What is counted besides the data goes with the last batch.
            let data = batch.iter().map(|event| event.data.len()).sum::<usize>();
            let share = if later.is_empty() { bytes_left } else { data.min(bytes_left) };
            self.write_batch(call, form, share, data, batch);
            bytes_left -= share;
            rest = later;
        }
    }

    fn write_batch(&mut self, call: u32, form: Form, bytes: usize, data: usize, events: &[Event]) {
        let segment = self.segment_for(data);
        segment.begin_message();
        segment.event_bytes += bytes;
        let messages = &mut segment.messages;
        if form == Form::Wire {
            let mut text = String::with_capacity(data + events.len() * "data: \n\n".len());
            events.iter().for_each(|event| event.write_sse(&mut text));
            // Writing to a `String` cannot fail.
            let _ = write!(messages, "[{call},\"wire\",{bytes}]");
            segment.text_bytes += text.len();
            segment.texts.push(text);
            return;
        }
        let _ = write!(messages, "[{call},\"events\",{bytes},[");
        for (index, event) in events.iter().enumerate() {
            if index > 0 {
                messages.push(',');
            }
            event.tell(messages);
        }
        messages.push_str("]]");
    }

    /// The segment that a message of so many bytes goes into.
    fn segment_for(&mut self, bytes: usize) -> &mut Segment {
        let is_full = self.segments.back().is_none_or(|last| {
            let size = last.messages.len() + last.text_bytes;
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
    fn begin_message(&mut self) {
        self.messages.push(if self.messages.is_empty() { '[' } else { ',' });
    }
}

/// A value as JSON text. What is sent consists of strings, numbers and records, which always can be.
pub(crate) fn json(value: &impl Serialize) -> String {
    // What is said of an answer, which is most of it, has about this size.
    let mut text = Vec::with_capacity(1024);
    match serde_json::to_writer(&mut text, value) {
        Ok(()) => openpipe_core::text::json::text(text),
        Err(error) => openpipe_core::text::json::string(&error.to_string()),
    }
}

#[cfg(test)]
#[path = "post_tests.rs"]
mod tests;
