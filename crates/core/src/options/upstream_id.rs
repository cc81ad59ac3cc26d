//! Kinds of upstreams, and the ids by which options refer to them.

/// The kind of a target's upstream. Attempts show its name instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamKind {
    /// OpenPipe's own API.
    OpenPipe,
    /// The client's own base URL.
    Own,
    /// A declared upstream.
    Named,
    /// A custom client that the user passed in.
    HostClient,
    /// The URL and headers of the caller's own HTTP request, where a door takes whole requests.
    Request,
}

impl UpstreamKind {
    /// The name in attempts and logs of an upstream that has no name of its own.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenPipe => "openpipe",
            Self::Own => "openai",
            Self::Named => "upstream",
            Self::HostClient => "client",
            Self::Request => "request",
        }
    }
}

/// An upstream that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamId {
    /// The client's own.
    Own,
    /// OpenPipe.
    OpenPipe,
    /// A declared one, by its number.
    Named(usize),
}
