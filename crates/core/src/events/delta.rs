//! Delta encoding: most events of a stream equal one before but for a few texts, so only these texts are sent to the host.
//!
//! An event may become the template of those that follow: its text, and where in it the texts stand that vary (the
//! content, a piece of arguments, padding). A later event that is the same text around other such texts is sent as these
//! alone: nothing else of it is read again, here or in the host. What does not match crosses whole.
//!
//! The encoding of an event, as JSON (a text may also be a number, where an API numbers its events):
//!
//! | event | encoding |
//! | --- | --- |
//! | an event that is sent whole | the object |
//! | one that is the template of what follows | `[object, [path, …]]`: the paths to the texts that vary |
//! | one like the last template | its text, or the array of its texts in the order of the paths |

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A larger event is no template: it is kept as long as its stream, and what is nested in it is copied for each event.
const MAX_TEMPLATE_BYTES: usize = 2048;
/// After this many templates in a row that matched no later event, no more are made: the events have nothing in common.
const MAX_IN_VAIN: u32 = 4;
/// More texts than these do not vary in any API.
const MAX_TEXTS: usize = 4;

/// What keeping an event takes beside its data: its record here, or its place and object in the host. Windows and limits count
/// it, because a stream may consist of a million events of two bytes.
const KEEPING_BYTES: usize = 160;

/// An event of a stream, and how it compares with those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its data, a JSON object.
    pub data: String,
    /// What of it is new.
    pub news: News,
}

/// What of an event is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// All of it.
    All,
    /// All of it, and it is the template of what follows.
    Template(Vec<Place>),
    /// Texts in the places of the last template.
    Texts(Texts),
}

/// Where in an event a text stands that varies: the path to it, as JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub &'static str);

/// A text of an event, or a whole number, that may vary in those that follow.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    /// Where it stands.
    pub place: Place,
    /// The text, a part of the event's data.
    pub text: &'a RawValue,
    /// Where it is not empty, the event has content.
    pub is_content: bool,
}

/// What an endpoint has found in an event that may become a template.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// Its texts that may vary; values that are no texts are passed over.
    pub slots: Vec<Slot<'a>>,
    /// It gives a finish reason.
    pub finishes: bool,
    /// Something beside its texts may be content.
    pub may_have_more: bool,
    /// Reads whether an event has content; called with the texts of this one blank, where that is not known.
    pub has_content: fn(&str) -> bool,
}

/// The texts of an event, by where they are in its data; with their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    at: [(usize, usize); MAX_TEXTS],
    count: usize,
}

/// What is read of an event that matches the template.
#[derive(Debug)]
pub struct Alike {
    /// What is new in it.
    pub texts: Texts,
    /// It carries content.
    pub content: bool,
    /// It gives a finish reason.
    pub finishes: bool,
}

impl Event {
    /// Appends it as a server-sent event; `named`, with its `type` as the field `event`. Data of several lines has a field
    /// for each.
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

    /// Its member `type`, where that can stand in a line of its own.
    fn type_name(&self) -> Option<Cow<'_, str>> {
        #[derive(Deserialize)]
        struct Typed<'a> {
            #[serde(borrow, rename = "type")]
            name: Cow<'a, str>,
        }
        let name = serde_json::from_str::<Typed<'_>>(&self.data).ok()?.name;
        (!name.contains(['\r', '\n'])).then_some(name)
    }

    /// The memory that it takes for as long as it is kept, about.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.data.len() + KEEPING_BYTES
    }

    /// Appends its encoding, as JSON.
    pub fn tell(&self, out: &mut String) {
        match &self.news {
            News::All => out.push_str(&self.data),
            News::Template(places) => {
                out.push('[');
                out.push_str(&self.data);
                out.push_str(",[");
                for (index, place) in places.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    out.push_str(place.0);
                }
                out.push_str("]]");
            }
            // Most chunks differ from the one before in one text.
            News::Texts(texts) if texts.count == 1 => texts.of(&self.data).for_each(|text| out.push_str(text)),
            News::Texts(texts) => {
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
    /// The texts in this data, which must be that of their event.
    pub fn of<'a>(&'a self, data: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.at.iter().take(self.count).filter_map(|(start, end)| data.get(*start..*end))
    }
}

/// The templates of one stream: the last, if any.
#[derive(Debug, Default)]
pub struct Templates {
    last: Option<Template>,
    in_vain: u32,
}

impl Templates {
    /// Matches an event with the last template.
    pub fn compare(&mut self, data: &str) -> Option<Alike> {
        let alike = self.last.as_ref()?.compare(data)?;
        self.in_vain = 0;
        Some(alike)
    }

    /// Takes an event that did not match as the next template, if it may be one.
    pub fn learn<'a>(&mut self, data: &'a str, candidate: impl FnOnce() -> Option<Candidate<'a>>) -> News {
        if self.in_vain == MAX_IN_VAIN || data.len() > MAX_TEMPLATE_BYTES {
            return News::All;
        }
        let Some(template) = candidate().and_then(|candidate| Template::new(data, &candidate)) else {
            return News::All;
        };
        self.in_vain += 1;
        News::Template(self.last.insert(template).blanks.iter().map(|blank| blank.place).collect())
    }
}

/// An event, with blanks where a text stands that varies.
#[derive(Debug)]
struct Template {
    data: Box<str>,
    /// In the order of the data.
    blanks: Vec<Blank>,
    /// There is content also besides the blanks.
    content: bool,
    finishes: bool,
}

#[derive(Debug)]
struct Blank {
    place: Place,
    is_content: bool,
    /// It is a whole number.
    is_number: bool,
    /// Where its text is in the data, with the quotes.
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

    /// The texts in the blanks, if `data` is the same around them.
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

/// Where a part of a text is in it.
fn place_of(part: &str, whole: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let range = start..start + part.len();
    (whole.get(range.clone()) == Some(part)).then_some(range)
}

/// The length of the whole number of a few digits that a text begins with.
fn number_end(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // A leading zero, a fraction or an exponent makes another number of it, or none.
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
