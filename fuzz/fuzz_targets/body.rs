//! An edit of a body changes only the members that it names: the others keep their text, order and value.
//!
//! Input: the body, `params`, the model, and the names to omit, separated by the byte 0x1E, which JSON does not contain.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openpipe_core::text::body::{Edit, RequestBody};
use openpipe_core::text::json::Members;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Names and values as they are written in the text.
fn members(text: &str) -> Vec<(&str, &str)> {
    let members: Members<'_> = serde_json::from_str(text).expect("an object");
    members.iter().map(|(name, value)| (name.get(), value.get())).collect()
}

fn name(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

/// The same edit on a parsed tree.
fn expected(body: &str, edit: &Edit<'_>) -> Option<Value> {
    let mut tree: Map<String, Value> = serde_json::from_str(body).ok()?;
    let params: Map<String, Value> =
        edit.params.map_or(Some(Map::new()), |raw| serde_json::from_str(raw.get()).ok())?;
    for name in edit.omit.iter().filter(|name| edit.model.is_none() || *name != "model") {
        tree.shift_remove(name);
    }
    tree.extend(params.into_iter().filter(|(name, _)| name != "model"));
    if edit.drop_unstored_metadata && tree.get("store") != Some(&Value::Bool(true)) {
        tree.shift_remove("metadata");
    }
    if let Some(model) = edit.model {
        tree.insert("model".into(), model.into());
    }
    Some(Value::Object(tree))
}

fuzz_target!(|input: &str| {
    let mut parts = input.split('\x1e');
    let text = parts.next().unwrap_or_default();
    let params: Option<Box<RawValue>> = parts.next().and_then(|text| serde_json::from_str(text).ok());
    let model = parts.next().filter(|model| !model.is_empty());
    let omit: Vec<String> = parts.map(str::to_owned).collect();

    let parsed = RequestBody::parse(text.to_owned());
    if let Ok(tree) = serde_json::from_str::<Value>(text) {
        let model = tree.get("model").and_then(Value::as_str).filter(|model| !model.is_empty());
        assert_eq!(parsed.as_ref().ok().map(RequestBody::model), model.filter(|_| tree.is_object()));
        assert!(parsed.as_ref().map_or(true, |body| body.stream() == (tree.get("stream") == Some(&Value::Bool(true)))));
    }
    let Ok(body) = parsed else { return };
    assert_eq!(body.edited(&Edit::default()), text);

    for drop_unstored_metadata in [false, true] {
        let edit = Edit { model, params: params.as_deref(), omit: &omit, drop_unstored_metadata, ..Edit::default() };
        let out = String::from_utf8(body.edited(&edit).to_vec()).expect("text");
        let after = members(&out);

        // Members that the edit does not name keep their text and place.
        let by_edit = |quoted: &str| {
            let Some(name) = name(quoted) else { return true };
            let is_param = params.as_deref().is_some_and(|raw| {
                serde_json::from_str::<Members<'_>>(raw.get()).is_ok_and(|params| params.get(&name).is_some())
            });
            is_param || name == "model" || name == "metadata" || omit.contains(&name)
        };
        let kept = |members: Vec<(&str, &str)>| -> Vec<(String, String)> {
            let kept = members.into_iter().filter(|(quoted, _)| !by_edit(quoted));
            kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert_eq!(kept(after), kept(members(text)));

        if let (Some(expected), Ok(tree)) = (expected(text, &edit), serde_json::from_str::<Value>(&out)) {
            assert_eq!(tree, expected);
        }
    }
});
