//! Makes the upstream of each target of a call.

use std::sync::Arc;

use super::client::Call;
use super::events::Host;
use crate::plan::{Plan, Via};
use crate::upstream::host::{HostHeadersUpstream, HostUpstream};
use crate::upstream::host_http::HostHttpUpstream;
use crate::upstream::http::{HttpUpstream, Unredirected};
use crate::upstream::{Unsendable, Upstream, Upstreams};

/// Makes the upstreams of one call.
pub(super) struct CallUpstreams<'a> {
    pub(super) call: &'a Call,
    pub(super) plan: &'a Plan,
}

impl Upstreams for CallUpstreams<'_> {
    fn upstream(&self, via: &Via) -> Arc<dyn Upstream> {
        let upstream = self.followed(via);
        if self.plan.refuses_redirects { Arc::new(Unredirected(upstream)) } else { upstream }
    }
}

impl CallUpstreams<'_> {
    fn followed(&self, via: &Via) -> Arc<dyn Upstream> {
        let Call { pool, host, .. } = self.call;
        match via {
            Via::Http { url, headers } if self.plan.through_host => Arc::new(HostHttpUpstream {
                host: Arc::<dyn Host>::clone(host),
                url: Arc::clone(url),
                headers: Arc::clone(headers),
            }),
            Via::Http { url, headers } => {
                Arc::new(HttpUpstream { pool: Arc::clone(pool), url: Arc::clone(url), headers: Arc::clone(headers) })
            }
            Via::Unsendable => Arc::new(Unsendable),
            Via::HttpWithHostHeaders { upstream, url, base, overlay, .. } => Arc::new(HostHeadersUpstream {
                host: Arc::<dyn Host>::clone(host),
                pool: (!self.plan.through_host).then(|| Arc::clone(pool)),
                upstream: Arc::clone(upstream),
                base: Arc::clone(base),
                url: Arc::clone(url),
                overlay: overlay.clone(),
            }),
            Via::Client { client, headers, max_retries, .. } => Arc::new(HostUpstream {
                host: Arc::<dyn Host>::clone(host),
                client: *client,
                headers: headers.clone(),
                max_retries: *max_retries,
            }),
        }
    }
}
