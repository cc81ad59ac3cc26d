//! Any error body and any error of a custom client has exactly one kind, and its failure and report are valid JSON.
//!
//! Input: a status of two bytes, then the text of a body, which is also read as a custom client's error and as filters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openpipe_core::record::Attempt;
use openpipe_core::failure::codes::ErrorBody;
use openpipe_core::failure::{ClientError, Failure, Filter, Head, Kind, Trigger};
use openpipe_core::text::json;
use openpipe_core::report::{self, TargetOutcome};
use serde_json::Value;

fn check(failure: &Failure, filter: &Filter) {
    assert!(Kind::ALL.contains(&failure.kind));
    let text = serde_json::to_string(failure).expect("a failure is JSON");
    assert!(serde_json::from_str::<Value>(&text).is_ok_and(|value| value["kind"] == failure.kind.name()));
    let by_kind = Filter { on: Some(vec![Trigger::Kind(failure.kind)]), except: Vec::new() };
    assert!(by_kind.takes(failure.cause()) && Filter::default().takes(failure.cause()));
    let neither = Filter { except: by_kind.on.unwrap_or_default(), ..filter.clone() };
    assert!(!neither.takes(failure.cause()));

    let attempt = Attempt {
        upstream: "openai".into(),
        host: None,
        model: "m".into(),
        outcome: failure.kind.name(),
        tries: 1,
        status: failure.status_code(),
        request_id: None,
        started_at: 1,
        duration_ms: 1.0,
        first_token_ms: None,
        message: None,
        rejected_by: None,
        usage: None,
        because: None,
    };
    let body = report::body(&attempt, b"{}", &TargetOutcome::Failure(failure, None), 2, "{}");
    let text = String::from_utf8(body.to_vec()).expect("text");
    assert!(serde_json::from_str::<json::Members<'_>>(&text).is_ok(), "{text}");
}

fuzz_target!(|input: &[u8]| {
    let Some((status, rest)) = input.split_at_checked(2) else { return };
    let status = u16::from_be_bytes([status[0], status[1]]);
    let text = json::text(rest.to_vec());
    assert_eq!(text, String::from_utf8_lossy(rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest)));

    let filters = serde_json::from_str::<Vec<Trigger>>(&text).unwrap_or_default();
    let filter = Filter { on: Some(filters.clone()), except: Vec::new() };
    let failure = Failure::status(Head { status, ..Head::default() }, text.clone());
    assert_eq!(failure.status_code(), Some(status));
    assert_eq!(
        filter.takes(failure.cause()),
        filters.iter().any(|trigger| match trigger {
            Trigger::Kind(kind) => *kind == failure.kind,
            Trigger::Status(named) => *named == status,
        })
    );
    assert_eq!(failure.kind, ErrorBody::of(&text).kind(status));
    check(&failure, &filter);
    check(&Failure::bad_stream("an error event", Some(text.clone())), &filter);

    if let Ok(error) = serde_json::from_str::<ClientError>(&text) {
        let (status, ticket) = (error.status, error.ticket);
        let failure = error.classify();
        assert_eq!((failure.status_code(), failure.ticket), (status, Some(ticket)));
        check(&failure, &filter);
    }
});
