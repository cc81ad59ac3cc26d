//! The names and codes of errors in JavaScript: the core's only table of that language. A host of another language adds one beside it.
//!
//! Node.js, undici and SDKs throw some errors without a code or a class of their own. These are recognised by their message.

/// Part of the class names of timeouts.
pub(super) const TIMEOUT_NAME: &str = "Timeout";
pub(super) const TIMEOUT_CODES: [&str; 2] = ["TIMEDOUT", "TIMEOUT"];
/// Prefixes of the codes of a broken content encoding: zlib's, Brotli's, zstd's.
pub(super) const ENCODING_CODES: [&str; 5] = ["Z_DATA", "Z_BUF", "ERR__ERROR_FORMAT", "ERR_BROTLI", "ZSTD_"];
/// Parts of the class names of connection errors.
pub(super) const CONNECTION_NAMES: [&str; 4] = ["Connection", "Abort", "FetchError", "SocketError"];
/// The whole messages of undici's `fetch` where the connection failed and the cause has no code.
pub(super) const CONNECTION_MESSAGES: [&str; 2] = ["fetch failed", "terminated"];
/// Parts of the messages with which `fetch` refuses a header. Such a message repeats the header, which may be a key.
pub(super) const HEADER_REFUSALS: [&str; 3] = ["invalid header value", "ByteString", "valid HTTP token"];
/// Prefixes of system codes: `ECONNRESET`, `EAI_AGAIN`, `UND_ERR_SOCKET`, `CERT_HAS_EXPIRED`, …
pub(super) const SYSTEM_CODES: [&str; 8] =
    ["E", "UND_ERR_", "CERT_", "ERR_TLS", "ERR_SSL", "DEPTH_ZERO", "SELF_SIGNED", "UNABLE_TO"];
/// undici's code of a connection that the peer closed without a response.
pub(crate) const CLOSED: &str = "UND_ERR_SOCKET";
/// The code that Node.js's parser has for a head that is not HTTP. hyper does not distinguish other faults of a head.
pub(crate) const NO_HTTP: &str = "HPE_INVALID_CONSTANT";
/// The same for a chunk without a size.
pub(crate) const NO_CHUNK: &str = "HPE_INVALID_CHUNK_SIZE";
/// undici's code of a connect timeout.
pub(crate) const CONNECT_TIMEOUT: &str = "UND_ERR_CONNECT_TIMEOUT";
/// The environment variable of Node.js that names a file of further certificate authorities.
pub(crate) const EXTRA_CA_VARIABLE: &str = "NODE_EXTRA_CA_CERTS";
