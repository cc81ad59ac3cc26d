//! Decodes the content encodings of a response's body (RFC 9110, section 8.4), as leniently as browsers: names in any case, several
//! encodings, `deflate` with and without zlib's header, gzip of several members.

mod stack;

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use tokio::task::yield_now;

pub use stack::{Bound, Coding, PIECE, Refusal, Stack, Step};

/// The `Accept-Encoding` of requests: the encodings that are decoded here.
pub(super) const ACCEPTED: &str = "zstd,gzip,deflate,br";
/// Two occur if a server and its load balancer each add one. A body with more is not decoded, so it is not a valid answer.
const MAX_CODINGS: usize = 2;
/// The decoder yields to the scheduler after this many bytes of work, which take well below a millisecond.
const TURN: u64 = 64 * 1024;

/// A body that is read and decoded piece by piece.
pub(super) struct Body {
    response: reqwest::Response,
    /// The decoders; `None` where the body has no encoding.
    stack: Option<Stack>,
    /// Bytes of work since the last yield.
    since_turn: u64,
}

/// Why a body could not be read to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// Its connection failed.
    Connection(reqwest::Error),
    /// Its content encoding is malformed, or its output too large.
    Coding(Refusal),
}

impl Body {
    /// The body of a response. If it is decoded, `Content-Encoding` and `Content-Length` are removed from `headers`.
    pub(super) fn of(response: reqwest::Response, headers: &mut HeaderMap, bound: Bound) -> Self {
        let codings = codings(headers);
        let stack = (!codings.is_empty()).then(|| Stack::new(&codings, bound));
        if stack.is_some() {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        Self { response, stack, since_turn: 0 }
    }

    /// The length of the rest of the body in bytes, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        if self.stack.is_some() { None } else { self.response.content_length() }
    }

    /// The next piece, as soon as there is one; `None` at the end. Cancel-safe: a dropped future loses no bytes.
    ///
    /// Yields to the scheduler at least once in [`TURN`] bytes of work, also while there is no output: it runs on the threads that serve
    /// all calls of the process.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            if self.since_turn >= TURN {
                self.since_turn = 0;
                yield_now().await;
            }
            let Some(stack) = &mut self.stack else {
                let chunk = self.response.chunk().await.map_err(Broken::Connection)?;
                self.since_turn += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                return Ok(chunk);
            };
            let before = stack.work();
            let step = stack.step();
            self.since_turn += stack.work() - before;
            match step.map_err(Broken::Coding)? {
                Step::Output(piece) => return Ok(Some(piece)),
                Step::Working => {}
                Step::End => return Ok(None),
                Step::NeedsInput => match self.response.chunk().await.map_err(Broken::Connection)? {
                    Some(bytes) => stack.push(bytes),
                    None => stack.end(),
                },
            }
        }
    }
}

/// The encodings of a body in the order in which the server applied them; empty where one of them is unknown, so that the body is
/// not decoded.
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

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::pin::Pin;
    use std::task::{Context, Poll};

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
    fn names_of_encodings_are_read_in_any_case() {
        assert_eq!(of(&["GZip"]), [Coding::Gzip]);
        assert_eq!(of(&["x-gzip"]), [Coding::Gzip]);
        assert_eq!(of(&["deflate, BR "]), [Coding::Deflate, Coding::Brotli]);
        assert_eq!(of(&["zstd"]), [Coding::Zstd]);
        assert_eq!(of(&["gzip", "br"]), [Coding::Gzip, Coding::Brotli]);
        assert_eq!(of(&["identity, gzip,"]), [Coding::Gzip]);
    }

    /// A body whose pieces and final error are all available at once.
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
    async fn pieces_before_a_failure_are_returned_first() {
        use tokio::io::AsyncWriteExt;
        let mut encoder = async_compression::tokio::write::GzipEncoder::new(Vec::new());
        encoder.write_all(b"first").await.unwrap();
        encoder.flush().await.unwrap();
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let body = AtOnce(vec![Ok(encoder.into_inner().into()), Err(reset)]);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let mut body = Body::of(http::Response::new(reqwest::Body::wrap(body)).into(), &mut headers, WHOLE);
        assert_eq!(body.chunk().await.unwrap().unwrap(), "first");
        body.chunk().await.unwrap_err();
        assert!(headers.is_empty());
    }

    #[tokio::test]
    async fn the_length_of_what_was_sent_is_not_that_of_a_decoded_body() {
        let body = |coding: Option<&'static str>, bytes: Vec<u8>| {
            let mut headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(bytes.len()))]);
            headers.extend(coding.map(|coding| (CONTENT_ENCODING, HeaderValue::from_static(coding))));
            let body = Body::of(http::Response::new(bytes).into(), &mut headers, WHOLE);
            (body.length(), headers.len())
        };
        assert_eq!(body(Some("gzip"), gzip(b"hello")), (None, 0));
        assert_eq!(body(None, b"hello".to_vec()), (Some(5), 1));
    }

    #[test]
    fn a_body_in_an_unknown_encoding_is_not_decoded() {
        for values in [&[][..], &["identity"], &[""], &["utf-8"], &["gzip, aws-chunked"], &["br,br,br"]] {
            assert_eq!(of(values), [], "{values:?}");
        }
    }

    fn coded(names: &str, bytes: Vec<u8>, bound: Bound) -> Body {
        let mut headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(names).unwrap())]);
        Body::of(http::Response::new(bytes).into(), &mut headers, bound)
    }

    /// Bodies that are costly to decode: description, encodings, bytes, and whether they can be decoded to their end.
    fn costly() -> Vec<(&'static str, &'static str, Vec<u8>, bool)> {
        let padded = [gzip(b"x"), vec![0; 32 * MIB]].concat();
        // An empty stored block is five bytes without output.
        let empty_blocks = [0, 0, 0, 0xff, 0xff].repeat(MIB);
        let long_name = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..], &vec![b'n'; 16 * MIB]].concat();
        vec![
            ("much output", "gzip", gzip(&vec![b'x'; 8 * MIB]), true),
            ("empty members", "gzip, br", brotli(&gzip(b"").repeat(50_000)), false),
            ("small members", "gzip, br", brotli(&gzip(b"x").repeat(10_000)), true),
            ("padding", "gzip, gzip", gzip(&padded), true),
            ("padding as it came", "gzip", padded, true),
            ("empty blocks", "deflate, gzip", gzip(&[&empty_blocks[..], &[1, 0, 0, 0xff, 0xff]].concat()), true),
            ("a header without an end", "gzip, br", brotli(&long_name), false),
            ("empty frames", "zstd, gzip", gzip(&zstd(b"").repeat(50_000)), false),
        ]
    }

    const MIB: usize = 1024 * 1024;
    const WHOLE: Bound = Bound { bytes: 64 * MIB as u64, is_since_output: false };
    const STREAM: Bound = Bound { bytes: 64 * MIB as u64, is_since_output: true };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(bytes: &[u8]) -> Vec<u8> {
        use tokio::io::AsyncWriteExt;
        let quality = async_compression::Level::Precise(3);
        let mut encoder = async_compression::tokio::write::BrotliEncoder::with_quality(Vec::new(), quality);
        futures_util::FutureExt::now_or_never(async {
            encoder.write_all(bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
        })
        .unwrap();
        encoder.into_inner()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        use tokio::io::AsyncWriteExt;
        let mut encoder = async_compression::tokio::write::ZstdEncoder::new(Vec::new());
        futures_util::FutureExt::now_or_never(async {
            encoder.write_all(bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
        })
        .unwrap();
        encoder.into_inner()
    }

    async fn decoded(mut body: Body) -> Result<usize, Broken> {
        let mut length = 0;
        while let Some(piece) = body.chunk().await? {
            length += piece.len();
        }
        Ok(length)
    }

    /// On one thread a timer can fire only when the task yields to the scheduler.
    #[tokio::test(start_paused = true)]
    async fn timers_fire_while_a_body_is_decoded() {
        for bound in [WHOLE, STREAM] {
            for (what, names, bytes, is_whole) in costly() {
                let timer = tokio::runtime::Handle::current().spawn(tokio::time::sleep(MILLISECOND));
                let clock = tokio::runtime::Handle::current().spawn(tokio::time::advance(MILLISECOND));
                let result = decoded(coded(names, bytes, bound)).await;
                assert_eq!(result.is_ok(), is_whole, "{what}");
                assert!(timer.is_finished() && clock.is_finished(), "{what}");
            }
        }
    }

    const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);

    #[test]
    fn the_work_of_one_step_is_bounded() {
        for (what, names, bytes, _) in costly() {
            let codings = codings(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(names))]));
            let mut stack = Stack::new(&codings, WHOLE);
            let mut wire = Some(Bytes::from(bytes));
            let mut before = 0;
            while let Ok(step) = stack.step() {
                assert!(stack.work() - before <= 3 * PIECE as u64, "{what}");
                before = stack.work();
                match (step, wire.take()) {
                    (Step::End, _) => break,
                    (Step::NeedsInput, Some(bytes)) => stack.push(bytes),
                    (Step::NeedsInput, None) => stack.end(),
                    (_, untouched) => wire = untouched,
                }
            }
        }
    }

    #[tokio::test]
    async fn padding_and_lower_layers_count_against_the_bound() {
        let small = Bound { bytes: MIB as u64, is_since_output: false };
        let padded = [gzip(b"x"), vec![0; 3 * MIB]].concat();
        for (names, bytes) in [
            ("gzip", padded.clone()),
            ("gzip, gzip", gzip(&padded)),
            ("gzip, br", brotli(&padded)),
            ("gzip", gzip(&vec![b'x'; MIB + 1])),
        ] {
            for bound in [small, Bound { is_since_output: true, ..small }] {
                let result = decoded(coded(names, bytes.clone(), bound)).await;
                let is_output = bound.is_since_output && bytes.len() < 64 * 1024 && names == "gzip";
                assert!(is_output || matches!(result, Err(Broken::Coding(Refusal::TooLarge))), "{names} {result:?}");
            }
        }
        assert_eq!(decoded(coded("gzip", gzip(&vec![b'x'; MIB]), small)).await.unwrap(), MIB);
    }

    #[tokio::test]
    async fn a_stream_may_be_longer_than_the_bound() {
        let bound = Bound { bytes: 64 * 1024, is_since_output: true };
        // Noise hardly compresses, so that the bytes read are as many as the decoded ones, and both are bounded.
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(32 * 1024).collect();
        let members = gzip(&noise).repeat(100);
        assert!(members.len() > 64 * 1024);
        for (names, bytes) in [("gzip", members.clone()), ("gzip, gzip", gzip(&members))] {
            let pieces = bytes.chunks(16 * 1024).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let mut headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(names))]);
            let response = http::Response::new(reqwest::Body::wrap(AtOnce(pieces))).into();
            let length = decoded(Body::of(response, &mut headers, bound)).await.unwrap();
            assert_eq!(length, 100 * 32 * 1024, "{names}");
        }
    }

    #[tokio::test]
    async fn a_body_in_two_codings_is_decoded() {
        assert_eq!(decoded(coded("br, gzip", gzip(&brotli(b"hello")), WHOLE)).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn a_window_larger_than_http_allows_is_refused() {
        // A frame whose header asks for a window of 16 MiB, and one raw block.
        let frame = |log: u8| vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3, 0x09, 0x00, 0x00, b'x'];
        decoded(coded("zstd", frame(24), WHOLE)).await.unwrap_err();
        assert_eq!(decoded(coded("zstd", frame(23), WHOLE)).await.unwrap(), 1);
    }
}
