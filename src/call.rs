//! One call as a task: runs the core's engine and posts what comes of it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;
use openpipe_core::endpoint::{Endpoint, Merge};
use openpipe_core::engine::{self, Attempt, Observer, Outcome, Trail};
use openpipe_core::failure::{Failure, Head};
use openpipe_core::in_place::{give_way, in_place};
use openpipe_core::options::CallOptions;
use openpipe_core::plan::{self, Plan, PlanError, Target, Via};
use openpipe_core::report::{self, Came, Destination, Place, Report, Reporter, Sink};
use openpipe_core::stream::EventStream;
use openpipe_core::stream::delta::Event;
use openpipe_core::text::body::RequestBody;
use openpipe_core::upstream::http::HttpUpstream;
use openpipe_core::upstream::{Completion, Upstream, Upstreams};
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::client::Shared;
use crate::js_upstream::{AskedUpstream, Asks, JsUpstream};
use crate::post::{Form, Post, REPORTS, fits, json};
use crate::runtime;

/// How much of a stream may wait in JavaScript for its reader.
const WINDOW_BYTES: usize = 256 * 1024;

/// What JavaScript can reach of a running call.
#[derive(Default)]
pub(crate) struct CallHandle {
    /// Stops the task.
    pub(crate) cancel: Stop,
    /// What the stream's reader has room for.
    pub(crate) window: Window,
    /// Questions to JavaScript clients that wait for their answers.
    pub(crate) asks: Asks,
    /// How far it has come, for a caller who aborts it.
    pub(crate) progress: Mutex<Option<Progress>>,
}

/// What a caller sees of a call that it aborted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    served_by: &'static str,
    /// Of the target that was being asked.
    model: String,
    /// Of the targets before it.
    attempts: Vec<Attempt>,
    /// What those failed with that were asked.
    failures: Vec<Failure>,
}

/// The end of a task before its end.
#[derive(Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    /// Who has to know first, where what comes of it will be reported: the task's own end comes later, on another thread.
    reporter: OnceLock<(Reporter, u32)>,
}

impl Stop {
    pub(crate) fn cancel(&self) {
        if let Some((reporter, call)) = self.reporter.get() {
            reporter.leave(*call);
        }
        self.token.cancel();
    }

    pub(crate) async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

/// The bytes of a stream that are on their way to its reader.
#[derive(Default)]
pub(crate) struct Window {
    outstanding: AtomicUsize,
    room: Notify,
}

impl Window {
    /// The reader took bytes.
    pub(crate) fn give(&self, bytes: usize) {
        // An answer that JavaScript gives twice must not open the window for ever.
        let _ =
            self.outstanding.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.saturating_sub(bytes)));
        self.room.notify_one();
    }

    fn take(&self, bytes: usize) {
        self.outstanding.fetch_add(bytes, Ordering::AcqRel);
    }

    async fn until_open(&self) {
        while self.outstanding.load(Ordering::Acquire) >= WINDOW_BYTES {
            self.room.notified().await;
        }
    }
}

/// Runs a call to its end, whatever that is. The number is free again afterwards.
pub(crate) async fn run(
    call: u32,
    handle: Arc<CallHandle>,
    shared: Arc<Shared>,
    body: String,
    options: Option<String>,
) {
    let task = Task { call, handle: Arc::clone(&handle), shared: Arc::clone(&shared), started: Instant::now() };
    let work = AssertUnwindSafe(task.run(body, options)).catch_unwind();
    let after = tokio::select! {
        biased;
        () = handle.cancel.cancelled() => None,
        ended = work => ended.unwrap_or_else(|_panic| {
            // The panic's message went to stderr. The call must not hang for it.
            task.refuse("internal", "openpipe-native failed inside; please report it");
            None
        }),
    };
    shared.post.forget(call);
    // The caller has its answer; only the connection is still of use.
    if let Some(stream) = after {
        tokio::select! {
            () = handle.cancel.cancelled() => {}
            () = stream.drain() => {}
        }
    }
}

struct Task {
    call: u32,
    handle: Arc<CallHandle>,
    shared: Arc<Shared>,
    started: Instant,
}

/// What a caller sees of a call that was answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    head: Option<&'a Head>,
    served_by: &'static str,
    upstream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
    model: &'a str,
    attempts: &'a [Attempt],
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a serde_json::value::RawValue>,
}

/// What a caller sees of a call that failed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedMeta<'a> {
    failures: &'a [Failure],
    #[serde(flatten)]
    meta: Meta<'a>,
}

impl Task {
    /// Returns a stream that has ended and whose connection may serve again.
    async fn run(&self, body: String, options: Option<String>) -> Option<EventStream> {
        let (plan, body) = match self.plan(body, options).await {
            Ok(planned) => planned,
            Err(PlanError::Argument(message)) => return self.refuse("argument", &message),
            Err(PlanError::Body(message)) => return self.refuse("body", &message),
            Err(PlanError::MissingKey(message)) => return self.refuse("missing_key", &message),
        };
        for warning in &plan.warnings {
            self.shared.post.send(self.call, "warning", &[&json(warning)], []);
        }
        let model = plan.targets.first().map(|target| target.model.clone()).unwrap_or_default();
        *self.progress() =
            Some(Progress { served_by: Attempt::served_by(0), model, attempts: Vec::new(), failures: Vec::new() });
        let reports = self.reports(&plan, &body);
        let watcher = Watcher { task: self, reports: reports.as_ref() };
        let watch = engine::Watch { breakers: runtime::breakers(), health: Some(&self.shared.family.health) };
        match engine::run(&plan, &body, self, &watch, &watcher).await {
            Outcome::Completion(completion, mut trail) if !fits(&completion.text) => {
                engine::conclude(&mut trail, None, Some(too_long(completion.head, "the completion")));
                self.fail(&plan, &trail);
                None
            }
            Outcome::Completion(completion, trail) => {
                let usage = completion.usage.as_deref();
                let meta = json(&self.meta(&plan, &trail, Some(&completion.head), usage));
                let request_id = json(&completion.head.request_id());
                let ticket = json(&completion.ticket);
                self.shared.post.send(self.call, "completion", &[&request_id, &ticket], [completion.text, meta]);
                None
            }
            Outcome::Failed(trail) => {
                self.fail(&plan, &trail);
                None
            }
            Outcome::Stream(stream, trail) => self.pump(&plan, *stream, trail, reports.as_ref()).await,
        }
    }

    fn progress(&self) -> MutexGuard<'_, Option<Progress>> {
        self.handle.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where this call is reported to; `None` where it is not to be.
    fn reports<'a>(&'a self, plan: &Plan, body: &'a RequestBody) -> Option<Reports<'a>> {
        let sinks = self.shared.sinks.as_slice();
        let is_watched = self.shared.post.are_reports_watched();
        if !plan.log_request || (sinks.is_empty() && !is_watched) {
            return None;
        }
        let tags = plan::tags_with_sdk(Some(&plan.tags));
        let reporter = &self.shared.reporter;
        let scope = reporter.scope(self.call);
        // Set once: a handle has one call.
        let _ = self.handle.cancel.reporter.set((reporter.clone(), self.call));
        let call_id = report::new_call_id();
        let (call, endpoint, post, number) = (self.call, plan.endpoint, self.shared.post.as_ref(), AtomicU32::new(1));
        Some(Reports { call, endpoint, sinks, is_watched, post, reporter, body, tags, call_id, number, _scope: scope })
    }

    async fn plan(&self, body: String, options: Option<String>) -> Result<(Plan, RequestBody), PlanError> {
        let options: CallOptions = match options {
            Some(json) => {
                serde_json::from_str(&json).map_err(|error| PlanError::Argument(format!("options: {error}")))?
            }
            None => CallOptions::default(),
        };
        let bytes = body.len();
        let body = in_place(bytes, || RequestBody::parse(body));
        give_way(bytes).await;
        let body = body?;
        Ok((plan::plan(&self.shared.config, &options, &body)?, body))
    }

    /// Hands a stream over, and its events as its reader has room for them.
    async fn pump(
        &self,
        plan: &Plan,
        mut stream: EventStream,
        trail: Trail,
        reports: Option<&Reports<'_>>,
    ) -> Option<EventStream> {
        let is_clients = stream.ticket().is_some();
        let target = plan.targets.get(trail.last);
        let mut record = StreamRecord { trail, merge: None, reports: None };
        if let Some((target, reports)) = target.zip(reports).filter(|(target, reports)| reports.are_of(target)) {
            record.merge = Some(plan.endpoint.merge());
            record.reports = Some((reports, target));
        }
        let meta = json(&self.meta(plan, &record.trail, Some(stream.head()), None));
        self.shared.post.send(self.call, "stream", &[&json(&stream.ticket())], [meta]);
        let end = loop {
            self.handle.window.until_open().await;
            match stream.next().await {
                Ok(Some(events)) => {
                    if !events.iter().all(|event| fits(&event.data)) {
                        break Some(too_long(stream.head().clone(), "an event of the stream"));
                    }
                    let bytes = events.iter().map(Event::kept_bytes).sum();
                    self.handle.window.take(bytes);
                    if !is_clients {
                        self.shared.post.room_for(bytes).await;
                    }
                    // All events of a stream that was held until its end come at once.
                    in_place(bytes, || {
                        if let Some(merge) = &mut record.merge {
                            events.iter().for_each(|event| merge.add(event));
                        }
                        if is_clients {
                            let count = events.len().to_string();
                            self.shared.post.send(self.call, "events", &[&bytes.to_string(), &count], []);
                        } else {
                            let form = if plan.wire_events { Form::Wire } else { Form::Chunks };
                            self.shared.post.send_events(self.call, form, bytes, &events);
                        }
                    });
                    give_way(bytes).await;
                }
                Ok(None) => break None,
                Err(failure) => break Some(failure),
            }
        };
        let failed = end.is_some();
        let trail = record.conclude(stream.first_content_at(), end);
        if failed {
            self.fail(plan, trail);
            return None;
        }
        let usage = stream.usage().map(str::to_owned);
        let meta = json(&self.meta(plan, trail, None, usage.as_deref()));
        self.shared.post.send(self.call, "end", &[&meta], []);
        Some(stream)
    }

    fn meta<'a>(&self, plan: &'a Plan, trail: &'a Trail, head: Option<&'a Head>, usage: Option<&'a str>) -> Meta<'a> {
        Meta {
            head,
            served_by: Attempt::served_by(trail.last),
            upstream: plan.targets.get(trail.last).map_or("", |target| &target.upstream),
            alias: plan.alias.as_deref(),
            model: plan.targets.get(trail.last).map_or("", |target| target.model.as_str()),
            attempts: &trail.attempts,
            duration_ms: engine::milliseconds(self.started.elapsed()),
            usage: usage.and_then(|text| serde_json::from_str(text).ok()),
        }
    }

    fn fail(&self, plan: &Plan, trail: &Trail) {
        let failed = FailedMeta { failures: &trail.failures, meta: self.meta(plan, trail, None, None) };
        self.shared.post.send(self.call, "failure", &[&json(&failed)], []);
    }

    fn refuse(&self, why: &str, message: &str) -> Option<EventStream> {
        self.shared.post.send(self.call, "refused", &[&json(&why), &json(&message)], []);
        None
    }
}

impl Upstreams for Task {
    fn upstream(&self, via: &Via) -> Arc<dyn Upstream> {
        match via {
            Via::Http { url, headers } => Arc::new(HttpUpstream {
                pool: Arc::clone(&self.shared.pool),
                url: Arc::clone(url),
                headers: Arc::clone(headers),
            }),
            Via::Unsendable => Arc::new(openpipe_core::upstream::Unsendable),
            Via::Asked { upstream, url, base, overlay, .. } => Arc::new(AskedUpstream {
                upstream: Arc::clone(upstream),
                base: Arc::clone(base),
                call: self.call,
                handle: Arc::clone(&self.handle),
                post: Arc::clone(&self.shared.post),
                pool: Arc::clone(&self.shared.pool),
                url: Arc::clone(url),
                overlay: overlay.clone(),
            }),
            Via::Client { client, headers, max_retries, .. } => Arc::new(JsUpstream {
                call: self.call,
                handle: Arc::clone(&self.handle),
                post: Arc::clone(&self.shared.post),
                client: *client,
                headers: headers.clone(),
                max_retries: *max_retries,
            }),
        }
    }
}

/// A text that cannot be a string in JavaScript.
fn too_long(head: Head, what: &str) -> Failure {
    Failure::invalid_response(format!("{what} is longer than a string can be in JavaScript"), head, None)
}

/// Where a call moves on to.
#[derive(Serialize)]
struct To<'a> {
    upstream: &'a str,
    model: &'a str,
}

/// Reports what a call comes to.
struct Reports<'a> {
    call: u32,
    endpoint: Endpoint,
    sinks: &'a [Sink],
    /// Somebody in JavaScript wants to see each report.
    is_watched: bool,
    post: &'a Post,
    reporter: &'a Reporter,
    body: &'a RequestBody,
    tags: String,
    /// The call's own id, in what is written to files.
    call_id: String,
    /// The number of the attempt at hand, from 1.
    number: AtomicU32,
    /// As long as it is there, more reports of this call may come.
    _scope: report::Scope,
}

impl Reports<'_> {
    /// Whether anybody gets reports of a target.
    fn are_of(&self, target: &Target) -> bool {
        self.is_watched || self.sinks.iter().any(|sink| sink.takes(target.kind, self.endpoint))
    }

    fn report(&self, target: &Target, attempt: &Attempt, came: &Came<'_>) {
        let received_at = engine::unix_ms();
        let line = || {
            let (attempt_number, endpoint) = (self.number.load(Ordering::Relaxed), self.endpoint.name());
            let place = Place { call_id: &self.call_id, attempt: attempt_number, endpoint };
            report::line(attempt, &target.body(self.body), came, received_at, &self.tags, &place)
        };
        let mut written = None;
        for sink in self.sinks.iter().filter(|sink| sink.takes(target.kind, self.endpoint)) {
            let body = match &sink.to {
                Destination::Endpoint(_) => {
                    report::body(attempt, &target.reported_body(self.body), came, received_at, &self.tags)
                }
                Destination::File(_) => written.get_or_insert_with(line).clone(),
            };
            let (to, redact, queued_at) = (sink.to.clone(), sink.redact, tokio::time::Instant::now());
            self.reporter.queue(Report { to, redact, body, call: self.call, queued_at });
        }
        if self.is_watched {
            let text = openpipe_core::text::json::text(written.unwrap_or_else(line).to_vec());
            self.post.send(REPORTS, "report", &[], [text]);
        }
    }
}

/// A stream that was handed over, as it will be reported: also when its reader leaves and the task is dropped.
struct StreamRecord<'a> {
    trail: Trail,
    merge: Option<Box<dyn Merge>>,
    reports: Option<(&'a Reports<'a>, &'a Target)>,
}

impl StreamRecord<'_> {
    fn conclude(&mut self, first_content: Option<tokio::time::Instant>, end: Option<Failure>) -> &Trail {
        self.report(end.as_ref(), end.is_none());
        engine::conclude(&mut self.trail, first_content, end);
        &self.trail
    }

    fn report(&mut self, failure: Option<&Failure>, complete: bool) {
        let Some((reports, target)) = self.reports.take() else { return };
        let Some(attempt) = self.trail.attempts.last() else { return };
        let merge = self.merge.take();
        let is_cut = merge.as_ref().is_some_and(|merge| merge.is_cut());
        let so_far = merge.and_then(Merge::finish);
        let came = match (failure, so_far.as_deref()) {
            (Some(failure), so_far) => Came::Failure(failure, so_far),
            (None, Some(so_far)) if complete && is_cut => Came::Cut(so_far),
            (None, Some(completion)) if complete => Came::Completion(completion),
            (None, so_far) => Came::Left(so_far),
        };
        reports.report(target, attempt, &came);
    }
}

impl Drop for StreamRecord<'_> {
    fn drop(&mut self) {
        // Not concluded: the reader left early.
        self.report(None, false);
    }
}

/// Passes on what the engine tells of a call.
struct Watcher<'a> {
    task: &'a Task,
    reports: Option<&'a Reports<'a>>,
}

impl Observer for Watcher<'_> {
    fn moved_on(&self, from: &Attempt, to: &Target) {
        #[derive(Serialize)]
        struct Moved<'a> {
            from: &'a Attempt,
            to: To<'a>,
        }
        if let Some(progress) = &mut *self.task.progress() {
            progress.served_by = Attempt::served_by(1);
            progress.model.clone_from(&to.model);
            progress.attempts.push(from.clone());
        }
        if let Some(reports) = self.reports {
            reports.number.fetch_add(1, Ordering::Relaxed);
        }
        let moved = Moved { from, to: To { upstream: &to.upstream, model: &to.model } };
        self.task.shared.post.send(self.task.call, "fallback", &[&json(&moved)], []);
    }

    fn ended(&self, target: &Target, attempt: &Attempt, result: Result<&Completion, &Failure>) {
        if let (Err(failure), Some(progress)) = (result, &mut *self.task.progress()) {
            progress.failures.push(failure.clone());
        }
        let Some(reports) = self.reports.filter(|reports| reports.are_of(target)) else { return };
        let came = match result {
            Ok(completion) => Came::Completion(&completion.text),
            Err(failure) => Came::Failure(failure, None),
        };
        reports.report(target, attempt, &came);
    }
}
