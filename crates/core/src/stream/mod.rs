//! Follows a stream of events between its upstream and its reader: when it is committed, whether it is idle for too long, and whether
//! it ended well (contract.md, section 5). Used for native upstreams and custom clients alike. The endpoint's tracker says what an event
//! means.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::{Deadline, Times};
use crate::endpoint::{Endpoint, Life, Tracker, Verdict};
use crate::events::delta::Event;
use crate::failure::{Failure, Head};
use crate::in_place::{give_way, in_place};
use crate::options::HoldUntil;
use crate::policy::breaker::Permit;
use crate::policy::health::InFlight;
use crate::stopped::{self, Grace};
use crate::upstream::{EventSource, SseEvent};

/// Before the first content at most this many events are held back …
const HELD_EVENTS: usize = 64;
/// … or this many bytes.
const HELD_BYTES: u64 = 256 * 1024;
/// How long a stream is read after its last finish reason before it is judged, because its usage may follow.
const USAGE_TIME: Duration = Duration::from_secs(1);
/// How long to wait for the end of the body after the last event, so that the connection can be used again.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// A stream of events with its commit, idle timeout and end.
pub struct EventStream {
    head: Head,
    ticket: Option<u32>,
    source: Box<dyn EventSource>,
    times: Times,
    endpoint: Endpoint,
    tracker: Box<dyn Tracker>,
    /// Its report was made before the hand-over.
    is_reported: bool,
    /// Events that have arrived and not been read.
    held: VecDeque<Event>,
    held_bytes: u64,
    /// The most bytes that may be held; set when it is held back.
    max_held_bytes: u64,
    /// Set at the end of the stream; a failure stays here until the reader gets it.
    end: Option<Result<(), Failure>>,
    /// The last sign of life: an event with content.
    alive_at: Instant,
    /// The end of the grace period after the process was stopped.
    grace: Grace,
    /// When the reader last took events. The reader's own time does not count as silence of the upstream.
    left_at: Option<Instant>,
    first_content_at: Option<Instant>,
    /// For the circuit of its upstream: counts the first content as a success, and a failure.
    permit: Option<Permit>,
    /// For the table of upstreams' health, likewise.
    in_flight: Option<InFlight>,
}

impl EventStream {
    /// A stream at its headers.
    #[must_use]
    pub fn new(
        endpoint: Endpoint,
        head: Head,
        source: Box<dyn EventSource>,
        ticket: Option<u32>,
        times: Times,
    ) -> Self {
        Self {
            head,
            ticket,
            source,
            times,
            endpoint,
            tracker: endpoint.tracker(),
            is_reported: false,
            held: VecDeque::new(),
            held_bytes: 0,
            max_held_bytes: u64::MAX,
            end: None,
            alive_at: Instant::now(),
            grace: None,
            left_at: None,
            first_content_at: None,
            permit: None,
            in_flight: None,
        }
    }

    /// Reports its outcome to the circuit of its upstream, and to the table of upstreams' health.
    pub fn watch(&mut self, permit: Option<Permit>, in_flight: Option<InFlight>) {
        (self.permit, self.in_flight) = (permit, in_flight);
        if self.first_content_at.is_some() {
            self.note_content();
        }
        self.note_failure();
    }

    fn note_content(&mut self) {
        self.permit.iter_mut().for_each(Permit::succeeded);
        self.in_flight.iter_mut().for_each(InFlight::first_content);
    }

    fn note_failure(&mut self) {
        let Some(Err(failure)) = &self.end else { return };
        self.permit.iter_mut().for_each(|permit| permit.failed(failure));
        self.in_flight.iter_mut().for_each(|in_flight| in_flight.failed(failure));
    }

    /// The response's head.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The ticket by which the host keeps a custom client's stream.
    #[must_use]
    pub fn ticket(&self) -> Option<u32> {
        self.ticket
    }

    /// When the first content arrived.
    #[must_use]
    pub fn first_content_at(&self) -> Option<Instant> {
        self.first_content_at
    }

    /// The stream's `usage`, as JSON text.
    #[must_use]
    pub fn usage(&self) -> Option<&str> {
        self.tracker.usage()
    }

    /// The id of the answer, where its upstream keeps it.
    #[must_use]
    pub fn kept_id(&self) -> Option<&str> {
        self.tracker.kept_id()
    }

    /// Holds the stream back until it is committed. Its events are then read with [`EventStream::next`].
    ///
    /// # Errors
    /// A failure before the commit. The reader has received nothing, so another target may answer.
    pub async fn hold(&mut self, until: HoldUntil, max_bytes: u64) -> Result<(), Failure> {
        self.max_held_bytes = max_bytes;
        loop {
            if until == HoldUntil::Content && self.is_committed_by_content() {
                return Ok(());
            }
            match &self.end {
                Some(Ok(())) => return Ok(()),
                Some(Err(failure)) => return Err(failure.clone()),
                None => {}
            }
            if self.held_bytes > max_bytes {
                return Err(Failure::too_large("the stream", max_bytes, self.head.clone()));
            }
            self.pull().await;
        }
    }

    /// Whether the stream has ended, so that the answer can be judged as a whole. After the last finish reason it waits for a usage, at
    /// most for `time` and [`USAGE_TIME`] and up to the bound on held bytes.
    pub async fn is_whole(&mut self, time: Duration) -> bool {
        if self.end.is_none() && self.tracker.is_complete() {
            let rest = async {
                while self.end.is_none() && self.tracker.is_complete() && self.held_bytes <= self.max_held_bytes {
                    self.pull().await;
                }
            };
            let _ = tokio::time::timeout(USAGE_TIME.min(time), rest).await;
        }
        match &self.end {
            Some(end) => end.is_ok(),
            None => self.tracker.is_complete(),
        }
    }

    /// The held events, merged into one answer.
    #[must_use]
    pub fn merged(&self) -> Option<String> {
        let mut merge = self.endpoint.merge();
        in_place(usize::try_from(self.held_bytes).unwrap_or(usize::MAX), || {
            self.held.iter().for_each(|event| merge.add(event));
            merge.finish()
        })
    }

    /// Notes that its report was made.
    pub fn set_reported(&mut self) {
        self.is_reported = true;
    }

    /// Whether its report is made.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.is_reported
    }

    /// The next events; `None` when the stream has ended well.
    ///
    /// # Errors
    /// The failure that ended it, after all events before it.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, Failure> {
        loop {
            if !self.held.is_empty() {
                self.held_bytes = 0;
                return Ok(Some(std::mem::take(&mut self.held).into()));
            }
            match &self.end {
                Some(Ok(())) => return Ok(None),
                Some(Err(failure)) => return Err(failure.clone()),
                None => self.pull().await,
            }
        }
    }

    /// After the end: waits shortly for the end of the body, so that the connection can be used again.
    pub async fn drain(&mut self) {
        if matches!(self.end, Some(Ok(()))) {
            // If the body does not end in time, dropping it closes the connection.
            let _ = tokio::time::timeout(DRAIN_TIME, self.source.drain()).await;
        }
    }

    fn is_committed_by_content(&self) -> bool {
        self.tracker.is_committed() || self.held.len() >= HELD_EVENTS || self.held_bytes >= HELD_BYTES
    }

    /// Reads one batch of events, or the end of the stream.
    async fn pull(&mut self) {
        let now = Instant::now();
        if let Some(left) = self.left_at.take() {
            self.alive_at += now - left;
        }
        let batch = match self.deadline() {
            Some(deadline) => match stopped::by(deadline, &mut self.grace, self.source.next()).await {
                Some(batch) => batch,
                // All finish reasons have arrived; some servers send no `[DONE]` and leave the connection open.
                None if self.tracker.is_complete() => return self.end_with(Ok(())),
                None => {
                    let (has_content, at_work) = (self.first_content_at.is_some(), self.tracker.is_at_work());
                    return self.end_with(Err(self.times.silence(has_content, at_work)));
                }
            },
            None => self.source.next().await,
        };
        let mut largest = 0;
        match batch {
            Ok(Some(events)) => {
                largest = events.iter().map(|event| event.data.len()).max().unwrap_or_default();
                self.take(events);
            }
            Ok(None) => self.end_with(self.tracker.clean_end()),
            Err(failure) => self.end_with(Err(failure)),
        }
        self.left_at = Some(Instant::now());
        give_way(largest).await;
    }

    /// The deadline of the next sign of life.
    fn deadline(&self) -> Option<Instant> {
        self.times.silent_at(self.first_content_at.map(|_| self.alive_at), self.tracker.is_at_work())
    }

    fn take(&mut self, events: Vec<SseEvent>) {
        for event in events {
            match in_place(event.data.len(), || self.tracker.observe(&event)) {
                Verdict::Comment => {}
                Verdict::Event { life, encoding } => {
                    match life {
                        Life::Content => self.has_sign_of_life(),
                        Life::Work => self.alive_at = Instant::now(),
                        Life::None => {}
                    }
                    self.keep(Event { data: event.data, encoding });
                }
                Verdict::Last { encoding, end } => {
                    if end.is_ok() {
                        self.has_sign_of_life();
                    }
                    self.keep(Event { data: event.data, encoding });
                    return self.end_with(end);
                }
                Verdict::End(end) => return self.end_with(end),
            }
        }
    }

    fn has_sign_of_life(&mut self) {
        self.alive_at = Instant::now();
        self.first_content_at.get_or_insert(self.alive_at);
        self.note_content();
    }

    fn keep(&mut self, event: Event) {
        self.held_bytes += event.kept_bytes() as u64;
        self.held.push_back(event);
    }

    /// Ends the stream. A failure gets the head of the response.
    fn end_with(&mut self, end: Result<(), Failure>) {
        self.end = Some(end.map_err(|failure| {
            let head = failure.head.unwrap_or_else(|| Box::new(self.head.clone()));
            self.source.redact(Failure { head: Some(head), ..failure })
        }));
        self.note_failure();
        // The request is not in flight any more, even if the reader keeps the stream.
        self.in_flight = None;
    }

    /// Replaces the time until the first content, as when the stream is committed before it.
    pub fn content_within(&mut self, content: Deadline) {
        self.times.content = content;
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
