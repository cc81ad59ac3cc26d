//! The options of a connection pool.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// The time limit for connecting: DNS, TCP, a proxy's CONNECT and TLS. The target's time may be shorter.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How connections are made. Equal settings share one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TransportSettings {
    /// Proxy for `http:` URLs.
    pub http_proxy: Option<String>,
    /// Proxy for `https:` URLs.
    pub https_proxy: Option<String>,
    /// Hosts that are connected to without a proxy, separated by commas or blanks.
    pub no_proxy: Option<String>,
    /// A PEM file of further root certificates.
    pub extra_ca_certs: Option<PathBuf>,
    /// The name of the host's setting for that file, for error messages.
    pub extra_ca_setting: Option<String>,
    /// Accept any certificate.
    pub accept_invalid_certs: bool,
}
