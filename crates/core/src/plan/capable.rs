//! Finds the targets that can take a request: their upstream serves the endpoint, holds the state that the request refers to, and
//! hosts the tools that it names (contract.md, section 9, "Unsupported" and "State"). Runs before anything is sent.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::destinations::{Destination, Routes, To, config_of};
use super::error::PlanError;
use crate::endpoint::Endpoint;
use crate::endpoint::needs::{CONVERSATION, Needs};
use crate::options::Takes;
use crate::options::read::ArgumentError;
use crate::options::upstream_id::UpstreamKind;
use crate::options::{ClientConfig, FallbackTarget, UpstreamConfig};
use crate::policy::homes::{Home, Homes};
use crate::text::json::{self, Members};

/// The reason for an attempt's outcome (`attempt.because`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Because {
    /// The upstream cannot take a member of the request: `previous_response_id`, `tools.web_search`.
    Member(String),
    /// The upstream does not serve the endpoint.
    Endpoint(&'static str),
    /// These parts were left out of the request, because another upstream issued them.
    Omitted(Vec<&'static str>),
}

/// A target that cannot take the request.
#[derive(Debug)]
pub struct Unsupported {
    /// Its upstream's name.
    pub upstream: Arc<str>,
    /// Its model.
    pub model: String,
    /// What it cannot take.
    pub because: Because,
    /// The index in the plan of the target that follows it.
    pub before: usize,
}

impl Unsupported {
    /// The reason as a message.
    #[must_use]
    pub fn message(&self) -> String {
        let upstream = &self.upstream;
        match &self.because {
            Because::Endpoint(path) => format!("the upstream {upstream} does not serve {path}"),
            Because::Member(name) if name.starts_with("tools.") => {
                format!("the upstream {upstream} does not host `{name}`: its `takes` does not name it")
            }
            Because::Member(name) => {
                format!("the upstream {upstream} cannot take `{name}`: it refers to what another upstream holds")
            }
            Because::Omitted(names) => format!("{} left out for the upstream {upstream}", names.join(", ")),
        }
    }
}

/// A target that can take the request.
pub(super) struct Capable<'a> {
    /// It is the first of the call's targets.
    pub(super) is_primary: bool,
    pub(super) destination: Destination<'a>,
    /// The parts that are left out of the request for it.
    pub(super) omitted: Vec<&'static str>,
    /// The home under which the ids of its responses are remembered; `None` for the upstream that unknown ids are sent to anyway.
    pub(super) home: Option<Home>,
}

/// The targets of a call: those that can take it, and the others.
pub(super) struct Sorted<'a> {
    pub(super) capable: Vec<Capable<'a>>,
    pub(super) unsupported: Vec<Unsupported>,
}

/// The holder of state.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// One upstream.
    Own(Home),
    /// Upstreams with this name of `state`.
    Shared(Arc<str>),
}

impl UpstreamConfig {
    /// Its identity as the home of stored responses.
    #[must_use]
    pub fn home(&self, homes: &Homes) -> Home {
        homes.home(&self.name, self.base_url().as_str().as_bytes())
    }

    fn state(&self, homes: &Homes) -> State {
        self.state.clone().map_or_else(|| State::Own(self.home(homes)), State::Shared)
    }
}

impl ClientConfig {
    /// All of its upstreams.
    fn all_upstreams(&self) -> impl Iterator<Item = &UpstreamConfig> {
        [&self.openai, &self.openpipe].into_iter().chain(&self.upstreams)
    }

    /// The name of the upstream that stores a response; `None` if unknown, or not an upstream of this client.
    #[must_use]
    pub fn home_of(&self, homes: &Homes, id: &str) -> Option<&str> {
        let home = homes.of(id)?;
        self.all_upstreams().find(|upstream| upstream.home(homes) == home).map(|upstream| &*upstream.name)
    }

    /// The number of the custom client that stores a response, if the constructor named it.
    #[must_use]
    pub fn client_home_of(&self, homes: &Homes, id: &str) -> Option<u32> {
        let home = homes.of(id).filter(|home| home.is_client())?;
        let of_targets =
            |targets: &[FallbackTarget]| targets.iter().filter_map(|target| target.client.clone()).collect::<Vec<_>>();
        let mut clients = of_targets(self.defaults.fallback.as_deref().unwrap_or_default());
        clients.extend(self.fallback_client.clone());
        self.aliases.values().for_each(|alias| clients.extend(of_targets(&alias.targets)));
        clients.iter().find(|client| homes.client(client.identity.as_bytes()) == home).map(|client| client.number)
    }
}

impl<'a> Destination<'a> {
    fn config<'b>(&'b self, client: &'b ClientConfig) -> Option<&'b UpstreamConfig> {
        match &self.to {
            To::Upstream(upstream) => Some(upstream),
            To::Client(..) | To::Request(_) => config_of(client, self.kind, &self.upstream),
        }
    }

    fn home(&self, client: &ClientConfig, homes: &Homes) -> Home {
        match (self.config(client), &self.to) {
            (Some(upstream), _) => upstream.home(homes),
            (None, To::Client(_, identity)) => homes.client(identity.as_bytes()),
            (None, _) => homes.home(&self.upstream, b""),
        }
    }

    fn state(&self, client: &ClientConfig, homes: &Homes) -> State {
        let own = || State::Own(self.home(client, homes));
        self.config(client).map_or_else(own, |upstream| upstream.state(homes))
    }

    fn serves(&self, client: &ClientConfig, endpoint: Endpoint) -> bool {
        let by_client = self.endpoints.as_ref().is_none_or(|endpoints| endpoints.contains(&endpoint));
        by_client && self.config(client).is_none_or(|upstream| upstream.endpoints.contains(&endpoint))
    }

    fn hosts(&self, client: &ClientConfig, tool: &str) -> bool {
        match self.config(client).map(|upstream| &upstream.takes) {
            Some(Takes::All) => true,
            Some(Takes::Types(types)) => types.iter().any(|kind| kind == tool),
            // The URL of a whole HTTP request counts as the client's own upstream; the tools of a custom client are unknown.
            None => matches!(self.to, To::Request(_)),
        }
    }

    /// Whether the target's `params` or `omit` replace a member or a tool.
    fn replaces(&self, member: &str, tool: Option<&str>) -> bool {
        let Some(target) = &self.target else { return false };
        let omits = |name: &str| target.omit.iter().any(|omitted| omitted == name);
        omits(member)
            || tool.is_some_and(|tool| omits(&format!("tools.{tool}")))
            || params_of(target).is_some_and(|params| params.get(member).is_some())
    }

    /// Why the target cannot take a request; `None` if it can.
    fn lacks(&self, client: &ClientConfig, endpoint: Endpoint, needs: &Needs, has_state: bool) -> Option<Because> {
        if !self.serves(client, endpoint) {
            return Some(Because::Endpoint(endpoint.path()));
        }
        let lacked = needs.all.iter().find(|need| {
            let tool = need.tool.as_deref();
            let is_lacked = if need.is_state { !has_state } else { !tool.is_some_and(|tool| self.hosts(client, tool)) };
            is_lacked && !self.replaces(need.member, tool)
        });
        lacked.map(|need| Because::Member(need.name.clone()))
    }
}

fn params_of(target: &FallbackTarget) -> Option<Members<'_>> {
    serde_json::from_str(target.params.as_deref()?.get()).ok()
}

/// Refuses an `omit` of a reference to a conversation unless the target's `params` have an `input`: an answer without its conversation is
/// a wrong answer.
pub(super) fn check_conversations(targets: &[Destination<'_>]) -> Result<(), ArgumentError> {
    for target in targets.iter().filter_map(|destination| destination.target.as_ref()) {
        let has_input = params_of(target).is_some_and(|params| params.get_non_null("input").is_some());
        if let Some(name) = CONVERSATION.iter().find(|name| !has_input && target.omit.iter().any(|omit| omit == *name))
        {
            let what = format!("can leave `{name}` out only where `params` has an `input` of its own");
            return Err(ArgumentError::other("openpipe.fallback.omit", what));
        }
    }
    Ok(())
}

/// Sorts the targets of a call: those at the home of the response that it continues come first, those that cannot take it are
/// separated.
///
/// # Errors
/// [`PlanError::Unsupported`] where no target can take it.
pub(super) fn sorted<'a>(
    routes: &Routes<'a>,
    destinations: Vec<Destination<'a>>,
    needs: &Needs,
    homes: &Homes,
    warnings: &mut Vec<String>,
) -> Result<Sorted<'a>, PlanError> {
    let (client, endpoint) = (routes.client, routes.call.endpoint);
    let keeps = endpoint.keeps_answers();
    let is_stateful = keeps || !needs.all.is_empty();
    let mut targets: Vec<(bool, Destination<'a>)> = Vec::with_capacity(destinations.len());
    targets.extend(destinations.into_iter().enumerate().map(|(index, destination)| (index == 0, destination)));

    let holder = if is_stateful { holder(client, &mut targets, needs, homes) } else { None };

    let mut sorted = Sorted { capable: Vec::with_capacity(targets.len()), unsupported: Vec::new() };
    for (is_primary, destination) in targets {
        let has_state = !is_stateful || holder == Some(destination.state(client, homes));
        if let Some(because) = destination.lacks(client, endpoint, needs, has_state) {
            let Destination { upstream, model, is_default, .. } = destination;
            let unsupported = Unsupported { upstream, model, because, before: sorted.capable.len() };
            if is_default {
                let model = json::ascii(&json::string(&unsupported.model));
                warnings.push(format!("the fallback {model} cannot run: {}", unsupported.message()));
            }
            sorted.unsupported.push(unsupported);
            continue;
        }
        let replaces_input = destination.replaces("input", None);
        let omitted = if has_state || replaces_input { Vec::new() } else { needs.issued.clone() };
        // Unknown ids are sent to the primary's upstream.
        let is_own = is_primary && matches!(destination.kind, UpstreamKind::Own | UpstreamKind::Request);
        let home = (keeps && !is_own).then(|| destination.home(client, homes));
        sorted.capable.push(Capable { is_primary, destination, omitted, home });
    }
    if sorted.capable.is_empty() {
        let why: Vec<_> = sorted.unsupported.iter().map(Unsupported::message).collect();
        return Err(PlanError::Unsupported(format!("no upstream can take this call: {}", why.join("; "))));
    }
    Ok(sorted)
}

/// The holder of the state that the request refers to: the upstream that issued the response, else the primary's. The targets there
/// come first.
fn holder(
    client: &ClientConfig,
    targets: &mut [(bool, Destination<'_>)],
    needs: &Needs,
    homes: &Homes,
) -> Option<State> {
    let home = needs.response_id.as_deref().and_then(|id| homes.of(id));
    let is_home = |destination: &Destination<'_>| Some(destination.home(client, homes)) == home;
    let at_home = targets.iter().map(|(_, destination)| destination).find(|destination| is_home(destination));
    let known = || client.all_upstreams().find(|upstream| Some(upstream.home(homes)) == home);
    let at_client = home.filter(|home| home.is_client()).map(State::Own);
    let holder = at_home.map(|destination| destination.state(client, homes));
    let holder = holder.or_else(|| Some(known()?.state(homes))).or(at_client);
    if holder.is_none() {
        return targets.first().map(|(_, destination)| destination.state(client, homes));
    }
    targets.sort_by_key(|(_, destination)| !is_home(destination));
    holder
}

/// The hosted tools that a target leaves out: `omit: ["tools.web_search"]`.
pub(super) fn omitted_tools(omit: &[String]) -> Vec<&str> {
    omit.iter().filter_map(|name| name.strip_prefix("tools.")).collect()
}

/// Whether a target sends the caller's own value of a member.
pub(super) fn sends(target: &FallbackTarget, member: &str, in_body: bool) -> bool {
    match params_of(target).and_then(|params| params.get(member)).map(RawValue::get) {
        Some(value) => !matches!(value, "null" | "false"),
        None => in_body && !target.omit.iter().any(|omitted| omitted == member),
    }
}
