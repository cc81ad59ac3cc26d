//! The names by which JavaScript's programs know errors: the core's only table of that language. A host of another language adds
//! one beside it.
//!
//! Where Node.js, undici or an SDK gives an error no code and no class of its own, its message is all that there is to know it by.

/// Parts of class names and of codes of errors of a time that was up.
pub(super) const TIMEOUT_NAME: &str = "Timeout";
pub(super) const TIMEOUT_CODES: [&str; 2] = ["TIMEDOUT", "TIMEOUT"];
/// How the codes begin of a content encoding that is broken: zlib's, Brotli's, zstd's.
pub(super) const ENCODING_CODES: [&str; 5] = ["Z_DATA", "Z_BUF", "ERR__ERROR_FORMAT", "ERR_BROTLI", "ZSTD_"];
/// Parts of class names of errors of the connection.
pub(super) const CONNECTION_NAMES: [&str; 4] = ["Connection", "Abort", "FetchError", "SocketError"];
/// undici's `fetch` says no more than this where the cause is not an error of its own.
pub(super) const CONNECTION_MESSAGES: [&str; 2] = ["fetch failed", "terminated"];
/// Parts of the messages with which `fetch` refuses a header. They repeat it, and it may be a key.
pub(super) const HEADER_REFUSALS: [&str; 3] = ["invalid header value", "ByteString", "valid HTTP token"];
/// How the system's codes begin: `ECONNRESET`, `EAI_AGAIN`, `UND_ERR_SOCKET`, `CERT_HAS_EXPIRED`, …
pub(super) const SYSTEM_CODES: [&str; 8] =
    ["E", "UND_ERR_", "CERT_", "ERR_TLS", "ERR_SSL", "DEPTH_ZERO", "SELF_SIGNED", "UNABLE_TO"];
/// undici's code of a connection that ended without a word.
pub(crate) const CLOSED: &str = "UND_ERR_SOCKET";
/// The parser's code of a head that is no HTTP. hyper does not say how else one can be broken.
pub(crate) const NO_HTTP: &str = "HPE_INVALID_CONSTANT";
/// The same of a chunk that has no size.
pub(crate) const NO_CHUNK: &str = "HPE_INVALID_CHUNK_SIZE";
/// undici's code of a connection that was not there in time.
pub(crate) const CONNECT_TIMEOUT: &str = "UND_ERR_CONNECT_TIMEOUT";
/// Node.js' variable that names a file of further certificate authorities.
pub(crate) const EXTRA_CA_VARIABLE: &str = "NODE_EXTRA_CA_CERTS";
