//! Which headers and query parameters hold a credential, by their names (contract.md, section 2).

use std::borrow::Cow;

/// Whether a header or a query parameter may hold a credential, by its name. A credential is sent only to the upstream that it was set
/// for; a name in doubt counts as one.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let name = lower(name);
    is_lasting(&name) || is_of_one_call(&name)
}

/// Whether a header is a credential that stays the same from call to call, so that it identifies an account.
#[must_use]
pub fn is_account(name: &str) -> bool {
    let name = lower(name);
    is_lasting(&name) && !is_of_one_call(&name)
}

/// Whether a credential is valid for one session or request only, by parts of its name.
fn is_of_one_call(name: &str) -> bool {
    const ANYWHERE: [&str; 5] = ["session", "signature", "jwt", "assertion", "ticket"];
    const PARTS: [&str; 10] = ["sig", "sid", "sign", "signed", "otp", "totp", "dpop", "nonce", "mfa", "hmac"];
    holds(name, &ANYWHERE) || parts(name).any(|part| PARTS.contains(&part))
}

fn is_lasting(name: &str) -> bool {
    const ANYWHERE: [&str; 14] = [
        "authoriz",
        "authent",
        "cookie",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "credential",
        "bearer",
        "token",
        "principal",
        "userinfo",
        "access-code",
    ];
    const PARTS: [&str; 17] = [
        "authn",
        "authz",
        "pass",
        "passw",
        "pwd",
        "cred",
        "creds",
        "sas",
        "cert",
        "certificate",
        "saml",
        "identity",
        "claims",
        "vk",
        "pin",
        "login",
        "oauth2",
    ];
    holds(name, &ANYWHERE)
        || parts(name).any(|part| PARTS.contains(&part) || is_auth(part) || part.starts_with("passw"))
        || has_key(name)
}

/// `auth`, `oauth`, `authkey`, but not `author`.
fn is_auth(part: &str) -> bool {
    part.ends_with("auth") || (part.starts_with("auth") && !part.starts_with("author"))
}

/// Whether a name ends in `key`, also with a version after it; not an idempotency key, which every target needs.
fn has_key(name: &str) -> bool {
    const OPEN_NOTHING: [&str; 12] = [
        "idempotency",
        "idempotence",
        "cache",
        "routing",
        "partition",
        "shard",
        "affinity",
        "dedup",
        "deduplication",
        "correlation",
        "surrogate",
        "sort",
    ];
    const WORDS: [&str; 4] = ["monkey", "turkey", "hotkey", "whiskey"];
    let mut before = "";
    for part in parts(name) {
        let is_key = part == "key" || part == "keys" || (part.ends_with("key") && !WORDS.contains(&part));
        if is_key && !(part.starts_with("key") && OPEN_NOTHING.contains(&before)) {
            return true;
        }
        before = part;
    }
    false
}

/// The words of a name, which separators divide.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|character: char| !character.is_ascii_alphanumeric()).filter(|part| !part.is_empty())
}

fn lower(name: &str) -> Cow<'_, str> {
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) }
}

/// Whether a name contains one of these. Compares windows of bytes: `str::contains` first builds a searcher, which costs more than
/// the search of so short a text.
fn holds(name: &str, parts: &[&str]) -> bool {
    let name = name.as_bytes();
    (0..name.len())
        .any(|at| parts.iter().any(|part| name[at] == part.as_bytes()[0] && name[at..].starts_with(part.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_recognised_by_their_names() {
        for name in [
            "Authorization",
            "api-key",
            "X-API-Key",
            "x_api_key",
            "apikey",
            "cookie",
            "Proxy-Authorization",
            "x-goog-api-key",
            "ocp-apim-subscription-key",
            "x-auth-token",
            "x-amz-security-token",
            "token",
            "Token",
            "auth",
            "x-auth",
            "key",
            "x-auth-key",
            "x-functions-key",
            "x-portkey-virtual-key",
            "x-access-key",
            "x-litellm-key",
            "x-user-key",
            "x_user_key",
            "x-license-key",
            "x-bf-vk",
            "access-code",
            "x-jwt",
            "cf-access-jwt-assertion",
            "CF-Access-Client-Secret",
            "session",
            "x-session-id",
            "x-goog-signature",
            "x-amz-signature",
            "Signature-Input",
            "x-hub-signature-256",
            "x-sig",
            "helicone-auth",
            "x-authentication",
            "x-authn",
            "x-authz",
            "x-auth-info",
            "x-passwd",
            "x-pwd",
            "x-token-v2",
            "x-tokens",
            "x-otp",
            "x-ticket",
            "x-saml-assertion",
            "x-creds",
            "x-account-sas",
            "DPoP",
            "x-forwarded-client-cert",
            "x-ms-client-principal",
            "x-api-key-v2",
            "x-key-2",
            "x-oauth2",
            "x_auth_user",
            "authkey",
            "x-apikeys.main-key",
        ] {
            assert!(is_credential(name), "{name}");
        }
    }

    #[test]
    fn other_headers_are_not_credentials() {
        for name in [
            "idempotency-key",
            "Idempotency-Key",
            "x-idempotency-key",
            "x_idempotency_key",
            "x-cache-key",
            "helicone-cache-key",
            "x-routing-key",
            "x-partition-key",
            "x-dedup-key",
            "x-request-id",
            "x-client-request-id",
            "cf-access-client-id",
            "openai-organization",
            "openai-project",
            "openai-beta",
            "x-stainless-retry-count",
            "x-trace",
            "x-trace-id",
            "x-team",
            "x-stainless-timeout",
            "x-forwarded-for",
            "x-idempotency-key-v2",
            "traceparent",
            "baggage",
            "content-type",
            "user-agent",
            "x-author",
            "x-keyboard",
            "x-monkey",
            "",
        ] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn credentials_of_one_call_identify_no_account() {
        for name in ["authorization", "x-api-key", "X-Access-Key", "cookie"] {
            assert!(is_account(name), "{name}");
        }
        for name in ["x-session-id", "x-amz-signature", "x-jwt", "x-request-id"] {
            assert!(!is_account(name), "{name}");
        }
    }
}
