//! Cancels background jobs that a call started and whose answer the caller will not get, once each and without delaying the call
//! (contract.md, section 9, "State").

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use tokio::sync::Notify;

use crate::endpoint::Endpoint;
use crate::plan::{Target, Via};
use crate::upstream::{Request, Upstream, Upstreams};

/// The time limit of a cancellation.
const TIME: Duration = Duration::from_secs(10);

/// A job and its target; at most one per target.
struct Orphan {
    id: Box<str>,
    target: Target,
    upstream: Arc<dyn Upstream>,
}

/// The abandoned jobs of a call. Most calls have none, so nothing is allocated before the first: a channel would take 13 KB for each
/// open stream.
#[derive(Default)]
pub(super) struct Orphans {
    left: Mutex<Left>,
    changed: Notify,
}

#[derive(Default)]
struct Left {
    jobs: Vec<Orphan>,
    /// The call has ended and leaves no more.
    is_over: bool,
}

impl Orphans {
    /// Queues a job to be cancelled.
    pub(super) fn leave(&self, upstreams: &dyn Upstreams, target: &Target, id: &str) {
        let Some(via) = via(&target.via, id) else { return };
        self.lock().jobs.push(Orphan { id: id.into(), target: target.clone(), upstream: upstreams.upstream(&via) });
        self.changed.notify_one();
    }

    /// The call has ended.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_one();
    }

    /// Cancels queued jobs until the call has ended and none is left.
    pub(super) async fn cancel(&self) {
        loop {
            let (jobs, is_over) = {
                let mut left = self.lock();
                (std::mem::take(&mut left.jobs), left.is_over)
            };
            if jobs.is_empty() {
                if is_over {
                    return;
                }
                self.changed.notified().await;
            }
            for orphan in jobs {
                // Boxed, so that the futures of calls without such a job stay small.
                Box::pin(orphan.cancel()).await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orphan {
    async fn cancel(self) {
        let Self { id, target, upstream } = self;
        let request = Request {
            endpoint: Endpoint::Responses,
            target: &target,
            body: Bytes::new(),
            stream: false,
            retries: 0,
            time: Some(TIME),
            max_response_bytes: crate::options::MAX_RESPONSE_BYTES,
            cancels: Some(&id),
        };
        // A cancellation that fails is not retried.
        let _ = tokio::time::timeout(TIME, upstream.send(request)).await;
    }
}

/// How a job's cancellation is sent: its URL; a custom client gets the id instead.
fn via(via: &Via, id: &str) -> Option<Via> {
    let of = |url: &Url| {
        let mut url = url.clone();
        url.path_segments_mut().ok()?.push(id).push("cancel");
        Some(Arc::new(url))
    };
    let mut via = via.clone();
    match &mut via {
        Via::Http { url, .. } | Via::HttpWithHostHeaders { url, .. } => *url = of(url)?,
        Via::Client { .. } => {}
        Via::Unsendable => return None,
    }
    Some(via)
}
