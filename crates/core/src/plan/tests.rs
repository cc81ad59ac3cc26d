use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use reqwest::Url;

use super::*;
use crate::options::upstream_id::UpstreamKind;
use crate::policy::backoff::RetryPolicy;
use crate::policy::breaker::Narrowed;

const CONFIG: &str = r#"{
    "openai": {"baseUrl": "http://openai.test/v1", "headers": [["authorization", "Bearer sk"], ["user-agent", "OpenAI/JS"]]},
    "openpipeUrl": "http://openpipe.test", "openpipeKey": "opk", "timeout": 600000
"#;

fn planned(config: &str, call: &str, body: &str) -> Result<Plan, PlanError> {
    let client = ClientConfig::from_json(&format!("{CONFIG}{config}}}")).unwrap();
    let body = RequestBody::parse(body.to_owned())?;
    plan(&client, &serde_json::from_str(call).unwrap(), &body)
}

/// The custom client of the fallback at this place.
fn client_at(index: usize, number: u32) -> String {
    format!(r#""clients":{{"openpipe.fallback[{index}].client":{{"number":{number}}}}}"#)
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

/// Of each target: kind of upstream, model, milliseconds, retries.
fn shape(plan: &Plan) -> Vec<(UpstreamKind, &str, Option<u128>, u32)> {
    let of = |target: &Target| (target.budget.limit().map(|limit| limit.as_millis()), target.retry.max_retries);
    plan.targets.iter().map(|target| (target.kind, target.model.as_str(), of(target).0, of(target).1)).collect()
}

const OPENPIPE: &str = r#"{"model":"openpipe:ft"}"#;

#[test]
fn a_calls_headers_are_applied_over_those_that_the_host_gives() {
    let config = CONFIG.replacen(r#""headers""#, r#""keyIsFunction": true, "identity": "me", "headers""#, 1);
    let client = ClientConfig::from_json(&format!("{config}}}")).unwrap();
    let via = |call: &str| {
        let body = RequestBody::parse(r#"{"model":"gpt-4"}"#.to_owned()).unwrap();
        let plan = plan(&client, &serde_json::from_str(call).unwrap(), &body)?;
        Ok(plan.targets.into_iter().next().unwrap())
    };
    let target: Target = via(r#"{"timeout":2500,"headers":[["x-a","1"],["x-b",null]]}"#).unwrap();
    let Via::HttpWithHostHeaders { url, overlay, .. } = &target.via else { panic!("not asked for") };
    assert_eq!(url.as_str(), "http://openai.test/v1/chat/completions");
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer fresh"));
    headers.insert("x-b", HeaderValue::from_static("2"));
    let mut headers = Arc::new(headers);
    overlay.apply(&mut headers).unwrap();
    assert_eq!(headers["authorization"], "Bearer fresh");
    assert_eq!((headers["x-a"].as_bytes(), headers["x-stainless-timeout"].as_bytes()), (&b"1"[..], &b"2"[..]));
    assert!(!headers.contains_key("x-b"));

    // Its circuit is that of the function that gives the key, and of a key in the upstream's own headers.
    let plain = via("{}").unwrap();
    assert_eq!(target.circuit(Endpoint::ChatCompletions), plain.circuit(Endpoint::ChatCompletions));
    let keyed = via(r#"{"headers":[["x-api-key","another"]]}"#).unwrap();
    assert_ne!(keyed.circuit(Endpoint::ChatCompletions), plain.circuit(Endpoint::ChatCompletions));

    let refused: Result<Target, PlanError> = via(r#"{"headers":[["x-a","1\n"],["x-b","a\nb"]]}"#);
    assert!(matches!(refused, Err(PlanError::Argument(_))));
}

#[test]
fn a_call_with_a_credential_of_its_own_has_no_circuit() {
    let config = CONFIG.replacen("http://openai.test/v1\"", "http://openai.test/v1?key=k&v=1\"", 1);
    let client = ClientConfig::from_json(&format!("{config}}}")).unwrap();
    let has_circuit = |call: &str| {
        let body = RequestBody::parse(r#"{"model":"gpt-4"}"#.to_owned()).unwrap();
        let call = format!(r#"{{{call}"openpipe":{{"breaker":true,"fallback":[{{"model":"b"}}]}}}}"#);
        let plan = plan(&client, &serde_json::from_str(&call).unwrap(), &body).unwrap();
        plan.targets.iter().map(|target| target.circuit(plan.endpoint).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(has_circuit(""), [true, true]);
    assert_eq!(has_circuit(r#""headers":[["x-team","a"],["Authorization","Bearer sk"]],"#), [true, true]);
    assert_eq!(has_circuit(r#""headers":[["Authorization","Bearer mine"]],"#), [false, true]);
    assert_eq!(has_circuit(r#""headers":[["authorization",null]],"#), [false, true]);
    assert_eq!(has_circuit(r#""headers":[["x-api-key","mine"]],"#), [false, true]);
    let url = |query: &str| format!(r#""url":"http://openai.test/v1/chat/completions?{query}","#);
    assert_eq!(has_circuit(&url("key=k&v=1&run=7")), [true, true]);
    assert_eq!(has_circuit(&url("key=mine&v=1")), [false, true]);
}

#[test]
fn a_plan_records_which_limits_the_call_narrowed() {
    let narrowed = |defaults: &str, call: &str| {
        let plan = planned(defaults, call, r#"{"model":"gpt-4"}"#).unwrap();
        plan.targets.iter().map(|target| target.narrowed).collect::<Vec<_>>()
    };
    let none = Narrowed::default();
    let time = Narrowed { time: true, ..none };
    assert_eq!(narrowed("", "{}"), [none]);
    assert_eq!(narrowed("", r#"{"timeout":600000}"#), [none]);
    assert_eq!(narrowed("", r#"{"timeout":"Infinity"}"#), [none]);
    assert_eq!(narrowed("", r#"{"timeout":599999}"#), [time]);
    let of_client =
        r#","options":{"openpipe":{"fallback":[{"model":"b","timeout":50}],"firstTokenTimeout":5,"idleTimeout":5}}"#;
    assert_eq!(narrowed(of_client, "{}"), [none, none], "the constructor's limits are everybody's");
    assert_eq!(
        narrowed("", r#"{"openpipe":{"fallback":[{"model":"b","timeout":50}]}}"#),
        [none, time],
        "a call's own fallback is compared with what it would have had"
    );
    let own = r#"{"openpipe":{"firstTokenTimeout":5,"idleTimeout":5,"maxResponseBytes":1}}"#;
    assert_eq!(narrowed("", own), [Narrowed { time: false, first_token: true, idle: true, size: true }]);
}

#[test]
fn without_a_fallback_the_sdks_meaning_of_time_holds() {
    let plan = planned("", "{}", r#"{"model":"gpt-4"}"#).unwrap();
    assert_eq!(shape(&plan), [(UpstreamKind::Own, "gpt-4", Some(600_000), 2)]);
    assert!(matches!(plan.targets[0].budget, Budget::PerTry(_)));
    assert!(!plan.targets[0].retry.another_waits);
}

#[test]
fn a_primary_with_a_fallback_is_not_retried_and_has_its_time_in_all() {
    let plan =
        planned("", r#"{"timeout":10000,"openpipe":{"fallback":[{"model":"gpt-4","timeout":20000}]}}"#, OPENPIPE)
            .unwrap();
    assert_eq!(
        shape(&plan),
        [(UpstreamKind::OpenPipe, "openpipe:ft", Some(10_000), 0), (UpstreamKind::Own, "gpt-4", Some(20_000), 2)]
    );
    assert!(plan.targets.iter().all(|target| matches!(target.budget, Budget::Total(_))));
    assert!(plan.targets[0].retry.another_waits && !plan.targets[1].retry.another_waits);
}

#[test]
fn a_fallbacks_time_is_its_own_then_the_calls_then_the_clients() {
    let limits = |call: &str| {
        let plan = planned("", call, OPENPIPE).unwrap();
        plan.targets.iter().map(|target| target.budget.limit()).collect::<Vec<_>>()
    };
    assert_eq!(limits(r#"{"openpipe":{"fallback":[{"model":"b"}]}}"#), [seconds(600), seconds(600)]);
    assert_eq!(limits(r#"{"timeout":3000,"openpipe":{"fallback":[{"model":"b"}]}}"#), [seconds(3), seconds(3)]);
    assert_eq!(
        limits(
            r#"{"timeout":3000,"openpipe":{"fallback":[{"model":"b"}]},"odd":{"openpipe.fallback[0].timeout":"Infinity"}}"#
        ),
        [seconds(3), None]
    );
}

#[test]
fn max_retries_that_were_given_hold_for_every_target() {
    let fallback = r#""openpipe":{"fallback":[{"model":"b"}]}"#;
    let retries = |config: &str, call: &str| {
        let plan = planned(config, call, OPENPIPE).unwrap();
        plan.targets.iter().map(|target| target.retry.max_retries).collect::<Vec<_>>()
    };
    assert_eq!(retries("", &format!("{{{fallback}}}")), [0, 2]);
    assert_eq!(retries(r#","maxRetries":4"#, &format!("{{{fallback}}}")), [4, 4]);
    assert_eq!(retries(r#","maxRetries":4"#, &format!("{{\"maxRetries\":0,{fallback}}}")), [0, 0]);
}

#[test]
fn a_fallback_goes_to_its_client_then_the_constructors_then_by_its_model() {
    let kinds = |config: &str, targets: &str| {
        let call = format!(r#"{{"openpipe":{{"fallback":{targets}}},{}}}"#, client_at(2, 9));
        let plan = planned(config, &call, OPENPIPE).unwrap();
        plan.targets[1..]
            .iter()
            .map(|target| match target.via {
                Via::Client { client, .. } => (target.kind, Some(client)),
                Via::Http { .. } | Via::HttpWithHostHeaders { .. } | Via::Unsendable => (target.kind, None),
            })
            .collect::<Vec<_>>()
    };
    let targets = r#"[{"model":"gpt-4"},{"model":"openpipe:other"},{"model":"x"}]"#;
    assert_eq!(
        kinds("", targets),
        [(UpstreamKind::Own, None), (UpstreamKind::OpenPipe, None), (UpstreamKind::HostClient, Some(9))]
    );
    assert_eq!(
        kinds(r#","options":{"clients":{"openpipe.fallbackClient":{"number":2}}}"#, targets),
        [(UpstreamKind::HostClient, Some(2)), (UpstreamKind::HostClient, Some(2)), (UpstreamKind::HostClient, Some(9))]
    );
}

#[test]
fn a_cache_routes_the_primary_to_openpipe_and_no_fallback() {
    let plan =
        planned("", r#"{"openpipe":{"cache":"readWrite","fallback":[{"model":"gpt-3.5"}]}}"#, r#"{"model":"gpt-4"}"#)
            .unwrap();
    assert_eq!(
        plan.targets.iter().map(|target| target.kind).collect::<Vec<_>>(),
        [UpstreamKind::OpenPipe, UpstreamKind::Own]
    );
}

fn http(target: &Target) -> (&Url, &HeaderMap) {
    match &target.via {
        Via::Http { url, headers } => (url, headers),
        Via::HttpWithHostHeaders { .. } | Via::Client { .. } | Via::Unsendable => panic!("not called over HTTP"),
    }
}

#[test]
fn openpipe_gets_its_headers_in_ascii_and_its_own_key() {
    let call = r#"{"openpipe":{"tags":{"who":"José 😀"},"criteria":["é"],"cache":"readOnly","logRequest":false}}"#;
    let plan = planned("", call, OPENPIPE).unwrap();
    let (url, headers) = http(&plan.targets[0]);
    assert_eq!(url.as_str(), "http://openpipe.test/chat/completions");
    assert_eq!(headers["authorization"], "Bearer opk");
    assert_eq!(headers["op-log-request"], "false");
    assert_eq!(headers["op-cache"], "readOnly");
    assert_eq!(headers["op-criteria"], r#"["\u00e9"]"#);
    let version = env!("CARGO_PKG_VERSION");
    let tags = format!(r#"{{"who":"Jos\u00e9 \ud83d\ude00","$sdk":"openpipe-native","$sdk.version":"{version}"}}"#);
    assert_eq!(headers["op-tags"], tags.as_str());
}

#[test]
fn openai_gets_no_header_of_openpipe() {
    let plan = planned("", r#"{"openpipe":{"tags":{"a":1}}}"#, r#"{"model":"gpt-4"}"#).unwrap();
    let (_, headers) = http(&plan.targets[0]);
    assert!(headers.keys().all(|name| !name.as_str().starts_with("op-")));
    assert_eq!(headers["authorization"], "Bearer sk");
}

#[test]
fn a_calls_headers_go_everywhere_but_its_credentials_to_the_primary_only() {
    let call = r#"{"headers":[["x-trace","t"],["authorization","Bearer own"],["user-agent",null]],"openpipe":{"fallback":[{"model":"gpt-4"},{"model":"x"}]},"clients":{"openpipe.fallback[1].client":{"number":7}}}"#;
    let plan = planned("", call, OPENPIPE).unwrap();
    let (_, primary) = http(&plan.targets[0]);
    let (_, fallback) = http(&plan.targets[1]);
    assert_eq!(
        (&primary["x-trace"], &primary["authorization"]),
        (&"t".parse().unwrap(), &"Bearer own".parse().unwrap())
    );
    assert_eq!(
        (&fallback["x-trace"], &fallback["authorization"]),
        (&"t".parse().unwrap(), &"Bearer sk".parse().unwrap())
    );
    assert!(!primary.contains_key("user-agent") && !fallback.contains_key("user-agent"));
    let Via::Client { headers, .. } = &plan.targets[2].via else { panic!("a client") };
    assert_eq!(headers, &[("x-trace".to_owned(), Some("t".to_owned())), ("user-agent".to_owned(), None)]);
}

#[test]
fn framing_headers_go_to_no_target() {
    let call = r#"{"headers":[["Host","gateway.example"],["content-length","5"],["connection","upgrade"],["x-trace","t"]],"openpipe":{"fallback":[{"model":"gpt-4"},{"model":"x"}]},"clients":{"openpipe.fallback[1].client":{"number":7}}}"#;
    let plan = planned("", call, OPENPIPE).unwrap();
    for target in &plan.targets[..2] {
        let (_, headers) = http(target);
        assert_eq!(headers["x-trace"], "t");
        for name in ["host", "content-length", "connection"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }
    let Via::Client { headers, .. } = &plan.targets[2].via else { panic!("a client") };
    assert_eq!(headers, &[("x-trace".to_owned(), Some("t".to_owned()))]);
}

#[test]
fn a_header_that_http_forbids_is_a_malformed_argument() {
    let error = planned("", r#"{"headers":[["x","a\r\nb: c"]]}"#, OPENPIPE).unwrap_err();
    assert!(matches!(error, PlanError::Argument(message) if message.contains("\"x\"")));
}

#[test]
fn x_stainless_timeout_has_a_calls_timeout_in_whole_seconds() {
    let header = |call: &str| {
        let plan = planned("", call, OPENPIPE).unwrap();
        http(&plan.targets[0]).1.get("x-stainless-timeout").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("{}"), None);
    assert_eq!(header(r#"{"timeout":10500}"#).as_deref(), Some("10"));
}

#[test]
fn x_stainless_timeout_has_each_targets_time_unless_the_callers_headers_set_it() {
    let told = |config: &str, body: &str| {
        let call = r#"{"timeout":10500,"openpipe":{"fallback":[{"model":"b","timeout":3000},{"model":"own:c"}]}}"#;
        let plan = planned(config, call, body).unwrap();
        let header =
            |target: &Target| http(target).1.get("x-stainless-timeout").map(|value| value.to_str().unwrap().to_owned());
        plan.targets.iter().map(header).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    let own = |headers: &str| {
        format!(
            r#","options":{{"openpipe":{{"upstreams":{{"own":{{"baseURL":"http://o/v1","apiKey":null,"headers":{headers}}}}}}}}}"#
        )
    };
    assert_eq!(told(&own("{}"), OPENPIPE), [some("10"), some("3"), some("10")]);
    assert_eq!(told(&own(r#"{"X-Stainless-Timeout":"7"}"#), OPENPIPE), [some("10"), some("3"), some("7")]);
    assert_eq!(told(&own(r#"{"x-stainless-timeout":null}"#), OPENPIPE), [some("10"), some("3"), None]);
    let kept = format!(r#"{},"keepsTimeout":true"#, own("{}"));
    assert_eq!(told(&kept, OPENPIPE), [None, None, some("10")]);
}

#[test]
fn a_missing_key_of_the_primary_stops_the_call_and_of_a_fallback_warns() {
    let missing = r#","openpipeMissingKey":"set OPENPIPE_API_KEY""#;
    assert_eq!(planned(missing, "{}", OPENPIPE).unwrap_err(), PlanError::MissingKey("set OPENPIPE_API_KEY".into()));
    let plan =
        planned(missing, r#"{"openpipe":{"fallback":[{"model":"openpipe:x"}]}}"#, r#"{"model":"gpt-4"}"#).unwrap();
    assert_eq!(plan.targets.len(), 1);
    assert!(matches!(plan.targets[0].budget, Budget::PerTry(_)), "no fallback is left, so the SDK's meaning holds");
    assert_eq!(plan.warnings, ["the fallback \"openpipe:x\" cannot run: set OPENPIPE_API_KEY"]);
}

#[test]
fn the_last_target_has_no_first_token_timeout_and_idle_is_a_minute_or_the_timeout() {
    let call = r#"{"timeout":5000,"openpipe":{"firstTokenTimeout":100,"fallback":[{"model":"b","timeout":90000}]}}"#;
    let plan = planned("", call, OPENPIPE).unwrap();
    let waits: Vec<_> = plan.targets.iter().map(|target| (target.first_token_timeout, target.idle_timeout)).collect();
    assert_eq!(waits, [(Some(Duration::from_millis(100)), seconds(60)), (None, seconds(90))]);
    let given = planned("", r#"{"openpipe":{"idleTimeout":250}}"#, OPENPIPE).unwrap();
    assert_eq!(given.targets[0].idle_timeout, Some(Duration::from_millis(250)));
}

#[test]
fn each_target_gets_its_body() {
    let call = r#"{"openpipe":{"fallback":[{"model":"gpt-4","params":{"top_p":1},"omit":["seed"]}]}}"#;
    let text = r#"{"model":"openpipe:ft","seed":1,"metadata":{"a":"b"}}"#;
    let plan = planned("", call, text).unwrap();
    let body = RequestBody::parse(text.to_owned()).unwrap();
    assert_eq!(plan.targets[0].body(&body), text);
    assert_eq!(plan.targets[1].body(&body), r#"{"model":"gpt-4","top_p":1}"#);
    assert_eq!(plan.targets[1].reported_body(&body), r#"{"model":"gpt-4","metadata":{"a":"b"},"top_p":1}"#);
}

#[test]
fn the_url_of_a_call_is_used_for_the_clients_upstream_only() {
    let call = r#"{"url":"http://openai.test/v1/chat/completions?a=1","openpipe":{"fallback":[{"model":"gpt-4"}]}}"#;
    let plan = planned("", call, OPENPIPE).unwrap();
    assert_eq!(http(&plan.targets[0]).0.as_str(), "http://openpipe.test/chat/completions");
    assert_eq!(http(&plan.targets[1]).0.query(), Some("a=1"));
}

#[test]
fn the_callers_patience_is_the_deadline_and_the_primary_gets_half_of_it() {
    let fallback = r#""openpipe":{"fallback":[{"model":"gpt-4"}]}"#;
    let config = CONFIG.replacen(r#", "timeout": 600000"#, "", 1);
    let of_client = |config: &str, call: String| {
        let client = ClientConfig::from_json(&format!("{config}}}")).unwrap();
        let body = RequestBody::parse(OPENPIPE.to_owned()).unwrap();
        let plan = plan(&client, &serde_json::from_str(&call).unwrap(), &body).unwrap();
        (plan.deadline.map(|limit| limit.as_millis()), plan.targets[0].budget.limit().map(|limit| limit.as_millis()))
    };
    let of = |call: String| of_client(&config, call);
    assert_eq!(of(format!(r#"{{"patience":10000,{fallback}}}"#)), (Some(9_900), Some(5_000)));
    assert_eq!(of(format!(r#"{{"patience":1000,{fallback}}}"#)), (Some(950), Some(500)));
    assert_eq!(of(format!(r#"{{"patience":10000,"timeout":7000,{fallback}}}"#)), (None, Some(7_000)));
    assert_eq!(of(r#"{"patience":10000}"#.into()), (Some(9_900), Some(600_000)));
    let sooner = r#"{"patience":10000,"openpipe":{"deadline":3000,"fallback":[{"model":"gpt-4"}]}}"#;
    assert_eq!(of(sooner.into()), (Some(3_000), Some(5_000)));
    // A client with a timeout says itself how long a target has.
    assert_eq!(of_client(CONFIG, format!(r#"{{"patience":10000,{fallback}}}"#)), (None, Some(600_000)));
}

#[test]
fn x_stainless_timeout_of_a_request_becomes_the_time_of_each_target() {
    let client = CONFIG.replacen(r#", "timeout": 600000"#, "", 1);
    let told = |client: &str, rest: &str| {
        let call = format!(
            r#"{{"request":{{"url":"http://x.test/v1/chat/completions","headers":[["x-stainless-timeout","10"]]}}{rest}}}"#
        );
        let client = ClientConfig::from_json(&format!("{client}}}")).unwrap();
        let plan = plan(
            &client,
            &serde_json::from_str(&call).unwrap(),
            &RequestBody::parse(r#"{"model":"m"}"#.into()).unwrap(),
        )
        .unwrap();
        plan.targets.iter().map(|target| http(target).1["x-stainless-timeout"].to_str().unwrap().to_owned()).collect()
    };
    let fallbacks = r#","openpipe":{"fallback":[{"model":"a"},{"model":"b","timeout":3000}]}"#;
    let cases: [(&str, String, Vec<&str>); 5] = [
        (&client, format!(r#","patience":10000{fallbacks}"#), vec!["5", "10", "3"]),
        (&client, r#","patience":10000"#.into(), vec!["10"]),
        (&client, format!(r#","patience":10000,"timeout":7000{fallbacks}"#), vec!["7", "7", "3"]),
        (CONFIG, r#","patience":10000"#.into(), vec!["600"]),
        // What says nothing of the caller's time stays as it is.
        (&client, String::new(), vec!["10"]),
    ];
    for (client, rest, expected) in cases {
        let all: Vec<String> = told(client, &rest);
        assert_eq!(all, expected, "{rest}");
    }
}

#[test]
fn the_endpoint_gives_the_path_below_an_upstreams_base_url() {
    for (endpoint, path) in [("chat", "/chat/completions"), ("embeddings", "/embeddings"), ("responses", "/responses")]
    {
        let target = r#"{"model":"gpt-4","sameVectors":true}"#;
        let call = format!(r#"{{"endpoint":"{endpoint}","openpipe":{{"fallback":[{target}]}}}}"#);
        let plan = planned("", &call, OPENPIPE).unwrap();
        let urls: Vec<_> = plan.targets.iter().map(|target| http(target).0.as_str()).collect();
        assert_eq!(urls, [format!("http://openpipe.test{path}"), format!("http://openai.test/v1{path}")]);
    }
}

#[test]
fn only_chat_and_responses_have_the_default_fallback() {
    let config = r#","options":{"openpipe":{"fallback":[{"model":"gpt-4"}]}}"#;
    for (endpoint, count) in [("chat", 2), ("responses", 2), ("embeddings", 1), ("completions", 1)] {
        let plan = planned(config, &format!(r#"{{"endpoint":"{endpoint}"}}"#), r#"{"model":"gpt-4o"}"#).unwrap();
        assert_eq!(plan.targets.len(), count, "{endpoint}");
    }
}

#[test]
fn the_model_of_embeddings_changes_only_with_same_vectors() {
    let of = |target: &str| {
        let call = format!(r#"{{"endpoint":"embeddings","openpipe":{{"fallback":[{target}]}}}}"#);
        planned("", &call, r#"{"model":"e"}"#).map(|plan| plan.targets.len())
    };
    assert_eq!(of(r#"{"model":"e"}"#), Ok(2));
    assert_eq!(of(r#"{"model":"f","sameVectors":true}"#), Ok(2));
    for target in [
        r#"{"model":"f"}"#,
        r#"{"model":"f","sameVectors":false}"#,
        r#"{"model":"e","params":{"dimensions":5}}"#,
        r#"{"model":"e","omit":["encoding_format"]}"#,
    ] {
        assert!(matches!(of(target), Err(PlanError::Argument(_))), "{target}");
    }
}

#[test]
fn a_request_takes_the_place_of_the_clients_own_upstream() {
    let call = r#"{"request":{"url":"http://x.test/v1/chat/completions?key=1","headers":[
        ["Authorization","Bearer theirs"],["OpenAI-Organization","o"],["openai-project","p"],["Accept-Encoding","gzip"],["content-length","5"],["x-a","1"]
    ]},"openpipe":{"fallback":[{"model":"gpt-4"},{"model":"openpipe:x"}]}}"#;
    let plan = planned("", call, r#"{"model":"gpt-4o"}"#).unwrap();
    let names: Vec<_> = plan.targets.iter().map(|target| &*target.upstream).collect();
    assert_eq!(names, ["request", "request", "openpipe"]);
    let names_of = |target: &Target| http(target).1.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();

    assert_eq!(http(&plan.targets[0]).0.as_str(), "http://x.test/v1/chat/completions?key=1");
    assert_eq!(
        names_of(&plan.targets[0]),
        ["authorization", "openai-organization", "openai-project", "accept-encoding", "x-a"]
    );
    assert_eq!(http(&plan.targets[1]).0.as_str(), "http://x.test/v1/chat/completions");
    assert_eq!(names_of(&plan.targets[1]), ["authorization", "x-a"]);
    assert_eq!(http(&plan.targets[2]).1["authorization"], "Bearer opk");
}

// === Named upstreams and aliases ===

const NAMED: &str = r#","options":{"variables":{"GROQ_API_KEY":" gsk-1 "},"openpipe":{
    "upstreams":{
        "groq":{},
        "azure":{"baseURL":"https://x.test/openai/deployments/{model}","query":{"api-version":"2024-10-21"},"headers":{"api-key":"azk"},"apiKey":null,"timeout":8000},
        "mistral":{}
    },
    "aliases":{
        "openpipe:ft":"groq:wandb-artifact:///t/p/m:latest",
        "smart":[{"model":"azure:gpt-4o","timeout":5000},{"model":"groq:llama"}],
        "own":{"model":"gpt-4o","params":{"n":1}}
    },
    "fallback":{"model":"gpt-4o-mini"}
}}"#;

fn named(call: &str, model: &str) -> Result<Plan, PlanError> {
    planned(NAMED, call, &format!(r#"{{"model":"{model}"}}"#))
}

fn route_of(plan: &Plan) -> Vec<String> {
    plan.targets.iter().map(|target| format!("{} {}", target.upstream, target.model)).collect()
}

#[test]
fn a_prefix_with_an_upstreams_name_routes_there_and_is_cut_off() {
    let plan = named("{}", "groq:llama:70b").unwrap();
    assert_eq!(route_of(&plan), ["groq llama:70b", "openai gpt-4o-mini"]);
    let (url, headers) = http(&plan.targets[0]);
    assert_eq!(url.as_str(), "https://api.groq.com/openai/v1/chat/completions");
    assert_eq!(headers["authorization"], "Bearer gsk-1");
    assert_eq!(headers["user-agent"], "OpenAI/JS");
    let body = RequestBody::parse(r#"{"model":"groq:llama:70b","metadata":{"a":"b"}}"#.into()).unwrap();
    assert_eq!(plan.targets[0].body(&body), r#"{"model":"llama:70b","metadata":{"a":"b"}}"#);
}

#[test]
fn a_deployment_is_encoded_into_the_path_and_cannot_leave_it() {
    let plan = named("{}", "azure:gpt 4/o").unwrap();
    let (url, headers) = http(&plan.targets[0]);
    assert_eq!(url.as_str(), "https://x.test/openai/deployments/gpt%204%2Fo/chat/completions?api-version=2024-10-21");
    assert_eq!(headers["api-key"], "azk");
    assert!(!headers.contains_key("authorization"));
    assert_eq!(plan.targets[0].budget.limit(), seconds(8));
    let deep = format!("azure:%{}2e", "25".repeat(100_000)); // decoding it step by step would take minutes
    for model in [deep.as_str(), "azure:..", "azure:.", "azure:%2e%2E", "azure:%252e%252e", "azure:.%2e"] {
        assert!(matches!(named("{}", model).unwrap().targets[0].via, Via::Unsendable), "{model}");
    }
}

#[test]
fn an_alias_is_one_target_before_the_default_fallback_or_the_whole_chain() {
    let of = |call: &str, model: &str| route_of(&named(call, model).unwrap());
    let one = named("{}", "openpipe:ft").unwrap();
    assert_eq!(route_of(&one), ["groq wandb-artifact:///t/p/m:latest", "openai gpt-4o-mini"]);
    assert_eq!(one.alias.as_deref(), Some("openpipe:ft"));
    assert_eq!(of("{}", "smart"), ["azure gpt-4o", "groq llama"]);
    assert_eq!(of(r#"{"openpipe":{"fallback":{"model":"x"}}}"#, "smart"), ["azure gpt-4o", "openai x"]);
    assert_eq!(of(r#"{"openpipe":{"fallback":null}}"#, "smart"), ["azure gpt-4o"]);
    assert_eq!(
        of(r#"{"openpipe":{"fallback":{"model":"smart"}}}"#, "own"),
        ["openai gpt-4o", "azure gpt-4o", "groq llama"]
    );
}

#[test]
fn a_fallback_with_an_upstream_or_a_client_is_no_alias() {
    let call = format!(
        r#"{{"openpipe":{{"fallback":[{{"model":"smart","upstream":"groq"}},{{"model":"smart"}}]}},{}}}"#,
        client_at(1, 7)
    );
    assert_eq!(route_of(&named(&call, "gpt-4o").unwrap()), ["openai gpt-4o", "groq smart", "client smart"]);
}

#[test]
fn an_upstream_that_is_named_takes_the_model_as_it_is() {
    let of = |call: &str, model: &str| route_of(&named(call, model).unwrap())[0].clone();
    assert_eq!(of(r#"{"openpipe":{"upstream":"groq"}}"#, "smart"), "groq smart");
    assert_eq!(of(r#"{"openpipe":{"upstream":"openai"}}"#, "groq:x"), "openai groq:x");
    assert_eq!(of(r#"{"openpipe":{"upstream":"openpipe"}}"#, "x"), "openpipe x");
    // Never from a body.
    let plan = named(r#"{"bodyOpenpipe":{"upstream":"groq"}}"#, "gpt-4o").unwrap();
    assert_eq!(&*plan.targets[0].upstream, "openai");
    assert!(plan.warnings[0].contains("`openpipe.upstream` is not taken from a body"), "{:?}", plan.warnings);
}

#[test]
fn a_key_that_is_missing_is_named_and_stops_no_call_that_does_not_need_it() {
    let Err(PlanError::MissingKey(message)) = named("{}", "mistral:small") else { panic!("a key is missing") };
    assert!(message.contains("MISTRAL_API_KEY") && message.contains("`openpipe.upstreams.mistral.apiKey`"));
    let plan = named(r#"{"openpipe":{"fallback":{"model":"mistral:small"}}}"#, "gpt-4o").unwrap();
    assert_eq!((plan.targets.len(), plan.warnings.len()), (1, 1));
}

#[test]
fn an_upstream_that_is_not_declared_is_a_malformed_argument_that_shows_how_to_declare_it() {
    for (call, model) in [("{}", "xai:grok"), (r#"{"openpipe":{"upstream":"xai"}}"#, "grok")] {
        let Err(PlanError::Argument(message)) = named(call, model) else { panic!("{call}") };
        assert!(message.contains("upstreams: { xai: {} }"), "{message}");
    }
}

#[test]
fn a_call_has_at_most_sixteen_targets_after_aliases() {
    let fallback =
        |count: usize| format!(r#"{{"openpipe":{{"fallback":[{}]}}}}"#, vec![r#"{"model":"smart"}"#; count].join(","));
    assert_eq!(named(&fallback(7), "gpt-4o").unwrap().targets.len(), 15);
    assert_eq!(
        named(&fallback(7).replacen("smart", "own", 1).replace("}]", "},{\"model\":\"smart\"}]"), "gpt-4o")
            .unwrap()
            .targets
            .len(),
        16
    );
    let Err(PlanError::Argument(message)) = named(&fallback(8), "gpt-4o") else { panic!("17 targets") };
    assert!(message.contains("at most 16") && message.contains("17"), "{message}");
}

#[test]
fn the_members_of_the_request_options_win_over_the_bodys_one_by_one() {
    let call = r#"{"openpipe":{"tags":{"a":1},"logRequest":false},"bodyOpenpipe":{"tags":{"b":2},"logRequest":true,"deadline":7}}"#;
    let plan = named(call, "gpt-4o").unwrap();
    assert_eq!(serde_json::to_string(&plan.tags).unwrap(), r#"{"a":1}"#);
    assert!(!plan.log_request);
    assert_eq!(plan.deadline, Some(Duration::from_millis(7)));
}

#[test]
fn tags_of_more_than_four_kilobytes_are_a_malformed_argument() {
    let of = |length: usize| named(&format!(r#"{{"openpipe":{{"tags":{{"a":"{}"}}}}}}"#, "é".repeat(length)), "gpt-4o");
    assert!(of(600).is_ok());
    assert!(matches!(of(800), Err(PlanError::Argument(_))));
}

#[test]
fn tables_are_checked_when_they_are_read() {
    let refusal =
        |openpipe: &str| crate::options::describe(&format!(r#"{{"openpipe":{openpipe}}}"#)).unwrap_err().to_string();
    for (openpipe, part) in [
        (r#"{"upstreams":{"openai":{}}}"#, "`openpipe.upstreams.openai` has a name"),
        (r#"{"upstreams":{"1a":{}}}"#, "has a name that is not allowed"),
        (r#"{"upstreams":{"a":{}}}"#, "`openpipe.upstreams.a.baseURL` must be a non-empty string, got undefined"),
        (r#"{"upstreams":{"a":{"baseUrl":"http://x"}}}"#, "`baseURL`"),
        (r#"{"upstreams":{"groq":{"basURL":"http://x"}}}"#, "did you mean `baseURL`?"),
        (r#"{"upstreams":{"a":{"baseURL":"x"}}}"#, "`openpipe.upstreams.a.baseURL` "),
        (r#"{"upstreams":{"a":{"baseURL":"http://x/?a=1"}}}"#, "`query` is for that"),
        (r#"{"upstreams":{"a":{"baseURL":"http://{model}/"}}}"#, "in its path only"),
        (r#"{"upstreams":{"a":{"baseURL":"http://u:p@x/","apiKey":"k"}}}"#, "a user or a password"),
        (r#"{"upstreams":{"groq":{"endpoints":["audio"]}}}"#, "`openpipe.upstreams.groq.endpoints`"),
        (r#"{"upstreams":{"groq":{"query":{"a":1}}}}"#, "`openpipe.upstreams.groq.query.a` must be a string"),
        (r#"{"aliases":{"a":[]}}"#, "`openpipe.aliases.a` is an empty array"),
        (r#"{"aliases":{"a":""}}"#, "`openpipe.aliases.a`"),
        (r#"{"aliases":{"a":{"model":"x","on":["timeout"]}}}"#, "cannot have `on` or `except`"),
        (r#"{"aliases":{"a":{"model":"x","upstream":"nope"}}}"#, "`openpipe.aliases.a.upstream`"),
        (r#"{"aliases":{"a":"groq:llama"}}"#, "add `upstreams: { groq: {} }`"),
        (r#"{"aliases":{"a":[{"model":"m"},{"model":"mistral:small"}]}}"#, "add `upstreams: { mistral: {} }`"),
        (r#"{"upstreams":{"groq":{}},"aliases":{"a":"groq:"}}"#, "names an upstream and no model"),
        (r#"{"allowInBody":["tag"]}"#, "did you mean \"tags\"?"),
    ] {
        let message = refusal(openpipe);
        assert!(message.contains(part), "{openpipe}: {message}");
    }
}

#[test]
fn a_user_and_a_password_in_a_url_are_sent_where_there_is_no_key() {
    let config =
        r#","options":{"openpipe":{"upstreams":{"a":{"baseURL":"http://us%40er:pw@x.test/v1","apiKey":null}}}}"#;
    let plan = planned(config, "{}", r#"{"model":"a:m"}"#).unwrap();
    let (url, headers) = http(&plan.targets[0]);
    assert_eq!(url.as_str(), "http://x.test/v1/chat/completions");
    assert_eq!(headers["authorization"], "Basic dXNAZXI6cHc=");
}

#[test]
fn a_warning_of_unknown_names_is_linear_in_cost_and_forges_no_line() {
    let long = "x".repeat(1_000_000);
    let call = format!(
        r#"{{"openpipe":{{"{long}":1,"a\nb":1{}}}}}"#,
        (0..10_000).map(|n| format!(",\"n{n}\":1")).collect::<String>()
    );
    let plan = named(&call, "gpt-4o").unwrap();
    assert_eq!(plan.warnings.len(), 9);
    assert!(plan.warnings.iter().all(|warning| warning.len() < 300 && !warning.contains('\n')));
    assert!(plan.warnings[8].contains("9994 more"), "{}", plan.warnings[8]);
}

// === Requests that not every upstream can take ===

const VENDORS: &str = r#","options":{"openpipe":{
    "upstreams":{
        "azure":{"baseURL":"http://azure.test/v1","apiKey":"k","takes":["web_search"],"state":"shared"},
        "twin":{"baseURL":"http://twin.test/v1","apiKey":"k","state":"shared"},
        "plain":{"baseURL":"http://plain.test/v1","apiKey":"k","endpoints":["chat"]},
        "other":{"baseURL":"http://other.test/v1","apiKey":"k"}
    },
    "fallback":[{"model":"plain:p"},{"model":"azure:a"}]
}}"#;

/// The targets that can take a Responses call, those that cannot with why, and the warnings.
fn sorted(fallback: &str, members: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let fallback =
        if fallback.is_empty() { String::new() } else { format!(r#","openpipe":{{"fallback":{fallback}}}"#) };
    let call = format!(r#"{{"endpoint":"responses"{fallback}}}"#);
    let plan = planned(VENDORS, &call, &format!(r#"{{"model":"gpt-5",{members}}}"#)).unwrap();
    let why = |target: &Unsupported| format!("{} {:?}", target.upstream, target.because);
    (route_of(&plan), plan.unsupported.iter().map(why).collect(), plan.warnings)
}

#[test]
fn a_target_that_does_not_serve_the_endpoint_is_set_aside() {
    let (targets, unsupported, warnings) = sorted("", r#""input":"x""#);
    assert_eq!(targets, ["openai gpt-5", "azure a"]);
    assert_eq!(unsupported, [r#"plain Endpoint("/responses")"#]);
    assert_eq!(warnings, [r#"the fallback "p" cannot run: the upstream plain does not serve /responses"#]);
    let (_, unsupported, warnings) = sorted(r#"[{"model":"plain:p"}]"#, r#""input":"x""#);
    assert_eq!((unsupported.len(), warnings.len()), (1, 0), "a call's own fallback is not warned of");
}

#[test]
fn only_targets_that_can_take_the_request_count_for_retries_and_time() {
    let call = r#"{"endpoint":"responses","openpipe":{"fallback":[{"model":"plain:p"}]}}"#;
    let plan = planned(VENDORS, call, r#"{"model":"gpt-5","input":"x"}"#).unwrap();
    assert_eq!(plan.targets[0].retry, RetryPolicy { max_retries: 2, another_waits: false });
    assert!(matches!(plan.targets[0].budget, Budget::PerTry(_)));
    assert_eq!(plan.unsupported[0].before, 1);
    // A fallback stays one where the primary is set aside.
    let call = r#"{"endpoint":"responses","openpipe":{"upstream":"plain","fallback":[{"model":"azure:a"}]}}"#;
    let plan = planned(VENDORS, call, r#"{"model":"p","input":"x"}"#).unwrap();
    assert_eq!((plan.unsupported[0].before, plan.targets[0].is_primary), (0, false));
}

#[test]
fn a_custom_client_without_the_endpoints_method_is_set_aside() {
    let call = r#"{"endpoint":"responses","openpipe":{"fallback":[{"model":"b"}]},
        "clients":{"openpipe.fallback[0].client":{"number":7,"endpoints":["chat"]}}}"#;
    let plan = planned("", call, r#"{"model":"gpt-5","input":"x"}"#).unwrap();
    assert_eq!(plan.unsupported[0].because, Because::Endpoint("/responses"));
    assert_eq!(&*plan.unsupported[0].upstream, "client");
}

#[test]
fn state_does_not_go_to_another_upstream_unless_it_is_shared_or_left_out() {
    let fallback = |targets: &str, members: &str| sorted(targets, members).0;
    for members in [
        r#""previous_response_id":"resp_1""#,
        r#""conversation":"conv_1""#,
        r#""prompt":{"id":"p"}"#,
        r#""input":[{"type":"item_reference","id":"msg_1"}]"#,
        r#""background":true"#,
        r#""tools":[{"type":"file_search","vector_store_ids":["v"]}]"#,
    ] {
        assert_eq!(fallback("", members), ["openai gpt-5"], "{members}");
        assert_eq!(fallback(r#"[{"model":"gpt-4"}]"#, members), ["openai gpt-5", "openai gpt-4"], "{members}");
    }
    let omitting = r#"[{"model":"azure:a","omit":["background","tools.web_search"]}]"#;
    let members = r#""background":true,"tools":[{"type":"web_search"},{"type":"function","name":"f"}]"#;
    assert_eq!(fallback(omitting, members), ["openai gpt-5", "azure a"]);
    let call = format!(r#"{{"endpoint":"responses","openpipe":{{"fallback":{omitting}}}}}"#);
    let text = format!(r#"{{"model":"gpt-5",{members}}}"#);
    let plan = planned(VENDORS, &call, &text).unwrap();
    let body = RequestBody::parse(text).unwrap();
    assert_eq!(plan.targets[1].body(&body), r#"{"model":"a","tools":[{"type":"function","name":"f"}]}"#);
    assert_eq!((plan.targets[0].is_background, plan.targets[1].is_background), (true, false));
}

#[test]
fn hosted_tools_are_a_capability() {
    let of = |tool: &str| sorted(r#"[{"model":"azure:a"},{"model":"other:o"}]"#, &format!(r#""tools":[{tool}]"#));
    assert_eq!(of(r#"{"type":"function","name":"f"}"#).0.len(), 3);
    let (targets, unsupported, _) = of(r#"{"type":"web_search"}"#);
    assert_eq!(targets, ["openai gpt-5", "azure a"]);
    assert_eq!(unsupported, [r#"other Member("tools.web_search")"#]);
    assert_eq!(of(r#"{"type":"image_generation"}"#).0, ["openai gpt-5"]);
}

#[test]
fn items_that_only_their_issuer_can_read_are_left_out_for_another_upstream() {
    let call = r#"{"endpoint":"responses","openpipe":{"fallback":[{"model":"gpt-4"},{"model":"azure:a"}]}}"#;
    let text = r#"{"model":"gpt-5","input":[{"type":"reasoning","id":"rs_1"},{"type":"function_call","id":"fc_1","call_id":"c"}],"n":1.0}"#;
    let plan = planned(VENDORS, call, text).unwrap();
    let body = RequestBody::parse(text.to_owned()).unwrap();
    assert_eq!(plan.targets[1].body(&body), text.replace("gpt-5", "gpt-4"));
    assert_eq!(
        plan.targets[2].body(&body),
        r#"{"model":"a","input":[{"type":"function_call","call_id":"c"}],"n":1.0}"#
    );
    let because: Vec<_> = plan.targets.iter().map(Target::because).collect();
    assert_eq!(because, [None, None, Some(Because::Omitted(vec!["reasoning", "id"]))]);
}

#[test]
fn nothing_is_left_out_where_a_target_has_an_input_of_its_own() {
    let call = r#"{"endpoint":"responses","openpipe":{"fallback":[{"model":"azure:a","params":{"input":"anew"}}]}}"#;
    let text = r#"{"model":"gpt-5","input":[{"type":"reasoning","id":"rs_1"}]}"#;
    let plan = planned(VENDORS, call, text).unwrap();
    assert_eq!(plan.targets[1].because(), None);
    assert_eq!(plan.targets[1].body(&RequestBody::parse(text.to_owned()).unwrap()), r#"{"model":"a","input":"anew"}"#);
}

#[test]
fn the_ids_of_a_fallback_to_the_clients_own_upstream_are_remembered() {
    let call = r#"{"endpoint":"responses","openpipe":{"upstream":"azure","fallback":[{"model":"gpt-4"}]}}"#;
    let plan = planned(VENDORS, call, r#"{"model":"a","input":"x"}"#).unwrap();
    assert_eq!(route_of(&plan), ["azure a", "openai gpt-4"]);
    assert!(plan.targets.iter().all(|target| target.keeps_at.is_some()));
}

#[test]
fn a_call_without_a_target_that_can_take_it_is_refused() {
    let call = r#"{"endpoint":"responses","openpipe":{"upstream":"plain","fallback":[]}}"#;
    let Err(PlanError::Unsupported(message)) = planned(VENDORS, call, r#"{"model":"p","input":"x"}"#) else {
        panic!("it cannot be taken")
    };
    assert!(message.contains("plain") && message.contains("/responses"), "{message}");
    let call = r#"{"endpoint":"responses","openpipe":{"upstream":"other","fallback":[]}}"#;
    let body = r#"{"model":"p","tools":[{"type":"web_search"}]}"#;
    let Err(PlanError::Unsupported(message)) = planned(VENDORS, call, body) else { panic!("it cannot be taken") };
    assert!(message.contains("other") && message.contains("`tools.web_search`"), "{message}");
}

#[test]
fn a_response_is_continued_at_its_home() {
    let homes = Homes::default();
    let client = ClientConfig::from_json(&format!("{CONFIG}{VENDORS}}}")).unwrap();
    let body = RequestBody::parse(r#"{"model":"gpt-5","previous_response_id":"resp_1"}"#.to_owned()).unwrap();
    let of = |call: &str| {
        let call = serde_json::from_str(&format!(r#"{{"endpoint":"responses"{call}}}"#)).unwrap();
        plan_among(&client, &GivenOptions::of(&client, call).unwrap(), &body, &homes)
    };
    let first = of("").unwrap();
    assert_eq!(route_of(&first), ["openai gpt-5"]);
    assert_eq!(first.targets[0].keeps_at, None);
    assert_eq!(client.home_of(&homes, "resp_1"), None);

    homes.issued("resp_1", Some(client.upstreams[0].home(&homes)));
    assert_eq!(client.home_of(&homes, "resp_1"), Some("azure"));
    let second = of("").unwrap();
    assert_eq!(route_of(&second), ["azure a"]);
    assert!(!second.targets[0].is_primary);
    assert_eq!(second.targets[0].keeps_at, Some(client.upstreams[0].home(&homes)));
    // Where the state is shared, others follow.
    let shared = of(r#","openpipe":{"fallback":[{"model":"twin:t"},{"model":"azure:a"}]}"#).unwrap();
    assert_eq!(route_of(&shared), ["azure a", "twin t"]);
    // Without a target there it cannot be continued.
    assert!(matches!(of(r#","openpipe":{"fallback":[]}"#), Err(PlanError::Unsupported(_))));
    // The home may be no upstream of this client: it is not known then.
    homes.issued("resp_1", Some(homes.home("elsewhere", b"")));
    assert_eq!(route_of(&of("").unwrap()), ["openai gpt-5"]);
    // A custom client is an upstream that no other has access to: only its own targets continue the response.
    homes.issued("resp_1", Some(homes.client(b"number 7")));
    assert!(
        matches!(of(""), Err(PlanError::Unsupported(message)) if message.contains("`previous_response_id`")),
        "no target is that client"
    );
    let with_client = r#","openpipe":{"fallback":[{"model":"m"}]},
        "clients":{"openpipe.fallback[0].client":{"number":7,"identity":"number 7","endpoints":["responses"]}}"#;
    assert_eq!(route_of(&of(with_client).unwrap()), ["client m"]);
}

#[test]
fn references_to_a_conversation_are_left_out_only_if_params_give_an_input() {
    let of = |target: &str| {
        let call = format!(r#"{{"endpoint":"responses","openpipe":{{"fallback":[{target}]}}}}"#);
        planned(VENDORS, &call, r#"{"model":"gpt-5","conversation":"c"}"#)
    };
    for name in ["previous_response_id", "conversation", "prompt"] {
        let target = format!(r#"{{"model":"azure:a","omit":["{name}"]}}"#);
        assert!(matches!(of(&target), Err(PlanError::Argument(message)) if message.contains(name)), "{name}");
    }
    let plan = of(r#"{"model":"azure:a","omit":["conversation"],"params":{"input":"all of it"}}"#).unwrap();
    assert_eq!(route_of(&plan), ["openai gpt-5", "azure a"]);
    assert_eq!((plan.targets[0].has_conversation, plan.targets[1].has_conversation), (true, false));
}

#[test]
fn a_chat_refers_to_files_and_audio_of_its_upstream() {
    let body = r#"{"model":"gpt-5","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}"#;
    let plan = planned(VENDORS, "{}", body).unwrap();
    assert_eq!(route_of(&plan), ["openai gpt-5"]);
    assert_eq!(plan.unsupported[0].because, Because::Member("file.file_id".into()));
}

#[test]
fn a_failure_for_a_missing_openpipe_model_has_a_hint() {
    use crate::failure::{ClientError, Failure, Head, Reason, SystemError};
    let thrown = |code: &str| ClientError { codes: vec![code.into()], ..ClientError::default() }.classify();
    let system = |syscall, code| SystemError::of(syscall).failure(code, Reason::Code(code));
    let status = |status| Failure::status(Head { status, ..Head::default() }, String::new());
    let (openpipes, other) = (planned("", "{}", OPENPIPE).unwrap(), planned("", "{}", r#"{"model":"gpt-4"}"#).unwrap());
    for (failure, is_gone) in [
        (status(404), true),
        (status(410), true),
        (system("connect", "ECONNREFUSED"), true),
        (system("getaddrinfo", "ENOTFOUND"), true),
        (system("connect", "CERT_HAS_EXPIRED"), true),
        (system("read", "ECONNRESET"), false),
        (thrown("ENOTFOUND"), true),
        (thrown("EHOSTUNREACH"), true),
        (thrown("ECONNRESET"), false),
        (thrown("UND_ERR_SOCKET"), false),
        (Failure::connection("no HTTP", None), false),
        (status(500), false),
        (status(401), false),
        (Failure::timeout("late"), false),
    ] {
        let hint = openpipes.targets[0].hint(&failure);
        assert_eq!(hint.is_some_and(|hint| hint.text().contains("openpipe.aliases")), is_gone, "{}", failure.message);
        assert_eq!(other.targets[0].hint(&failure), None);
        let says_so = hint.is_none_or(|hint| failure.with_hint(hint).message.ends_with(&format!("({})", hint.text())));
        assert!(says_so, "the message has the hint as well: an attempt shows no more than that");
    }
}
