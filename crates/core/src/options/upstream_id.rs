//! What upstreams there are.

/// The kind of upstream that a target is. What people see is its name, as in `attempt.upstream`.
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
    /// The name that attempts and logs give to an upstream that was declared without one.
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
