//! Finds the parts of a request that only some upstreams can take: references to state that an upstream stores, hosted tools, and items
//! that only the upstream which issued them can read (contract.md, section 9, "State").

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::Endpoint;
use crate::text::body::RequestBody;
use crate::text::json::{self, Members};

/// A part of a request that only some upstreams can take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Need {
    /// The member of the body in which it stands.
    pub member: &'static str,
    /// The type of the tool in which it stands.
    pub tool: Option<String>,
    /// Its name in messages.
    pub name: String,
    /// It refers to stored state; otherwise it is a hosted tool.
    pub is_state: bool,
}

/// The parts of a request that only some upstreams can take.
#[derive(Debug, Default)]
pub struct Needs {
    /// Each once.
    pub all: Vec<Need>,
    /// The id of the response that it continues.
    pub response_id: Option<String>,
    /// The names of what is left out of `input` for an upstream that did not issue it.
    pub issued: Vec<&'static str>,
    /// It starts a job in the background.
    pub background: bool,
    /// It adds to a conversation.
    pub conversation: bool,
}

/// Members that refer by an id to something that an upstream holds.
const IDS: [&str; 4] = ["file_id", "file_ids", "vector_store_ids", "container_id"];
/// Tools that the caller's machine runs.
const CALLERS_TOOLS: [&str; 8] = [
    "function",
    "custom",
    "namespace",
    "local_shell",
    "apply_patch",
    "computer",
    "computer_use",
    "computer_use_preview",
];
/// Members that refer to a conversation: a request without them would be another one.
pub const CONVERSATION: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// The parts of a request that only some upstreams can take. Linear in the body.
#[must_use]
pub fn of(endpoint: Endpoint, body: &RequestBody) -> Needs {
    match endpoint {
        Endpoint::Responses => of_responses(body),
        Endpoint::ChatCompletions => of_chat(body),
        Endpoint::Completions | Endpoint::Embeddings => Needs::default(),
    }
}

/// Whether a member has a value other than `null`, `false` and an empty array.
fn holds(raw: &str) -> bool {
    !matches!(raw, "null" | "false" | "\"\"") && json::has_truthy_scalar(raw)
}

fn of_responses(body: &RequestBody) -> Needs {
    let mut needs = Needs::default();
    let mut seen = HashSet::new();
    let mut add = |need: Need| {
        if seen.insert(need.clone()) {
            needs.all.push(need);
        }
    };
    for member in CONVERSATION {
        if body.member(member).is_some_and(holds) {
            add(Need { member, tool: None, name: member.to_owned(), is_state: true });
        }
    }
    needs.conversation = body.member("conversation").is_some_and(holds);
    needs.background = body.member("background") == Some("true");
    if needs.background {
        add(Need { member: "background", tool: None, name: "background".to_owned(), is_state: true });
    }
    needs.response_id = body.member("previous_response_id").and_then(|raw| serde_json::from_str(raw).ok());
    for tool in body.member("tools").map(elements).unwrap_or_default() {
        of_tool(tool, &mut add);
    }
    if let Some(input) = body.member("input") {
        let mut issued = HashSet::new();
        for item in elements(input).into_iter().filter_map(Item::of) {
            item.issued(false, |name| issued.extend([name]));
            if let Some(name) = item.state() {
                add(Need { member: "input", tool: None, name: name.to_owned(), is_state: true });
            }
        }
        needs.issued = ISSUED.into_iter().filter(|name| issued.contains(name)).collect();
    }
    needs
}

fn of_tool(tool: &str, add: &mut impl FnMut(Need)) {
    let Ok(members) = serde_json::from_str::<Members<'_>>(tool) else { return };
    let kind = text_of(&members, "type");
    let environment = members.get("environment").and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
    let is_hosted = match kind.as_str() {
        "" => false,
        "shell" => environment.as_ref().is_some_and(|place| text_of(place, "type") != "local"),
        "tool_search" => text_of(&members, "execution") != "client",
        kind => !CALLERS_TOOLS.contains(&kind),
    };
    let need = |name: String, is_state| Need { member: "tools", tool: Some(kind.clone()), name, is_state };
    if !is_hosted {
        return;
    }
    let container = members.get("container").map(RawValue::get).filter(|raw| holds(raw));
    if container.is_some_and(|raw| raw.starts_with('"')) {
        add(need("container".into(), true));
    }
    for name in IDS {
        let is_there = |members: &Members<'_>| members.get(name).is_some_and(|raw| holds(raw.get()));
        let within = container.and_then(|raw| serde_json::from_str::<Members<'_>>(raw).ok());
        if is_there(&members) || [within, environment_of(&members)].iter().flatten().any(is_there) {
            add(need(name.into(), true));
        }
    }
    add(need(format!("tools.{kind}"), false));
}

fn environment_of<'a>(tool: &Members<'a>) -> Option<Members<'a>> {
    serde_json::from_str(tool.get("environment")?.get()).ok()
}

fn of_chat(body: &RequestBody) -> Needs {
    let mut needs = Needs::default();
    let Some(messages) = body.member("messages") else { return needs };
    // Few conversations have either, and this search costs a hundredth of parsing.
    if !["file_id", "\"audio\"", "\\u"].iter().any(|mark| messages.contains(mark)) {
        return needs;
    }
    let mut names = [("audio.id", false), ("file.file_id", false)];
    let has = |members: &Members<'_>, object: &str, id: &str| {
        let object = members.get(object).and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
        object.is_some_and(|object| object.get(id).is_some_and(|raw| raw.get().starts_with('"') && holds(raw.get())))
    };
    for message in elements(messages) {
        let Ok(message) = serde_json::from_str::<Members<'_>>(message) else { continue };
        names[0].1 |= has(&message, "audio", "id");
        for part in message.get("content").map(|raw| elements(raw.get())).unwrap_or_default() {
            let part = serde_json::from_str::<Members<'_>>(part);
            names[1].1 |= part.is_ok_and(|part| has(&part, "file", "file_id"));
        }
    }
    let of = |name: &str| Need { member: "messages", tool: None, name: name.to_owned(), is_state: true };
    needs.all = names.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| of(name)).collect();
    needs
}

/// The parts that are left out for an upstream that did not issue them.
const ISSUED: [&str; 4] = ["reasoning", "item_reference", "encrypted_content", "id"];

/// An item of `input`.
struct Item<'a> {
    raw: &'a str,
    members: Members<'a>,
    kind: String,
}

impl<'a> Item<'a> {
    fn of(raw: &'a str) -> Option<Self> {
        let members: Members<'a> = serde_json::from_str(raw).ok()?;
        let kind = text_of(&members, "type");
        // A reference need not have a `type`.
        let is_reference = kind.is_empty() && members.get_non_null("role").is_none() && members.get("id").is_some();
        let kind = if is_reference { "item_reference".to_owned() } else { kind };
        Some(Self { raw, members, kind })
    }

    fn is_reference_to_reasoning(&self) -> bool {
        self.kind == "item_reference" && text_of(&self.members, "id").starts_with("rs_")
    }

    fn is_sealed(&self) -> bool {
        self.members.get("encrypted_content").is_some_and(|raw| holds(raw.get()))
    }

    /// Calls `found` for each part that only the issuing upstream can read, or that is sealed. Returns whether the whole item is left out.
    fn issued(&self, only_sealed: bool, mut found: impl FnMut(&'static str)) -> bool {
        if self.kind == "reasoning" && (!only_sealed || self.is_sealed()) {
            found("reasoning");
            if self.is_sealed() {
                found("encrypted_content");
            }
            return true;
        }
        if !only_sealed && self.is_reference_to_reasoning() {
            found("item_reference");
            return true;
        }
        if self.is_sealed() {
            found("encrypted_content");
        }
        if self.has_own_id() {
            found("id");
        }
        false
    }

    /// Whether its `id` is that of the item. In the output of a local shell it is the id of the call.
    fn has_own_id(&self) -> bool {
        !matches!(self.kind.as_str(), "item_reference" | "local_shell_call_output")
            && self.members.get_non_null("id").is_some()
    }

    /// The member that refers to something that an upstream holds.
    fn state(&self) -> Option<&'static str> {
        if self.kind == "item_reference" {
            return (!self.is_reference_to_reasoning()).then_some("item_reference");
        }
        IDS.into_iter().find(|id| {
            json::any_scalar(self.raw, |name, scalar| {
                scalar.len() > 2 && scalar.starts_with('"') && json::is_quoted(name, id)
            })
        })
    }

    /// Writes the item without what only its issuer can read. Returns whether anything is left.
    fn without_issued(&self, only_sealed: bool, out: &mut String) -> bool {
        let mut changes = false;
        if self.issued(only_sealed, |_| changes = true) {
            return false;
        }
        if !changes {
            out.push_str(self.raw);
            return true;
        }
        let start = out.len();
        let (own_id, sealed) = (self.has_own_id(), self.is_sealed());
        for (name, value) in self.members.iter() {
            let is = |other| json::is_quoted(name.get(), other);
            if (own_id && is("id")) || (sealed && is("encrypted_content")) {
                continue;
            }
            out.push(if out.len() == start { '{' } else { ',' });
            out.push_str(name.get());
            out.push(':');
            out.push_str(value.get());
        }
        out.push_str(if out.len() == start { "{}" } else { "}" });
        true
    }
}

/// `input` without what only its issuer can read: all reasoning items and ids, or (`only_sealed`) the sealed items and the ids,
/// which would refer to them. `None` where nothing changes.
#[must_use]
pub fn without_issued(input: &str, only_sealed: bool) -> Option<String> {
    let items = elements(input);
    if only_sealed && !items.iter().any(|raw| Item::of(raw).is_some_and(|item| item.is_sealed())) {
        return None;
    }
    let mut out = String::with_capacity(input.len());
    for raw in items {
        let start = out.len();
        out.push(if start == 0 { '[' } else { ',' });
        let is_kept = match Item::of(raw) {
            Some(item) => item.without_issued(only_sealed, &mut out),
            None => {
                out.push_str(raw);
                true
            }
        };
        if !is_kept {
            out.truncate(start);
        }
    }
    out.push_str(if out.is_empty() { "[]" } else { "]" });
    (out.len() < input.len()).then_some(out)
}

/// `tools` without tools of these types.
#[must_use]
pub fn without_tools(tools: &str, types: &[&str]) -> String {
    let kept = elements(tools).into_iter().filter(|tool| {
        let kind = serde_json::from_str::<Members<'_>>(tool).map(|members| text_of(&members, "type"));
        !kind.is_ok_and(|kind| types.contains(&kind.as_str()))
    });
    format!("[{}]", kept.collect::<Vec<_>>().join(","))
}

/// The elements of an array as they are written; none where it is no array.
fn elements(raw: &str) -> Vec<&str> {
    if !raw.starts_with('[') {
        return Vec::new();
    }
    serde_json::from_str::<Vec<&RawValue>>(raw).unwrap_or_default().into_iter().map(RawValue::get).collect()
}

fn text_of(members: &Members<'_>, name: &str) -> String {
    members.get(name).and_then(json::decoded).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(body: &str) -> Needs {
        of(Endpoint::Responses, &RequestBody::parse(body.to_owned()).unwrap())
    }

    fn names(body: &str) -> Vec<String> {
        needs(body).all.into_iter().map(|need| need.name).collect()
    }

    #[test]
    fn references_to_state_are_found_and_empty_members_are_ignored() {
        for (members, expected) in [
            (r#""previous_response_id":"resp_1""#, &["previous_response_id"][..]),
            (r#""previous_response_id":null,"conversation":null,"background":false,"prompt":null"#, &[]),
            (r#""conversation":{"id":"conv_1"},"background":true"#, &["conversation", "background"]),
            (r#""prompt":{"id":"p"}"#, &["prompt"]),
            (r#""input":"file_id""#, &[]),
            (r#""input":[{"type":"item_reference","id":"msg_1"}]"#, &["item_reference"]),
            (r#""input":[{"id":"msg_1"},{"type":"item_reference","id":"rs_1"}]"#, &["item_reference"]),
            (r#""input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]"#, &["file_id"]),
            (r#""input":[{"role":"user","content":[{"type":"input_file","file_id":null}]}]"#, &[]),
            (r#""input":[{"type":"code_interpreter_call","id":"ci","container_id":"c"}]"#, &["container_id"]),
            (r#""tools":[{"type":"function","parameters":{"properties":{"file_id":{"type":"string"}}}}]"#, &[]),
            (r#""tools":[{"type":"custom"},{"type":"local_shell"},{"type":"shell"},{"type":"computer"}]"#, &[]),
            (r#""tools":[{"type":"shell","environment":{"type":"local"}}]"#, &[]),
            (r#""tools":[{"type":"shell","environment":{"type":"container_auto"}}]"#, &["tools.shell"]),
            (r#""tools":[{"type":"web_search"},{"type":"web_search"}]"#, &["tools.web_search"]),
            (r#""tools":[{"type":"tool_search","execution":"client"}]"#, &[]),
            (r#""tools":[{"type":"tool_search"}]"#, &["tools.tool_search"]),
            (
                r#""tools":[{"type":"file_search","vector_store_ids":["v"]}]"#,
                &["vector_store_ids", "tools.file_search"],
            ),
            (r#""tools":[{"type":"file_search","vector_store_ids":[]}]"#, &["tools.file_search"]),
            (r#""tools":[{"type":"code_interpreter","container":"cntr_1"}]"#, &["container", "tools.code_interpreter"]),
            (
                r#""tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["f"]}}]"#,
                &["file_ids", "tools.code_interpreter"],
            ),
        ] {
            assert_eq!(names(&format!(r#"{{"model":"m",{members}}}"#)), expected, "{members}");
        }
    }

    #[test]
    fn items_that_only_their_issuer_can_read_are_cut_out_of_the_text() {
        let input = r#"[ {"role":"user","content":"x"}, {"type":"reasoning","id":"rs_1","encrypted_content":"e"},
            {"type":"item_reference","id":"rs_2"}, {"id":"fc_1","type":"function_call","call_id":"c","n":1e400},
            {"type":"compaction","encrypted_content":"e","id":"cmp"}, {"type":"local_shell_call_output","id":"l"} ]"#;
        assert_eq!(
            without_issued(input, false).unwrap(),
            r#"[{"role":"user","content":"x"},{"type":"function_call","call_id":"c","n":1e400},{"type":"compaction"},{"type":"local_shell_call_output","id":"l"}]"#
        );
        let body = format!(r#"{{"model":"m","input":{input}}}"#);
        assert_eq!(needs(&body).issued, ISSUED);
        assert_eq!(without_issued(r#"[{"type":"reasoning","id":"rs_1"}]"#, true), None);
        assert_eq!(without_issued(r#"[{"type":"reasoning","id":"rs_1"}]"#, false).unwrap(), "[]");
    }

    #[test]
    fn only_sealed_items_are_cut_out_for_their_own_upstream() {
        let input = r#"[{"type":"reasoning","id":"rs_1"},{"type":"reasoning","id":"rs_2","encrypted_content":"e"},{"type":"item_reference","id":"msg_1"}]"#;
        assert_eq!(
            without_issued(input, true).unwrap(),
            r#"[{"type":"reasoning"},{"type":"item_reference","id":"msg_1"}]"#
        );
    }

    #[test]
    fn a_conversation_of_chat_refers_to_audio_and_files() {
        let names = |messages: &str| {
            let body = RequestBody::parse(format!(r#"{{"model":"m","messages":{messages}}}"#)).unwrap();
            of(Endpoint::ChatCompletions, &body).all.into_iter().map(|need| need.name).collect::<Vec<_>>()
        };
        assert_eq!(names(r#"[{"role":"assistant","audio":{"id":"a"}}]"#), ["audio.id"]);
        assert_eq!(names(r#"[{"content":[{"type":"file","file":{"file_id":"f"}}]}]"#), ["file.file_id"]);
        assert_eq!(names(r#"[{"content":"file_id","audio":null}]"#), [""; 0]);
    }
}
