//! Judges an answer by the rules of its target: first the names, then the caller's function (contract.md, section 10). An answer
//! that cannot be judged is accepted, with a warning.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use super::{Answer, Call};
use crate::failure::{Failure, Head, Kind};
use crate::host::{HostFailure, JudgeRequest};
use crate::options::DEFAULT_TIMEOUT;
use crate::plan::Target;
use crate::policy::reject::{self, FUNCTION, Rejection};
use crate::record::Attempt;

/// The parts of an answer that are judged.
struct Judged {
    text: String,
    head: Head,
    usage: Option<String>,
    /// The ticket of a custom client's own object.
    ticket: Option<u32>,
}

impl Answer {
    /// The parts to judge, within this time; `None` for a stream that was committed by its content and has not ended.
    async fn judged(&mut self, time: Duration) -> Option<Judged> {
        match self {
            Self::Completion(completion) => Some(Judged {
                text: completion.text.clone(),
                head: completion.head.clone(),
                usage: completion.usage.clone(),
                ticket: completion.ticket,
            }),
            Self::Stream(stream) => {
                if !stream.is_whole(time).await {
                    return None;
                }
                let (head, usage) = (stream.head().clone(), stream.usage().map(str::to_owned));
                Some(Judged { text: stream.merged()?, head, usage, ticket: None })
            }
        }
    }
}

impl Call<'_> {
    /// Judges an answer within the rest of its target's time. A refusal is noted in the attempt.
    pub(super) async fn judge(
        &self,
        target: &Target,
        answer: &mut Answer,
        time: Option<Duration>,
        attempt: &mut Attempt,
    ) -> Option<Failure> {
        if target.reject.is_empty() {
            return None;
        }
        let (time, started) = (time.unwrap_or(DEFAULT_TIMEOUT), Instant::now());
        let judged = answer.judged(time).await?;
        // The job has no text yet, and refusing it would start another job.
        if target.is_background && self.plan.endpoint.is_under_way(&judged.text) {
            self.observer
                .warning("`reject` does nothing for a job in the background: its answer is not there when it starts");
            return None;
        }
        let left = time.saturating_sub(started.elapsed());
        let rejection = match timeout(left, self.rejection(target, &judged)).await {
            Ok(rejection) => rejection?,
            Err(_elapsed) => {
                let label = target.label();
                self.observer.warning(&format!("`reject`: the answer of {label} was not judged in time, and stands"));
                return None;
            }
        };
        let Rejection { by, message } = rejection;
        attempt.outcome = Kind::Rejected.name();
        attempt.rejected_by = Some(by);
        attempt.message = Some(message.clone());
        attempt.usage = judged.usage.and_then(|usage| RawValue::from_string(usage).ok());
        Some(Failure::rejected(message, judged.head))
    }

    async fn rejection(&self, target: &Target, judged: &Judged) -> Option<Rejection> {
        let rules = Arc::clone(&target.reject);
        let body = target.body(self.body);
        let judgement = reject::judge(rules, self.plan.endpoint, judged.text.clone(), body).await;
        for warning in &judgement.warnings {
            self.observer.warning(warning);
        }
        match (judgement.rejection, target.reject.function) {
            (None, Some(function)) => self.rejection_by(function, target, judged).await,
            (rejection, _) => rejection,
        }
    }

    async fn rejection_by(&self, function: u32, target: &Target, judged: &Judged) -> Option<Rejection> {
        let question = JudgeRequest {
            function,
            ticket: judged.ticket,
            answer: if judged.ticket.is_none() { judged.text.clone() } else { String::new() },
            request_id: judged.head.request_id(),
            upstream: &target.upstream,
            model: &target.model,
        };
        match self.observer.judge(question).await {
            Ok(reason) => reason.map(|message| Rejection { by: FUNCTION, message }),
            Err(HostFailure::Broken(why)) => {
                self.observer.warning(&format!("the function `reject` failed, and the answer stands: {why}"));
                None
            }
            Err(HostFailure::Thrown(error)) => {
                let why = error.classify().message;
                self.observer.warning(&format!("the function `reject` threw, and the answer stands: {why}"));
                None
            }
        }
    }
}
