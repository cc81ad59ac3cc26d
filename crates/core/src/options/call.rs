//! The options of one call as a host writes them, and the merge of its `openpipe` objects.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::names::Names;
use super::read::{ArgumentError, Aside, ClientRef, Section};
use super::spec::Place;
use super::{ClientConfig, Limit, OpenPipeOptions, RequestUpstream, openpipe};
use crate::endpoint::Endpoint;
use crate::text::headers::HeaderList;

/// The options of one call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallOptions {
    /// The endpoint; default: chat completions.
    pub endpoint: Endpoint,
    /// `options.timeout`.
    pub timeout: Option<Limit>,
    /// `options.maxRetries`.
    pub max_retries: Option<u32>,
    /// `options.headers`.
    pub headers: HeaderList,
    /// The full URL at the client's own upstream, where the request options changed path or query.
    pub url: Option<String>,
    /// How long the caller waits before it gives up, if no timeout was given. It becomes the call's deadline, and the primary gets half of
    /// it if another target follows.
    pub patience: Option<Limit>,
    /// Every request of the call goes through the host's own HTTP client.
    pub through_host: bool,
    /// No redirect is followed, not even within the origin.
    pub refuses_redirects: bool,
    /// The last target's stream is committed with its first content too, instead of at its headers.
    pub commit_last: bool,
    /// The host gets a stream's events as the text of server-sent events.
    pub wire_events: bool,
    /// `openpipe` of the request options.
    pub openpipe: Option<Box<RawValue>>,
    /// Descriptions of its values that JSON cannot hold, by path.
    pub odd: HashMap<String, String>,
    /// The custom clients in it.
    pub clients: HashMap<String, ClientRef>,
    /// The numbers of the `reject` functions in it.
    pub functions: HashMap<String, u32>,
    /// `openpipe` of the body, as far as the constructor allows it.
    pub body_openpipe: Option<Box<RawValue>>,
    /// Descriptions of the values of the body's `openpipe` that JSON cannot hold, by path.
    pub body_odd: HashMap<String, String>,
    /// The custom clients in the body's `openpipe`.
    pub body_clients: HashMap<String, ClientRef>,
    /// The URL and headers of the caller's own HTTP request (`createFetch`): the upstream of this call, in place of the client's.
    pub request: Option<RequestUpstream>,
}

/// Merges a call's own `openpipe` objects: members of the request options take precedence over those of the body, one by one.
///
/// # Errors
/// The first option that is malformed.
pub fn read_call(
    client: &ClientConfig,
    call: &CallOptions,
    warnings: &mut Vec<String>,
) -> Result<OpenPipeOptions, ArgumentError> {
    let names = Names(&client.upstream_names);
    let mut of = |place, text: &Option<Box<RawValue>>, aside: Aside| {
        if text.is_none() && aside.odd.is_empty() {
            return Ok(None);
        }
        let text = text.as_deref().map_or("null", RawValue::get);
        if text == "null" && aside.odd.is_empty() {
            return Ok(None);
        }
        let section = Section::new(place, "openpipe", text, &aside, warnings)?;
        openpipe::read(&section, names, warnings).map(Some)
    };
    // `reject` is never read from a body (contract.md, section 2), so a function in it has no number here.
    let in_body = Aside {
        odd: call.body_odd.clone(),
        clients: call.body_clients.clone(),
        is_from_body: true,
        ..Aside::default()
    };
    let body = of(Place::Body, &call.body_openpipe, in_body)?;
    let (odd, clients, functions) = (call.odd.clone(), call.clients.clone(), call.functions.clone());
    let trusted = of(Place::Call, &call.openpipe, Aside { odd, clients, functions, ..Aside::default() })?;
    Ok(match (trusted, body) {
        (Some(trusted), Some(body)) => {
            let tags = trusted.tags.clone().or_else(|| body.tags.clone());
            OpenPipeOptions { tags, ..trusted.over(&body) }
        }
        (trusted, body) => trusted.or(body).unwrap_or_default(),
    })
}
