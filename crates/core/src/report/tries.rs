//! The tries of one report: redaction, an HTTP endpoint or a file, retries and their pauses.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::delivery::{Delivery, Outcome, Redacted, Report};
use super::encoding::{ReportEndpoint, encoded};
use super::file::ReportFile;
use super::shared::Shared;
use super::sinks::Destination;
use crate::failure::Failure;
use crate::policy::backoff::{Failed, RetryPolicy, default_pause};

/// Redacts a report and sends it, until it is delivered or given up.
pub(super) async fn outcome(shared: &Shared, report: &Report, delivery: &dyn Delivery) -> Outcome {
    let body = match report.redact {
        None => report.body.clone(),
        Some(function) => match delivery.redact(function, report.body.clone()).await {
            Redacted::Send(body) => body,
            Redacted::Withheld => return Outcome::Withheld,
            // The host has said why.
            Redacted::Failed => return Outcome::Dropped(None),
        },
    };
    let sent = match &report.to {
        Destination::Endpoint(endpoint) => post(shared, endpoint, &body, delivery).await,
        Destination::File(file) => append(shared, file, terminated(body)).await,
    };
    sent.map_or_else(|why| Outcome::Dropped(Some(why)), |()| Outcome::Delivered)
}

/// Appends to a file. A write that fails is tried again like a request.
async fn append(shared: &Shared, file: &ReportFile, line: Bytes) -> Result<(), &'static str> {
    let until = Instant::now() + shared.limits.retry_time;
    for tries in 1_u32.. {
        let Ok(written) = timeout_at(until, file.append(line.clone())).await else { break };
        if written.is_ok() {
            return Ok(());
        }
        let pause = default_pause(tries, fastrand::f64());
        if Instant::now() + pause >= until {
            break;
        }
        shared.lock().counts.retried += 1;
        sleep(pause).await;
    }
    Err("the file cannot be written")
}

/// Posts to an endpoint, with the retries and pauses of a request.
async fn post(
    shared: &Shared,
    endpoint: &ReportEndpoint,
    body: &Bytes,
    delivery: &dyn Delivery,
) -> Result<(), &'static str> {
    let until = Instant::now() + shared.limits.retry_time;
    let policy = RetryPolicy { max_retries: u32::MAX, another_waits: false };
    for tries in 1_u32.. {
        let (headers, body) = encoded(endpoint, body).await;
        let sent = delivery.deliver(&endpoint.url, headers, body, endpoint.host_transport);
        let head = match timeout(shared.limits.try_time, sent).await {
            Ok(Ok(head)) => Ok(head),
            // The status alone decides; the rest of the answer is not read.
            Ok(Err(Failure { head: Some(head), .. })) => Ok(*head),
            Ok(Err(failure)) => Err(failure),
            // A broken connection, which is retried: the endpoint may answer by then.
            Err(_elapsed) => Err(Failure::connection("the report endpoint did not answer", None)),
        };
        let failure = match head {
            Ok(head) if (200..300).contains(&head.status) => {
                endpoint.learn(&head);
                return Ok(());
            }
            Ok(head) if is_refusal(head.status) => return Err("the report endpoint refuses them"),
            Ok(head) => Failure::status(head, String::new()),
            Err(failure) => failure,
        };
        let (time_left, random) = (until.saturating_duration_since(Instant::now()), fastrand::f64());
        let (now, took) = (SystemTime::now(), Duration::ZERO);
        let failed = Failed { failure: &failure, tries, took, time_left: Some(time_left), now, random };
        // The endpoint may ask for a longer pause, not for a shorter one.
        let pause = policy.pause(&failed).map(|pause| pause.max(default_pause(tries, random)));
        let Some(pause) = pause.filter(|pause| *pause < time_left) else { break };
        shared.lock().counts.retried += 1;
        sleep(pause).await;
    }
    Err("the report endpoint is out of reach")
}

/// A line with its line break, which a function that redacts leaves out.
fn terminated(line: Bytes) -> Bytes {
    if line.ends_with(b"\n") {
        return line;
    }
    let mut line = Vec::from(line);
    line.push(b'\n');
    Bytes::from(line)
}

/// Whether a status is not retried: a 4xx other than 408 and 429.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 429)
}
