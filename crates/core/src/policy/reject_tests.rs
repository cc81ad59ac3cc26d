use super::*;

fn by(rule: Rule, answer: &str, request: &str) -> Option<&'static str> {
    chat(&[rule], answer, request).rejection.map(|rejection| rejection.by)
}

fn chat(rules: &[Rule], answer: &str, request: &str) -> Judgement {
    judge_now(rules, Endpoint::ChatCompletions, answer, request.as_bytes())
}

fn message(message: &str, finish: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"message":{message},"finish_reason":"{finish}"}}]}}"#)
}

fn content(text: &str) -> String {
    message(&format!(r#"{{"role":"assistant","content":{}}}"#, crate::text::json::string(text)), "stop")
}

#[test]
fn an_answer_is_empty_without_text_call_refusal_or_media() {
    for empty in [
        r#"{"content":""}"#,
        r#"{"content":" \n"}"#,
        r#"{"content":null}"#,
        "{}",
        r#"{"content":null,"reasoning_content":"only thought"}"#,
        r#"{"content":[{"type":"text","text":""}],"tool_calls":[]}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
    ] {
        assert_eq!(by(Rule::Empty, &message(empty, "stop"), "{}"), Some("empty"), "{empty}");
    }
    for full in [
        r#"{"content":"a"}"#,
        r#"{"content":[{"type":"text","text":"a"}]}"#,
        r#"{"content":null,"tool_calls":[{"id":"c","function":{"name":"f"}}]}"#,
        r#"{"content":null,"function_call":{"name":"f"}}"#,
        r#"{"content":null,"refusal":"no"}"#,
        r#"{"content":null,"audio":{"id":"au","data":"QQ=="}}"#,
        r#"{"content":"","images":[{"type":"image_url","image_url":{"url":"data:,"}}]}"#,
    ] {
        assert_eq!(by(Rule::Empty, &message(full, "stop"), "{}"), None, "{full}");
    }
}

#[test]
fn empty_needs_all_choices_and_every_other_name_any() {
    let two = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":""},"finish_reason":"length"}]}"#;
    assert_eq!(by(Rule::Empty, two, "{}"), None);
    assert_eq!(by(Rule::Length, two, "{}"), Some("length"));
}

#[test]
fn ends_are_known_in_any_case() {
    for end in ["length", "MAX_TOKENS", "model_length"] {
        assert_eq!(by(Rule::Length, &message("{}", end), "{}"), Some("length"), "{end}");
    }
    assert_eq!(by(Rule::Length, &content("a"), "{}"), None);
    assert_eq!(by(Rule::ContentFilter, &message("{}", "content_filter"), "{}"), Some("content_filter"));
    assert_eq!(by(Rule::Refusal, &message(r#"{"refusal":"no"}"#, "stop"), "{}"), Some("refusal"));
    assert_eq!(by(Rule::Refusal, &content("I can't help with that"), "{}"), None);
}

#[test]
fn json_is_judged_where_the_request_asks_for_it() {
    let json = r#"{"response_format":{"type":"json_object"}}"#;
    for text in ["", "{", "{'a':1}", "```json\n{}\n```", "{}x"] {
        assert_eq!(by(Rule::InvalidJson, &content(text), json), Some("invalid_json"), "{text}");
    }
    for text in ["{}", " [1]\n", "\"\\ud800\"", "null", &format!("{}1{}", "[".repeat(5000), "]".repeat(5000))] {
        assert_eq!(by(Rule::InvalidJson, &content(text), json), None, "{text}");
    }
    for other in [r#"{"content":null,"tool_calls":[{"id":"c"}]}"#, r#"{"content":"","refusal":"no"}"#] {
        assert_eq!(by(Rule::InvalidJson, &message(other, "stop"), json), None, "{other}");
    }
    for request in ["{}", r#"{"response_format":{"type":"text"}}"#, r#"{"response_format":null}"#] {
        let judged = chat(&[Rule::InvalidJson, Rule::Schema], &content("x"), request);
        assert_eq!((judged.rejection, judged.warnings.len()), (None, 2), "{request}");
    }
}

fn with_schema(schema: &str) -> String {
    format!(r#"{{"response_format":{{"type":"json_schema","json_schema":{{"name":"s","schema":{schema}}}}}}}"#)
}

#[test]
fn a_schema_is_that_of_the_request() {
    let request = with_schema(
        r##"{"type":"object","properties":{"n":{"$ref":"#/definitions/n"},"at":{"type":"string","format":"date"}},"required":["n"],"definitions":{"n":{"type":"integer"}}}"##,
    );
    for text in [r#"{"n":"x"}"#, "{}", "[]", "no", r#"{"n":1.5}"#] {
        assert_eq!(by(Rule::Schema, &content(text), &request), Some("schema"), "{text}");
    }
    for text in [r#"{"n":1}"#, r#"{"n":1,"at":"no date"}"#] {
        assert_eq!(by(Rule::Schema, &content(text), &request), None, "{text}");
    }
}

#[test]
fn an_invalid_or_remote_schema_accepts_the_answer() {
    for schema in [
        r#"{"type":"nothing"}"#,
        r#"{"$ref":"http://127.0.0.1:1/schema.json"}"#,
        r#"{"$ref":"file:///etc/passwd"}"#,
        r##"{"$ref":"#/definitions/none"}"##,
        r#"{"pattern":"("}"#,
    ] {
        let judged = chat(&[Rule::Schema], &content("{}"), &with_schema(schema));
        assert_eq!((judged.rejection, judged.warnings.len()), (None, 1), "{schema}");
    }
}

#[test]
fn a_pattern_with_exponential_backtracking_ends() {
    let request = with_schema(r#"{"pattern":"^(a+)+(?=b)$"}"#);
    let started = std::time::Instant::now();
    let _ = chat(&[Rule::Schema], &content(&format!("\"{}\"", "a".repeat(60))), &request);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_schema_of_very_many_costly_parts_ends_soon() {
    let many = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<Vec<_>>().join(",");
    let patterns = many(20_000, &|number| format!(r#"{{"pattern":"(?:a{{99}}){{99}}{number}"}}"#));
    let anchors = many(8_000, &|number| format!(r##""a{number}":{{"$anchor":"a{number}","$ref":"#a{number}"}}"##));
    let references = many(20_000, &|number| format!(r##""a{number}":{{"$ref":"#"}}"##));
    let numbers = many(40_000, &|number| number.to_string());
    let items = many(20_000, &|number| format!("-{number}"));
    for (what, schema, answer) in [
        ("patterns", format!(r#"{{"anyOf":[{patterns}]}}"#), "\"a\"".to_owned()),
        ("anchors", format!(r#"{{"$defs":{{{anchors}}}}}"#), "1".to_owned()),
        (
            "a long id",
            format!(r#"{{"$id":"http://x/{}","$defs":{{{references}}}}}"#, "i".repeat(400_000)),
            "1".to_owned(),
        ),
        ("an enum", format!(r#"{{"items":{{"not":{{"enum":[{numbers}]}}}}}}"#), format!("[{items}]")),
        (
            "a long text",
            format!(r#"{{"allOf":[{}]}}"#, many(2000, &|number| format!(r#"{{"pattern":"[a-y]+z{number}|a"}}"#))),
            format!("\"{}\"", "a".repeat(200_000)),
        ),
    ] {
        assert!(schema.len() <= MAX_SCHEMA_BYTES, "{what}");
        let started = std::time::Instant::now();
        let _ = chat(&[Rule::Schema], &content(&answer), &with_schema(&schema));
        assert!(started.elapsed() < Duration::from_secs(10), "{what}: {:?}", started.elapsed());
    }
}

#[test]
fn the_first_rule_that_refuses_is_named() {
    let answer = message(r#"{"content":""}"#, "length");
    assert_eq!(chat(&[Rule::Length, Rule::Empty], &answer, "{}").rejection.unwrap().by, "length");
    assert_eq!(chat(&[Rule::Empty, Rule::Length], &answer, "{}").rejection.unwrap().by, "empty");
}

#[test]
fn a_response_is_judged_by_its_output_and_its_own_format() {
    let judged = |rule: Rule, answer: &str, request: &str| {
        judge_now(&[rule], Endpoint::Responses, answer, request.as_bytes()).rejection.map(|rejection| rejection.by)
    };
    let text = |text: &str| {
        format!(
            r#"{{"output":[{{"type":"web_search_call"}},{{"type":"message","content":[{{"type":"output_text","text":"{text}"}}]}}]}}"#
        )
    };
    assert_eq!(judged(Rule::Empty, r#"{"output":[{"type":"reasoning","summary":[]}]}"#, "{}"), Some("empty"));
    assert_eq!(judged(Rule::Empty, r#"{"output":[{"type":"function_call","name":"f"}]}"#, "{}"), None);
    assert_eq!(judged(Rule::Empty, r#"{"output":[{"type":"image_generation_call","result":"QQ"}]}"#, "{}"), None);
    assert_eq!(judged(Rule::Empty, &text("a"), "{}"), None);
    let cut = r#"{"output":[],"incomplete_details":{"reason":"max_output_tokens"}}"#;
    assert_eq!(judged(Rule::Length, cut, "{}"), Some("length"));
    let request = r#"{"text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"}}}}"#;
    assert_eq!(judged(Rule::InvalidJson, &text("x"), request), Some("invalid_json"));
    assert_eq!(judged(Rule::Schema, &text("[]"), request), Some("schema"));
    assert_eq!(judged(Rule::Schema, &text("{}"), request), None);
    let refusal = r#"{"output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}"#;
    assert_eq!(judged(Rule::Refusal, refusal, request), Some("refusal"));
    assert_eq!(judged(Rule::Schema, refusal, request), None);
}

#[test]
fn a_completion_is_judged_by_its_text() {
    let judged = |answer: &str| judge_now(&[Rule::Empty], Endpoint::Completions, answer, b"{}").rejection.is_some();
    assert!(judged(r#"{"choices":[{"text":" "}]}"#));
    assert!(!judged(r#"{"choices":[{"text":"a"}]}"#));
}

#[test]
fn every_rule_is_named_as_it_is_read() {
    for rule in Rule::ALL {
        assert_eq!(serde_json::from_str::<Rule>(&format!("\"{}\"", rule.name())).unwrap(), rule);
    }
}

#[test]
fn the_least_recently_used_of_too_many_schemas_is_dropped() {
    let mut kept = Kept::new();
    for number in 0..MAX_SCHEMAS {
        keep(&mut kept, &number.to_string(), Err("not compiled".into()));
    }
    let used = take(&mut kept, "0").unwrap();
    keep(&mut kept, "0", used);
    keep(&mut kept, "one more", Err("not compiled".into()));
    assert_eq!(kept.len(), MAX_SCHEMAS);
    assert!(take(&mut kept, "0").is_some());
    assert!(take(&mut kept, "1").is_none());
}
