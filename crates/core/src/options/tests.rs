use std::time::Duration;

use super::names::Names;
use super::read::{Aside, Section};
use super::spec::Place;
use super::*;

#[test]
fn a_limit_is_milliseconds_or_none() {
    let limit = |json: &str| serde_json::from_str::<Limit>(json).unwrap().0;
    assert_eq!(limit("1500"), Some(Duration::from_millis(1500)));
    assert_eq!(limit("0.5"), Some(Duration::from_micros(500)));
    assert_eq!(limit("\"Infinity\""), None);
    assert_eq!(limit("1e300"), None);
    assert_eq!(limit("4294967296"), Some(Duration::from_millis(1 << 32)));
}

#[test]
fn options_of_a_call_take_precedence_over_those_of_the_client() {
    let of = |json: &str| {
        let aside = Aside::default();
        let section = Section::new(Place::Call, "openpipe", json, &aside, &mut Vec::new()).unwrap();
        openpipe::read(&section, Names(&[]), &mut Vec::new()).unwrap()
    };
    let defaults = of(r#"{"fallback":[{"model":"b"}],"tags":{"a":1,"b":2},"cache":"readWrite","deadline":5}"#);
    let merged = of(r#"{"fallback":[],"tags":{"b":3,"c":4},"deadline":7}"#).over(&defaults);
    assert_eq!(merged.fallback.unwrap().len(), 0);
    assert_eq!(serde_json::to_string(&merged.tags).unwrap(), r#"{"a":1,"b":3,"c":4}"#);
    assert_eq!(merged.cache.as_deref(), Some("readWrite"));
    assert_eq!(merged.deadline, Some(Limit(Some(Duration::from_millis(7)))));
    assert_eq!(of("{}").over(&defaults).fallback.unwrap()[0].model, "b");
}

#[test]
fn tags_are_at_most_four_kilobytes_as_a_header() {
    let read = |length: usize| {
        let json = format!(r#"{{"tags":{{"a":"{}"}}}}"#, "\u{e9}".repeat(length));
        let aside = Aside::default();
        let section = Section::new(Place::Call, "openpipe", &json, &aside, &mut Vec::new()).unwrap();
        openpipe::read(&section, Names(&[]), &mut Vec::new()).map_err(|error| error.to_string())
    };
    // Each takes six bytes in a header.
    assert!(read(600).is_ok());
    assert_eq!(read(700).unwrap_err(), "`openpipe.tags` must be at most 4 KB as a header");
}

#[test]
fn a_key_reaches_its_own_upstream_only() {
    let config = ClientConfig::from_json(
        r#"{"openai":{"baseUrl":"http://a/v1","headers":[["authorization","Bearer sk"],["x-api-key","k"],["user-agent","u"]]},
            "openpipeUrl":"http://b","openpipeKey":"opk"}"#,
    )
    .unwrap();
    assert_eq!(config.openai.headers["authorization"], "Bearer sk");
    assert_eq!(config.openpipe.headers["authorization"], "Bearer opk");
    assert_eq!(config.openpipe.headers["user-agent"], "u");
    assert!(!config.openpipe.headers.contains_key("x-api-key"));
}

#[test]
fn a_host_header_of_the_client_is_not_sent() {
    let config = ClientConfig::from_json(
        r#"{"openai":{"baseUrl":"http://a/","headers":[["Host","gateway.example"],["x","1"]]},"openpipeUrl":"http://b/",
            "reportUrl":"http://b/report","openpipeKey":"opk"}"#,
    )
    .unwrap();
    let report = config.report.unwrap();
    for headers in [&*config.openai.headers, &*config.openpipe.headers, &report.headers] {
        assert_eq!(headers.get("host"), None);
        assert_eq!(headers["x"], "1");
    }
}

#[test]
fn a_misspelt_name_is_recognized() {
    let known = ["fallback", "tags", "logRequest"].map(str::to_owned);
    assert_eq!(nearest_name("falback", &known).as_deref(), Some("fallback"));
    assert_eq!(nearest_name("logrequest", &known).as_deref(), Some("logRequest"));
    assert_eq!(nearest_name("temperature", &known), None);
}

#[test]
fn a_wrong_url_names_its_option() {
    for text in ["", "api.openai.com/v1", "ftp://x/y", "http://"] {
        let message = parse_url("baseURL", text).unwrap_err();
        assert!(message.starts_with("`baseURL`: ") && message.contains(&format!("{text:?}")), "{message}");
    }
}

#[test]
fn a_wrong_url_that_may_hold_a_secret_is_not_repeated() {
    for text in ["opk_0123456789abcdef", "ftp://user:0123456789@host/"] {
        let message = parse_url("baseURL", text).unwrap_err();
        assert!(message.starts_with("`baseURL`: ") && !message.contains("0123456789"), "{message}");
    }
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_and_not_repeated() {
    let config = |key: &str| {
        ClientConfig::from_json(&format!(
            r#"{{"openai":{{"baseUrl":"http://a/","headers":[]}},"openpipeUrl":"http://b/","openpipeKey":"{key}"}}"#
        ))
    };
    let message = config("opk-\u{20ac}-1").unwrap_err();
    assert!(message.contains("`openpipe.apiKey`") && !message.contains("opk-"), "{message}");
    assert_eq!(config("caf\u{e9}").unwrap().openpipe.headers["authorization"].as_bytes(), b"Bearer caf\xe9");
}

/// The message of the error of reading these `openpipe` options of a call.
fn refusal(json: &str) -> Option<String> {
    let aside = Aside::default();
    let section = Section::new(Place::Call, "openpipe", json, &aside, &mut Vec::new()).unwrap();
    openpipe::read(&section, Names(&[]), &mut Vec::new()).err().map(|error| error.to_string())
}

#[test]
fn numbers_are_refused_beyond_their_bounds_only() {
    for (json, path) in [
        (r#"{"breaker":{"failures":1}}"#, None),
        (r#"{"breaker":{"failures":1.5}}"#, Some("openpipe.breaker.failures")),
        (r#"{"breaker":{"failures":0}}"#, Some("openpipe.breaker.failures")),
        (r#"{"breaker":{"failureRate":1}}"#, None),
        (r#"{"breaker":{"failureRate":1.01}}"#, Some("openpipe.breaker.failureRate")),
        (r#"{"breaker":{"failureRate":0}}"#, Some("openpipe.breaker.failureRate")),
        (r#"{"maxResponseBytes":9007199254740991}"#, None),
        (r#"{"maxResponseBytes":9007199254740994}"#, Some("openpipe.maxResponseBytes")),
        (r#"{"fallback":{"model":"m","maxRetries":2}}"#, None),
        (r#"{"fallback":{"model":"m","maxRetries":0.5}}"#, Some("openpipe.fallback.maxRetries")),
        (r#"{"fallback":{"model":"m","on":[100,599]}}"#, None),
        (r#"{"fallback":{"model":"m","on":[99]}}"#, Some("openpipe.fallback.on[0]")),
        (r#"{"fallback":{"model":"m","on":[600]}}"#, Some("openpipe.fallback.on[0]")),
    ] {
        let refused = refusal(json);
        assert_eq!(refused.is_some(), path.is_some(), "{json}: {refused:?}");
        assert!(refused.unwrap_or_default().contains(path.unwrap_or_default()), "{json}");
    }
}

#[test]
fn a_list_has_at_most_sixteen_fallbacks() {
    let list = |count: usize| format!(r#"{{"fallback":[{}]}}"#, vec![r#"{"model":"m"}"#; count].join(","));
    assert_eq!(refusal(&list(MAX_TARGETS)), None);
    assert!(refusal(&list(MAX_TARGETS + 1)).unwrap().contains("at most 16 targets"));
}

#[test]
fn a_target_of_an_alias_leaves_out_what_either_of_both_says() {
    let target = |omit: &[&str]| FallbackTarget {
        omit: omit.iter().map(|name| (*name).to_owned()).collect(),
        ..FallbackTarget::of_model("m".into())
    };
    assert_eq!(target(&["seed"]).over(&target(&["user"])).omit, ["seed", "user"]);
}

#[test]
fn a_declared_upstream_gets_the_sdks_own_headers_of_the_client_and_no_others() {
    let config = ClientConfig::from_json(
        r#"{"openai":{"baseUrl":"http://a/v1","headers":[["x-stainless-lang","js"],["x-own","1"],["user-agent","u"]]},
            "openpipeUrl":"http://b","options":{"openpipe":{"upstreams":{"groq":{"apiKey":" k ","headers":{"x-b":"2"}}}}}}"#,
    )
    .unwrap();
    let headers = &config.upstreams[0].headers;
    assert_eq!(
        (&headers["x-stainless-lang"], &headers["user-agent"], &headers["x-b"]),
        (&"js".parse().unwrap(), &"u".parse().unwrap(), &"2".parse().unwrap())
    );
    assert_eq!(headers["authorization"], "Bearer k");
    assert!(!headers.contains_key("x-own"));
}

#[test]
fn the_base_url_of_an_upstream_has_no_query_and_no_fragment() {
    for (base, is_refused) in [("http://a/v1", false), ("http://a/v1?x=1", true), ("http://a/v1#x", true)] {
        let config = format!(
            r#"{{"openai":{{"baseUrl":"http://a/v1","headers":[]}},"openpipeUrl":"http://b",
                "options":{{"openpipe":{{"upstreams":{{"mine":{{"apiKey":"k","baseURL":"{base}"}}}}}}}}}}"#
        );
        assert_eq!(ClientConfig::from_json(&config).is_err(), is_refused, "{base}");
    }
}
