//! What is delivered, how a host delivers it, and what becomes of it.

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Url;
use tokio::time::Instant;

use super::sinks::Destination;
use crate::boxed::BoxFuture;
use crate::failure::{Failure, Head};

/// One report, on its way.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where it goes.
    pub to: Destination,
    /// The number of the host's function that gets a copy first, and says what is sent.
    pub redact: Option<u32>,
    /// What it says, as JSON.
    pub body: Bytes,
    /// The call that it is of.
    pub call: u32,
    /// When it was made.
    pub queued_at: Instant,
}

/// The result of the caller's function that redacts reports.
#[derive(Debug)]
pub enum Redacted {
    /// This is sent.
    Send(Bytes),
    /// Nothing is sent, as the function said.
    Withheld,
    /// Nothing is sent, because the function failed.
    Failed,
}

/// Sends a report once.
pub trait Delivery: Send + Sync {
    /// Has the host's function of this number redact a copy of a report.
    fn redact(&self, function: u32, report: Bytes) -> BoxFuture<'_, Redacted> {
        let _ = (function, report);
        Box::pin(async { Redacted::Failed })
    }

    /// The head of the response, whatever its status.
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
    /// Every report of a call is delivered or given up, or was waited for long enough.
    fn reported(&self, call: u32);
    /// Reports were given up; called once a minute at most.
    fn warning(&self, message: &str);
}

/// The outcome of a report.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Delivered,
    /// It was given up, for this reason where nobody has said it yet.
    Dropped(Option<&'static str>),
    /// The caller's function said that nothing is to be sent.
    Withheld,
}
