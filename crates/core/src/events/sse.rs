//! Decodes server-sent events by the HTML standard (section 9.2.6, "Interpreting an event stream"): lines end with CRLF, LF or CR;
//! comments; several `data` lines; the bytes may be split anywhere, also within a line ending or a UTF-8 sequence.
//!
//! It differs from the standard in three points. A last event without its blank line is delivered at a clean end of the body
//! ([`Decoder::finish`]), because some servers leave the line out. The size of an event is bounded. And two non-standard forms in
//! which servers write an error in the middle of a stream are events of type `error`: a field `error` (llama.cpp), and a line that
//! begins with JSON (Docker's model runner, gateways).

use memchr::memchr2;

use crate::text::json;

/// One event: its data, and whether its type is `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The `data` lines, joined by LF.
    pub data: String,
    /// The event's type is `error`.
    pub is_error: bool,
}

/// An event is larger than the decoder's bound.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Decodes a stream of bytes incrementally. Each byte is searched once for a line end, and each byte of data is copied once, even if
/// its line arrives in many pieces.
#[derive(Debug)]
pub struct Decoder {
    /// The start of an incomplete line, unless it is a `data` line.
    partial: Vec<u8>,
    /// The data lines of the current event, joined by LF; the last one may be incomplete.
    data: Vec<u8>,
    has_data: bool,
    /// The current line is a `data` line, whose rest is appended to `data`.
    in_data: bool,
    is_error: bool,
    /// Raw JSON at the beginning of a line, with its further lines.
    raw: Vec<u8>,
    /// The bytes of the event's complete data lines, as received.
    data_bytes: usize,
    /// The bytes of the current line, as received.
    line_bytes: usize,
    /// The last byte was a CR: a LF that follows belongs to the same line ending.
    after_cr: bool,
    /// Nothing was decoded yet, so a byte order mark may follow.
    at_start: bool,
    max_event_bytes: usize,
}

impl Decoder {
    /// A decoder that refuses events of more than `max_event_bytes`. The bytes are counted as received, so the bound does not depend on
    /// how they are split.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            partial: Vec::new(),
            data: Vec::new(),
            has_data: false,
            in_data: false,
            is_error: false,
            raw: Vec::new(),
            data_bytes: 0,
            line_bytes: 0,
            after_cr: false,
            at_start: true,
            max_event_bytes,
        }
    }

    /// Decodes the next bytes and appends the events that they complete.
    ///
    /// # Errors
    /// [`TooLarge`]; then the decoder must not be used any more.
    pub fn feed(&mut self, mut bytes: &[u8], events: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = line_end(bytes) {
            let (line, rest) = bytes.split_at(end);
            self.count(line)?;
            self.end_line(line, events);
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.count(bytes)?;
        self.keep(bytes);
        Ok(())
    }

    /// Notes the clean end of the body: delivers a last event without its blank line.
    ///
    /// # Errors
    /// None today, because [`Decoder::feed`] has counted every byte; callers treat both functions alike.
    pub fn finish(&mut self, events: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        if self.line_bytes > 0 {
            self.end_line(b"", events);
        }
        self.dispatch(events);
        Ok(())
    }

    fn count(&mut self, more: &[u8]) -> Result<(), TooLarge> {
        self.line_bytes += more.len();
        if self.data_bytes + self.line_bytes > self.max_event_bytes { Err(TooLarge) } else { Ok(()) }
    }

    /// Keeps a part of an incomplete line.
    fn keep(&mut self, part: &[u8]) {
        if self.in_data {
            self.data.extend_from_slice(part);
            return;
        }
        self.partial.extend_from_slice(part);
        // The byte after the colon must have arrived, because a blank there is not part of the value.
        if self.partial.len() > b"\xef\xbb\xbfdata:".len() {
            let line = std::mem::take(&mut self.partial);
            match data_value(self.without_mark(&line)) {
                Some(value) => {
                    self.push_data(value);
                    self.in_data = true;
                }
                None => self.partial = line,
            }
        }
    }

    /// Takes the last part of a line, or a whole line.
    fn end_line(&mut self, last: &[u8], events: &mut Vec<SseEvent>) {
        if std::mem::take(&mut self.in_data) {
            self.data.extend_from_slice(last);
            self.data_bytes += self.line_bytes;
        } else if self.partial.is_empty() {
            self.line(last, events);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(last);
            self.line(&whole, events);
            // The buffer is used again.
            whole.clear();
            self.partial = whole;
        }
        self.line_bytes = 0;
        self.at_start = false;
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<SseEvent>) {
        let line = self.without_mark(line);
        if let Some(value) = data_value(line) {
            self.push_data(value);
            self.data_bytes += self.line_bytes;
        } else if line.is_empty() {
            self.dispatch(events);
        } else if line.starts_with(b"{") || !self.raw.is_empty() {
            self.raw_line(line, events);
        } else if let Some(value) = field(line, b"event") {
            self.is_error = value == b"error";
        } else if let Some(error) = field(line, b"error") {
            self.dispatch(events);
            events.push(SseEvent { data: json::lossy(error.to_vec()), is_error: true });
        }
    }

    /// Takes a line of raw JSON. The JSON ends when it is complete, at a line with only a closing brace, or with the event.
    fn raw_line(&mut self, line: &[u8], events: &mut Vec<SseEvent>) {
        let is_first = self.raw.is_empty();
        if is_first {
            self.dispatch(events);
        } else {
            self.raw.push(b'\n');
        }
        self.raw.extend_from_slice(line);
        // With the line break that joins the next line.
        self.data_bytes += self.line_bytes + 1;
        if line == b"}" || (is_first && serde_json::from_slice::<&serde_json::value::RawValue>(line).is_ok()) {
            self.dispatch(events);
        }
    }

    /// A line without the byte order mark that the first one may have.
    fn without_mark<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.at_start).unwrap_or(line)
    }

    fn push_data(&mut self, value: &[u8]) {
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
    }

    fn dispatch(&mut self, events: &mut Vec<SseEvent>) {
        let is_error = std::mem::take(&mut self.is_error);
        self.data_bytes = 0;
        if !self.raw.is_empty() {
            events.push(SseEvent { data: json::lossy(std::mem::take(&mut self.raw)), is_error: true });
        }
        if std::mem::take(&mut self.has_data) {
            events.push(SseEvent { data: json::lossy(std::mem::take(&mut self.data)), is_error });
        }
    }
}

/// The end of the first line. The blank line of every event is found without a search.
fn line_end(bytes: &[u8]) -> Option<usize> {
    if matches!(bytes, [b'\n' | b'\r', ..]) { Some(0) } else { memchr2(b'\n', b'\r', bytes) }
}

/// The value of a field with this name; `None` for any other line.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

/// The value of a `data` line; `None` for any other line.
fn data_value(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
