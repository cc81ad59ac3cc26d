//! Decoding any body takes linear work: the steps and bytes of all layers together are proportional to the input and the bound. And the
//! result does not depend on how the body is split.
//!
//! Input: one byte for the codings, one for the size of the pieces, then the body.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use openpipe_core::upstream::decoding::{Bound, Coding, PIECE, Stack, Step};

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
const BOUND: u64 = 256 * 1024;

/// The decoded body, or `None` where it is refused.
fn decoded(codings: &[Coding], body: &[u8], size: usize, is_since_output: bool) -> Option<Vec<u8>> {
    let mut stack = Stack::new(codings, Bound { bytes: BOUND, is_since_output });
    let (mut pieces, mut output) = (body.chunks(size.max(1)), Vec::new());
    let (mut steps, mut pushed, mut before) = (0_u64, 1, 0);
    loop {
        let step = stack.step();
        steps += 1;
        assert!(stack.work() - before <= 3 * PIECE as u64, "one step");
        before = stack.work();
        // Each layer emits at most slightly more than the bound since the last output, and a step moves a byte or ends a part.
        let moved = body.len() as u64 + output.len() as u64 + 2 * (BOUND + BOUND / 8);
        assert!(steps <= 4 * (moved + pushed) + 64, "{steps} steps");
        match step {
            Err(_) => return None,
            Ok(Step::Output(piece)) => output.extend_from_slice(&piece),
            Ok(Step::Working) => {}
            Ok(Step::End) => return Some(output),
            Ok(Step::NeedsInput) => {
                pushed += 1;
                match pieces.next() {
                    Some(piece) => stack.push(Bytes::copy_from_slice(piece)),
                    None => stack.end(),
                }
            }
        }
        if is_since_output && output.len() as u64 > 4 * BOUND {
            return Some(output);
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((picked, rest)) = input.split_first() else { return };
    let Some((size, body)) = rest.split_first() else { return };
    let coding = |bits: u8| CODINGS[usize::from(bits & 3)];
    let both = [coding(*picked), coding(*picked >> 2)];
    let codings = if picked & 16 == 0 { &both[..1] } else { &both[..] };

    let whole = decoded(codings, body, body.len(), false);
    let split = decoded(codings, body, usize::from(*size), false);
    assert_eq!(whole, split, "split");
    decoded(codings, body, usize::from(*size), true);
});
