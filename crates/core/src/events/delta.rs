//! Delta encoding: most events of a stream differ from an earlier one in a few texts only, so only these texts are sent to the host.
//!
//! An event may become the template for later ones: its text, with slots for the texts that vary (the content, a piece of arguments,
//! padding). A later event that equals the template outside of the slots is sent as the texts in the slots: nothing else of it is
//! parsed again, here or in the host. An event that does not match is sent whole.
//!
//! The encoding of an event, as JSON (a text may also be a whole number, where an API numbers its events):
//!
//! | event | encoding |
//! | --- | --- |
//! | an event that is sent whole | the object |
//! | one that is the template for later ones | `[object, [path, …]]`: the paths to its slots |
//! | one like the last template | its text, or the array of its texts in the order of the paths |

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The largest template, in bytes: a template is kept as long as its stream, and the host copies it for each event.
const MAX_TEMPLATE_BYTES: usize = 2048;
/// After this many templates in a row without a match, no more are made: the events differ too much.
const MAX_UNMATCHED: u32 = 4;
/// The most slots of a template; no API has more.
const MAX_TEXTS: usize = 4;

/// The memory that keeping an event takes beside its data, in bytes: its record here, or its object in the host. Windows and limits
/// count it, because a stream may consist of a million events of two bytes.
const KEEPING_BYTES: usize = 160;

/// An event of a stream, and its difference from the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its data, a JSON object.
    pub data: String,
    /// The difference from the template.
    pub encoding: Encoding,
}

/// The difference of an event from the last template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// The event does not match, and is sent whole.
    Whole,
    /// The same, and the event is the new template, with slots at these paths.
    Template(Vec<Place>),
    /// The event matches, with these texts in the slots.
    Texts(Texts),
}

/// The path to a slot in an event, as JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub &'static str);

/// A text or a whole number of an event that may vary in later ones.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    /// The path to it.
    pub place: Place,
    /// The text, a part of the event's data.
    pub text: &'a RawValue,
    /// The event has content if this text is not empty.
    pub is_content: bool,
}

/// An event that may become a template, as its endpoint sees it.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// Its slots; values that are neither texts nor numbers are ignored.
    pub slots: Vec<Slot<'a>>,
    /// It has a finish reason.
    pub finishes: bool,
    /// It may have content outside of its slots.
    pub may_have_more: bool,
    /// Whether an event has content. Called with the slots of this one empty, if `may_have_more`.
    pub has_content: fn(&str) -> bool,
}

/// The texts in the slots of an event, as byte ranges of its data that include the quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    at: [(usize, usize); MAX_TEXTS],
    count: usize,
}

/// An event that matches the template.
#[derive(Debug)]
pub struct Alike {
    /// The texts in its slots.
    pub texts: Texts,
    /// It has content.
    pub content: bool,
    /// It has a finish reason.
    pub finishes: bool,
}

impl Event {
    /// Appends it as a server-sent event. If `named`, its `type` is the field `event`. Data of several lines has a `data` field for each
    /// line.
    pub fn write_sse(&self, named: bool, out: &mut String) {
        if let Some(name) = self.type_name().filter(|_| named) {
            out.push_str("event: ");
            out.push_str(&name);
            out.push('\n');
        }
        for line in self.data.split('\n') {
            out.push_str("data: ");
            out.push_str(line);
            out.push('\n');
        }
        out.push('\n');
    }

    /// Its member `type`, unless that has a line break.
    fn type_name(&self) -> Option<Cow<'_, str>> {
        #[derive(Deserialize)]
        struct Typed<'a> {
            #[serde(borrow, rename = "type")]
            name: Cow<'a, str>,
        }
        let name = serde_json::from_str::<Typed<'_>>(&self.data).ok()?.name;
        (!name.contains(['\r', '\n'])).then_some(name)
    }

    /// The memory that it takes while it is kept, in bytes, roughly.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.data.len() + KEEPING_BYTES
    }

    /// Appends its encoding, as JSON.
    pub fn encode(&self, out: &mut String) {
        match &self.encoding {
            Encoding::Whole => out.push_str(&self.data),
            Encoding::Template(places) => {
                out.push('[');
                out.push_str(&self.data);
                out.push_str(",[");
                for (index, place) in places.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    out.push_str(place.0);
                }
                out.push_str("]]");
            }
            // Most events have one slot.
            Encoding::Texts(texts) if texts.count == 1 => texts.of(&self.data).for_each(|text| out.push_str(text)),
            Encoding::Texts(texts) => {
                out.push('[');
                for (index, text) in texts.of(&self.data).enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    out.push_str(text);
                }
                out.push(']');
            }
        }
    }
}

impl Texts {
    /// The texts in `data`, which must be that of their event.
    pub fn of<'a>(&'a self, data: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.at.iter().take(self.count).filter_map(|(start, end)| data.get(*start..*end))
    }
}

/// The last template of one stream, if any.
#[derive(Debug, Default)]
pub struct Templates {
    last: Option<Template>,
    unmatched: u32,
}

impl Templates {
    /// Matches an event with the last template.
    pub fn compare(&mut self, data: &str) -> Option<Alike> {
        let alike = self.last.as_ref()?.compare(data)?;
        self.unmatched = 0;
        Some(alike)
    }

    /// Makes an event that did not match the new template, if its endpoint allows it.
    pub fn learn<'a>(&mut self, data: &'a str, candidate: impl FnOnce() -> Option<Candidate<'a>>) -> Encoding {
        if self.unmatched == MAX_UNMATCHED || data.len() > MAX_TEMPLATE_BYTES {
            return Encoding::Whole;
        }
        let Some(template) = candidate().and_then(|candidate| Template::new(data, &candidate)) else {
            return Encoding::Whole;
        };
        self.unmatched += 1;
        Encoding::Template(self.last.insert(template).blanks.iter().map(|blank| blank.place).collect())
    }
}

/// A template: an event's text with blanks at its slots.
#[derive(Debug)]
struct Template {
    data: Box<str>,
    /// In the order of the data.
    blanks: Vec<Blank>,
    /// It has content outside of the blanks.
    content: bool,
    finishes: bool,
}

#[derive(Debug)]
struct Blank {
    place: Place,
    is_content: bool,
    /// It is a whole number.
    is_number: bool,
    /// The byte range of its text in the data, including the quotes.
    at: Range<usize>,
}

impl Template {
    fn new(data: &str, candidate: &Candidate<'_>) -> Option<Self> {
        let is_number = |text: &str| number_end(text) == Some(text.len());
        let texts = candidate.slots.iter().filter(|slot| {
            let text = slot.text.get();
            text.starts_with('"') || (!slot.is_content && is_number(text))
        });
        let mut blanks: Vec<Blank> = texts
            .filter_map(|slot| {
                let at = place_of(slot.text.get(), data)?;
                let is_number = !slot.text.get().starts_with('"');
                Some(Blank { place: slot.place, is_content: slot.is_content, is_number, at })
            })
            .take(MAX_TEXTS)
            .collect();
        if blanks.iter().all(|blank| blank.is_number) {
            return None;
        }
        blanks.sort_by_key(|blank| blank.at.start);
        let is_known = !candidate.may_have_more && candidate.slots.len() <= MAX_TEXTS;
        let content = !is_known && (candidate.has_content)(&blanked(data, &blanks)?);
        Some(Self { data: data.into(), blanks, content, finishes: candidate.finishes })
    }

    /// The texts in the blanks, if `data` equals the template outside of them.
    fn compare(&self, data: &str) -> Option<Alike> {
        let mut texts = Texts { at: [(0, 0); MAX_TEXTS], count: 0 };
        let mut content = self.content;
        let (mut rest, mut from) = (data, 0);
        for (blank, at) in self.blanks.iter().zip(&mut texts.at) {
            rest = rest.strip_prefix(self.data.get(from..blank.at.start)?)?;
            let end = if blank.is_number { number_end(rest) } else { string_end(rest) }?;
            let start = data.len() - rest.len();
            *at = (start, start + end);
            texts.count += 1;
            content |= blank.is_content && end > "\"\"".len();
            rest = rest.get(end..)?;
            from = blank.at.end;
        }
        (rest == self.data.get(from..)?).then_some(Alike { texts, content, finishes: self.finishes })
    }
}

/// An event's data with its blanks empty.
fn blanked(data: &str, blanks: &[Blank]) -> Option<String> {
    let (mut blank, mut from) = (String::with_capacity(data.len()), 0);
    for Blank { at, is_number, .. } in blanks {
        blank.push_str(data.get(from..at.start)?);
        blank.push_str(if *is_number { "0" } else { "\"\"" });
        from = at.end;
    }
    blank.push_str(data.get(from..)?);
    Some(blank)
}

/// The byte range of a part in the whole text.
fn place_of(part: &str, whole: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let range = start..start + part.len();
    (whole.get(range.clone()) == Some(part)).then_some(range)
}

/// The length of the whole number of a few digits that a text begins with.
fn number_end(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // With a leading zero, a fraction or an exponent it is not a plain whole number.
    let goes_on = text.get(digits..)?.starts_with(['.', 'e', 'E']) || (digits > 1 && text.starts_with('0'));
    ((1..=15).contains(&digits) && !goes_on).then_some(digits)
}

/// The length of the JSON string that a text begins with, quotes included; `None` where it does not begin with a valid one.
fn string_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    bytes.strip_prefix(b"\"")?;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f))?;
        match bytes.get(at..)? {
            [b'"', ..] => return Some(at + 1),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => at += 2,
            [b'\\', b'u', digits @ ..] if digits.get(..4)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
            _ => return None,
        }
    }
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
