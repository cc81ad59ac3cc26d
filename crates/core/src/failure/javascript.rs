//! The names and codes of errors in JavaScript: the core's only table of that language. A host of another language adds one beside it.
//!
//! Node.js, undici and SDKs throw some errors without a code or a class of their own. These are recognised by their message.

use super::host_errors::ErrorTable;

/// The errors of JavaScript's programs.
static JAVASCRIPT: ErrorTable = ErrorTable {
    timeout_names: &["Timeout"],
    timeout_codes: &["TIMEDOUT", "TIMEOUT"],
    // zlib's, Brotli's, zstd's.
    body_codes: &["Z_DATA", "Z_BUF", "ERR__ERROR_FORMAT", "ERR_BROTLI", "ZSTD_", "ERR_NO_EVENT_STREAM"],
    connection_names: &["Connection", "Abort", "FetchError", "SocketError"],
    // undici's `fetch`, where the cause has no code.
    connection_messages: &["fetch failed", "terminated"],
    // Of `fetch`.
    header_refusals: &["invalid header value", "ByteString", "valid HTTP token"],
    // `ECONNRESET`, `EAI_AGAIN`, `UND_ERR_SOCKET`, `CERT_HAS_EXPIRED`, …
    system_codes: &["E", "UND_ERR_", "CERT_", "ERR_TLS", "ERR_SSL", "DEPTH_ZERO", "SELF_SIGNED", "UNABLE_TO"],
    unconnected_codes: &[
        "ECONNREFUSED",
        "ENOTFOUND",
        "EAI_AGAIN",
        "EHOSTUNREACH",
        "ENETUNREACH",
        "CERT_HAS_EXPIRED",
        "ERR_TLS_CERT_ALTNAME_INVALID",
    ],
};

/// The default table, for a host that names none.
impl Default for &'static ErrorTable {
    fn default() -> Self {
        &JAVASCRIPT
    }
}
