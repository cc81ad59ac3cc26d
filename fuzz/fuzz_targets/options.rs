//! No configuration, options or body make planning panic, and every plan has the properties that the contract requires.
//!
//! Input: the client's configuration, the call's options and the body, separated by the byte 0x1E.
#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use openpipe_core::text::body::RequestBody;
use openpipe_core::text::json::Members;
use openpipe_core::options::{CallOptions, ClientConfig, nearest_name, read_call};
use openpipe_core::plan::{Plan, Via, plan};

const KEY: &str = "opk-9f3c";

fn check(plan: &Plan, body: &RequestBody) {
    assert!(!plan.targets.is_empty());
    assert_eq!(plan.stream, body.stream());
    for target in &plan.targets {
        for text in [target.body(body), target.reported_body(body)] {
            assert!(serde_json::from_slice::<Members<'_>>(&text).is_ok());
        }
        match &target.via {
            Via::Http { headers, .. } => {
                assert!(headers.values().all(|value| HeaderValue::from_bytes(value.as_bytes()).is_ok()));
            }
            Via::Asked { .. } | Via::Unsendable => {}
            Via::Client { headers, .. } => {
                assert!(headers.iter().all(|(_, value)| value.as_ref().is_none_or(|value| !value.contains(KEY))));
            }
        }
    }
}

fuzz_target!(|input: &str| {
    let mut parts = input.split('\x1e');
    let config = parts.next().unwrap_or_default();
    let call = serde_json::from_str::<CallOptions>(parts.next().unwrap_or_default());
    let body = RequestBody::parse(parts.next().unwrap_or_default().to_owned());

    let client = ClientConfig::from_json(config);
    if let (Ok(client), Ok(call)) = (&client, &call) {
        let mut warnings = Vec::new();
        if let Ok(own) = read_call(client, call, &mut warnings) {
            let _ = own.clone().over(&own);
            if let Some(word) = &own.cache {
                let _ = nearest_name(word, &["fallback".to_owned(), String::new(), config.chars().take(20).collect()]);
            }
        }
        // A warning escapes what it quotes, so that no input forges a line of a log.
        assert!(warnings.iter().all(|warning| !warning.contains('\n')));
    }
    if let (Ok(client), Ok(call), Ok(body)) = (client, call, body) {
        match plan(&client, &call, &body) {
            Ok(plan) => check(&plan, &body),
            Err(error) => assert!(!format!("{error:?}").is_empty()),
        }
    }
});
