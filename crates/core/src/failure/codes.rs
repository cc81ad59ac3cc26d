//! Maps statuses, and the codes and phrases of error bodies, to kinds of failure (contract.md, section 3). One row for each code or
//! phrase, with the API that sends it; codes_tests.rs has a fixture for each.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::kinds::Kind;
use crate::text::json::{self, Members};

/// Codes and types of errors for used-up money or quota. Lower case.
const QUOTA_CODES: [&str; 25] = [
    "insufficient_quota",             // OpenAI, Azure, DeepInfra
    "billing_hard_limit_reached",     // OpenAI
    "billing_not_active",             // OpenAI
    "credit_balance_exhausted",       // xAI
    "insufficient_user_quota",        // New API, One API
    "pre_consume_token_quota_failed", // New API, One API
    "quota_not_enough",               // One API
    "exceeded_current_quota_error",   // Moonshot
    "insufficient_balance",           // DeepSeek, SiliconFlow
    "insufficient_balance_error",     // MiniMax
    "insufficient_credits",           // OpenRouter's resellers
    "insufficient_funds",             // NanoGPT
    "credits_exhausted",              // Together
    "quota_exceeded",                 // GitHub Copilot
    "budget_exceeded",                // LiteLLM's proxy
    "payment_required",               // Cerebras, Hugging Face
    "arrearage",                      // DashScope
    "1113",                           // Zhipu: the account is in arrears
    "accountoverdueerror",            // Volcengine, BytePlus
    "operationdenied.serviceoverdue", // Volcengine, BytePlus
    "setlimitexceeded",               // Volcengine, BytePlus: the limit that was set for the model
    "billing_insufficient_balance",   // Baidu's AI search
    "not_enough_balance",             // Novita, PPIO
    "token_quota_reached",            // watsonx.ai, with 403
    "3036",                           // Cloudflare: the allocation of the day is used up
];

/// Codes of a content filter. Lower case.
const CONTENT_FILTER_CODES: [&str; 17] = [
    "content_filter",                     // OpenAI, Azure
    "content_policy_violation",           // OpenAI's images
    "responsibleaipolicyviolation",       // Azure's inner error
    "data_inspection_failed",             // DashScope, compatible mode
    "datainspectionfailed",               // DashScope
    "1301",                               // Zhipu
    "image_content_policy_violation",     // OpenAI's Responses
    "bio_policy",                         // OpenAI's Responses
    "misalignment_policy_violation",      // OpenAI's Responses
    "sensitivecontentdetected",           // Volcengine, BytePlus; also of what follows a dot
    "inputtextsensitivecontentdetected",  // Volcengine, BytePlus
    "inputimagesensitivecontentdetected", // Volcengine, BytePlus
    "outputtextsensitivecontentdetected", // Volcengine, BytePlus
    "inputtextriskdetection",             // Volcengine, BytePlus
    "outputtextriskdetection",            // Volcengine, BytePlus
    "censorship_blocked",                 // StepFun, with 451
    "unsafe_request",                     // Baidu
];

/// Codes and types of errors for an input that is too long for the model. Lower case.
const CONTEXT_LENGTH_CODES: [&str; 11] = [
    "context_length_exceeded",          // OpenAI, Azure, Groq, Cerebras
    "exceed_context_size_error",        // llama.cpp
    "contextwindowexceedederror",       // LiteLLM
    "invalid_request_prompt_too_long",  // Mistral
    "3051",                             // Mistral
    "1261",                             // Zhipu
    "model_max_prompt_tokens_exceeded", // GitHub Copilot
    "tokens_limit_reached",             // GitHub Models
    "tokens_too_long",                  // Baidu: cloud.baidu.com/doc/qianfan-api/s/Om9b4yj3w
    "characters_too_long",              // Baidu: the same page
    "token_limit_exceeded",             // Glean
];

/// Phrases of messages for an input that is too long, where no code says so. A message matches a row if it has all its parts, in any case.
const CONTEXT_LENGTH_PHRASES: [&[&str]; 47] = [
    &["maximum context length"],     // OpenAI, vLLM, DeepSeek, OpenRouter, Mistral, Fireworks
    &["maximum context window"],     // Scaleway
    &["exceed", "context window"],   // OpenAI's Responses, MiniMax, Cloudflare, llama-cpp-python
    &["exceed", "context length"],   // Ollama, LiteLLM's proxy
    &["exceed", "context limit"],    // Anthropic: input length and `max_tokens`
    &["available context size"],     // llama.cpp
    &["configured context size"],    // DS4
    &["contextwindowexceedederror"], // LiteLLM
    &["prompt is too long"],         // Anthropic, Fireworks
    &["prompt too long"],            // Ollama
    &["prompt exceeds max length"],  // Z.ai
    &["tokens in request more than max tokens allowed"], // Z.ai
    &["reduce the length of the messages"], // Groq, Cerebras
    &["input token count", "exceeds the maximum"], // Gemini
    &["input token count", "model only supports up to"], // Vertex AI
    &["too large for model with"],   // Mistral
    &["longer than the maximum model length"], // vLLM
    &["is too long and exceeds limit"], // vLLM
    &["too long to fit into the model"], // vLLM: vllm-project/vllm#12165
    &["reduce the length of the input"], // vLLM
    &["max_model_len", "exceed"],    // vLLM
    &["longer than", "context length"], // SGLang, Together
    &["longer than", "context window"], // the same in the other word
    &["too long", "context window"], // the same
    &["input length", "exceeds the maximum allowed"], // SGLang, Poolside
    &["greater than the context length"], // LM Studio
    &["context the overflows"],      // LM Studio
    &["input is too long"],          // Bedrock: Claude
    &["too many input tokens"],      // Bedrock: Titan
    &["input too long"],             // Anyscale: portkey.ai/error-library/input-length-error-10000
    &["maximum prompt length"],      // xAI
    &["too many tokens: total number of tokens"], // Cohere
    &["`inputs` tokens + `max_new_tokens`"], // TGI, Together
    &["`inputs` must have less than"], // TGI
    &["range of input length should be"], // DashScope
    &["exceeded model token limit"], // Moonshot
    &["must be less than max_seq_len"], // SiliconFlow
    &["exceeded max_prompt_tokens"], // SiliconFlow: continuedev/continue#9971
    &["prompt token count", "exceeds the limit"], // GitHub Copilot
    &["exceeds", "maximum input length"], // TensorRT-LLM, DeepInfra
    &["exceeds maximum allowed token size"], // NVIDIA NIM: run-llama/llama_index#15180
    &["greater than max_seq_len"],   // TabbyAPI
    &["sum of prompt length", "max_num_tokens"], // TensorRT-LLM, also behind OpenRouter
    &["number of input tokens", "cannot exceed"], // watsonx.ai
    &["input length", "exceeds the maximum length"], // Volcengine, BytePlus
    &["exceed max message tokens"],  // Volcengine, BytePlus
    &["prompt tokens too long"],     // Baidu
];

/// The most characters of an upstream's text that a message quotes; the failure's body has all of it.
const MAX_MESSAGE: usize = 1000;

/// The most characters of a nested provider's error that are compared with the tables.
const MAX_NESTED: usize = 16 * 1024;

/// The codes, message and status of an error body, in any of the shapes that providers send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Its codes and types in lower case; those of the error itself before those of objects in it.
    pub codes: Vec<String>,
    /// Its message; empty where it has none.
    pub message: String,
    /// The HTTP status that it names: `error.code: 429`, `"status": "503"`.
    pub status: Option<u16>,
    /// The error text of the provider behind a router (OpenRouter). Compared with the tables, but not quoted.
    nested: String,
}

impl ErrorBody {
    /// Reads the body of an error, or the data of an event: an object with the error as its member `error`, or the error itself.
    #[must_use]
    pub fn of(body: &str) -> Self {
        let mut error = Self::default();
        // Gemini's compatible API sends an array of one.
        let text = json::first_element(body).map_or(body, |(first, _)| first.get());
        match Members::of(text) {
            Ok(members) => error.read(&members),
            Err(_) => error.message = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.trim().to_owned()),
        }
        error.message = error.message.chars().take(MAX_MESSAGE).collect();
        error
    }

    /// The kind of a response with this status.
    #[must_use]
    pub fn kind(&self, status: u16) -> Kind {
        let has = |table: &[&str]| self.has(table);
        match status {
            402 => Kind::Quota,
            403 | 429 if has(&QUOTA_CODES) => Kind::Quota,
            400..=499 if has(&CONTEXT_LENGTH_CODES) => Kind::ContextLength,
            400..=499 if has(&CONTENT_FILTER_CODES) => Kind::ContentFilter,
            429 => Kind::RateLimit,
            408 | 409 | 500.. => Kind::ServerError,
            401 | 403 => Kind::Auth,
            400..=499 if self.is_input_too_long() => Kind::ContextLength,
            404 => Kind::NotFound,
            400..=499 => Kind::BadRequest,
            _ => Kind::InvalidResponse,
        }
    }

    /// The kind of an error of OpenAI's Responses by its code alone; `None` for any other code.
    #[must_use]
    pub fn kind_of_code(&self) -> Option<Kind> {
        let has = |table: &[&str]| self.has(table);
        let kinds = [
            (has(&QUOTA_CODES), Kind::Quota),
            (has(&CONTEXT_LENGTH_CODES), Kind::ContextLength),
            (has(&CONTENT_FILTER_CODES), Kind::ContentFilter),
            (has(&["rate_limit_exceeded"]), Kind::RateLimit),
            (has(&["server_error", "vector_store_timeout"]), Kind::ServerError),
            (has(&["invalid_prompt", "data_residency_mismatch"]), Kind::BadRequest),
            (self.codes.iter().any(|code| code.split('_').any(|word| word == "image")), Kind::BadRequest),
        ];
        kinds.into_iter().find(|(is_it, _)| *is_it).map(|(_, kind)| kind)
    }

    /// Whether a code is in the table, as a whole or up to a dot: Volcengine adds a detail, as in `SensitiveContentDetected.Violence`.
    fn has(&self, table: &[&str]) -> bool {
        let stem = |code: &str| code.split('.').next().is_some_and(|stem| table.contains(&stem));
        self.codes.iter().any(|code| table.contains(&code.as_str()) || stem(code))
    }

    fn is_input_too_long(&self) -> bool {
        let text = format!("{} {}", self.message, self.nested).to_lowercase();
        // A message about the limit of the answer, not of the input: one that begins with `max_tokens` or the like, or calls it too large.
        let begins = text.trim_start_matches(|first: char| !first.is_ascii_alphanumeric());
        let is_output = ["max_tokens", "max_completion_tokens", "max_new_tokens"]
            .iter()
            .any(|name| begins.starts_with(name) || (text.contains("too large") && text.contains(name)));
        !is_output && CONTEXT_LENGTH_PHRASES.iter().any(|row| row.iter().all(|words| text.contains(words)))
    }

    fn read(&mut self, members: &Members<'_>) {
        if let Some(error) = members.get_non_null("error") {
            match Members::of(error.get()) {
                Ok(inner) => self.read_marks(&inner),
                Err(_) => self.set_message(error),
            }
        }
        self.read_marks(members);
        // MiniMax, Cloudflare's and watsonx.ai's list of errors, DeepInfra's detail.
        let nested = [members.get("base_resp"), members.get("errors").and_then(first_of), members.get("detail")];
        for inner in nested.into_iter().flatten() {
            if let Ok(inner) = Members::of(inner.get()) {
                self.read_marks(&inner);
            }
        }
    }

    fn read_marks(&mut self, members: &Members<'_>) {
        for name in ["code", "type", "error_code", "status_code", "reason"] {
            self.codes.extend(members.get(name).and_then(text_of).map(|code| code.to_lowercase()));
        }
        for name in ["code", "status", "status_code", "http_code"] {
            let number = members.get(name).and_then(text_of).and_then(|text| text.parse::<u16>().ok());
            self.status = self.status.or(number.filter(|status| (400..=599).contains(status)));
        }
        for name in ["message", "error_message", "status_msg", "msg", "detail", "error_msg", "text"] {
            if let Some(value) = members.get_non_null(name).and_then(message_in) {
                self.set_message(value);
            }
        }
        let inner = |name: &str| serde_json::from_str::<Members<'_>>(members.get(name)?.get()).ok();
        if let Some(inner) = inner("innererror") {
            self.codes.extend(inner.get("code").and_then(json::decoded).map(|code| code.to_lowercase()));
        }
        // OpenRouter quotes the error of the provider behind it.
        if let Some(raw) = inner("metadata").and_then(|metadata| json::decoded(metadata.get("raw")?)) {
            self.codes.extend(Self::of(&raw).codes);
            self.nested = raw.chars().take(MAX_NESTED).collect();
        }
    }

    fn set_message(&mut self, value: &RawValue) {
        if self.message.is_empty() && json::has_truthy_scalar(value.get()) {
            self.message = json::decoded(value).unwrap_or_else(|| value.get().to_owned());
        }
    }
}

/// The message in a member: its own text, or the `error` or `message` of an object.
fn message_in(value: &RawValue) -> Option<&RawValue> {
    let Ok(members) = serde_json::from_str::<BTreeMap<&str, &RawValue>>(value.get()) else { return Some(value) };
    let text = |name: &str| members.get(name).copied().filter(|text| text.get().starts_with('"'));
    Some(text("error").or_else(|| text("message")).unwrap_or(value))
}

fn first_of(array: &RawValue) -> Option<&RawValue> {
    json::first_element(array.get()).map(|(first, _)| first)
}

/// A text, or a number as it is written.
fn text_of(value: &RawValue) -> Option<String> {
    if value.get().starts_with('"') {
        return json::decoded(value);
    }
    value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()).then(|| value.get().to_owned())
}

#[cfg(test)]
#[path = "codes_tests.rs"]
mod tests;
