//! Why there is no plan.

use crate::options::read::ArgumentError;
use crate::text::body::BodyError;

/// Why there is no plan. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A malformed argument.
    Argument(String),
    /// The body is not a request of the endpoint.
    Body(String),
    /// The primary needs a key that is missing.
    MissingKey(String),
    /// No target can take the request.
    Unsupported(String),
}

impl From<ArgumentError> for PlanError {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error.to_string())
    }
}

impl From<BodyError> for PlanError {
    fn from(error: BodyError) -> Self {
        Self::Body(match error {
            BodyError::NotAnObject => "the request body must be an object".into(),
            BodyError::Model(None) => "`model` is missing: it must be a non-empty string".into(),
            BodyError::Model(Some(got)) => format!("`model` must be a non-empty string, got {got}"),
        })
    }
}
