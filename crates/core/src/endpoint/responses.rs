//! `/responses`: a response object, and streams of typed events (contract.md, section 9).

use super::accepted::{self, Accepted, Refusal};
use super::carried;
use super::merge::Merge;
use super::tracker::{Life, Tracker, Verdict, is_done};
use crate::events::delta::{Candidate, Encoding, Event, Place, Slot, Templates};
use crate::events::sse::SseEvent;
use crate::failure::codes::ErrorBody;
use crate::failure::{Failure, Kind};
use crate::text::json::{self, Members};

/// The slots of delta encoding: texts that differ from one delta event to the next. OpenAI numbers and pads each event.
const SLOTS: [(&str, Place, bool); 3] = [
    ("delta", Place(r#"["delta"]"#), true),
    ("sequence_number", Place(r#"["sequence_number"]"#), false),
    ("obfuscation", Place(r#"["obfuscation"]"#), false),
];
/// Items of calls that the caller's machine runs, or whose arguments are streamed: the upstream is not silent while it works on them.
pub(super) const CALLERS_CALLS: [&str; 6] =
    ["function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call"];
/// The most items in progress that are tracked; no response has more at once.
const MAX_ITEMS: usize = 256;

/// Accepts an object with an array `output`, a successful `status` and no error.
///
/// # Errors
/// Why it is not a valid answer.
pub(super) fn accept(text: String) -> Result<Accepted, Refusal> {
    let members = accepted::object(&text)?;
    let has_output = members.get("output").is_some_and(|output| output.get().starts_with('['));
    if carried::is_error(members.get("error"), has_output, false) || (!has_output && carried::is_marked(&members)) {
        return Err(Refusal { kind: kind_in(&text), ..Refusal::error(text) });
    }
    let status = members.get("status").and_then(json::decoded).unwrap_or_default();
    if matches!(status.as_str(), "failed" | "cancelled") {
        return Err(Refusal::because(format!("the response's status is {status:?}")));
    }
    if !has_output {
        return Err(Refusal::because("the response is not one of this API: it has no array `output`"));
    }
    let usage = members.get_non_null("usage").map(|usage| usage.get().to_owned());
    Ok(Accepted { text, usage })
}

/// Whether a response is that of a background job that has not ended.
pub(super) fn is_under_way(text: &str) -> bool {
    let members: Result<Members<'_>, _> = serde_json::from_str(text);
    let status = members.ok().and_then(|members| json::decoded(members.get("status")?));
    status.is_some_and(|status| matches!(status.as_str(), "queued" | "in_progress"))
}

/// The kind of an error by its code, for an error that names no status.
pub(super) fn kind_in(body: &str) -> Option<Kind> {
    ErrorBody::of(body).kind_of_code()
}

/// Tracks a stream of typed events.
#[derive(Debug, Default)]
pub(super) struct Events {
    content: bool,
    usage: Option<String>,
    /// The response's id.
    id: Option<String>,
    templates: Templates,
    /// Reasoning and hosted tools that were added and are not done, by their index in the output.
    at_work: Vec<String>,
}

impl Tracker for Events {
    fn observe(&mut self, event: &SseEvent) -> Verdict {
        let data = event.data.as_str();
        if event.is_error {
            return failed("the stream carried an error event", data.to_owned());
        }
        if let Some(alike) = self.templates.compare(data) {
            self.content |= alike.content;
            return Verdict::Event { life: self.life(alike.content), encoding: Encoding::Texts(alike.texts) };
        }
        if data.trim_ascii().is_empty() {
            return Verdict::Comment;
        }
        if is_done(data) {
            return Verdict::End(self.clean_end());
        }
        match Members::of(data) {
            Ok(members) => self.take(data, &members),
            Err(error) => Verdict::no_object(&error, data),
        }
    }

    fn is_committed(&self) -> bool {
        self.content
    }

    fn is_complete(&self) -> bool {
        // `[DONE]` is ignored: the stream ends with its last event.
        false
    }

    fn clean_end(&self) -> Result<(), Failure> {
        let message = if self.content {
            "the stream ended before it was complete: no response.completed"
        } else {
            "the stream ended without any content"
        };
        Err(Failure::bad_stream(message, None))
    }

    fn usage(&self) -> Option<&str> {
        self.usage.as_deref()
    }

    fn kept_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn is_at_work(&self) -> bool {
        !self.at_work.is_empty()
    }
}

impl Events {
    fn take(&mut self, data: &str, members: &Members<'_>) -> Verdict {
        let kind = members.get("type").and_then(json::decoded).unwrap_or_default();
        let is_error = kind == "error"
            || carried::is_error(members.get("error"), false, !kind.is_empty())
            || (kind.is_empty() && carried::is_marked(members));
        if is_error {
            return failed("the stream carried an error", data.to_owned());
        }
        let response = members.get("response").and_then(|raw| Members::of(raw.get()).ok());
        let usage = response.as_ref().and_then(|response| response.get_non_null("usage"));
        self.usage = usage.map(|usage| usage.get().to_owned()).or_else(|| self.usage.take());
        if self.id.is_none() {
            self.id = response.as_ref().and_then(|response| response.get("id")).and_then(json::decoded);
        }
        let error = response.as_ref().and_then(|response| response.get("error"));
        match kind.as_str() {
            "response.failed" => {
                let body = error.filter(|raw| raw.get() != "null").map_or_else(|| data.to_owned(), carried::body_of);
                Verdict::Last { encoding: Encoding::Whole, end: Err(failure("the response failed", body)) }
            }
            "response.completed" | "response.incomplete" => {
                self.content = true;
                Verdict::Last { encoding: Encoding::Whole, end: Ok(()) }
            }
            kind => {
                let content = is_content(kind, members);
                self.content |= content;
                // The event that ends the work counts as life as well, so this comes before `watch`.
                let life = self.life(content);
                self.watch(kind, members);
                Verdict::Event { life, encoding: self.learn(kind, data) }
            }
        }
    }

    fn life(&self, content: bool) -> Life {
        match content {
            true => Life::Content,
            false if self.is_at_work() => Life::Work,
            false => Life::None,
        }
    }

    /// Notes which reasoning and hosted tools are in progress.
    fn watch(&mut self, kind: &str, members: &Members<'_>) {
        let place = || members.get("output_index").or_else(|| item(members)?.get("id")).map(|raw| raw.get().to_owned());
        match kind {
            "response.output_item.added" if works_alone(&item_type(members)) && self.at_work.len() < MAX_ITEMS => {
                self.at_work.extend(place());
            }
            "response.output_item.done" => {
                let place = place();
                self.at_work.retain(|known| Some(known) != place.as_ref());
            }
            _ => {}
        }
    }

    fn learn(&mut self, kind: &str, data: &str) -> Encoding {
        if !kind.ends_with(".delta") {
            return Encoding::Whole;
        }
        self.templates.learn(data, || {
            let members: Members<'_> = serde_json::from_str(data).ok()?;
            let slots = SLOTS.iter().filter_map(|(name, place, is_content)| {
                Some(Slot { place: *place, text: members.get(name)?, is_content: *is_content })
            });
            // An event whose type ends in `.delta` has no content without its text.
            members.get("delta").filter(|delta| delta.get().starts_with('"'))?;
            Some(Candidate { slots: slots.collect(), finishes: false, may_have_more: false, has_content: |_| false })
        })
    }
}

/// Whether an event carries content.
fn is_content(kind: &str, members: &Members<'_>) -> bool {
    if kind.ends_with(".delta") {
        let is_text = |_: &str, scalar: &str| scalar.len() > 2 && scalar.starts_with('"');
        return members.get("delta").is_some_and(|delta| json::any_scalar(delta.get(), is_text));
    }
    if kind == "response.output_item.added" {
        return item_type(members).ends_with("_call");
    }
    kind.strip_prefix("response.").is_some_and(|rest| rest.contains("_call."))
}

fn item<'a>(members: &Members<'a>) -> Option<Members<'a>> {
    serde_json::from_str(members.get("item")?.get()).ok()
}

fn item_type(members: &Members<'_>) -> String {
    item(members).and_then(|item| json::decoded(item.get("type")?)).unwrap_or_default()
}

/// Whether the upstream may be silent while it works on an item of this type: reasoning, and hosted tools.
fn works_alone(kind: &str) -> bool {
    kind == "reasoning" || kind == "mcp_list_tools" || (kind.ends_with("_call") && !CALLERS_CALLS.contains(&kind))
}

fn failed(what: &str, body: String) -> Verdict {
    Verdict::End(Err(failure(what, body)))
}

fn failure(what: &str, body: String) -> Failure {
    let kind = kind_in(&body).unwrap_or(Kind::Stream);
    Failure::carried(kind, what, body)
}

/// Keeps the last `response` of the events, which is what is reported.
#[derive(Debug, Default)]
pub(super) struct LastResponse(Option<String>);

impl Merge for LastResponse {
    fn add(&mut self, event: &Event) {
        if matches!(event.encoding, Encoding::Texts(_)) {
            return;
        }
        let members = Members::of(&event.data).ok();
        if let Some(response) = members.and_then(|members| members.get_non_null("response")) {
            let text = self.0.get_or_insert_default();
            response.get().clone_into(text);
        }
    }

    fn is_cut(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>) -> Option<String> {
        self.0
    }
}

#[cfg(test)]
#[path = "responses_tests.rs"]
mod tests;
