//! Server-sent events, decoded as the HTML standard says (section 9.2.6, "Interpreting an event stream"): lines end with
//! CRLF, LF or CR; comments; several `data` lines; split anywhere, also within a line ending or a UTF-8 sequence.
//!
//! Two things differ, on purpose. An event that the end of the stream cuts short of its blank line is delivered when
//! the end was a clean one ([`Decoder::finish`]), because servers leave it out. And an event has a bound on its size.

use memchr::memchr2;

use crate::json;

/// One event: its data, and whether it was named `error`.
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

/// Decodes a stream of bytes, incrementally: every byte is looked at once.
#[derive(Debug)]
pub struct Decoder {
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
    /// The data lines of the event at hand, each with a LF behind it.
    data: Vec<u8>,
    has_data: bool,
    is_error: bool,
    /// The last byte was a CR: a LF that follows belongs to the same line ending.
    after_cr: bool,
    /// Nothing was decoded yet, so that a byte order mark may come.
    at_start: bool,
    max_event_bytes: usize,
}

impl Decoder {
    /// A decoder that refuses events of more than `max_event_bytes`.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            partial: Vec::new(),
            data: Vec::new(),
            has_data: false,
            is_error: false,
            after_cr: false,
            at_start: true,
            max_event_bytes,
        }
    }

    /// Decodes the next bytes and appends the events that they complete.
    ///
    /// # Errors
    /// [`TooLarge`], after which the decoder is of no use.
    pub fn feed(&mut self, mut bytes: &[u8], events: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = bytes.split_at(end);
            if self.partial.is_empty() {
                self.line(line, events)?;
            } else {
                self.check(line.len())?;
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, events)?;
                // Its buffer serves again.
                whole.clear();
                self.partial = whole;
            }
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
        self.check(bytes.len())?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// The stream has ended cleanly: delivers the event that was still without its blank line.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn finish(&mut self, events: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        let last = std::mem::take(&mut self.partial);
        if !last.is_empty() {
            self.line(&last, events)?;
        }
        self.line(b"", events)
    }

    fn check(&self, more: usize) -> Result<(), TooLarge> {
        if self.partial.len() + self.data.len() + more > self.max_event_bytes { Err(TooLarge) } else { Ok(()) }
    }

    fn line(&mut self, mut line: &[u8], events: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(events);
            return Ok(());
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(0) => return Ok(()),
            Some(colon) => {
                let (field, rest) = line.split_at(colon);
                let value = rest.strip_prefix(b": ").or_else(|| rest.strip_prefix(b":"));
                (field, value.unwrap_or_default())
            }
            None => (line, &[][..]),
        };
        match field {
            b"data" => {
                self.check(value.len())?;
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
                self.has_data = true;
            }
            b"event" => self.is_error = value == b"error",
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, events: &mut Vec<SseEvent>) {
        let is_error = std::mem::take(&mut self.is_error);
        if !std::mem::take(&mut self.has_data) {
            return;
        }
        let mut data = std::mem::take(&mut self.data);
        data.pop();
        events.push(SseEvent { data: json::lossy(data), is_error });
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
