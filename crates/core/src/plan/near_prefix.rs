//! Warns of a model whose prefix is unknown and close to a known one: it was probably meant for another upstream.

use std::sync::Arc;

use crate::options::read::in_quotes;
use crate::options::route::OPENPIPE_PREFIXES;

/// A prefix that is longer is not compared with others, in bytes.
const LONGEST_PREFIX: usize = 64;
/// A prefix that is shorter is near to too many others.
const SHORTEST_PREFIX: usize = 3;

/// A warning that is given once for its key; later texts may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedWarning {
    /// The key.
    pub key: String,
    /// The text.
    pub text: String,
}

/// The warning of a model whose prefix is unknown and close to a known one.
pub(super) fn near_prefix(model: &str, declared: &[Arc<str>]) -> Option<KeyedWarning> {
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
    Some(KeyedWarning { key: format!("prefix {prefix}"), text })
}

/// Whether a name is a known one with a version: `llama3` is not a misspelt `llama`.
fn is_version_of(name: &str, known: &str) -> bool {
    let rest = name.strip_prefix(known).unwrap_or_default();
    !rest.is_empty() && rest.chars().all(|character| character.is_ascii_digit() || character == '.')
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
