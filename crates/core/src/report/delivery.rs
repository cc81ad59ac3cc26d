//! A report, the traits by which a host sends it and receives its outcome, and the outcomes.

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Url;
use tokio::time::Instant;

use super::sinks::Destination;
use crate::boxed::BoxFuture;
use crate::failure::{Failure, Head};

/// One report.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its destination.
    pub to: Destination,
    /// The number of the host's function that redacts it.
    pub redact: Option<u32>,
    /// Its text, JSON.
    pub body: Bytes,
    /// The call that it belongs to.
    pub call: u32,
    /// When it was made.
    pub queued_at: Instant,
}

/// The result of the caller's function that redacts reports.
#[derive(Debug)]
pub enum Redacted {
    /// Send this text.
    Send(Bytes),
    /// Send nothing: the function returned `null`.
    Withheld,
    /// Send nothing: the function failed.
    Failed,
}

/// Sends a report once.
pub trait Delivery: Send + Sync {
    /// Has the host's function of this number redact a copy of a report.
    fn redact(&self, function: u32, report: Bytes) -> BoxFuture<'_, Redacted> {
        let _ = (function, report);
        Box::pin(async { Redacted::Failed })
    }

    /// Sends a report once. Returns the head of the response, whatever its status.
    fn deliver<'a>(
        &'a self,
        url: &'a Url,
        headers: HeaderMap,
        body: Bytes,
        host_transport: Option<u32>,
    ) -> BoxFuture<'a, Result<Head, Failure>>;
}

/// Receives the outcome of each report.
pub trait Listener: Send + Sync {
    /// All reports of a call are delivered or given up, or the wait for them has timed out.
    fn reported(&self, call: u32);
    /// Reports were given up; called once a minute at most.
    fn warning(&self, message: &str);
}

/// The outcome of a report.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Delivered,
    /// It was given up. Holds the reason, unless the host has already warned.
    Dropped(Option<&'static str>),
    /// The caller's function withheld it.
    Withheld,
}
