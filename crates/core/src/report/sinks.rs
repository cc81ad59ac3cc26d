//! The sinks of a client's reports: `openpipe.reports` (contract.md, section 7).

use std::sync::Arc;

use super::encoding::ReportEndpoint;
use super::file::ReportFile;
use crate::endpoint::Endpoint;
use crate::options::ClientConfig;
use crate::options::upstream_id::UpstreamKind;

/// A destination of reports.
#[derive(Debug, Clone)]
pub enum Destination {
    /// `POST` to OpenPipe.
    Endpoint(Arc<ReportEndpoint>),
    /// Lines of a file.
    File(Arc<ReportFile>),
}

impl Destination {
    /// Whether another destination is the same, so that both share a lane.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Endpoint(this), Self::Endpoint(that)) => this.is_same_place(that),
            (Self::File(this), Self::File(that)) => this.is_same_place(that),
            _ => false,
        }
    }
}

/// A destination, with the function that redacts its reports.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Where it goes.
    pub to: Destination,
    /// The number of the host's function that gets a copy and returns the report to send.
    pub redact: Option<u32>,
}

impl Sink {
    /// The sinks of a client, in their order.
    #[must_use]
    pub fn of(client: &ClientConfig) -> Vec<Self> {
        let openpipe = client.report.as_ref().map(|to| {
            let endpoint = ReportEndpoint::new(to.url.clone(), to.headers.clone(), to.host_transport);
            Destination::Endpoint(Arc::new(endpoint))
        });
        let Some(sinks) = &client.sinks else {
            return openpipe.map(|to| Self { to, redact: None }).into_iter().collect();
        };
        let destination = |file: &Option<String>| match file {
            Some(path) => Some(Destination::File(Arc::new(ReportFile::new(path)))),
            None => openpipe.clone(),
        };
        sinks.iter().filter_map(|sink| Some(Self { to: destination(&sink.file)?, redact: sink.redact })).collect()
    }

    /// Whether it gets reports of a target: OpenPipe logs its own calls and accepts no embeddings; a file gets all.
    #[must_use]
    pub fn takes(&self, kind: UpstreamKind, endpoint: Endpoint) -> bool {
        match self.to {
            Destination::File(_) => true,
            Destination::Endpoint(_) => kind != UpstreamKind::OpenPipe && endpoint.has_text(),
        }
    }
}
