use std::time::Duration;

use super::*;
use crate::endpoint::Endpoint;

fn observe(tracker: &mut Events, data: &str) -> Verdict {
    tracker.observe(&SseEvent { data: data.into(), is_error: false })
}

fn refused(text: &str) -> Failure {
    accept(text.into()).expect_err(text).failure(None)
}

#[test]
fn an_answer_has_an_output_and_no_failure() {
    for text in [
        r#"{"output":[],"status":"completed","error":null}"#,
        r#"{"output":[],"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}"#,
        r#"{"output":[{}],"status":"queued"}"#,
        r#"{"output":[],"error":{"code":"","message":""}}"#,
        r#"{"output":[],"type":"error"}"#,
    ] {
        assert!(accept(text.into()).is_ok(), "{text}");
    }
    for text in [
        "{}",
        "[]",
        r#"{"output":null,"status":"completed"}"#,
        r#"{"output":[],"status":"failed","error":null}"#,
        r#"{"output":[],"status":"cancelled"}"#,
        r#"{"choices":[{"message":{"content":"chat"}}]}"#,
    ] {
        assert_eq!(refused(text).kind, Kind::InvalidResponse, "{text}");
    }
    let usage = accept(r#"{"output":[],"usage":{"total_tokens":3}}"#.into()).ok().unwrap().usage;
    assert_eq!(usage.as_deref(), Some(r#"{"total_tokens":3}"#));
}

#[test]
fn an_error_has_the_kind_of_its_code() {
    for (code, kind) in [
        ("rate_limit_exceeded", Kind::RateLimit),
        ("server_error", Kind::ServerError),
        ("vector_store_timeout", Kind::ServerError),
        ("insufficient_quota", Kind::Quota),
        ("image_content_policy_violation", Kind::ContentFilter),
        ("bio_policy", Kind::ContentFilter),
        ("misalignment_policy_violation", Kind::ContentFilter),
        ("context_length_exceeded", Kind::ContextLength),
        ("invalid_prompt", Kind::BadRequest),
        ("data_residency_mismatch", Kind::BadRequest),
        ("invalid_image_format", Kind::BadRequest),
        ("failed_to_download_image", Kind::BadRequest),
        ("429", Kind::RateLimit),
    ] {
        let error = format!(r#"{{"code":"{code}","message":"no"}}"#);
        let text = format!(r#"{{"output":[],"status":"failed","error":{error}}}"#);
        assert_eq!(refused(&text).kind, kind, "{code}");
        assert!(refused(&text).message.ends_with("no"));
        for event in [
            format!(r#"{{"type":"error","code":"{code}","message":"no","param":null,"sequence_number":1}}"#),
            format!(r#"{{"type":"error","error":{error}}}"#),
        ] {
            let Verdict::End(Err(failure)) = observe(&mut Events::default(), &event) else { panic!("{event}") };
            assert_eq!((failure.kind, failure.message.ends_with("no")), (kind, true), "{event}");
        }
        let event =
            format!(r#"{{"type":"response.failed","response":{{"status":"failed","error":{error},"output":[]}}}}"#);
        let Verdict::Last { end: Err(failure), .. } = observe(&mut Events::default(), &event) else {
            panic!("{event}")
        };
        assert_eq!((failure.kind, failure.message.ends_with("no")), (kind, true), "{event}");
    }
    assert_eq!(refused(r#"{"output":[],"error":{"code":"x","message":"no"}}"#).kind, Kind::InvalidResponse);
}

#[test]
fn the_stream_is_committed_by_content_and_by_nothing_before_it() {
    for event in [
        r#"{"type":"response.created","response":{"status":"in_progress","output":[],"error":null}}"#,
        r#"{"type":"response.in_progress","response":{}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[]}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","summary":[]}}"#,
        r#"{"type":"response.content_part.added","part":{"type":"output_text","text":""}}"#,
        r#"{"type":"response.output_text.delta","delta":""}"#,
        r#"{"type":"response.output_text.done","text":"x"}"#,
        r#"{"type":"keepalive","sequence_number":3}"#,
        r#"{"type":"response.function_call_arguments.done","arguments":"{}"}"#,
    ] {
        let mut tracker = Events::default();
        assert!(matches!(observe(&mut tracker, event), Verdict::Event { life: Life::None, .. }), "{event}");
        assert!(!tracker.is_committed(), "{event}");
    }
    for event in [
        r#"{"type":"response.output_text.delta","delta":"x"}"#,
        r#"{"type":"response.reasoning_summary_text.delta","delta":"x"}"#,
        r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#,
        r#"{"type":"response.any_new.delta","delta":{"deep":[{"er":"x"}]}}"#,
        r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#,
        r#"{"type":"response.output_item.added","item":{"type":"web_search_call"}}"#,
        r#"{"type":"response.web_search_call.searching","output_index":0}"#,
        r#"{"type":"response.completed","response":{"output":[]}}"#,
        r#"{"type":"response.incomplete","response":{"output":[]}}"#,
    ] {
        let mut tracker = Events::default();
        observe(&mut tracker, event);
        assert!(tracker.is_committed(), "{event}");
    }
}

#[test]
fn only_its_last_event_ends_a_stream_well() {
    let mut tracker = Events::default();
    observe(&mut tracker, r#"{"type":"response.output_text.delta","delta":"x"}"#);
    assert!(tracker.clean_end().is_err());
    assert!(matches!(observe(&mut tracker, "[DONE]"), Verdict::End(Err(_))), "cut short");
    for event in ["response.completed", "response.incomplete"] {
        let event = format!(r#"{{"type":"{event}","response":{{"output":[],"usage":{{"total_tokens":3}}}}}}"#);
        assert!(matches!(observe(&mut tracker, &event), Verdict::Last { end: Ok(()), .. }));
        assert_eq!(tracker.usage(), Some(r#"{"total_tokens":3}"#));
    }
}

#[test]
fn errors_of_any_shape_end_the_stream() {
    for event in [r#"{"error":{"message":"x"}}"#, r#"{"object":"error","message":"x"}"#, r#"{"type":"error"}"#] {
        assert!(matches!(observe(&mut Events::default(), event), Verdict::End(Err(_))), "{event}");
    }
    let named = SseEvent { data: r#"{"code":"x","message":"y"}"#.into(), is_error: true };
    assert!(matches!(Events::default().observe(&named), Verdict::End(Err(_))));
    assert!(matches!(observe(&mut Events::default(), "[]"), Verdict::End(Err(_))));
    assert!(matches!(observe(&mut Events::default(), " "), Verdict::Comment));
}

#[test]
fn between_the_start_and_the_end_of_reasoning_any_event_is_life() {
    for kind in ["reasoning", "web_search_call", "code_interpreter_call", "mcp_call"] {
        let mut tracker = Events::default();
        let item = |event: &str| {
            format!(r#"{{"type":"response.output_item.{event}","output_index":1,"item":{{"id":"i","type":"{kind}"}}}}"#)
        };
        let keepalive = r#"{"type":"keepalive","sequence_number":3}"#;
        assert!(matches!(observe(&mut tracker, keepalive), Verdict::Event { life: Life::None, .. }));
        observe(&mut tracker, &item("added"));
        assert!(tracker.is_at_work(), "{kind}");
        assert!(matches!(observe(&mut tracker, keepalive), Verdict::Event { life: Life::Work, .. }));
        observe(&mut tracker, &item("done"));
        assert!(!tracker.is_at_work(), "{kind}");
    }
    let mut tracker = Events::default();
    observe(&mut tracker, r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call"}}"#);
    assert!(!tracker.is_at_work());
}

#[test]
fn texts_that_are_written_are_delta_encoded() {
    let event = |number: u32, text: &str| {
        format!(
            r#"{{"type":"response.output_text.delta","sequence_number":{number},"item_id":"msg","output_index":0,"content_index":0,"delta":"{text}","logprobs":[],"obfuscation":"{}"}}"#,
            "x".repeat(text.len())
        )
    };
    let mut tracker = Events::default();
    let mut told = |number, text| {
        let data = event(number, text);
        let Verdict::Event { encoding, life } = observe(&mut tracker, &data) else { panic!("{data}") };
        assert_eq!(life == Life::Content, !text.is_empty());
        let mut out = String::new();
        Event { data, encoding }.encode(&mut out);
        out
    };
    assert!(told(9, "a").ends_with(r#",[["sequence_number"],["delta"],["obfuscation"]]]"#));
    assert_eq!(told(10, "bc"), r#"[10,"bc","xx"]"#);
    assert_eq!(told(11, ""), r#"[11,"",""]"#);
    assert_eq!(told(12, "d"), r#"[12,"d","x"]"#);
}

#[test]
fn the_report_has_the_last_state_of_the_response() {
    let mut merge = Endpoint::Responses.merge();
    for data in [
        r#"{"type":"response.created","response":{"id":"r","status":"in_progress"}}"#,
        r#"{"type":"response.output_text.delta","delta":"x"}"#,
        r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[1]}}"#,
    ] {
        merge.add(&Event { data: data.into(), encoding: Encoding::Whole });
    }
    assert_eq!(merge.finish().as_deref(), Some(r#"{"id":"r","status":"completed","output":[1]}"#));
    assert_eq!(Endpoint::Responses.merge().finish(), None);
}

#[test]
fn the_limit_at_work_is_five_minutes_or_longer() {
    assert_eq!(crate::endpoint::idle_at_work(Duration::from_secs(60)), Duration::from_secs(300));
    assert_eq!(crate::endpoint::idle_at_work(Duration::from_secs(600)), Duration::from_secs(600));
}

#[test]
fn only_so_many_items_at_work_are_remembered() {
    let mut tracker = Events::default();
    let item = |kind: &str, place: usize| {
        format!(r#"{{"type":"response.output_item.{kind}","output_index":{place},"item":{{"type":"reasoning"}}}}"#)
    };
    for place in 0..=MAX_ITEMS {
        observe(&mut tracker, &item("added", place));
    }
    for place in 0..MAX_ITEMS {
        assert!(tracker.is_at_work());
        observe(&mut tracker, &item("done", place));
    }
    assert!(!tracker.is_at_work());
}
