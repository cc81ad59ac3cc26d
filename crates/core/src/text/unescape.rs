//! Removes the escapes of JSON, URLs and HTML from a text, and keeps a source map: the position of each byte in the source.

use std::ops::Range;

/// A text in lower case, with the place of each of its bytes in the source.
pub(super) struct Level {
    pub(super) text: String,
    /// For each byte the start of its character in the source, and at the end the source's length.
    starts: Vec<u32>,
}

impl Level {
    pub(super) fn of(source: &str) -> Self {
        let mut level = Self::with_capacity(source.len());
        for (at, character) in source.char_indices() {
            level.push(character, u32::try_from(at).unwrap_or(u32::MAX));
        }
        level.starts.push(u32::try_from(source.len()).unwrap_or(u32::MAX));
        level
    }

    fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), starts: Vec::with_capacity(bytes + 1) }
    }

    fn push(&mut self, character: char, start: u32) {
        let before = self.text.len();
        // Some characters have several in lower case. Only the first is kept, so that a match never begins within a character.
        self.text.push(character.to_lowercase().next().unwrap_or(character));
        self.starts.extend(std::iter::repeat_n(start, self.text.len() - before));
    }

    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or_default() as usize;
        at(range.start)..at(range.end)
    }

    /// The same without one layer of escapes; `None` where it has none.
    pub(super) fn unescaped(&self) -> Option<Self> {
        memchr::memchr3(b'\\', b'%', b'&', self.text.as_bytes())?;
        let mut result = Self::with_capacity(self.text.len());
        let (mut at, mut has_changed) = (0, false);
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let start = self.starts.get(at).copied().unwrap_or_default();
            let Some((characters, length)) = escape(rest) else {
                let Some(character) = rest.chars().next() else { break };
                result.push(character, start);
                at += character.len_utf8();
                continue;
            };
            has_changed = true;
            // All characters of one run of escapes map to its start: a match within the run redacts the whole run.
            characters.chars().for_each(|character| result.push(character, start));
            at += length;
        }
        result.starts.push(self.starts.last().copied().unwrap_or_default());
        has_changed.then_some(result)
    }
}

/// The characters of the escape that the text begins with, and the length of the escape in bytes.
fn escape(text: &str) -> Option<(String, usize)> {
    match text.as_bytes().first()? {
        b'\\' => json_escape(text),
        b'%' => percent_escape(text),
        b'&' => html_escape(text),
        _ => None,
    }
}

fn json_escape(text: &str) -> Option<(String, usize)> {
    let next = text.get(1..)?.chars().next()?;
    if next != 'u' {
        return matches!(next, '/' | '\\' | '"' | '\'').then(|| (next.to_string(), 2));
    }
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let first = unit(0)?;
    if let Some(second) = unit(6).filter(|_| (0xd800..0xdc00).contains(&first)) {
        let both = char::decode_utf16([first, second]).next()?.ok()?;
        return Some((both.to_string(), 12));
    }
    char::from_u32(u32::from(first)).map(|character| (character.to_string(), 6))
}

/// The same for a run of `%XX`: one character in UTF-8, or in Latin-1 where the bytes are not UTF-8.
fn percent_escape(text: &str) -> Option<(String, usize)> {
    let byte = |index: usize| {
        let digits = text.get(3 * index..3 * index + 3)?.strip_prefix('%')?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
    };
    let first = byte(0)?;
    let bytes: Vec<u8> = (0..4).map_while(byte).collect();
    for length in 1..=bytes.len() {
        if let Some(character) = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            return Some((character.to_owned(), 3 * length));
        }
    }
    Some((char::from(first).to_string(), 3))
}

fn html_escape(text: &str) -> Option<(String, usize)> {
    let end = text.bytes().take(10).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((character.to_string(), end + 1))
}
