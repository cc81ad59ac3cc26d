//! Passes what the engine notices of a call to its host and its reports.

use super::events::{Host, MovedOn, NextTarget, TOO_LONG};
use super::orphans::Orphans;
use super::reporting::Reports;
use super::upstreams::CallUpstreams;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::host::{HostFailure, JudgeRequest};
use crate::plan::Target;
use crate::record::Attempt;
use crate::report::TargetOutcome;
use crate::upstream::{BoxFuture, Completion};

/// Passes the engine's notifications to the host and the report.
pub(super) struct Watcher<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) reports: Option<&'a Reports<'a>>,
    pub(super) upstreams: &'a CallUpstreams<'a>,
    pub(super) orphans: &'a Orphans,
}

impl Observer for Watcher<'_> {
    fn refuse(&self, completion: &Completion) -> Option<&'static str> {
        (!self.host.fits(&completion.text)).then_some(TOO_LONG)
    }

    fn warning(&self, message: &str) {
        self.host.warning(message);
    }

    fn judge<'a>(&'a self, question: JudgeRequest<'a>) -> BoxFuture<'a, Result<Option<String>, HostFailure>> {
        self.host.judge(question)
    }

    fn moved_on(&self, from: &Attempt, to: &Target) {
        if let Some(reports) = self.reports {
            reports.next_attempt();
        }
        self.host.moved_on(&MovedOn { from, to: NextTarget { upstream: &to.upstream, model: &to.model } });
    }

    fn orphaned(&self, target: &Target, id: &str) {
        self.orphans.leave(self.upstreams, target, id);
    }

    fn ended(&self, target: &Target, attempt: &Attempt, result: Result<&Completion, &Failure>) {
        let Some(reports) = self.reports else { return };
        let ended = match result {
            Ok(completion) => TargetOutcome::Completion(&completion.text),
            Err(failure) => TargetOutcome::Failure(failure, None),
        };
        reports.report(target, attempt, &ended);
    }
}
