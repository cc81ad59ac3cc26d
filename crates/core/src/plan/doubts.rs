//! Warnings of options that are well-formed but probably mistakes. They fail no call, and each is given once per client.

use std::sync::Arc;
use std::time::Duration;

use super::destinations::Destination;
use crate::options::read::in_quotes;
use crate::options::route::OPENPIPE_PREFIXES;
use crate::options::{CallOptions, ClientConfig, Limit, OpenPipeOptions};

/// In milliseconds. A timeout of a client or an upstream below this was probably meant in seconds …
const SHORT_TIMEOUT: u64 = 100;
/// … and so was a timeout of a call or target below this. Short ones of these are also chosen on purpose, to give up at once.
const SHORT_CALL: u64 = 50;
/// A prefix that is longer is not compared with others, in bytes.
const LONGEST_PREFIX: usize = 64;
/// A prefix that is shorter is near to too many others.
const SHORTEST_PREFIX: usize = 3;

/// A warning that is given once for its key; later texts may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The key.
    pub key: String,
    /// The text.
    pub text: String,
}

/// The warning of a model whose prefix is unknown and close to a known one.
pub(super) fn near_prefix(model: &str, declared: &[Arc<str>]) -> Option<Once> {
    let (prefix, _) = model.split_once(':')?;
    if prefix.len() < SHORTEST_PREFIX || prefix.len() > LONGEST_PREFIX {
        return None;
    }
    let lower = prefix.to_lowercase();
    let known = declared.iter().map(|name| &**name).chain(OPENPIPE_PREFIXES);
    let (_, nearest) = known
        .filter(|known| known.len() >= SHORTEST_PREFIX && !is_version_of(&lower, known))
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= if known.len() < 6 { 1 } else { 2 })
        .min_by_key(|(distance, _)| *distance)?;
    let text = format!("the prefix of the model {} is not known; did you mean \"{nearest}:\"?", in_quotes(model));
    Some(Once { key: format!("prefix {prefix}"), text })
}

/// Whether a name is a known one with a version: `llama3` is not a misspelt `llama`.
fn is_version_of(name: &str, known: &str) -> bool {
    let rest = name.strip_prefix(known).unwrap_or_default();
    !rest.is_empty() && rest.chars().all(|character| character.is_ascii_digit() || character == '.')
}

/// These warnings for all targets.
pub(super) fn near_prefixes(targets: &[Destination<'_>]) -> Vec<Once> {
    targets.iter().filter_map(|target| target.near_prefix.clone()).collect()
}

/// Warns of timeouts that were probably meant in seconds. The text does not have the value, so that it is the same for all calls.
pub(super) fn warn_of_short_timeouts(
    client: &ClientConfig,
    call: &CallOptions,
    targets: &[Destination<'_>],
    warnings: &mut Vec<String>,
) {
    let is_short = |limit: Option<Limit>, bound: u64| {
        limit.and_then(|limit| limit.0).is_some_and(|time| time < Duration::from_millis(bound))
    };
    let of_target = |destination: &Destination<'_>| destination.target.as_ref().and_then(|target| target.timeout);
    let places = [
        ("a call", SHORT_CALL, is_short(call.timeout, SHORT_CALL)),
        ("a target", SHORT_CALL, targets.iter().any(|target| is_short(of_target(target), SHORT_CALL))),
        ("an upstream", SHORT_TIMEOUT, targets.iter().any(|target| is_short(target.timeout, SHORT_TIMEOUT))),
        ("the client", SHORT_TIMEOUT, is_short(client.timeout, SHORT_TIMEOUT)),
    ];
    for (place, bound, _) in places.iter().filter(|(_, _, is_short)| *is_short) {
        warnings.push(format!("the `timeout` of {place} is under {bound} ms: it is in milliseconds, not in seconds"));
    }
}

/// Warns of a `fallbackClient` that is never used, because no `fallback` names a model for it.
pub(super) fn warn_of_idle_client(
    client: &ClientConfig,
    call: &CallOptions,
    own: &OpenPipeOptions,
    warnings: &mut Vec<String>,
) {
    // The default is not for the other endpoints, and `null` switches it off.
    let takes_default = call.endpoint.takes_default_fallback();
    let has_fallback = own.fallback.is_some() || client.defaults.fallback.as_ref().is_some_and(|all| !all.is_empty());
    if client.fallback_client.is_some() && takes_default && !has_fallback {
        warnings.push(
            "`openpipe.fallbackClient` does nothing without a fallback: `openpipe.fallback` names the model that it is asked for"
                .to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_prefix_is_near_the_known_one() {
        let declared: [Arc<str>; 2] = ["groq".into(), "llama".into()];
        let near = |model: &str| near_prefix(model, &declared).map(|once| once.text);
        for (model, known) in [
            ("opnpipe:x", "openpipe:"),
            ("OpenPipe:x", "openpipe:"),
            ("opne-pipe:x", "openpipe:"),
            ("antropic:x", "anthropic:"),
            ("gemni:x", "gemini:"),
            ("opneai:x", "openai:"),
            ("grok:x", "groq:"),
        ] {
            let text = near(model).unwrap_or_default();
            assert!(text.contains(&format!("did you mean \"{known}\"")), "{model}: {text}");
        }
        for model in ["gpt-4o", "ft:gpt-4o:me", "llama3:8b", "llama3.1:8b", "gemma:2b", "qwen2.5:7b", "gr:x", ":x"] {
            assert_eq!(near(model), None, "{model}");
        }
    }

    #[test]
    fn a_near_prefix_is_quoted_and_cut_and_its_key_is_the_prefix_alone() {
        let once = near_prefix(&format!("opnpipe:a\nb{}", "x".repeat(10_000)), &[]).unwrap();
        assert!(once.text.len() < 200 && !once.text.contains('\n'), "{}", once.text);
        assert_eq!(near_prefix("opnpipe:other", &[]).unwrap().key, once.key);
        assert_eq!(near_prefix(&format!("openpipe{}:x", "x".repeat(10_000)), &[]), None);
    }
}
