//! `/chat/completions`: what an answer is, what content is, how a stream ends, how its chunks merge (contract.md, sections 3, 5, 7).

mod arguments;
pub mod finish;
pub mod members;
pub mod merge;
mod signs;
mod tracker;
mod tree;

use serde_json::value::RawValue;

use super::{Accepted, Refusal, carried};
use crate::text::json::{self, Members};
use finish::Finish;

pub use signs::{MAX_CHOICES, Signs, signs};
pub use tracker::{Tracker, learn};

/// Accepts a completion, or says why it is not one: it must be an object with choices, each with an object `message`, and no error.
pub(super) fn accept(text: String) -> Result<Accepted, Refusal> {
    match refuse(&text, "chat completion", |choice| is_object(choice.get("message"))) {
        Ok(usage) => Ok(Accepted { text, usage }),
        Err(refusal) => Err(refusal),
    }
}

/// Judges an answer with choices, each of which must pass `is_choice`. Returns the usage that it states.
pub(super) fn refuse(
    text: &str,
    what: &str,
    is_choice: impl Fn(&Members<'_>) -> bool,
) -> Result<Option<String>, Refusal> {
    let members = super::object(text)?;
    let choices = members.get("choices").filter(|raw| json::is_filled_array(raw.get()));
    if carried::is_error(members.get("error"), choices.is_some(), false)
        || (choices.is_none() && carried::is_marked(&members))
    {
        return Err(Refusal::error(text.to_owned()));
    }
    let x_groq = members.get("x_groq").and_then(|raw| Members::of(raw.get()).ok());
    if let Some(error) =
        x_groq.as_ref().and_then(|x_groq| x_groq.get("error")).filter(|raw| carried::is_error(Some(raw), true, true))
    {
        return Err(Refusal::error(carried::body_of(error)));
    }
    let Some(choices) = choices else {
        return Err(Refusal::saying(&format!("the response is no {what}: it has no choices"), text));
    };
    let mut usage = Ok(members.get_non_null("usage"));
    json::each_element(choices.get(), |choice| {
        if let Ok(known) = usage {
            usage = refuse_choice(choice, what, &is_choice).map(|of_choice| known.or(of_choice));
        }
    });
    let of_groq = || x_groq.as_ref()?.get_non_null("usage");
    Ok(usage?.or_else(of_groq).map(|usage| usage.get().to_owned()))
}

/// Judges a choice of an answer. Returns the usage that it states.
fn refuse_choice<'a>(
    choice: &'a RawValue,
    what: &str,
    is_choice: impl Fn(&Members<'_>) -> bool,
) -> Result<Option<&'a RawValue>, Refusal> {
    let Ok(choice) = Members::of(choice.get()) else {
        return Err(Refusal::because(format!("the response is no {what}: a choice is no object")));
    };
    if let Some(error) = choice.get("error").filter(|raw| carried::is_error(Some(raw), true, true)) {
        return Err(Refusal::error(carried::body_of(error)));
    }
    if let Finish::Failed(reason) = Finish::of(choice.get("finish_reason")) {
        return Err(Refusal::because(format!("the response ended with the finish reason {reason:?}")));
    }
    if !is_choice(&choice) {
        return Err(Refusal::because(format!("the response is no {what}: a choice has nothing in it")));
    }
    Ok(choice.get_non_null("usage"))
}

fn is_object(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| value.get().starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn failure(text: &str) -> Option<crate::failure::Failure> {
        accept(text.to_owned()).err().map(|refusal| refusal.failure(None))
    }

    #[test]
    fn an_answer_is_an_object_with_choices_that_have_messages() {
        for text in [
            "",
            "  ",
            "<html>",
            "{",
            "null",
            "[]",
            "\"x\"",
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":{}}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[null]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":[{"message":null}]}"#,
            r#"{"choices":[{"message":"Hi"}]}"#,
            r#"{"choices":[{"text":"Hi"}]}"#,
            r#"{"choices":[{"delta":{"content":"Hi"}}]}"#,
            r#"{"choices":[{"message":{}},null]}"#,
        ] {
            let failure = failure(text).expect(text);
            assert_eq!(failure.kind, Kind::InvalidResponse, "{text}");
        }
        for text in [
            r#"{"choices":[{"message":{}}]}"#,
            "\n{\"choices\": [ {\"message\": {\"content\":null} } ] }\n",
            r#"{"error":null,"choices":[{"message":{"content":1e400},"finish_reason":"length"}]}"#,
            r#"{"choices":null,"choices":[{"message":{}}]}"#,
        ] {
            assert!(failure(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_failure_of_what_is_no_answer_says_the_upstreams_words() {
        for (text, kind, words) in [
            (r#"[{"error":{"code":429,"message":"Quota exceeded","status":"X"}}]"#, Kind::RateLimit, "Quota exceeded"),
            (r#"{"detail":{"error":"Model busy"}}"#, Kind::InvalidResponse, "no choices: Model busy"),
            (r#"{"msg":"no such deployment","choices":[]}"#, Kind::InvalidResponse, "no choices: no such deployment"),
        ] {
            let failure = failure(text).unwrap();
            assert_eq!(failure.kind, kind, "{text}");
            assert!(failure.message.ends_with(words), "{}", failure.message);
        }
    }

    #[test]
    fn a_failed_finish_reason_is_a_failure_whatever_the_message_holds() {
        let text = r#"{"choices":[{"message":{"content":"The answer"},"finish_reason":"abort"}]}"#;
        let failure = failure(text).unwrap();
        assert_eq!(failure.kind, Kind::InvalidResponse);
        assert!(failure.message.contains("abort"), "{}", failure.message);
    }

    #[test]
    fn an_error_that_says_something_is_a_failure_in_its_own_words() {
        let good = r#""choices":[{"message":{"content":"Hi"}}]"#;
        for (text, kind, words) in [
            (format!(r#"{{{good},"error":"overloaded"}}"#), Kind::InvalidResponse, "overloaded"),
            (format!(r#"{{{good},"x_groq":{{"error":"over capacity"}}}}"#), Kind::InvalidResponse, "over capacity"),
            (r#"{"choices":[{"message":{},"error":{"code":502,"message":"bad"}}]}"#.into(), Kind::ServerError, "bad"),
            (r#"{"error":{"code":429,"message":"slow"}}"#.into(), Kind::RateLimit, "slow"),
            (r#"{"error":{"code":402,"message":"pay"}}"#.into(), Kind::Quota, "pay"),
            (r#"{"object":"error","message":"dead","code":500}"#.into(), Kind::ServerError, "dead"),
            (
                r#"{"choices":[],"base_resp":{"status_code":1002,"status_msg":"rate limit"}}"#.into(),
                Kind::InvalidResponse,
                "rate limit",
            ),
        ] {
            let failure = failure(&text).expect(&text);
            assert_eq!(failure.kind, kind, "{text}");
            assert!(failure.message.ends_with(words), "{text}: {}", failure.message);
            assert!(failure.body.is_some());
        }
        for nothing in ["null", "0", "false", "\"\"", "{}", r#"{"message":"","type":"","param":"","code":null}"#] {
            assert!(failure(&format!(r#"{{{good},"error":{nothing}}}"#)).is_none(), "{nothing}");
        }
        assert!(failure(r#"{"error":{}}"#).is_some());
    }

    #[test]
    fn usage_is_found_where_providers_put_it() {
        for text in [
            r#"{"choices":[{"message":{}}],"usage":{"t":1}}"#,
            r#"{"choices":[{"message":{},"usage":{"t":1}}]}"#,
            r#"{"choices":[{"message":{}}],"x_groq":{"usage":{"t":1}},"usage":null}"#,
        ] {
            assert_eq!(accept(text.into()).ok().unwrap().usage.as_deref(), Some(r#"{"t":1}"#), "{text}");
        }
    }
}
