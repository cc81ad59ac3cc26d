//! The body of a response, taken out of its content encodings (RFC 9110, section 8.4) as `fetch` does it: names in any case,
//! several encodings, `deflate` with and without the header of zlib, a gzip file of several members.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use bytes::{Buf, Bytes, BytesMut};
use http_body::Body as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use tokio::task::coop::consume_budget;

/// What a request says of the encodings that are decoded here.
pub(super) const ACCEPTED: &str = "zstd,gzip,deflate,br";
/// As many as `fetch` takes off.
const MAX_CODINGS: usize = 5;
/// How much is decoded at once, at least.
const PIECE: usize = 8 * 1024;

/// A body that is read piece by piece.
pub(super) enum Body {
    /// As it came.
    Plain(reqwest::Response),
    /// Decoded.
    Coded(Box<Coded>),
}

pub(super) struct Coded {
    layer: Layer,
    buffer: BytesMut,
}

impl Body {
    /// The body of a response whose head was taken. Of one that is decoded the head tells no encoding and no length any more.
    pub(super) fn of(response: reqwest::Response, headers: &mut HeaderMap) -> Self {
        let codings = codings(headers);
        // What was put on last is taken off first.
        let mut codings = codings.into_iter().rev();
        let Some(last) = codings.next() else { return Self::Plain(response) };
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        let mut layer = Layer::new(last, Box::pin(Frames::new(response.into())));
        for coding in codings {
            layer = Layer::new(coding, Box::pin(BufReader::new(layer)));
        }
        Self::Coded(Box::new(Coded { layer, buffer: BytesMut::new() }))
    }

    /// The length of what will come, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Plain(response) => response.content_length(),
            Self::Coded(_) => None,
        }
    }

    /// The next piece, as soon as there is one; `None` at the end. Cancel-safe: it holds no bytes between two calls that the
    /// second one would not give.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Plain(response) => Ok(response.chunk().await?),
            Self::Coded(coded) => {
                // A little may be decoded to so much that others would wait for their turn.
                consume_budget().await;
                coded.buffer.reserve(PIECE);
                let count = coded.layer.read_buf(&mut coded.buffer).await?;
                Ok((count > 0).then(|| coded.buffer.split().freeze()))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The encodings of a body in the order in which they were put on. None where one of them is unknown, so that the body is taken
/// as it came.
fn codings(headers: &HeaderMap) -> Vec<Coding> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',') {
            codings.push(match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                "zstd" => Coding::Zstd,
                "identity" | "" => continue,
                _ => return Vec::new(),
            });
        }
    }
    if codings.len() > MAX_CODINGS { Vec::new() } else { codings }
}

type Input = Pin<Box<dyn AsyncBufRead + Send>>;

/// A decoder that gives back what it reads from.
trait Decoder: AsyncRead + Send + Unpin {
    fn into_input(self: Box<Self>) -> Input;
}

macro_rules! decoders {
    ($($decoder:ident)*) => {$(
        impl Decoder for $decoder<Input> {
            fn into_input(self: Box<Self>) -> Input {
                (*self).into_inner()
            }
        }
    )*};
}
decoders!(BrotliDecoder DeflateDecoder GzipDecoder ZlibDecoder ZstdDecoder);

/// One encoding that is taken off. It is read to the end of what is below, so that the connection can serve again.
struct Layer {
    coding: Coding,
    /// Where there is no decoder at work.
    input: Option<Input>,
    decoder: Option<Box<dyn Decoder>>,
    /// The end of a first part has come.
    has_decoded: bool,
    /// What still comes is no other part.
    is_padding: bool,
}

impl Layer {
    fn new(coding: Coding, input: Input) -> Self {
        Self { coding, input: Some(input), decoder: None, has_decoded: false, is_padding: false }
    }

    /// Whether a part begins with this byte. What follows a part may be padding.
    fn begins(&self, first: u8) -> bool {
        let begins_another = match self.coding {
            Coding::Gzip => first == 0x1f,
            Coding::Zstd => first == 0x28,
            Coding::Deflate | Coding::Brotli => false,
        };
        !self.has_decoded || (begins_another && !self.is_padding)
    }

    fn decoder(&self, first: u8, input: Input) -> Box<dyn Decoder> {
        match self.coding {
            Coding::Gzip => Box::new(GzipDecoder::new(input)),
            // As the standard says; servers send it without the header as well.
            Coding::Deflate if first & 0x0f == 0x08 => Box::new(ZlibDecoder::new(input)),
            Coding::Deflate => Box::new(DeflateDecoder::new(input)),
            Coding::Brotli => Box::new(BrotliDecoder::new(input)),
            Coding::Zstd => Box::new(ZstdDecoder::new(input)),
        }
    }
}

impl AsyncRead for Layer {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Some(decoder) = &mut this.decoder {
                let before = buf.filled().len();
                ready!(Pin::new(decoder).poll_read(cx, buf))?;
                if buf.filled().len() > before || buf.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
                this.input = this.decoder.take().map(Decoder::into_input);
                this.has_decoded = true;
            }
            let Some(mut input) = this.input.take() else { return Poll::Ready(Ok(())) };
            // What has come tells whether there is a part, and of which sort.
            let seen = input.as_mut().poll_fill_buf(cx).map_ok(|bytes| (bytes.first().copied(), bytes.len()));
            match seen {
                Poll::Ready(Ok((Some(first), _))) if this.begins(first) => {
                    this.decoder = Some(this.decoder(first, input));
                    continue;
                }
                Poll::Ready(Ok((Some(_), count))) => {
                    input.as_mut().consume(count);
                    this.is_padding = true;
                }
                _ => {}
            }
            this.input = Some(input);
            if ready!(seen)?.0.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// The bytes of a body as they come.
struct Frames {
    body: reqwest::Body,
    chunk: Bytes,
    error: Option<reqwest::Error>,
    is_over: bool,
}

impl Frames {
    fn new(body: reqwest::Body) -> Self {
        Self { body, chunk: Bytes::new(), error: None, is_over: false }
    }
}

impl AsyncBufRead for Frames {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() && !this.is_over {
            if let Some(error) = this.error.take() {
                this.is_over = true;
                return Poll::Ready(Err(io::Error::other(error)));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => this.chunk = frame.into_data().unwrap_or_default(),
                // Told a turn later: a decoder gives what it has at hand when there is nothing more, but not when that fails.
                Some(Err(error)) => {
                    this.error = Some(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => this.is_over = true,
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().chunk.advance(count);
    }
}

impl AsyncRead for Frames {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use reqwest::header::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Vec<Coding> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        codings(&headers)
    }

    #[test]
    fn encodings_are_known_by_their_names_in_any_case() {
        assert_eq!(of(&["GZip"]), [Coding::Gzip]);
        assert_eq!(of(&["x-gzip"]), [Coding::Gzip]);
        assert_eq!(of(&["deflate, BR ,zstd"]), [Coding::Deflate, Coding::Brotli, Coding::Zstd]);
        assert_eq!(of(&["gzip", "br"]), [Coding::Gzip, Coding::Brotli]);
        assert_eq!(of(&["identity, gzip,"]), [Coding::Gzip]);
    }

    /// A body of which everything is there at once, also what it fails with.
    struct AtOnce(Vec<io::Result<Bytes>>);

    impl http_body::Body for AtOnce {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
            Poll::Ready((!self.0.is_empty()).then(|| self.0.remove(0).map(http_body::Frame::data)))
        }
    }

    #[tokio::test]
    async fn what_came_before_a_failure_is_given_first() {
        use tokio::io::AsyncWriteExt;
        let mut encoder = async_compression::tokio::write::GzipEncoder::new(Vec::new());
        encoder.write_all(b"first").await.unwrap();
        encoder.flush().await.unwrap();
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let body = AtOnce(vec![Ok(encoder.into_inner().into()), Err(reset)]);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let mut body = Body::of(http::Response::new(reqwest::Body::wrap(body)).into(), &mut headers);
        assert_eq!(body.chunk().await.unwrap().unwrap(), "first");
        body.chunk().await.unwrap_err();
        assert!(headers.is_empty());
    }

    #[test]
    fn a_body_in_an_unknown_encoding_is_taken_as_it_came() {
        for values in [&[][..], &["identity"], &[""], &["utf-8"], &["gzip, aws-chunked"], &["br,br,br,br,br,br"]] {
            assert_eq!(of(values), [], "{values:?}");
        }
    }

    #[tokio::test]
    async fn while_much_is_decoded_others_have_their_turn() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&vec![b'x'; 8 * 1024 * 1024]).unwrap();
        let mut headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        let mut body = Body::of(http::Response::new(encoder.finish().unwrap()).into(), &mut headers);

        let other = tokio::runtime::Handle::current().spawn(async {});
        let mut length = 0;
        while let Some(chunk) = body.chunk().await.unwrap() {
            length += chunk.len();
        }
        assert_eq!(length, 8 * 1024 * 1024);
        assert!(other.is_finished());
    }
}
