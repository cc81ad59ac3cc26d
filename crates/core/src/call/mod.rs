//! One call, from its text to its end: plan, engine, hand-over, window, report. A host passes the text and receives events.

mod client;
mod control;
mod events;
mod orphans;
mod reporting;
mod upstreams;
mod warned;
mod watcher;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::join;

pub use client::{Call, Client};
pub use control::Control;
use events::TOO_LONG;
pub use events::{CallEvents, Form, Host, Meta, MovedOn, NextTarget, Refusal};
use orphans::Orphans;
use reporting::{Reports, StreamReport};
use upstreams::CallUpstreams;
pub use warned::Warned;
use watcher::Watcher;

use crate::endpoint::Endpoint;
use crate::engine::{self, Outcome};
use crate::events::delta::Event;
use crate::failure::{Failure, Head};
use crate::in_place::{give_way, in_place};
use crate::plan::{self, Plan, PlanError, Target};
use crate::record::{CallRecord, milliseconds};
use crate::stream::EventStream;
use crate::text::body::{BodyError, RequestBody};

impl Call {
    /// Runs the call to its end. `over` is called after the last event for the host; after it only the connection is drained.
    pub async fn run(self, body: String, options: Option<String>, over: impl FnOnce()) {
        let orphans = Orphans::default();
        let running = pin!(async {
            let task = Task { call: &self, started: Instant::now(), orphans: &orphans };
            let work = AssertUnwindSafe(task.run(body, options)).catch_unwind();
            let stream = tokio::select! {
                biased;
                () = self.control.cancelled() => None,
                ended = work => ended.unwrap_or_else(|_panic| {
                    // The panic hook has printed the message to stderr. The call must end.
                    self.host.refused(Refusal::Internal, "openpipe-native failed inside; please report it");
                    None
                }),
            };
            over();
            orphans.end();
            if let Some(mut stream) = stream {
                tokio::select! {
                    () = self.control.cancelled() => {}
                    () = stream.drain() => {}
                }
            }
        });
        // Cancels abandoned background jobs beside the call, and ends when the call has ended and all are cancelled. Polled in this
        // order, so that a cancellation begins when the engine yields after it has left a job.
        join(running, orphans.cancel()).await;
    }
}

/// Whether a request with a URL of its own has a model (contract.md, section 11). Only in Responses a stored prompt can replace it.
fn names_model(endpoint: Endpoint, body: &RequestBody) -> bool {
    let has_stored_prompt = || body.member("prompt").is_some_and(|prompt| prompt.starts_with('{'));
    !body.model().is_empty() || (endpoint == Endpoint::Responses && has_stored_prompt())
}

struct Task<'a> {
    call: &'a Call,
    started: Instant,
    orphans: &'a Orphans,
}

impl Task<'_> {
    /// Returns a stream that has ended, so that its connection can be drained and reused.
    async fn run(&self, body: String, options: Option<String>) -> Option<Box<EventStream>> {
        let Call { client, host, control, .. } = self.call;
        let (plan, body) = match self.plan(body, options).await {
            Ok(planned) => planned,
            Err(refused) => {
                let (why, message) = refused.into();
                host.refused(why, &message);
                return None;
            }
        };
        for warning in &plan.warnings {
            host.warning(warning);
        }
        plan.keyed_warnings.iter().for_each(|warning| self.warn_once(warning));
        let reports = Reports::of(self.call, &plan, &body);
        let upstreams = CallUpstreams { call: self.call, plan: &plan };
        let watcher =
            Watcher { host: &**host, reports: reports.as_ref(), upstreams: &upstreams, orphans: self.orphans };
        let watch = engine::Watch { breakers: client.breakers, health: Some(&client.health) };
        // Boxed, so that its memory is freed when the answer has arrived: an open stream does not need it.
        let answer = Box::pin(engine::run(&plan, &body, &upstreams, &watch, &watcher, &control.record)).await;
        match answer {
            Outcome::Completion(mut completion) => {
                let served = plan.targets.get(control.record.lock().last);
                self.keep(served, plan.endpoint.kept_id(&completion.text).as_deref());
                let head = std::mem::take(&mut completion.head);
                let usage = completion.usage.take();
                let record = control.record.lock();
                self.warn_of_refusing(&plan, &record);
                let meta = self.meta(&plan, &record, Some(&head), usage.as_deref());
                host.completion(completion, &meta);
                None
            }
            Outcome::Failed => {
                self.fail(&plan);
                None
            }
            Outcome::Stream(stream) => self.pump(&plan, stream, reports.as_ref()).await,
        }
    }

    fn warn_once(&self, warning: &plan::KeyedWarning) {
        if self.call.client.warned.is_first(&warning.key) {
            self.call.host.warning(&warning.text);
        }
    }

    /// Warns of a primary that refuses calls which a fallback then serves.
    fn warn_of_refusing(&self, plan: &Plan, record: &CallRecord) {
        if let Some(warning) = warned::refusing_primary(plan, record) {
            self.warn_once(&warning);
        }
    }

    async fn plan(&self, body: String, options: Option<String>) -> Result<(Plan, RequestBody), PlanError> {
        let bytes = body.len();
        let body = in_place(bytes, || RequestBody::parse(body));
        give_way(bytes).await;
        let body = body?;
        let client = &self.call.client;
        let given = client.given(options)?;
        if given.call.request.is_some() && !names_model(given.call.endpoint, &body) {
            return Err(BodyError::Model(None).into());
        }
        let plan = in_place(bytes, || plan::plan_among(&client.config, &given, &body, client.homes));
        give_way(bytes).await;
        Ok((plan?, body))
    }

    /// Hands a stream over: sends its events to the host as long as the window is open.
    async fn pump(
        &self,
        plan: &Plan,
        mut stream: Box<EventStream>,
        reports: Option<&Reports<'_>>,
    ) -> Option<Box<EventStream>> {
        let Call { host, control, .. } = self.call;
        let target = {
            let record = control.record.lock();
            self.warn_of_refusing(plan, &record);
            host.stream(stream.ticket(), &self.meta(plan, &record, Some(stream.head()), None));
            plan.targets.get(record.last)
        };
        let reports = reports.filter(|_| !stream.is_reported());
        let mut is_kept = false;
        let mut report = StreamReport::new(plan, &control.record, reports, target);
        let named = plan.endpoint.names_events();
        let form = if plan.wire_events { Form::Wire { named } } else { Form::Chunks };
        let failure = loop {
            control.window.until_open().await;
            let next = stream.next().await;
            // Before the reader gets the id, with which it may request the response at once.
            if !is_kept && let Some(id) = stream.kept_id() {
                self.keep(target, Some(id));
                is_kept = true;
            }
            match next {
                Ok(Some(events)) if !events.iter().all(|event| host.fits(&event.data)) => {
                    break Some(Failure::invalid_response(TOO_LONG, stream.head().clone(), None));
                }
                Ok(Some(events)) => self.hand_over(form, stream.ticket(), &events, &mut report).await,
                Ok(None) => break None,
                Err(failure) => break Some(failure),
            }
        };
        report.ended(failure.as_ref());
        let failed = failure.is_some();
        control.record.lock().conclude(stream.first_content_at(), failure);
        if failed {
            self.fail(plan);
            return None;
        }
        let record = control.record.lock();
        host.end(&self.meta(plan, &record, None, stream.usage()));
        drop(record);
        Some(stream)
    }

    /// Remembers which upstream stores a response.
    fn keep(&self, target: Option<&Target>, id: Option<&str>) {
        if let Some((target, id)) = target.zip(id) {
            self.call.client.homes.issued(id, target.keeps_at);
        }
    }

    async fn hand_over(&self, form: Form, ticket: Option<u32>, events: &[Event], report: &mut StreamReport<'_>) {
        let Call { host, control, .. } = self.call;
        let bytes = events.iter().map(Event::kept_bytes).sum();
        control.window.take(bytes);
        if ticket.is_none() {
            while let Err(room) = host.reserve(bytes) {
                room.await;
            }
        }
        // A stream that was held until its end has all its events in one batch, which may be large.
        in_place(bytes, || {
            report.add(events);
            match ticket {
                Some(_) => host.kept_events(bytes, events.len()),
                None => host.events(form, bytes, events),
            }
        });
        give_way(bytes).await;
    }

    fn meta<'a>(
        &self,
        plan: &'a Plan,
        record: &'a CallRecord,
        head: Option<&'a Head>,
        usage: Option<&'a str>,
    ) -> Meta<'a> {
        Meta {
            head,
            served_by: record.served_by(),
            upstream: plan.targets.get(record.last).map_or("", |target| &target.upstream),
            alias: plan.alias.as_deref(),
            model: plan.targets.get(record.last).map_or("", |target| target.model.as_str()),
            attempts: &record.attempts,
            duration_ms: milliseconds(self.started.elapsed()),
            usage: usage.and_then(|text| serde_json::from_str(text).ok()),
        }
    }

    fn fail(&self, plan: &Plan) {
        let record = self.call.control.record.lock();
        self.call.host.failed(&record.failures, &self.meta(plan, &record, None, None));
    }
}

impl From<PlanError> for (Refusal, String) {
    fn from(refused: PlanError) -> Self {
        match refused {
            PlanError::Argument(message) => (Refusal::Argument, message),
            PlanError::Body(message) => (Refusal::Body, message),
            PlanError::MissingKey(message) => (Refusal::MissingKey, message),
            PlanError::Unsupported(message) => (Refusal::Unsupported, message),
        }
    }
}
