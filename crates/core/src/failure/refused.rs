//! Recognises a refused key and a used-up quota, which open a circuit at once (contract.md, section 3).

use std::num::NonZeroU16;

use crate::failure::{Failure, Kind};
use crate::text::json::{self, Members};

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The key, whatever it is used for: 401, or 403 with one of [`KEY_CODES`].
    Key,
    /// The quota of the key for a model.
    Quota,
}

/// Codes and types of a 403 that mean that the key itself is refused, as of 2026-11 in the documentation of OpenAI, Azure, Anthropic,
/// Mistral, DeepSeek, Moonshot, DashScope, xAI and LiteLLM. Any other 403 is about a model, a region or content.
const KEY_CODES: [&str; 26] = [
    "access_key_disabled",
    "account_deactivated",
    "account_disabled",
    "account_suspended",
    "api_key_disabled",
    "api_key_expired",
    "api_key_invalid",
    "api_key_revoked",
    "authentication_error",
    "expired_api_key",
    "incorrect_api_key",
    "invalid_api_key",
    "invalid_apikey",
    "invalid_authentication",
    "invalid_authentication_error",
    "invalid_key",
    "invalid_token",
    "invalidapikey",
    "key_disabled",
    "key_expired",
    "organization_deactivated",
    "organization_disabled",
    "project_archived",
    "token_expired",
    "user_deactivated",
    "user_suspended",
];

impl Failure {
    /// Whether the key or its quota was refused: the next request will be refused as well.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        if self.kind == Kind::Quota {
            return Some(Refused::Quota);
        }
        if self.kind != Kind::Auth {
            return None;
        }
        match self.named_status.map(NonZeroU16::get).or(self.status_code())? {
            401 => Some(Refused::Key),
            403 if names_key(self.body.as_deref()?) => Some(Refused::Key),
            _ => None,
        }
    }
}

/// Whether an error body has one of the codes, as the `code`, `type` or `status` of the error or of the body.
fn names_key(body: &str) -> bool {
    let Ok(members) = serde_json::from_str::<Members<'_>>(body) else { return false };
    let error = members.get("error").and_then(|error| serde_json::from_str::<Members<'_>>(error.get()).ok());
    error.iter().chain([&members]).any(|members| {
        let values = ["code", "type", "status"].into_iter().filter_map(|name| json::decoded(members.get(name)?));
        values
            .into_iter()
            .any(|value| KEY_CODES.contains(&value.to_ascii_lowercase().replace(['-', ' '], "_").as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Head;

    #[test]
    fn a_refusal_is_recognised_by_its_status_and_code() {
        for (status, body, refused) in [
            (401, "", Some(Refused::Key)),
            (401, r#"{"error":{"code":"whatever"}}"#, Some(Refused::Key)),
            (403, "", None),
            (403, "<html>blocked</html>", None),
            (403, r#"{"error":{"code":"model_not_found"}}"#, None),
            (403, r#"{"error":{"type":"permission_error"}}"#, None),
            (403, r#"{"error":{"code":"unsupported_country_region_territory"}}"#, None),
            (403, r#"{"error":{"code":"invalid_api_key"}}"#, Some(Refused::Key)),
            (403, r#"{"error":{"code":"account_deactivated","type":"invalid_request_error"}}"#, Some(Refused::Key)),
            (403, r#"{"error":{"type":"authentication_error"}}"#, Some(Refused::Key)),
            (403, r#"{"code":"InvalidApiKey","message":"no"}"#, Some(Refused::Key)),
            (403, r#"{"error":{"code":403,"status":"API_KEY_INVALID"}}"#, Some(Refused::Key)),
            (404, r#"{"error":{"code":"invalid_api_key"}}"#, None),
            (500, r#"{"error":{"code":"invalid_api_key"}}"#, None),
        ] {
            let failure = Failure::status(Head { status, ..Head::default() }, body.to_owned());
            assert_eq!(failure.refused(), refused, "{status} {body}");
        }
    }

    #[test]
    fn a_key_function_that_fails_is_not_a_refusal() {
        let failure = Failure::new(Kind::Auth, crate::failure::Surface::Client, "the vault is closed");
        assert_eq!(failure.refused(), None);
    }
}
