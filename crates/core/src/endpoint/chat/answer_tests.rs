use super::*;
use crate::failure::Kind;

fn failure(text: &str) -> Option<crate::failure::Failure> {
    judge(text, Shape::Message).err().map(|refusal| refusal.failure(None))
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
fn the_failure_of_an_invalid_answer_has_the_upstreams_message() {
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
fn an_error_with_content_is_a_failure_with_its_message() {
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
        assert_eq!(judge(text, Shape::Message).unwrap().as_deref(), Some(r#"{"t":1}"#), "{text}");
    }
}

#[test]
fn one_pass_and_member_by_member_come_to_the_same() {
    let members = [
        r#""error":{"message":"m"}"#,
        r#""error":"""#,
        r#""usage":{"t":1}"#,
        r#""usage":null"#,
        r#""x_groq":{"usage":{"t":2}}"#,
        r#""x_groq":{"error":"e"}"#,
        r#""x_groq":7"#,
        r#""object":"error""#,
        r#""choices":[]"#,
        r#""choices":null"#,
        r#""choices":[{"message":{},"usage":{"t":3}},{"message":{"content":"\ud800"},"text":"x"}]"#,
        r#""choices":[{"message":{},"finish_reason":"abort"}]"#,
        r#""choices":[{"message":null,"text":"x","error":null}]"#,
        r#""choices":[{"message":{},"error":{"code":429,"message":"slow"}}]"#,
    ];
    let outcome = |judged: Result<Option<String>, Refusal>| judged.map_err(|refusal| format!("{refusal:?}"));
    let mut compared = 0;
    for (one, two) in members.iter().flat_map(|one| members.iter().map(move |two| (one, two))) {
        let text = format!("{{{one},{two}}}");
        if Answer::in_one_pass(&text).is_err() {
            continue;
        }
        compared += 1;
        for shape in [Shape::Message, Shape::Text] {
            let one_pass = Answer::in_one_pass(&text).unwrap();
            let by_member = Answer::of(&Members::of(&text).unwrap());
            assert_eq!(outcome(one_pass.judge(&text, shape)), outcome(by_member.judge(&text, shape)), "{text}");
        }
    }
    assert!(compared > 100, "{compared}");
}
