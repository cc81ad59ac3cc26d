use super::*;

/// lib/native/protocol.js: of each message the number of texts that it brings along.
fn javascript_table() -> Vec<(String, usize)> {
    let source = include_str!("../lib/native/protocol.js");
    let table = source.split("const TEXTS = Object.freeze({").nth(1).unwrap().split("});").next().unwrap();
    let lines = table.lines().map(|line| line.split("//").next().unwrap().trim()).filter(|line| !line.is_empty());
    let mut rows: Vec<_> = lines
        .map(|line| {
            let (name, count) = line.trim_end_matches(',').split_once(": ").unwrap();
            (name.to_owned(), count.parse().unwrap())
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn javascript_has_a_row_for_every_message_with_as_many_texts() {
    let meta = Meta {
        head: None,
        served_by: "primary",
        upstream: "openai",
        alias: None,
        model: "m",
        attempts: &[],
        duration_ms: 1.0,
        usage: None,
    };
    let question =
        Question { client: 0, cancels: None, stream: false, headers: &Vec::new(), max_retries: None, timeout: 1 };
    let judging = Judging { function: 0, ticket: None, request_id: None, upstream: "openai", model: "m" };
    let headers = http::HeaderMap::new();
    let envelope = Envelope { url: "http://a/", headers: Pairs(&headers), transport: 0 };
    let attempt = openpipe_core::record::Attempt {
        upstream: "openai".into(),
        model: "m".into(),
        outcome: "ok",
        tries: 1,
        status: None,
        request_id: None,
        started_at: 0,
        duration_ms: 1.0,
        first_token_ms: None,
        message: None,
        rejected_by: None,
        usage: None,
        host: None,
        because: None,
    };
    let to = openpipe_core::call::NextTarget { upstream: "openai", model: "m" };
    let body = String::new;
    let all = [
        Message::Refused { why: Refusal::Argument, message: "" },
        Message::Warning { message: "" },
        Message::Fallback(&MovedOn { from: &attempt, to }),
        Message::Completion { request_id: None, ticket: None, status: None, body: body(), meta: &meta },
        Message::Stream { ticket: None, meta: &meta },
        Message::Events { form: Form::Chunks, bytes: 0, text: body() },
        Message::Events { form: Form::Wire { named: false }, bytes: 0, text: body() },
        Message::Kept { bytes: 0, count: 0 },
        Message::End(&meta),
        Message::Failure { failures: &[], meta: &meta },
        Message::Ask { ask: 0, question: &question, body: body() },
        Message::Fetch { ask: 0, to: &envelope, body: body() },
        Message::Headers { ask: 0, upstream: "openai" },
        Message::Judge { ask: 0, question: &judging, answer: body() },
        Message::Pull { ask: 0, bytes: 0 },
        Message::Drop { ask: 0 },
        Message::Reported,
        Message::Flushed { flush: 0, counts: &Counts::default() },
        Message::Deliver { ask: 0, to: &envelope, body: body() },
        Message::Redact { ask: 0, function: 0, report: body() },
        Message::Report { report: body() },
        Message::Response { request: 0, head: None, failure: None, body: body() },
    ];
    let mut rows: Vec<_> = all
        .into_iter()
        .map(|message| {
            let Written { name, rest, texts } = message.write();
            let json = format!("[1,\"{name}\"{rest}]");
            assert!(serde_json::from_str::<Vec<serde_json::Value>>(&json).is_ok(), "{json}");
            (name.to_owned(), texts.iter().flatten().count())
        })
        .collect();
    rows.sort();
    assert_eq!(rows, javascript_table());
}

#[test]
fn what_is_said_of_an_answer_is_its_meta_with_its_head() {
    let mut headers = http::HeaderMap::new();
    for (name, value) in [("x-request-id", &b"req_1"[..]), ("x-odd", b"a\"b\\c\td\xe9"), ("x-odd", b"")] {
        headers.append(name, http::HeaderValue::from_bytes(value).unwrap());
    }
    for (is_redirected, last) in [(false, "url"), (true, "redirected")] {
        let head = Head { status: 200, headers: headers.clone(), url: "http://a/\"".into(), is_redirected };
        let meta = Meta {
            head: Some(&head),
            served_by: "primary",
            upstream: "openai",
            alias: Some("fast"),
            model: "m",
            attempts: &[],
            duration_ms: 1.5,
            usage: None,
        };
        let said: serde_json::Value = serde_json::from_str(&meta_json(&meta)).unwrap();
        assert_eq!(said, serde_json::to_value(meta).unwrap());
        let pairs = serde_json::json!([["x-request-id", "req_1"], ["x-odd", "a\"b\\c\td\u{e9}"], ["x-odd", ""]]);
        assert_eq!((&said["head"]["headers"], &said["head"]["status"]), (&pairs, &200.into()));
        assert_eq!(said["head"].as_object().unwrap().keys().next_back().unwrap(), last);
    }
}

#[test]
fn an_answers_texts_are_no_part_of_its_json() {
    let read =
        |json, texts: &[&str]| Answer::read(json, texts.iter().map(|text| (*text).to_owned()).collect()).unwrap();
    let Answer::Completion { ticket: 3, text: Some(text), .. } =
        read(r#"{"completion":{"ticket":3}}"#, &["{\"choices\":[]}"])
    else {
        panic!("a completion")
    };
    assert_eq!(text, "{\"choices\":[]}");
    let Answer::Chunks { texts } = read(r#"{"chunks":{}}"#, &["{}", "null"]) else { panic!("chunks") };
    assert_eq!(texts, ["{}", "null"]);
    assert!(matches!(read(r#""done""#, &[]), Answer::Done));
}

#[test]
fn javascript_has_a_code_for_each_fault_of_a_connection() {
    let source = include_str!("../lib/call/fault-codes.js");
    let table = source.split("const CODES = Object.freeze({").nth(1).unwrap().split("});").next().unwrap();
    let codes: Vec<_> = table.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name).collect();
    let faults = openpipe_core::failure::Fault::ALL.map(|fault| serde_json::to_value(fault).unwrap());
    assert_eq!(codes, faults.each_ref().map(|fault| fault.as_str().unwrap()));
}
