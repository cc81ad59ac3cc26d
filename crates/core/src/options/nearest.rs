//! Finds the known name that a misspelt one was probably meant to be.

/// A name that is longer is not compared with others, in bytes.
const LONGEST_NAME: usize = 64;

/// The known name with the smallest edit distance to an unknown one; `None` where none is near.
#[must_use]
pub fn nearest_name(unknown: &str, known: &[String]) -> Option<String> {
    // The comparison costs the product of both lengths.
    if unknown.len() > LONGEST_NAME {
        return None;
    }
    let near = |name: &&String| strsim::damerau_levenshtein(&unknown.to_lowercase(), &name.to_lowercase());
    let nearest = known.iter().min_by_key(near)?;
    (near(&nearest) <= 1 + nearest.len() / 3).then(|| nearest.clone())
}
