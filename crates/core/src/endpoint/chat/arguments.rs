//! Tracks whether the arguments of tool and function calls are complete: a stream that ends within them and without a finish reason was
//! cut short (contract.md, section 5).

use serde_json::value::RawValue;

use super::members::Key;
use crate::text::json::{self, Members};

/// The most calls of a choice that are tracked; no API sends more, and each piece is looked up among them.
const MAX_CALLS: usize = 256;

/// The calls of one choice.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: Box<str>,
    is_named: bool,
    text: Text,
}

/// The state of a scanner of JSON text that arrives in pieces: enough to know whether the text is complete.
#[derive(Debug, Default, Clone, Copy)]
struct Text {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Calls {
    /// Takes the pieces of a delta. Returns the place of the call if the delta has exactly one piece.
    pub(super) fn take(&mut self, delta: &Members<'_>) -> Option<usize> {
        let mut last = None;
        json::each_element(delta.get("tool_calls").map_or("", RawValue::get), |piece| {
            let Ok(piece) = Members::of(piece.get()) else { return };
            let arguments = member(&piece, "function").and_then(|function| function.get("arguments"));
            last = self.piece(&Key::of_call(&piece), arguments);
        });
        if let Some(function) = member(delta, "function_call") {
            last = self.piece(&Key { kind: "function_call", ..Key::default() }, function.get("arguments"));
        }
        last
    }

    /// Takes more arguments of the call at this place.
    pub(super) fn more(&mut self, place: usize, quoted: &str) {
        if let Some(call) = self.0.get_mut(place) {
            call.text.feed(quoted);
        }
    }

    /// Whether the arguments of some call have begun and not ended.
    pub(super) fn are_cut(&self) -> bool {
        self.0.iter().any(|call| call.text.depth > 0 || call.text.in_string)
    }

    fn piece(&mut self, key: &Key<'_>, arguments: Option<&RawValue>) -> Option<usize> {
        let keys = self.0.iter().enumerate().map(|(place, call)| (place, call.key(key.kind)));
        let place = key.place_among(keys).or_else(|| {
            (self.0.len() < MAX_CALLS).then(|| {
                self.0.push(Call {
                    index: key.index,
                    id: key.id.into(),
                    is_named: key.is_named,
                    text: Text::default(),
                });
                self.0.len() - 1
            })
        })?;
        let call = self.0.get_mut(place)?;
        call.is_named |= key.is_named;
        if call.id.is_empty() {
            call.id = key.id.into();
        }
        if let Some(text) = arguments.filter(|raw| raw.get().starts_with('"')) {
            call.text.feed(text.get());
        }
        Some(place)
    }
}

impl Call {
    /// The key of a call. The one `function_call` of a choice has a kind of its own, which keeps it apart from tool calls.
    fn key<'a>(&'a self, kind: &'a str) -> Key<'a> {
        Key { index: self.index, id: &self.id, is_named: self.is_named, kind }
    }
}

impl Text {
    /// Takes a piece as it is written, a JSON string.
    fn feed(&mut self, quoted: &str) {
        let mut bytes = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().bytes();
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'\\' => match bytes.next() {
                    Some(b'u') => unicode(&mut bytes),
                    Some(plain @ (b'"' | b'\\' | b'/')) => plain,
                    _ => b' ',
                },
                byte => byte,
            };
            self.take(byte);
        }
    }

    fn take(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'{' | b'[' if !self.in_string => self.depth += 1,
            b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// The character of `\uXXXX`; 0 for one beyond ASCII, which is never part of JSON's structure.
fn unicode(bytes: &mut impl Iterator<Item = u8>) -> u8 {
    let digits: String = bytes.take(4).map(char::from).collect();
    u8::from_str_radix(&digits, 16).unwrap_or(b' ')
}

fn member<'a>(members: &Members<'a>, name: &str) -> Option<Members<'a>> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_cut(deltas: &[&str]) -> bool {
        let mut calls = Calls::default();
        for delta in deltas {
            calls.take(&serde_json::from_str(delta).unwrap());
        }
        calls.are_cut()
    }

    #[test]
    fn arguments_end_where_their_json_does() {
        let piece = |text: &str| format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":"{text}"}}}}]}}"#);
        for (pieces, cut) in [
            (vec![r#"{\"pa"#], true),
            (vec![r#"{\"a\":"#, "1}"], false),
            (vec![r#"{\"a\":\"}"#], true),
            (vec![r#"{\"a\":\"\\"#, r#"\"}"#], true),
            (vec![r#"{\u0022a\u0022:\"}\"}"#], false),
            (vec!["[1,"], true),
            (vec![""], false),
            (vec!["12"], false),
        ] {
            let deltas: Vec<String> = pieces.iter().map(|text| piece(text)).collect();
            let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
            assert_eq!(are_cut(&deltas), cut, "{pieces:?}");
        }
    }

    #[test]
    fn each_call_has_its_own_arguments() {
        let named = |index: &str, id: &str, text: &str| {
            format!(r#"{{"tool_calls":[{{{index}"id":"{id}","function":{{"name":"f","arguments":"{text}"}}}}]}}"#)
        };
        assert!(are_cut(&[&named("", "a", r#"{\"x\":"#), &named("", "b", "{}")]));
        assert!(are_cut(&[&named(r#""index":0,"#, "a", "{"), &named(r#""index":0,"#, "b", "{}")]));
        assert!(!are_cut(&[&named(r#""index":0,"#, "a", "{"), &named(r#""index":0,"#, "a", "}")]));
    }

    #[test]
    fn a_function_calls_arguments_count_too() {
        assert!(are_cut(&[r#"{"function_call":{"name":"f","arguments":"{"}}"#]));
        assert!(!are_cut(&[
            r#"{"function_call":{"name":"f","arguments":"{"}}"#,
            r#"{"function_call":{"arguments":"}"}}"#
        ]));
    }
}
