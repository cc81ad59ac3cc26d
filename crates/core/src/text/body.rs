//! The text of a request body, and the edits of each target.
//!
//! The host writes the body once, and the upstream gets that text: large numbers, the order of members, escapes and nesting survive,
//! because the body is not parsed into a tree and written again. Only the byte ranges of the top-level members are found; an edit
//! copies the text around the members that it changes (contract.md, section 2).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::text::json::{self, Members};

/// A request's body, as the caller wrote it.
#[derive(Debug, Clone)]
pub struct RequestBody {
    text: Bytes,
    members: Vec<Member>,
    model: String,
    stream: bool,
}

/// The byte ranges of one top-level member in the text; that of the key includes its quotes.
#[derive(Debug, Clone)]
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

/// What one target changes in the body.
#[derive(Debug, Default)]
pub struct Edit<'a> {
    /// The target's model, where it is not the body's own.
    pub model: Option<&'a str>,
    /// A JSON object that is merged over the body's top-level members.
    pub params: Option<&'a RawValue>,
    /// Names of members to leave out for this target.
    pub omit: &'a [String],
    /// Leave `metadata` out unless the sent body has `store: true`: OpenAI rejects the one without the other.
    pub drop_unstored_metadata: bool,
    /// New values of members, by name; `params` and `omit` take precedence.
    pub rewritten: &'a [(&'static str, String)],
}

impl Edit<'_> {
    /// The new value of a member, where `rewritten` has one.
    fn rewritten(&self, key: &str) -> Option<&str> {
        self.rewritten.iter().find(|(name, _)| json::is_quoted(key, name)).map(|(_, text)| text.as_str())
    }
}

/// An [`Edit`] made ready to be looked up by the members' keys, which are JSON strings with their quotes.
struct Changes<'e> {
    /// The target's model as JSON.
    model: Option<String>,
    params: Members<'e>,
    /// `params` by name: a search of the list for each member would be quadratic in what a caller sent.
    by_name: HashMap<Cow<'e, str>, &'e RawValue>,
    omitted: HashSet<&'e str>,
    drop_metadata: bool,
}

impl<'e> Changes<'e> {
    fn of(body: &RequestBody, edit: &Edit<'e>) -> Self {
        let params =
            edit.params.and_then(|raw| serde_json::from_str::<Members<'e>>(raw.get()).ok()).unwrap_or_default();
        let by_name = params.iter().map(|(key, value)| (json::name_of(key.get()), value)).collect();
        let omitted = edit.omit.iter().map(String::as_str).collect();
        let model = edit.model.map(json::string);
        let mut changes = Self { model, params, by_name, omitted, drop_metadata: false };
        // `params` take precedence over `omit`.
        let store = match changes.params.get("store") {
            Some(value) => Some(value.get().as_bytes()),
            None => body.value_of("store").filter(|_| !changes.omits("\"store\"")),
        };
        changes.drop_metadata = edit.drop_unstored_metadata && store != Some(b"true");
        changes
    }

    /// Whether a member is left out. `openpipe` is for this package only, and is never sent (contract.md, section 2).
    fn omits(&self, key: &str) -> bool {
        json::is_quoted(key, "openpipe") || (!self.omitted.is_empty() && self.omitted.contains(&*json::name_of(key)))
    }

    fn drops_metadata(&self, key: &str) -> bool {
        self.drop_metadata && json::is_quoted(key, "metadata")
    }

    /// The value of a member that the target's model or its `params` replace.
    fn replacement(&self, key: &str) -> Option<&str> {
        if json::is_quoted(key, "model") {
            return self.model.as_deref();
        }
        if self.by_name.is_empty() {
            return None;
        }
        self.by_name.get(&*json::name_of(key)).map(|value| value.get())
    }
}

/// Why a text is not a usable request body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The text is not a JSON object.
    NotAnObject,
    /// `model` is missing, not a string, or empty; holds its JSON text, `None` where it is missing.
    Model(Option<String>),
}

impl RequestBody {
    /// Finds the members of a request in its text.
    ///
    /// # Errors
    /// [`BodyError`] where the text is not a JSON object, or has no model.
    pub fn parse(text: String) -> Result<Self, BodyError> {
        let parsed: Members<'_> = serde_json::from_str(&text).map_err(|_| BodyError::NotAnObject)?;
        let members = parsed
            .iter()
            .map(|(key, value)| Member { key: span_in(&text, key.get()), value: span_in(&text, value.get()) })
            .collect();
        let model = match parsed.get("model") {
            // A stored prompt may bring its own model.
            None if parsed.get_non_null("prompt").is_some() => String::new(),
            None => return Err(BodyError::Model(None)),
            Some(value) => serde_json::from_str::<String>(value.get())
                .ok()
                .filter(|model| !model.is_empty())
                .ok_or_else(|| BodyError::Model(Some(value.get().to_owned())))?,
        };
        let stream = parsed.get("stream").is_some_and(|value| value.get() == "true");
        Ok(Self { text: Bytes::from(text), members, model, stream })
    }

    /// The caller's model; empty where the body has a stored prompt instead, which may bring its own.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the caller asked for a stream.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// The JSON text of a member's value; of several members with this name the last one's.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value_of(name)?).ok()
    }

    /// The length of the text in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The text for one target. If nothing changes it shares the caller's buffer, without a copy.
    #[must_use]
    pub fn edited(&self, edit: &Edit<'_>) -> Bytes {
        let changes = Changes::of(self, edit);
        // An empty model means that the body has no such member to replace.
        let lacks_model = changes.model.is_some() && self.model.is_empty();
        let mut keys = self.members.iter().map(|member| self.key(member));
        if changes.params.is_empty()
            && edit.rewritten.is_empty()
            && !lacks_model
            && !keys.any(|key| changes.replacement(key).is_some() || changes.omits(key) || changes.drops_metadata(key))
        {
            return self.text.clone();
        }
        let mut out = Vec::with_capacity(self.text.len() + 64);
        for member in &self.members {
            let key = self.key(member);
            let replacement = changes.replacement(key);
            if (replacement.is_some() || !changes.omits(key)) && !changes.drops_metadata(key) {
                let text = replacement.or_else(|| edit.rewritten(key));
                push_member(&mut out, key, text.map_or_else(|| self.value(member), str::as_bytes));
            }
        }
        self.push_new_params(&mut out, &changes);
        if let Some(model) = changes.model.filter(|_| lacks_model) {
            push_member(&mut out, "\"model\"", model.as_bytes());
        }
        out.extend_from_slice(if out.is_empty() { b"{}" } else { b"}" });
        Bytes::from(out)
    }

    /// Appends the members of `params` that the body does not have.
    fn push_new_params(&self, out: &mut Vec<u8>, changes: &Changes<'_>) {
        if changes.params.is_empty() {
            return;
        }
        let known: HashSet<Cow<'_, str>> = self.members.iter().map(|member| json::name_of(self.key(member))).collect();
        for (key, value) in changes.params.iter() {
            let name = key.get();
            if !known.contains(&*json::name_of(name))
                && !json::is_quoted(name, "model")
                && !changes.drops_metadata(name)
            {
                push_member(out, name, value.get().as_bytes());
            }
        }
    }

    fn value_of(&self, name: &str) -> Option<&[u8]> {
        let member = self.members.iter().rev().find(|member| json::is_quoted(self.key(member), name))?;
        Some(self.value(member))
    }

    fn key(&self, member: &Member) -> &str {
        // The ranges were taken from this text, which was a `String`, so neither step can fail.
        self.text.get(member.key.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// A value as bytes, without another check of its UTF-8: it may be large.
    fn value(&self, member: &Member) -> &[u8] {
        self.text.get(member.value.clone()).unwrap_or_default()
    }
}

fn push_member(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    out.push(if out.is_empty() { b'{' } else { b',' });
    out.extend_from_slice(key.as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

/// The byte range of `part`, a slice of `whole`.
fn span_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(text: &str) -> RequestBody {
        RequestBody::parse(text.to_owned()).unwrap()
    }

    fn edited(text: &str, edit: &Edit<'_>) -> String {
        String::from_utf8(body(text).edited(edit).to_vec()).unwrap()
    }

    #[test]
    fn model_and_stream_are_found() {
        let found = body(r#"{"messages":[{"model":"not this"}],"model":"gpt-4","stream":true}"#);
        assert_eq!((found.model(), found.stream()), ("gpt-4", true));
        assert!(!body(r#"{"model":"m","stream":false}"#).stream());
        assert!(!body(r#"{"model":"m","stream":null}"#).stream());
    }

    #[test]
    fn an_unchanged_body_keeps_its_text_and_its_buffer() {
        let original = body("{ \"model\" : \"m\",\n \"n\": 1e400 }");
        let same = original.edited(&Edit::default());
        assert_eq!(same.as_ptr(), original.text.as_ptr());
    }

    #[test]
    fn openpipe_is_left_out_however_its_name_is_escaped() {
        let text = r#"{"model":"m","openp\u0069pe":{"cache":"readWrite"},"n":1.0,"openpipe":null}"#;
        assert_eq!(edited(text, &Edit::default()), r#"{"model":"m","n":1.0}"#);
    }

    #[test]
    fn another_model_leaves_every_other_character_alone() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let text = format!(
            r#"{{"a":12345678901234567890.0001e400,"model":"old","z":{{"model":"inner"}},"s":"\ud800 \u00e9 é","__proto__":{{}},"-0":-0,"deep":{deep}}}"#
        );
        let expected = text.replacen("\"old\"", "\"new \\\"quoted\\\"\"", 1);
        assert_eq!(edited(&text, &Edit { model: Some("new \"quoted\""), ..Edit::default() }), expected);
    }

    #[test]
    fn params_replace_in_place_and_append() {
        let params: Box<RawValue> = serde_json::from_str(r#"{"temperature":0,"top_k":5,"model":"ignored"}"#).unwrap();
        let edit = Edit { model: Some("b"), params: Some(&params), ..Edit::default() };
        assert_eq!(
            edited(r#"{"model":"a","temperature":1,"n":1}"#, &edit),
            r#"{"model":"b","temperature":0,"n":1,"top_k":5}"#
        );
    }

    #[test]
    fn omit_leaves_members_out_unless_params_set_them() {
        let params: Box<RawValue> = serde_json::from_str(r#"{"seed":2}"#).unwrap();
        let omit = ["logprobs".to_owned(), "seed".to_owned(), "absent".to_owned()];
        let edit = Edit { params: Some(&params), omit: &omit, ..Edit::default() };
        assert_eq!(edited(r#"{"logprobs":true,"model":"a","seed":1}"#, &edit), r#"{"model":"a","seed":2}"#);
    }

    #[test]
    fn names_are_compared_without_their_escapes() {
        let params: Box<RawValue> = serde_json::from_str(r#"{"x":3,"mode\u006c":"ignored","\u0079":4}"#).unwrap();
        let edit = Edit { model: Some("b"), params: Some(&params), drop_unstored_metadata: true, ..Edit::default() };
        assert_eq!(
            edited(r#"{"\u006dodel":"a","\u0078":1,"y":2,"met\u0061data":{}}"#, &edit),
            r#"{"\u006dodel":"b","\u0078":3,"y":4}"#
        );
    }

    #[test]
    fn metadata_is_sent_only_with_store_true() {
        let edit = Edit { drop_unstored_metadata: true, ..Edit::default() };
        assert_eq!(edited(r#"{"model":"a","metadata":{"k":"v"}}"#, &edit), r#"{"model":"a"}"#);
        assert_eq!(
            edited(r#"{"model":"a","metadata":{"k":"v"},"store":false}"#, &edit),
            r#"{"model":"a","store":false}"#
        );
        let stored = r#"{"model":"a","metadata":{"k":"v"},"store":true}"#;
        assert_eq!(edited(stored, &edit), stored);
    }

    #[test]
    fn store_is_read_from_the_body_that_the_target_gets() {
        let stored = r#"{"model":"a","metadata":{"k":"v"},"store":true}"#;
        let unstored = r#"{"model":"a","metadata":{"k":"v"}}"#;
        let sent = |text: &str, params: &str, omit: &[&str]| {
            let params: Box<RawValue> = serde_json::from_str(params).unwrap();
            let omit: Vec<String> = omit.iter().map(|name| (*name).to_owned()).collect();
            edited(text, &Edit { params: Some(&params), omit: &omit, drop_unstored_metadata: true, ..Edit::default() })
        };
        assert_eq!(sent(stored, "{}", &["store"]), r#"{"model":"a"}"#);
        assert_eq!(sent(stored, r#"{"store":false}"#, &[]), r#"{"model":"a","store":false}"#);
        assert_eq!(sent(unstored, r#"{"store":true}"#, &[]), r#"{"model":"a","metadata":{"k":"v"},"store":true}"#);
        assert_eq!(sent(stored, r#"{"store":true}"#, &["store"]), stored);
        assert_eq!(sent(stored, r#"{"metadata":{"k":2}}"#, &[]), r#"{"model":"a","metadata":{"k":2},"store":true}"#);
    }

    #[test]
    fn metadata_that_params_set_needs_store_as_well() {
        let params: Box<RawValue> = serde_json::from_str(r#"{"metadata":{"k":"p"},"n":1}"#).unwrap();
        let edit = Edit { params: Some(&params), drop_unstored_metadata: true, ..Edit::default() };
        assert_eq!(edited(r#"{"model":"a"}"#, &edit), r#"{"model":"a","n":1}"#);
        assert_eq!(edited(r#"{"model":"a","metadata":{}}"#, &edit), r#"{"model":"a","n":1}"#);
    }

    /// Members of a request as JSON texts, with names that are likely to repeat.
    fn some_members() -> impl Strategy<Value = Vec<(String, String)>> {
        let name = prop_oneof!["(metadata|store|seed|n|model)", "[a-zé\\\"]{0,4}"].prop_map(|name| json::string(&name));
        let value = prop_oneof![
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][0-9]{1,4})?",
            "(true|false|null|\\[ \\]|\\{ \"model\" : 1 \\})",
            any::<String>().prop_map(|text| json::string(&text)),
        ];
        prop::collection::vec((name, value), 0..8)
    }

    fn object(members: &[(String, String)], blank: &str) -> String {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("{name}{blank}:{blank}{value}")).collect();
        format!("{blank}{{{blank}{}{blank}}}", members.join(&format!("{blank},{blank}")))
    }

    proptest! {
        #[test]
        fn an_edit_leaves_members_alone_that_it_does_not_name(
            mut members in some_members(),
            params in some_members(),
            omit in prop::collection::vec("(seed|n|[a-z]{0,3})", 0..3),
            at in any::<prop::sample::Index>(),
            blank in "[ \n\t]{0,2}",
        ) {
            members.retain(|(name, _)| name != "\"model\"");
            members.insert(at.index(members.len() + 1), ("\"model\"".into(), "\"a\"".into()));
            let text = object(&members, &blank);
            prop_assert_eq!(&edited(&text, &Edit::default()), &text);

            let raw = RawValue::from_string(object(&params, "")).unwrap();
            let edit = Edit { model: Some("b"), params: Some(&raw), omit: &omit, ..Edit::default() };
            // The reference implementation, on a list: replace in place, leave out, append.
            let param = |name: &str| params.iter().rev().find(|(param, _)| param == name).map(|(_, value)| value.clone());
            let kept = members.iter().filter_map(|(name, value)| match param(name) {
                _ if name == "\"model\"" => Some((name.clone(), "\"b\"".to_owned())),
                Some(param) => Some((name.clone(), param)),
                None if omit.iter().any(|omitted| json::string(omitted) == *name) => None,
                None => Some((name.clone(), value.clone())),
            });
            let added = params.iter().filter(|(name, _)| !members.iter().any(|(known, _)| known == name)).cloned();
            let expected: Vec<_> = kept.chain(added).collect();
            prop_assert_eq!(edited(&text, &edit), object(&expected, ""));
        }
    }

    #[test]
    fn a_stored_prompt_may_name_the_model() {
        let body = body(r#"{"prompt":{"id":"p"}}"#);
        assert_eq!(body.model(), "");
        assert_eq!(body.edited(&Edit::default()), r#"{"prompt":{"id":"p"}}"#);
        let edit = Edit { model: Some("m"), ..Edit::default() };
        assert_eq!(body.edited(&edit), r#"{"prompt":{"id":"p"},"model":"m"}"#);
        assert_eq!(RequestBody::parse(r#"{"prompt":null}"#.to_owned()).unwrap_err(), BodyError::Model(None));
    }

    #[test]
    fn a_text_that_is_not_a_request_is_refused() {
        for (text, error) in [
            ("[]", BodyError::NotAnObject),
            ("null", BodyError::NotAnObject),
            ("{", BodyError::NotAnObject),
            ("{}", BodyError::Model(None)),
            (r#"{"model":5}"#, BodyError::Model(Some("5".into()))),
            (r#"{"model":""}"#, BodyError::Model(Some("\"\"".into()))),
        ] {
            assert_eq!(RequestBody::parse(text.to_owned()).unwrap_err(), error, "{text}");
        }
    }
}
