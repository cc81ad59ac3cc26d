//! The URLs of an upstream's endpoints, and the check of a URL that a caller gives.

use std::sync::Arc;

use base64::Engine as _;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::read::ArgumentError;
use crate::endpoint::Endpoint;
use crate::text::headers;

/// The URLs of an upstream.
#[derive(Debug, Clone)]
pub enum Urls {
    /// One for each endpoint, in the order of [`Endpoint::ALL`].
    Each([Arc<Url>; Endpoint::ALL.len()]),
    /// A base URL with a mark for the model in its path.
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

    /// The URL of an endpoint; `None` where the model's name would be a dot segment (RFC 3986), such as `..`.
    #[must_use]
    pub fn of(&self, endpoint: Endpoint, model: &str) -> Option<Arc<Url>> {
        match self {
            Self::Each([chat, completions, responses, embeddings]) => Some(Arc::clone(match endpoint {
                Endpoint::ChatCompletions => chat,
                Endpoint::Completions => completions,
                Endpoint::Responses => responses,
                Endpoint::Embeddings => embeddings,
            })),
            Self::Template(base) => url_for_model(base, model).map(|base| Arc::new(endpoint_url(&base, endpoint))),
        }
    }

    /// The URL without the path of an endpoint.
    pub(super) fn base(&self) -> Url {
        match self {
            Self::Template(base) => Url::clone(base),
            Self::Each([chat, ..]) => {
                let mut base = Url::clone(chat);
                if let Some(path) = base.path().strip_suffix(Endpoint::ChatCompletions.path()).map(str::to_owned) {
                    base.set_path(&path);
                }
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

/// A placeholder URL, which cannot be resolved.
#[expect(clippy::expect_used, reason = "a constant, which a test parses")]
pub(super) fn nowhere() -> Url {
    Url::parse("http://unset.invalid/").expect("a valid URL")
}

/// Parses an http or https URL.
///
/// # Errors
/// Names the option.
pub fn parse_url(option: &str, text: &str) -> Result<Url, String> {
    // A text that is not a URL may be a key in the wrong place, and a URL with a password holds a secret.
    let looks_like_one = text.contains('/') && !text.contains('@');
    let shown = if looks_like_one || text.len() <= 16 { format!("{text:?}") } else { "what was given".to_owned() };
    let url = Url::parse(text).map_err(|error| format!("`{option}`: {shown} is not a valid URL ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("`{option}`: {shown} is not an http or https URL"));
    }
    Ok(url)
}

/// The URLs below the base URL of an upstream, and the credentials in that URL, as the value of an `Authorization` header.
///
/// # Errors
/// Where the base is not a URL, has a query or a fragment, or has `{model}` outside of its path.
pub(super) fn with_credentials(
    option: &str,
    base: &str,
    query: &[(String, String)],
) -> Result<(Urls, Option<HeaderValue>), ArgumentError> {
    let malformed = |message: String| {
        let prefix = format!("`{option}`: ");
        ArgumentError::other(option, message.strip_prefix(&prefix).unwrap_or(&message))
    };
    // The parser would encode the braces, so a mark replaces them; it is allowed in the path only.
    let plain = base.replace("{model}", MODEL_MARK);
    let mut url = parse_url(option, &plain).map_err(malformed)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ArgumentError::other(option, "must have no query and no fragment: `query` is for that"));
    }
    if plain.matches(MODEL_MARK).count() != url.path().matches(MODEL_MARK).count() {
        return Err(ArgumentError::other(option, "may have `{model}` in its path only"));
    }
    let basic = (!url.username().is_empty() || url.password().is_some()).then(|| {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
        headers::header_value(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    });
    // Both setters succeed for http and https URLs.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let urls = if url.path().contains(MODEL_MARK) { Urls::template(url) } else { Urls::below(&url) };
    Ok((urls, basic.flatten()))
}

/// The mark that replaces `{model}` before a URL is parsed.
pub(super) const MODEL_MARK: &str = "openpipe-native.model.here";

/// The URL for a model; `None` where its name would be a dot segment (RFC 3986), such as `..`.
#[must_use]
fn url_for_model(template: &Url, model: &str) -> Option<Url> {
    if is_dot_segment(model) {
        return None;
    }
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let encoded = percent_encoding::utf8_percent_encode(model, RESERVED).to_string();
    let mut url = template.clone();
    url.set_path(&template.path().replace(MODEL_MARK, &encoded));
    Some(url)
}

/// Whether a name is `.`, `..` or empty, however often it is percent-encoded. A name that is encoded more than 16 times also counts as
/// one, so that the cost stays linear.
fn is_dot_segment(name: &str) -> bool {
    const MOST_DECODINGS: usize = 16;
    let mut decoded = name.to_owned();
    for _ in 0..MOST_DECODINGS {
        if matches!(decoded.as_str(), "" | "." | "..") {
            return true;
        }
        let again = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if again == decoded {
            return false;
        }
        decoded = again;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_url_without_one_path_of_an_endpoint() {
        for base in ["https://x.test/v1", "https://x.test/v1/chat/completions", "https://x.test/chat/completions"] {
            let urls = Urls::below(&Url::parse(base).unwrap());
            assert_eq!(urls.base().as_str(), base);
        }
    }
}
