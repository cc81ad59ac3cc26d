//! `/completions`: like chat, but a choice has a `text` instead of a message (contract.md, section 9).

use super::accepted::{Accepted, Refusal};
use super::chat::{self, merge};
use super::merge::Merge;
use super::tracker::Tracker;

/// Accepts an object whose choices each have a text.
///
/// # Errors
/// Why it is not a valid answer.
pub(super) fn accept(text: String) -> Result<Accepted, Refusal> {
    let usage = chat::judge(&text, chat::Shape::Text)?;
    Ok(Accepted { text, usage })
}

/// The tracker of chat, which treats the `text` of a choice as content too.
pub(super) fn tracker() -> Box<dyn Tracker> {
    Box::<chat::Tracker>::default()
}

pub(super) fn merge() -> Box<dyn Merge> {
    Box::new(merge::Merge::new(merge::Shape::Text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Life, Verdict};
    use crate::events::delta::{Encoding, Event};
    use crate::events::sse::SseEvent;

    #[test]
    fn an_answer_is_an_object_whose_choices_have_texts() {
        for text in [r#"{"choices":[{"text":""}]}"#, r#"{"choices":[{"text":"a","index":0,"finish_reason":"length"}]}"#]
        {
            assert!(accept(text.into()).is_ok(), "{text}");
        }
        for text in [
            r#"{"choices":[]}"#,
            r#"{"choices":[{"message":{"content":"a"}}]}"#,
            r#"{"choices":[{"text":null}]}"#,
            r#"{"choices":[{"text":"a","finish_reason":"error"}]}"#,
            r#"{"choices":[{"text":"a"}],"error":"overloaded"}"#,
        ] {
            assert!(accept(text.into()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_or_a_finish_reason_commits_and_texts_are_delta_encoded_and_joined() {
        let chunk = |text: &str, reason: &str| {
            format!(
                r#"{{"id":"c","object":"text_completion","choices":[{{"index":0,"text":"{text}","finish_reason":{reason}}}]}}"#
            )
        };
        let (mut tracker, mut merge) = (tracker(), merge());
        for (text, committed, told) in [("", false, "["), ("Hel", true, "\"Hel\""), ("lo", true, "\"lo\"")] {
            let data = chunk(text, "null");
            let Verdict::Event { encoding, life } = tracker.observe(&SseEvent { data: data.clone(), is_error: false })
            else {
                panic!()
            };
            assert_eq!((life == Life::Content, tracker.is_committed()), (committed, committed), "{text}");
            let event = Event { data, encoding };
            let mut out = String::new();
            event.encode(&mut out);
            assert!(out.starts_with(told), "{out}");
            merge.add(&event);
        }
        assert!(tracker.clean_end().is_err());
        let end = chunk("", "\"stop\"");
        assert!(matches!(
            tracker.observe(&SseEvent { data: end.clone(), is_error: false }),
            Verdict::Event { life: Life::Content, .. }
        ));
        assert!(tracker.is_complete() && tracker.clean_end().is_ok());
        merge.add(&Event { data: end, encoding: Encoding::Whole });
        assert_eq!(
            merge.finish().unwrap(),
            r#"{"id":"c","object":"text_completion","choices":[{"index":0,"text":"Hello","finish_reason":"stop"}]}"#
        );
    }
}
