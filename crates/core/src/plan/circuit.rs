//! Finds the circuit of a target: targets with the same URL, endpoint, credential, model and policy share one.

use http::HeaderValue;
use reqwest::Url;

use super::builder::Builder;
use super::{Target, Via};
use crate::endpoint::Endpoint;
use crate::options::UpstreamConfig;
use crate::policy::breaker::Subject;
use crate::text::credentials;

impl Target {
    /// The key of this target's circuit; `None` where the call brings a credential of its own, and so uses no circuit.
    #[must_use]
    pub fn circuit(&self, endpoint: Endpoint) -> Option<Subject<'_>> {
        if self.replaces_credential {
            return None;
        }
        let home = self.home.as_deref();
        let query = home.and_then(Url::query).unwrap_or_default().as_bytes();
        let mut credential = Vec::new();
        let (place, is_credential_known) = match &self.via {
            Via::Http { url, headers } => {
                let account = headers.iter().filter(|(name, _)| credentials::is_account(name.as_str()));
                credential.extend(account.map(|(_, value)| value.as_bytes()));
                (place(url), true)
            }
            Via::HttpWithHostHeaders { url, identity, overlay, .. } => {
                credential.push(identity.as_bytes());
                let account = overlay.layers.iter().flatten().filter(|(name, _)| credentials::is_account(name));
                credential.extend(account.filter_map(|(_, value)| value.as_deref()).map(str::as_bytes));
                (place(url), false)
            }
            Via::Client { identity, .. } => {
                credential.push(identity.as_bytes());
                (home.map_or(&b"client"[..], place), identity.shows_key())
            }
            Via::Unsendable => return None,
        };
        Some(Subject {
            place: [place, query],
            endpoint: endpoint.name(),
            credential,
            is_credential_known,
            model: &self.model,
        })
    }
}

impl Builder<'_> {
    /// Whether the call's headers or query replace the credential of the primary's upstream.
    pub(super) fn replaces_credential(&self, upstream: &UpstreamConfig, model: &str) -> bool {
        let by_header = self.call.headers.iter().any(|(name, value)| {
            let own = upstream.headers.get(name.as_str()).map(HeaderValue::as_bytes);
            credentials::is_account(name) && own != value.as_deref().map(str::as_bytes)
        });
        by_header
            || self
                .call
                .url
                .as_ref()
                .zip(upstream.urls.of(self.call.endpoint, model))
                .is_some_and(|(url, own)| has_other_key(url, &own))
    }
}

/// Whether a call's URL has a credential in its query that the upstream's URL does not have.
fn has_other_key(url: &str, own: &Url) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    url.query_pairs().any(|pair| {
        let names_key = pair.0.eq_ignore_ascii_case("key") || credentials::is_credential(&pair.0);
        names_key && !own.query_pairs().any(|other| other == pair)
    })
}

/// The URL of a request without its query, which may differ from call to call.
fn place(url: &Url) -> &[u8] {
    url.as_str().split(['?', '#']).next().unwrap_or_default().as_bytes()
}
