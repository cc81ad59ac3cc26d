//! Where a model is served: the table of contract.md, section 2.

/// The kind of upstream that a target is. What people see is its name, as in `attempt.upstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamKind {
    /// OpenPipe's own API.
    OpenPipe,
    /// The client's own base URL.
    Own,
    /// A custom client that the user passed in.
    HostClient,
    /// The URL and headers of the request that a `fetch` was called with.
    Request,
}

impl UpstreamKind {
    /// The name of an upstream that has none of its own.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenPipe => "openpipe",
            Self::Own => "openai",
            Self::HostClient => "client",
            Self::Request => "request",
        }
    }
}

/// Models with these prefixes are OpenPipe's to serve.
const OPENPIPE_PREFIXES: [&str; 4] = ["openpipe:", "openai:", "anthropic:", "gemini:"];

/// The upstream of a primary: by its model, or OpenPipe where the call asks for its cache.
#[must_use]
pub fn primary(model: &str, cached: bool) -> UpstreamKind {
    if cached { UpstreamKind::OpenPipe } else { by_model(model) }
}

/// The upstream that has a model of this name.
#[must_use]
pub fn by_model(model: &str) -> UpstreamKind {
    let is_openpipes = OPENPIPE_PREFIXES.iter().any(|prefix| model.starts_with(prefix));
    if is_openpipes { UpstreamKind::OpenPipe } else { UpstreamKind::Own }
}

/// A fallback's JavaScript client: its own, else the constructor's.
#[must_use]
pub fn fallback_client(own: Option<u32>, constructors: Option<u32>) -> Option<u32> {
    own.or(constructors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_table() {
        for (model, cached, kind) in [
            ("openpipe:my-ft", false, UpstreamKind::OpenPipe),
            ("openai:gpt-4o", false, UpstreamKind::OpenPipe),
            ("anthropic:claude", false, UpstreamKind::OpenPipe),
            ("gemini:flash", false, UpstreamKind::OpenPipe),
            ("gpt-4o", false, UpstreamKind::Own),
            ("gpt-4o", true, UpstreamKind::OpenPipe),
            ("ft:openpipe:x", false, UpstreamKind::Own),
            ("OpenPipe:x", false, UpstreamKind::Own),
        ] {
            assert_eq!(primary(model, cached), kind, "{model} {cached}");
        }
    }

    #[test]
    fn a_fallbacks_own_client_comes_before_the_constructors() {
        assert_eq!(fallback_client(Some(1), Some(2)), Some(1));
        assert_eq!(fallback_client(None, Some(2)), Some(2));
        assert_eq!(fallback_client(None, None), None);
    }
}
