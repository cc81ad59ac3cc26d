//! Extracts from an answer the properties that the rules of `reject` check, and from a request its output format (contract.md, section 10).

use serde_json::value::RawValue;

use super::responses::CALLERS_CALLS;
use crate::text::json::{self, Members};

/// The properties of one choice that the rules check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gist {
    /// Its text, without reasoning.
    pub text: String,
    /// It calls a tool or a function of the caller.
    pub has_call: bool,
    /// It has audio or an image.
    pub has_media: bool,
    /// It has a member `refusal`, or a part of that type.
    pub is_refusal: bool,
    /// Its finish reason, as the upstream wrote it.
    pub end: String,
}

/// The output format that a request specifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Any JSON.
    Json,
    /// JSON that fits this schema, as JSON text.
    Schema(String),
}

/// The choices of a chat completion, or of a completion with texts.
pub(super) fn of_choices(text: &str) -> Vec<Gist> {
    let mut gists = Vec::new();
    if let Some(choices) = members(text).and_then(|answer| answer.get("choices")) {
        each_object(choices, |choice| {
            let gist = of_choice(choice);
            // Equal choices are kept once: there may be millions, and the rules treat them alike.
            if gists.last() != Some(&gist) {
                gists.push(gist);
            }
        });
    }
    gists
}

fn of_choice(choice: &Members<'_>) -> Gist {
    let end = choice.get("finish_reason").and_then(json::decoded).unwrap_or_default();
    let message = choice.get("message").and_then(|raw| members(raw.get())).unwrap_or_default();
    let mut gist = Gist { end, ..Gist::default() };
    if let Some(content) = message.get("content").or_else(|| choice.get("text")) {
        gist.add_content(content);
    }
    let has = |name: &str| message.get(name).is_some_and(|raw| json::has_truthy_scalar(raw.get()));
    gist.has_call |= has("tool_calls") || has("function_call");
    gist.has_media |= has("audio") || has("images");
    gist.is_refusal |= has("refusal");
    gist
}

/// The one choice that a response has.
pub(super) fn of_response(text: &str) -> Vec<Gist> {
    let Some(response) = members(text) else { return Vec::new() };
    let mut gist = Gist::default();
    let details = response.get("incomplete_details").and_then(|raw| members(raw.get()));
    gist.end = details.and_then(|details| json::decoded(details.get("reason")?)).unwrap_or_default();
    if let Some(output) = response.get("output") {
        each_object(output, |item| gist.add_item(item));
    }
    vec![gist]
}

impl Gist {
    /// Adds an item of a response.
    fn add_item(&mut self, item: &Members<'_>) {
        match item.get("type").and_then(json::decoded).as_deref() {
            Some("message") => item.get("content").into_iter().for_each(|content| self.add_content(content)),
            Some("image_generation_call") => self.has_media = true,
            Some("mcp_approval_request") => self.has_call = true,
            Some(kind) => self.has_call |= CALLERS_CALLS.contains(&kind),
            None => {}
        }
    }

    /// Adds a text, or an array of parts.
    fn add_content(&mut self, content: &RawValue) {
        if content.get().starts_with('"') {
            // A lone surrogate, which JSON may hold and a Rust string cannot: the escape itself is taken as the text.
            self.text.push_str(&json::decoded(content).unwrap_or_else(|| content.get().trim_matches('"').to_owned()));
            return;
        }
        each_object(content, |part| match part.get("type").and_then(json::decoded).as_deref() {
            Some("text" | "output_text") => {
                self.text.push_str(&part.get("text").and_then(json::decoded).unwrap_or_default());
            }
            Some("refusal") => self.is_refusal = true,
            Some(kind) => self.has_media |= kind.contains("image") || kind.contains("audio"),
            None => {}
        });
    }
}

/// The format of a chat's `response_format`.
pub(super) fn format_of_chat(request: &[u8]) -> Option<Format> {
    let request: Members<'_> = serde_json::from_slice(request).ok()?;
    let format = members(request.get("response_format")?.get())?;
    let schema = format.get("json_schema").and_then(|raw| members(raw.get()));
    format_of(&format, schema.and_then(|schema| schema.get_non_null("schema")))
}

/// The format of a response's `text.format`.
pub(super) fn format_of_response(request: &[u8]) -> Option<Format> {
    let request: Members<'_> = serde_json::from_slice(request).ok()?;
    let text = members(request.get("text")?.get())?;
    let format = members(text.get("format")?.get())?;
    format_of(&format, format.get_non_null("schema"))
}

fn format_of(format: &Members<'_>, schema: Option<&RawValue>) -> Option<Format> {
    match json::decoded(format.get("type")?)?.as_str() {
        "json_schema" => Some(schema.map_or(Format::Json, |schema| Format::Schema(schema.get().to_owned()))),
        "json_object" => Some(Format::Json),
        _ => None,
    }
}

fn members(text: &str) -> Option<Members<'_>> {
    Members::of(text).ok()
}

/// Visits the objects of an array one by one: a list of their members may take a hundred times their text.
fn each_object(array: &RawValue, mut visit: impl FnMut(&Members<'_>)) {
    json::each_element(array.get(), |element| {
        if let Some(members) = members(element.get()) {
            visit(&members);
        }
    });
}
