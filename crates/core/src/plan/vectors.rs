//! Refuses fallbacks of embeddings whose vectors could not be compared with the primary's.

use super::destinations::Destination;
use crate::options::read::ArgumentError;
use crate::text::json::{self, Members};

/// Vectors of different models cannot be compared, and no vector store notices.
pub(super) fn check_vectors(targets: &[Destination<'_>]) -> Result<(), ArgumentError> {
    let Some((first, others)) = targets.split_first() else { return Ok(()) };
    for destination in targets {
        let Some(target) = &destination.target else { continue };
        let params = target.params.as_deref().and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
        for member in ["dimensions", "encoding_format", "input"] {
            let is_set = params.as_ref().is_some_and(|params| params.get(member).is_some());
            if is_set || target.omit.iter().any(|name| name == member) {
                let option = if is_set { "openpipe.fallback.params" } else { "openpipe.fallback.omit" };
                let what = format!("must not change {member} of embeddings: the vectors would not fit the others");
                return Err(ArgumentError::other(option, what));
            }
        }
    }
    for other in others.iter().filter(|other| other.model != first.model) {
        if other.target.as_ref().and_then(|target| target.same_vectors) != Some(true) {
            let [theirs, ours] = [&other.model, &first.model].map(|model| json::ascii(&json::string(model)));
            let what = format!(
                "asks another model for embeddings: vectors of {theirs} cannot be compared with those of {ours}. \
                 Where it is the same model by another name, say `sameVectors: true`"
            );
            return Err(ArgumentError::other("openpipe.fallback", what));
        }
    }
    Ok(())
}
