//! The upstream of a whole HTTP request, given by its URL and headers. It takes the place of the client's own upstream.

use std::sync::Arc;

use http::HeaderMap;
use reqwest::Url;
use serde::{Deserialize, Deserializer};

use super::parse_url;
use crate::text::headers::{self, HeaderList};

/// The upstream given by a request's own URL and headers (contract.md, section 11).
#[derive(Debug, Clone)]
pub struct RequestUpstream {
    url: Arc<Url>,
    headers: Arc<HeaderMap>,
    /// The same for the other targets of the call: without the query.
    other_url: Arc<Url>,
    other_headers: Arc<HeaderMap>,
}

impl RequestUpstream {
    /// The URL and headers for the primary, or for a target after it.
    #[must_use]
    pub fn target(&self, is_primary: bool) -> (Arc<Url>, Arc<HeaderMap>) {
        let (url, headers) =
            if is_primary { (&self.url, &self.headers) } else { (&self.other_url, &self.other_headers) };
        (Arc::clone(url), Arc::clone(headers))
    }
}

impl<'de> Deserialize<'de> for RequestUpstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Headers that only the primary gets.
        const PRIMARY_ONLY: [&str; 3] = ["openai-organization", "openai-project", "accept-encoding"];
        #[derive(Deserialize)]
        struct Wire {
            url: String,
            #[serde(default)]
            headers: HeaderList,
        }
        let wire = Wire::deserialize(deserializer)?;
        let url = parse_url("url", &wire.url).map_err(serde::de::Error::custom)?;
        let mut other_url = url.clone();
        other_url.set_query(None);
        let mut headers = HeaderMap::new();
        headers::overlay(&mut headers, &wire.headers).map_err(serde::de::Error::custom)?;
        let mut other_headers = headers.clone();
        PRIMARY_ONLY.iter().for_each(|name| drop(other_headers.remove(*name)));
        Ok(Self {
            url: Arc::new(url),
            headers: Arc::new(headers),
            other_url: Arc::new(other_url),
            other_headers: Arc::new(other_headers),
        })
    }
}
