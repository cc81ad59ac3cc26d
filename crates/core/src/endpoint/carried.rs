//! Recognises errors inside responses with a 2xx status, in the forms of all providers (contract.md, section 3).

use serde_json::value::RawValue;

use crate::text::json::{self, Members};

/// Whether a member `error` is an error. An empty one is not, if the object has an answer (`has_answer`) or is something else
/// (`is_something`: it has choices or a usage): some gateways put an empty `error` on each event.
#[must_use]
pub(super) fn is_error(error: Option<&RawValue>, has_answer: bool, is_something: bool) -> bool {
    error.is_some_and(|error| {
        error.get() != "null" && (json::has_truthy_scalar(error.get()) || (!has_answer && !is_something))
    })
}

/// Whether an object without an answer has a provider's own mark of an error.
#[must_use]
pub(super) fn is_marked(members: &Members<'_>) -> bool {
    let is = |name: &str, value: &str| members.get(name).is_some_and(|raw| json::is_quoted(raw.get(), value));
    let says = |name: &str| members.get(name).is_some_and(is_code_of_failure);
    let base = members.get("base_resp").and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
    is("object", "error")                                                   // vLLM, Mistral
        || is("type", "error")                                              // Anthropic
        || says("error_code")                                               // FastChat, Baidu
        || (says("code") && members.get_non_null("message").is_some())      // DashScope, SiliconFlow
        || base.is_some_and(|base| base.get("status_code").is_some_and(is_code_of_failure)) // MiniMax
        || members.get("success").is_some_and(|success| success.get() == "false") // Cloudflare, Zhipu
}

fn is_code_of_failure(code: &RawValue) -> bool {
    json::has_truthy_scalar(code.get()) && !matches!(code.get(), "200" | "\"200\"" | "\"0\"")
}

/// Whether the `error` of an event is empty and to be ignored, because the event has an answer or a usage.
#[must_use]
pub(super) fn empty_error(data: &str) -> Option<&RawValue> {
    let members = Members::of(data).ok()?;
    members.get_non_null("choices").or(members.get_non_null("usage"))?;
    members.get_non_null("error").filter(|error| !json::has_truthy_scalar(error.get()))
}

/// The element of an array of one: Gemini's compatible API and Vertex AI send an error as `[{"error": …}]`.
#[must_use]
pub(super) fn only_element(text: &str) -> Option<&str> {
    json::first_element(text).filter(|(_, count)| *count == 1).map(|(only, _)| only.get())
}

/// Whether the body of a response that is not an answer has an error.
#[must_use]
pub(super) fn error_in(text: &str) -> bool {
    let text = only_element(text).unwrap_or(text);
    Members::of(text).is_ok_and(|members| is_error(members.get("error"), false, false) || is_marked(&members))
}

/// An error as the body of a failure: `{ "error": … }`.
#[must_use]
pub(super) fn body_of(error: &RawValue) -> String {
    format!("{{\"error\":{}}}", error.get())
}
