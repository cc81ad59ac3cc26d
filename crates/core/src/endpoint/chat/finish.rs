//! Finish reasons: none, good or failed. The one table for completions and streams (contract.md, section 3).

use serde_json::value::RawValue;

use crate::text::json;

/// Reasons that mean that the answer failed. In lower case, `-` as `_`.
const FAILED: [&str; 5] = [
    "error",                        // OpenRouter
    "network_error",                // Z.ai
    "insufficient_system_resource", // DeepSeek
    "abort",                        // vLLM, SGLang
    "aborted",                      // xAI's and others' gateways
];
/// Texts that some servers write where there is no finish reason yet.
const NONE: [&str; 3] = ["", "null", "None"];

/// The meaning of a finish reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The choice has not ended.
    None,
    /// It has ended well, for whatever reason.
    Good,
    /// It has failed; holds the reason as it was sent.
    Failed(String),
}

impl Finish {
    /// Reads a `finish_reason`.
    #[must_use]
    pub fn of(reason: Option<&RawValue>) -> Self {
        let Some(reason) = reason else { return Self::None };
        match reason.get() {
            "null" | "false" | "0" | "[]" | "{}" => Self::None,
            // A shortcut for the reasons that OpenAI sends.
            "\"stop\"" | "\"length\"" | "\"tool_calls\"" => Self::Good,
            _ => match json::decoded(reason) {
                Some(text) if NONE.contains(&text.trim()) => Self::None,
                Some(text) if FAILED.contains(&text.trim().to_lowercase().replace('-', "_").as_str()) => {
                    Self::Failed(text)
                }
                _ => Self::Good,
            },
        }
    }

    /// The choice has ended.
    #[must_use]
    pub fn is_some(&self) -> bool {
        *self != Self::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(reason: &str) -> Finish {
        Finish::of(Some(serde_json::from_str(reason).unwrap()))
    }

    #[test]
    fn reasons_of_a_failure_are_recognised_in_any_case_and_with_either_dash() {
        for reason in
            ["error", "ERROR", "network_error", "network-error", "insufficient_system_resource", "abort", "Aborted"]
        {
            assert_eq!(finish(&json::string(reason)), Finish::Failed(reason.into()));
        }
    }

    #[test]
    fn every_other_name_is_a_good_end() {
        for reason in
            ["stop", "length", "tool_calls", "function_call", "content_filter", "sensitive", "model_length", "eos", "x"]
        {
            assert_eq!(finish(&json::string(reason)), Finish::Good);
        }
    }

    #[test]
    fn empty_values_are_not_a_reason() {
        for reason in ["null", "\"\"", "\"null\"", "\"None\"", "false", "0"] {
            assert_eq!(finish(reason), Finish::None, "{reason}");
        }
        assert_eq!(Finish::of(None), Finish::None);
    }
}
