//! The content decoders of a body, one on top of the other, as a state machine without I/O.
//!
//! One step calls one decoder once, with at most [`PIECE`] bytes in and [`PIECE`] bytes out, so the caller can yield to the scheduler
//! between any two steps. Decompression bombs are refused: the output of every layer is bounded, and so are parts without output.

use std::fmt;
use std::io;

use bytes::{Buf, Bytes};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{BrotliDecoder, DecodeV2, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};

/// The most bytes that one step reads or writes.
pub const PIECE: usize = 8 * 1024;
/// The most empty gzip members or zstd frames in a row that are skipped. A server may send some as keep-alives.
const MAX_EMPTY_PARTS: usize = 1024;
/// The fixed cost of a step, and of setting up a decoder, in bytes of work.
const STEP_COST: u64 = 64;
const PART_COST: u64 = 2 * 1024;
/// The largest window of a zstd frame, as a power of two: RFC 9659 allows 8 MiB over HTTP. The decoder allocates it.
const ZSTD_WINDOW_LOG: u32 = 23;

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, also a file of several members.
    Gzip,
    /// `deflate`, with the header of zlib or without.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`, also several frames.
    Zstd,
}

/// The bound on a body's size.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// In bytes.
    pub bytes: u64,
    /// For streams: the whole body may be of any size, and the bound is on the bytes read and decoded since the last output.
    pub is_since_output: bool,
}

/// Why a body cannot be decoded.
#[derive(Debug)]
pub enum Refusal {
    /// Its bytes are malformed, or end too early.
    Malformed(io::Error),
    /// It, or the output of a lower layer, is larger than the bound.
    TooLarge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::TooLarge => f.write_str("the content encodings decode to more than is allowed"),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Malformed(error)
    }
}

fn malformed(why: &'static str) -> Refusal {
    Refusal::Malformed(io::Error::new(io::ErrorKind::InvalidData, why))
}

/// The result of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The next piece of the decoded body.
    Output(Bytes),
    /// Progress without output yet.
    Working,
    /// All input is used: [`Stack::push`] or [`Stack::end`] is next.
    NeedsInput,
    /// The end of the decoded body.
    End,
}

/// The decoders of one body.
pub struct Stack {
    /// The first decodes the encoding that the server applied last.
    layers: Vec<Layer>,
    /// Bytes of the body before decoding.
    received: u64,
    output: Box<[u8]>,
    bound: Bound,
    work: u64,
}

impl Stack {
    /// Decoders for these encodings, in the order in which the server applied them.
    #[must_use]
    pub fn new(codings: &[Coding], bound: Bound) -> Self {
        let layers = codings.iter().rev().map(|coding| Layer::new(*coding)).collect();
        Self { layers, received: 0, output: vec![0; PIECE].into_boxed_slice(), bound, work: 0 }
    }

    /// Adds bytes of the body. Call it only after a step returned [`Step::NeedsInput`].
    pub fn push(&mut self, bytes: Bytes) {
        self.received += bytes.len() as u64;
        if let Some(first) = self.layers.first_mut() {
            first.input = bytes;
        }
    }

    /// Notes the clean end of the body.
    pub fn end(&mut self) {
        if let Some(first) = self.layers.first_mut() {
            first.source_ended = true;
        }
    }

    /// The bytes that all layers have read and written so far, plus a fixed cost for each step.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Calls one decoder once.
    ///
    /// # Errors
    /// [`Refusal`]: nothing more can be decoded.
    pub fn step(&mut self) -> Result<Step, Refusal> {
        self.work += STEP_COST;
        // The topmost layer that can run: it uses up the output of the one below, which so never has to be buffered.
        let Some(at) = self.layers.iter().rposition(Layer::can_run) else {
            let is_over = self.layers.last().is_none_or(|layer| layer.is_over);
            return Ok(if is_over { Step::End } else { Step::NeedsInput });
        };
        let (_, rest) = self.layers.split_at_mut(at);
        let Some((layer, above)) = rest.split_first_mut() else { return Ok(Step::NeedsInput) };
        let ran = layer.run(&mut self.output)?;
        self.work += ran.cost;
        let piece = self.output.get(..ran.produced).filter(|piece| !piece.is_empty()).map(Bytes::copy_from_slice);
        let is_over = layer.is_over;
        if let Some(next) = above.first_mut() {
            next.input = piece.unwrap_or_default();
            next.source_ended |= is_over;
            self.check()?;
            return Ok(Step::Working);
        }
        self.check()?;
        let Some(piece) = piece else { return Ok(Step::Working) };
        if self.bound.is_since_output {
            self.received = 0;
            self.layers.iter_mut().for_each(|layer| layer.produced = 0);
        }
        Ok(Step::Output(piece))
    }

    fn check(&self) -> Result<(), Refusal> {
        let Bound { bytes, is_since_output } = self.bound;
        // An encoding can make its input a little larger.
        let coded = bytes.saturating_add(bytes / 16).saturating_add(1024);
        let Some((last, lower)) = self.layers.split_last() else { return Ok(()) };
        let is_too_large = self.received > coded
            || lower.iter().any(|layer| layer.produced > coded)
            || (!is_since_output && last.produced > bytes);
        if is_too_large { Err(Refusal::TooLarge) } else { Ok(()) }
    }
}

/// The bytes that a run of a layer read, and its output.
struct Ran {
    produced: usize,
    cost: u64,
}

/// The decoder of one encoding. It reads its input to the end, so that the connection can be used again.
struct Layer {
    coding: Coding,
    /// The decoder of the current part (gzip member, zstd frame); `None` between parts.
    decoder: Option<Box<dyn DecodeV2 + Send>>,
    input: Bytes,
    source_ended: bool,
    /// The decoder may hold output that did not fit.
    has_more: bool,
    /// A first part has ended.
    has_decoded: bool,
    /// The rest of the input is padding, not another part.
    is_padding: bool,
    is_over: bool,
    part_is_empty: bool,
    /// Parts in a row without output.
    empty_parts: usize,
    produced: u64,
}

impl Layer {
    fn new(coding: Coding) -> Self {
        Self {
            coding,
            decoder: None,
            input: Bytes::new(),
            source_ended: false,
            has_more: false,
            has_decoded: false,
            is_padding: false,
            is_over: false,
            part_is_empty: true,
            empty_parts: 0,
            produced: 0,
        }
    }

    fn can_run(&self) -> bool {
        !self.is_over && (self.has_more || self.source_ended || !self.input.is_empty())
    }

    fn run(&mut self, output: &mut [u8]) -> Result<Ran, Refusal> {
        let Some(decoder) = self.decoder.take() else { return self.between_parts() };
        self.within_part(decoder, output)
    }

    /// Decides by the next byte whether another part follows, and chooses its decoder.
    fn between_parts(&mut self) -> Result<Ran, Refusal> {
        let Some(first) = self.input.first().copied() else {
            self.is_over = self.source_ended;
            return Ok(Ran { produced: 0, cost: 0 });
        };
        if self.begins_part(first) {
            self.decoder = Some(decoder(self.coding, first));
            self.part_is_empty = true;
            return Ok(Ran { produced: 0, cost: PART_COST });
        }
        self.is_padding = true;
        let count = self.input.len().min(PIECE);
        self.input.advance(count);
        Ok(Ran { produced: 0, cost: count as u64 })
    }

    /// Whether a part begins with this byte; else it is padding after a part.
    fn begins_part(&self, first: u8) -> bool {
        let begins_another = match self.coding {
            Coding::Gzip => first == 0x1f,
            Coding::Zstd => first == 0x28,
            Coding::Deflate | Coding::Brotli => false,
        };
        !self.has_decoded || (begins_another && !self.is_padding)
    }

    fn within_part(&mut self, mut decoder: Box<dyn DecodeV2 + Send>, output: &mut [u8]) -> Result<Ran, Refusal> {
        let room = output.len();
        let mut written = WriteBuffer::new_initialized(output);
        let (consumed, part_ended) = if !self.input.is_empty() {
            let mut read = PartialBuffer::new(self.input.get(..self.input.len().min(PIECE)).unwrap_or_default());
            let part_ended = decoder.decode(&mut read, &mut written)?;
            (read.written_len(), part_ended)
        } else if self.has_more || !self.source_ended {
            (0, false)
        } else {
            // An end of the input within a part is an error.
            (0, decoder.finish(&mut written)?)
        };
        self.input.advance(consumed);
        let mut is_flushed = true;
        if !part_ended && self.input.is_empty() && written.written_len() < room {
            is_flushed = decoder.flush(&mut written)?;
        }
        let produced = written.written_len();
        if consumed == 0 && produced == 0 && !part_ended && !self.has_more {
            return Err(malformed("the coding makes no progress"));
        }
        self.has_more = !part_ended && (!is_flushed || produced == room);
        self.produced += produced as u64;
        self.note_part(produced, part_ended)?;
        if !part_ended {
            self.decoder = Some(decoder);
        }
        Ok(Ran { produced, cost: consumed as u64 + produced as u64 })
    }

    fn note_part(&mut self, produced: usize, ended: bool) -> Result<(), Refusal> {
        if produced > 0 {
            self.part_is_empty = false;
            self.empty_parts = 0;
        }
        if ended {
            self.has_decoded = true;
            self.empty_parts += usize::from(self.part_is_empty);
        }
        if self.empty_parts > MAX_EMPTY_PARTS { Err(malformed("too many empty parts in a row")) } else { Ok(()) }
    }
}

fn decoder(coding: Coding, first: u8) -> Box<dyn DecodeV2 + Send> {
    match coding {
        Coding::Gzip => Box::new(GzipDecoder::new()),
        // The standard asks for zlib's header; some servers leave it out.
        Coding::Deflate if first & 0x0f == 0x08 => Box::new(ZlibDecoder::new()),
        Coding::Deflate => Box::new(DeflateDecoder::new()),
        Coding::Brotli => Box::new(BrotliDecoder::new()),
        Coding::Zstd => Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW_LOG)])),
    }
}
