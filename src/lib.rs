//! The binding: what Node.js loads. It converts, calls the core, and converts back; it takes no decision.
//!
//! Everything goes one of two ways. From JavaScript: plain synchronous calls that return at once ([`client`], [`mailbox`]).
//! To JavaScript: messages in one mailbox per environment, drained in a single wake-up ([`mailbox`]). No promise and no
//! JavaScript value is ever held by another thread.

mod call;
mod client;
mod js_upstream;
mod mailbox;
mod post;
mod reports;
mod runtime;

use napi_derive::napi;

/// Of the known names the one that an unknown one was probably meant to be, for a warning; `null` where none is near.
#[napi]
pub fn nearest_name(unknown: String, known: Vec<String>) -> Option<String> {
    openpipe_core::options::nearest_name(&unknown, &known)
}

/// The upstream that a call's first target is, before it has been asked: for a log that says what is being waited for.
#[napi(ts_return_type = "'openpipe' | 'openai'")]
#[must_use]
pub fn primary_service(model: String, cached: bool) -> &'static str {
    openpipe_core::plan::route::primary(&model, cached).name()
}

/// Whether a header proves who somebody is, so that it goes to the upstream it was written for and nowhere else.
#[napi]
#[must_use]
pub fn is_credential(name: String) -> bool {
    openpipe_core::text::secrets::is_credential(&name)
}

/// The version of the addon, which is that of the package.
#[napi]
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
