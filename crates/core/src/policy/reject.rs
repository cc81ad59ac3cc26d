//! Judges answers by the named rules of `reject` (contract.md, section 10).
//!
//! A refused answer is a failure of kind `rejected`, and the next target is tried. But it was paid for, so the engine keeps the latest
//! one, and returns it if no other target answers.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::schema::{Schema, Verdict};
use crate::endpoint::{Endpoint, Format, Gist};

/// At most this many compiled schemas are kept; the least recently used one is dropped.
const MAX_SCHEMAS: usize = 64;
/// In bytes. An answer to a request with a longer schema is not judged by it.
const MAX_SCHEMA_BYTES: usize = 1024 * 1024;
/// An answer that cannot be judged within this time is accepted.
const JUDGE_TIME: Duration = Duration::from_secs(2);

/// Finish reasons of an answer that was cut off at its length limit, in lower case.
const LENGTH_ENDS: [&str; 4] = ["length", "max_tokens", "model_length", "max_output_tokens"];
/// Finish reasons of an answer that a content filter cut off.
const FILTER_ENDS: [&str; 2] = ["content_filter", "sensitive"];

/// A named rule: it refuses answers that are as follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// No text that is not blank, no call, refusal, audio or image.
    Empty,
    /// It ended at its length limit.
    Length,
    /// A filter ended it.
    ContentFilter,
    /// A refusal that is marked as one.
    Refusal,
    /// The request asks for JSON, and the answer is not JSON.
    InvalidJson,
    /// It does not fit the request's own JSON schema.
    Schema,
}

impl Rule {
    /// Every rule, in the order of the contract.
    pub const ALL: [Self; 6] =
        [Self::Empty, Self::Length, Self::ContentFilter, Self::Refusal, Self::InvalidJson, Self::Schema];

    /// Its name in options and in `rejectedBy`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::InvalidJson => "invalid_json",
            Self::Schema => "schema",
        }
    }

    /// Whether it needs the whole answer, so that a stream is held until its finish.
    #[must_use]
    pub const fn needs_the_whole(self) -> bool {
        !matches!(self, Self::Empty)
    }
}

/// The rules that refuse answers of a target: named ones, then a function of the caller's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The names, in the order in which they are judged.
    pub names: Vec<Rule>,
    /// The number of the function in the host.
    pub function: Option<u32>,
}

impl Rules {
    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.function.is_none()
    }

    /// Whether a rule needs the whole answer, so that a stream is held back until its end.
    #[must_use]
    pub fn need_whole_answer(&self) -> bool {
        self.function.is_some() || self.names.iter().any(|rule| rule.needs_the_whole())
    }
}

/// The name by which `rejectedBy` calls a function.
pub const FUNCTION: &str = "function";

/// Why an answer is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The rule's name.
    pub by: &'static str,
    /// The reason, for a person.
    pub message: String,
}

/// The verdict on an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// It is refused.
    pub rejection: Option<Rejection>,
    /// Warnings of rules that could not be applied.
    pub warnings: Vec<String>,
}

/// Judges an answer to `request`, the body that its target got. Runs on a blocking thread, for at most [`JUDGE_TIME`]; then the answer
/// is accepted.
pub async fn judge(rules: Arc<Rules>, endpoint: Endpoint, answer: String, request: Bytes) -> Judgement {
    if rules.names.is_empty() {
        return Judgement::default();
    }
    let judging = tokio::task::spawn_blocking(move || judge_now(&rules.names, endpoint, &answer, &request));
    match tokio::time::timeout(JUDGE_TIME, judging).await {
        Ok(judged) => judged.unwrap_or_default(),
        Err(_elapsed) => {
            let limit = JUDGE_TIME.as_millis();
            let warning = format!("`reject`: an answer was accepted, because it could not be judged within {limit} ms");
            Judgement { rejection: None, warnings: vec![warning] }
        }
    }
}

/// Judges an answer on this thread.
#[must_use]
pub fn judge_now(rules: &[Rule], endpoint: Endpoint, answer: &str, request: &[u8]) -> Judgement {
    if !endpoint.has_text() {
        let warning = |rule: &Rule| {
            format!("`reject: \"{}\"` does nothing: the answers of {} have no text", rule.name(), endpoint.path())
        };
        return Judgement { rejection: None, warnings: rules.iter().map(warning).collect() };
    }
    let gists = endpoint.gists(answer);
    let format = endpoint.format(request);
    let mut judgement = Judgement::default();
    for rule in rules {
        match rule.judge(&gists, format.as_ref()) {
            Ok(None) => {}
            Ok(Some(message)) => {
                judgement.rejection = Some(Rejection { by: rule.name(), message });
                break;
            }
            Err(why) => judgement.warnings.push(format!("`reject: \"{}\"` does nothing: {why}", rule.name())),
        }
    }
    judgement
}

impl Rule {
    /// Why the rule refuses the answer; `None` where it accepts it.
    ///
    /// # Errors
    /// Why it cannot judge.
    fn judge(self, gists: &[Gist], format: Option<&Format>) -> Result<Option<String>, String> {
        let any = |test: &dyn Fn(&Gist) -> bool, says: &str| gists.iter().any(test).then(|| says.to_owned());
        Ok(match self {
            Self::Empty => (!gists.is_empty() && gists.iter().all(is_empty)).then(|| "the answer is empty".into()),
            Self::Length => any(&|gist| ends_by(gist, &LENGTH_ENDS), "the answer was cut at its length limit"),
            Self::ContentFilter => any(&|gist| ends_by(gist, &FILTER_ENDS), "the answer was cut by a content filter"),
            Self::Refusal => any(&|gist| gist.is_refusal, "the answer is a refusal"),
            Self::InvalidJson => {
                format.ok_or("the request asks for no JSON")?;
                any(&|gist| is_judged_as_json(gist) && !is_json(&gist.text), "the answer is not JSON")
            }
            Self::Schema => {
                let Some(Format::Schema(schema)) = format else { return Err("the request has no JSON schema".into()) };
                let schema = compiled(schema)?;
                for gist in gists.iter().filter(|gist| is_judged_as_json(gist)) {
                    if let Some(misfit) = schema.misfit(&gist.text)? {
                        return Ok(Some(misfit));
                    }
                }
                None
            }
        })
    }
}

fn is_empty(gist: &Gist) -> bool {
    gist.text.trim().is_empty() && !gist.has_call && !gist.has_media && !gist.is_refusal
}

fn ends_by(gist: &Gist, ends: &[&str]) -> bool {
    ends.contains(&gist.end.to_lowercase().as_str())
}

/// Whether the JSON rules apply: a choice that calls a tool, or refuses, has no text in the format.
fn is_judged_as_json(gist: &Gist) -> bool {
    !gist.has_call && !gist.is_refusal
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

impl Schema {
    fn of(text: &str) -> Result<Self, String> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err("the schema is too large".into());
        }
        let schema = serde_json::from_str(text).map_err(|error| format!("the schema cannot be read ({error})"))?;
        Self::new(&schema).map_err(|why| format!("the schema is not valid ({})", short(&why)))
    }

    /// Why a text does not fit the schema; `None` if it fits.
    ///
    /// # Errors
    /// The reason why the text cannot be judged.
    fn misfit(&self, text: &str) -> Result<Option<String>, String> {
        if !is_json(text) {
            return Ok(Some("the answer does not fit its schema: it is not JSON".into()));
        }
        // JSON with a lone surrogate or very deep nesting, which serde_json refuses, is accepted.
        let Ok(value) = serde_json::from_str(text) else { return Ok(None) };
        let place = match self.judge(&value) {
            Verdict::Fits => return Ok(None),
            Verdict::Unknown => return Err("it takes too long to say whether the answer fits the schema".into()),
            Verdict::Misfit(place) if place.is_empty() => "its top".to_owned(),
            Verdict::Misfit(place) => short(&place),
        };
        Ok(Some(format!("the answer does not fit its schema, at {place}")))
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

type Kept = Vec<(Box<str>, Result<Arc<Schema>, String>)>;

/// A compiled schema, or why it is not valid. Each is compiled once while it is cached.
fn compiled(text: &str) -> Result<Arc<Schema>, String> {
    static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let known = take(&mut lock(), text);
    // Compiled outside of the lock, so that other calls need not wait.
    let schema = known.unwrap_or_else(|| Schema::of(text).map(Arc::new));
    keep(&mut lock(), text, schema.clone());
    schema
}

fn keep(kept: &mut Kept, text: &str, schema: Result<Arc<Schema>, String>) {
    if kept.len() >= MAX_SCHEMAS {
        drop(kept.remove(0));
    }
    kept.push((text.into(), schema));
}

fn take(kept: &mut Kept, text: &str) -> Option<Result<Arc<Schema>, String>> {
    let at = kept.iter().position(|(known, _)| **known == *text)?;
    Some(kept.remove(at).1)
}

#[cfg(test)]
#[path = "reject_tests.rs"]
mod tests;
