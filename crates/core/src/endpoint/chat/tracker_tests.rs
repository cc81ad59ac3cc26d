use super::*;
use crate::endpoint::Tracker as _;

fn observe(tracker: &mut Tracker, data: &str) -> Verdict {
    tracker.observe(&SseEvent { data: data.into(), is_error: false })
}

fn life(verdict: &Verdict) -> Life {
    match verdict {
        Verdict::Event { life, .. } => *life,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_that_is_like_the_one_before_counts_as_it_would_alone() {
    for (first, second) in [
        (
            r#"{"choices":[{"index":0,"delta":{"content":"a","annotations":[{"text":"b"}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"","annotations":[{"text":"b"}]}}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"content":"a","reasoning_details":[{"text":"b"}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"","reasoning_details":[{"text":"b"}]}}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":""}},{"index":1,"delta":{"content":"b"}}]}"#,
        ),
        (
            r#"{"choices":[{"index":0,"message":{"content":""},"text":""}]}"#,
            r#"{"choices":[{"index":0,"message":{"content":""},"text":"a"}]}"#,
        ),
        (r#"{"choices":[{"index":0,"text":""}]}"#, r#"{"choices":[{"index":0,"text":"a"}]}"#),
    ] {
        let alone = life(&observe(&mut Tracker::default(), second));
        let mut tracker = Tracker::default();
        observe(&mut tracker, first);
        observe(&mut tracker, first);
        assert_eq!(life(&observe(&mut tracker, second)), alone, "{second}");
    }
}

#[test]
fn choices_without_an_index_are_known_by_their_place() {
    let mut tracker = Tracker::default();
    let cut = r#"{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}"#;
    observe(&mut tracker, &format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}},{cut}]}}"#));
    let Verdict::End(Err(failure)) = observe(&mut tracker, "[DONE]") else { panic!("the second choice was cut") };
    assert!(failure.message.contains("in the middle of a tool call"), "{}", failure.message);
}

#[test]
fn only_so_many_choices_are_remembered() {
    let mut tracker = Tracker::default();
    for index in 0..=MAX_CHOICES {
        let end = if index < MAX_CHOICES { r#""stop""# } else { "null" };
        let chunk = format!(r#"{{"choices":[{{"index":{index},"delta":{{"content":"a"}},"finish_reason":{end}}}]}}"#);
        observe(&mut tracker, &chunk);
    }
    assert_eq!(tracker.choices.len(), MAX_CHOICES);
    assert!(tracker.is_complete());
}
