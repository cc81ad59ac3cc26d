//! `/chat/completions`: valid answers, what counts as content, how a stream ends, how its chunks are merged (contract.md, sections 3, 5, 7).

mod answer;
mod arguments;
mod envelope;
pub mod finish;
pub mod members;
pub mod merge;
mod signs;
mod tracker;
mod tree;

use super::accepted::{Accepted, Refusal};

pub(super) use answer::{Shape, judge};
pub use signs::{MAX_CHOICES, Signs, signs};
pub use tracker::{Tracker, learn};

/// Accepts a completion, or says why it is not one: it must be an object with choices, each with an object `message`, and no error.
pub(super) fn accept(text: String) -> Result<Accepted, Refusal> {
    let usage = judge(&text, Shape::Message)?;
    Ok(Accepted { text, usage })
}
