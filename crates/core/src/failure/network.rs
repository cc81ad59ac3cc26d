//! Why a connection could not be made, or broke.

use serde::Serialize;

/// The reason, by the name that programs look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The name that POSIX, the resolver or OpenSSL has for it: `ECONNREFUSED`, `CERT_HAS_EXPIRED`.
    Code(&'static str),
    /// A reason that has no such name.
    Fault(Fault),
}

/// The reasons of failed connections for which each language has its own code. The host's table of codes has a row for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The time to connect was up.
    ConnectTimeout,
    /// The peer closed the connection before the end of its response.
    Closed,
    /// The head of the response is not HTTP.
    NoHttp,
    /// A chunk of a chunked body has no size.
    NoChunk,
    /// The server does not speak TLS.
    NoTls,
    /// The server's certificate is for another name.
    CertificateName,
    /// The server ended the TLS handshake: it has no cipher or key exchange in common.
    HandshakeRefused,
    /// The server ended the TLS handshake: it has no version of the protocol in common.
    TlsVersion,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 8] = [
        Self::ConnectTimeout,
        Self::Closed,
        Self::NoHttp,
        Self::NoChunk,
        Self::NoTls,
        Self::CertificateName,
        Self::HandshakeRefused,
        Self::TlsVersion,
    ];
}

/// A failure of the system's network: the members by which hosts describe one beside its code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemError {
    /// The system's error number, negated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// `connect`, `getaddrinfo`, `read`.
    pub syscall: &'static str,
    /// The address that was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The name that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

impl SystemError {
    /// An error of a system call, and nothing else.
    #[must_use]
    pub fn of(syscall: &'static str) -> Self {
        Self { syscall, ..Self::default() }
    }
}
