//! Routing: the upstream and model of each target, by alias, `upstream`, `cache` and the model's prefix.

use std::sync::Arc;

use super::error::PlanError;
use super::near_prefix::{KeyedWarning, near_prefix};
use crate::endpoint::Endpoint;
use crate::options::read::{ArgumentError, ClientRef};
use crate::options::route::{self, Route};
use crate::options::upstream_id::{UpstreamId, UpstreamKind};
use crate::options::{
    CallOptions, ClientConfig, FallbackTarget, Identity, Limit, MAX_TARGETS, OpenPipeOptions, RequestUpstream,
    UpstreamConfig,
};
use crate::text::json;

/// A target before its time is known.
pub(super) struct Destination<'a> {
    pub(super) upstream: Arc<str>,
    pub(super) kind: UpstreamKind,
    pub(super) to: To<'a>,
    /// The upstream's own timeout.
    pub(super) timeout: Option<Limit>,
    /// The name by which the upstream knows the model.
    pub(super) model: String,
    /// Its options in `fallback` or the alias.
    pub(super) target: Option<FallbackTarget>,
    /// The endpoints that its custom client has a method for.
    pub(super) endpoints: Option<Vec<Endpoint>>,
    /// It comes from the constructor's `fallback`.
    pub(super) is_default: bool,
    /// A warning that its model's prefix looks like a misspelt one.
    pub(super) near_prefix: Option<KeyedWarning>,
}

/// The upstream or custom client of a target.
pub(super) enum To<'a> {
    Upstream(&'a UpstreamConfig),
    Client(u32, Identity),
    Request(&'a RequestUpstream),
}

/// Finds the upstreams of a call's targets.
pub(super) struct Routes<'a> {
    pub(super) client: &'a ClientConfig,
    pub(super) call: &'a CallOptions,
}

impl<'a> Routes<'a> {
    /// The call's targets in their order, and the alias that gave the first.
    pub(super) fn targets(
        &self,
        own: &OpenPipeOptions,
        model: &str,
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<Destination<'a>>, Option<String>), PlanError> {
        let client = self.client;
        let alias = client.aliases.get_key_value(model).filter(|_| own.upstream.is_none());
        let (primary, rest) = match alias.and_then(|(_, alias)| alias.targets.split_first().zip(Some(alias))) {
            Some(((first, rest), alias)) => {
                let rest = alias.is_chain.then_some(rest);
                (self.of_alias(first.clone())?, rest)
            }
            None => (self.primary(own, model)?, None),
        };
        let mut all = vec![primary];
        // The call's own fallback takes the place of an alias's chain, and that of the default.
        match (&own.fallback, rest) {
            (Some(fallback), _) => self.fallbacks(fallback, warnings, &mut all)?,
            (None, Some(rest)) => {
                for target in rest {
                    self.add(&target.model, self.of_alias(target.clone()), warnings, &mut all)?;
                }
            }
            (None, None) if !self.call.endpoint.takes_default_fallback() => {}
            (None, None) => {
                self.fallbacks(client.defaults.fallback.as_deref().unwrap_or_default(), warnings, &mut all)?;
                all.iter_mut().skip(1).for_each(|destination| destination.is_default = true);
            }
        }
        if all.len() > MAX_TARGETS {
            let what = format!("at most {MAX_TARGETS} targets a call, the primary included");
            return Err(ArgumentError::expected("openpipe.fallback", what, all.len().to_string()).into());
        }
        Ok((all, alias.map(|(name, _)| name.clone())))
    }

    /// The primary of a call whose model is not an alias.
    fn primary(&self, own: &OpenPipeOptions, model: &str) -> Result<Destination<'a>, PlanError> {
        if let Some(upstream) = own.upstream.or(self.client.defaults.upstream) {
            return self.at(upstream, model, None);
        }
        if own.cache.as_ref().or(self.client.defaults.cache.as_ref()).is_some() {
            return self.at(UpstreamId::OpenPipe, model, None);
        }
        if model.is_empty() {
            return self.at(UpstreamId::Own, model, None);
        }
        self.by_model(model, None)
    }

    fn fallbacks(
        &self,
        targets: &[FallbackTarget],
        warnings: &mut Vec<String>,
        all: &mut Vec<Destination<'a>>,
    ) -> Result<(), PlanError> {
        for target in targets {
            let is_routed =
                target.client.is_some() || target.upstream.is_some() || self.client.fallback_client.is_some();
            match self.client.aliases.get(&target.model).filter(|_| !is_routed) {
                // The targets of an alias are not looked up as aliases again.
                Some(alias) => {
                    for own in &alias.targets {
                        self.add(&target.model, self.of_alias(own.over(target)), warnings, all)?;
                    }
                }
                None => self.add(&target.model, self.of_fallback(target.clone()), warnings, all)?,
            }
        }
        Ok(())
    }

    /// Warns of a target whose key is missing, since it cannot be called.
    fn add(
        &self,
        model: &str,
        destination: Result<Destination<'a>, PlanError>,
        warnings: &mut Vec<String>,
        all: &mut Vec<Destination<'a>>,
    ) -> Result<(), PlanError> {
        match destination {
            Ok(destination) => all.push(destination),
            Err(PlanError::MissingKey(missing)) => {
                warnings.push(format!("the fallback {} cannot run: {missing}", json::ascii(&json::string(model))));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn of_fallback(&self, target: FallbackTarget) -> Result<Destination<'a>, PlanError> {
        match (&target.client, target.upstream, &self.client.fallback_client) {
            (Some(client), _, _) => Ok(Self::host_client(client.clone(), target)),
            (None, Some(upstream), _) => self.at(upstream, &target.model.clone(), Some(target)),
            (None, None, Some(client)) => Ok(Self::host_client(client.clone(), target)),
            (None, None, None) => self.by_model(&target.model.clone(), Some(target)),
        }
    }

    fn of_alias(&self, target: FallbackTarget) -> Result<Destination<'a>, PlanError> {
        match (&target.client, target.upstream) {
            (Some(client), _) => Ok(Self::host_client(client.clone(), target)),
            (None, Some(upstream)) => self.at(upstream, &target.model.clone(), Some(target)),
            (None, None) => self.by_model(&target.model.clone(), Some(target)),
        }
    }

    fn host_client(client: ClientRef, target: FallbackTarget) -> Destination<'a> {
        let kind = UpstreamKind::HostClient;
        Destination {
            upstream: target.name.clone().unwrap_or_else(|| kind.name().into()),
            kind,
            to: To::Client(client.number, client.identity),
            timeout: None,
            model: target.model.clone(),
            target: Some(target),
            endpoints: client.endpoints,
            is_default: false,
            near_prefix: None,
        }
    }

    fn by_model(&self, model: &str, target: Option<FallbackTarget>) -> Result<Destination<'a>, PlanError> {
        match route::by_model(model, &self.client.upstream_names) {
            Route::To(_, "") => {
                let what = format!("names an upstream and no model: {}", json::ascii(&json::string(model)));
                Err(ArgumentError::other("model", what).into())
            }
            Route::To(id, model) => {
                let near_prefix =
                    (id == UpstreamId::Own).then(|| near_prefix(model, &self.client.upstream_names)).flatten();
                Ok(Destination { near_prefix, ..self.at(id, model, target)? })
            }
            Route::Undeclared(name) => {
                let what = format!(
                    "names an upstream that is not declared: add `upstreams: {{ {name}: {{}} }}` to `openpipe`"
                );
                Err(ArgumentError::other("model", what).into())
            }
        }
    }

    fn at(&self, id: UpstreamId, model: &str, target: Option<FallbackTarget>) -> Result<Destination<'a>, PlanError> {
        let destination = |upstream: Arc<str>, kind, to, timeout| Destination {
            upstream,
            kind,
            to,
            timeout,
            model: model.to_owned(),
            target,
            endpoints: None,
            is_default: false,
            near_prefix: None,
        };
        let (kind, upstream) = match id {
            UpstreamId::Own => {
                // The request's own upstream takes the place of the client's.
                if let Some(request) = &self.call.request {
                    let kind = UpstreamKind::Request;
                    return Ok(destination(kind.name().into(), kind, To::Request(request), None));
                }
                (UpstreamKind::Own, Some(&self.client.openai))
            }
            UpstreamId::OpenPipe => (UpstreamKind::OpenPipe, Some(&self.client.openpipe)),
            UpstreamId::Named(index) => (UpstreamKind::Named, self.client.upstreams.get(index)),
        };
        let Some(upstream) = upstream else {
            return Err(PlanError::MissingKey("there is no such upstream".into()));
        };
        if let Some(invalid) = &upstream.invalid {
            return Err(PlanError::Argument(invalid.clone()));
        }
        if let Some(missing) = &upstream.missing_key {
            return Err(PlanError::MissingKey(missing.clone()));
        }
        let to = match upstream.client {
            Some(number) => To::Client(number, upstream.identity.clone()),
            None => To::Upstream(upstream),
        };
        Ok(destination(Arc::clone(&upstream.name), kind, to, upstream.timeout))
    }

    /// Warns of options that only OpenPipe honours, where there is no OpenPipe key.
    pub(super) fn warn_of_openpipe_options(&self, options: &OpenPipeOptions, warnings: &mut Vec<String>) {
        let Some(missing) = self.client.openpipe.missing_key.as_ref().filter(|_| self.client.report.is_none()) else {
            return;
        };
        let given = [
            ("criteria", options.criteria.is_some()),
            ("logRequest", options.log_request == Some(true)),
            ("tags", options.tags.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, is_given)| *is_given) {
            warnings.push(format!("`openpipe.{name}` does nothing: {missing}"));
        }
    }
}

/// The configuration of an upstream, also if the host's client is its transport; `None` for a custom client.
pub(super) fn config_of<'a>(client: &'a ClientConfig, kind: UpstreamKind, name: &str) -> Option<&'a UpstreamConfig> {
    match kind {
        UpstreamKind::OpenPipe => Some(&client.openpipe),
        UpstreamKind::Own => Some(&client.openai),
        UpstreamKind::Named => client.upstreams.iter().find(|own| *own.name == *name),
        UpstreamKind::HostClient | UpstreamKind::Request => None,
    }
}
