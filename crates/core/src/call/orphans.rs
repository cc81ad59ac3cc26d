//! Jobs that a call started in the background and whose answer nobody will get: each is cancelled once, off the call's path
//! (contract.md, section 9, "State").

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::endpoint::Endpoint;
use crate::plan::{Target, Via};
use crate::upstream::{Request, Upstream, Upstreams};

/// A cancellation that takes longer is given up.
const TIME: Duration = Duration::from_secs(10);

/// A job, and the target that has it. At most one a target.
pub(super) struct Orphan {
    target: Target,
    upstream: Arc<dyn Upstream>,
}

/// Where a call leaves its jobs.
pub(super) type Sender = UnboundedSender<Orphan>;

pub(super) fn channel() -> (Sender, UnboundedReceiver<Orphan>) {
    unbounded_channel()
}

/// Leaves a job to be cancelled.
pub(super) fn leave(orphans: &Sender, ways: &dyn Upstreams, target: &Target, id: &str) {
    let Some(via) = via(&target.via, id) else { return };
    // The receiver lives as long as the call.
    let _ = orphans.send(Orphan { target: target.clone(), upstream: ways.upstream(&via) });
}

/// Cancels jobs as they come, until the call has ended.
pub(super) async fn cancel(mut orphans: UnboundedReceiver<Orphan>) {
    while let Some(Orphan { target, upstream }) = orphans.recv().await {
        let request = Request {
            endpoint: Endpoint::Responses,
            target: &target,
            body: Bytes::new(),
            stream: false,
            retries: 0,
            time: Some(TIME),
            max_response_bytes: crate::options::MAX_RESPONSE_BYTES,
        };
        // Whatever the answer, nothing can be done about it.
        let _ = tokio::time::timeout(TIME, upstream.send(request)).await;
    }
}

/// The way to cancel a job. A client of the host has none.
fn via(via: &Via, id: &str) -> Option<Via> {
    let of = |url: &Url| {
        let mut url = url.clone();
        url.path_segments_mut().ok()?.push(id).push("cancel");
        Some(Arc::new(url))
    };
    let mut via = via.clone();
    match &mut via {
        Via::Http { url, .. } | Via::Asked { url, .. } => *url = of(url)?,
        Via::Client { .. } | Via::Unsendable => return None,
    }
    Some(via)
}
