//! The binding, which Node.js loads. It converts between JavaScript and the core, and decides nothing.
//!
//! JavaScript calls Rust synchronously, and each call returns at once ([`client`], [`mailbox`]). Rust sends messages to one mailbox per
//! environment, which JavaScript drains at each wake-up ([`mailbox`]). No other thread ever holds a promise or a JavaScript value.

mod call_events;
mod client;
mod events;
mod family;
mod handle;
mod host_client;
mod mailbox;
mod post;
mod protocol;
mod reports;
mod runtime;

use napi_derive::napi;
use openpipe_core::failure::Kind;

use crate::protocol::json;

/// The environment variables that hold the keys of known upstreams.
#[napi]
#[must_use]
pub fn upstream_variables() -> Vec<String> {
    openpipe_core::options::known::KNOWN.iter().map(|known| known.variable.to_owned()).collect()
}

/// The options that exist, as JSON: `[{ name, places, kind }]`.
#[napi]
#[must_use]
pub fn option_table() -> String {
    json(&openpipe_core::options::spec::OPTIONS)
}

/// Checks the constructor's `openpipe`, which lib/options/writer.js has written. Returns JSON: `{ error }`, or
/// `{ warnings, allowedInBody, upstreams, … }`.
#[napi(catch_unwind)]
#[must_use]
pub fn read_client_options(options: String) -> String {
    match openpipe_core::options::describe(&options) {
        Ok(read) => json(&read),
        Err(error) => json(&serde_json::json!({ "error": error.to_string() })),
    }
}

/// Whether a header or a query parameter holds a credential, by its name: it is sent only to the upstream that it was set for.
#[napi]
#[must_use]
pub fn is_credential(name: String) -> bool {
    openpipe_core::text::credentials::is_credential(&name)
}

/// Whether a retry may succeed after a failure of this kind.
#[napi]
#[must_use]
pub fn is_transient(kind: String) -> bool {
    Kind::ALL.into_iter().any(|known| known.name() == kind && known.is_transient())
}

/// Whether `fetch` refused a header with this message.
#[napi]
#[must_use]
pub fn is_header_refusal(message: String) -> bool {
    openpipe_core::failure::host_errors::is_header_refusal(&message)
}

/// Redacts these keys in a text, in every spelling.
#[napi(catch_unwind)]
#[must_use]
pub fn redact(mut text: String, keys: Vec<String>) -> String {
    let mut secrets = openpipe_core::text::secrets::Secrets::default();
    keys.iter().for_each(|key| secrets.add_key(key));
    secrets.redact(&mut text);
    text
}

/// The version of the addon, which is that of the package.
#[napi]
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
