//! The URLs of an upstream's endpoints, and the check of a URL that a caller gives.

use std::sync::Arc;

use reqwest::Url;

use super::upstreams;
use crate::endpoint::Endpoint;

/// The URLs of an upstream.
#[derive(Debug, Clone)]
pub enum Urls {
    /// One for each endpoint, in the order of [`Endpoint::ALL`].
    Each([Arc<Url>; Endpoint::ALL.len()]),
    /// A base whose path names the model.
    Template(Arc<Url>),
}

impl Urls {
    /// The endpoints' paths below a base URL, whose query stays.
    #[must_use]
    pub fn below(base: &Url) -> Self {
        Self::Each(Endpoint::ALL.map(|endpoint| Arc::new(endpoint_url(base, endpoint))))
    }

    pub(super) fn same(url: &Url) -> Self {
        Self::Each(Endpoint::ALL.map(|_| Arc::new(url.clone())))
    }

    /// Below a base URL whose path has a mark for the model.
    pub(super) fn template(base: Url) -> Self {
        Self::Template(Arc::new(base))
    }

    /// That of an endpoint; `None` where the model's name would be a step within the path.
    #[must_use]
    pub fn of(&self, endpoint: Endpoint, model: &str) -> Option<Arc<Url>> {
        match self {
            Self::Each([chat, completions, responses, embeddings]) => Some(Arc::clone(match endpoint {
                Endpoint::ChatCompletions => chat,
                Endpoint::Completions => completions,
                Endpoint::Responses => responses,
                Endpoint::Embeddings => embeddings,
            })),
            Self::Template(base) => {
                upstreams::url_for_model(base, model).map(|base| Arc::new(endpoint_url(&base, endpoint)))
            }
        }
    }

    /// The URL without the path of an endpoint.
    pub(super) fn base(&self) -> Url {
        match self {
            Self::Template(base) => Url::clone(base),
            Self::Each([chat, ..]) => {
                let mut base = Url::clone(chat);
                let path = base.path().trim_end_matches(Endpoint::ChatCompletions.path()).to_owned();
                base.set_path(&path);
                base
            }
        }
    }
}

fn endpoint_url(base: &Url, endpoint: Endpoint) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), endpoint.path()));
    url
}

/// A URL that leads nowhere.
#[expect(clippy::expect_used, reason = "a constant, which a test parses")]
pub(super) fn nowhere() -> Url {
    Url::parse("http://unset.invalid/").expect("a valid URL")
}

/// A URL that HTTP can go to.
///
/// # Errors
/// Names the option.
pub fn parse_url(option: &str, text: &str) -> Result<Url, String> {
    // What is no URL at all may be a key in the wrong place, and one with a password holds a secret.
    let looks_like_one = text.contains('/') && !text.contains('@');
    let shown = if looks_like_one || text.len() <= 16 { format!("{text:?}") } else { "what was given".to_owned() };
    let url = Url::parse(text).map_err(|error| format!("`{option}`: {shown} is not a valid URL ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("`{option}`: {shown} is not an http or https URL"));
    }
    Ok(url)
}
