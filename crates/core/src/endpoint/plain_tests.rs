use super::*;

fn rewritten(bytes: &[u8]) -> String {
    let whole = {
        let mut rewriter = Rewriter::new(1 << 20);
        rewriter.feed(bytes).unwrap() + &rewriter.finish().unwrap()
    };
    let mut rewriter = Rewriter::new(1 << 20);
    let mut text: String = bytes.iter().map(|byte| rewriter.feed(&[*byte]).unwrap()).collect();
    text += &rewriter.finish().unwrap();
    assert_eq!(text, whole, "split into bytes");
    whole
}

#[test]
fn events_that_every_sdk_reads_are_not_changed() {
    let stream = "data: {\"a\":\"é\"}\n\ndata: {\"b\":1}\n\ndata: [DONE]\n\n";
    assert_eq!(rewritten(stream.as_bytes()), stream);
}

#[test]
fn fields_that_say_nothing_are_left_out() {
    for nothing in
        [": ping\n\n", "event: ping\n\n", "data\n\n", "data:  \n\n", "id: 1\0\nretry: 5\n\n", "foo: bar\n\n", "\n\n"]
    {
        let stream = format!("{nothing}data: {{}}\n\n");
        assert_eq!(rewritten(stream.as_bytes()), "data: {}\n\n", "{nothing:?}");
    }
    assert_eq!(rewritten(b"\xef\xbb\xbfevent: chunk\rid: 1\r\ndata:{}\r\r"), "data: {}\n\n");
    assert_eq!(rewritten(b"data: {\ndata: }"), "data: {\ndata: }\n\n");
}

#[test]
fn every_form_of_an_error_is_an_object_with_an_error() {
    for (stream, data) in [
        ("event: error\ndata: oops\n\n", r#"{"error":{"message":"oops"}}"#),
        ("event: error\ndata: {\"code\":\"Throttling\"}\n\n", r#"{"error":{"code":"Throttling"}}"#),
        ("event: error\ndata: {\"error\":null,\"message\":\"x\"}\n\n", r#"{"error":{"error":null,"message":"x"}}"#),
        ("event: error\ndata: {\"error\":\"x\"}\n\n", r#"{"error":"x"}"#),
        ("event: error\ndata: {\"type\":\"error\",\"code\":\"x\"}\n\n", r#"{"type":"error","code":"x"}"#),
        ("event: error\ndata: [1]\n\n", r#"{"error":{"message":"[1]"}}"#),
        ("error: {\"message\":\"x\"}\n\n", r#"{"error":{"message":"x"}}"#),
        ("{\"error\":{\"code\":429}}\n\n", r#"{"error":{"code":429}}"#),
    ] {
        assert_eq!(rewritten(stream.as_bytes()), format!("data: {data}\n\n"), "{stream:?}");
    }
}

#[test]
fn an_empty_error_beside_an_answer_is_ignored() {
    for empty in ["{}", r#"{"message":"","code":null}"#, "[{}]", r#"{"code":0}"#] {
        let stream = format!("data: {{\"choices\":[{{}}],\"error\":{empty},\"id\":1}}\n\n");
        assert_eq!(rewritten(stream.as_bytes()), "data: {\"choices\":[{}],\"error\":null,\"id\":1}\n\n");
    }
    for as_it_is in [r#"{"error":{}}"#, r#"{"choices":[{}],"error":{"code":5}}"#, r#"{"choices":["error"]}"#] {
        assert_eq!(rewritten(format!("data: {as_it_is}\n\n").as_bytes()), format!("data: {as_it_is}\n\n"));
    }
}

#[test]
fn nothing_follows_done_in_any_of_its_spellings() {
    for done in ["[DONE]", "  [DONE] ", "\"[DONE]\"", "[DONE]\0", "[DONE]xyz"] {
        assert_eq!(rewritten(format!("data: {done}\n\ndata: {{}}\n\n").as_bytes()), "data: [DONE]\n\n", "{done:?}");
    }
    let mut rewriter = Rewriter::new(100);
    assert!(!rewriter.is_done());
    rewriter.feed(b"data: [DONE]\n\n").unwrap();
    assert!(rewriter.is_done());
    assert_eq!(rewriter.feed(b"data: {}\n\n").unwrap(), "");
}

#[test]
fn an_event_that_is_too_large_is_refused() {
    assert_eq!(Rewriter::new(10).feed(b"data: 0123456789"), Err(TooLarge));
}
