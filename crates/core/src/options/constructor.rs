//! Reads the `openpipe` object of a client's constructor: defaults, declared upstreams, aliases, and which options a body may set.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::aliases::{self, Alias};
use super::names::Names;
use super::read::{self, ArgumentError, Aside, ClientRef, Section};
use super::spec::{self, Place};
use super::upstreams;
use super::{OpenPipeOptions, UpstreamConfig, nearest_name, openpipe};

/// The constructor's `openpipe`, as a host writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientOptions {
    openpipe: Option<Box<RawValue>>,
    odd: HashMap<String, String>,
    clients: HashMap<String, ClientRef>,
    /// The numbers of the functions in it that judge answers.
    functions: HashMap<String, u32>,
    /// The environment variables of known upstreams that are set.
    variables: HashMap<String, String>,
}

/// The constructor's `openpipe` after all checks.
#[derive(Debug, Clone)]
pub struct ReadClientOptions {
    /// Defaults for every call.
    pub defaults: OpenPipeOptions,
    /// The constructor's `fallbackClient`.
    pub fallback_client: Option<ClientRef>,
    /// The declared upstreams.
    pub upstreams: Vec<UpstreamConfig>,
    /// Their names.
    pub upstream_names: Vec<Arc<str>>,
    /// The aliases by their names.
    pub aliases: HashMap<String, Alias>,
    /// The per-call options that a request's body may set.
    pub allowed_in_body: Vec<String>,
    /// Warnings for the caller, such as unknown names.
    pub warnings: Vec<String>,
}

impl ClientOptions {
    /// Reads and checks the options.
    ///
    /// # Errors
    /// The first option that is malformed.
    pub fn read(
        &self,
        headers: &HeaderMap,
        upstream_clients: &HashMap<String, u32>,
    ) -> Result<ReadClientOptions, ArgumentError> {
        let mut warnings = Vec::new();
        let (odd, clients, functions) = (self.odd.clone(), self.clients.clone(), self.functions.clone());
        let aside = Aside { odd, clients, functions, ..Aside::default() };
        let text = self.openpipe.as_deref().map_or("{}", RawValue::get);
        let text = if text == "null" { "{}" } else { text };
        let section = Section::new(Place::Client, "openpipe", text, &aside, &mut warnings)?;
        section.secret_text("apiKey")?;
        section.text("baseUrl")?;
        section.choice::<String>("transport")?;
        let fallback_client = section.client("fallbackClient")?;
        let upstream_names = upstreams::names(&section)?;
        let host = upstreams::Host { headers, variables: &self.variables, clients: upstream_clients };
        let upstreams = upstreams::read(&section, &host)?;
        let names = Names(&upstream_names);
        let aliases = aliases::read(&section, names, &mut warnings)?;
        let defaults = openpipe::read(&section, names, &mut warnings)?;
        let allowed_in_body = allowed_in_body(&section)?;
        Ok(ReadClientOptions {
            defaults,
            fallback_client,
            upstreams,
            upstream_names,
            aliases,
            allowed_in_body,
            warnings,
        })
    }
}

/// `allowInBody`: the options that a request's body may set.
fn allowed_in_body(section: &Section<'_>) -> Result<Vec<String>, ArgumentError> {
    const NAME: &str = "allowInBody";
    match section.raw(NAME) {
        None | Some("null" | "true") if section.odd(NAME).is_none() => {
            Ok(spec::names(Place::Body).map(str::to_owned).collect())
        }
        Some("false") => Ok(Vec::new()),
        Some(raw) if !raw.starts_with('[') => Err(section.refuse(NAME, read::shown(raw))),
        _ => {
            let names = section.names(NAME)?.unwrap_or_default();
            for (index, name) in names.iter().enumerate() {
                if spec::find(Place::Body, name).is_none() {
                    let nearest = nearest_name(name, &spec::names(Place::Body).map(str::to_owned).collect::<Vec<_>>());
                    let hint = nearest.map_or(String::new(), |name| format!("; did you mean {name:?}?"));
                    let path = format!("{}[{index}]", section.path(NAME));
                    return Err(ArgumentError::other(
                        path,
                        format!("names no option that a body may set: {}{hint}", read::quoted(name)),
                    ));
                }
            }
            Ok(names)
        }
    }
}
