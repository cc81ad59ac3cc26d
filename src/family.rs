//! State that is shared by a client, the clients made from it by `withOptions`, and the native clients that replace each other when an
//! option changes.

use std::sync::Arc;

use napi_derive::napi;
use openpipe_core::policy::health::Health;
use openpipe_core::report::Group;

use crate::protocol::json;
use crate::runtime;

/// The clients that were made from one another.
#[napi]
#[derive(Default)]
pub struct ClientFamily {
    /// The recent outcomes of their targets.
    health: Arc<Health>,
    /// The outcomes of their reports.
    reports: Arc<Group>,
}

impl ClientFamily {
    pub(crate) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    pub(crate) fn reports(&self) -> Arc<Group> {
        Arc::clone(&self.reports)
    }
}

#[napi]
impl ClientFamily {
    /// A family for a new client.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The health of the targets as a JSON array of the core's `UpstreamState`.
    #[napi]
    #[must_use]
    pub fn upstreams(&self) -> String {
        json(&self.health.read(runtime::breakers()))
    }
}
