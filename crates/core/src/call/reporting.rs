//! The reports of one call: one for each target that was tried, with its answer or its failure.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use crate::endpoint::{Endpoint, Merge};
use crate::events::delta::Event;
use crate::failure::Failure;
use crate::options::tags_with_sdk;
use crate::plan::{Plan, Target};
use crate::record::{Attempt, Recorder, unix_ms};
use crate::report::{self, Destination, Place, Report, Reporter, Sink, TargetOutcome};
use crate::text::body::RequestBody;
use crate::text::json;

use super::client::Call;
use super::events::Host;

/// Reports the outcomes of one call.
pub(super) struct Reports<'a> {
    call: u32,
    endpoint: Endpoint,
    sinks: &'a [Sink],
    /// The host, if it wants each report as an event.
    watching: Option<&'a dyn Host>,
    reporter: &'a Reporter,
    body: &'a RequestBody,
    tags: String,
    /// The call's id in report files.
    call_id: String,
    /// The number of the current attempt, from 1.
    attempt: AtomicU32,
    /// Keeps the call's reports pending until it is dropped.
    _scope: report::Scope,
}

impl<'a> Reports<'a> {
    /// The reports of a call; `None` where it is not reported.
    pub(super) fn of(call: &'a Call, plan: &Plan, body: &'a RequestBody) -> Option<Self> {
        let Call { number, client, host, control, .. } = call;
        let watching = Some(&**host).filter(|host| host.wants_reports());
        if !plan.log_request || (client.sinks.is_empty() && watching.is_none()) {
            return None;
        }
        let scope = client.reporter.scope(*number);
        control.report_to(&client.reporter, *number);
        Some(Self {
            call: *number,
            endpoint: plan.endpoint,
            sinks: &client.sinks,
            watching,
            reporter: &client.reporter,
            body,
            tags: tags_with_sdk(Some(&plan.tags)),
            call_id: report::new_call_id(),
            attempt: AtomicU32::new(1),
            _scope: scope,
        })
    }

    /// Counts another attempt.
    pub(super) fn next_attempt(&self) {
        self.attempt.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether any sink takes reports of a target.
    fn are_of(&self, target: &Target) -> bool {
        self.watching.is_some() || self.sinks.iter().any(|sink| sink.takes(target.kind, self.endpoint))
    }

    /// Reports an attempt at a target to each sink that takes reports of that target.
    pub(super) fn report(&self, target: &Target, attempt: &Attempt, ended: &TargetOutcome<'_>) {
        let received_at = unix_ms();
        let mut written = None;
        for sink in self.sinks.iter().filter(|sink| sink.takes(target.kind, self.endpoint)) {
            let body = match &sink.to {
                Destination::Endpoint(_) => {
                    report::body(attempt, &target.reported_body(self.body), ended, received_at, &self.tags)
                }
                Destination::File(_) => {
                    written.get_or_insert_with(|| self.line(target, attempt, ended, received_at)).clone()
                }
            };
            let (to, redact, queued_at) = (sink.to.clone(), sink.redact, tokio::time::Instant::now());
            self.reporter.queue(Report { to, redact, body, call: self.call, queued_at });
        }
        if let Some(host) = self.watching {
            let line = written.unwrap_or_else(|| self.line(target, attempt, ended, received_at));
            host.report(json::text(line.to_vec()));
        }
    }

    fn line(&self, target: &Target, attempt: &Attempt, ended: &TargetOutcome<'_>, received_at: u64) -> Bytes {
        let number = self.attempt.load(Ordering::Relaxed);
        let place = Place { call_id: &self.call_id, attempt: number, endpoint: self.endpoint.name() };
        report::line(attempt, &target.body(self.body), ended, received_at, &self.tags, &place)
    }
}

/// The report of a stream that was handed over. Written when the stream ends, or on drop if the reader left early.
pub(super) struct StreamReport<'a> {
    record: &'a Recorder,
    open: Option<Open<'a>>,
}

struct Open<'a> {
    reports: &'a Reports<'a>,
    target: &'a Target,
    merge: Box<dyn Merge>,
}

impl<'a> StreamReport<'a> {
    pub(super) fn new(
        plan: &Plan,
        record: &'a Recorder,
        reports: Option<&'a Reports<'a>>,
        target: Option<&'a Target>,
    ) -> Self {
        let to_report = reports.zip(target).filter(|(reports, target)| reports.are_of(target));
        Self { record, open: to_report.map(|(reports, target)| Open { reports, target, merge: plan.endpoint.merge() }) }
    }

    pub(super) fn add(&mut self, events: &[Event]) {
        if let Some(open) = &mut self.open {
            events.iter().for_each(|event| open.merge.add(event));
        }
    }

    /// The stream has ended, well or with a failure.
    pub(super) fn ended(&mut self, failure: Option<&Failure>) {
        self.close(failure, failure.is_none());
    }

    fn close(&mut self, failure: Option<&Failure>, complete: bool) {
        let Some(Open { reports, target, merge }) = self.open.take() else { return };
        let Some(attempt) = self.record.lock().attempts.last().cloned() else { return };
        let is_cut = merge.is_cut();
        let so_far = merge.finish();
        let ended = match (failure, so_far.as_deref()) {
            (Some(failure), so_far) => TargetOutcome::Failure(failure, so_far),
            (None, Some(so_far)) if complete && is_cut => TargetOutcome::Truncated(so_far),
            (None, Some(completion)) if complete => TargetOutcome::Completion(completion),
            (None, so_far) => TargetOutcome::Aborted(so_far),
        };
        reports.report(target, &attempt, &ended);
    }
}

impl Drop for StreamReport<'_> {
    fn drop(&mut self) {
        // Not ended: the reader left early.
        self.close(None, false);
    }
}
