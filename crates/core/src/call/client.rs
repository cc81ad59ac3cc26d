//! A client, and a call of it as its host starts it.

use std::sync::Arc;

use super::control::Control;
use super::events::Host;
use super::warned::Warned;
use crate::options::{ClientConfig, GivenOptions, RecentOptions};
use crate::plan::PlanError;
use crate::policy::breaker::Breakers;
use crate::policy::health::Health;
use crate::policy::homes::Homes;
use crate::report::{Reporter, Sink};
use crate::upstream::http::HttpPool;

/// What every call of a client needs.
pub struct Client {
    /// The configuration of the client.
    pub config: ClientConfig,
    /// The circuits of the process.
    pub breakers: &'static Breakers,
    /// Which upstream stores each response that this process has seen.
    pub homes: &'static Homes,
    /// The recent outcomes of the client's targets.
    pub health: Arc<Health>,
    /// The warnings that were given already.
    pub warned: Warned,
    /// The options of its latest calls.
    pub recent: RecentOptions,
    /// Delivers its reports.
    pub reporter: Reporter,
    /// Where its reports go.
    pub sinks: Vec<Sink>,
}

impl Client {
    /// The options of a call, from JSON text.
    pub(super) fn given(&self, options: Option<String>) -> Result<Arc<GivenOptions>, PlanError> {
        let text = options.unwrap_or_else(|| "{}".to_owned());
        if let Some(given) = self.recent.get(&text) {
            return Ok(given);
        }
        let call = serde_json::from_str(&text).map_err(|error| PlanError::Argument(format!("options: {error}")))?;
        let given = Arc::new(GivenOptions::of(&self.config, call)?);
        self.recent.add(text, &given);
        Ok(given)
    }
}

/// A call as its host starts it.
pub struct Call {
    /// The call's number, by which the reporter identifies it.
    pub number: u32,
    /// The client that makes the call.
    pub client: Arc<Client>,
    /// The connection pool, for the settings at the time of the call.
    pub pool: Arc<HttpPool>,
    /// Its host.
    pub host: Arc<dyn Host>,
    /// The handle by which the host reaches the running call.
    pub control: Arc<Control>,
}
