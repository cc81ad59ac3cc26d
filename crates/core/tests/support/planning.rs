//! Plans from JSON, as the binding makes them.

use openpipe_core::options::ClientConfig;
use openpipe_core::plan::{Plan, plan};
use openpipe_core::text::body::RequestBody;

const CONFIG: &str = r#"{
    "openai": {"baseUrl": "http://openai.test/v1", "headers": []},
    "openpipeUrl": "http://openpipe.test", "openpipeKey": "opk"
}"#;

/// The plan of a call: its options, and its body, as JSON.
pub(crate) fn planned(call: &str, body: &str) -> (Plan, RequestBody) {
    let config = ClientConfig::from_json(CONFIG).expect("the configuration is valid");
    let body = RequestBody::parse(body.to_owned()).expect("the body is valid");
    let call = serde_json::from_str(call).expect("the options are valid");
    (plan(&config, &call, &body).expect("there is a plan"), body)
}
