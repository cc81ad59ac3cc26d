//! The table of a delta's members: used by the commit, by delta encoding and by the merge of a report (contract.md, sections 5 and 7).
//! A member that is not in it is content if it holds a text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::events::delta::Place;
use crate::text::json::{self, Members};

/// The role of a member of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Text that arrives in pieces, which are joined.
    Text,
    /// A mark, such as an id: not content, and always whole.
    Mark,
    /// Tool calls, or the function call.
    Calls,
    /// A list whose elements are identified by index and type.
    Details,
}

/// A row of the table.
#[derive(Debug)]
pub struct Member {
    /// The member's name.
    pub name: &'static str,
    /// Its role.
    pub role: Role,
    /// Its slot for delta encoding: the path to its text in a chunk; `None` where it has no slot.
    pub slot: Option<Place>,
}

/// The path to the arguments of a delta's only tool call.
pub const ARGUMENTS: Place = Place(r#"["choices",0,"delta","tool_calls",0,"function","arguments"]"#);
/// The path to the text of a choice of `/completions`.
pub const TEXT: Place = Place(r#"["choices",0,"text"]"#);
/// The padding with which OpenAI hides the length of its events.
pub const PADDING: (&str, Place) = ("obfuscation", Place(r#"["obfuscation"]"#));

const fn text(name: &'static str, path: &'static str) -> Member {
    Member { name, role: Role::Text, slot: Some(Place(path)) }
}

const fn of(name: &'static str, role: Role) -> Member {
    Member { name, role, slot: None }
}

/// The table, the most frequent members first.
pub const MEMBERS: [Member; 19] = [
    text("content", r#"["choices",0,"delta","content"]"#),
    of("role", Role::Mark),
    of("tool_calls", Role::Calls),
    of("function_call", Role::Calls),
    text("reasoning_content", r#"["choices",0,"delta","reasoning_content"]"#),
    text("reasoning", r#"["choices",0,"delta","reasoning"]"#),
    text("reasoning_text", r#"["choices",0,"delta","reasoning_text"]"#),
    text("refusal", r#"["choices",0,"delta","refusal"]"#),
    text("thinking", r#"["choices",0,"delta","thinking"]"#),
    of("reasoning_details", Role::Details),
    of("id", Role::Mark),
    of("type", Role::Mark),
    of("name", Role::Mark),
    of("index", Role::Mark),
    of("format", Role::Mark),
    of("signature", Role::Mark),
    of("model", Role::Mark),
    of("object", Role::Mark),
    of("finish_reason", Role::Mark),
];

/// The role of a member, by its name with quotes.
#[must_use]
pub fn role_of(quoted: &str) -> Role {
    let name = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted);
    if name.contains('\\') {
        return json::canonical(quoted)
            .map_or(Role::Text, |plain| if plain == quoted { Role::Text } else { role_of(&plain) });
    }
    match MEMBERS.iter().find(|member| member.name == name) {
        Some(member) => member.role,
        None if name.ends_with("_id") || name.ends_with("_type") => Role::Mark,
        None => Role::Text,
    }
}

/// Whether a delta has content and calls.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// Content: any text at any depth that is not a mark; for a call also its name.
    pub content: bool,
    /// Pieces of a tool or function call.
    pub calls: bool,
}

impl Holds {
    /// Adds what a member of the delta holds.
    fn note(&mut self, name: &str, value: &str) {
        match value.as_bytes() {
            [b'"', b'"'] => {}
            [b'"', ..] => self.content |= role_of(name) != Role::Mark,
            [b'{' | b'[', ..] => match role_of(name) {
                Role::Mark => {}
                Role::Calls => {
                    self.calls = true;
                    self.content |= holds_text(value, |name| is_name(name) || role_of(name) != Role::Mark);
                }
                Role::Text | Role::Details => self.content |= is_content(value),
            },
            _ => {}
        }
    }
}

/// Reads a delta member by member, without a list of them: there may be very many.
impl<'de> Deserialize<'de> for Holds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DeltaVisitor;
        impl<'de> Visitor<'de> for DeltaVisitor {
            type Value = Holds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object or a text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Holds, A::Error> {
                let mut holds = Holds::default();
                while let Some((name, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    holds.note(name.get(), value.get());
                }
                Ok(holds)
            }

            /// A delta that is a string.
            fn visit_str<E>(self, text: &str) -> Result<Holds, E> {
                Ok(Holds { content: !text.is_empty(), calls: false })
            }
        }
        deserializer.deserialize_any(DeltaVisitor)
    }
}

/// Reads a delta from JSON text; no content and no calls if it is neither an object nor a string.
#[must_use]
pub fn held_by(delta: &str) -> Holds {
    serde_json::from_str(delta).unwrap_or_default()
}

/// Whether a value has a text that is not a mark.
#[must_use]
pub fn is_content(value: &str) -> bool {
    holds_text(value, |name| name.is_empty() || role_of(name) != Role::Mark)
}

fn holds_text(value: &str, counts: impl Fn(&str) -> bool) -> bool {
    json::any_scalar(value, |name, scalar| scalar.len() > 2 && scalar.starts_with('"') && counts(name))
}

fn is_name(quoted: &str) -> bool {
    json::is_quoted(quoted, "name")
}

/// The identity of one piece of a list whose elements arrive in pieces: tool calls, reasoning details.
#[derive(Debug, Clone, Copy, Default)]
pub struct Key<'a> {
    /// Its `index`.
    pub index: Option<u64>,
    /// Its `id`, empty where it has none.
    pub id: &'a str,
    /// It has a name, as the first piece of a call does.
    pub is_named: bool,
    /// The type, where elements of several types share their indices.
    pub kind: &'a str,
}

impl<'a> Key<'a> {
    /// The key of a tool call's piece.
    #[must_use]
    pub fn of_call(members: &Members<'a>) -> Self {
        let is_named = ["function", "custom"].into_iter().any(|name| {
            let function = members.get(name).and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
            function.is_some_and(|function| function.get("name").is_some_and(|name| !inner(name).is_empty()))
        });
        Self { index: index_of(members), id: members.get("id").map_or("", inner), is_named, kind: "" }
    }

    /// The key of a reasoning detail's piece.
    #[must_use]
    pub fn of_detail(members: &Members<'a>) -> Self {
        let id = members.get("id").map_or("", inner);
        let kind = members.get("type").map_or("", inner);
        Self { index: index_of(members), id, is_named: !id.is_empty(), kind }
    }

    /// The place of the known element that this piece belongs to; `None` where it begins a new one (contract.md, section 7, rule 6).
    pub fn place_among<'b>(&self, known: impl Iterator<Item = (usize, Key<'b>)> + Clone) -> Option<usize> {
        let of_kind = known.filter(|(_, key)| key.kind == self.kind);
        let of_index = of_kind.filter(|(_, key)| self.index.is_none() || key.index == self.index);
        if !self.id.is_empty()
            && let Some((place, _)) = of_index.clone().find(|(_, key)| key.id == self.id)
        {
            return Some(place);
        }
        let (place, last) = of_index.last()?;
        let is_another = match self.index {
            // A later piece may bring the id of a call that had none, unless that piece begins a call of its own.
            Some(_) => !self.id.is_empty() && (!last.id.is_empty() || last.is_named),
            None => true,
        };
        (!(self.is_named && is_another)).then_some(place)
    }
}

/// An element's `index`, where that is a whole number.
#[must_use]
pub fn index_of(members: &Members<'_>) -> Option<u64> {
    members.get("index")?.get().parse().ok()
}

/// What is between the quotes of a string; empty where the value is not a string.
fn inner(raw: &RawValue) -> &str {
    raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
}
